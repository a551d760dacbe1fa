"""`Pool`: the evaluations of stored studies that surrogates are trained on and tested by."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dse.errors import StoreError, SurrogateError
from dse.problem import Limit, differences
from dse.study import StudyView
from dse.surrogates.data import TrainingData

if TYPE_CHECKING:
    from dse.store import Store, SurrogateRecord

Mask = NDArray[np.bool_]
Numbers = NDArray[np.int64]

SAME = ("space", "metrics", "model")  # of studies whose evaluations are of one function
SHOWN_DIFFERENCES = 3
PREDICTED = "surrogate:"  # how the name of a cost model begins that is a surrogate


@dataclass(frozen=True)
class Pool:
    """All evaluations of some studies of one model.

    Attributes
    ----------
    home
        The store of the surrogates.
    studies
        The studies, each once.
    problem
        JSON values: the space, metrics, model and limits that the evaluations are of.
    data
        n evaluations, study by study, each in order of number; whether one is infeasible is judged by the
        limits of `problem`, whatever those of its own study.
    study, number
        Of each evaluation (n,): the position of its study, and its number there.
    marks
        A hash of each design (n,), the same in every study, store and process.
    """

    home: Store
    studies: tuple[StudyView, ...]
    problem: Mapping[str, Any]
    data: TrainingData
    study: NDArray[np.intp]
    number: Numbers
    marks: NDArray[np.uint64]

    @classmethod
    def read(cls, home: Store, studies: Sequence[StudyView], made: SurrogateRecord | None = None) -> Pool:
        """Read studies.

        Parameters
        ----------
        home
            The store of the surrogates.
        studies
            At least one; one that is given twice counts once.
        made
            A surrogate of whose problem they must be; by default that of the first study.

        Raises
        ------
        SurrogateError
            If a study is of another space, other metrics or another model: it says what differs.
        """
        unique = tuple({_key(view): view for view in studies}.values())
        wanted = problem_of(unique[0]) if made is None else made.provenance["problem"]
        label = f"study {unique[0].name!r}" if made is None else f"surrogate {made.name!r}"
        for view in unique:
            _check_same(view, wanted, label)
        parts, numbers = [], []
        for view in unique:
            rows = view.store.evaluations(view.id)
            units = {name: metric.unit for name, metric in view.metrics.items()}
            parts.append(_judged(TrainingData.of(view.restore(rows), units), wanted["limits"]))
            numbers.append(rows.number)
        data = TrainingData.concat(parts)
        return cls(
            home=home,
            studies=unique,
            problem=wanted,
            data=data,
            study=np.repeat(np.arange(len(unique)), [len(part) for part in parts]),
            number=np.concatenate(numbers),
            marks=design_marks(data),
        )

    def __len__(self) -> int:
        return len(self.data)

    @property
    def decisive(self) -> list[str]:
        """The metrics that the studies optimise or limit."""
        names = {objective.metric for view in self.studies for objective in view.objectives}
        names |= {name for text in self.problem["limits"] for name in Limit(text).names}
        return [name for name in self.data.metrics if name in names]

    def used(self, records: Iterable[Mapping[str, Any]]) -> Mask:
        """Return a mask (n,) of the evaluations that a provenance names, as `records` wrote them.

        Raises
        ------
        SurrogateError
            If they are not what they were.
        """
        mask = np.zeros(len(self), dtype=bool)
        for record in records:
            place = next(i for i, view in enumerate(self.studies) if is_named(view, record, self.home))
            mine = (self.study == place) & np.isin(self.number, from_ranges(record["evaluations"]))
            if self._digest(mine) != record["sha256"]:
                raise SurrogateError(
                    f"study {record['study']!r} does not hold the evaluations any more that the surrogate "
                    "was trained on (it was deleted and run anew, or changed): train another from what there "
                    "is, by 'dse surrogate train'"
                )
            mask |= mine
        return mask

    def fresh(self, used: Mask, studies: Iterable[StudyView] | None = None) -> Mask:
        """Return a mask (n,) of the designs that are not among those used, each once.

        Of a design that several studies have evaluated, the first evaluation counts.

        Parameters
        ----------
        used
            A mask (n,).
        studies
            Evaluations of these only; by default all.
        """
        mask = ~used & ~np.isin(self.marks, self.marks[used])
        if studies is not None:
            keys = {_key(view) for view in studies}
            mask &= np.isin(self.study, [i for i, view in enumerate(self.studies) if _key(view) in keys])
        candidates = np.flatnonzero(mask)
        _, first = np.unique(self.marks[candidates], return_index=True)
        found = np.zeros(len(self), dtype=bool)
        found[candidates[first]] = True
        return found

    def records(self, mask: Mask) -> list[dict[str, Any]]:
        """Return where evaluations are from, as JSON values, a record a study that has any.

        Returns
        -------
        study, store (its URL; None where it is that of the surrogate), id, fingerprint, created_at;
        evaluations, as `to_ranges`, count, and the sha256 of what they are.
        """
        found = []
        for place, view in enumerate(self.studies):
            mine = mask & (self.study == place)
            if mine.any():
                numbers = self.number[mine]
                found.append(
                    {
                        "study": view.name,
                        "store": _store_of(view, self.home),
                        "id": view.id,
                        "fingerprint": view.record.fingerprint,
                        "created_at": view.record.created_at,
                        "evaluations": to_ranges(numbers),
                        "count": len(numbers),
                        "sha256": self._digest(mine),
                    }
                )
        return found

    def _digest(self, mask: Mask) -> str:
        data = self.data.take(mask)
        found = hashlib.sha256(data.space.pack(data.designs.codes).tobytes())
        for name in sorted(data.values):
            found.update(name.encode() + np.asarray(data.values[name], "<f8").tobytes())
        found.update(np.packbits(data.failed).tobytes())
        return found.hexdigest()


def problem_of(view: StudyView) -> dict[str, Any]:
    """Return what a study's evaluations are of, as JSON values: space, metrics, model and limits."""
    return {key: view.record.problem[key] for key in (*SAME, "limits")}


def open_studies(
    given: Iterable[str | StudyView], records: Iterable[Mapping[str, Any]], home: Store
) -> list[StudyView]:
    """Return the studies that a provenance names, then those given, as views.

    Parameters
    ----------
    given
        Names in `home`, ``URL#NAME``, or views.
    records
        As `Pool.records`; a study that is given too is not opened again.

    Raises
    ------
    SurrogateError
        If a study of the provenance is not there.
    StoreError
        If a study that is given is not.
    """
    extra = [item if isinstance(item, StudyView) else _open(item, home) for item in given]
    found = []
    for record in records:
        known = [view for view in extra if is_named(view, record, home)]
        found += known[:1] or [_reopen(record, home)]
    return found + extra


def is_named(view: StudyView, record: Mapping[str, Any], home: Store) -> bool:
    """Return whether a record of `Pool.records` names a study."""
    return bool(view.name == record["study"]) and _store_of(view, home) == record["store"]


def _open(text: str, home: Store) -> StudyView:
    url, mark, name = text.rpartition("#")
    return StudyView(name, url) if mark and "://" in url else StudyView(text, home)


def _reopen(record: Mapping[str, Any], home: Store) -> StudyView:
    try:
        return StudyView(record["study"], record["store"] or home)
    except StoreError as error:
        raise SurrogateError(
            f"a study that the surrogate was trained on cannot be read: {error}; train another from the "
            "studies there are, by 'dse surrogate train'"
        ) from error


def _store_of(view: StudyView, home: Store) -> str | None:
    return None if view.store is home or view.store.shown == home.shown else view.store.shown


def _key(view: StudyView) -> tuple[str, int]:
    return view.store.shown, view.id


def _check_same(view: StudyView, wanted: Mapping[str, Any], label: str) -> None:
    found = problem_of(view)
    if str(found["model"]["name"]).startswith(PREDICTED):
        raise SurrogateError(
            f"the evaluations of study {view.name!r} are predictions of {found['model']['name']}: train on "
            "a study that was evaluated for real"
        )
    unlike = [line for key in SAME for line in differences(wanted[key], found[key], key)]
    if unlike:
        more = f" and {len(unlike) - SHOWN_DIFFERENCES} more" if len(unlike) > SHOWN_DIFFERENCES else ""
        raise SurrogateError(
            f"study {view.name!r} is not of the same space, metrics and model as {label} "
            f"({'; '.join(unlike[:SHOWN_DIFFERENCES])}{more}): train a surrogate of its own on it"
        )


def _judged(data: TrainingData, limits: Sequence[str]) -> TrainingData:
    """Return data in which those evaluations are infeasible that break the given limits."""
    broken = np.zeros(len(data))
    for text in limits:
        broken = broken + Limit(text).violation(data.values)
    return replace(data, infeasible=(broken > 0) & ~data.failed)


def design_marks(data: TrainingData) -> NDArray[np.uint64]:
    """Return a hash of each design (n,), by BLAKE2b over its packed codes."""
    keys = data.space.keys(data.designs.codes)
    hashed = b"".join(hashlib.blake2b(key, digest_size=8).digest() for key in keys)
    return np.frombuffer(hashed, "<u8").astype(np.uint64)


def to_ranges(numbers: Numbers) -> list[list[int]]:
    """Return ascending whole numbers as ranges [first, last]."""
    if not len(numbers):
        return []
    starts = np.flatnonzero(np.diff(numbers, prepend=numbers[0] - 2) != 1)
    ends = np.append(starts[1:], len(numbers)) - 1
    return np.column_stack([numbers[starts], numbers[ends]]).tolist()  # type: ignore[no-any-return]


def from_ranges(ranges: Sequence[Sequence[int]]) -> Numbers:
    """Return the numbers of ranges [first, last]: the inverse of `to_ranges`."""
    parts = [np.arange(first, last + 1, dtype=np.int64) for first, last in ranges]
    return np.concatenate(parts) if parts else np.empty(0, np.int64)
