"""Evaluations that were made elsewhere, as a stored study."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dse.designs import Designs
from dse.driver import reference_point
from dse.errors import StudyError
from dse.evaluations import Evaluations
from dse.models import Outcome
from dse.problem import Problem, objective_from_dict
from dse.space import Space
from dse.study import StudyView, versions
from dse.warm import adoption_commits

if TYPE_CHECKING:
    from dse.store import BatchRow, EvaluationRows, Store

# Parts of an imported study, at whose ends its progress is known.
PARTS = 200
SEARCHER = "imported"


@dataclass(frozen=True)
class RecordedModel:
    """The cost model of evaluations that were made elsewhere: it knows their metrics, and makes none.

    Parameters
    ----------
    name
        What was evaluated.
    metrics
        Unit by metric name.
    columns
        The parameters.
    settings
        Where the evaluations come from.
    """

    name: str
    metrics: Mapping[str, str]
    columns: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    version: str = "recorded"

    def evaluate(self, designs: Designs) -> Outcome:
        """Fail: nothing is known but what was recorded."""
        reason = f"{self.name} was imported: there is no model to evaluate with"
        return Outcome(
            {metric: np.full(len(designs), np.nan) for metric in self.metrics},
            dict.fromkeys(range(len(designs)), reason),
        )


@dataclass(frozen=True)
class Imported:
    """A study that was read from elsewhere.

    Attributes
    ----------
    study
        As it is stored.
    lost
        What was left out or changed, a line each.
    """

    study: StudyView
    lost: tuple[str, ...]


def restored(stated: Mapping[str, Any]) -> Problem:
    """Return the problem that an exported study was of, from its JSON form; its model evaluates nothing.

    Functions among its constraints are left out: the designs of the study satisfy them.

    Raises
    ------
    StudyError
        If the form is damaged.
    """
    try:
        rules = [rule for rule in stated["space"]["constraints"] if "expression" in rule]
        units = {item["name"]: item["unit"] for item in stated["metrics"]}
        return Problem(
            Space.from_dict({**stated["space"], "constraints": rules}),
            RecordedModel(stated["model"]["name"], units),
            [objective_from_dict(item) for item in stated["objectives"]],
            stated["limits"],
            name=stated.get("name"),
        )
    except (KeyError, TypeError) as error:
        raise StudyError(f"the problem that the export states is damaged ({error!r}): remove it") from None


def membership(space: Space, codes: NDArray[np.float64], given: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the mask (n,) of the rows that are members of a space.

    Parameters
    ----------
    space
        The space.
    codes
        Matrix (n, parameters); NaN where a value is missing or outside its domain.
    given
        Mask (n, parameters) of the values that are there.

    Notes
    -----
    A row needs a value, of its domain, wherever a parameter is active; elsewhere it may lack one.
    """
    filled = _filled(space, codes)
    canonical = space.canonical(filled)
    unknown = np.isnan(codes)
    inside = np.array(~(unknown & (given | ~space.inactive(canonical))).any(axis=1))
    inside[inside] = space.satisfies(canonical[inside])
    return inside


def designs_of(space: Space, codes: NDArray[np.float64]) -> Designs:
    """Return rows of codes (n, parameters), NaN where a parameter is not active, as designs."""
    return Designs(space, space.canonical(_filled(space, codes)))


def _filled(space: Space, codes: NDArray[np.float64]) -> NDArray[Any]:
    spare = np.array([parameter.inactive_code for parameter in space.parameters], float)
    return np.where(np.isnan(codes), spare, codes).astype(space.code_dtype)


def without_repeats(evaluations: Evaluations, lost: list[str], what: str) -> Evaluations:
    """Return evaluations with each design once: its first with a result, else its first.

    Parameters
    ----------
    evaluations
        In order.
    lost
        Where to put how many were left out.
    what
        They are called, as in ``"trials"``.
    """
    rows: dict[bytes, int] = {}
    has_result = evaluations.evaluated
    for row, key in enumerate(evaluations.designs.space.keys(evaluations.designs.codes)):
        if key not in rows or (has_result[row] and not has_result[rows[key]]):
            rows[key] = row
    if len(rows) == len(evaluations):
        return evaluations
    lost.append(f"{len(evaluations) - len(rows):,} {what} that repeat a design")
    return evaluations.take(np.sort(np.array(list(rows.values()), np.int64)))


def store_recorded(
    name: str,
    problem: Problem,
    evaluations: Evaluations,
    store: Store | str,
    *,
    source: str,
    lost: Sequence[str] = (),
    beside: Iterable[str] = (),
    stated: Mapping[str, Any] | None = None,
) -> Imported:
    """Store evaluations that were made elsewhere as a study that is done.

    Parameters
    ----------
    name
        Of the study.
    problem
        What was evaluated.
    evaluations
        In order; of the problem's space.
    store
        Where to.
    source
        Where they come from, in words.
    lost
        What was left out or changed.
    beside
        Packages whose versions are kept, beside the toolkit's.
    stated
        The problem's JSON form, where it is known better than `problem` says it (functions among its
        constraints).

    Raises
    ------
    StudyError
        If there is no evaluation.
    StoreError
        If the store cannot be written, or has a study of that name.
    """
    from importlib.metadata import version

    from dse.store import Store, StudyRecord

    if not len(evaluations):
        raise StudyError(f"{source} holds no evaluation of a member of the space: nothing is imported")
    reference = reference_point(problem, evaluations) if evaluations.feasible.any() else None
    form = {"name": problem.name, **problem.to_dict()} if stated is None else dict(stated)
    settings = {"source": source, **({"lost": "; ".join(lost)} if lost else {})}
    record = StudyRecord(
        name=name,
        fingerprint=_fingerprint(form),
        problem=form,
        searcher={"name": SEARCHER, "settings": settings, "batch": _size(len(evaluations))},
        seed=0,
        versions={**versions(), **{package: version(package) for package in beside}},
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        state="done",
        reference=reference,
    )
    opened = Store(store) if isinstance(store, str) else store
    if opened.has_study(name):
        raise StudyError(f"store {opened.shown!r} has a study {name!r} already: take another name")
    opened.create_study(record, _commits(problem, evaluations, reference))
    return Imported(StudyView(name, opened), tuple(lost))


def _size(count: int) -> int:
    return -(-count // PARTS)


def _commits(
    problem: Problem, evaluations: Evaluations, reference: Sequence[float] | None
) -> Iterable[tuple[BatchRow, EvaluationRows]]:
    for row, rows in adoption_commits(problem, evaluations, reference, at_once=_size(len(evaluations))):
        yield replace(row, evaluate_seconds=float(np.nansum(rows.seconds))), rows


def _fingerprint(form: Mapping[str, Any]) -> str:
    """Return what `Problem.fingerprint` is of the problem of that JSON form."""
    text = json.dumps({key: value for key, value in form.items() if key != "name"}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def digest(value: Any) -> str:
    """Return a hash of JSON values, by which a recorded problem is known again."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]
