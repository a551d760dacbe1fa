"""`Registry`: surrogates by name and version; trained, retrained, tested and promoted."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from dse.errors import SurrogateError
from dse.problem import differences
from dse.store import Store, SurrogateRecord
from dse.store.surrogates import CANDIDATE, SERVING
from dse.study import DEFAULT_STORE, StudyView
from dse.surrogates.difference import Difference, difference
from dse.surrogates.drift import Drift, drift
from dse.surrogates.pool import Pool, open_studies
from dse.surrogates.provenance import fitted, plain, versions
from dse.surrogates.retraining import Retraining, retrain
from dse.surrogates.scoring import scores
from dse.surrogates.surrogate import Surrogate

Studies = Sequence[str | StudyView]

LONGEST_NAME = 200


@dataclass(frozen=True)
class Evaluation:
    """How well a version predicts evaluations that it was not trained on.

    Attributes
    ----------
    version
        The version.
    rows
        Such evaluations.
    scores
        As `dse.surrogates.scoring.scores`; None where there are none.
    drift
        Whether its intervals hold; None where there are none.
    """

    version: SurrogateRecord
    rows: int
    scores: Mapping[str, Any] | None
    drift: Drift | None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "name": self.version.name,
            "version": self.version.version,
            "state": self.version.state,
            "rows": self.rows,
            "scores": self.scores,
            "drift": None if self.drift is None else self.drift.to_dict(),
        }


class Registry:
    """The surrogates of a store.

    Parameters
    ----------
    store
        A store, or its URL.
    read_only
        Never write; where a URL is given.

    Raises
    ------
    StoreError
        If the store cannot be opened.

    Notes
    -----
    A version is named ``NAME@VERSION``, or ``NAME`` for the one that serves. Its provenance is JSON values:

    - problem: the space, metrics, model and limits of its evaluations
    - studies: the evaluations that it was trained on, as `dse.surrogates.pool.Pool.records`
    - held_out: of a rejected one those that it was tested on, in the same form
    - settings: metrics, model, seconds and seed, as they were asked for; choice: the models that were chosen
    - seconds that it took; versions of the packages
    - origin: ``train`` or ``retrain``; of a retrained one: before, the version that served; drift; and test,
      where there was one

    Its report is that of `Surrogate`: by cross-validation, on what it was trained on.

    Examples
    --------
    >>> from dse.surrogates import Registry
    >>> registry = Registry("sqlite:///dse.db")  # doctest: +SKIP
    >>> registry.train("lut", ["lut-accelerator"], seconds=30)  # doctest: +SKIP
    >>> registry.retrain("lut").reason  # doctest: +SKIP
    >>> registry.load("lut").predict(designs)  # doctest: +SKIP
    """

    def __init__(self, store: Store | str = DEFAULT_STORE, *, read_only: bool = False) -> None:
        self.store = Store(store, read_only=read_only) if isinstance(store, str) else store

    # Reading

    def versions(self, name: str | None = None) -> list[SurrogateRecord]:
        """Return the versions of a name, or of all names, oldest first.

        Raises
        ------
        StoreError
            If a name is given that there is not.
        """
        found = self.store.surrogates.versions(name)
        if name is not None and not found:
            self.store.surrogates.version(name)
        return found

    def version(self, reference: str) -> SurrogateRecord:
        """Return a version, by ``NAME@VERSION`` or ``NAME``; raise `StoreError` if there is none."""
        name, number = _parse(reference)
        return self.store.surrogates.version(name, number)

    def load(self, reference: str | SurrogateRecord) -> Surrogate:
        """Return a surrogate.

        Raises
        ------
        StoreError
            If there is no such version, or its model was pruned or is damaged.
        SurrogateError
            If what is stored is no surrogate, or cannot be read by this version of the toolkit.
        """
        record = self.version(reference) if isinstance(reference, str) else reference
        data = self.store.surrogates.artefact(record)
        try:
            return Surrogate.from_bytes(data)
        except SurrogateError as error:
            unlike = differences(record.provenance.get("versions", {}), versions())
            made = f"; it was made with other versions ({', '.join(unlike)})" if unlike else ""
            raise SurrogateError(f"surrogate {record.reference}: {error}{made}") from error

    # Making

    def train(
        self,
        name: str,
        studies: Studies,
        *,
        metrics: Sequence[str] | None = None,
        model: str | Mapping[str, Any] = "auto",
        seconds: float = 60.0,
        seed: int = 0,
    ) -> SurrogateRecord:
        """Train a surrogate on all evaluations of some studies, and store it as a new version.

        The first version of a name serves at once; a later one is a ``candidate``, for `promote`.

        Parameters
        ----------
        name
            Of the surrogate.
        studies
            Studies of one space and model: names in the store, ``URL#NAME``, or views. Of a design that
            several have evaluated the first evaluation counts.
        metrics
            Which to learn, by name, or "all"; by default those that the studies optimise or limit.
        model, seconds, seed
            As for `fit`; by name or choice, so that it can be trained again from what is stored.

        Raises
        ------
        SurrogateError
            If the name is none, there are no studies or evaluations, they are of unlike problems, or they
            have no such metric.
        StoreError
            If a study is not there.
        """
        _check_name(name)
        _check_model(model)
        if not studies:
            raise SurrogateError("name at least one study to train on")
        known = self.store.surrogates.versions(name)
        views = open_studies(studies, [], self.store)
        pool = Pool.read(self.store, views, known[-1] if known else None)
        rows = pool.fresh(np.zeros(len(pool), dtype=bool))
        if not rows.any():
            names = ", ".join(repr(view.name) for view in pool.studies)
            raise SurrogateError(f"there are no evaluations in {names}: run them first, by 'dse run'")
        learned = pool.decisive if metrics is None else _known_metrics(metrics, pool.data.metrics)
        settings = {"metrics": learned, "model": model, "seconds": seconds, "seed": seed}
        surrogate, made = fitted(pool, rows, settings)
        return self.add(name, SERVING, surrogate, {**made, "origin": "train"})

    def retrain(
        self,
        name: str,
        studies: Studies = (),
        *,
        model: str | Mapping[str, Any] | None = None,
        seconds: float | None = None,
        seed: int | None = None,
        force: bool = False,
    ) -> Retraining:
        """Train a candidate with the new evaluations, and let it serve if it predicts better.

        New are designs that the serving version was not trained on. Some of them are held out
        (`dse.surrogates.retraining.held_out`); a candidate is trained on all others, and both are tested on
        those held out (`paired_test`). The serving version's choice of models is among those compared. If the
        candidate is better, its choice is trained once more, on everything, and that version serves. If not,
        the candidate is kept as ``rejected``, and the same evaluations are not tried again.

        Parameters
        ----------
        name
            Of the surrogate.
        studies
            More studies, beside those that the serving version was trained on.
        model, seconds, seed
            As for `fit`; by default those of the serving version.
        force
            Let the candidate serve whatever the test says, and where there is too little to test on.

        Raises
        ------
        StoreError, SurrogateError
            If no version serves, or a study is not there, or not what it was.
        """
        if _parse(name)[1] is not None:
            raise SurrogateError(f"{name!r} is one version: retrain {name.rpartition('@')[0]!r}")
        given = {"model": model, "seconds": seconds, "seed": seed}
        changed = {key: value for key, value in given.items() if value is not None}
        return retrain(self, self.version(name), studies, changed, force=force)

    def promote(self, reference: str) -> SurrogateRecord:
        """Let a version serve, and retire the one that does.

        Parameters
        ----------
        reference
            ``NAME@VERSION``, an earlier one too; or ``NAME`` for its newest candidate.

        Raises
        ------
        StoreError, SurrogateError
            If there is no such version, or it cannot be loaded.
        """
        name, number = _parse(reference)
        if number is None:
            candidates = [item for item in self.versions(name) if item.state == CANDIDATE]
            if not candidates:
                raise SurrogateError(
                    f"surrogate {name!r} has no candidate: name a version, as in '{name}@1'; "
                    f"'dse surrogate list {name}' shows them"
                )
            record = candidates[-1]
        else:
            record = self.store.surrogates.version(name, number)
        self.load(record)
        return self.store.surrogates.promote(record)

    def prune(self, name: str, keep: int = 3) -> list[SurrogateRecord]:
        """Delete the models of old versions; what they were made of, and how good they were, stays.

        Parameters
        ----------
        keep
            The newest so many versions keep theirs; the one that serves does in any case.

        Returns
        -------
        The versions whose model was deleted.
        """
        newest = [record.version for record in self.versions(name)][::-1][: max(keep, 0)]
        return self.store.surrogates.prune(name, newest)

    # Testing

    def evaluate(self, reference: str, studies: Studies = ()) -> Evaluation:
        """Test a version on evaluations that it was not trained on.

        Parameters
        ----------
        reference
            ``NAME`` or ``NAME@VERSION``.
        studies
            Their evaluations; by default those of the studies that it was trained on.

        Raises
        ------
        StoreError, SurrogateError
            As `retrain`.
        """
        record = self.version(reference)
        surrogate = self.load(record)
        given, known = [*studies], record.provenance["studies"]
        views = open_studies(given, known, self.store)
        pool = Pool.read(self.store, views, record)
        unseen = pool.fresh(pool.used(known), views[len(known) :] if given else None)
        if not unseen.any():
            return Evaluation(record, 0, None, None)
        data = pool.data.take(unseen)
        return Evaluation(record, len(data), plain(scores(surrogate, data)), drift(surrogate, data))

    def diff(self, one: str, other: str | None = None) -> Difference:
        """Return how two versions differ.

        Parameters
        ----------
        one, other
            ``NAME@VERSION``, or ``NAME`` for the one that serves. Without the other, `one` and the newest
            other version of its name are compared, the older one first.

        Raises
        ------
        StoreError, SurrogateError
            If there is no such version, or they are of unlike problems.
        """
        first = self.version(one)
        if other is not None:
            return difference(self, first, self.version(other))
        others = [item for item in self.versions(first.name) if item.version != first.version]
        if not others:
            raise SurrogateError(
                f"surrogate {first.name!r} has one version: train another to compare it with"
            )
        return difference(self, *sorted((first, others[-1]), key=lambda record: record.version))

    def add(
        self,
        name: str,
        state: str,
        surrogate: Surrogate,
        provenance: Mapping[str, Any],
        instead_of: SurrogateRecord | None = None,
    ) -> SurrogateRecord:
        """Store a surrogate as a new version; see `dse.store.surrogates.SurrogateTable.add`."""
        record = SurrogateRecord(
            name=name,
            version=0,
            state=state,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            provenance=plain(provenance),
            report=plain(surrogate.report),
        )
        expected = None if instead_of is None else instead_of.id
        return self.store.surrogates.add(record, surrogate.to_bytes(), instead_of=expected)


def _parse(reference: str) -> tuple[str, int | None]:
    name, at, number = reference.rpartition("@")
    if not at:
        return reference, None
    if not name or not number.isdecimal() or int(number) < 1:
        raise SurrogateError(f"{reference!r} is no surrogate: write NAME, or NAME@VERSION as in 'lut@2'")
    return name, int(number)


def _check_model(model: Any) -> None:
    try:
        json.dumps(model)
    except TypeError:
        raise SurrogateError(
            "an estimator of your own cannot be made again from what is stored: name a model, or keep the "
            "surrogate by yourself, fit(...).to_bytes()"
        ) from None


def _known_metrics(metrics: Sequence[str], known: Mapping[str, str]) -> list[str]:
    if metrics == "all":
        return list(known)
    if isinstance(metrics, str) or not metrics:
        raise SurrogateError(f"metrics={metrics!r} must be 'all' or a list: some of {', '.join(known)}")
    for name in metrics:
        if name not in known:
            raise SurrogateError(f"the studies have no metric {name!r}; they have {', '.join(known)}")
    return [name for name in known if name in metrics]


def _check_name(name: str) -> None:
    if not isinstance(name, str) or not re.fullmatch(r"[^@#\s]+", name) or len(name) > LONGEST_NAME:
        raise SurrogateError(
            f"a surrogate cannot be called {name!r}: give a name without spaces, '@' and '#', of at most "
            f"{LONGEST_NAME} characters"
        )
