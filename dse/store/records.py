"""What a store holds, as plain records. It knows nothing of spaces: a design is a packed record of bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class StudyRecord:
    """A study and its provenance.

    Attributes
    ----------
    name
        Unique within a store.
    fingerprint, problem
        The hash, and the JSON form, of what is searched; its name beside it.
    searcher
        Its name, settings and batch size.
    seed
        Of the searcher.
    versions
        Version by package that results may depend on.
    created_at
        Time in UTC, ISO 8601.
    state
        ``new``, ``running``, ``done`` or ``interrupted``.
    reference
        The hypervolume's reference point, in the objectives' own units and direction.
    warm
        What the study was started from (`dse.warm`); None for nothing.
    start
        Packed designs, one after the other, that are evaluated before the searcher is asked, beside those of
        the problem.
    budget
        Evaluations that the last run was to reach; None for the whole space, or before any run.
    id
        The store's key; None before it is stored.
    """

    name: str
    fingerprint: str
    problem: dict[str, Any]
    searcher: dict[str, Any]
    seed: int
    versions: dict[str, str]
    created_at: str
    state: str
    reference: list[float] | None = None
    warm: dict[str, Any] | None = None
    start: bytes | None = None
    budget: int | None = None
    id: int | None = None


@dataclass(frozen=True, slots=True)
class SurrogateRecord:
    """A version of a surrogate: what it was made of, and how good it is. The surrogate itself is an artefact.

    Attributes
    ----------
    name, version
        Unique together within a store; versions count from 1.
    state
        ``candidate`` (never served), ``serving`` (at most one of a name), ``retired`` (has served) or
        ``rejected`` (tested against the serving version, and not better).
    created_at
        Time in UTC, ISO 8601.
    provenance, report
        JSON values, as `dse.surrogates.registry` says.
    digest
        SHA-256 of the artefact; empty before it is stored.
    promoted_at
        When it last began to serve; None where it never did.
    id
        The store's key; None before it is stored.
    """

    name: str
    version: int
    state: str
    created_at: str
    provenance: dict[str, Any]
    report: dict[str, Any]
    digest: str = ""
    promoted_at: str | None = None
    id: int | None = None

    @property
    def reference(self) -> str:
        """``NAME@VERSION``."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class EvaluationRows:
    """Evaluations of one study, columnar.

    Attributes
    ----------
    number, batch
        Whole numbers (n,): the position within the study, and the batch that it was proposed in.
    state
        Text (n,).
    violation, seconds
        Reals (n,); the violation is NaN without a result.
    designs
        Packed designs, bytes (n, width).
    metrics
        Reals (n, metrics); NaN without a result.
    errors
        Text by *number*, for evaluations that have one.
    """

    number: NDArray[np.int64]
    batch: NDArray[np.int64]
    state: NDArray[np.str_]
    violation: NDArray[np.float64]
    seconds: NDArray[np.float64]
    designs: NDArray[np.uint8]
    metrics: NDArray[np.float64]
    errors: Mapping[int, str]

    def __len__(self) -> int:
        return len(self.number)

    @classmethod
    def concat(cls, parts: Sequence[EvaluationRows]) -> EvaluationRows:
        """Join parts, at least one; those without any result take the width of the others."""
        if len(parts) == 1:
            return parts[0]
        wide = max(part.metrics.shape[1] for part in parts)
        errors: dict[int, str] = {}
        for part in parts:
            errors |= part.errors
        return cls(
            number=np.concatenate([part.number for part in parts]),
            batch=np.concatenate([part.batch for part in parts]),
            state=np.concatenate([part.state for part in parts]),
            violation=np.concatenate([part.violation for part in parts]),
            seconds=np.concatenate([part.seconds for part in parts]),
            designs=np.concatenate([part.designs for part in parts]),
            metrics=np.concatenate(
                [
                    part.metrics if part.metrics.shape[1] else np.full((len(part), wide), np.nan)
                    for part in parts
                ]
            ),
            errors=errors,
        )

    def error_texts(self) -> list[str | None]:
        """Return the error of each evaluation (n,), None where there is none."""
        return [self.errors.get(number) for number in self.number.tolist()]


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A commit: a batch, or a part of one, with the front snapshot after it.

    Attributes
    ----------
    batch
        The batch's index; several commits may share it.
    first, count
        The first evaluation number of this commit, and how many new evaluations it has.
    told
        The numbers of all evaluations that the searcher was told, in its order, where they are not just
        the new ones of the batch; else None.
    started_at
        Time in UTC, ISO 8601.
    ask_seconds, evaluate_seconds
        Time spent in the searcher, learning from the batch before and proposing; and in evaluating.
    front_size, hypervolume
        Of the front after this commit.
    front_added, front_removed
        The evaluations that entered and left the front with it: the front is the sum of all changes.
    """

    batch: int
    first: int
    count: int
    told: NDArray[np.int64] | None
    started_at: str
    ask_seconds: float
    evaluate_seconds: float
    front_size: int
    hypervolume: float | None
    front_added: NDArray[np.int64]
    front_removed: NDArray[np.int64]
