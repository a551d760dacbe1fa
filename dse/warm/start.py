"""What a new study is started with: evaluations that are taken over, and designs that are evaluated first."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dse.designs import Designs
from dse.driver import evaluation_rows, measured, reference_point
from dse.errors import DesignError, StudyError
from dse.evaluations import Evaluations, State
from dse.models import Outcome
from dse.pareto import ParetoArchive
from dse.problem import Problem
from dse.warm.members import exact_members, nearest_members
from dse.warm.sources import StudySource, TableSource
from dse.warm.tables import Table

if TYPE_CHECKING:
    from dse.space import Parameter
    from dse.store import BatchRow, EvaluationRows, Store
    from dse.study import StudyView

Array = NDArray[Any]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

ADOPTED_AT_ONCE = 1_000  # told to a searcher together: what the largest of their own batches are
MOST_OF_A_FRONT = 100  # evaluated first: a front may be larger than the new study's budget


@dataclass(frozen=True)
class WarmStart:
    """What a study has before its searcher is asked.

    Attributes
    ----------
    adopted
        Evaluations that are taken over, in order; None for none.
    start
        Designs that are evaluated first, beside those of the problem; None for none.
    reference
        The hypervolume's reference point that the adopted evaluations bring.
    record
        JSON values: the sources, and what came of each.
    """

    adopted: Evaluations | None
    start: Designs | None
    reference: list[float] | None
    record: dict[str, Any]


def warm_start(
    problem: Problem,
    sources: Sequence[StudySource | TableSource],
    store: Store,
    *,
    seed: int = 0,
    nearest: bool = False,
) -> WarmStart:
    """Read sources.

    Parameters
    ----------
    problem
        Of the new study.
    sources
        What it is started from, in order: of a design that several have the first counts.
    store
        The new study's, in which studies without a URL are looked up.
    seed
        Of what a design lacks: see `nearest_members`.
    nearest
        Whether designs of a list that are not in the space become members of it, instead of an error.

    Raises
    ------
    StudyError, StoreError
        If a source cannot be read, or has nothing for this problem.
    """
    collected = _Collected(problem)
    for source in sources:
        if isinstance(source, TableSource):
            facts = _designs(problem, source, seed, nearest, collected)
        else:
            facts = _study(problem, source, store, seed, collected)
        collected.sources.append({**source.identity, **facts})
    adopted = Evaluations.concat(collected.adopted) if collected.adopted else None
    if collected.reference is None and adopted is not None and adopted.feasible.any():
        collected.reference = reference_point(problem, adopted)
    return WarmStart(
        adopted,
        Designs.concat(collected.start) if collected.start else None,
        collected.reference,
        {
            "sources": collected.sources,
            "adopted": 0 if adopted is None else len(adopted),
            "nearest": nearest,
        },
    )


class _Collected:
    """What the sources brought so far."""

    def __init__(self, problem: Problem) -> None:
        self.space = problem.space
        self.adopted: list[Evaluations] = []
        self.start: list[Designs] = []
        self.reference: list[float] | None = None
        self.sources: list[dict[str, Any]] = []
        self._adopted: set[bytes] = set()
        self._first = set() if problem.start is None else set(self.space.keys(problem.start.codes))

    def adopt(self, evaluations: Evaluations) -> int:
        """Take evaluations over, and return how many of them are new."""
        kept = evaluations.take(self._new(evaluations.designs, self._adopted))
        self._adopted.update(self.space.keys(kept.designs.codes))
        if len(kept):
            self.adopted.append(kept)
        return len(kept)

    def put_first(self, designs: Designs) -> int:
        """Have designs evaluated, and return how many of them are new."""
        kept = designs.take(self._new(designs, self._adopted | self._first))
        self._first.update(self.space.keys(kept.codes))
        if len(kept):
            self.start.append(kept)
        return len(kept)

    def _new(self, designs: Designs, known: Set[bytes]) -> NDArray[np.int64]:
        """Return the first position of each design that is not known."""
        keys: dict[bytes, int] = {}
        for row, key in enumerate(self.space.keys(designs.codes)):
            if key not in known:
                keys.setdefault(key, row)
        return np.array(list(keys.values()), np.int64)


def _designs(
    problem: Problem, source: TableSource, seed: int, nearest: bool, collected: _Collected
) -> dict[str, Any]:
    table = source.read()
    if not table.rows:
        raise StudyError(f"warm start: {source.label} holds no design")
    moved = 0
    if nearest:
        found = nearest_members(problem.space, table, seed)
        designs, moved = found.designs, int((found.distance > 0).sum())
    else:
        designs = exact_members(problem.space, table)
    return {"rows": table.rows, "designs": collected.put_first(designs), "moved": moved}


def _study(
    problem: Problem, source: StudySource, store: Store, seed: int, collected: _Collected
) -> dict[str, Any]:
    view, opened = source.open(store)
    try:
        if not len(view):
            raise StudyError(f"warm start: {source.label} has no evaluation yet: run it first")
        found = adoptable(problem, view)
        if found is not None and len(found):
            if collected.reference is None and _same_objectives(problem, view):
                collected.reference = view.record.reference
            return {"evaluations": len(view), "adopted": collected.adopt(found)}
        numbers = view.store.front_numbers(view.id)
        if not len(numbers):
            raise StudyError(f"warm start: {source.label} has no feasible design yet: run it further")
        front = view.restore(view.store.evaluations(view.id, numbers=numbers))
    finally:
        if opened:
            view.store.close()
    chosen = front.designs.take(spread(front.objectives, MOST_OF_A_FRONT))
    nearest = nearest_members(problem.space, Table.of_designs(source.label, chosen), seed)
    return {
        "front": len(front),
        "taken": len(chosen),
        "designs": collected.put_first(nearest.designs),
        "moved": int((nearest.distance > 0).sum()),
    }


def adoptable(problem: Problem, view: StudyView) -> Evaluations | None:
    """Return those evaluations of a stored study that this problem's model would give.

    Parameters
    ----------
    problem
        The new study's. Its objectives and limits judge the metrics, and may be others than the stored ones.
    view
        A stored study.

    Returns
    -------
    The evaluations of designs that the problem's space has, by the values of all parameters; None if the
    model (its name, version and settings), the metrics or the names of the parameters differ.
    """
    stored, given = view.record.problem, problem.to_dict()
    for part in ("model", "metrics"):
        if json.dumps(stored[part], sort_keys=True) != json.dumps(given[part], sort_keys=True):
            return None
    if set(view.space.names) != set(problem.space.names):
        return None
    found = view.restore(view.store.evaluations(view.id))
    codes, inside = _translated(problem, found.designs)
    inside[inside] = problem.space.contains(codes[inside])
    found, codes = found.take(inside), codes[inside]
    timeouts = frozenset(np.flatnonzero(found.state == State.TIMEOUT).tolist())
    outcome = Outcome(found.metrics, found.errors, timeouts, found.seconds)
    return problem.judge(Designs(problem.space, codes), outcome)


def _translated(problem: Problem, designs: Designs) -> tuple[Array, Mask]:
    """Return the codes of the same values in a problem's space, and the mask (n,) of where it has all."""
    codes = np.zeros((len(designs), len(problem.space.names)), dtype=problem.space.code_dtype)
    inside = np.ones(len(designs), dtype=bool)
    for position, parameter in enumerate(problem.space.parameters):
        before = designs.space[parameter.name]
        column = designs.codes[:, designs.space.position(parameter.name)]
        if parameter == before:
            codes[:, position] = column
            continue
        distinct, where = np.unique(column, return_inverse=True)
        values = before.decode(distinct)
        known, found = _known(parameter, values)
        codes[:, position], inside = found[where], inside & known[where]
    return codes, inside


def _known(parameter: Parameter, values: Array) -> tuple[Mask, Array]:
    """Return which of the values a parameter has, and their codes."""
    known, codes = np.zeros(len(values), dtype=bool), np.zeros(len(values), dtype=parameter.code_dtype)
    for row, value in enumerate(values.tolist()):
        with suppress(DesignError):
            codes[row], known[row] = parameter.encode([value])[0], True
    return known, codes


def _same_objectives(problem: Problem, view: StudyView) -> bool:
    return [item.to_dict() for item in problem.objectives] == [item.to_dict() for item in view.objectives]


def spread(points: Floats, most: int) -> NDArray[np.int64]:
    """Return positions of at most `most` points, spread over all of them: a few of them are so as well.

    Each is the one farthest from those before it, by objectives scaled to [0, 1], the first the best in the
    first objective (T. F. Gonzalez, "Clustering to minimize the maximum intercluster distance", Theoretical
    Computer Science 38, 1985).

    Parameters
    ----------
    points
        Matrix (n, m), n at least 1, to be minimised.
    most
        How many, at least 1.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    scaled = (points - low) / np.where(high > low, high - low, 1.0)
    chosen = [int(np.argmin(scaled[:, 0]))]
    gap = np.full(len(points), np.inf)
    while len(chosen) < min(most, len(points)):
        gap = np.minimum(gap, ((scaled - scaled[chosen[-1]]) ** 2).sum(axis=1))
        gap[chosen] = -1.0
        chosen.append(int(np.argmax(gap)))
    return np.array(chosen, np.int64)


def adoption_commits(
    problem: Problem,
    evaluations: Evaluations,
    reference: Sequence[float] | None,
    at_once: int | None = None,
) -> Iterator[tuple[BatchRow, EvaluationRows]]:
    """Yield adopted evaluations as a new study's first batches, as its store takes them.

    Parameters
    ----------
    problem
        The new study's.
    evaluations
        What it takes over.
    reference
        The hypervolume's reference point.
    at_once
        Evaluations of a batch; by default a thousand.
    """
    from dse.store import BatchRow

    archive = ParetoArchive(len(problem.objectives))
    volume: float | None = None
    size = at_once or ADOPTED_AT_ONCE
    for batch, first in enumerate(range(0, len(evaluations), size)):
        part = evaluations.take(slice(first, first + size))
        numbers = np.arange(first, first + len(part))
        change = archive.add(part.objectives[part.feasible], numbers[part.feasible])
        if len(change.added):
            volume = measured(problem, archive, reference)
        row = BatchRow(
            batch=batch,
            first=first,
            count=len(part),
            told=numbers if first + len(part) == len(evaluations) else None,  # the last batch is whole
            started_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            ask_seconds=0.0,
            evaluate_seconds=0.0,
            front_size=len(archive),
            hypervolume=volume,
            front_added=change.added,
            front_removed=change.removed,
        )
        yield row, evaluation_rows(problem, part, first, batch)
