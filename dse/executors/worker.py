"""A worker: a process that evaluates what its parent sends, and dies with it.

Started by `dse.executors.child.Child`, as ``python -m dse.executors.worker CONNECTION``.
"""

from __future__ import annotations

import contextlib
import sys
from multiprocessing.connection import Connection

from dse.executors.shipping import evaluated, unpacked
from dse.models import describe


def main(connection: int) -> None:
    """Serve the parent at the other end of a connection until it closes it."""
    channel = Connection(connection)
    data, memory, path = channel.recv()
    sys.path[:] = path
    try:
        unpacked(data)
    except BaseException as error:
        channel.send(describe(error))
        return
    if memory is not None:
        _limit(memory)
    channel.send(None)
    with contextlib.suppress(EOFError):
        while True:
            channel.send(evaluated(data, channel.recv()))


def _limit(memory: int) -> None:
    """Allow so many bytes beyond what is mapped now."""
    import resource

    try:
        with open("/proc/self/statm") as file:
            mapped = int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        mapped = 0
    resource.setrlimit(resource.RLIMIT_AS, (mapped + memory, mapped + memory))


if __name__ == "__main__":
    main(int(sys.argv[1]))
