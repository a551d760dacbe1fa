"""Predictions of many designs: in blocks, on all cores, each block in an order that trees like."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.surrogates.regressors.regressor import workers

Array = NDArray[Any]
Floats = NDArray[np.float64]
Columns = dict[tuple[str, str], NDArray[Any]]

# So many designs share what an order gains, and their features fit the memory of a small machine.
BLOCK = 1 << 17
SORTED_FROM = 1 << 13
# Trees of a block are asked for so many rows at a time, whose features stay in the cache.
CHUNK = 1 << 12
KEY_PARAMETERS, KEY_BITS = 15, 4


def in_blocks(
    part: Callable[[Array], Columns], codes: Array, importance: Floats, threads: int | None = None
) -> Columns:
    """Return what `part` gives for codes (n, parameters), arrays (n,) by name; in all threads by default.

    Neighbours that take the same way through a tree cost a quarter: processors foresee their branches, and
    find them in the cache. Designs are therefore sorted by the parameters that matter most, by `importance`
    (parameters,); where it is 0, order is of no use.
    """
    n = len(codes)
    if n <= BLOCK:
        return _block(part, codes, importance)
    blocks = [codes[start : start + BLOCK] for start in range(0, n, BLOCK)]
    # One thread a block: what libraries would add only waits.
    with _controller().limit(limits=1), ThreadPoolExecutor(threads or workers()) as pool:
        found = list(pool.map(lambda block: _block(part, block, importance), blocks))
    return {name: np.concatenate([columns[name] for columns in found]) for name in found[0]}


def _block(part: Callable[[Array], Columns], codes: Array, importance: Floats) -> Columns:
    if len(codes) < SORTED_FROM or not importance.any():
        return part(codes)
    order = _order(codes, importance)
    codes = codes[order]
    found = [part(codes[start : start + CHUNK]) for start in range(0, len(codes), CHUNK)]
    out: Columns = {}
    for name in found[0]:
        sorted_ = np.concatenate([columns[name] for columns in found])
        out[name] = np.empty_like(sorted_)
        out[name][order] = sorted_
    return out


def _order(codes: Array, importance: Floats) -> NDArray[np.intp]:
    """Return the rows sorted by their parameters, the most important first, each in sixteen steps."""
    key = np.zeros(len(codes), np.int64)
    steps = (1 << KEY_BITS) - 1
    for place in np.argsort(-importance, kind="stable")[:KEY_PARAMETERS].tolist():
        values = np.ascontiguousarray(codes[:, place])
        low, high = values.min(), values.max()
        if high > low:
            # Few values have a step each.
            step = values - low
            if values.dtype.kind != "i" or high - low > steps:
                step = (step * (steps / (high - low))).astype(np.int64)
            key <<= KEY_BITS
            key |= step
    return np.argsort(key, kind="stable")


def one_thread() -> Any:
    """Return a context in which OpenMP works in one thread.

    Others gain little on what is asked of it here, and where the machine is busy they wait for each other,
    spinning: boosting took sixty times as long.
    """
    return _controller().limit(limits=1, user_api="openmp")


@cache
def _controller() -> Any:
    import sklearn.ensemble  # noqa: F401  - its libraries have to be loaded to be found
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
