"""A worker: a process that evaluates what its parent sends, and dies with it.

Started by `dse.executors.child.Child`, as ``python -m dse.executors.worker CONNECTION ALIVE``.
"""

from __future__ import annotations

import contextlib
import os
import sys
from multiprocessing.connection import Connection

from dse.executors.shipping import evaluated, unpacked
from dse.models import describe


def main(connection: int, alive: int) -> None:
    """Serve the parent at the other end of a connection until it closes it."""
    _die_with(alive)
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


def _die_with(alive: int) -> None:
    """Let the kernel end this process, and what it starts, when the other end of a pipe is closed.

    The signal's default is to end a process: no thread, and no turn at the interpreter's lock, is needed,
    which a model in compiled code may never give.
    """
    import fcntl

    fcntl.fcntl(alive, fcntl.F_SETOWN, -os.getpgrp())
    flags = fcntl.fcntl(alive, fcntl.F_GETFL)
    fcntl.fcntl(alive, fcntl.F_SETFL, flags | os.O_NONBLOCK | getattr(os, "O_ASYNC", 0o20000))
    try:
        ended = os.read(alive, 1) == b""
    except BlockingIOError:
        ended = False
    if ended:  # before the kernel was asked
        os._exit(1)


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
    main(int(sys.argv[1]), int(sys.argv[2]))
