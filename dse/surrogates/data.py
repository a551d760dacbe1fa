"""What a surrogate is trained on: designs, and what was found of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dse.designs import Designs, as_index
from dse.errors import SurrogateError
from dse.evaluations import Evaluations, State
from dse.space import Space

if TYPE_CHECKING:
    from dse.study import StudyView

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TrainingData:
    """n evaluated designs.

    Attributes
    ----------
    space
        Of the designs.
    metrics
        Unit by name.
    designs
        The designs.
    values
        Arrays (n,) by metric, NaN where a design has none.
    failed
        Mask (n,): without a result, by failure or time-out.
    infeasible
        Mask (n,): a limit is broken.
    """

    space: Space
    metrics: Mapping[str, str]
    designs: Designs
    values: Mapping[str, Floats]
    failed: NDArray[np.bool_]
    infeasible: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.designs)

    def take(self, rows: ArrayLike) -> TrainingData:
        """Return the evaluations at the given positions, or under a mask."""
        index = as_index(rows)
        return TrainingData(
            self.space,
            self.metrics,
            self.designs.take(index),
            {name: column[index] for name, column in self.values.items()},
            self.failed[index],
            self.infeasible[index],
        )

    def of_metrics(self, names: Sequence[str]) -> TrainingData:
        """Return the evaluations with these metrics alone."""
        return replace(
            self,
            metrics={name: self.metrics[name] for name in names},
            values={name: self.values[name] for name in names},
        )

    @staticmethod
    def concat(parts: Sequence[TrainingData]) -> TrainingData:
        """Join data of one space and the same metrics, at least one part.

        Raises
        ------
        SurrogateError
            If parts are of another space, or of other metrics or units.
        """
        first = parts[0]
        for part in parts[1:]:
            if part.space.parameters != first.space.parameters:
                raise SurrogateError("these evaluations are of different spaces: train a surrogate for each")
            if dict(part.metrics) != dict(first.metrics):
                raise SurrogateError(
                    f"these evaluations have different metrics, {dict(first.metrics)} and "
                    f"{dict(part.metrics)}: train a surrogate for each"
                )
        codes = np.concatenate([part.designs.codes for part in parts])
        return TrainingData(
            first.space,
            first.metrics,
            Designs(first.space, codes),
            {name: np.concatenate([part.values[name] for part in parts]) for name in first.metrics},
            np.concatenate([part.failed for part in parts]),
            np.concatenate([part.infeasible for part in parts]),
        )

    @staticmethod
    def of(evaluations: Evaluations, units: Mapping[str, str]) -> TrainingData:
        """Return evaluations, whose metrics have those units, as training data."""
        evaluated = evaluations.evaluated
        return TrainingData(
            evaluations.designs.space,
            dict(units),
            evaluations.designs,
            {
                name: np.where(evaluated, np.asarray(evaluations.metrics[name], float), np.nan)
                for name in units
            },
            ~evaluated,
            np.asarray(evaluations.state == State.INFEASIBLE),
        )


def training_data(view: StudyView, numbers: ArrayLike | None = None) -> TrainingData:
    """Return the evaluations of a stored study in order of number.

    Parameters
    ----------
    view
        The study.
    numbers
        These evaluations only; by default all.
    """
    rows = view.store.evaluations(view.id, numbers=numbers)
    return TrainingData.of(view.restore(rows), {name: metric.unit for name, metric in view.metrics.items()})
