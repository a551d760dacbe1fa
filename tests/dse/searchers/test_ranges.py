"""Ranges of settings: what is drawn from them, and that the built-in searchers' can be built."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse import Integer, Space
from dse.errors import SearcherError
from dse.searchers import BUILT_IN, make_searcher, searcher_class
from dse.searchers.ranges import Choice, Number, declared, draw_settings, settings_key

MINE = {"a": Number(1, 1000, log=True, whole=True), "b": Number(0.5, 1.0), "c": Choice(("x", None))}


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_ranges_of_the_built_in_searchers_can_be_built(name: str) -> None:
    ranges = declared(name)
    arguments = inspect.signature(searcher_class(name)).parameters
    for setting, values in ranges.items():
        assert setting in arguments
        assert arguments[setting].default in values, f"{name}: the default of {setting} is out of its range"
    space = Space([Integer("a", 0, 9), Integer("b", 0, 9)])
    for settings in draw_settings(ranges, 20):
        make_searcher(name, space, 0, settings)


@given(st.integers(0, 2**31), st.booleans(), st.booleans())
def test_numbers_are_within_their_range(seed: int, log: bool, whole: bool) -> None:
    number = Number(3, 7919, log=log, whole=whole)
    drawn = number.draw(np.random.default_rng(seed))
    assert drawn in number
    assert isinstance(drawn, int) is whole
    assert float(f"{drawn:.3g}") == drawn or drawn == 7919


def test_a_logarithm_makes_ratios_equally_likely() -> None:
    rng = np.random.default_rng(0)
    drawn = [Number(1, 10_000, log=True).draw(rng) for _ in range(400)]
    assert 50 < np.median(drawn) < 200
    drawn = [Number(1, 10_000).draw(rng) for _ in range(400)]
    assert 4_000 < np.median(drawn) < 6_000


def test_settings_are_drawn_alike_and_no_two_are_the_same() -> None:
    few, many = draw_settings(MINE, 5), draw_settings(MINE, 50)
    assert many[:5] == few
    assert len({settings_key(settings) for settings in many}) == 50
    assert draw_settings(MINE, 5, seed=1) != few
    assert all(settings["b"] == 9 for settings in draw_settings(MINE, 5, fixed={"b": 9}))
    alone = draw_settings({"b": MINE["b"]}, 5)
    assert [settings["b"] for settings in alone] == [settings["b"] for settings in few]
    small = draw_settings({"c": Choice((1, 2, 3))}, 10)
    assert sorted(settings["c"] for settings in small) == [1, 2, 3]
    assert draw_settings({}, 5) == []
    assert draw_settings({"c": Choice((1, 2))}, 5, fixed={"c": 7}) == []


def test_keys_do_not_depend_on_the_order() -> None:
    assert settings_key({"a": 1, "b": 2}) == settings_key({"b": 2, "a": 1}) != settings_key({"a": 1})
    with pytest.raises(SearcherError, match="are not JSON values"):
        settings_key({"a": math.nan})


@pytest.mark.parametrize("arguments", [(2, 1), (1, 1), (0, math.inf), (0, 1, True), (-1, 1, True)], ids=str)
def test_bad_ranges_are_refused(arguments: tuple[float, ...]) -> None:
    with pytest.raises(SearcherError):
        Number(*arguments)  # type: ignore[arg-type]
    with pytest.raises(SearcherError):
        Choice(())
