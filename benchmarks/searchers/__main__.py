"""Searchers of ours and peers: hypervolume gap in unique evaluations, with intervals and tests.

    python -m benchmarks.searchers run --store DIR --searchers bayesian,auto,optuna-tpe [--problems a,b]
        [--seeds 10] [--budget 500] [--minutes M]
    python -m benchmarks.searchers front --store DIR
    python -m benchmarks.searchers report --store DIR [--ours bayesian,auto] [-o report.md] [--csv runs.csv]
        [--figure gaps.html]

``run`` takes all problems with one seed before the next, and keeps each run in the store: what is there is
not run again, a shorter run of a costly peer is gone on from (`benchmarks.searchers.peers.GO_ON`), and
whatever was reached by ``--minutes`` is balanced. ``front`` walks the spaces that can be
walked (50 million designs), and makes the long runs whose front is the best known elsewhere; once. ``report``
prints medians over the seeds with bootstrap intervals of 95 %, and every searcher of ours against every peer:
Wilcoxon's signed-rank test over the seeds, corrected by Holm over the peers.

The reference data are read from the folder that the environment's DSE_DATA names. Peers come with the extra
``peers``: pymoo, Optuna, BoTorch, SMAC3; see `benchmarks.searchers.peers`.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from benchmarks.searchers.problems import CASES
from benchmarks.searchers.runs import Store


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    actions = parser.add_subparsers(dest="action", required=True)
    for name in ("run", "front", "report"):
        action = actions.add_parser(name)
        action.add_argument("--store", type=Path, required=True, help="folder of the runs")
        action.add_argument("--problems", default=",".join(CASES))
        if name == "run":
            action.add_argument("--searchers", required=True)
            action.add_argument("--seeds", type=int, default=10, help="how many, from 0")
            action.add_argument("--budget", type=int, default=500, help="unique evaluations")
            action.add_argument("--minutes", type=float, default=float("inf"), help="start no run after")
        if name == "report":
            action.add_argument("--ours", default="auto,bayesian,local,nsga2,random")
            action.add_argument("-o", "--output", type=Path, help="Markdown")
            action.add_argument("--figure", type=Path, help="gaps over the evaluations, one HTML file")
            action.add_argument("--csv", type=Path, help="a row a problem, searcher, seed and budget")
    options = parser.parse_args()
    store = Store(options.store)
    problems = _names(options.problems)
    if options.action == "run":
        run(store, problems, _names(options.searchers), options.seeds, options.budget, options.minutes)
    elif options.action == "front":
        for name in problems:
            points, exact = store.front(CASES[name]())
            print(f"{name}: {len(points)} points, {'exact' if exact else 'best known'}", flush=True)
    else:
        from benchmarks.searchers.report import report, table

        runs = table(store, problems)
        if options.csv:
            runs.to_csv(options.csv, index=False)
        text = report(runs, _names(options.ours))
        print(text)
        if options.output:
            options.output.write_text(text)
        if options.figure:
            from benchmarks.searchers.figure import figure

            made = figure(store, problems, _names(options.ours))
            made.write_html(options.figure, include_plotlyjs=True, config={"displayModeBar": False})


def run(
    store: Store, problems: list[str], searchers: list[str], seeds: int, budget: int, minutes: float
) -> None:
    """Run what is not stored yet, all problems with one seed before the next."""
    cases = {name: CASES[name]() for name in problems}
    began = time.perf_counter()
    for seed in range(seeds):
        for searcher in searchers:
            for name, case in cases.items():
                if store.has(case, searcher, seed, budget):
                    continue
                if time.perf_counter() - began > 60 * minutes:
                    return
                made = store.run(case, searcher, seed, budget)
                print(
                    f"{name} {searcher} seed {seed}: {len(made.objectives)} evaluations, "
                    f"{made.facts['seconds']:.1f} s, {made.facts['counts']}",
                    flush=True,
                )


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


if __name__ == "__main__":
    main()
