"""The contract suites: good implementations pass, and each broken promise is told."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dse import Categorical, Constraint, Designs, Integer, Ordinal, Outcome, Real, Space, cost_model
from dse.searchers.ilp import ILP
from dse.searchers.nsga2 import NSGA2
from dse.searchers.random import Random
from dse.store import BatchRow, EvaluationRows, Store, StudyRecord
from dse.testing import check_cost_model, check_searcher, check_space, check_store

PARAMETERS = [
    Ordinal("tile", [1, 2, 4, 8]),
    Integer("stages", 1, 5),
    Categorical("kind", ["lut", "mac"]),
    Integer("width", 1, 3, active_if="kind == 'lut'"),
]
SPACE = Space(PARAMETERS, ["tile * stages <= 16"])


# check_space


@pytest.mark.parametrize(
    "space",
    [
        SPACE,
        Space.join(
            {"a": SPACE, "b": Space([Real("x", 0, 1, log=False), Integer("n", 1, 3)])}, ["a.tile * b.x <= 4"]
        ),
        Space(PARAMETERS, [lambda d: d["tile"] <= d["stages"]]),
        Space([Categorical("only", [None])]),
    ],
)
def test_spaces_keep_their_promises(space: Space) -> None:
    check_space(space)


class SamplesAnything(Space):
    def sample(self, n: int, rng: Any = None) -> Designs:
        raw = Space(self.parameters).sampler.sample(n, np.random.default_rng(rng))
        return Designs(self, raw)


class SamplesTooFew(Space):
    def sample(self, n: int, rng: Any = None) -> Designs:
        return super().sample(n, rng).take(slice(n - 1))


class SamplesByChance(Space):
    def sample(self, n: int, rng: Any = None) -> Designs:
        return super().sample(n)


class WalksTwice(Space):
    def enumerate(self, chunk: int = 1 << 16, *, skip: int = 0) -> Iterator[Designs]:
        yield from super().enumerate(chunk)
        yield from super().enumerate(chunk)


class WalksPart(Space):
    def enumerate(self, chunk: int = 1 << 16, *, skip: int = 0) -> Iterator[Designs]:
        yield from super().enumerate(chunk, skip=3)


class WalksByChunk(Space):
    def enumerate(self, chunk: int = 1 << 16, *, skip: int = 0) -> Iterator[Designs]:
        for designs in super().enumerate(chunk):
            yield designs.take(slice(None, None, -1))


class WalksOutside(Space):
    def enumerate(self, chunk: int = 1 << 16, *, skip: int = 0) -> Iterator[Designs]:
        for designs in Space(self.parameters).enumerate(chunk):
            yield Designs(self, designs.codes)


class Miscounts(Space):
    def count(self, work: int = 1) -> int:
        return int(super().count()) + 1


class LosesBits(Space):
    def unpack(self, packed: Any) -> Any:
        return super().unpack(packed) // 2


class SameKeys(Space):
    def keys(self, codes: Any) -> list[bytes]:
        return [b"key"] * len(codes)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (SamplesAnything, "sample gave a design outside the space: {'tile'"),
        (SamplesTooFew, r"sample\(256\) gave 255 designs"),
        (SamplesByChance, "other designs for the same seed"),
        (WalksTwice, "enumerate yields a design twice"),
        (WalksPart, r"enumerate yields \d+ designs, but \d+ of all combinations"),
        (WalksByChunk, "another order for another chunk"),
        (WalksOutside, "enumerate yields a design outside the space"),
        (Miscounts, r"count\(\) is \d+, but enumerate yields \d+"),
        (LosesBits, "unpack"),
        (SameKeys, "keys are not one to one"),
    ],
)
def test_broken_spaces_are_told(kind: type[Space], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_space(kind(PARAMETERS, ["tile * stages <= 16"]))


def below_the_mean(d: Any) -> Any:
    return d["tile"] <= d["tile"].mean() + 1


class Moody:
    """Says something else each time."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, d: Any) -> Any:
        self.calls += 1
        return (d["tile"] + self.calls) % 3 > 0


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (below_the_mean, "'below_the_mean' judges a design differently"),
        (lambda d: np.arange(len(d["tile"])) % 2 == 0 * d["tile"], "judges a design differently"),
        (
            Constraint(Moody(), columns=["tile"], name="moody"),
            "'moody' judges the same designs differently|gave other",
        ),
    ],
)
def test_constraints_that_do_not_judge_each_design_alone_are_told(rule: Any, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_space(Space(PARAMETERS, [rule]))


# check_cost_model


def model(function: Callable[[Any], Any], **arguments: Any) -> Any:
    return cost_model(
        function, **{"metrics": {"area": "mm2"}, "name": "toy", "columns": ["tile", "stages"], **arguments}
    )


def fails_at_four(d: dict[str, Any]) -> dict[str, float]:
    if d["tile"] == 4:
        raise ValueError("does not fit")
    return {"area": d["tile"] * 1.5}


GOOD_MODELS = {
    "vectorised": model(lambda d: {"area": np.sqrt(d["tile"]) / d["stages"]}),
    "scalar": model(lambda d: {"area": 3}),
    "per design": model(fails_at_four, per_design=True),
    "stated failures": model(
        lambda d: Outcome({"area": d["tile"]}, dict.fromkeys(np.flatnonzero(d["stages"] % 2).tolist(), "odd"))
    ),
    "stated timeouts": model(
        lambda d: Outcome({"area": d["tile"]}, {}, frozenset(np.flatnonzero(d["stages"] == 1).tolist()))
    ),
}


@pytest.mark.parametrize("name", sorted(GOOD_MODELS))
def test_models_keep_their_promises(name: str) -> None:
    check_cost_model(GOOD_MODELS[name], SPACE)


def test_nan_may_be_allowed_to_stand_for_a_failure() -> None:
    unstated = model(lambda d: {"area": np.where(d["tile"] == 8, np.nan, 1.0)})
    with pytest.raises(AssertionError, match=r"returned nan for 'area' of \{'tile': 8.*Outcome.errors"):
        check_cost_model(unstated, SPACE)
    check_cost_model(unstated, SPACE, allow_nan=True)


class Counting:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, d: Any) -> Any:
        self.calls += 1
        return {"area": d["tile"] + float(self.calls)}


def writes(d: Any) -> Any:
    d.codes[:] = 0
    return {"area": 1.0}


def always_raises(d: Any) -> Any:
    raise RuntimeError("no licence")


BROKEN_MODELS: dict[str, tuple[Any, str]] = {
    "undeclared column": (
        model(lambda d: {"area": d["tile"] + d["width"]}),
        "reads column 'width' without declaring",
    ),
    "no such column": (model(lambda d: {"area": 1.0}, columns=["tiles"]), "'tiles', which the space lacks"),
    "missing metric": (model(lambda d: {}), "nothing for its metric 'area'"),
    "undeclared metric": (
        model(lambda d: {"area": 1, "power": 2}),
        "'power', which its metrics do not declare",
    ),
    "wrong shape": (model(lambda d: {"area": np.zeros((len(d), 1))}), r"shape \(64, 1\) for 'area'"),
    "text": (model(lambda d: {"area": ["small"] * len(d)}), "return numbers"),
    "no mapping": (model(lambda d: 5), "int, not a mapping"),
    "infinite": (model(lambda d: {"area": 1 / (d["tile"] - 1)}), "inf for 'area'"),
    "batch mean": (model(lambda d: {"area": d["tile"] / d["tile"].mean()}), "'area' = 1.0 alone"),
    "batch order": (model(lambda d: {"area": np.arange(len(d)) + 1.0}), "in a batch of another order"),
    "counts its calls": (model(Counting()), "the second time"),
    "changes its input": (model(writes), "changes the designs"),
    "always fails": (model(always_raises), "failed for all of 64 designs: RuntimeError: no licence"),
    "no reason": (model(lambda d: Outcome({"area": d["tile"]}, {0: ""})), "has no reason"),
    "outside": (model(lambda d: Outcome({"area": d["tile"]}, {64: "x"})), "names design 64 of 64"),
    "settings": (model(lambda d: {"area": 1}, settings={"f": len}), "settings are not JSON"),
    "version": (dataclasses.replace(model(lambda d: {"area": 1}), version=""), "version is ''"),
    "metrics": (dataclasses.replace(model(lambda d: {"area": 1}), metrics={}), "no units by name"),
    "protocol": (object(), "no 'name'"),
}


@pytest.mark.parametrize("name", sorted(BROKEN_MODELS))
def test_broken_models_are_told(name: str) -> None:
    broken, message = BROKEN_MODELS[name]
    with pytest.raises(AssertionError, match=message):
        check_cost_model(broken, SPACE)


# check_searcher


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (Random, {}),
        (NSGA2, {"population": 33, "mutation": 3.0}),
    ],
)
def test_searchers_keep_their_promises_whatever_the_seed(kind: type[Any], settings: dict[str, Any]) -> None:
    # Seed 0, and the other searchers, are in the tests of the searchers.
    check_searcher(kind, seed=7, **settings)


class Restless(Random):
    """`ask` moves on."""

    def ask(self, n: int) -> Designs:
        self._told += n
        return super().ask(n)


class Forgetful(Random):
    """Forgets what it was told."""

    def tell(self, evaluations: Any) -> None:
        self._told += len(evaluations)


class Selfish(Random):
    """Ignores designs that others proposed."""

    def tell(self, evaluations: Any) -> None:
        expected = set(self.space.keys(self.ask(len(evaluations)).codes))
        keys = self.space.keys(evaluations.designs.codes)
        mine = np.array([key in expected for key in keys], dtype=bool)
        if mine.any():
            super().tell(evaluations.take(mine))


class Outside(Random):
    def ask(self, n: int) -> Designs:
        designs = super().ask(n)
        return Designs(self.space, designs.codes + 50)


class TooMany(Random):
    def ask(self, n: int) -> Designs:
        return super().ask(n + 1)


class Lazy(Random):
    """Stops half-way."""

    def ask(self, n: int) -> Designs:
        return super().ask(n if self._told < 30 else 0)


class Stingy(Random):
    """Fewer designs than are asked for, though some are left."""

    def ask(self, n: int) -> Designs:
        return super().ask((n + 1) // 2)


class Lucky(Random):
    """Depends on the object, not on the seed."""

    made = 0

    def __init__(self, space: Space, *, seed: int = 0) -> None:
        Lucky.made += 1
        super().__init__(space, seed=seed + Lucky.made)


class Fragile(Random):
    """Cannot stand a failed design."""

    def tell(self, evaluations: Any) -> None:
        if not evaluations.evaluated.all():
            raise ZeroDivisionError("no metrics")
        super().tell(evaluations)


class Twice(Random):
    def ask(self, n: int) -> Designs:
        designs = super().ask(n)
        return designs.take(np.zeros(len(designs), dtype=int))


class Nameless(Random):
    distinct = None  # type: ignore[assignment]


class Batchless(Random):
    batch = 0


class Rows(Random):
    def ask(self, n: int) -> Any:
        return list(super().ask(n).rows())


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        (Restless, AssertionError, "other designs the second time"),
        (Forgetful, AssertionError, "proposed again after it had been told"),
        (Selfish, AssertionError, "told as another's proposal"),
        (Outside, AssertionError, "outside the space"),
        (TooMany, AssertionError, "at most 7 were asked for"),
        (Lazy, AssertionError, r"ask\(\d+\) returned 0 designs after \d+ of 75 were told"),
        (Stingy, AssertionError, r"ask\(7\) returned 4 designs"),
        (Lucky, AssertionError, "a new searcher that was told the same history"),
        (Fragile, ZeroDivisionError, "no metrics"),
        (Twice, AssertionError, "returned a design twice"),
        (Nameless, AssertionError, "distinct is None"),
        (Batchless, AssertionError, "batch is 0"),
        (Rows, AssertionError, "list, not Designs"),
    ],
)
def test_broken_searchers_are_told(kind: type[Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        check_searcher(kind)


def test_a_broken_searcher_of_tables_is_told() -> None:
    class Unlearned(ILP):
        """Forgets what it was told."""

        def tell(self, evaluations: Any) -> None:
            return None

    with pytest.raises(AssertionError, match="proposed again after it had been told"):
        check_searcher(Unlearned, tables=True)


def test_a_searcher_that_does_not_promise_to_be_distinct_may_repeat() -> None:
    class Repeating(Forgetful):
        distinct = False

    check_searcher(Repeating)


# check_store


def test_the_store_keeps_its_promises(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/dse.db"
    with Store(url) as store:
        store.create_study(StudyRecord("mine", "f", {}, {}, 0, {}, "2025-01-01T00:00:00+00:00", "new"))
    check_store(lambda: Store(url))
    with Store(url) as store:
        assert [record.name for record in store.studies()] == ["mine"]


class Rounds(Store):
    def append(self, study_id: int, batch: BatchRow, rows: EvaluationRows) -> None:
        metrics = rows.metrics * (1 - 1e-15)
        super().append(study_id, batch, dataclasses.replace(rows, metrics=metrics))


class Unordered(Store):
    def evaluations(self, study_id: int, **arguments: Any) -> EvaluationRows:
        rows = super().evaluations(study_id, **arguments)
        fields = [field.name for field in dataclasses.fields(rows) if field.name != "errors"]
        return dataclasses.replace(rows, **{name: getattr(rows, name)[::-1] for name in fields})


class Halves(Store):
    """Stores a commit in two transactions."""

    def append(self, study_id: int, batch: BatchRow, rows: EvaluationRows) -> None:
        fields = [field.name for field in dataclasses.fields(rows) if field.name != "errors"]
        half = len(rows) // 2
        super().append(
            study_id,
            batch,
            dataclasses.replace(rows, **{name: getattr(rows, name)[:half] for name in fields}),
        )
        super().append(
            study_id,
            batch,
            dataclasses.replace(rows, **{name: getattr(rows, name)[half:] for name in fields}),
        )


class Overwrites(Store):
    def create_study(self, record: StudyRecord, commits: Any = ()) -> StudyRecord:
        if any(known.name == record.name for known in self.studies()):
            self.delete_study(record.name)
        return super().create_study(record, commits)


class Reversed(Store):
    def studies(self) -> list[StudyRecord]:
        return super().studies()[::-1]


class Mixes(Store):
    def count(self, study_id: int) -> dict[str, int]:
        counts: dict[str, int] = {}
        for record in self.studies():
            assert record.id is not None
            for state, number in super().count(record.id).items():
                counts[state] = counts.get(state, 0) + number
        return counts


class DeletesAll(Store):
    def delete_study(self, name: str) -> None:
        for record in self.studies():
            super().delete_study(record.name)


class DropsErrors(Store):
    def append(self, study_id: int, batch: BatchRow, rows: EvaluationRows) -> None:
        super().append(study_id, batch, dataclasses.replace(rows, errors={}))


class DropsTold(Store):
    def append(self, study_id: int, batch: BatchRow, rows: EvaluationRows) -> None:
        super().append(study_id, dataclasses.replace(batch, told=None), rows)


class ForgetsState(Store):
    def update_study(self, study_id: int, **changes: Any) -> None:
        return None


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Rounds, "'metrics' did not come back bit for bit"),
        (Unordered, "ascending order"),
        (Halves, "did not come back|every commit|a part of a refused commit"),
        (Overwrites, "a study's name was stored twice"),
        (Reversed, "order of creation"),
        (Mixes, r"count\(\) does not count"),
        (DeletesAll, "delete_study left the study, or deleted another"),
        (DropsErrors, "error texts did not come back"),
        (DropsTold, "'told' did not come back"),
        (ForgetsState, "update_study did not change"),
    ],
)
def test_broken_stores_are_told(tmp_path: Path, kind: type[Store], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_store(lambda: kind(f"sqlite:///{tmp_path}/dse.db"))


def test_a_store_in_memory_of_its_own_is_told(tmp_path: Path) -> None:
    """Each opening gives another database: what one commits, the other does not see."""
    opened = iter(range(10))
    with pytest.raises(Exception, match=r"no study|did not|returned|numbers"):
        check_store(lambda: Store(f"sqlite:///{tmp_path}/{next(opened)}.db"))
