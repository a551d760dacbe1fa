"""Reading: in chunks, by state, the front at a moment; values bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dse.errors import StoreError
from dse.store import EvaluationRows, Store, StudyRecord

from ..test_store import commit, make, record, rows

COLUMNS = ("number", "batch", "state", "violation", "seconds", "designs", "metrics")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dse.db"


def same(one: EvaluationRows, two: EvaluationRows) -> bool:
    columns = all(np.asarray(getattr(one, c)).tobytes() == getattr(two, c).tobytes() for c in COLUMNS)
    return columns and dict(one.errors) == dict(two.errors)


@pytest.mark.parametrize("chunk", [1, 7, 30, 31, 1000])
def test_chunks_joined_are_the_whole(path: Path, chunk: int) -> None:
    store, study = make(path)
    store.append(study, commit(0, 20), rows(0, 20))
    store.append(study, commit(20, 10), rows(20, 10, error="boom"))
    parts = list(store.iter_evaluations(study, chunk))
    assert max(map(len, parts)) == min(chunk, 30)
    assert all(len(part) for part in parts)
    assert same(EvaluationRows.concat(parts), store.evaluations(study))


def test_no_evaluations_are_no_chunks_and_a_chunk_has_some(path: Path) -> None:
    store, study = make(path)
    assert list(store.iter_evaluations(study)) == []
    with pytest.raises(StoreError, match="chunk 0 must be at least 1"):
        next(store.iter_evaluations(study, 0))


def test_a_walk_does_not_stop_a_run_and_sees_what_it_adds(path: Path) -> None:
    store, study = make(path)
    store.append(study, commit(0, 20), rows(0, 20))
    with Store(f"sqlite:///{path}", read_only=True) as reader:
        walk = reader.iter_evaluations(study, 10)
        numbers = next(walk).number.tolist()
        store.append(study, commit(20, 5), rows(20, 5))
        assert numbers + [n for part in walk for n in part.number.tolist()] == list(range(25))


def test_evaluations_of_some_states_only(path: Path) -> None:
    store, study = make(path)
    store.append(study, commit(0, 4), rows(0, 4))
    store.append(study, commit(4, 3), rows(4, 3, error="boom"))
    assert store.evaluations(study, states=["failed"]).number.tolist() == [4, 5, 6]
    assert store.evaluations(study, states=["complete"], start=2).number.tolist() == [2, 3]
    assert store.evaluations(study, states=["failed", "complete"], numbers=[6, 1]).number.tolist() == [1, 6]
    assert len(store.evaluations(study, states=[])) == 0
    failed = [part.number.tolist() for part in store.iter_evaluations(study, 2, states=["failed"])]
    assert failed == [[4, 5], [6]]


def test_the_front_after_some_commits(path: Path) -> None:
    store, study = make(path)
    store.append(study, commit(0, 3, front_added=np.array([0, 2])), rows(0, 3))
    store.append(study, commit(3, 2, front_added=np.array([4]), front_removed=np.array([0])), rows(3, 2))
    fronts = [store.front_numbers(study, commits=k).tolist() for k in range(4)]
    assert fronts == [[], [0, 2], [2, 4], [2, 4]]


def test_many_rows_keep_order_and_every_value(path: Path) -> None:
    """More rows than are decoded together, some stretches without any result."""
    store, study = make(path)
    rng, n = np.random.default_rng(0), 12_345
    lost = np.arange(n) // 2_500 % 2 == 0
    stored = EvaluationRows(
        number=np.arange(n),
        batch=np.zeros(n, np.int64),
        state=np.where(lost, "failed", "complete").astype("U10"),
        violation=np.where(lost, np.nan, 0.0),
        seconds=rng.random(n),
        designs=rng.integers(0, 256, (n, 9)).astype(np.uint8),
        metrics=np.where(lost[:, None], np.nan, rng.standard_normal((n, 3))),
        errors={row: f"error {row}" for row in np.flatnonzero(lost).tolist()},
    )
    store.append(study, commit(0, n), stored)
    assert same(store.evaluations(study), stored)
    assert same(store.evaluations(study, numbers=rng.permutation(n)), stored)


doubles = hnp.arrays(np.uint64, (8, 2), elements=st.integers(0, 2**64 - 1)).map(lambda a: a.view(np.float64))


@settings(max_examples=40, deadline=None)
@given(metrics=doubles, designs=hnp.arrays(np.uint8, (8, 6)))
def test_any_double_comes_back_in_its_bits(
    tmp_path_factory: pytest.TempPathFactory, metrics: np.ndarray, designs: np.ndarray
) -> None:
    """Infinities, signed zeros, subnormals and NaN of any payload beside a number."""
    metrics = np.column_stack([metrics, np.full(8, -0.0)])
    with Store(f"sqlite:///{tmp_path_factory.mktemp('store')}/dse.db") as store:
        study = store.create_study(record()).id
        assert study is not None
        base = rows(0, 8)
        values = {name: getattr(base, name) for name in (*COLUMNS, "errors")}
        store.append(
            study, commit(0, 8), EvaluationRows(**(values | {"metrics": metrics, "designs": designs}))
        )
        found = store.evaluations(study)
    assert found.metrics.tobytes() == metrics.tobytes()
    assert found.designs.tobytes() == designs.tobytes()


@pytest.mark.parametrize(
    "changes", [{"name": "\ud800"}, {"seed": 2**70}], ids=["a name that is no text", "a seed too large"]
)
def test_studies_that_cannot_be_stored_say_so(path: Path, changes: dict[str, object]) -> None:
    store, _ = make(path)
    base = record("b")
    values = {name: getattr(base, name) for name in StudyRecord.__dataclass_fields__}
    with pytest.raises(StoreError, match="cannot hold a value"):
        store.create_study(StudyRecord(**(values | changes)))
    assert [study.name for study in store.studies()] == ["a"]
