"""What ``dse compare`` prints."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from dse.cli.output import console, table

if TYPE_CHECKING:
    import pandas as pd

    from dse.compare import Comparison

SURE = 0.05


def print_comparison(comparison: Comparison) -> None:
    """Print medians over seeds by searcher and budget, what is more than chance, and the lottery."""
    reference = comparison.reference
    out = console()
    out.print(
        Text(f"{comparison.problem}: fraction of the {reference.kind} hypervolume, median over seeds"),
        soft_wrap=True,
    )
    shown = _table(["evaluations", "searcher", "fraction", "95 % interval", "gap", "front", "overhead"])
    overhead = comparison.overhead().set_index(["searcher", "budget"])["seconds_a_design"]
    before = None
    for row in rows_of(comparison.summary()):
        if before not in (None, row.budget):
            shown.add_section()
        shown.add_row(
            f"{row.budget:,}" if row.budget != before else "", Text(str(row.searcher)), f"{row.fraction:.4f}",
            f"{row.low:.4f}–{row.high:.4f}", f"{row.gap:.2%}", f"{row.front_share:.1%}",
            duration(float(overhead[row.searcher, row.budget])),
        )  # fmt: skip
        before = row.budget
    out.print(shown)
    seeds = comparison.table["seed"].nunique()
    out.print(
        Text(
            f"{reference.kind} front: {len(reference.points):,} points, of {reference.source}; "
            f"{seeds} paired seed{'s' * (seeds != 1)}; front: the share found; overhead: the searcher's own "
            "time, a design"
        ),
        soft_wrap=True,
    )
    for line in significance(comparison):
        out.print(Text(line), soft_wrap=True)
    lottery = comparison.distribution()
    if lottery is not None:
        out.print()
        print_lottery(lottery, int(comparison.table["budget"].max()))


def print_lottery(lottery: pd.DataFrame, budget: int) -> None:
    """Print how the fraction is spread over the settings of each searcher."""
    out = console()
    seeds = int(lottery["seeds"].max())
    out.print(
        Text(f"lottery of settings: fraction at {budget:,}, medians over {seeds} seed{'s' * (seeds != 1)}"),
        soft_wrap=True,
    )
    shown = _table(["searcher", "settings", "worst", "quartiles", "best", "default", "its place"])
    for row in rows_of(lottery):
        alone = row.settings == 1
        shown.add_row(
            Text(str(row.searcher)), str(row.settings), f"{row.least:.4f}",
            "–" if alone else f"{row.lower:.4f}–{row.upper:.4f}", f"{row.most:.4f}",
            f"{row.default:.4f}", f"{row.place} of {row.settings}",
        )  # fmt: skip
    out.print(shown)
    for row in rows_of(lottery):
        if row.settings > 1:
            out.print(Text(f"best of {row.searcher}: {row.best}"), soft_wrap=True)
        else:
            out.print(Text(f"{row.searcher} declares no ranges to draw settings from"), soft_wrap=True)


def significance(comparison: Comparison) -> list[str]:
    """Return, at the largest budget, average ranks and the differences that are more than chance."""
    ranks, differences = comparison.ranks(), comparison.differences()
    if differences.empty:
        return []
    last = ranks[ranks["budget"] == ranks["budget"].max()]
    shown = ", ".join(f"{row.searcher} {row.rank:.2f}" for row in last.itertuples())
    lines = [f"average ranks over seeds at {last['budget'].iloc[0]:,}: {shown}"]
    if len(last) > 2:
        lines[0] += (
            f" (all alike: p = {last['p'].iloc[0]:.2g}, Friedman; critical difference "
            f"{last['critical_difference'].iloc[0]:.2f}, Nemenyi)"
        )
    sure = differences[(differences["budget"] == differences["budget"].max()) & (differences["p"] < SURE)]
    beats = "; ".join(f"{row.better} over {row.worse} (p = {row.p:.2g})" for row in sure.itertuples())
    few = "" if comparison.table["seed"].nunique() > 5 else "; fewer than six seeds can show none"
    lines.append(f"more than chance (Wilcoxon, Holm, 5 %): {beats or 'no difference' + few}")
    return lines


def _table(heads: list[str]) -> Table:
    """Return an empty table whose numbers stay whole where the terminal is narrow: names are folded."""
    made = table(heads, numeric=[head for head in heads if head != "searcher"])
    for column in made.columns:
        column.no_wrap = column.justify == "right"
    return made


def rows_of(frame: pd.DataFrame) -> Iterable[Any]:
    """Return a frame's rows as named tuples."""
    return frame.itertuples()


def duration(seconds: float) -> str:
    """Return a time with its unit."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"
