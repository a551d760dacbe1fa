"""Tables of stored runs: medians with intervals, and searchers of ours against every peer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from benchmarks.searchers.peers import PEERS
from benchmarks.searchers.problems import CASES
from benchmarks.searchers.runs import Floats, Run, Store
from dse.compare.tables import median_interval
from dse.pareto import hypervolume
from dse.significance import holm

BUDGETS = (100, 200, 500)
SIGNIFICANT = 0.05
TESTED = 6  # seeds, from which on a difference can be significant
CLOSED = 1e-9  # a gap that is rounding


def table(store: Store, problems: Sequence[str], budgets: Sequence[int] = BUDGETS) -> pd.DataFrame:
    """Return a row a problem, searcher, seed and budget that a run reached.

    Returns
    -------
    Columns ``problem, searcher, seed, budget, evaluations, hypervolume, fraction`` (of the reference
    front's), ``gap`` (1 less that), ``front_share`` (of the reference front's points found), ``exact``
    (whether that front is), ``overhead_s`` (of the searcher's own, for all proposals until then),
    ``proposals, repeats, outside, given`` (of the whole run).
    """
    rows = []
    for name in problems:
        runs = store.runs(name)
        if not runs:
            continue
        case = CASES[name]()
        points, exact = store.front(case)
        rows += [
            {**_row(run, budget, points, case.corner), "exact": exact}
            for run in runs
            for budget in budgets
            if len(run.objectives) >= budget
        ]
    return pd.DataFrame(rows)


def _row(run: Run, budget: int, points: Floats, corner: Floats) -> dict[str, object]:
    seen = run.objectives[:budget]
    volume, best = hypervolume(seen, corner), hypervolume(points, corner)
    front = {point.tobytes() for point in np.ascontiguousarray(points)}
    found = front & {point.tobytes() for point in np.ascontiguousarray(seen)}
    return {
        "problem": run.problem,
        "searcher": run.searcher,
        "seed": run.seed,
        "budget": budget,
        "evaluations": len(seen),
        "hypervolume": volume,
        "fraction": volume / best,
        "gap": 1.0 - volume / best,
        "front_share": len(found) / len(front),
        "overhead_s": float(run.overhead[len(seen) - 1]),
        **run.facts["counts"],
    }


def medians(runs: pd.DataFrame) -> pd.DataFrame:
    """Return medians of the gap over seeds, with bootstrap intervals of 95 % (percentile method)."""
    rows = []
    for (problem, budget, searcher), part in runs.groupby(["problem", "budget", "searcher"], sort=False):
        gaps = part["gap"].to_numpy()
        middle, low, high = (float(found[0]) for found in median_interval(gaps[:, None]))
        rows.append(
            {
                "problem": problem,
                "budget": budget,
                "searcher": searcher,
                "seeds": len(gaps),
                "gap": middle,
                "low": low,
                "high": high,
                "front_share": float(part["front_share"].median()),
                "ms_a_proposal": 1e3 * float((part["overhead_s"] / part["evaluations"]).median()),
            }
        )
    frame = pd.DataFrame(rows)
    return frame.sort_values(["problem", "budget", "gap"], kind="stable").reset_index(drop=True)


def duels(runs: pd.DataFrame, ours: Sequence[str]) -> pd.DataFrame:
    """Return each of ours against each peer, by problem and budget.

    Returns
    -------
    Columns ``ours, peer, problem, budget, seeds, gap, peer_gap`` (medians, each over all its seeds) and
    ``p``: two-sided, of Wilcoxon's signed-rank test over the `seeds` that both have, after Holm's correction
    over the peers of a problem and budget; 1 where these are five and less, with which no difference can
    reach 5 %.
    """
    rows = []
    for (problem, budget), part in runs.groupby(["problem", "budget"], sort=False):
        wide = part.pivot(index="seed", columns="searcher", values="gap")
        peers = [name for name in PEERS if name in wide]
        for one in [name for name in ours if name in wide]:
            pairs = [wide[[one, peer]].dropna().to_numpy() for peer in peers]
            p = np.ones(len(peers))
            tested = [place for place, pair in enumerate(pairs) if len(pair) >= TESTED]
            p[tested] = holm([_chance(pairs[place]) for place in tested])
            rows += [
                (one, peer, problem, budget, len(pair), wide[one].median(), wide[peer].median(), chance)
                for peer, pair, chance in zip(peers, pairs, p, strict=True)
            ]
    return pd.DataFrame(rows, columns=["ours", "peer", "problem", "budget", "seeds", "gap", "peer_gap", "p"])


def _chance(pair: Floats) -> float:
    """Return Wilcoxon's two-sided probability of the differences of two columns, equal ones left out."""
    from scipy.stats import wilcoxon

    unlike = pair[pair[:, 0] != pair[:, 1]]
    return float(wilcoxon(unlike[:, 0] - unlike[:, 1]).pvalue) if len(unlike) else 1.0


def report(runs: pd.DataFrame, ours: Sequence[str]) -> str:
    """Return the tables as Markdown."""
    middle = medians(runs)
    parts = ["# Searchers and peers", _medians_text(runs, middle)]
    against = duels(runs, ours)
    if len(against):
        parts += [_verdicts_text(against), _duels_text(against)]
    parts.append(_costs_text(runs, middle))
    return "\n\n".join(parts) + "\n"


def _medians_text(runs: pd.DataFrame, middle: pd.DataFrame) -> str:
    lines = [
        "## Hypervolume gap",
        "",
        "Median over the seeds of 1 - hypervolume / that of the reference front, in percent, with a "
        "bootstrap interval of 95 %; in brackets the median share of the reference front's points found, and "
        "the seeds.",
    ]
    for problem, part in middle.groupby("problem", sort=False):
        exact = runs.loc[runs["problem"] == problem, "exact"].iloc[0]
        budgets = sorted(part["budget"].unique())
        last = part.sort_values(["budget", "gap"], ascending=[False, True])
        order = list(dict.fromkeys(last["searcher"]))
        lines += ["", f"### {problem} ({'exact' if exact else 'best-known'} front)", ""]
        rows = []
        for searcher in order:
            cells = []
            for budget in budgets:
                hit = part[(part["searcher"] == searcher) & (part["budget"] == budget)]
                cells.append(_gap_text(hit.iloc[0]) if len(hit) else "")
            rows.append([searcher, *cells])
        lines += _markdown(["searcher", *(f"{budget} evaluations" for budget in budgets)], rows)
    return "\n".join(lines)


def _gap_text(row: pd.Series) -> str:
    share = f"{100 * row['front_share']:.0f} %, {row['seeds']}"
    # Rounding may put a volume above that of the whole front.
    gap, low, high = (max(100 * row[name], 0.0) for name in ("gap", "low", "high"))
    return f"{gap:.2f} ({low:.2f} to {high:.2f}) [{share}]"


def _verdicts_text(against: pd.DataFrame) -> str:
    """Return, for each of ours and each budget, on how many problems it has the lowest median."""
    lines = [
        "## Ours against every peer",
        "",
        "Problems on which the median gap is below that of every peer that was run, or both have closed it; "
        "comparisons with single peers in which it is significantly better, and worse (5 %, Holm).",
        "",
    ]
    rows = []
    for (one, budget), part in against.groupby(["ours", "budget"], sort=True):
        closed = part["gap"] < CLOSED
        ahead = (part["gap"] < part["peer_gap"]) | closed
        ahead = ahead.groupby(part["problem"]).all()
        sure = part["p"] < SIGNIFICANT
        better = int((sure & (part["gap"] < part["peer_gap"])).sum())
        worse = int((sure & (part["gap"] > part["peer_gap"])).sum())
        rows.append([one, budget, f"{ahead.sum()} of {len(ahead)}", better, worse, len(part)])
    heads = ["searcher", "budget", "ahead of all peers", "better", "worse", "comparisons"]
    return "\n".join([*lines, *_markdown(heads, rows)])


def _duels_text(against: pd.DataFrame) -> str:
    lines = [
        "## Peer by peer",
        "",
        "Problems won and lost by median gap, in brackets significantly; and the seeds that both have.",
        "",
    ]
    rows = []
    for (one, peer, budget), part in against.groupby(["ours", "peer", "budget"], sort=True):
        sure = part["p"] < SIGNIFICANT
        won, lost = part["gap"] < part["peer_gap"], part["gap"] > part["peer_gap"]
        seeds = f"{part['seeds'].min()} to {part['seeds'].max()}"
        wins = f"{won.sum()} ({(won & sure).sum()})"
        losses = f"{lost.sum()} ({(lost & sure).sum()})"
        rows.append([one, peer, budget, wins, losses, seeds])
    return "\n".join([*lines, *_markdown(["searcher", "peer", "budget", "won", "lost", "seeds"], rows)])


def _costs_text(runs: pd.DataFrame, middle: pd.DataFrame) -> str:
    lines = [
        "## Cost",
        "",
        "Processor time of a searcher's own for each unique evaluation, in milliseconds (least and most over "
        "the problems, of medians over the seeds); proposals of a whole run, in percent of its evaluations.",
        "",
    ]
    rows = []
    for searcher, part in middle.groupby("searcher", sort=True):
        last = part[part["budget"] == part["budget"].max()]
        own = runs[(runs["searcher"] == searcher) & (runs["budget"] == part["budget"].max())]
        shares = [100 * (own[name] / own["evaluations"]).median() for name in ("repeats", "outside", "given")]
        cost = last["ms_a_proposal"]
        rows.append(
            [searcher, int(part["budget"].max()), f"{cost.min():.2f} to {cost.max():.2f}"]
            + [f"{share:.0f}" for share in shares]
        )
    heads = ["searcher", "budget", "ms", "repeats", "outside of the space", "given at random"]
    return "\n".join([*lines, *_markdown(heads, rows)])


def _markdown(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    return [
        "| " + " | ".join(heads) + " |",
        "|" + "|".join(" --- " for _ in heads) + "|",
        *("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows),
    ]
