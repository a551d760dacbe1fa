"""Programs that die, with all that they start, when their time is up or this process ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

# Linux's flag; Python names it where the platform has it.
ASYNCHRONOUS = getattr(os, "O_ASYNC", 0o20000)

_running: set[subprocess.Popen[str]] = set()
_lock = threading.Lock()
_kills = 0  # so far, so that what was about to be run is not missed


class Lifeline:
    """A pipe that no process writes to, and whose end the kernel tells a process group of, by a signal.

    The kernel closes it when this process ends, however it ends. The signal's default is to end a process:
    no thread, and in Python no turn at the interpreter's lock, is needed, which compiled code may never give.
    The group must hold `read` open: hand it down (``pass_fds``).
    """

    def __init__(self) -> None:
        self.read, self._write = os.pipe()

    def tie(self, group: int) -> None:
        """End that process group when this process ends; and close this process' own copy of `read`."""
        import fcntl

        fcntl.fcntl(self.read, fcntl.F_SETOWN, -group)
        flags = fcntl.fcntl(self.read, fcntl.F_GETFL)
        fcntl.fcntl(self.read, fcntl.F_SETFL, flags | os.O_NONBLOCK | ASYNCHRONOUS)
        self._close_read()

    def close(self) -> None:
        """Close both ends: what is tied to it, and not ended yet, ends."""
        self._close_read()
        write, self._write = self._write, -1
        if write >= 0:
            os.close(write)

    def _close_read(self) -> None:
        read, self.read = self.read, -1
        if read >= 0:
            os.close(read)


def kill_group(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    """Kill a process that leads its group, and the group, and wait for it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def kill_running() -> None:
    """Kill whatever `run_in_group` runs now, in any thread."""
    global _kills
    with _lock:
        _kills += 1
        running = list(_running)
    for process in running:
        kill_group(process)


def run_in_group(
    command: Sequence[str],
    folder: Path,
    timeout_s: float | None,
    *,
    environment: Mapping[str, str] | None = None,
    memory: int | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command in a process group of its own, without a shell and without input.

    Parameters
    ----------
    command
        The program and its arguments.
    folder
        Where it runs.
    timeout_s
        Seconds; None waits for ever.
    environment
        Variables beside those of this process.
    memory
        Bytes of address space that it may take; None for no limit.

    Returns
    -------
    Its exit status and what it printed. What is no UTF-8 is replaced.

    Raises
    ------
    subprocess.TimeoutExpired
        If it takes longer. Then, on Ctrl-C, and where this process is killed, the whole group is.
    """
    kills = _kills
    lifeline = Lifeline()
    try:
        process = subprocess.Popen(  # noqa: S603 -- programs that the caller names, no shell
            command,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
            pass_fds=(lifeline.read,),
        )
        with _lock:
            _running.add(process)
            killed = kills != _kills
        try:
            lifeline.tie(process.pid)
            if killed:
                kill_group(process)
            if memory is not None:
                _limit(process.pid, memory)
            out, err = process.communicate(timeout=timeout_s)
        finally:
            if process.returncode is None:
                kill_group(process)
            with _lock:
                _running.discard(process)
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()
    finally:
        lifeline.close()
    return subprocess.CompletedProcess(list(command), process.returncode, out, err)


def _limit(process: int, memory: int) -> None:
    import resource

    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(process, resource.RLIMIT_AS, (memory, memory))
