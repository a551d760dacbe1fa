"""Bounds prune early and lose no design."""

from __future__ import annotations

import math
from collections import Counter
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse import Categorical, Constraint, Integer, Ordinal, Parameter, Real, Space
from dse.errors import DseError, SpaceError
from dse.space import plan
from dse.space.bounds import bounds_of
from tests.strategies import Case, cases, rows_of

NUMBERS = st.one_of(
    st.integers(-5, 9),
    st.sampled_from([0.1, 0.3, -0.7, 2.5, 1e-200, -1e-200, 1e15, 2**53, 2**53 + 1, 2**60, -(2**63), 2**63]),
)


FUNCTIONS = ["abs", "ceil", "floor", "round", "sqrt", "exp", "log", "log2", "log10"]


@st.composite
def numeric_parameters(draw: st.DrawFn, name: str) -> Parameter:
    if draw(st.booleans()):
        low, step = draw(st.integers(-4, 4)), draw(st.integers(1, 3))
        return Integer(name, low, low + step * draw(st.integers(0, 3)), step=step)
    if draw(st.integers(0, 9)) == 0:
        return Categorical(name, draw(st.sampled_from([[False, True], ["x", "y"], [3, None]])))
    values = draw(st.lists(NUMBERS, min_size=1, max_size=3, unique=True))
    return Ordinal(name, sorted(values, reverse=draw(st.booleans())))


@st.composite
def arithmetic(draw: st.DrawFn, names: list[str], depth: int = 3) -> str:
    if depth == 0 or draw(st.integers(0, 4)) == 0:
        if draw(st.integers(0, 3)) == 0:
            return f"({draw(st.sampled_from([0, 1, 2, 3, 7, -2, 0.1, 0.5, -1.3, 1e-150]))!r})"
        return draw(st.sampled_from(names))
    inner = arithmetic(names, depth - 1)
    shape = draw(st.sampled_from(["+", "-", "*", "/", "**", "+", "*", "%", "//", "one", "two", "-x"]))
    if shape == "one":
        function = draw(st.sampled_from(FUNCTIONS))
        return f"{function}({draw(inner)})"
    if shape == "two":
        return f"{draw(st.sampled_from(['min', 'max']))}({draw(inner)}, {draw(inner)})"
    if shape == "-x":
        return f"(-{draw(inner)})"
    if shape == "**":
        return f"({draw(inner)}) ** {draw(st.sampled_from(['0', '1', '2', '3', '0.5', '(-1)', '(-2)', 'a']))}"
    left, right = draw(inner), draw(inner)
    # Without brackets a sum or product is one chain, whose terms are reordered.
    return f"{left} {shape} {right}" if draw(st.booleans()) else f"({left} {shape} {right})"


@st.composite
def comparisons(draw: st.DrawFn, names: list[str]) -> str:
    operators = draw(st.lists(st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), min_size=1, max_size=2))
    text = draw(arithmetic(names))
    for operator in operators:
        text += f" {operator} {draw(arithmetic(names, 2))}"
    return text


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    """Small spaces of numbers with constraints of any shape, some of them over parameters at rest."""
    names = ["a", "b", "c", "d"]
    parameters: list[Parameter] = [draw(numeric_parameters(name)) for name in names]
    if draw(st.booleans()):
        last = draw(st.integers(1, 3))
        parameters[last] = Integer(
            names[last],
            -2,
            2,
            active_if=f"{draw(st.sampled_from(names[:last]))} == 1",
            inactive=draw(st.integers(-2, 2)),
        )
    rules = []
    for _ in range(draw(st.integers(1, 2))):
        parts = draw(st.lists(comparisons(names), min_size=1, max_size=2))
        rules.append(draw(st.sampled_from([" and ", " or "])).join(f"({part})" for part in parts))
    kept: list[str] = []
    for rule in rules:
        with suppress(DseError):  # arithmetic on text is refused
            members(Space(parameters, [rule]))
            kept.append(rule)
    return Space(parameters, kept)


def members(space: Space) -> set[bytes]:
    """Every feasible design, from all combinations of codes: no plan is involved."""
    sizes = [int(parameter.cardinality) for parameter in space.parameters]
    codes = np.stack(np.meshgrid(*map(np.arange, sizes), indexing="ij"), axis=-1).reshape(-1, len(sizes))
    return set(space.keys(codes[space.contains(codes)]))


def enumerated(space: Space) -> list[bytes]:
    return [key for designs in space.enumerate() for key in space.keys(designs.codes)]


@settings(max_examples=200)
@given(spaces())
def test_no_design_is_lost(space: Space) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "WIDE", 1)
        pruned = enumerated(space)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "WIDE", 99)
        plain = enumerated(Space(space.parameters, space.constraints))
    assert pruned == plain  # in the same order
    assert set(pruned) == members(space)
    assert len(pruned) == len(set(pruned))


@given(cases())
def test_no_design_is_lost_among_texts_and_conditions(case: Case) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "WIDE", 1)
        rows = [row for designs in case.space.enumerate() for row in rows_of(designs)]
    assert sorted(map(repr, rows)) == sorted(map(repr, case.brute_force()))


def digits(number: int, rule: str, low: int = 0, high: int = 9) -> Space:
    names = [f"x{index}" for index in range(number)]
    return Space([Integer(name, low, high) for name in names], [f"{' + '.join(names)} {rule}"])


def strings_with_sum(number: int, total: int) -> int:
    """Stars and bars, digits above nine excluded (Stanley, "Enumerative Combinatorics" 1, section 1.2)."""
    return sum(
        (-1) ** k * math.comb(number, k) * math.comb(total - 10 * k + number - 1, number - 1)
        for k in range(total // 10 + 1)
    )


def test_digit_sums_are_counted_exactly() -> None:
    assert digits(12, "== 3").count() == math.comb(14, 11) == 364
    assert digits(9, "<= 12").count() == sum(strings_with_sum(9, total) for total in range(13))
    assert digits(12, ">= 105").count() == digits(12, "<= 3").count() == math.comb(15, 12)
    assert digits(40, "< 1").count() == 1


def test_few_designs_in_a_huge_space_are_sampled_exactly() -> None:
    space = digits(12, "== 3")
    assert space.sampler.tabulated
    counts = Counter(rows_of(space.sample(36_400, 1)))
    assert len(counts) == 364
    # A chi-squared variable of 363 degrees of freedom has mean 363 and standard deviation 27.
    assert sum((count - 100) ** 2 / 100 for count in counts.values()) < 363 + 4 * 27


def test_products_and_weighted_sums_prune() -> None:
    names = [f"x{index}" for index in range(20)]
    product = Space([Ordinal(name, [8, 4, 2, 1]) for name in names], [" * ".join(names) + " <= 2"])
    assert product.count() == 21
    weighted = " + ".join(f"{index + 1} * {name} / 2" for index, name in enumerate(names))
    assert Space([Integer(name, 0, 9) for name in names], [f"{weighted} <= 1"]).count() == 4
    squares = " + ".join(f"({name} - 4) ** 2" for name in names)
    assert Space([Integer(name, 0, 9) for name in names], [f"{squares} <= 1"]).count() == 41


def test_one_in_a_million_of_layers_and_formats() -> None:
    """Mixed precision: 32 layers of 4 formats within a budget of bits; the exact number by convolution."""
    bits = [2, 4, 8, 16]
    names = [f"layer{index}.bits" for index in range(32)]
    space = Space([Ordinal(name, bits) for name in names], [" + ".join(names) + " <= 116"])
    ways = np.ones(1)
    for _ in names:
        ways = np.convolve(ways, np.isin(np.arange(17), bits).astype(float))
    exact = ways[:117].sum()
    assert 1e-6 < exact / 4.0**32 < 2e-6
    designs = space.sample(1_000, 0)
    assert space.contains(designs).all()
    assert len(set(space.keys(designs.codes))) > 900
    assert space.count(work=1_000) == pytest.approx(exact, rel=0.25)


def test_a_budget_over_conditional_parameters() -> None:
    """What is not active weighs its canonical value."""
    names = [f"x{index}" for index in range(12)]
    parameters: list[Parameter] = [Categorical("on", ["yes", "no"])]
    parameters += [Integer(name, 0, 9, active_if="on == 'yes'", inactive=1) for name in names]
    total = " + ".join(names)
    assert Space(parameters, [f"{total} == 3"]).count() == 364
    assert Space(parameters, [f"{total} == 12 and max({', '.join(names)}) <= 1"]).count() == 2


def test_empty_spaces_name_the_wide_constraint_that_empties_them() -> None:
    space = Space(
        [Integer(f"x{index}", 1, 99) for index in range(30)],
        [" + ".join(f"x{index}" for index in range(30)) + " < 30"],
    )
    assert space.count() == 0
    with pytest.raises(SpaceError, match=r"nothing satisfies 'x0 \+ x1"):
        space.sample(1, 0)


def test_reals_that_are_not_drawn_yet_are_bounded_by_their_domain() -> None:
    """Rejected without bounds: 10^8 of the integers' combinations, of which 11 may be completed."""
    names = [f"x{index}" for index in range(10)]
    space = Space(
        [*(Integer(name, 0, 9) for name in names), Real("y", 0.5, 2)], [" + ".join([*names, "y"]) + " <= 2"]
    )
    table = space.sampler.components[0].table
    assert table is not None
    assert table.rows == 11
    designs = space.sample(3_000, 0)
    assert space.contains(designs).all()
    zero = np.sum([designs[name] for name in names], axis=0) == 0
    # All digits 0 leave y in [0.5, 2], a length of 1.5; a single 1 leaves [0.5, 1], ten times 0.5.
    assert zero.mean() == pytest.approx(1.5 / (1.5 + 10 * 0.5), abs=0.03)


PARAMETERS: dict[str, Parameter] = {
    "a": Integer("a", -2, 3),
    "b": Ordinal("b", [8, 4, 1]),
    "c": Real("c", 0.5, 2),
    "flag": Categorical("flag", [False, True]),
    "text": Categorical("text", ["x", "y"]),
    "mixed": Categorical("mixed", [1, None]),
    "large": Ordinal("large", [1, 2**53 + 1]),
    "huge": Ordinal("huge", [-(2**63), 1]),
}


@pytest.mark.parametrize(
    ("rule", "known", "expected"),
    [
        ("a + b + c <= 0", {"a": -2}, True),
        ("a + b + c <= 0", {"a": 0}, False),
        ("a - b >= 2", {"a": 3}, True),
        ("a - b > 2", {"a": 3}, False),
        ("a * b == -16", {"b": 8}, True),
        ("a * b == -17", {"b": 8}, False),
        ("a * b < -8", {"b": 4}, False),
        ("b / c <= 0.5", {"c": 2.0}, True),
        ("b / c < 0.5", {"c": 2.0}, False),
        ("1 / b >= 1", {"c": 1.0}, True),
        ("a ** 2 > 9.01", {"b": 1}, False),
        ("a ** 2 < -0.01", {"b": 1}, False),
        ("a ** 3 < -8.01", {"b": 1}, False),
        ("b ** 0.5 <= 1", {"a": 1}, True),
        ("2 ** a > 8.01", {"b": 1}, False),
        ("abs(a) > 3", {"b": 1}, False),
        ("abs(a) >= 3", {"b": 1}, True),
        ("min(a, b) > 1", {"a": 1}, False),
        ("max(a, b) < 1", {"a": 0}, False),
        ("ceil(c) > 2", {"a": 0}, False),
        ("log2(b) + a > 6.01", {"a": 3}, False),
        ("sqrt(b) * c < 0.5", {"b": 1}, False),
        ("exp(c) > 7.4", {"b": 1}, False),
        ("a < c < -a", {"a": 0}, False),
        ("a < c < -a", {"a": -1}, True),
        ("flag + a > 3", {"a": 3}, True),
        ("flag + a > 4", {"a": 3}, False),
        ("large > 9007199254740992", {"a": 1}, True),
        ("large - a < 9007199254740992", {"a": 1}, True),
        ("large * b * b * b > 1e20", {"large": 2**53 + 1}, False),
        ("text == 'x' and a + b > 11", {"a": 2}, False),
    ],
)
def test_what_a_partial_design_may_still_satisfy(rule: str, known: dict[str, Any], expected: bool) -> None:
    bounds = bounds_of(Constraint(rule), PARAMETERS)
    assert bounds
    columns = {name: np.array([value]) for name, value in known.items()}
    assert all(bool(np.all(bound.may_hold(columns))) for bound in bounds) is expected


@pytest.mark.parametrize(
    "rule",
    [
        "b / a <= 100",  # the divisor may be zero
        "log(a) < 1",
        "sqrt(a) < 1",
        "a ** -1 < 1",
        "a ** 0.5 < 1",
        "a ** b < 1",
        "b % 2 == 0",
        "b // 2 > 9",
        "a != 1",
        "a in (1, 2)",
        "not a + b > 99",
        "a > 99 or b > 99",
        "text == 'x'",
        "mixed == 1",
        "huge > 0",
        "exp(b ** 8) < 0",
    ],
)
def test_what_is_not_understood_never_prunes(rule: str) -> None:
    assert bounds_of(Constraint(rule), PARAMETERS) == ()


def test_callables_never_prune() -> None:
    assert bounds_of(Constraint(lambda d: d["a"] > 99, columns=("a",)), PARAMETERS) == ()


@pytest.mark.parametrize("total", [0.6, 0.1 + 0.2 + 0.3, 0.3 + 0.2 + 0.1])
def test_sums_of_fractions_keep_what_rounding_decides(total: float) -> None:
    """0.1 + 0.2 + 0.3 depends on the order: bounds, which reorder, must not decide."""
    names = ["a", "b", "c"]
    for order in (names, names[::-1]):
        space = Space([Ordinal(name, [0.1, 0.2, 0.3]) for name in order], [f"a + b + c == {total!r}"])
        assert set(enumerated(space)) == members(space)
