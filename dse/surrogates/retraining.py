"""Retraining: a candidate learns from new evaluations, and is tested against the version that serves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dse.store.surrogates import REJECTED, SERVING
from dse.surrogates.drift import Drift, drift
from dse.surrogates.paired import PairedTest, paired_test
from dse.surrogates.pool import Pool, is_named, open_studies
from dse.surrogates.provenance import fitted, plain
from dse.surrogates.scoring import scores

if TYPE_CHECKING:
    from dse.store import SurrogateRecord
    from dse.study import StudyView
    from dse.surrogates.registry import Registry

Mask = NDArray[np.bool_]

HELD_OUT = 0.2  # of the new evaluations, but
LEAST_HELD_OUT = 50  # at least so many, where that is no more than half of them
LEAST_NEW = 20  # of which half can tell a better surrogate from chance


@dataclass(frozen=True)
class HeldOutTest:
    """What a candidate, and the version that served, are worth on evaluations that neither saw.

    Attributes
    ----------
    serving, candidate
        As `dse.surrogates.scoring.scores`.
    paired
        Which is better.
    """

    serving: Mapping[str, Any]
    candidate: Mapping[str, Any]
    paired: PairedTest

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {**self.paired.to_dict(), "serving": dict(self.serving), "candidate": dict(self.candidate)}


@dataclass(frozen=True)
class Retraining:
    """What a retraining did.

    Attributes
    ----------
    serving
        The version that served before.
    new
        Designs that it was not trained on.
    drift
        What they say of its intervals; None without any.
    test
        On some of them; None where none was made.
    version
        The version that was made; None for none.
    reason
        In words: why there is no version, or why it serves or does not.
    """

    serving: SurrogateRecord
    new: int
    drift: Drift | None
    test: HeldOutTest | None
    version: SurrogateRecord | None
    reason: str

    @property
    def promoted(self) -> bool:
        """Whether the new version serves."""
        return self.version is not None and self.version.promoted_at is not None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "name": self.serving.name,
            "serving": self.serving.version,
            "new": self.new,
            "version": None if self.version is None else self.version.version,
            "state": None if self.version is None else self.version.state,
            "promoted": self.promoted,
            "reason": self.reason,
            "test": None if self.test is None else self.test.to_dict(),
            "drift": None if self.drift is None else self.drift.to_dict(),
        }


def held_out(pool: Pool, fresh: Mask) -> Mask:
    """Return a mask (n,) of the new evaluations that a candidate is tested on, and not trained on.

    A fifth of them, or fifty where that is more, but no more than half; those whose design has the least
    hash, so that the same evaluations are held out whenever, and wherever, it is done.

    Parameters
    ----------
    fresh
        The new evaluations of the pool, a mask (n,).
    """
    places = np.flatnonzero(fresh)
    count = max(math.ceil(HELD_OUT * len(places)), min(LEAST_HELD_OUT, len(places) // 2))
    mask = np.zeros(len(pool), dtype=bool)
    mask[places[np.argsort(pool.marks[places], kind="stable")[:count]]] = True
    return mask


def retrain(
    registry: Registry,
    serving: SurrogateRecord,
    studies: Sequence[str | StudyView],
    given: Mapping[str, Any],
    *,
    force: bool,
) -> Retraining:
    """Train a candidate with the new evaluations, and store it; see `Registry.retrain`.

    Parameters
    ----------
    registry
        Where to.
    serving
        The version that serves.
    studies
        More studies, beside those that it was trained on.
    given
        Settings that take the place of its own.
    force
        Let the candidate serve whatever the test says.
    """
    known = serving.provenance["studies"]
    pool = Pool.read(registry.store, open_studies(studies, known, registry.store), serving)
    used = pool.used(known)
    fresh = pool.fresh(used)
    new = int(fresh.sum())
    if not new:
        reason = f"nothing new: {serving.reference} was trained on all evaluations there are"
        return Retraining(serving, 0, None, None, None, reason)
    current = registry.load(serving)
    moved = drift(current, pool.data.take(fresh))
    settings, choice = {**serving.provenance["settings"], **given}, serving.provenance["choice"]
    beside: dict[str, Any] = {"origin": "retrain", "before": serving.version, "drift": moved.to_dict()}
    if new < LEAST_NEW:
        if not force:
            reason = f"too little new to test on: {new} evaluations of {LEAST_NEW} (--force trains anyhow)"
            return Retraining(serving, new, moved, None, None, reason)
        surrogate, made = fitted(pool, used | fresh, settings, before=choice)
        record = registry.add(
            serving.name, SERVING, surrogate, {**made, **beside, "test": None}, instead_of=serving
        )
        return Retraining(serving, new, moved, None, record, f"untested; {_outcome(record, serving)}")
    tried = None if force else _rejected(registry, serving, pool, used | fresh, settings)
    if tried is not None:
        verdict = tried.provenance["test"]["verdict"]
        reason = f"nothing new since {tried.reference} was rejected ({verdict})"
        return Retraining(serving, new, moved, None, None, reason)
    held = held_out(pool, fresh)
    candidate, made = fitted(pool, used | (fresh & ~held), settings, before=choice)
    unseen = pool.data.take(held)
    test = HeldOutTest(
        scores(current, unseen),
        scores(candidate, unseen),
        paired_test(current, candidate, unseen, pool.decisive),
    )
    beside["test"] = test.to_dict()
    if test.paired.better or force:
        final, made = fitted(pool, used | fresh, settings, choice=candidate.choice)
        record = registry.add(serving.name, SERVING, final, {**made, **beside}, instead_of=serving)
    else:
        beside["held_out"] = pool.records(held)
        record = registry.add(serving.name, REJECTED, candidate, {**made, **beside})
    forced = "" if test.paired.better or not force else "forced: "
    reason = f"{test.paired.verdict}; {forced}{_outcome(record, serving)}"
    return Retraining(serving, new, moved, test, record, reason)


def _rejected(
    registry: Registry, serving: SurrogateRecord, pool: Pool, rows: Mask, settings: Mapping[str, Any]
) -> SurrogateRecord | None:
    """Return the version that was rejected on all the same evaluations, beside the same serving one."""
    for record in registry.versions(serving.name)[::-1]:
        made = record.provenance
        if record.state == REJECTED and made["before"] == serving.version:
            named = [*made["studies"], *made["held_out"]]
            there = all(any(is_named(view, item, pool.home) for view in pool.studies) for item in named)
            if there and made["settings"] == plain(settings) and (pool.used(named) >= rows).all():
                return record
    return None


def _outcome(record: SurrogateRecord, before: SurrogateRecord) -> str:
    if record.state == SERVING:
        return f"{record.reference} serves instead of {before.reference}"
    if record.state == REJECTED:
        return f"{record.reference} is rejected, {before.reference} goes on"
    return f"another version was promoted meanwhile: {record.reference} is a candidate, retrain to test again"
