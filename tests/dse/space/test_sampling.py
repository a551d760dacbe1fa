"""Sampling: uniform over the feasible designs, and it always ends."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dse import Categorical, Integer, Ordinal, Real, Space
from dse.errors import SpaceError
from dse.space import sampling
from tests.strategies import Case, cases, rows_of

LEAST_P = 1e-4  # fixed seeds: a test that passes goes on passing


def conditional_space() -> Space:
    """Skewed: most raw combinations are infeasible, and conditions fold many of them into one design."""
    return Space(
        [
            Categorical("kind", ["lut", "mac", "none"]),
            Integer("a", 1, 5, active_if="kind != 'none'"),
            Ordinal("b", [1, 2, 4, 8], active_if="kind == 'lut' and a > 1", inactive=2),
            Integer("c", 0, 3),
        ],
        ["a * b <= 12", "c <= a or kind == 'mac'"],
    )


def chi_squared(space: Space, draws: int, seed: int) -> float:
    """The p-value of the hypothesis that all feasible designs are equally likely."""
    rows = [row for designs in space.enumerate() for row in rows_of(designs)]
    counts = Counter(rows_of(space.sample(draws, seed)))
    assert set(counts) <= set(rows)
    return float(stats.chisquare([counts[row] for row in rows]).pvalue)


def untabulated(patch: pytest.MonkeyPatch, rows: int = 4) -> None:
    patch.setattr(sampling, "TABLE_ROWS", rows)
    patch.setattr(sampling, "TABLE_WORK", 1 << 40)


@pytest.mark.parametrize("seed", [1, 2])
def test_tabulated_samples_are_uniform(seed: int) -> None:
    space = conditional_space()
    assert space.sampler.tabulated
    assert chi_squared(space, 20_000, seed) > LEAST_P


@pytest.mark.parametrize("rows", [1, 4, 16])
@pytest.mark.parametrize("seed", [1, 2])
def test_rejected_samples_are_uniform(monkeypatch: pytest.MonkeyPatch, rows: int, seed: int) -> None:
    untabulated(monkeypatch, rows)
    space = conditional_space()
    assert not space.sampler.tabulated
    assert space.sampler.components[0].acceptance >= sampling.LEAST_ACCEPTANCE
    assert chi_squared(space, 20_000, seed) > LEAST_P


@pytest.mark.parametrize("branches", [2, 256])
def test_sequential_monte_carlo_is_nearly_uniform(monkeypatch: pytest.MonkeyPatch, branches: int) -> None:
    """Approximate: samples of one population are not independent, so a chi-squared test does not apply.

    The total variation distance to the uniform distribution, over 40 populations, is below 3 %; without
    the weighting of folded designs it is above 20 %.
    """
    untabulated(monkeypatch, 2)
    monkeypatch.setattr(sampling, "LEAST_ACCEPTANCE", 2.0)
    monkeypatch.setattr(sampling, "BRANCHES", branches)
    space = conditional_space()
    rows = [row for designs in space.enumerate() for row in rows_of(designs)]
    counts: Counter[tuple[object, ...]] = Counter()
    for seed in range(40):
        counts.update(rows_of(space.sample(1_000, seed)))
    assert set(counts) <= set(rows)
    share = np.array([counts[row] for row in rows]) / 40_000
    assert np.abs(share - 1 / len(rows)).sum() / 2 < 0.03


def test_a_folded_wide_parameter_keeps_its_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    """One design of 'mac' beside 5,000 of 'lut': it must not be drawn more often than each of them."""
    untabulated(monkeypatch, 2)
    monkeypatch.setattr(sampling, "LEAST_ACCEPTANCE", 2.0)
    space = Space(
        [
            Categorical("kind", ["lut", "mac"]),
            Integer("a", 1, 5_000, active_if="kind == 'lut'"),
            Integer("b", 1, 8),
        ],
        ["a + b >= 2"],
    )
    mac = sum((space.sample(4_000, seed)["kind"] == "mac").sum() for seed in range(10))
    assert mac < 60  # 8 are expected; counted once a parent it is 40,000 / 257 = 156


def test_estimated_size_is_near_the_exact_one(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = conditional_space().count()
    untabulated(monkeypatch, 2)
    assert conditional_space().sampler.components[0].size == pytest.approx(exact, rel=0.1)


@given(cases(), st.integers(0, 2**32 - 1), st.sampled_from([1, 3, sampling.TABLE_ROWS]))
def test_samples_are_feasible_and_canonical(case: Case, seed: int, rows: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        untabulated(patch, rows)
        if not case.brute_force():
            with pytest.raises(SpaceError, match=r"no feasible design|may be empty"):
                case.space.sample(10, seed)
            return
        designs = case.space.sample(50, seed)
    assert len(designs) == 50
    assert case.space.contains(designs).all()
    assert np.array_equal(case.space.canonical(designs.codes), designs.codes)


def test_the_same_seed_gives_the_same_designs() -> None:
    space = conditional_space()
    assert space.sample(100, 7) == space.sample(100, np.random.default_rng(7))
    assert space.sample(100, 7) == conditional_space().sample(100, 7)
    assert space.sample(100, 7) != space.sample(100, 8)


def test_the_number_of_samples() -> None:
    space = conditional_space()
    assert len(space.sample(0, 0)) == 0
    assert len(space.sample(1, 0)) == 1
    with pytest.raises(SpaceError, match="n=-1"):
        space.sample(-1, 0)


def test_more_samples_than_one_round_of_proposals(monkeypatch: pytest.MonkeyPatch) -> None:
    untabulated(monkeypatch)
    monkeypatch.setattr(sampling, "PROPOSALS", 64)
    designs = conditional_space().sample(5_000, 0)
    assert len(designs) == 5_000
    assert len(set(rows_of(designs))) == conditional_space().count()


@pytest.mark.parametrize("log", [False, True])
def test_reals_are_uniform_within_their_bounds(log: bool) -> None:
    space = Space([Real("x", 0.1, 10, log=log), Integer("a", 1, 3)])
    drawn = space.sample(5_000, 1)["x"]
    unit = np.log(drawn / 0.1) / math.log(100) if log else (drawn - 0.1) / 9.9
    assert stats.kstest(unit, "uniform").pvalue > LEAST_P


def test_constrained_reals_are_uniform_over_what_is_left() -> None:
    space = Space([Real("x", 0, 1), Real("y", 0, 1)], ["x + y <= 0.1"])
    designs = space.sample(4_000, 1)
    assert space.contains(designs).all()
    # The larger of the relative coordinates of a triangle: P(x / 0.1 <= t) = 1 - (1 - t)^2.
    assert stats.kstest(1 - (1 - designs["x"] / 0.1) ** 2, "uniform").pvalue > LEAST_P


def test_inactive_reals_are_canonical() -> None:
    space = Space([Categorical("k", ["on", "off"]), Real("x", 1, 2, active_if="k == 'on'", inactive=1.5)])
    designs = space.sample(200, 0)
    assert np.all((designs["x"] == 1.5) == (designs["k"] == "off"))
    assert space.contains(designs).all()


NEEDLES = {
    "sum": ([Integer(f"x{i}", 0, 9) for i in range(6)], [" + ".join(f"x{i}" for i in range(6)) + " == 3"]),
    "product": ([Integer(f"x{i}", 1, 64) for i in range(4)], ["x0 * x1 * x2 * x3 == 64"]),
    "equal": ([Integer(f"x{i}", 0, 99) for i in range(5)], [f"x{i} == x{i + 1}" for i in range(4)]),
    "real": (
        [Real(f"x{i}", 0, 1) for i in range(4)],
        [f"x{i} < 0.02" for i in range(4)],
    ),
}


@pytest.mark.parametrize("name", sorted(NEEDLES))
def test_spaces_below_a_ten_thousandth_feasible(name: str) -> None:
    space = Space(*NEEDLES[name])
    designs = space.sample(1_000, 0)
    assert len(designs) == 1_000
    assert space.contains(designs).all()
    assert len(set(rows_of(designs))) > 40


EMPTY = {
    "at once": ([Integer("a", 1, 3)], ["a > 3"]),
    "at the end": (
        [Integer(f"x{i}", 0, 9) for i in range(8)],
        [" + ".join(f"x{i}" for i in range(8)) + " > 72"],
    ),
    "beyond walking": (
        [Integer(f"x{i}", 0, 99) for i in range(20)],
        [" + ".join(f"x{i}" for i in range(20)) + " > 1980"],
    ),
    "parity": ([Integer(f"x{i}", 0, 1000) for i in range(3)], ["2 * (x0 + x1 + x2) == 1001"]),
    "real": ([Real("x", 0, 1), Real("y", 0, 1)], ["x + y > 2"]),
    "conditional": (
        [Categorical("k", ["on", "off"]), Integer("a", 1, 9, active_if="k == 'on'", inactive=5)],
        ["a > 6", "k == 'off'"],
    ),
}


@pytest.mark.parametrize("name", sorted(EMPTY))
def test_empty_spaces_are_told_rather_than_searched_for_ever(name: str) -> None:
    parameters, constraints = EMPTY[name]
    with pytest.raises(SpaceError) as caught:
        Space(parameters, constraints).sample(10, 0)
    message = str(caught.value)
    assert "no feasible design" in message
    assert any(repr(constraint) in message for constraint in constraints)


def test_every_index_is_a_design() -> None:
    """What searchers that walk the space in another order rely on."""
    space = Space.join({"p": conditional_space(), "q": Space([Integer("a", 1, 3), Integer("b", 1, 2)])})
    assert space.sampler.tabulated
    size = int(space.sampler.size)
    assert size == space.count()
    codes = space.sampler.at(np.arange(size))
    assert len(set(space.keys(codes))) == size
    assert space.contains(codes).all()
