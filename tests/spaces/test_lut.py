"""The space of look-up-table cores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dse.errors import SpaceError
from dse.testing import check_space
from spaces.lut import accumulator_bits, lut_space


def test_promises_of_a_space() -> None:
    check_space(lut_space(least_lanes=512))


def test_size_is_exact_and_in_the_millions() -> None:
    assert lut_space().count() == 7_175_904
    small = lut_space(least_lanes=512, most_lanes=512, clocks_mhz=[500])
    assert small.count() == sum(len(part) for part in small.enumerate())


def test_cores_without_tables_have_no_table_parameters() -> None:
    designs = lut_space().sample(20_000, 0)
    alone = designs["lut.unit"] != "lookup"
    assert 0 < alone.sum() < len(designs)
    assert set(designs["lut.group_size"][alone]) == {1}
    assert set(designs["lut.storage"][alone]) == {"half"}
    assert set(designs["lut.construction"][alone]) == {"parallel"}
    assert set(designs["lut.group_size"][~alone]) == {2, 3, 4, 5, 6}
    planes = designs["lut.weight"] != "ternary"
    assert set(designs["lut.zero"][planes]) == {"entry"}


def test_constraints_tie_the_dimensions() -> None:
    designs = lut_space(least_lanes=100, most_lanes=200).sample(5_000, 0)
    lanes = np.prod(
        [designs[f"lut.{name}"] for name in ("tables", "group_size", "readers", "rows", "cores")], axis=0
    )
    assert lanes.min() >= 100
    assert lanes.max() <= 200
    assert np.all(designs["lut.tables"] * designs["lut.group_size"] * designs["lut.rows"] <= 256)


@pytest.mark.parametrize("activation", ["int4", "int8"])
@pytest.mark.parametrize(("weight", "largest"), [("ternary", 1), ("int2", 3), ("int3", 7), ("int4", 15)])
def test_accumulators_hold_the_worst_sum_and_no_more(activation: str, weight: str, largest: int) -> None:
    worst = 6912 * 2 ** (int(activation[3:]) - 1) * largest
    bits = accumulator_bits(activation, weight, 6912)
    assert -(2 ** (bits - 1)) <= -worst
    assert worst < 2 ** (bits - 1)
    assert worst >= 2 ** (bits - 2)
    designs = lut_space(activations=[activation], weights=[weight]).sample(500, 0)
    assert designs["lut.accumulator_bits"].min() >= bits


def test_floats_are_summed_in_formats_that_exist() -> None:
    designs = lut_space(activations=["fp16", "fp32", "int8"]).sample(5_000, 0)
    assert set(designs["lut.accumulator_bits"][designs["lut.activation"] == "fp16"]) == {16, 32}
    assert set(designs["lut.accumulator_bits"][designs["lut.activation"] == "fp32"]) == {32}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"activations": ["int16"]}, "activations: 'int16' is unknown; known are int4, int8, fp8"),
        ({"weights": "ternary"}, "weights='ternary' must be a list of formats"),
        ({"weights": []}, "weights=\\[\\] must be a list"),
        ({"least_lanes": 0}, "least_lanes=0 must be 1 or more"),
        ({"least_lanes": 9, "most_lanes": 8}, "least_lanes=9 exceeds most_lanes=8"),
    ],
)
def test_bad_arguments_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        lut_space(**changes)
