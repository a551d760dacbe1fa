"""Any `concurrent.futures.Executor` as an executor, and Dask's cluster."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future
from typing import Any, Protocol

from numpy.typing import NDArray

from dse.designs import Designs
from dse.errors import ExecutorError
from dse.executors.child import Child
from dse.executors.pool import GIB, check_limits
from dse.executors.protocol import Lost
from dse.executors.shipping import evaluated, packed
from dse.models import CostModel, Outcome, describe
from dse.space import Space


class Submits(Protocol):
    """What is needed of a `concurrent.futures.Executor`: MPI's, Ray's and submitit's have it too."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Any:
        """Return a future, with ``add_done_callback`` and ``result``."""
        ...


class FuturesExecutor:
    """Evaluates by an executor of `concurrent.futures`, which stays the caller's to shut down.

    Parameters
    ----------
    executor
        It is given a module's function, bytes and arrays; the toolkit must be installed where it runs.
    workers
        How many calls it makes at a time; by default its ``_max_workers``, as the standard library's have.
    isolate
        Evaluate in a process beside the one that it calls, so that a crash fails one design alone.
    timeout, memory
        As for `dse.executors.ProcessPool`; either isolates.

    Raises
    ------
    ExecutorError
        If an argument is out of range, or the number of workers is not known.
    """

    def __init__(
        self,
        executor: Submits,
        workers: int | None = None,
        *,
        isolate: bool = False,
        timeout: float | None = None,
        memory: float | None = None,
    ) -> None:
        if not callable(getattr(executor, "submit", None)):
            raise ExecutorError(f"{type(executor).__name__} is no executor: it has no submit")
        found = workers if workers is not None else getattr(executor, "_max_workers", None)
        if found is None:
            raise ExecutorError(
                f"{type(executor).__name__} does not say how many workers it has: give workers=N"
            )
        check_limits(workers=found, timeout=timeout, memory=memory)
        self.workers: int = found
        self.executor = executor
        self._isolate = isolate or timeout is not None or memory is not None
        self._limits = timeout, None if memory is None else int(memory * GIB)
        self._data: Any = b""
        self._running: set[Any] = set()

    def open(self, model: CostModel, space: Space) -> None:
        self._data = self._shared(packed(model, space))

    def _shared(self, data: bytes) -> Any:
        """Return what stands for a packed model in calls."""
        return data

    def submit(self, designs: Designs) -> Future[Outcome]:
        future: Future[Outcome] = Future()
        future.set_running_or_notify_cancel()  # whether it has begun is not known: it is waited for
        call = isolated if self._isolate else evaluated
        limits = self._limits if self._isolate else ()
        try:
            inner = self.executor.submit(call, self._data, designs.codes, *limits)
        except RuntimeError as error:  # shut down, or broken
            raise ExecutorError(f"the executor takes no work ({describe(error)})") from error
        self._running.add(inner)

        def done(ended: Any) -> None:
            self._running.discard(inner)
            try:
                future.set_result(ended.result())
            except BaseException as error:
                future.set_exception(self._reason(error))

        inner.add_done_callback(done)
        return future

    def _reason(self, error: BaseException) -> BaseException:
        if isinstance(error, Lost):
            return error
        if isinstance(error, BrokenExecutor):
            return ExecutorError(
                f"the executor broke ({describe(error)}): run the study again to go on; isolate=True, or a "
                "time limit, lets a crash fail one design alone"
            )
        return ExecutorError(f"the executor failed: {describe(error)}")

    def close(self) -> None:
        for inner in list(self._running):
            inner.cancel()


class DaskExecutor(FuturesExecutor):
    """Evaluates on a cluster of Dask, each chunk in a process beside the worker's.

    Parameters
    ----------
    address
        Of the scheduler, as in ``tcp://10.0.0.1:8786``; or a ``distributed.Client``, which stays open.
    workers
        Chunks at a time; by default the threads of all workers when the run begins.
    timeout, memory
        As for `dse.executors.ProcessPool`.

    Raises
    ------
    ExecutorError
        If Dask is not installed, or nothing answers at the address, or there is no worker.
    """

    def __init__(
        self,
        address: Any,
        workers: int | None = None,
        *,
        timeout: float | None = None,
        memory: float | None = None,
        wait: float = 10.0,
    ) -> None:
        try:
            from distributed import Client
        except ImportError:
            raise ExecutorError("Dask is not installed: pip install 'dse-toolkit[cluster]'") from None
        self._own = isinstance(address, str)
        try:
            client: Any = Client
            self._client = client(address, timeout=wait) if self._own else address
        except (OSError, ValueError, TimeoutError) as error:
            raise ExecutorError(f"no Dask scheduler answers at {address!r}: {describe(error)}") from error
        found = workers
        if found is None:
            found = sum(self._client.nthreads().values())
            if not found:
                raise ExecutorError(
                    f"the Dask cluster at {address!r} has no workers yet: start some, or say how many there "
                    "will be, by workers=N"
                )
        super().__init__(
            self._client.get_executor(pure=False), found, isolate=True, timeout=timeout, memory=memory
        )

    def _shared(self, data: bytes) -> Any:
        # Sent to every worker once, not with every chunk.
        return self._client.scatter(data, hash=True, broadcast=False)

    def _reason(self, error: BaseException) -> BaseException:
        if type(error).__name__ == "KilledWorker":
            return Lost("the workers that evaluated it died, one after the other")
        return super()._reason(error)

    def close(self) -> None:
        super().close()
        if self._own:
            self._client.close()


# Processes that wait for work, by model, in each process that an executor calls.
_idle: dict[tuple[bytes, int | None], list[Child]] = {}
_lock = threading.Lock()


def isolated(data: bytes, codes: NDArray[Any], timeout: float | None, memory: int | None) -> Outcome:
    """Evaluate designs (n, parameters) as `evaluated` does, in a child process; raise `Lost` if it dies."""
    key = data, memory
    with _lock:
        waiting = _idle.setdefault(key, [])
        child = waiting.pop() if waiting else None
    if child is None or not child.alive:
        child = Child(data, memory, 1)
    outcome = child.evaluate(codes, timeout)
    with _lock:
        _idle.setdefault(key, []).append(child)
    return outcome
