"""What a run found after how many evaluations, as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dse.compare.reference import Reference
from dse.driver import HYPERVOLUME_OBJECTIVES
from dse.evaluations import State
from dse.pareto import ParetoArchive, hypervolume, nondominated
from dse.study import StudyView

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

CURVE = 40  # counts of evaluations at which curves are taken


@dataclass(frozen=True)
class Run:
    """A searcher's run with one seed, up to a budget.

    Attributes
    ----------
    points
        Objectives in the order of evaluation (n, m), minimised; NaN where infeasible or failed.
    batches
        Evaluations after each batch (b,).
    seconds
        Spent by the searcher up to the end of each batch (b,).
    """

    points: Floats
    batches: Counts
    seconds: Floats

    def front(self) -> Floats:
        """Return the nondominated among its points (k, m)."""
        return np.unique(self.points[nondominated(self.points)], axis=0)

    def searcher_seconds(self, counts: Counts) -> Floats:
        """Return the seconds that the searcher had spent after so many evaluations (k,).

        A batch's time is shared evenly by its designs.
        """
        spent: Floats = np.interp(counts, np.append(0, self.batches), np.append(0.0, self.seconds))
        return spent


def read_run(study: StudyView, budget: int) -> Run:
    """Return the first `budget` evaluations of a stored study."""
    rows = study.restore(study.store.evaluations(study.id, stop=budget))
    points: Floats = np.array(rows.objectives, float)
    points[rows.state != State.COMPLETE.value] = np.nan
    commits = study.store.batches(study.id)
    index = np.array([commit.batch for commit in commits], np.int64)
    last = np.flatnonzero(np.diff(index, append=-1) != 0)  # of the commits of a batch
    sizes = np.array([commit.count for commit in commits], np.int64)
    asked = np.array([commit.ask_seconds for commit in commits], float)
    return Run(points, np.cumsum(sizes)[last], np.cumsum(asked)[last])


@dataclass(frozen=True)
class Yardstick:
    """Measures runs by a reference front at budgets, in ascending order."""

    reference: Reference
    budgets: Sequence[int]

    @cached_property
    def best(self) -> float:
        """The hypervolume of the reference front."""
        return hypervolume(self.reference.points, self.reference.corner)

    def rows(self, label: str, seed: int, run: Run) -> list[dict[str, Any]]:
        """Return a row a budget: see `dse.compare.Comparison.table`."""
        counts = np.asarray(self.budgets)
        volume = volumes(run.points, self.reference.corner, counts)
        columns = (
            self.budgets, volume.tolist(), self._fractions(volume).tolist(),
            front_shares(run.points, self.reference.points, counts).tolist(),
            run.searcher_seconds(counts).tolist(),
        )  # fmt: skip
        return [
            {
                "searcher": label,
                "seed": seed,
                "budget": budget,
                "evaluations": min(budget, len(run.points)),
                "hypervolume": reached,
                "fraction": fraction,
                "gap": 1.0 - fraction,
                "front_share": share,
                "searcher_seconds": seconds,
            }
            for budget, reached, fraction, share, seconds in zip(*columns, strict=True)
        ]

    def curve(self, label: str, seed: int, run: Run) -> pd.DataFrame:
        """Return the fraction over the evaluations: see `dse.compare.Comparison.curves`."""
        import pandas as pd

        many = run.points.shape[1] > HYPERVOLUME_OBJECTIVES
        counts = np.empty(0, np.int64) if many else curve_counts(self.budgets)
        fractions = self._fractions(volumes(run.points, self.reference.corner, counts))
        return pd.DataFrame({"searcher": label, "seed": seed, "evaluations": counts, "fraction": fractions})

    def _fractions(self, volume: Floats) -> Floats:
        return volume / self.best if self.best else np.full(len(volume), np.nan)


def curve_counts(budgets: Sequence[int]) -> Counts:
    """Return counts of evaluations for curves: spread by logarithm, the budgets among them."""
    spread = np.geomspace(1, budgets[-1], CURVE).round()
    return np.unique(np.concatenate([spread, budgets]).astype(np.int64))


def volumes(points: Floats, corner: Floats, counts: Counts) -> Floats:
    """Return the hypervolume after so many evaluations (k,).

    Parameters
    ----------
    points
        In the order of evaluation (n, m), minimised; rows that are not finite count for nothing.
    corner
        The reference point (m,).
    counts
        Ascending (k,); beyond n nothing changes.

    Notes
    -----
    The front is kept incrementally, and its hypervolume measured where the front changed.
    """
    archive = ParetoArchive(points.shape[1])
    found, volume, before = np.empty(len(counts)), 0.0, 0
    for place, count in enumerate(np.minimum(counts, len(points)).tolist()):
        change = archive.add(points[before:count], np.arange(before, count))
        if len(change.added):
            volume = hypervolume(archive.points, corner)
        found[place], before = volume, count
    return found


def front_shares(points: Floats, front: Floats, counts: Counts) -> Floats:
    """Return the share of a front's points that were found after so many evaluations (k,).

    Parameters
    ----------
    points
        In the order of evaluation (n, m), minimised; none dominates one of the front.
    front
        Points (f, m), each once, minimised.
    counts
        Of evaluations (k,).
    """
    # Points of the front are nondominated among the run's own, which are far fewer.
    rows = np.flatnonzero(nondominated(points))
    _, ids = np.unique(np.concatenate([front, points[rows]]), axis=0, return_inverse=True)
    known = np.isin(ids[len(front) :], ids[: len(front)])
    _, first = np.unique(ids[len(front) :][known], return_index=True)
    positions = np.sort(rows[known][first])
    shares: Floats = np.searchsorted(positions, counts) / len(front)
    return shares
