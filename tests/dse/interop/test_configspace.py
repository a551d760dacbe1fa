"""Spaces into ConfigSpace and out of it: the same designs, and what is lost is named."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dse import Categorical, Integer, Ordinal, Real, Space
from dse.definitions import find
from dse.errors import SpaceError
from dse.interop.configspace import from_configspace, from_json, to_configspace, to_json
from dse.interop.space_files import read_space, space_text
from tests.dse.interop.conftest import chip_space
from tests.dse.problems import tiling_space

theirs = pytest.importorskip("ConfigSpace")

ODD = Space(
    [
        Categorical("k", ["p", "q"]),
        Integer("b", 1, 9, step=2, active_if="k == 'p'"),
        Integer("n", 1, 6),
        Real("c", 0.1, 1, active_if="b > 3 or n == 2", log=True),
        Ordinal("o", ["lo", "mid", "hi"]),
        Ordinal("down", [8, 4, 2], active_if="o in ('mid', 'hi')", inactive=4),
        Categorical("one", [7]),
        Categorical("f", [True, False]),
        Categorical("mixed", [None, 1.5, "x"]),
        Integer("g", 0, 3, active_if="not b == 1 and f"),
        Integer("h", 1, 4, active_if="n < b"),
    ],
    [
        "b + n <= 12", "c <= 0.5 or n >= 3", "not (o == 'hi' and n == 6)", "n != 4", "g < n",
        "mixed == None or f == True", "down * n <= 20",
    ],
)  # fmt: skip


def members(space: Space) -> set[str]:
    return {str(sorted(row.items(), key=str)) for part in space.enumerate() for row in part.rows()}


def without_notes(form: dict[str, Any]) -> dict[str, Any]:
    """Return a space as somebody else would have written it."""
    copied: dict[str, Any] = json.loads(json.dumps(form))
    for item in copied["hyperparameters"]:
        item["meta"] = None
    return copied


def checked(space: Space, samples: Iterable[Any]) -> int:
    """Check that ConfigSpace's samples are members of a space, with the same active parameters."""
    count = 0
    for sample in samples:
        given = {
            name: getattr(value, "item", lambda value=value: value)() for name, value in dict(sample).items()
        }
        row = {
            item.name: given.get(item.name, item.decode(np.array([item.inactive_code])).tolist()[0])
            for item in space.parameters
        }
        found = space.designs([row])
        active = {name for name, there in zip(space.names, found.active[0], strict=True) if there}
        assert active == set(given)
        count += 1
    return count


@pytest.mark.parametrize("space", [tiling_space(), chip_space(), chip_space(real=True), ODD])
def test_a_space_comes_back_with_the_same_parameters_and_designs(space: Space) -> None:
    form = json.loads(json.dumps(to_json(space)))
    back = from_json(form)
    assert back.parameters == space.parameters
    assert back.names == space.names
    rng = np.random.default_rng(0)
    drawn = [
        item.unscaled(rng.random(4_000))
        if isinstance(item, Real)
        else rng.integers(int(item.cardinality), size=4_000)
        for item in space.parameters
    ]
    codes = np.column_stack(drawn)
    codes = space.canonical(codes.astype(space.code_dtype))
    np.testing.assert_array_equal(back.satisfies(codes), space.satisfies(codes))
    assert 0 < space.satisfies(codes).sum() < len(codes)


@pytest.mark.parametrize("space", [chip_space(real=True), ODD])
def test_configspace_samples_members(space: Space) -> None:
    made = to_configspace(space)
    made.seed(0)
    assert checked(space, made.sample_configuration(200)) == 200


@pytest.mark.parametrize("space", [tiling_space(), chip_space()])
def test_without_our_notes_the_designs_are_the_same(space: Space) -> None:
    bare = without_notes(to_json(space))
    assert members(from_json(bare)) == members(space)


def test_functions_become_clauses_by_what_they_do() -> None:
    def fits(d: Any) -> Any:
        return d["a"] * d["b"] <= 6

    def fits_splits(d: Any) -> Any:
        return d["c"] + d["a"] <= 5

    space = Space(
        [Integer("a", 1, 4), Integer("b", 1, 4), Integer("c", 1, 4, active_if="a >= 2", inactive=3)],
        [fits, fits_splits],
    )
    back = from_configspace(to_configspace(space))
    assert back.parameters == space.parameters
    assert members(back) == members(space)
    assert all(rule.expression is not None for rule in back.constraints)


@pytest.mark.parametrize(
    ("name", "clauses"), [("llm-codesign", 10), ("lut-accelerator", 500), ("gpu-tiling", 50)]
)
def test_a_ready_study_is_said_whole(name: str, clauses: int) -> None:
    space = find(name).build().space
    made = to_configspace(space)
    assert len(made.forbidden_clauses) >= clauses
    back = from_configspace(made)
    assert back.parameters == space.parameters
    rng = np.random.default_rng(0)
    codes = np.column_stack([rng.integers(int(item.cardinality), size=3_000) for item in space.parameters])
    codes = space.canonical(np.concatenate([codes, space.sample(1_000, 0).codes]))
    np.testing.assert_array_equal(back.satisfies(codes), space.satisfies(codes))


def test_long_ranges_are_compared_not_listed() -> None:
    space = Space(
        [Integer("a", 1, 10**6), Integer("b", 1, 10**6), Real("x", 0, 1), Real("y", 0, 1)],
        ["a <= b", "a >= 10", "x > 0.25", "not (x < 0.5 and y == x)", "b != 77"],
    )
    made = to_configspace(space)
    assert len(made.forbidden_clauses) == 5
    made.seed(0)
    assert checked(space, made.sample_configuration(100)) == 100
    back = from_configspace(made)
    designs = space.designs({"a": [10, 20], "b": [10, 30], "x": [0.3, 0.9], "y": [0.4, 0.9]})
    assert back.contains(designs).all()
    outside = Space(space.parameters).designs(
        {
            "a": [10, 9, 11, 10, 10],
            "b": [9, 10, 12, 77, 12],
            "x": [0.5, 0.5, 0.25, 0.5, 0.4],
            "y": [0.1, 0.1, 0.1, 0.1, 0.4],
        }
    )
    assert not back.contains(outside.codes).any()


def test_what_configspace_cannot_say_is_named() -> None:
    space = Space(
        [
            Integer("a", 1, 10**6),
            Real("x", 0, 1),
            Real("y", 0, 1, active_if="x * a > 3"),
            Integer("n", 1, 9, step=2, log=True),
        ],
        ["a * x <= 1000", "n <= 7"],
    )
    with pytest.raises(SpaceError, match=r"ConfigSpace has no place for: the logarithm of 'n'.*--lossy"):
        to_configspace(space)
    lost: list[str] = []
    made = to_configspace(space, lost=lost)
    assert [line.split(",")[0] for line in lost] == [
        "the logarithm of 'n'", "the condition of 'y' (x * a > 3)", "the constraint 'a * x <= 1000'"
    ]  # fmt: skip
    assert len(made.forbidden_clauses) == 1
    assert not made.conditions
    # Our notes bring parameters back whole; constraints have none.
    back = from_configspace(made)
    assert back.parameters == space.parameters
    assert len(back.constraints) == 1
    assert from_json(without_notes(made.to_serialized_dict()))["y"].active_if is None


def test_a_foreign_space_is_read_and_what_is_lost_is_named() -> None:
    space = theirs.ConfigurationSpace(seed=0)
    model = theirs.CategoricalHyperparameter("model:kind", ["tree", "svm"], weights=[1, 3])
    degree = theirs.UniformIntegerHyperparameter("degree", 2, 5)
    rate = theirs.NormalFloatHyperparameter("rate", mu=0.5, sigma=0.1, lower=0.0, upper=1.0)
    size = theirs.OrdinalHyperparameter("size", ["s", "m", "l"])
    odd = theirs.OrdinalHyperparameter("odd", [1, 3, 2])
    fixed = theirs.Constant("fixed", 3)
    space.add(model, degree, rate, size, odd, fixed)
    space.add(theirs.AndConjunction(
        theirs.EqualsCondition(degree, model, "svm"), theirs.GreaterThanCondition(degree, size, "s")
    ))  # fmt: skip
    space.add(theirs.OrConjunction(
        theirs.NotEqualsCondition(rate, size, "m"), theirs.LessThanCondition(rate, odd, 3)
    ))  # fmt: skip
    forbidden = theirs.forbidden
    space.add(forbidden.ForbiddenAndConjunction(
        forbidden.ForbiddenGreaterThanEqualsClause(degree, 4), forbidden.ForbiddenEqualsClause(size, "l")
    ))  # fmt: skip
    space.add(forbidden.ForbiddenGreaterThanRelation(degree, fixed))
    with pytest.raises(SpaceError, match="the name 'model:kind', which becomes 'model_kind'"):
        from_configspace(space)
    lost: list[str] = []
    ours = from_configspace(space, lost=lost)
    for words in ("the weights of 'model_kind'", "the distribution of 'rate'", "the order of 'odd'"):
        assert any(words in line for line in lost), words
    assert ours["degree"] == Integer(
        "degree", 2, 5, active_if="(model_kind == 'svm') and (size in ('m', 'l'))"
    )
    assert ours["fixed"] == Categorical("fixed", [3])
    assert ours["rate"] == Real("rate", 0, 1, active_if="(size != 'm') or (odd < 3)")

    def holds(**values: Any) -> bool:
        row = {"model_kind": "svm", "degree": 2, "rate": 0.5, "size": "s", "odd": 1, "fixed": 3} | values
        return bool(ours.contains(Space(ours.parameters).designs([row])).all())

    assert holds()
    assert holds(size="m", degree=3)
    assert not holds(size="m", degree=4)  # greater than the constant
    assert not holds(size="l", degree=5)
    assert holds(model_kind="tree", size="l")  # the degree is not active, whatever is forbidden of it
    with pytest.raises(SpaceError, match="no JSON of ConfigSpace"):
        from_json({"hyperparameters": [{"name": "x"}]})


def test_a_changed_file_counts_over_our_notes(tmp_path: Path) -> None:
    form = to_json(chip_space())
    item = next(item for item in form["hyperparameters"] if item["name"] == "core.tile")
    item["sequence"] = [16, 32, 64, 128, 256]
    space = from_json(form, lost=[])
    assert space["core.tile"] == Ordinal("core.tile", [16, 32, 64, 128, 256])


def test_files_are_told_apart(tmp_path: Path) -> None:
    space = chip_space()
    texts = {
        "ours.json": space.to_json(),
        "theirs.json": space_text(space, "configspace"),
        "t1.json": space_text(space, "t1"),
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        assert read_space(tmp_path / name).parameters == space.parameters
    (tmp_path / "none.json").write_text("{}")
    with pytest.raises(SpaceError, match=r"none\.json is no such space"):
        read_space(tmp_path / "none.json")
    with pytest.raises(SpaceError, match=r"theirs\.json is no such space: it lacks 'ConfigurationSpace'"):
        read_space(tmp_path / "theirs.json", kind="t1")
    with pytest.raises(SpaceError, match="there is no file"):
        read_space(tmp_path / "nothing.json")
