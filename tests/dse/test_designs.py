"""Designs: columns in and out, exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given

from dse import Categorical, Designs, Integer, Ordinal, Real, Space
from dse.errors import DesignError
from tests.strategies import Case, cases, rows_of

SPACE = Space(
    [
        Categorical("kind", ["lut", "mac", None]),
        Ordinal("tile", [16, 32, 64]),
        Integer("core.rows", -2, 6, step=2),
        Real("volt", 0.5, 1.0),
        Categorical("on", [True, False]),
    ]
)


@given(cases())
def test_columns_frames_and_rows_give_back_the_same_designs(case: Case) -> None:
    if not case.brute_force():
        return
    designs = case.space.sample(30, 0)
    assert Designs.from_columns(case.space, dict(designs)) == designs
    assert (
        Designs.from_columns(case.space, {name: designs[name].tolist() for name in designs.names}) == designs
    )
    assert Designs.from_rows(case.space, list(designs.rows())) == designs
    assert Designs.from_frame(case.space, designs.to_frame()) == designs


def test_columns_have_their_natural_types() -> None:
    designs = SPACE.sample(5, 0)
    assert designs["kind"].dtype == object
    assert designs["tile"].dtype == np.int64
    assert designs["core.rows"].dtype == np.int64
    assert designs["volt"].dtype == np.float64
    assert designs["on"].dtype == bool
    assert {type(value) for row in designs.rows() for value in row.values()} <= {
        str,
        int,
        float,
        bool,
        type(None),
    }


def test_frames_survive_csv(tmp_path: Any) -> None:
    designs = SPACE.sample(50, 0)
    file = tmp_path / "designs.csv"
    designs.to_frame().to_csv(file, index=False)
    assert Designs.from_frame(SPACE, pd.read_csv(file)) == designs


def test_columns_cannot_be_written() -> None:
    """The column of a real is a view of the codes: a model that writes into it would change the design."""
    designs = SPACE.sample(3, 0)
    before = designs.codes.copy()
    for name in SPACE.names:
        with pytest.raises(ValueError, match="read-only"):
            designs[name][:] = designs[name][::-1]
    assert np.array_equal(designs.codes, before)
    designs.codes[0, 0] = 1  # codes stay the owner's


def test_take() -> None:
    designs = SPACE.sample(10, 0)
    assert len(designs.take([])) == 0
    assert len(designs.take(np.zeros(10, dtype=bool))) == 0
    assert designs.take(slice(2, 4)) == designs.take([2, 3])
    assert designs.take(np.arange(10) < 3) == designs.take(range(3))
    assert designs.take([5, 5]).codes[0].tolist() == designs.take([5]).codes[0].tolist()
    assert Designs.concat([designs.take(slice(4)), designs.take(slice(4, None))]) == designs


def test_mapping_habits() -> None:
    designs = SPACE.sample(3, 0)
    assert list(dict(designs)) == list(SPACE.names)
    assert "tile" in designs
    assert "tiles" not in designs
    assert designs.names == SPACE.names
    assert repr(designs).startswith("<3 designs: kind=")
    assert "..." in repr(SPACE.sample(4, 0))


def test_equality() -> None:
    designs = SPACE.sample(3, 0)
    assert designs == SPACE.sample(3, 0)
    assert designs != SPACE.sample(3, 1)
    assert designs != "designs"


GOOD: dict[str, Any] = {"kind": ["lut"], "tile": [16], "core.rows": [0], "volt": [0.5], "on": [True]}


@pytest.mark.parametrize(
    ("change", "fragments"),
    [
        ({"tile": None}, ["'tile'", "missing"]),
        ({"tiles": [16]}, ["'tiles'", "not in the space"]),
        ({"tile": [16, 32]}, ["length", "'tile': 2"]),
        ({"tile": [17]}, ["tile", "17", "[16, 32, 64]"]),
        ({"tile": 16}, ["'tile'", "16", "list"]),
        ({"kind": "lut"}, ["'kind'", "'lut'", "list"]),
        ({"tile": np.array([[16]])}, ["'tile'", "(1, 1)"]),
        ({"volt": np.array(0.5)}, ["'volt'", "()"]),
        ({"volt": ["high"]}, ["volt", "'high'"]),
    ],
)
def test_bad_columns(change: dict[str, Any], fragments: list[str]) -> None:
    columns = {name: column for name, column in {**GOOD, **change}.items() if column is not None}
    with pytest.raises(DesignError) as caught:
        Designs.from_columns(SPACE, columns)
    for fragment in fragments:
        assert fragment in str(caught.value)


def test_bad_rows() -> None:
    row = {name: column[0] for name, column in GOOD.items()}
    assert rows_of(Designs.from_rows(SPACE, [row])) == [("lut", 16, 0, 0.5, True)]
    with pytest.raises(DesignError, match="design 1: parameter 'tile' is missing"):
        Designs.from_rows(SPACE, [row, {key: value for key, value in row.items() if key != "tile"}])
    with pytest.raises(DesignError, match="design 0: 'tiles' is not a parameter"):
        Designs.from_rows(SPACE, [{**row, "tiles": 1}])
    assert len(Designs.from_rows(SPACE, [])) == 0


def test_unknown_columns_are_named() -> None:
    with pytest.raises(DesignError, match=r"no column 'tiles'; the space has kind, tile"):
        SPACE.sample(1, 0)["tiles"]


def test_codes_of_another_shape_are_refused() -> None:
    with pytest.raises(DesignError, match=r"\(3, 2\): \(n, 5\)"):
        Designs(SPACE, np.zeros((3, 2)))


def test_none_stays_none_in_data_frames() -> None:
    space = Space([Categorical("mode", ["a", None]), Categorical("mixed", [1, "b"])])
    frame = next(iter(space.enumerate())).to_frame()
    assert frame["mode"].tolist() == ["a", "a", None, None]
    assert sorted(map(str, frame["mixed"])) == ["1", "1", "b", "b"]
    assert Designs.from_frame(space, frame) == next(iter(space.enumerate()))
