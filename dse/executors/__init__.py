"""Executors: where evaluations are made. In this process, in others that may die, on a cluster.

See `dse.study.Study.run`, and ``docs/executors.md`` for which to take.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dse.executors.futures import DaskExecutor, FuturesExecutor
    from dse.executors.pool import ProcessPool
    from dse.executors.protocol import Executor, Lost

__all__ = ["DaskExecutor", "Executor", "FuturesExecutor", "Lost", "ProcessPool"]

_HOMES = {
    "DaskExecutor": "futures",
    "Executor": "protocol",
    "FuturesExecutor": "futures",
    "Lost": "protocol",
    "ProcessPool": "pool",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
