"""`check_cost_model`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dse.designs import Designs
from dse.models import CostModel, Outcome, check_metrics, describe
from dse.space import Space
from dse.testing.promise import promise, shown

if TYPE_CHECKING:
    import pandas as pd


class _Reads(Designs):
    """Designs that remember which columns were read by name."""

    __slots__ = ("read",)

    def __init__(self, designs: Designs) -> None:
        super().__init__(designs.space, designs.codes.copy())
        self.read: dict[str, None] = {}

    def __getitem__(self, name: str) -> NDArray[Any]:
        self.read[name] = None
        return super().__getitem__(name)

    def rows(self) -> Iterator[dict[str, Any]]:
        return Designs(self.space, self.codes).rows()

    def to_frame(self) -> pd.DataFrame:
        return Designs(self.space, self.codes).to_frame()


def check_cost_model(
    model: CostModel,
    space: Space,
    *,
    samples: int = 64,
    seed: int = 0,
    rtol: float = 1e-12,
    allow_nan: bool = False,
) -> None:
    """Check that a cost model keeps its promises on a space.

    Parameters
    ----------
    model
        The cost model.
    space
        A space that has the columns that the model reads.
    samples
        How many random designs to evaluate, together and one by one.
    seed
        For the random designs.
    rtol
        By how much, relatively, a metric may differ between batches.
    allow_nan
        Let NaN stand for a failure. By default a failure must be stated: raised, or named in an `Outcome`.

    Raises
    ------
    AssertionError
        If one of these does not hold:

        - it has a name, a version, settings that are JSON values, and units by metric name;
        - it declares the columns that it reads, and the space has them;
        - it returns an array (n,) of finite numbers for each declared metric, or states the failure;
        - it evaluates at least one of the designs;
        - it does not change the designs;
        - it is deterministic, and a design's metrics do not depend on the others in its batch.
    """
    _check_model_form(model, space)
    designs = space.sample(samples, seed)
    reads = _Reads(designs)
    result = _evaluated(model, reads)
    for name in reads.read:
        promise(name in model.columns, f"the model reads column {name!r} without declaring it in its columns")
    promise(np.array_equal(reads.codes, designs.codes), "the model changes the designs that it is given")
    failed = sorted({*result.errors, *result.timeouts})
    metrics = {name: np.asarray(column, float) for name, column in result.metrics.items()}
    for name, column in metrics.items():
        column[failed] = np.nan
        for row in np.flatnonzero(~np.isfinite(column)).tolist():
            if row not in failed and not allow_nan:
                raise AssertionError(
                    f"the model returned {column[row]} for {name!r} of {shown(designs, row)}: state a "
                    "failure by raising, or in Outcome.errors"
                )
    if len(failed) == samples:
        reason = result.errors.get(0, "it ran out of time")
        raise AssertionError(f"the model failed for all of {samples} designs: {reason}")

    def same(other: Mapping[str, NDArray[np.float64]], how: str) -> None:
        for name, column in metrics.items():
            equal = np.isclose(column, other[name], rtol=rtol, atol=0.0, equal_nan=True)
            for row in np.flatnonzero(~equal).tolist():
                raise AssertionError(
                    f"the model gives {name!r} = {other[name][row]} {how}, but {column[row]} before, "
                    f"for {shown(designs, row)}"
                )

    def values(part: Designs) -> dict[str, NDArray[np.float64]]:
        outcome = _evaluated(model, part)
        columns = {name: np.array(column, float) for name, column in outcome.metrics.items()}
        for column in columns.values():
            column[sorted({*outcome.errors, *outcome.timeouts})] = np.nan
        return columns

    same(values(designs), "the second time")
    order = np.random.default_rng(seed).permutation(samples)
    shuffled = values(designs.take(order))
    same(
        {name: column[np.argsort(order)] for name, column in shuffled.items()}, "in a batch of another order"
    )
    alone = [values(designs.take([row])) for row in range(samples)]
    same({name: np.concatenate([one[name] for one in alone]) for name in metrics}, "alone")


def _check_model_form(model: CostModel, space: Space) -> None:
    for name in ("name", "version", "settings", "metrics", "columns", "evaluate"):
        promise(hasattr(model, name), f"the model has no {name!r}: it needs all attributes of dse.CostModel")
    for name in ("name", "version"):
        value = getattr(model, name)
        promise(isinstance(value, str) and value, f"the model's {name} is {value!r}: it must be text")
    try:
        json.dumps(dict(model.settings), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise AssertionError(f"the model's settings are not JSON values: {error}") from None
    try:
        check_metrics(model.metrics)
    except ValueError as error:
        raise AssertionError(f"the model's metrics are no units by name: {error}") from None
    for column in model.columns:
        promise(column in space, f"the model declares column {column!r}, which the space lacks")


def _evaluated(model: CostModel, designs: Designs) -> Outcome:
    """Evaluate, designs one by one where the batch raises, and check the form of what comes back."""
    n = len(designs)
    try:
        with np.errstate(all="ignore"):
            result = model.evaluate(designs)
    except Exception as error:
        if n == 1:
            return Outcome({name: np.full(1, np.nan) for name in model.metrics}, {0: describe(error)})
        parts = [_evaluated(model, designs.take([row])) for row in range(n)]
        return Outcome(
            {
                name: np.concatenate([np.asarray(part.metrics[name]) for part in parts])
                for name in model.metrics
            },
            {row: part.errors[0] for row, part in enumerate(parts) if 0 in part.errors},
            frozenset(row for row, part in enumerate(parts) if part.timeouts),
        )
    outcome = result if isinstance(result, Outcome) else Outcome(result)
    promise(
        isinstance(outcome.metrics, Mapping),
        f"the model returned {type(result).__name__}, not a mapping by metric",
    )
    declared, returned = set(model.metrics), set(outcome.metrics)
    for name in sorted(declared - returned):
        raise AssertionError(f"the model returned nothing for its metric {name!r}")
    for name in sorted(returned - declared):
        raise AssertionError(f"the model returned {name!r}, which its metrics do not declare")
    columns: dict[str, NDArray[np.float64]] = {}
    for name in model.metrics:
        column = np.asarray(outcome.metrics[name])
        promise(
            column.dtype.kind in "biuf",
            f"the model returned {column.dtype} values for {name!r}: return numbers",
        )
        promise(
            column.shape in ((), (n,)),
            f"the model returned shape {column.shape} for {name!r}: ({n},) is needed",
        )
        columns[name] = np.array(np.broadcast_to(column, (n,)), dtype=np.float64)
    for row in (*outcome.errors, *outcome.timeouts):
        promise(0 <= row < n, f"the outcome names design {row} of {n}")
    for row, reason in outcome.errors.items():
        promise(
            isinstance(reason, str) and reason, f"the failure of design {row} has no reason, but {reason!r}"
        )
    return Outcome(columns, outcome.errors, outcome.timeouts)
