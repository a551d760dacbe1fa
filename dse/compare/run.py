"""`compare`: runs searchers on a problem, each run a stored study, and measures them by one front."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from dse.compare.entries import Entry, Named, Searchers, entries
from dse.compare.lottery import DEFAULT, Ticket, tickets
from dse.compare.measure import Run, Yardstick, read_run
from dse.compare.reference import best_known, exact_reference, given_front, walkable
from dse.compare.tables import Comparison
from dse.definitions import find
from dse.errors import StudyError
from dse.problem import Problem
from dse.searchers import make_searcher, searcher_name, takes
from dse.study import DEFAULT_STORE, Study, StudyView

if TYPE_CHECKING:
    import pandas as pd

    from dse.store import Store


@dataclass(frozen=True)
class Task:
    """One searcher with one seed, as a process of its own can run it."""

    definition: str
    settings: dict[str, Any]
    searcher: Named
    searcher_settings: Mapping[str, Any]
    seed: int
    budget: int
    store: str
    name: str

    def run(self) -> str:
        """Run, or go on with, the study; return its name."""
        problem = find(self.definition).build(self.settings)
        self.study(problem, self.store).run(self.budget)
        return self.name

    def study(self, problem: Problem, store: Store | str) -> Study:
        """Return the study, made or opened again."""
        return Study(self.name, problem, self.searcher, self.seed, store, settings=self.searcher_settings)


def compare(
    problem: Problem | str,
    searchers: Searchers,
    *,
    budgets: Sequence[int],
    seeds: int | Sequence[int] = 5,
    store: str = DEFAULT_STORE,
    settings: Mapping[str, Any] | None = None,
    workers: int = 1,
    exact: bool | None = None,
    front: str | Path | pd.DataFrame | None = None,
    lottery: int = 0,
    lottery_seeds: int = 3,
    progress: Callable[[str], None] | None = None,
) -> Comparison:
    """Run searchers on a problem with the same seeds and budgets, and measure them by one front.

    Parameters
    ----------
    problem
        A problem, or the name of a ready study.
    searchers
        Names of searchers, with settings as in ``nsga2:population=50;mutation=2`` where not the default; or a
        mapping from labels to names or classes, or to pairs of those and settings.
    budgets
        Unique evaluations at which to measure.
    seeds
        The seeds, or how many from 0; the same for every searcher.
    store
        Where the runs are kept, each as a study of its own: a comparison that was interrupted goes on where
        it stopped, and one with more seeds or a larger budget adds to what is there.
    settings
        Of the ready study, by name.
    workers
        Processes; more than one needs the name of a ready study.
    exact
        Whether to measure by the exact front, from a walk through the whole space; by default where the
        space has at most 50 million designs and no front is given. Otherwise by the best front known: that of
        all runs and of all other studies of the same problem in the store, which flatters all of them.
    front
        Points that are known from elsewhere, for the best front known: a data frame or a file (``.csv``,
        ``.parquet``) with a column for each objective, or the name of a stored study.
    lottery
        Settings of its own that every searcher is run with beside those it has, drawn from the ranges that it
        declares (`dse.searchers.ranges`), to the largest budget; the same ones for the same searcher.
    lottery_seeds
        Seeds at most of a lottery's runs: the first ones.
    progress
        Told a line after every run.

    Raises
    ------
    StudyError
        If an argument is not usable. Errors of spaces, searchers and stores are raised as they are.

    Notes
    -----
    The reference point is that of the problem's objectives where all declare one; else the worst of the
    reference front in each objective and a tenth of its range.
    """
    from dse.store import Store

    built = find(problem).build(settings) if isinstance(problem, str) else problem
    label = _label(problem if isinstance(problem, str) else built.name, settings)
    chosen = list(range(seeds)) if _whole(seeds) else _wholes("seeds", seeds)
    marks = sorted(set(_wholes("budgets", budgets)))
    listed = entries(searchers)
    _check(marks, chosen, workers, lottery, lottery_seeds)
    _check_source(built, isinstance(problem, str), workers, settings, exact, front)
    drawn = tickets(listed, lottery)
    for entry in [*listed, *(ticket.entry for ticket in drawn)]:
        linear = built.linear if takes(entry.searcher, "linear") else None
        make_searcher(entry.searcher, built.space, 0, entry.settings, linear=linear)
    given = None if front is None else given_front(front, built, store)

    own = [(entry, seed) for entry in listed for seed in chosen]
    extra = [(ticket, seed) for ticket in drawn for seed in chosen[:lottery_seeds]]
    name = problem if isinstance(problem, str) else ""
    tasks = {}
    for entry, seed in [*own, *((ticket.entry, seed) for ticket, seed in extra)]:
        study = _study_name(label, entry, seed)
        tasks[study] = Task(
            name, dict(settings or {}), entry.searcher, entry.settings, seed, marks[-1], store, study
        )
    with Store(store) as opened:
        with closing(_run(list(tasks.values()), built, opened, workers)) as running:
            for done, finished in enumerate(running, 1):
                if progress:
                    progress(f"{done} of {len(tasks)}: {finished}")

        def read(entry: Entry, seed: int) -> Run:
            return read_run(StudyView(_study_name(label, entry, seed), opened), marks[-1])

        walk = exact if exact is not None else front is None and walkable(built)
        reference = exact_reference(built) if walk else best_known(built, opened, list(tasks), given)
        return _comparison(
            label,
            built,
            Yardstick(reference, marks),
            listed,
            {(entry.label, seed): read(entry, seed) for entry, seed in own},
            [(ticket, seed, read(ticket.entry, seed)) for ticket, seed in extra] if lottery else None,
        )


def _run(tasks: Sequence[Task], problem: Problem, store: Store, workers: int) -> Generator[str, None, None]:
    """Run tasks, in this process or others; yield the names of those that ended."""
    if workers == 1:
        for task in tasks:
            task.study(problem, store).run(task.budget)
            yield task.name
    else:
        # Leaving the block ends the processes, also after Ctrl-C: what they committed is kept.
        with get_context("spawn").Pool(workers) as pool:
            yield from pool.imap_unordered(Task.run, tasks)


def _comparison(
    label: str,
    problem: Problem,
    yardstick: Yardstick,
    listed: Sequence[Entry],
    runs: Mapping[tuple[str, int], Run],
    drawn: Sequence[tuple[Ticket, int, Run]] | None,
) -> Comparison:
    """Return what runs found, those of the searchers and of the lottery's tickets, as tables."""
    import pandas as pd

    rows = [row for key, run in runs.items() for row in yardstick.rows(*key, run)]
    table = pd.DataFrame(rows)
    lottery = None
    if drawn is not None:
        seeds = {seed for _, seed, _ in drawn} or set(table["seed"])
        last = Yardstick(yardstick.reference, yardstick.budgets[-1:])
        given = table[(table["budget"] == last.budgets[0]) & table["seed"].isin(seeds)]
        tickets = [
            {**row, "setting": ticket.entry.label}
            for ticket, seed, run in drawn
            for row in last.rows(ticket.of, seed, run)
        ]
        lottery = pd.DataFrame([*given.assign(setting=DEFAULT).to_dict("records"), *tickets])
    return Comparison(
        table=table,
        reference=yardstick.reference,
        problem=label,
        curves=pd.concat([yardstick.curve(*key, run) for key, run in runs.items()], ignore_index=True),
        fronts={key: run.front() for key, run in runs.items()},
        objectives=problem.objectives,
        metrics=problem.metrics,
        searchers={
            entry.label: {"name": searcher_name(entry.searcher), "settings": dict(entry.settings)}
            for entry in listed
        },
        lottery=lottery,
    )


def _whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _wholes(name: str, values: object) -> list[int]:
    if not isinstance(values, Sequence) or isinstance(values, str) or not all(map(_whole, values)):
        raise StudyError(f"{name}={values!r} must be a list of whole numbers")
    return list(values)


def _check(
    budgets: Sequence[int], seeds: Sequence[int], workers: int, lottery: int, lottery_seeds: int
) -> None:
    if not budgets or budgets[0] < 1:
        raise StudyError(f"budgets={list(budgets)!r} must be whole numbers, 1 or more")
    if not seeds or min(seeds) < 0 or len(set(seeds)) != len(seeds):
        raise StudyError(f"seeds={list(seeds)!r} must be different whole numbers, 0 or more")
    for name, value, least in (("workers", workers, 1), ("lottery", lottery, 0)):
        if not _whole(value) or value < least:
            raise StudyError(f"{name}={value!r} must be {least} or more")
    if not _whole(lottery_seeds) or lottery_seeds < 1:
        raise StudyError(f"lottery_seeds={lottery_seeds!r} must be 1 or more")


def _check_source(
    problem: Problem,
    by_name: bool,
    workers: int,
    settings: Mapping[str, Any] | None,
    exact: bool | None,
    front: object,
) -> None:
    if workers > 1 and not by_name:
        raise StudyError(
            f"workers={workers} needs the name of a ready study: processes cannot be sent a problem"
        )
    if settings and not by_name:
        raise StudyError("settings are those of a ready study: give its name")
    if exact and not problem.space.discrete:
        raise StudyError("exact=True needs a space without real parameters: leave exact out")
    if exact and front is not None:
        raise StudyError("exact=True finds the front itself: leave exact or front out")


def _label(name: str, settings: Mapping[str, Any] | None) -> str:
    return "-".join(
        [name or "problem", *(f"{key}={value}" for key, value in sorted((settings or {}).items()))]
    )


def _study_name(label: str, entry: Entry, seed: int) -> str:
    return f"compare/{label}/{entry.stored}/seed{seed}"
