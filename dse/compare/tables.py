"""`Comparison`: what was found, as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dse.compare.lottery import DEFAULT, distribution
from dse.compare.reference import Reference
from dse.errors import StudyError
from dse.pareto import attainment
from dse.problem import Metric, Objective
from dse.significance import average_ranks, friedman, nemenyi, pairs

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Blocks = list[tuple[int, "pd.DataFrame"]]  # by budget: fractions, a row a block and a column a searcher

RESAMPLES = 2_000
LEVELS = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class Comparison:
    """What a comparison found.

    Attributes
    ----------
    table
        A data frame, a row a searcher, seed and budget: ``searcher, seed, budget, evaluations,
        hypervolume, fraction`` (of the reference front's), ``gap`` (1 - fraction), ``front_share`` (of the
        reference front's points that were found), ``searcher_seconds`` (spent by the searcher until then,
        learning and proposing; wall time, the only column that differs between runs).
    reference
        The front that was measured by.
    problem
        The problem's name.
    curves
        A row a searcher, seed and count of evaluations: ``searcher, seed, evaluations, fraction``. None
        beyond five objectives, where so many hypervolumes cost too much.
    fronts
        By searcher and seed what a run found until the largest budget: its front (k, m), minimised.
    objectives, metrics
        Those of the problem.
    searchers
        By label the searcher's name and its settings that are not the default.
    lottery
        A row a searcher, setting and seed, at the largest budget: the columns of `table`, ``setting``
        (``default``, or the settings as JSON). None where no lottery was held.
    """

    table: pd.DataFrame
    reference: Reference
    problem: str
    curves: pd.DataFrame | None = None
    fronts: Mapping[tuple[str, int], Floats] = field(default_factory=dict)
    objectives: tuple[Objective, ...] = ()
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    searchers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    lottery: pd.DataFrame | None = None

    def summary(self) -> pd.DataFrame:
        """Return medians over seeds by searcher and budget, best first at the largest budget.

        Returns
        -------
        Columns ``searcher, budget, seeds, fraction, low, high, gap, front_share``: ``low`` and ``high``
        bound the median by a bootstrap interval of 95 % (2,000 resamples, percentile method; Efron and
        Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13).
        """
        import pandas as pd

        rows = []
        for (searcher, budget), part in self.table.groupby(["searcher", "budget"], sort=False):
            values = part["fraction"].to_numpy(float)
            middle, low, high = (float(bound[0]) for bound in median_interval(values[:, None]))
            rows.append(
                {
                    "searcher": searcher,
                    "budget": budget,
                    "seeds": len(values),
                    "fraction": middle,
                    "low": low,
                    "high": high,
                    "gap": 1.0 - middle,
                    "front_share": float(part["front_share"].median()),
                }
            )
        frame = pd.DataFrame(rows)
        last = frame[frame["budget"] == frame["budget"].max()].sort_values("fraction", ascending=False)
        order = {name: place for place, name in enumerate(last["searcher"])}
        frame["order"] = frame["searcher"].map(order)
        return frame.sort_values(["budget", "order"]).drop(columns="order").reset_index(drop=True)

    def order(self) -> list[str]:
        """Return the searchers, best first at the largest budget."""
        return list(dict.fromkeys(self.summary()["searcher"]))

    def anytime(self) -> pd.DataFrame:
        """Return the gap to the reference front over the evaluations, medians over seeds.

        Returns
        -------
        Columns ``searcher, evaluations, seeds, gap, low, high``: about forty counts of evaluations, spread by
        logarithm, the budgets among them; the interval is that of `summary`. Before its first feasible design
        a run's gap is 1. Without rows beyond five objectives.
        """
        import pandas as pd

        columns = ["searcher", "evaluations", "seeds", "gap", "low", "high"]
        parts = []
        for searcher, part in () if self.curves is None else self.curves.groupby("searcher", sort=False):
            wide = part.pivot(index="seed", columns="evaluations", values="fraction")
            middle, low, high = median_interval(1.0 - wide.to_numpy(float))
            values = (searcher, wide.columns, len(wide), middle, low, high)
            parts.append(pd.DataFrame(dict(zip(columns, values, strict=True))))
        if not parts:
            return pd.DataFrame(columns=columns)
        return pd.concat(parts, ignore_index=True)

    def overhead(self) -> pd.DataFrame:
        """Return what the searchers themselves took, without evaluating: medians over seeds.

        Returns
        -------
        Columns ``searcher, budget, seconds, seconds_a_design``, the fastest first at the largest budget. Wall
        time in learning from a batch and proposing the next; it depends on the machine, and on what else ran
        there. The first run in a process also pays for packages that a searcher imports.
        """
        table = self.table.assign(seconds_a_design=self.table["searcher_seconds"] / self.table["evaluations"])
        found = table.groupby(["searcher", "budget"], sort=False)[["searcher_seconds", "seconds_a_design"]]
        frame = found.median().reset_index().rename(columns={"searcher_seconds": "seconds"})
        last = frame[frame["budget"] == frame["budget"].max()].set_index("searcher")["seconds"]
        order = frame["searcher"].map(last)
        return (
            frame.assign(order=order)
            .sort_values(["budget", "order"], kind="stable")
            .drop(columns="order")
            .reset_index(drop=True)
        )

    def ranks(self) -> pd.DataFrame:
        """Return average ranks over seeds by budget, best first, and whether they differ by more than chance.

        Returns
        -------
        Columns ``budget, searcher, rank, p, critical_difference``: the mean rank of the fraction, 1 for the
        best, equal ones sharing theirs; Friedman's probability, one a budget, of ranks as unlike if all
        searchers were the same; and by how much two ranks differ at least that do so by more than chance
        (5 %), after Nemenyi. See `dse.significance`.
        """
        return rank_table(self.paired())

    def differences(self) -> pd.DataFrame:
        """Return every pair of searchers by budget, and whether one is better by more than chance.

        Returns
        -------
        Columns ``budget, better, worse, difference, p``: the median over seeds of the difference of
        fractions, and the two-sided probability of Wilcoxon's signed-rank test, after Holm's correction over
        the pairs of a budget. See `dse.significance`.
        """
        return difference_table(self.paired())

    def paired(self) -> Blocks:
        """Return fractions by budget, a row a seed and a column a searcher."""
        return [
            (
                budget,
                self.table[self.table["budget"] == budget].pivot(
                    index="seed", columns="searcher", values="fraction"
                ),
            )
            for budget in sorted(self.table["budget"].unique().tolist())
        ]

    def pair(self, x: str | None = None, y: str | None = None) -> tuple[int, int]:
        """Return the positions of two objectives; by default of the first ones that are not named.

        Raises
        ------
        StudyError
            If a name is no objective, or there are not two.
        """
        names = [objective.metric for objective in self.objectives]
        for name in (x, y):
            if name is not None and name not in names:
                raise StudyError(f"{name!r} is no objective; known are {', '.join(names)}")
        free = [name for name in names if name not in (x, y)]
        if len(names) < 2 or (x is not None and x == y):
            raise StudyError(f"two objectives are needed; known are {', '.join(names) or 'none'}")
        first = x or free.pop(0)
        return names.index(first), names.index(y or free.pop(0))

    def attainment(
        self, levels: Sequence[float] = LEVELS, x: str | None = None, y: str | None = None
    ) -> dict[str, dict[float, Floats]]:
        """Return empirical attainment surfaces at the largest budget, by searcher, best first, and level.

        Parameters
        ----------
        levels
            Shares of the runs, above 0 and at most 1.
        x, y
            Two objectives; the first two by default. Of more objectives the others are left out of sight: a
            point counts as attained whatever they are.

        Returns
        -------
        Matrices (k, 2) in the objectives' own units and directions: what at least this share of the runs
        attained. Empty where fewer runs have a feasible design. See `dse.pareto.attainment`.
        """
        columns = list(self.pair(x, y))
        signs = np.array([self.objectives[column].sign for column in columns])
        found: dict[str, dict[float, Floats]] = {}
        for searcher in self.order():
            fronts = [front[:, columns] for (name, _), front in self.fronts.items() if name == searcher]
            some = [front for front in fronts if len(front)]
            shares = {level: level * len(fronts) / max(len(some), 1) for level in levels}
            reached = attainment(some, [share for share in shares.values() if share <= 1]) if some else {}
            empty = np.empty((0, 2))
            found[searcher] = {level: reached.get(share, empty) * signs for level, share in shares.items()}
        return found

    def distribution(self) -> pd.DataFrame | None:
        """Return how the lottery ended, a row a searcher: see `dse.compare.lottery.distribution`."""
        return None if self.lottery is None else distribution(self.lottery)

    def tidy(self) -> pd.DataFrame:
        """Return all runs as one table: `table` with a column ``setting``, and the lottery's runs."""
        import pandas as pd

        given = self.table.assign(setting=DEFAULT)
        if self.lottery is None:
            return given
        drawn = self.lottery[self.lottery["setting"] != DEFAULT]
        return pd.concat([given, drawn[given.columns]], ignore_index=True)


def median_interval(values: Floats) -> tuple[Floats, Floats, Floats]:
    """Return medians over rows, and the ends of their bootstrap intervals of 95 %, each (k,).

    Parameters
    ----------
    values
        Matrix (seeds, k); all columns are resampled by the same seeds.
    """
    draws = np.random.default_rng(0).integers(0, len(values), (RESAMPLES, len(values)))
    medians = np.median(values[draws], axis=1)
    low, high = np.percentile(medians, [2.5, 97.5], axis=0)
    return np.median(values, axis=0), low, high


def rank_table(blocks: Blocks) -> pd.DataFrame:
    """Return average ranks over blocks by budget, as `Comparison.ranks` does."""
    import pandas as pd

    rows = []
    for budget, wide in blocks:
        values = wide.to_numpy(float)
        p, critical = friedman(values), nemenyi(*values.shape)
        found = zip(wide.columns, average_ranks(values), strict=True)
        for searcher, rank in sorted(found, key=lambda item: (item[1], item[0])):
            rows.append(
                {
                    "budget": budget,
                    "searcher": searcher,
                    "rank": float(rank),
                    "p": p,
                    "critical_difference": critical,
                }
            )
    return pd.DataFrame(rows, columns=["budget", "searcher", "rank", "p", "critical_difference"])


def difference_table(blocks: Blocks) -> pd.DataFrame:
    """Return every pair of searchers by budget, as `Comparison.differences` does."""
    import pandas as pd

    rows = [
        {
            "budget": budget,
            "better": wide.columns[pair.better],
            "worse": wide.columns[pair.worse],
            "difference": pair.difference,
            "p": pair.p,
        }
        for budget, wide in blocks
        for pair in pairs(wide.to_numpy(float))
    ]
    return pd.DataFrame(rows, columns=["budget", "better", "worse", "difference", "p"])
