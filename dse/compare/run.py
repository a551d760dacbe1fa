"""`compare`: runs searchers on a problem, each run a stored study, and measures them by one front."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from dse.compare.entries import Entry, Named, Searchers, entries
from dse.compare.lottery import DEFAULT, Ticket, tickets
from dse.compare.measure import Run, curve_counts, front_shares, read_run, volumes
from dse.compare.reference import Reference, best_known, exact_reference, given_front, walkable
from dse.compare.tables import Comparison
from dse.definitions import find
from dse.errors import StudyError
from dse.pareto import hypervolume
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

    ticket_seeds = chosen[:lottery_seeds]
    wanted = [(entry, seed) for entry in listed for seed in chosen]
    wanted += [(ticket.entry, seed) for ticket in drawn for seed in ticket_seeds]
    name = problem if isinstance(problem, str) else ""
    tasks = {
        study: Task(name, dict(settings or {}), entry.searcher, entry.settings, seed, marks[-1], store, study)
        for entry, seed in wanted
        for study in [_study_name(label, entry, seed)]
    }
    with Store(store) as opened:
        for done, finished in enumerate(_run(list(tasks.values()), built, opened, workers), 1):
            if progress:
                progress(f"{done} of {len(tasks)}: {finished}")
        walk = exact if exact is not None else front is None and walkable(built)
        reference = exact_reference(built) if walk else best_known(built, opened, list(tasks), given)
        measured = _Measured(label, opened, reference, marks)
        return measured.comparison(built, listed, chosen, drawn if lottery else None, ticket_seeds)


def _run(tasks: Sequence[Task], problem: Problem, store: Store, workers: int) -> Iterator[str]:
    """Run tasks, in this process or others; yield the names of those that ended."""
    if workers == 1:
        for task in tasks:
            task.study(problem, store).run(task.budget)
            yield task.name
    else:
        # Leaving the block ends the processes, also after Ctrl-C: what they committed is kept.
        with get_context("spawn").Pool(workers) as pool:
            yield from pool.imap_unordered(Task.run, tasks)


@dataclass(frozen=True)
class _Measured:
    """Measures stored runs."""

    label: str
    store: Store
    reference: Reference
    budgets: list[int]

    def comparison(
        self,
        problem: Problem,
        listed: Sequence[Entry],
        seeds: Sequence[int],
        drawn: Sequence[Ticket] | None,
        ticket_seeds: Sequence[int],
    ) -> Comparison:
        import pandas as pd

        counts = curve_counts(self.budgets)
        best = hypervolume(self.reference.points, self.reference.corner)
        rows, curves, fronts = [], [], {}
        for entry in listed:
            for seed in seeds:
                run = self._read(entry, seed)
                volume = volumes(run.points, self.reference.corner, counts)
                marks = np.isin(counts, self.budgets)
                rows += self._rows(entry.label, seed, run, volume[marks], self.budgets, best)
                fraction = volume / best if best else np.full(len(counts), np.nan)
                head = {"searcher": entry.label, "seed": seed}
                curves.append(pd.DataFrame({**head, "evaluations": counts, "fraction": fraction}))
                fronts[entry.label, seed] = run.front()
        table = pd.DataFrame(rows)
        return Comparison(
            table=table,
            reference=self.reference,
            problem=self.label,
            curves=pd.concat(curves, ignore_index=True),
            fronts=fronts,
            objectives=problem.objectives,
            metrics=problem.metrics,
            searchers={
                entry.label: {"name": searcher_name(entry.searcher), "settings": dict(entry.settings)}
                for entry in listed
            },
            lottery=None if drawn is None else self._lottery(table, drawn, ticket_seeds, best),
        )

    def _lottery(
        self, table: pd.DataFrame, drawn: Iterable[Ticket], seeds: Sequence[int], best: float
    ) -> pd.DataFrame:
        import pandas as pd

        last = self.budgets[-1:]
        rows = []
        for ticket in drawn:
            for seed in seeds:
                run = self._read(ticket.entry, seed)
                volume = np.array([hypervolume(run.front(), self.reference.corner)])
                found = self._rows(ticket.of, seed, run, volume, last, best)
                rows += [{**row, "setting": ticket.entry.label} for row in found]
        given = table[(table["budget"] == last[0]) & table["seed"].isin(seeds)].assign(setting=DEFAULT)
        return pd.concat([given, pd.DataFrame(rows, columns=given.columns)], ignore_index=True)

    def _read(self, entry: Entry, seed: int) -> Run:
        return read_run(StudyView(_study_name(self.label, entry, seed), self.store), self.budgets[-1])

    def _rows(
        self,
        label: str,
        seed: int,
        run: Run,
        volume: np.ndarray[Any, np.dtype[np.float64]],
        budgets: Sequence[int],
        best: float,
    ) -> list[dict[str, Any]]:
        """Return a row a budget."""
        counts = np.asarray(budgets)
        shares = front_shares(run.points, self.reference.points, counts)
        seconds = run.searcher_seconds(counts)
        fractions = (volume / best if best else np.full(len(counts), np.nan)).tolist()
        return [
            {
                "searcher": label,
                "seed": seed,
                "budget": budget,
                "evaluations": min(budget, len(run.points)),
                "hypervolume": float(volume[place]),
                "fraction": fractions[place],
                "gap": 1.0 - fractions[place],
                "front_share": float(shares[place]),
                "searcher_seconds": float(seconds[place]),
            }
            for place, budget in enumerate(budgets)
        ]


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
