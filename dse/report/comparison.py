"""The page of a comparison of searchers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

from dse import plots
from dse.report.html import Figures, facts, table, text
from dse.report.page import document
from dse.version import __version__

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from dse.compare import Comparison

SURE = 0.05
PAIRS_UP_TO = 4  # objectives of which every pair is drawn


def comparison_page(comparison: Comparison) -> str:
    """Return a comparison's report as the text of an HTML file."""
    return _page(comparison, Figures())


def comparison_figures(comparison: Comparison) -> dict[str, go.Figure]:
    """Return the figures of a comparison's report by name."""
    figures = Figures()
    _page(comparison, figures)
    return figures.drawn


def _page(comparison: Comparison, figures: Figures) -> str:
    sections = [
        ("budgets", "Gap by budget", figures.place("budgets", plots.comparison_by_budget(comparison))),
        ("anytime", "Gap over the evaluations", figures.place("time", plots.comparison_anytime(comparison))),
        ("medians", "Medians over seeds", _medians(comparison)),
        ("significance", "More than chance?", _significance(comparison, figures)),
        ("attainment", "What the runs reached", _attainment(comparison, figures)),
        ("overhead", "What the searchers took", _overhead(comparison)),
        ("lottery", "Lottery of settings", _lottery(comparison, figures)),
        ("provenance", "What was compared", _provenance(comparison)),
    ]
    sections = [section for section in sections if section[2]]
    body = "".join(
        f'<section id="{key}" aria-labelledby="{key}-head"><h2 id="{key}-head">{title}</h2>{content}'
        "</section>"
        for key, title, content in sections
    )
    links = "".join(f'<a href="#{key}">{key.capitalize()}</a>' for key, _, _ in sections)
    csv = comparison.tidy().to_csv(index=False, lineterminator="\n")
    data = {**figures.data(), "csv": csv, "name": comparison.problem, "table": "runs"}
    return document(
        f"{comparison.problem}: searchers compared",
        _header(comparison),
        f'<nav aria-label="Sections">{links}</nav>',
        body,
        data,
        version=__version__,
    )


def _header(comparison: Comparison) -> str:
    reference = comparison.reference
    source = text(reference.source or f"{reference.designs:,} designs")
    what = (
        f"the exact front of {source}"
        if reference.exact
        else f"the best front known, of {source}, which flatters all of them"
    )
    return (
        f"<h1>{text(comparison.problem)}: searchers compared</h1>"
        f'<p class="lead">Measured by {what}: {len(reference.points):,} points. Budgets count unique '
        "evaluations; seeds are paired; the reference point is the same for all.</p>"
    )


def _medians(comparison: Comparison) -> str:
    rows = [
        [
            text(row.searcher),
            f"{row.budget:,}",
            str(row.seeds),
            f"{row.fraction:.4%}",
            f"{row.low:.4%} to {row.high:.4%}",
            f"{row.gap:.3%}",
            f"{row.front_share:.1%}",
        ]
        for row in comparison.summary().itertuples()
    ]
    head = [
        "searcher", "evaluations", "seeds", f"of the {comparison.reference.kind} hypervolume",
        "95 % interval", "gap", "of the front",
    ]  # fmt: skip
    button = '<p><button type="button" id="download" hidden>All runs as CSV</button></p>'
    return table(head, rows, numeric=range(1, len(head))) + button


def _significance(comparison: Comparison, figures: Figures) -> str:
    """Return the section of ranks and of differences between pairs."""
    ranks, differences = comparison.ranks(), comparison.differences()
    if differences.empty:
        return ""
    budgets = ranks["budget"].unique().tolist()
    names = comparison.order()
    wide = ranks.pivot(index="searcher", columns="budget", values="rank")
    rows = [[text(name), *(f"{wide.loc[name, budget]:.2f}" for budget in budgets)] for name in names]
    for label, column in (("p (Friedman)", "p"), ("critical difference (Nemenyi)", "critical_difference")):
        found = ranks.groupby("budget")[column].first()
        rows.append([f"<em>{label}</em>", *(f"{found[budget]:.2g}" for budget in budgets)])
    heads = ["evaluations", *(f"{budget:,}" for budget in budgets)]
    return (
        figures.place("ranks", plots.average_ranks(ranks))
        + "<p>Average ranks over seeds, 1 for the best; Friedman's probability of ranks as unlike if all "
        "searchers were the same; and by how much two ranks differ at least that do so by more than chance "
        "(5 %, Nemenyi).</p>"
        + table(heads, rows, numeric=range(1, len(heads)))
        + "<p>Median differences of the fraction, in percentage points: the searcher of the row less that of "
        "the column. Marked where Wilcoxon's test, corrected for the number of pairs (Holm), finds it more "
        "than chance at 5 %; pointing at a difference shows the probability. With five seeds and fewer no "
        "pair reaches that.</p>"
        + "".join(_matrix(differences[differences["budget"] == budget], names, budget) for budget in budgets)
    )


def _matrix(differences: pd.DataFrame, names: Sequence[str], budget: int) -> str:
    """Return the differences of all pairs at a budget."""
    cells: dict[tuple[str, str], str] = {}
    rows: Any = differences.itertuples()
    for row in rows:
        for one, other, sign in ((row.better, row.worse, 1), (row.worse, row.better, -1)):
            shown = f"{100 * sign * row.difference:+.2f}" if row.difference else "0"
            cells[str(one), str(other)] = (
                f'<span title="p = {row.p:.2g}">{f"<mark>{shown}</mark>" if row.p < SURE else shown}</span>'
            )
    body = [[text(one), *(cells.get((one, other), "") for other in names)] for one in names]
    return table(
        ["", *map(text, names)], body, caption=f"At {budget:,} evaluations", numeric=range(1, len(names) + 1)
    )


def _attainment(comparison: Comparison, figures: Figures) -> str:
    names = [objective.metric for objective in comparison.objectives]
    if len(names) < 2:
        return ""
    pairs = list(combinations(names, 2)) if len(names) <= PAIRS_UP_TO else [(names[0], names[1])]
    tabs, panels = [], []
    for place, (x, y) in enumerate(pairs):
        drawn = figures.place(f"attainment-{place}", plots.comparison_attainment(comparison, x, y))
        if len(comparison.order()) > 1:
            drawn += figures.place(f"difference-{place}", plots.comparison_difference(comparison, x=x, y=y))
        chosen = place == 0
        tabs.append(
            f'<button type="button" role="tab" id="tab-{place}" aria-controls="panel-{place}" '
            f'aria-selected="{str(chosen).lower()}"{"" if chosen else " tabindex=-1"}>{text(x)} × {text(y)}'
            "</button>"
        )
        panels.append(
            f'<div role="tabpanel" id="panel-{place}" aria-labelledby="tab-{place}"'
            f"{'' if chosen else ' hidden'}>{drawn}</div>"
        )
    if len(pairs) == 1:
        return drawn
    return f'<div role="tablist" aria-label="Pairs of objectives">{"".join(tabs)}</div>{"".join(panels)}'


def _overhead(comparison: Comparison) -> str:
    overhead = comparison.overhead()
    budgets = overhead["budget"].unique().tolist()
    seconds = overhead.pivot(index="searcher", columns="budget", values="seconds")
    each = overhead[overhead["budget"] == budgets[-1]].set_index("searcher")["seconds_a_design"]
    rows = [
        [
            text(name),
            *(f"{float(seconds.loc[name, budget]):.3g}" for budget in budgets),
            f"{1e3 * float(spent):.3g}",
        ]
        for name, spent in each.items()
    ]
    heads = ["seconds until evaluation", *(f"{budget:,}" for budget in budgets), "ms a design"]
    return (
        "<p>Wall time in the searcher itself, learning from each batch and proposing the next, without "
        "evaluating and storing: medians over seeds. A batch that the budget cut short was proposed whole."
        "</p>" + table(heads, rows, numeric=range(1, len(heads)))
    )


def _lottery(comparison: Comparison, figures: Figures) -> str:
    found = comparison.distribution()
    if found is None:
        return ""
    listed: Any = list(found.itertuples())
    rows = [
        [
            text(row.searcher),
            str(row.settings),
            *(f"{value:.3%}" for value in (row.least, row.lower, row.median, row.upper, row.most)),
            f"{row.default:.3%}",
            f"{row.place} of {row.settings}",
        ]
        for row in listed
    ]
    head = [
        "searcher", "settings", "worst", "lower quartile", "median", "upper quartile", "best", "as compared",
        "its place",
    ]  # fmt: skip
    best = {
        row.searcher: f"<code>{text(row.best)}</code>"
        if row.settings > 1
        else "declares no ranges to draw settings from"
        for row in listed
    }
    return (
        figures.place("lottery", plots.comparison_lottery(comparison))
        + table(head, rows, numeric=range(1, len(head)), caption="Of the hypervolume, over settings")
        + "<h3>Best settings</h3>"
        + facts(best)
    )


def _provenance(comparison: Comparison) -> str:
    if not comparison.searchers:
        return ""
    rows = [
        [
            text(label),
            text(item["name"]),
            ", ".join(f"{text(key)} = {text(value)}" for key, value in item["settings"].items()) or "default",
        ]
        for label, item in comparison.searchers.items()
    ]
    signs = [objective.sign for objective in comparison.objectives]
    corner = ", ".join(
        f"{text(objective.metric)} {sign * value:.6g}"
        for objective, sign, value in zip(
            comparison.objectives, signs, comparison.reference.corner.tolist(), strict=True
        )
    )
    seeds = ", ".join(str(seed) for seed in sorted(comparison.table["seed"].unique().tolist()))
    return (
        table(["", "searcher", "settings"], rows)
        + f"<p>Seeds {seeds}. Hypervolumes up to the reference point {corner}. dse {text(__version__)}.</p>"
    )
