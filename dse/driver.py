"""The loop: ask, evaluate, persist, tell. Resuming is telling a fresh searcher the stored history.

A searcher is told whole batches only. A batch that a kill or the budget cut short is proposed again, as
the searcher is a function of what it was told; its stored part is taken from the store and the rest is
evaluated. So the history is the same however often a run was interrupted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dse.asynchronous import Asynchronous
from dse.designs import Designs
from dse.errors import SpaceError
from dse.evaluations import Evaluations, State
from dse.pareto import ParetoArchive, hypervolume
from dse.store.team import LeadLost
from dse.synchronous import ordered

if TYPE_CHECKING:
    from dse.problem import Problem
    from dse.store import EvaluationRows
    from dse.study import Study
    from dse.team.shared import SharedExecutor

Array = NDArray[Any]

COMMIT_SECONDS = 2.0  # about how much work a kill may cost
SHARED_SECONDS = 1.0  # of evaluation in this process, from which on other processes are given a part
HYPERVOLUME_OBJECTIVES = 5  # beyond, the exact hypervolume costs more than a batch
IDLE_BATCHES = 100  # batches without a new design after which a searcher is taken to have ended
READ_ROWS = 50_000


@dataclass(frozen=True)
class Progress:
    """How far a run is, told after every commit.

    Attributes
    ----------
    evaluations, budget
        Evaluations stored, and how many there will be (None: until the space is exhausted).
    front_size, hypervolume
        Of the front so far; the hypervolume is None before the first feasible design, and beyond five
        objectives.
    counts
        Evaluations by state.
    leader
        The process that proposes, as HOST:PROCESS, where it is another one; else None.
    """

    evaluations: int
    budget: int | None
    front_size: int
    hypervolume: float | None
    counts: dict[str, int]
    leader: str | None = None


@dataclass(frozen=True)
class _Stored:
    """A stored batch: its evaluations in the order in which they were proposed."""

    index: int
    evaluations: Evaluations
    whole: bool  # False if it may have been cut short


class Driver:
    """One run of a study by the process that leads it; see `dse.study.Study.run` for the arguments.

    Parameters
    ----------
    executor
        Where to evaluate; opened here.
    journal
        Keys of the designs whose results are stored, and are no evaluations yet.
    leader
        This process, as the store knows it.
    in_process
        Whether to call the model itself, while no others are there to evaluate.
    """

    def __init__(
        self,
        study: Study,
        budget: int | None,
        progress: Callable[[Progress], None] | None,
        stop: Callable[[], bool],
        executor: SharedExecutor,
        journal: set[bytes],
        leader: int,
        *,
        in_process: bool,
        asynchronous: bool,
    ) -> None:
        self.executor = executor
        self.journal = journal
        self.leader = leader
        self.in_process = in_process
        self.asynchronous = asynchronous
        self.study = study
        self.store = study.store
        self.budget = None if budget is None else budget + study.adopted
        self.progress = progress
        self.stop = stop
        self.searcher = study.make_searcher()
        self.archive = ParetoArchive(len(study.objectives))
        self.counts = study.counts()
        self.numbers: dict[bytes, int] = {}  # of stored designs, for searchers that may repeat one
        self.batch = 0
        self.hypervolume: float | None = None
        self.kept: dict[bytes, Evaluations] = {}  # results of a run that was killed, by design
        self.busy = 0.0  # seconds of workers
        self.utilisation: float | None = None  # share of the workers' time spent on evaluations
        self.told_seconds = 0.0  # in telling what the next batch is asked after
        # A per-design model may take minutes a design: commit the first one alone, then see.
        slow = getattr(study.problem.model, "per_design", False)
        self.design_seconds = COMMIT_SECONDS if slow else 0.0

    @property
    def evaluated(self) -> int:
        """Evaluations stored so far."""
        return sum(self.counts.values())

    def run(self) -> None:
        """Run to the budget, the end of the space, or the request to stop."""
        state: str | None = "interrupted"
        try:
            if self._open():
                self.executor.open(self.study.problem.model, self.study.space)
                pending = self._tell_history()
                self._read_kept()
                self.study.update(state="running", budget=self.budget)
                began = time.perf_counter()
                ended = self._fly(pending) if self.asynchronous else self._loop(pending)
                if not (self.in_process or self.executor.ever_joined):
                    spent = self.executor.workers * max(time.perf_counter() - began, 1e-9)
                    self.utilisation = self.busy / spent
                if not ended:
                    return
            self._finish()
            state = "done"
        except LeadLost:
            state = None
            raise
        finally:
            if state is not None:
                self.study.update(state=state)

    def _open(self) -> bool:
        """Return whether there is something left to evaluate."""
        return self.budget is None or self.evaluated < self.budget

    def _finish(self) -> None:
        # A first batch that the budget cut short has not set the reference point.
        if self.study.reference is None and self.counts[State.COMPLETE]:
            self._settle_reference(self._read(0, self.evaluated))

    def _loop(self, pending: _Stored | None) -> bool:
        """Return whether the run came to its end, rather than being stopped."""
        idle = 0
        while self._open():
            if self.stop():
                return False
            before = self.evaluated
            began = time.perf_counter()
            designs = self.searcher.ask(self.study.given_batch or self.searcher.batch)
            asked = time.perf_counter() - began + self.told_seconds
            self.told_seconds = 0.0
            if pending is not None and not _includes(designs, pending.evaluations.designs):
                # Proposed by other versions of the packages: history all the same.
                self._tell(pending.evaluations)
                pending = None
                continue
            if not len(designs):
                if not self.evaluated:
                    raise SpaceError("no feasible design was found: loosen the constraints of the space")
                return True
            whole = self._evaluate(designs, pending, asked)
            pending = None
            if whole is None:
                continue
            self._tell(whole)
            idle = idle + 1 if self.evaluated == before else 0
            if idle >= IDLE_BATCHES:
                return True
        return True

    def _tell(self, evaluations: Evaluations) -> None:
        began = time.perf_counter()
        self.searcher.tell(evaluations)
        self.told_seconds = time.perf_counter() - began
        self.batch += 1

    # Evaluate and persist

    def _evaluate(self, designs: Designs, pending: _Stored | None, asked: float) -> Evaluations | None:
        """Evaluate and store what is new in a proposed batch.

        Returns
        -------
        The evaluations of the whole batch as proposed; None if it was cut short.
        """
        numbers, new = self._number(designs, pending)
        room = len(new) if self.budget is None else min(len(new), self.budget - self.evaluated)
        parts = [pending.evaluations] if pending is not None else []
        repeats = not np.array_equal(numbers, np.arange(len(numbers)) + self._first(pending))
        if not len(new) and repeats:
            self._commit(None, parts, numbers, asked)
        done = 0
        for part in self._evaluated(designs.take(new[:room]), len(new)):
            done += len(part)
            parts.append(part)
            last = done == len(new)
            self._commit(part, parts if last else None, numbers if last and repeats else None, asked)
            asked = 0.0
        if done < len(new):
            return None
        if pending is None and not repeats:
            return Evaluations.concat(parts)
        return self._read_numbers(numbers)

    def _evaluated(self, designs: Designs, batch: int) -> Iterator[Evaluations]:
        """Yield the evaluations of new designs in order, those to be committed together, until asked to stop.

        Parameters
        ----------
        batch
            How many new designs there are in the whole batch.
        """
        done = 0
        while done < len(designs):
            if self._shares(len(designs) - done):
                yield from ordered(self, designs.take(slice(done, None)), COMMIT_SECONDS)
                return
            part = self._evaluate_here(designs.take(slice(done, done + self._slice(batch))))
            done += len(part)
            yield part
            if done < len(designs) and self.stop():
                return

    def _shares(self, designs: int) -> bool:
        """Return whether others than this thread evaluate so many designs."""
        # What takes a moment takes longer to be given out.
        return not self.in_process or (
            self.executor.joined and self.design_seconds * designs >= SHARED_SECONDS
        )

    def _evaluate_here(self, designs: Designs) -> Evaluations:
        """Evaluate designs in this process, but those whose results were kept."""
        if not self.kept:
            return self.study.problem.evaluate(designs)
        keys = self.study.space.keys(designs.codes)
        new = [row for row, key in enumerate(keys) if key not in self.kept]
        known = [row for row, key in enumerate(keys) if key in self.kept]
        parts = [self.study.problem.evaluate(designs.take(new))] if new else []
        parts += [self.kept.pop(keys[row]) for row in known]
        return Evaluations.concat(parts).take(np.argsort([*new, *known]))

    def keep(self, parts: list[Evaluations]) -> None:
        """Store results that cannot be committed yet, as designs before them are still evaluated."""
        keys = self.study.space.keys
        fresh = [part for part in parts if not self.journal.issuperset(keys(part.designs.codes))]
        if fresh:
            joined = Evaluations.concat(fresh)
            rows = evaluation_rows(self.study.problem, joined, 0, self.batch)
            self.store.keep(self.study.id, rows, leader=self.leader)
            self.journal.update(keys(joined.designs.codes))

    def _read_kept(self) -> None:
        rows = self.store.kept(self.study.id)
        if len(rows):
            found = self.study.restore(rows)
            keys = self.study.space.keys(found.designs.codes)
            self.journal.update(keys)
            self.kept = {key: found.take([row]) for row, key in enumerate(keys)}

    # Asynchronous

    def _fly(self, pending: _Stored | None) -> bool:
        if pending is not None:
            self._tell(pending.evaluations)
        return Asynchronous(self).run()

    def commit_whole(self, part: Evaluations, asked: float) -> None:
        """Store evaluations as a batch of their own, and tell the searcher."""
        numbers = np.arange(self.evaluated, self.evaluated + len(part))
        self._commit(part, None, numbers, asked + self.told_seconds)
        if self.study.reference is None and self.evaluated >= self.searcher.batch:
            self._settle_reference(self._read(0, self.evaluated))
        self._tell(part)

    def tell_again(self, numbers: Array, asked: float) -> None:
        """Tell the searcher stored evaluations that it proposed again; what it was told is stored."""
        self._commit(None, None, numbers, asked + self.told_seconds)
        self._tell(self._read_numbers(numbers))

    def _first(self, pending: _Stored | None) -> int:
        return self.evaluated - (len(pending.evaluations) if pending is not None else 0)

    def _number(self, designs: Designs, pending: _Stored | None) -> tuple[Array, Array]:
        """Return each design's evaluation number (n,), and the positions (k,) of those still to evaluate."""
        if self.searcher.distinct and pending is None:
            return np.arange(len(designs)) + self.evaluated, np.arange(len(designs))
        known = self.numbers
        if pending is not None:
            first = self._first(pending)
            stored = self.study.space.keys(pending.evaluations.designs.codes)
            known = {**known, **{key: first + row for row, key in enumerate(stored)}}
        fresh: dict[bytes, int] = {}
        numbers, new = np.empty(len(designs), np.int64), []
        for row, key in enumerate(self.study.space.keys(designs.codes)):
            if key not in known and key not in fresh:
                fresh[key] = self.evaluated + len(fresh)
                new.append(row)
            numbers[row] = known[key] if key in known else fresh[key]
        return numbers, np.array(new, np.int64)

    def _slice(self, most: int) -> int:
        """Return how many designs to evaluate before the next commit."""
        if self.design_seconds * most <= COMMIT_SECONDS:
            return most
        at_once = getattr(self.study.problem.model, "workers", 1)
        return max(at_once, int(COMMIT_SECONDS / self.design_seconds))

    def _commit(
        self,
        part: Evaluations | None,
        whole: list[Evaluations] | None,
        told: Array | None,
        asked: float,
    ) -> None:
        """Store a part of a batch; the last comes with the `whole`, and the numbers `told` if not new."""
        from dse.store import BatchRow

        first = self.evaluated
        count = 0 if part is None else len(part)
        added = removed = np.empty(0, np.int64)
        seconds = 0.0
        if part is not None:
            seconds = float(part.seconds.sum())
            self.design_seconds = seconds / count
            feasible = part.feasible
            change = self.archive.add(part.objectives[feasible], first + np.flatnonzero(feasible))
            added, removed = change.added, change.removed
        if whole:
            self._settle_reference(Evaluations.concat(whole))
        if len(added) or self.hypervolume is None:
            self.hypervolume = measured(self.study.problem, self.archive, self.study.reference)
        rows = evaluation_rows(self.study.problem, part, first, self.batch)
        row = BatchRow(
            batch=self.batch,
            first=first,
            count=count,
            told=told,
            started_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            ask_seconds=asked,
            evaluate_seconds=seconds,
            front_size=len(self.archive),
            hypervolume=self.hypervolume,
            front_added=added,
            front_removed=removed,
        )
        settled: list[bytes] = []
        if self.journal and part is not None:
            settled = sorted(self.journal.intersection(self.study.space.keys(part.designs.codes)))
        self.store.append(self.study.id, row, rows, settled=settled, leader=self.leader)
        self.journal.difference_update(settled)
        if part is not None:
            self._remember(part, first)
        if self.progress is not None:
            self.progress(
                Progress(self.evaluated, self.budget, len(self.archive), self.hypervolume, dict(self.counts))
            )

    def _remember(self, part: Evaluations, first: int) -> None:
        states, counts = np.unique(part.state, return_counts=True)
        for state, count in zip(states.tolist(), counts.tolist(), strict=True):
            self.counts[state] += count
        if self.asynchronous or not self.searcher.distinct:
            keys = self.study.space.keys(part.designs.codes)
            self.numbers |= {key: first + row for row, key in enumerate(keys)}

    def _settle_reference(self, evaluations: Evaluations) -> None:
        """Set the study's reference point, once: see `dse.study.StudyView.reference`."""
        if self.study.reference is None and evaluations.feasible.any():
            self.study.update(reference=reference_point(self.study.problem, evaluations))

    # Read back

    def _tell_history(self) -> _Stored | None:
        """Tell the searcher every stored batch but the last if that may be incomplete; return it then."""
        self.counts = dict.fromkeys(self.counts, 0)
        pending: _Stored | None = None
        for stored in self._history():
            if pending is not None:
                self._tell(pending.evaluations)
            pending = stored
        if pending is not None and pending.whole:
            self._tell(pending.evaluations)
            pending = None
        if pending is not None:
            self.batch = pending.index
        return pending

    def _history(self) -> Iterator[_Stored]:
        """Yield the stored batches in order, and take in their evaluations."""
        low = high = 0
        window: Evaluations | None = None
        for index, group in groupby(self.store.batches(self.study.id), key=lambda row: row.batch):
            parts = list(group)
            first, count = parts[0].first, sum(row.count for row in parts)
            if window is None or first + count > high:
                low, high = first, first + max(count, READ_ROWS)
                window = self._read(low, high)
            part = window.take(slice(first - low, first - low + count))
            if count:
                feasible = part.feasible
                self.archive.add(part.objectives[feasible], first + np.flatnonzero(feasible))
                self._remember(part, first)
            self.hypervolume = parts[-1].hypervolume
            told = next((row.told for row in reversed(parts) if row.told is not None), None)
            yield _Stored(index, part if told is None else self._read_numbers(told), told is not None)

    def _read(self, start: int, stop: int) -> Evaluations:
        return self.study.restore(self.store.evaluations(self.study.id, start=start, stop=stop))

    def _read_numbers(self, numbers: Array) -> Evaluations:
        distinct, where = np.unique(numbers, return_inverse=True)
        rows = self.store.evaluations(self.study.id, numbers=distinct)
        return self.study.restore(rows).take(where)


def _includes(proposed: Designs, stored: Designs) -> bool:
    keys = set(proposed.space.keys(proposed.codes))
    return all(key in keys for key in stored.space.keys(stored.codes))


def evaluation_rows(problem: Problem, part: Evaluations | None, first: int, batch: int) -> EvaluationRows:
    """Return evaluations as a store holds them, numbered from `first`; none for None."""
    from dse.store import EvaluationRows

    if part is None:
        codes = np.empty((0, len(problem.space.names)), problem.space.code_dtype)
        empty = np.empty(0)
        return EvaluationRows(
            number=np.empty(0, np.int64), batch=np.empty(0, np.int64), state=np.empty(0, "U10"),
            violation=empty, seconds=empty, designs=problem.space.pack(codes),
            metrics=np.empty((0, len(problem.metrics))), errors={},
        )  # fmt: skip
    return EvaluationRows(
        number=np.arange(first, first + len(part)),
        batch=np.full(len(part), batch),
        state=part.state,
        violation=part.violation,
        seconds=part.seconds,
        designs=problem.space.pack(part.designs.codes),
        metrics=np.column_stack([part.metrics[name] for name in problem.metrics]),
        errors={first + row: text for row, text in part.errors.items()},
    )


def reference_point(problem: Problem, evaluations: Evaluations) -> list[float]:
    """Return the reference point that evaluations, some feasible, give: see `StudyView.reference`."""
    values = evaluations.objectives[evaluations.feasible]
    worst, best = values.max(axis=0), values.min(axis=0)
    margin = np.where(worst > best, worst - best, np.where(worst == 0, 1.0, np.abs(worst)))
    point = (worst + 0.1 * margin) * problem.signs
    declared = [objective.reference for objective in problem.objectives]
    return [float(p) if d is None else float(d) for p, d in zip(point, declared, strict=True)]


def measured(problem: Problem, archive: ParetoArchive, reference: Sequence[float] | None) -> float | None:
    """Return the hypervolume of a front of minimised objectives; None where it is not known."""
    if reference is None or not len(archive) or len(reference) > HYPERVOLUME_OBJECTIVES:
        return None
    return hypervolume(archive.points, np.array(reference) * problem.signs)
