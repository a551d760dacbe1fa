"""Keeps one worker going: a job at a time, killed when its time is up, started anew after a crash."""

from __future__ import annotations

import atexit
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from dse.errors import ProblemError
from objectives.gpu.triton.jobs import JobError, JobTimeout

WORKER = (sys.executable, "-m", "objectives.gpu.triton.worker")
START_S = 300.0  # the first import of torch from a cold disk is slow
TAIL_LINES = 30


class Worker:
    """A worker process, started when it is first needed.

    Parameters
    ----------
    command
        The program; that of this package by default. Another one may start it elsewhere, in a container say.
    """

    def __init__(self, command: tuple[str, ...] = WORKER) -> None:
        self.command = command
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._readers: list[threading.Thread] = []
        self._hello: dict[str, Any] | None = None
        self._number = 0
        self._lock = threading.RLock()

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        return None if self._process is None else self._process.pid

    def hello(self) -> dict[str, Any]:
        """Return what the worker runs on: `device`, `name`, `energy`, versions. Starts it the first time.

        Raises
        ------
        ProblemError
            If torch, triton or a GPU is missing; it names the mend.
        """
        with self._lock:
            if self._hello is None:
                self._start()
            assert self._hello is not None
            return self._hello

    def run(self, job: Mapping[str, Any], timeout_s: float, *, alone: bool = True) -> dict[str, Any]:
        """Return the result of a job.

        On a GPU, processes of this user take turns, so that they do not disturb each other's timings; the
        time limit begins with the turn. A job that times nothing need not be `alone`.

        Raises
        ------
        JobTimeout
            If it takes longer than `timeout_s`: the worker is killed.
        JobError
            If it fails; of kind `crash` if the worker died of it.
        ProblemError
            If there is no worker to be had.
        """
        with self._lock:
            if self._process is None:
                self._start()
            if not alone:
                return self._exchange(job, timeout_s)
            with _turn(self.hello()):
                return self._exchange(job, timeout_s)

    def kill(self) -> None:
        """Kill the worker and all that it started, in the middle of another thread's job."""
        process = self._process
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def close(self) -> None:
        """End the worker and all that it started; it starts again when it is needed."""
        with self._lock:
            process, self._process = self._process, None
            if process is None:
                return
            # The group is there as long as its leader has not been waited for.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            for reader in self._readers:
                reader.join(timeout=5.0)
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    with suppress(OSError):  # a job that was never read is still in the buffer
                        stream.close()

    def _exchange(self, job: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
        self._number += 1
        self._tail.clear()
        try:
            self._send({**job, "number": self._number})
            reply = json.loads(self._receive(timeout_s))
            if reply.get("number") != self._number:
                raise JobError("crash", f"the worker answered {str(reply)[:200]}")
        except JobError:
            self.close()
            raise
        except BaseException:  # an interrupt must not leave a kernel running
            self.close()
            raise
        if reply.get("fatal"):
            self.close()
        if "result" not in reply:
            raise JobError(reply["kind"], reply["reason"])
        return dict(reply["result"])

    def _start(self) -> None:
        self.close()
        self._lines, self._tail = queue.SimpleQueue(), deque(maxlen=TAIL_LINES)
        self._process = subprocess.Popen(  # noqa: S603 -- our own program, no shell
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._readers = [
            threading.Thread(target=_forward, args=(self._process.stdout, self._lines), daemon=True),
            threading.Thread(target=_keep, args=(self._process.stderr, self._tail), daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        try:
            hello = json.loads(self._receive(START_S))
        except (JobError, ValueError) as error:
            self.close()
            raise ProblemError(f"the worker for Triton kernels does not start: {error}") from None
        except BaseException:
            self.close()
            raise
        if "problem" in hello:
            self.close()
            raise ProblemError(f"Triton kernels cannot be measured: {hello['problem']}")
        self._hello = hello

    def _send(self, job: Mapping[str, Any]) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has died: said when the answer is read
            self._process.stdin.write(json.dumps(job) + "\n")
            self._process.stdin.flush()

    def _receive(self, timeout_s: float) -> str:
        assert self._process is not None
        try:
            line = self._lines.get(timeout=max(timeout_s, 0.0))
        except queue.Empty:
            raise JobTimeout(timeout_s) from None
        if line is not None:
            return line
        status = self._process.wait()
        self._readers[1].join(timeout=5.0)
        raise JobError("crash", f"the worker ended {_ending(status)}{_last_words(self._tail)}")


_shared: dict[tuple[Any, ...], Worker] = {}
_shared_lock = threading.Lock()


def shared_worker(command: tuple[str, ...] = WORKER, number: int = 0) -> Worker:
    """Return the worker of this process for a command, so that torch is loaded once for all studies.

    That of number 0 measures; others compile.
    """
    # A forked process must not talk through the pipes of its parent.
    key = (os.getpid(), command, os.environ.get("TRITON_INTERPRET"), number)
    with _shared_lock:
        if key not in _shared:
            _shared[key] = Worker(command)
        return _shared[key]


@atexit.register
def close_shared_workers() -> None:
    """End the workers of this process."""
    for key, worker in list(_shared.items()):
        if key[0] == os.getpid():
            worker.close()


def _forward(stream: IO[str], lines: queue.SimpleQueue[str | None]) -> None:
    with suppress(ValueError, OSError):
        for line in stream:
            lines.put(line)
    lines.put(None)


def _keep(stream: IO[str], tail: deque[str]) -> None:
    with suppress(ValueError, OSError):
        for line in stream:
            tail.append(line.rstrip())


def _ending(status: int) -> str:
    if status < 0:
        with suppress(ValueError):
            return f"by signal {signal.Signals(-status).name}"
    return f"with status {status}"


def _last_words(tail: deque[str]) -> str:
    words = [line for line in tail if line.strip()]
    return ": " + " | ".join(words[-3:])[-400:] if words else ""


@contextmanager
def _turn(hello: Mapping[str, Any]) -> Iterator[None]:
    if hello["device"] != "cuda":
        yield
        return
    import fcntl  # not everywhere, as CUDA is not

    name = f"dse-gpu-{os.getuid()}-{hello.get('uuid') or hello['name']}.lock".replace(" ", "-")
    with (Path(tempfile.gettempdir()) / name).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # let go with the file, however this ends
        yield
