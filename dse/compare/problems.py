"""Searchers over several problems: average ranks, and whether they differ by more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from dse.compare.tables import Blocks, Comparison, difference_table, rank_table
from dse.errors import StudyError

if TYPE_CHECKING:
    import pandas as pd

By = Literal["problem", "run"]


def ranks_over_problems(comparisons: Sequence[Comparison], by: By = "run") -> pd.DataFrame:
    """Return average ranks over problems by budget, best first.

    Parameters
    ----------
    comparisons
        One a problem, of the same searchers at the same budgets.
    by
        What searchers are ranked within: ``run``, each problem and seed, or ``problem``, by their medians
        over seeds.

    Returns
    -------
    Columns ``budget, searcher, rank, p, critical_difference``, as `Comparison.ranks`.

    Raises
    ------
    StudyError
        If there is no comparison, searchers or budgets are not the same in all, or `by` is something else.

    Notes
    -----
    Demšar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7, 2006, ranks by problem
    (his data sets), since runs on one problem are not independent: what is significant by run holds for these
    problems, what is so by problem for others of their kind too. That needs many problems: of five searchers
    on six problems the critical difference is 2.5 ranks.
    """
    return rank_table(_blocks(comparisons, by))


def differences_over_problems(comparisons: Sequence[Comparison], by: By = "run") -> pd.DataFrame:
    """Return every pair of searchers by budget over problems, as `Comparison.differences` does.

    Arguments and errors are those of `ranks_over_problems`.
    """
    return difference_table(_blocks(comparisons, by))


def _blocks(comparisons: Sequence[Comparison], by: By) -> Blocks:
    import pandas as pd

    if not comparisons:
        raise StudyError("comparisons=[] is empty: give one a problem")
    if by not in ("problem", "run"):
        raise StudyError(f"by={by!r} must be 'run' or 'problem'")
    parts: dict[int, list[pd.DataFrame]] = {}
    first = comparisons[0].paired()
    for comparison in comparisons:
        paired = comparison.paired()
        if [budget for budget, _ in paired] != [budget for budget, _ in first]:
            raise StudyError(
                f"{comparison.problem!r} was measured at budgets {[budget for budget, _ in paired]}, "
                f"{comparisons[0].problem!r} at {[budget for budget, _ in first]}: compare at the same ones"
            )
        for budget, wide in paired:
            odd = sorted({*wide.columns} ^ {*first[0][1].columns})
            if odd:
                raise StudyError(
                    f"searcher {odd[0]!r} is not in every comparison: compare the same ones on all problems"
                )
            parts.setdefault(budget, []).append(wide.median().to_frame().T if by == "problem" else wide)
    return [(budget, pd.concat(found, ignore_index=True)) for budget, found in parts.items()]
