"""One worker process, seen from its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from multiprocessing.connection import Connection, Pipe
from typing import Any

from numpy.typing import NDArray

from dse.errors import ExecutorError
from dse.executors.protocol import Lost
from dse.models import Outcome
from dse.processes import Lifeline, kill_group

START_SECONDS = 120.0  # for its imports, on a busy machine
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Child:
    """A process that evaluates one chunk of designs at a time, and can be killed.

    It is no fork, so that threads and locks of this process do not matter, and does not import the user's
    script, which therefore needs no ``if __name__ == "__main__"``.

    Parameters
    ----------
    data
        A packed model.
    memory
        Bytes that it may take beyond what it starts with.
    threads
        Of numerical libraries in it, where the environment does not say.

    Raises
    ------
    ExecutorError
        If it does not start, or cannot load the model.
    Lost
        If it is killed meanwhile.
    """

    def __init__(self, data: bytes, memory: int | None, threads: int) -> None:
        ours, theirs = Pipe()
        self._lifeline = Lifeline()
        path = [os.getcwd() if entry == "" else entry for entry in sys.path]
        environment = {**dict.fromkeys(THREADS, str(threads)), **os.environ}
        # Where -m finds this package; the whole path follows.
        environment["PYTHONPATH"] = os.pathsep.join(path)
        try:
            self._process = subprocess.Popen(  # noqa: S603 -- this interpreter
                [sys.executable, "-m", "dse.executors.worker", str(theirs.fileno())],
                pass_fds=(theirs.fileno(), self._lifeline.read),
                stdin=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,  # Ctrl-C is the parent's, and a kill is for all that it started
            )
            self._lifeline.tie(self._process.pid)
        except BaseException:
            self._lifeline.close()
            raise
        finally:
            theirs.close()
        self._channel: Connection[Any, Any] = ours
        try:
            ours.send((data, memory, path))
            told = ours.recv() if ours.poll(START_SECONDS) else f"no answer in {START_SECONDS:g} s"
        except (EOFError, OSError):
            told = self._ended()
            if self._process.returncode == -signal.SIGKILL:
                raise Lost(told, killed=True) from None
        except BaseException:
            self.kill()
            raise
        if told is not None:
            self.kill()
            raise ExecutorError(f"a worker cannot load the model: {told}")

    def evaluate(self, codes: NDArray[Any], seconds: float | None) -> Outcome:
        """Evaluate designs (n, parameters) within a time limit; raise `Lost`, the process ended, if not."""
        began = time.perf_counter()
        try:
            self._channel.send(codes)
            if not self._channel.poll(seconds):
                self.kill()
                raise Lost(f"took more than {seconds:g} s", timeout=True, seconds=time.perf_counter() - began)
            outcome: Outcome = self._channel.recv()
            return outcome
        except (EOFError, OSError):
            reason = self._ended()
            killed = self._process.returncode == -signal.SIGKILL
            raise Lost(reason, seconds=time.perf_counter() - began, killed=killed) from None

    @property
    def alive(self) -> bool:
        """Whether it can take another chunk."""
        return self._process.poll() is None and not self._channel.closed

    def kill(self) -> None:
        """End it, and everything that it started."""
        kill_group(self._process)
        self._channel.close()
        self._lifeline.close()

    def _ended(self) -> str:
        """Return why it ended, and clear up after it."""
        try:
            status = self._process.wait(timeout=5.0)
        except subprocess.TimeoutExpired:
            self.kill()
            return "its process closed the connection"
        self.kill()
        if status >= 0:
            return f"its process ended with exit status {status}"
        name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
        hint = " (out of memory?)" if -status == signal.SIGKILL else ""
        return f"its process died of {name}{hint}"
