"""Enumeration: every feasible design once, in constant memory."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse import Categorical, Constraint, Designs, Integer, Ordinal, Real, Space
from dse.errors import SpaceError
from dse.space import enumeration
from tests.strategies import Case, cases, rows_of


@settings(max_examples=200)
@given(cases())
def test_enumeration_equals_brute_force(case: Case) -> None:
    rows = [row for designs in case.space.enumerate() for row in rows_of(designs)]
    expected = case.brute_force()
    assert len(rows) == len(expected)  # each once
    assert {repr(row) for row in rows} == {repr(row) for row in expected}
    assert case.space.count() == len(expected)
    assert isinstance(case.space.count(), int)


@given(cases(), st.integers(1, 7), st.integers(1, 40), st.integers(0, 50))
def test_any_chunk_and_block_gives_the_same_order(case: Case, block: int, chunk: int, skip: int) -> None:
    """`block` is how many partial designs are extended at once: the order must not depend on it."""
    whole = [row for designs in case.space.enumerate() for row in rows_of(designs)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(enumeration, "BLOCK", block)
        parts = [rows_of(designs) for designs in case.space.enumerate(chunk, skip=skip)]
        count = case.space.count()
    assert all(len(part) == chunk for part in parts[:-1])
    assert all(0 < len(part) <= chunk for part in parts[-1:])
    assert [row for part in parts for row in part] == whole[skip:]
    assert count == len(whole)


@given(cases())
def test_enumerated_designs_are_members(case: Case) -> None:
    for designs in case.space.enumerate():
        assert case.space.contains(designs).all()
        assert np.array_equal(case.space.canonical(designs.codes), designs.codes)


@given(cases())
def test_membership_equals_brute_force(case: Case) -> None:
    """Over all raw combinations of codes: members are the canonical, feasible ones."""
    sizes = [int(parameter.cardinality) for parameter in case.space.parameters]
    codes = np.stack(np.meshgrid(*map(np.arange, sizes), indexing="ij"), axis=-1).reshape(-1, len(sizes))
    inside = case.space.contains(codes)
    assert inside.sum() == len(case.brute_force())
    found = {repr(row) for row in rows_of(Designs(case.space, codes[inside]))}
    assert found == {repr(row) for row in case.brute_force()}


def test_chunks_may_be_kept() -> None:
    """A yielded batch does not change when the walk goes on."""
    space = Space([Integer("a", 0, 99), Integer("b", 0, 9)], ["a + b <= 100"])
    kept = list(space.enumerate(64))
    assert len({key for designs in kept for key in space.keys(designs.codes)}) == space.count()


def test_wide_parameters_are_walked_in_parts() -> None:
    space = Space(
        [Integer("a", 0, 200_000), Categorical("k", ["x", "y"])],
        ["a % 50_000 == 0 or a < 3", "a != 1 or k == 'x'"],
    )
    rows = [row for designs in space.enumerate(3) for row in rows_of(designs)]
    assert sorted(rows) == sorted(
        (a, k) for a in (0, 1, 2, 50_000, 100_000, 150_000, 200_000) for k in "xy" if a != 1 or k == "x"
    )


def test_a_wide_parameter_that_is_not_active_counts_once() -> None:
    space = Space([Categorical("k", ["x", "y"]), Integer("a", 0, 100_000, active_if="k == 'x'", inactive=7)])
    assert space.count() == 100_001 + 1
    assert sum(map(len, space.enumerate())) == 100_002


def test_enumeration_takes_constant_memory() -> None:
    """More than 10^6 designs of 48 bytes a row: holding them takes 50 MB."""
    space = Space([Integer(f"x{i}", 0, 10) for i in range(6)], ["x0 + x1 + x2 <= 25", "x3 * x4 <= x5 + 60"])
    next(space.enumerate())
    tracemalloc.start()
    try:
        total = sum(len(designs) for designs in space.enumerate(10_000))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total == space.count()
    assert total > 1_000_000
    assert peak < 16e6


def test_constraints_prune_before_the_product_is_built() -> None:
    """10^30 combinations, of which chained constraints leave few."""
    names = [f"x{i}" for i in range(30)]
    space = Space(
        [Integer(name, 0, 9) for name in names],
        [f"{a} + 8 < {b}" for a, b in zip(names[::2], names[1::2], strict=True)],
    )
    assert space.size == 10**30
    assert space.count() == 1
    assert rows_of(next(space.enumerate())) == [(0, 9) * 15]


def test_the_number_of_designs_is_exact_beyond_what_can_be_walked() -> None:
    """Independent parts are counted apart."""
    space = Space(
        [Integer(f"x{i}", 1, 100) for i in range(20)], [f"x{i} <= x{i + 1}" for i in range(0, 20, 2)]
    )
    assert space.count() == 5050**10


def test_counting_ends_where_nothing_survives() -> None:
    """The budget of work holds also where no design is ever complete."""
    names = [f"x{i}" for i in range(14)]
    space = Space([Integer(name, 0, 9) for name in names], [" + ".join(names) + " <= 40"])
    exact = enumeration.count(space, space.components[0].steps, 100_000)
    assert exact is None
    never = Space([Integer(name, 0, 9) for name in names], [" + ".join(names[:-1]) + " > 117", "x13 > 9"])
    assert never.count(work=100_000) == 0


def test_spaces_that_cannot_be_enumerated_say_why() -> None:
    space = Space([Real("x", 0, 1), Integer("a", 1, 2)])
    with pytest.raises(SpaceError, match=r"'x' is real; make it Ordinal"):
        next(space.enumerate())
    assert space.count() == float("inf")
    with pytest.raises(SpaceError, match="chunk=0"):
        next(Space([Integer("a", 1, 2)]).enumerate(0))
    with pytest.raises(SpaceError, match="skip=-1"):
        next(Space([Integer("a", 1, 2)]).enumerate(skip=-1))


def test_an_empty_space_has_no_designs() -> None:
    space = Space([Integer("a", 1, 3), Integer("b", 1, 3)], ["a + b > 6"])
    assert space.count() == 0
    assert list(space.enumerate()) == []
    assert list(Space([Integer("a", 1, 3)]).enumerate(skip=3)) == []


def test_a_constraint_sees_only_the_columns_that_it_named() -> None:
    def reads_another(d):  # type: ignore[no-untyped-def]
        return d["a"] <= d["b"]

    space = Space([Integer("b", 1, 3), Integer("a", 1, 3)], [Constraint(reads_another, columns=["a"])])
    with pytest.raises(SpaceError, match=r"reads column 'b' beside \['a'\].*columns="):
        space.sample(5, 0)


def test_gemm_space_of_the_auto_tuning_benchmark(reference_data: Path) -> None:
    """CLBlast's Xgemm as the BAT/FAIR benchmark hub states it: 116,928 of 663,552 are legal."""
    file = reference_data / "gpu" / "T1_gemm_milo.json"
    if not file.exists():
        pytest.skip(f"no {file.name} in the reference data")
    stated = json.loads(file.read_text())["ConfigurationSpace"]
    space = Space(
        [Ordinal(item["Name"], json.loads(item["Values"])) for item in stated["TuningParameters"]],
        [item["Expression"] for item in stated["Conditions"]],
    )
    assert space.size == 663_552
    assert space.count() == 116_928
    assert sum(len(designs) for designs in space.enumerate(1_000)) == 116_928
    assert space.contains(space.sample(1_000, 0)).all()
