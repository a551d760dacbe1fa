"""`Ledger`: what another library has evaluated, each design once, kept in a store on request."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from dse.designs import Designs
from dse.driver import evaluation_rows, measured, reference_point
from dse.errors import StudyError
from dse.evaluations import Evaluations
from dse.pareto import ParetoArchive
from dse.problem import Problem, differences
from dse.study import StudyView, versions

if TYPE_CHECKING:
    import pandas as pd

    from dse.store import Store

# Feasible designs from which a reference point is taken: one alone says nothing of a range.
REFERENCE_FROM = 32


class Ledger:
    """Evaluates designs of a problem that somebody else chooses, and remembers them.

    A design that comes again is answered from memory. With a store every call is committed as a batch of a
    study, which all commands read: ``dse show``, ``front``, ``report``, ``run --warm``.

    Parameters
    ----------
    problem
        What is evaluated.
    store
        A store or its URL; None keeps evaluations in memory alone.
    name
        The study's name in the store; one that is there goes on.
    by
        Who chooses the designs: stands where a study names its searcher.

    Raises
    ------
    StudyError
        If a store is given without a name, or a name without a store; or the stored study is of another
        problem, or of another that chooses.
    StoreError
        If the store cannot be opened.
    """

    def __init__(
        self,
        problem: Problem,
        *,
        store: Store | str | None = None,
        name: str | None = None,
        by: str = "external",
    ) -> None:
        if (store is None) != (name is None):
            missing = "name" if name is None else "store"
            raise StudyError(f"{missing}=None: a study is kept under a name in a store, give both or neither")
        self.problem = problem
        self._parts: list[Evaluations] = []
        self._rows: dict[bytes, tuple[int, int]] = {}
        self._archive = ParetoArchive(len(problem.objectives))
        self._view: StudyView | None = None
        self._batch = self._feasible = 0
        self._reference: list[float] | None = None
        if store is not None and name is not None:
            self._open(store, name, by)

    def __len__(self) -> int:
        return len(self._rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def evaluations(self) -> Evaluations | None:
        """All of them in order, each design once; None before the first."""
        if len(self._parts) > 1:
            joined = Evaluations.concat(self._parts)
            keys = self.problem.space.keys(joined.designs.codes)
            self._parts = [joined]
            self._rows = {key: (0, row) for row, key in enumerate(keys)}
        return self._parts[0] if self._parts else None

    def evaluate(self, designs: Designs) -> Evaluations:
        """Return evaluations in the order of the designs; only those that are new are made."""
        keys = self.problem.space.keys(designs.codes)
        fresh = {key: row for row, key in reversed(list(enumerate(keys))) if key not in self._rows}
        if fresh:
            began = time.perf_counter()
            part = self.problem.evaluate(designs.take(sorted(fresh.values())))
            self._keep(part, time.perf_counter() - began)
        found = [self._rows[key] for key in keys]
        if not found:
            return self.problem.evaluate(designs)
        if len({part for part, _ in found}) == 1:
            return self._parts[found[0][0]].take([row for _, row in found])
        return Evaluations.concat([self._parts[part].take([row]) for part, row in found])

    def front(self) -> pd.DataFrame:
        """Return the nondominated feasible designs: parameters and metrics, by number."""
        found = self.evaluations
        if found is None:
            raise StudyError("nothing was evaluated yet: there is no front")
        frame = found.take(self._archive.ids).to_frame().drop(columns=["state", "error"])
        return frame.set_index(self._archive.ids).rename_axis("number")

    def close(self) -> None:
        """Mark the stored study as done; more may be evaluated later."""
        if self._view is None:
            return
        if self._reference is None and self._feasible:
            self._settle()
        self._view.store.update_study(self._view.id, state="done")

    def _keep(self, part: Evaluations, seconds: float) -> None:
        first = len(self._rows)
        self._parts.append(part)
        for row, key in enumerate(self.problem.space.keys(part.designs.codes)):
            self._rows[key] = (len(self._parts) - 1, row)
        self._feasible += int(np.count_nonzero(part.feasible))
        change = self._archive.add(part.objectives[part.feasible], first + np.flatnonzero(part.feasible))
        if self._view is None:
            return
        from dse.store import BatchRow

        if self._reference is None and self._feasible >= REFERENCE_FROM:
            self._settle()
        commit = BatchRow(
            batch=self._batch,
            first=first,
            count=len(part),
            told=None,
            started_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            ask_seconds=0.0,
            evaluate_seconds=seconds,
            front_size=len(self._archive),
            hypervolume=measured(self.problem, self._archive, self._reference),
            front_added=change.added,
            front_removed=change.removed,
        )
        self._view.store.append(
            self._view.id, commit, evaluation_rows(self.problem, part, first, self._batch)
        )
        self._batch += 1

    def _settle(self) -> None:
        found = self.evaluations
        assert self._view is not None
        assert found is not None
        self._reference = reference_point(self.problem, found)
        self._view.store.update_study(self._view.id, reference=self._reference)

    def _open(self, store: Store | str, name: str, by: str) -> None:
        from dse.store import Store, StudyRecord

        opened = Store(store) if isinstance(store, str) else store
        form: dict[str, Any] = {"name": self.problem.name, **self.problem.to_dict()}
        if not opened.has_study(name):
            opened.create_study(
                StudyRecord(
                    name=name,
                    fingerprint=self.problem.fingerprint,
                    problem=form,
                    searcher={"name": by, "settings": {}, "batch": 1},
                    seed=0,
                    versions=versions(),
                    created_at=datetime.now(UTC).isoformat(timespec="seconds"),
                    state="running",
                )
            )
        view = StudyView(name, opened)
        changes: list[str] = []
        if view.record.fingerprint != self.problem.fingerprint:
            changes += differences(view.record.problem, form)
        changes += differences(view.record.searcher["name"], by, "searcher")
        if changes:
            raise StudyError(
                f"study {name!r} is stored with another setting, {'; '.join(changes[:3])}: take another name"
            )
        self._view = view
        self._reference = view.record.reference
        self._batch = 1 + max((row.batch for row in opened.batches(view.id)), default=-1)
        rows = opened.evaluations(view.id)
        if len(rows):
            # The space of the problem, not the view's: functions among its constraints are not stored.
            found = view.restore(rows)
            designs = Designs(self.problem.space, found.designs.codes)
            self._parts = [Evaluations(designs, found.metrics, found.objectives, found.violation,
                                       found.state, found.errors, found.seconds)]  # fmt: skip
            self._rows = {key: (0, row) for row, key in enumerate(designs.space.keys(designs.codes))}
            feasible = found.feasible
            self._feasible = int(np.count_nonzero(feasible))
            self._archive.add(found.objectives[feasible], np.flatnonzero(feasible))
