"""Spaces: activity, composition, JSON, keys, and what they refuse."""

from __future__ import annotations

import functools
import json
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse import Categorical, Constraint, Designs, Integer, Ordinal, Real, Space
from dse.errors import DesignError, DseError, SpaceError
from dse.space.constraints import code_hash
from tests.strategies import Case, cases, parameters, rows_of


def all_rows(space: Space) -> list[tuple[Any, ...]]:
    return [row for designs in space.enumerate() for row in rows_of(designs)]


def callables(space: Space) -> dict[str, Any]:
    return {rule.name: rule.rule for rule in space.constraints if rule.expression is None}


# Activity


def chain() -> Space:
    return Space(
        [
            Integer("depth", 1, 3, active_if="cache != 'none'", inactive=2),
            Categorical("cache", ["none", "direct"], active_if="memory == 'sram'"),
            Categorical("memory", ["sram", "dram"]),
        ]
    )


def test_activity_follows_chains_in_any_order_of_parameters() -> None:
    assert sorted(all_rows(chain())) == [
        (1, "direct", "sram"),
        (2, "direct", "sram"),
        (2, "none", "dram"),
        (2, "none", "sram"),
        (3, "direct", "sram"),
    ]


def test_a_comparison_with_an_inactive_parameter_is_false() -> None:
    """``cache != 'direct'`` does not hold under 'dram', although the canonical value is 'none'."""
    space = Space(
        [
            Categorical("memory", ["sram", "dram"]),
            Categorical("cache", ["none", "direct"], active_if="memory == 'sram'"),
            Integer("x", 1, 2, active_if="cache != 'direct'"),
            Integer("y", 1, 2, active_if="not cache == 'none'"),
        ]
    )
    designs = space.designs(
        {"memory": ["dram", "sram", "sram"], "cache": ["none", "none", "direct"], "x": [2] * 3, "y": [2] * 3}
    )
    assert designs["x"].tolist() == [1, 2, 1]
    assert designs["y"].tolist() == [2, 1, 2]
    assert designs.active.tolist() == [
        [True, False, False, True],
        [True, True, True, False],
        [True, True, False, True],
    ]


def test_constraints_see_canonical_values() -> None:
    space = Space(
        [Categorical("k", ["on", "off"]), Integer("a", 1, 4, active_if="k == 'on'", inactive=3)], ["a != 3"]
    )
    assert sorted(all_rows(space)) == [("on", 1), ("on", 2), ("on", 4)]


@given(cases(), st.integers(0, 2**32 - 1))
def test_canonical_settles_at_once_and_equal_designs_have_equal_keys(case: Case, seed: int) -> None:
    space = case.space
    rng = np.random.default_rng(seed)
    raw = np.column_stack([rng.integers(int(p.cardinality), size=60) for p in space.parameters])
    codes = space.canonical(raw)
    assert np.array_equal(space.canonical(codes), codes)
    rows = [repr(row) for row in rows_of(Designs(space, codes))]
    keys = space.keys(codes)
    assert len(set(keys)) == len(set(rows)) == len(set(zip(keys, rows, strict=True)))
    # What is given for an inactive parameter does not matter.
    raw_columns = {name: space[name].decode(raw[:, i]).tolist() for i, name in enumerate(space.names)}
    assert space.keys(Designs.from_columns(space, raw_columns).codes) == keys


# Keys and packed records


@given(st.lists(st.integers(0, 3), min_size=1, max_size=6), st.integers(0, 2**32 - 1))
def test_pack_and_unpack_are_exact(widths: list[int], seed: int) -> None:
    sizes = [1, 200, 60_000, 2**40]
    space = Space(
        [
            *(Integer(f"i{i}", -5, -6 + sizes[width]) for i, width in enumerate(widths)),
            *([Real("r", -1e300, 1e-300)] if seed % 2 else []),
        ]
    )
    rng = np.random.default_rng(seed)
    codes = space.sample(50, rng).codes
    codes[0, : len(widths)] = [sizes[width] - 1 for width in widths]
    packed = space.pack(codes)
    assert packed.dtype == np.uint8
    assert packed.shape == (50, space.record.itemsize)
    again = space.unpack(packed)
    assert again.dtype == codes.dtype
    assert np.array_equal(again, codes)
    assert [bytes(row) for row in packed] == space.keys(codes)


def test_packed_records_are_little_endian_and_small() -> None:
    space = Space([Categorical("k", ["x", "y"]), Integer("i", 0, 70_000), Real("r", 0, 1)])
    codes = Designs.from_columns(space, {"k": ["y"], "i": [258], "r": [0.5]}).codes
    assert space.keys(codes) == [b"\x01" + b"\x02\x01\x00\x00" + b"\x00\x00\x00\x00\x00\x00\xe0\x3f"]


def test_no_designs_have_no_keys() -> None:
    space = chain()
    nothing = space.sample(3, 0).take([])
    assert space.keys(nothing.codes) == []
    assert space.unpack(space.pack(nothing.codes)).shape == (0, 3)


def test_records_of_another_space_are_refused() -> None:
    with pytest.raises(DesignError, match="have 5 bytes; this space has 3"):
        chain().unpack(np.zeros((1, 5), np.uint8))


# Membership


def test_codes_outside_their_domain_are_no_members() -> None:
    space = Space([Integer("a", 1, 3), Real("x", 0, 1)], ["a * x <= 2"])
    codes = np.array(
        [[0, 0.5], [3, 0.5], [-1, 0.5], [0.5, 0.5], [0, 1.5], [0, np.nan], [np.nan, 0], [np.inf, 0], [2, 1.0]]
    )
    assert space.contains(codes).tolist() == [True] + [False] * 8


def test_non_canonical_codes_are_no_members() -> None:
    space = chain()
    assert space.contains(np.array([[1, 0, 1], [0, 0, 1], [1, 1, 1]])).tolist() == [True, False, False]


def test_stated_designs_are_checked() -> None:
    space = Space([Integer("a", 1, 9), Integer("b", 1, 9)], ["a * b <= 10"])
    assert len(space.designs({"a": [1, 2], "b": np.array([9, 5])})) == 2
    assert rows_of(space.designs([{"a": 1, "b": 2}])) == [(1, 2)]
    with pytest.raises(
        DesignError, match=r"design 1 breaks the constraint 'a \* b <= 10' with {'a': 9, 'b': 2}"
    ):
        space.designs({"a": [1, 9], "b": [1, 2]})


# Composition


@given(cases(most=3), cases(most=3))
def test_a_join_is_the_product_of_its_parts(first: Case, second: Case) -> None:
    joined = Space.join({"one": first.space, "two.b": second.space})
    expected = {
        (*a, *b) for a in map(repr_row, all_rows(first.space)) for b in map(repr_row, all_rows(second.space))
    }
    rows = [repr_row(row) for row in all_rows(joined)]
    assert len(rows) == len(expected)
    assert set(rows) == expected
    assert joined.names == (
        *(f"one.{name}" for name in first.space.names),
        *(f"two.b.{name}" for name in second.space.names),
    )
    assert joined.count() == first.space.count() * second.space.count()


def repr_row(row: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple(map(repr, row))


@given(cases(most=4))
def test_joins_nest(case: Case) -> None:
    inner = Space.join({"a": case.space})
    assert all_rows(Space.join({"b": inner})) == all_rows(case.space)


def fits(d: Any) -> Any:
    return d["rows"] * d["cols"] <= 6


def test_callables_keep_reading_their_own_names_under_a_prefix() -> None:
    core = Space([Integer("rows", 1, 4), Integer("cols", 1, 4)], [fits])
    both = Space.join({"x": core, "y.z": core}, ["x.rows == y.z.rows", lambda d: d["x.cols"] < d["y.z.cols"]])
    pairs = [(a, b) for a in range(1, 5) for b in range(1, 5) if a * b <= 6]
    assert sorted(all_rows(both)) == [(a, b, c, d) for a, b in pairs for c, d in pairs if a == c and b < d]
    assert both.constraints[0].columns == ("x.rows", "x.cols")
    assert both.constraints[1].name == "y.z.fits"


def test_expressions_are_renamed_under_a_prefix() -> None:
    part = Space(
        [Categorical("kind", ["kind", "min"]), Integer("min", 1, 3, active_if="kind == 'min'")],
        [Constraint("max(min, 2) <= 3 and kind in ('kind', 'min')", name="bounded"), "min < 4"],
    )
    joined = Space.join({"p": part})
    assert joined.constraints[0].rule == "max(p.min, 2) <= 3 and p.kind in ('kind', 'min')"
    assert joined.constraints[0].name == "p.bounded"
    assert joined.constraints[1].name == "p.min < 4"
    assert joined.parameters[1].active_if == "p.kind == 'min'"


@pytest.mark.parametrize(
    ("make", "fragments"),
    [
        (lambda: Space.join({"1a": chain()}), ["prefix", "'1a'"]),
        (lambda: Space.join({"a": 5}), ["'a'", "5", "Space"]),
        (lambda: Space.join({}), ["at least one parameter"]),
        (lambda: Space.join({"a": chain()}, ["depth < 2"]), ["'depth'", "a.depth"]),
        (
            lambda: Space.join({"a": Space([Integer("b.c", 1, 2)]), "a.b": Space([Integer("c", 1, 2)])}),
            ["'a.b.c'", "rename"],
        ),
    ],
)
def test_bad_joins(make: Callable[[], Space], fragments: list[str]) -> None:
    with pytest.raises(SpaceError) as caught:
        make()
    for fragment in fragments:
        assert fragment in str(caught.value)


# JSON


@given(cases())
def test_json_gives_an_equal_space_with_the_same_enumeration(case: Case) -> None:
    space = case.space
    text = space.to_json()
    again = Space.from_json(text, callables(space))
    assert again == space
    assert again.to_json() == text
    assert all_rows(again) == all_rows(space)
    if all_rows(space):
        assert again.sample(20, 0) == space.sample(20, 0)


@given(parameters("p"), parameters("p"))
def test_spaces_are_equal_when_their_json_is(first: Any, second: Any) -> None:
    assert (Space([first]) == Space([second])) == (first.to_dict() == second.to_dict())


def test_json_holds_reals_exactly() -> None:
    space = Space([Real("x", 0.1, 1 / 3, log=True), Integer("n", -5, 5, step=5)])
    assert Space.from_json(space.to_json()) == space
    assert json.loads(space.to_json())["parameters"][0] == {
        "kind": "real", "name": "x", "low": 0.1, "high": 1 / 3, "log": True,
    }  # fmt: skip


def test_json_names_callables_and_wants_them_back() -> None:
    space = Space([Integer("rows", 1, 4), Integer("cols", 1, 4)], [fits])
    with pytest.raises(SpaceError, match=r"'fits' is a callable: hand it in, callables=\{'fits': function\}"):
        Space.from_json(space.to_json())
    assert Space.from_json(space.to_json(), {"fits": fits}) == space


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("{", "no JSON"),
        ("[]", "format"),
        ('{"format": "dse-space/99"}', "dse-space/99"),
        ('{"format": "dse-space/1", "parameters": []}', "at least one parameter"),
        ('{"format": "dse-space/1", "parameters": [5]}', "kind"),
        ('{"format": "dse-space/1", "parameters": [{"kind": "integer", "name": "a", "low": 1, "high": 2}], '
         '"constraints": [{"expression": "b < 1"}]}', "'b'"),
    ],
)  # fmt: skip
def test_bad_json(text: str, fragment: str) -> None:
    with pytest.raises(DseError, match=fragment):
        Space.from_json(text)


def test_spaces_can_be_pickled_for_worker_processes() -> None:
    space = Space([Integer("rows", 1, 4), Integer("cols", 1, 4, active_if="rows > 2")], [fits, "rows < 4"])
    again = pickle.loads(pickle.dumps(space))
    assert again == space
    assert all_rows(again) == all_rows(space)


# The hash of callables


def code(source: str) -> Any:
    """A function whose source cannot be found: its byte code counts."""
    space: dict[str, Any] = {}
    exec(source, space)
    return space["f"]


def test_code_hashes_follow_what_a_callable_does() -> None:
    assert code_hash(code("def f(d):\n    return d['a'] < 1")) == code_hash(
        code("def f(d):\n    # why\n    return d['a']  <  1")
    )
    assert code_hash(code("def f(d): return d['a'] < 1")) != code_hash(code("def f(d): return d['a'] < 2"))
    assert code_hash(code("def f(d): return d['a'] < 1")) != code_hash(code("def f(d): return d['b'] < 1"))
    assert code_hash(code("def f(d): return d['a'] < 1")) != code_hash(code("def f(d): return d['a'] > 1"))


def test_code_hashes_are_blind_to_comments_docstrings_and_layout() -> None:
    def one() -> Any:
        def rule(d: Any) -> Any:
            """Say one thing."""
            # and another
            return d["a"] < 1

        return rule

    def two() -> Any:
        def rule(d: Any) -> Any:
            return (
                d['a']
                <
                1
            )  # fmt: skip

        return rule

    def three() -> Any:
        def rule(d: Any) -> Any:
            return d["a"] < 2

        return rule

    assert code_hash(one()) == code_hash(two())
    assert code_hash(one()) != code_hash(three())


def test_code_hashes_look_through_prefixes() -> None:
    core = Space([Integer("rows", 1, 4), Integer("cols", 1, 4)], [fits])
    assert Space.join({"p": core}).to_dict()["constraints"][0]["code"] == code_hash(fits)


# What is refused


A, B = Integer("a", 1, 4), Ordinal("b", [1, 2, 4])
KIND = Categorical("kind", ["lut", "mac"])


def raises(d: Any) -> Any:
    raise RuntimeError("boom")


@pytest.mark.parametrize(
    ("make", "fragments"),
    [
        (lambda: Space([]), ["at least one parameter"]),
        (lambda: Space(["a"]), ["'a'", "Categorical, Ordinal, Integer or Real"]),
        (lambda: Space([A, A]), ["'a'", "rename"]),
        (lambda: Space([A], "a < 2"), ["list", "constraints=['a < 2']"]),
        (lambda: Space([A], 5), ["list", "5"]),
        (lambda: Space([A], [5]), ["5", "text nor a callable"]),
        (lambda: Space([A], ["a * 2"]), ["'a * 2'", "comparison"]),
        (lambda: Space([A], ["a <"]), ["'a <'", "parsed"]),
        (lambda: Space([A, B], ["a * c <= 4"]), ["'a * c <= 4'", "'c'", "known are a, b"]),
        (lambda: Space([A], ["1 < 2"]), ["'1 < 2'", "reads no parameter"]),
        (lambda: Space([A, KIND], ["kind == 'luts'"]), ["'luts'", "['lut', 'mac']"]),
        (lambda: Space([A, KIND], ["kind in ('lut', 'luts')"]), ["'luts'"]),
        (lambda: Space([A, KIND], ["a == 'x'"]), ["'a'", "'x'"]),
        (lambda: Space([A, KIND], ["kind * 2 < 3"]), ["'kind * 2 < 3'", "cannot be evaluated"]),
        (lambda: Space([A, KIND], ["kind and a < 2"]), ["'kind'", "compare"]),
        (lambda: Space([A], [lambda d: d["c"] < 1]), ["'c'", "known are a|has a"]),
        (lambda: Space([A], [lambda d: d["a"]]), ["int64", "truth values"]),
        (lambda: Space([A], [lambda d: d["a"][:3] < 2]), ["shape (3,)"]),
        (lambda: Space([A], [raises]), ["'raises'", "RuntimeError: boom"]),
        (lambda: Space([A], [lambda d: True]), ["reads no parameter"]),
        (lambda: Space([A], [Constraint(fits, columns=["rows"])]), ["'rows'", "known are a"]),
        (lambda: Space([Integer("x", 1, 2, active_if="y > 1")]), ["condition of 'x'", "'y'"]),
        (lambda: Space([Integer("x", 1, 2, active_if="x > 1")]), ["x -> x", "circle"]),
        (
            lambda: Space([Integer("x", 1, 2, active_if="y > 1"), Integer("y", 1, 2, active_if="x > 1")]),
            ["x -> y -> x", "circle"],
        ),
        (
            lambda: Space([Integer("x", 1, 2, active_if="1 == 2"), A]),
            ["condition of 'x'", "reads no parameter"],
        ),
        (lambda: Space([KIND, Integer("x", 1, 2, active_if="kind == 'luts'")]), ["'luts'"]),
    ],
)
def test_bad_spaces_are_refused_with_field_value_and_mend(
    make: Callable[[], Space], fragments: list[str]
) -> None:
    with pytest.raises(DseError) as caught:
        make()
    message = str(caught.value)
    assert "\n" not in message
    for fragment in fragments:
        assert any(choice in message for choice in fragment.split("|")), message


def test_one_parameter_needs_no_list() -> None:
    assert Space(A).names == ("a",)


def test_the_size_ignores_constraints() -> None:
    assert Space([A, B, KIND], ["a < b"]).size == 24
    assert Space([A, Real("x", 0, 1)]).size == float("inf")


def test_lookups() -> None:
    space = Space([A, B])
    assert space["b"] is B
    assert "a" in space
    assert "c" not in space
    with pytest.raises(DesignError, match=r"no column 'c'; the space has a, b"):
        space["c"]


def test_partial_functions_are_constraints() -> None:
    def below(d: Any, *, bound: int) -> Any:
        return d["a"] < bound

    space = Space([A], [functools.partial(below, bound=3)])
    assert space.count() == 2
