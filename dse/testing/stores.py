"""`check_store`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from dse.errors import StoreError
from dse.store import BatchRow, EvaluationRows, Store, StudyRecord, SurrogateRecord
from dse.testing.promise import promise

COMMITS = ((0, 5), (5, 1), (6, 200))  # first number and count: a batch, one more of it, another batch


def check_store(open_store: Callable[[], Store]) -> None:
    """Check that a store keeps its promises.

    Parameters
    ----------
    open_store
        Opens the store: the same one each time, for writing. It must hold no study and no
        surrogate named ``check store ...``; those that this suite writes are deleted in the end.

    Raises
    ------
    AssertionError
        If one of these does not hold:

        - studies come back as they were stored, listed in the order in which they were made;
        - a study's name is used once, and an unknown one is a `StoreError`;
        - a study that is made with evaluations has them all, or is not made;
        - evaluations come back bit for bit, in the order of their numbers, whole or in part;
        - commits, fronts, counts and failures are those of the study, and of no other;
        - what one opened store has committed, another sees;
        - a commit with an evaluation number that is taken is a `StoreError`, and nothing of it is stored;
        - a deleted study is gone, and only that one;
        - versions of surrogates are numbered from 1 and come back as they were stored, with their bytes; one
          of a name serves at most, and a deleted name is gone, and only that one.
    """
    with open_store() as store, open_store() as other:
        _check_store(store, other)


def _check_store(store: Store, other: Store) -> None:
    before = [record.name for record in store.studies()]
    one, two = (_check_study(store, f"check store {index}") for index in (1, 2))
    names = [*before, "check store 1", "check store 2"]
    promise([record.name for record in store.studies()] == names, "studies() is not in the order of creation")
    _refused(lambda: store.create_study(_record("check store 1")), "a study's name was stored twice")
    _refused(lambda: store.study("check store 3"), "a study that was never stored was found")

    for first, count in COMMITS:
        # In turns, with numbers that both have: what is of one study must not reach the other.
        store.append(one, _batch(first, count), _rows(first, count))
        store.append(two, _batch(first, count), _rows(first, count, offset=0.5))
    for opened in (store, other):
        _check_evaluations(opened, one, 0.0)
        _check_evaluations(opened, two, 0.5)
        _check_commits(opened, one)
    _check_atomic(store, one)

    store.update_study(one, state="done", reference=[1.5, -2.0])
    changed = other.study("check store 1")
    promise(
        changed == replace(_record("check store 1"), id=one, state="done", reference=[1.5, -2.0]),
        "update_study did not change the state and the reference, or changed something else",
    )
    store.delete_study("check store 1")
    names = [record.name for record in other.studies()]
    promise(names == [*before, "check store 2"], "delete_study left the study, or deleted another")
    promise(not len(store.evaluations(one)), "delete_study left evaluations")
    _check_evaluations(store, two, 0.5)
    store.delete_study("check store 2")
    _check_made_with_evaluations(store, other)
    _check_surrogates(store, other)


def _check_surrogates(store: Store, other: Store) -> None:
    one, two, data = "check store 1", "check store 2", bytes(range(256))
    try:
        first = store.surrogates.add(_version(one, "serving"), data)
        wanted = replace(
            _version(one, "serving"),
            version=1, digest=first.digest, promoted_at=first.promoted_at, id=first.id,
        )  # fmt: skip
        promise(first == wanted, "surrogates.add returned another version than it was given")
        promise(first.promoted_at is not None, "a version that serves was never promoted")
        second = other.surrogates.add(_version(one, "serving"), b"other")
        third = other.surrogates.add(_version(two, "serving"), data)
        promise(
            (second.version, second.state, third.version, third.state) == (2, "candidate", 1, "serving"),
            "versions are not numbered by name, or a second one of a name serves",
        )
        promise(store.surrogates.versions(one) == [first, second], "versions did not come back")
        promise(store.surrogates.version(one) == first, "version(name) is not the one that serves")
        for record, stored in ((first, data), (second, b"other"), (third, data)):
            promise(store.surrogates.artefact(record) == stored, "a surrogate's bytes did not come back")
        promise(store.surrogates.promote(second).state == "serving", "promote left the state as it was")
        promise(
            [record.state for record in other.surrogates.versions(one)] == ["retired", "serving"],
            "promote did not retire the version that served",
        )
        _refused(lambda: store.surrogates.version(one, 3), "a version that was never stored was found")
        store.surrogates.delete(one)
        _refused(lambda: other.surrogates.version(one), "a deleted surrogate was found")
        promise(other.surrogates.artefact(third) == data, "delete took the bytes of another surrogate")
    finally:
        for name in (one, two):
            if store.surrogates.versions(name):
                store.surrogates.delete(name)


def _version(name: str, state: str) -> SurrogateRecord:
    return SurrogateRecord(
        name=name,
        version=0,
        state=state,
        created_at="2025-01-01T00:00:00+00:00",
        provenance={"studies": [{"study": "größe", "evaluations": [[0, 2**40]]}], "choice": None},
        report={"metrics": {"a \u2264 b": {"r2": -1e-300, "auc": None}}},
    )


def _check_made_with_evaluations(store: Store, other: Store) -> None:
    commits = [(_batch(first, count), _rows(first, count)) for first, count in COMMITS]
    _refused(
        lambda: store.create_study(_record("check store 4"), [*commits, commits[-1]]),
        "a study was made with an evaluation that it has twice",
    )
    promise(
        all(record.name != "check store 4" for record in other.studies()),
        "a study was stored although its evaluations were refused",
    )
    made = store.create_study(_record("check store 4"), commits).id
    assert made is not None
    _check_evaluations(other, made, 0.0)
    _check_commits(other, made)
    store.delete_study("check store 4")


def _record(name: str) -> StudyRecord:
    return StudyRecord(
        name=name,
        fingerprint="0123456789abcdef" * 4,
        problem={"text": "größe \u2264 5", "nested": {"list": [1, 2.5, None, True, -1e-300]}},
        searcher={"name": "random", "settings": {}, "batch": 3},
        seed=2**62,
        versions={"numpy": "2.4.6"},
        created_at="2025-01-01T00:00:00+00:00",
        state="new",
        warm={"sources": [{"study": "größe", "store": None}], "adopted": 2**40},
        start=bytes(range(256)),
    )


def _refused(action: Callable[[], object], otherwise: str) -> None:
    try:
        action()
    except StoreError:
        return
    raise AssertionError(f"{otherwise}: raise StoreError")


def _check_study(store: Store, name: str) -> int:
    stored = store.create_study(_record(name))
    promise(stored.id is not None, "create_study returned a record without an id")
    assert stored.id is not None
    promise(
        stored == replace(_record(name), id=stored.id),
        "create_study returned another record than it was given",
    )
    promise(store.study(name) == stored, "study(name) returned another record than was stored")
    promise(not len(store.evaluations(stored.id)), "a new study has evaluations")
    promise(store.count(stored.id) == {}, "a new study has counts")
    promise(store.batches(stored.id) == [], "a new study has commits")
    return stored.id


def _rows(first: int, count: int, offset: float = 0.0) -> EvaluationRows:
    """Values that are easily changed on their way: signed zeros, subnormals, NaN, bytes of all kinds."""
    rng = np.random.default_rng(first)
    number = np.arange(first, first + count)
    state = np.array(["complete", "infeasible", "failed", "timeout"])[number % 4]
    lost = number % 4 >= 2
    metrics = rng.standard_normal((count, 3)) * 10.0 ** rng.integers(-300, 300, (count, 3)) + offset
    metrics[:, 0] = np.array([-0.0, 5e-324, 1 / 3, -1.7976931348623157e308, 0.1])[number % 5]
    metrics[lost] = np.nan
    violation = np.where(lost, np.nan, np.where(state == "infeasible", 1e-17 + offset, 0.0))
    errors = {int(n): f"größe \u2264 {n % 8}: 'x'; --\\" for n in number[state == "failed"]}
    return EvaluationRows(
        number=number,
        batch=np.where(number < 6, 0, 1),
        state=state,
        violation=violation,
        seconds=rng.random(count) * 1e-6,
        designs=rng.integers(0, 256, (count, 7)).astype(np.uint8),
        metrics=metrics,
        errors=errors,
    )


def _batch(first: int, count: int) -> BatchRow:
    """Return a commit: its first evaluation enters the front, and that of the one before leaves it."""
    starts = [start for start, _ in COMMITS]
    earlier = [start for start in starts if start < first][-1:]
    return BatchRow(
        batch=0 if first < 6 else 1,
        first=first,
        count=count,
        told=np.array([first, 2**40, 0]) if first else None,
        started_at="2025-01-01T00:00:00+00:00",
        ask_seconds=0.1,
        evaluate_seconds=1 / 3,
        front_size=1,
        hypervolume=None if first == 0 else 0.1 * first,
        front_added=np.array([first]),
        front_removed=np.array(earlier, np.int64),
    )


def _check_evaluations(store: Store, study: int, offset: float) -> None:
    parts = [_rows(first, count, offset) for first, count in COMMITS]
    total = sum(len(part) for part in parts)
    errors = {number: text for part in parts for number, text in part.errors.items()}

    def same(found: EvaluationRows, wanted: np.ndarray[tuple[int], np.dtype[np.int64]], what: str) -> None:
        promise(
            np.array_equal(found.number, wanted),
            f"{what} returned the numbers {found.number.tolist()[:8]}...: they must be in ascending order, "
            f"and all of {wanted.tolist()[:8]}...",
        )
        for name in ("batch", "state", "violation", "seconds", "designs", "metrics"):
            stored = np.concatenate([getattr(part, name) for part in parts])[wanted]
            given = np.asarray(getattr(found, name))
            equal = given.shape == stored.shape and given.astype(stored.dtype).tobytes() == stored.tobytes()
            promise(equal, f"{what}: {name!r} did not come back bit for bit")
        kept = {number: errors[number] for number in wanted.tolist() if number in errors}
        promise(dict(found.errors) == kept, f"{what}: the error texts did not come back")

    every = np.arange(total)
    same(store.evaluations(study), every, "evaluations()")
    same(store.evaluations(study, start=3, stop=50), every[3:50], "evaluations(start=3, stop=50)")
    some = np.array([90, 0, 6, 41, 41])
    same(store.evaluations(study, numbers=some), np.unique(some), "evaluations(numbers=...)")
    promise(not len(store.evaluations(study, start=total)), "evaluations(start=end) returned something")
    states, counts = np.unique(np.concatenate([part.state for part in parts]), return_counts=True)
    promise(
        store.count(study) == dict(zip(states.tolist(), counts.tolist(), strict=True)),
        "count() does not count the evaluations by state",
    )
    failures = store.failures(study, limit=100)
    promise(
        sorted(text for text, _, _ in failures) == sorted(set(errors.values()))
        and all(times == list(errors.values()).count(text) for text, times, _ in failures)
        and all(number == min(n for n in errors if errors[n] == text) for text, _, number in failures),
        "failures() does not give each error text, how often it occurred, and its first evaluation",
    )


def _check_commits(store: Store, study: int) -> None:
    wanted = [_batch(first, count) for first, count in COMMITS]
    found = store.batches(study)
    promise(len(found) == len(wanted), "batches() does not return every commit")
    for given, expected in zip(found, wanted, strict=True):
        for name in BatchRow.__dataclass_fields__:
            value, stored = getattr(given, name), getattr(expected, name)
            equal = np.array_equal(value, stored) if isinstance(stored, np.ndarray) else value == stored
            promise(equal, f"batches(): {name!r} did not come back: {value!r} instead of {stored!r}")
    front = store.front_numbers(study).tolist()
    promise(
        front == [COMMITS[-1][0]],
        f"front_numbers() is {front}: it must be the sum of all changes to the front",
    )


def _check_atomic(store: Store, study: int) -> None:
    """Commit new evaluations together with one whose number is taken, first and last."""
    before = len(store.evaluations(study)), len(store.batches(study))
    end = sum(count for _, count in COMMITS)
    for first, shift in ((end, 1), (end - 1, 0)):
        rows = _rows(first, 4)
        if shift:
            rows.number[-1] = 0
        _refused(lambda first=first, rows=rows: store.append(study, _batch(first, 4), rows),  # type: ignore[misc]
                 "an evaluation was stored twice")  # fmt: skip
        after = len(store.evaluations(study)), len(store.batches(study))
        promise(
            after == before, "a part of a refused commit was stored: a commit is stored whole or not at all"
        )
