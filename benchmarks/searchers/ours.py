"""Searchers of this project, built as a study builds them, with their default settings."""

from __future__ import annotations

import tempfile

from benchmarks.searchers.bench import Bench
from dse import Designs, Study


def run(searcher: str, bench: Bench, seed: int, *, fill: bool = True) -> None:
    """Run until the budget is spent, or until the searcher ends.

    Parameters
    ----------
    searcher
        Its name.
    bench
        What it proposes to.
    seed
        The seed.
    fill
        Whether a searcher that ends before is filled up with random designs.
    """
    with tempfile.TemporaryDirectory() as folder:
        made = Study("bench", bench.problem, searcher, seed, f"sqlite:///{folder}/bench.db").make_searcher()
    while True:
        designs = made.ask(made.batch)
        if fill and (not len(designs) or bench.stuck):
            designs = Designs(bench.space, bench.fresh(made.batch))
        if not len(designs):
            return
        made.tell(bench.evaluate(designs))
