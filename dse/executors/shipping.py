"""A cost model on its way to another process, and evaluated there."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.designs import Designs
from dse.errors import ExecutorError
from dse.models import CostModel, Outcome, describe, run_model
from dse.space import Space

KEPT_MODELS = 4  # of several studies that share the workers of a cluster


def packed(model: CostModel, space: Space) -> bytes:
    """Return a model with the parameters of its designs as bytes; functions and classes of a script too.

    Raises
    ------
    ExecutorError
        If it cannot be.
    """
    import cloudpickle

    # Constraints are of no use there: designs satisfy them.
    bare = Space.from_dict({**space.to_dict(), "constraints": []})
    try:
        return bytes(cloudpickle.dumps((model, bare)))
    except Exception as error:
        raise ExecutorError(
            f"the model {model.name!r} cannot be sent to other processes ({describe(error)}): make what it "
            "holds (open files, connections, locks) within the function, or run without workers"
        ) from error


def unpacked(data: bytes) -> tuple[CostModel, Space]:
    """Return what `packed` was given."""
    return _unpacked(hashlib.sha256(data).digest(), _Bytes(data))


def evaluated(data: bytes, codes: NDArray[Any]) -> Outcome:
    """Evaluate designs (n, parameters) by a packed model.

    Returns
    -------
    An outcome of plain arrays and text, which can be sent whatever the model raised or returned.
    """
    model, space = unpacked(data)
    found = run_model(model, Designs(space, codes))
    assert found.seconds is not None
    return Outcome(
        {name: np.array(column, np.float64) for name, column in found.metrics.items()},
        {int(row): str(text) for row, text in found.errors.items()},
        frozenset(int(row) for row in found.timeouts),
        np.array(found.seconds, np.float64),
    )


class _Bytes:
    """Bytes that a cache is not keyed by: their digest is."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __hash__(self) -> int:
        return 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Bytes)


@lru_cache(KEPT_MODELS)
def _unpacked(digest: bytes, data: _Bytes) -> tuple[CostModel, Space]:
    import cloudpickle

    model, space = cloudpickle.loads(data.data)
    return model, space
