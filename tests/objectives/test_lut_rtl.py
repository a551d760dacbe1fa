"""The generated Verilog: bit-exact against NumPy, as fast as promised, lint-clean."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse.errors import ProblemError
from objectives.lut import Core
from objectives.lut.patterns import additions, nonzero, patterns, steps
from objectives.lut.rtl import (
    SimulationError,
    effective_weights,
    indices,
    product,
    simulate,
    verilog,
    weight_range,
)
from spaces.lut import lut_space

needs_icarus = pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")

SMALL = 8_000  # entries, tables, readers and cycles that Icarus runs in a second or so


def effort(core: Core) -> int:
    return core.entries * core.tables * core.rows * core.readers * core.build_cycles // core.tables


def draw(source: random.Random) -> Core:
    """Return a random core that Icarus simulates quickly."""
    while True:
        group = source.randint(1, 6)
        values: dict[str, Any] = {
            "activation": source.choice(["int4", "int8"]),
            "weight": source.choice(["ternary", "ternary", "int2", "int3", "int4"]),
            "group_size": group,
            "unit": "lookup" if group > 1 else source.choice(["add_subtract", "multiplier"]),
            "storage": source.choice(["half", "full"]),
            "zero": source.choice(["entry", "gate"]),
            "construction": source.choice(["parallel", "serial", "shared"]),
            "double_buffer": source.random() < 0.5,
            "tables": source.choice([1, 2, 3, 4, 5, 8]),
            "readers": source.choice([1, 2, 3, 4, 6]),
            "rows": source.choice([1, 1, 2, 3]),
            "dataflow": source.choice(["output_stationary", "output_stationary", "table_stationary"]),
            "accumulators": source.choice([1, 1, 2, 3, 8]),
            "accumulator_bits": source.choice([20, 24, 32]),
            "reduction": source.choice(["tree", "chain"]),
            "pipeline": source.choice([0, 1, 2]),
        }
        try:
            core = Core(**values)
        except ProblemError:
            continue
        if effort(core) <= SMALL and core.entries * core.tables <= 400:
            return core


def data(core: Core, seed: int) -> tuple[Any, Any]:
    """Return matrices that use every part of a core: all slots, three steps along K, two rows of tiles."""
    rng = np.random.default_rng(seed)
    turns = 3 if core.dataflow == "table_stationary" else 2 * core.accumulators
    shape_a = 2 * core.rows, 3 * core.tables * core.group_size
    shape_w = core.readers * turns, shape_a[1]
    low, high = weight_range(core)
    least, most = -(2 ** (core.bits - 1)), 2 ** (core.bits - 1) - 1
    if seed % 3:
        return rng.integers(least, most + 1, shape_a), rng.integers(low, high + 1, shape_w)
    # Extremes: the least activation, whose negative does not fit its format, with extreme weights.
    return np.full(shape_a, least), rng.choice([low, high, low, 0 if low < 0 else high], shape_w)


def check(core: Core, seed: int, *, fed: Sequence[str] = ("with gaps", "steadily")) -> None:
    """Check results, fed with gaps or without, and the cycles of a steady state."""
    activations, weights = data(core, seed)
    expected = product(core, activations, weights)
    if "with gaps" in fed:
        stuttering = simulate(core, activations, weights, gaps=seed + 1)
        np.testing.assert_array_equal(stuttering.result, expected, err_msg=f"with gaps: {core}")
    if "steadily" not in fed:
        return
    run = simulate(core, activations, weights)
    np.testing.assert_array_equal(run.result, expected, err_msg=str(core))
    turns = len(weights) // core.readers
    stationary = core.dataflow == "table_stationary"
    reads = turns if stationary else core.accumulators
    tables_used = 2 * 3 * (1 if stationary else turns // core.accumulators)
    steady = tables_used * core.turn_cycles(reads * core.planes)
    assert steady <= run.cycles + core.build_cycles, core
    assert run.cycles <= steady + core.build_cycles + 3, core


@needs_icarus
@pytest.mark.parametrize("part", range(5))
def test_random_cores_are_bit_exact(part: int) -> None:
    source = random.Random(100 + part)
    for seed in range(8):
        check(draw(source), seed, fed=["with gaps" if (part + seed) % 2 else "steadily"])


@needs_icarus
@pytest.mark.slow
@pytest.mark.parametrize("part", range(20))
def test_200_random_cores_are_bit_exact(part: int) -> None:
    source = random.Random(500 + part)
    for seed in range(10):
        check(draw(source), seed)


@needs_icarus
@pytest.mark.parametrize(
    "core",
    [
        pytest.param(Core(group_size=6, tables=1, readers=1, accumulator_bits=24), marks=pytest.mark.slow),
        Core(group_size=5, tables=1, readers=1, accumulator_bits=24),
        Core(group_size=4, tables=2, readers=2, construction="serial", double_buffer=True),
        pytest.param(
            Core(group_size=5, tables=2, readers=2, construction="serial", double_buffer=True),
            marks=pytest.mark.slow,
        ),
        Core(group_size=6, weight="int4", tables=2, readers=2, accumulator_bits=32, storage="full"),
    ],
    ids=["ternary-6", "ternary-5", "serial-4", "serial-5", "planes-6"],
)
def test_large_tables_are_bit_exact(core: Core) -> None:
    check(core, 1)


@pytest.mark.skipif(shutil.which("verilator") is None, reason="verilator, the linter, is not installed")
def test_verilog_is_lint_clean(tmp_path: Path) -> None:
    source = random.Random(3)
    for _ in range(12):
        core = draw(source)
        path = tmp_path / "core.v"
        path.write_text(verilog(core))
        command = ["verilator", "--lint-only", "-Wall", "-Wno-DECLFILENAME", "--top-module", "lut_core"]
        done = subprocess.run([*command, str(path)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{core}\n{done.stderr}"


def test_verilog_is_the_same_each_time() -> None:
    core = Core(construction="serial", double_buffer=True, weight="int3")
    assert verilog(core) == verilog(replace(core))
    assert verilog(core) != verilog(replace(core, readers=9))


@given(st.booleans(), st.integers(1, 6), st.booleans())
def test_patterns_are_all_there_once(ternary: bool, group: int, half: bool) -> None:
    held = patterns(ternary, group, half)
    every = (3**group - 1) if ternary else 2**group
    both = {*held, *(tuple(-digit for digit in pattern) for pattern in held)}
    assert len(held) == len(set(held)) == every // (2 if half else 1)
    assert len(both) == every
    if half:
        assert all(next(digit for digit in pattern if digit) == 1 for pattern in held)


@given(st.booleans(), st.integers(1, 6), st.booleans())
def test_a_serial_build_makes_the_entries_in_order(ternary: bool, group: int, half: bool) -> None:
    total, made = [0] * group, []
    for step in steps(ternary, group, half):
        if step.clear:
            total = [0] * group
        total[step.activation] += step.factor
        made.append(tuple(total))
    held = patterns(ternary, group, half)
    assert tuple(made[-len(held) :]) == held


@given(st.booleans(), st.integers(1, 6))
def test_a_parallel_build_takes_one_addition_a_sum(ternary: bool, group: int) -> None:
    known = {tuple(int(place == other) for other in range(group)) for place in range(group)}
    for step in additions(ternary, group):
        assert step.left in known
        assert step.right in known
        pairs = zip(step.left, step.right, strict=True)
        assert step.target == tuple(left + step.sign * right for left, right in pairs)
        known.add(step.target)
    held = patterns(ternary, group, True)
    assert set(held) <= known
    if ternary:
        assert len(additions(True, group)) == sum(nonzero(pattern) > 1 for pattern in held)


def test_additions_of_ternary_tables_are_the_fewest() -> None:
    assert [len(additions(True, group)) for group in range(1, 6)] == [0, 2, 10, 36, 116]


@given(st.integers(0, 2**32 - 1))
def test_every_index_fits_its_width_and_differs(seed: int) -> None:
    core = draw(random.Random(seed))
    low, high = weight_range(core)
    rng = np.random.default_rng(seed)
    weights = rng.integers(low, high + 1, (50, core.group_size * 3))
    words = indices(core, weights)
    assert words.min() >= 0
    assert words.max() < 2**core.index_bits
    assert words.shape == (50, 3, core.planes)
    groups = weights.reshape(50 * 3, core.group_size)
    same_words = {
        (tuple(group), tuple(word)) for group, word in zip(groups, words.reshape(150, -1), strict=True)
    }
    assert len(same_words) == len({word for _, word in same_words}) == len({group for group, _ in same_words})


def test_weights_by_planes_are_odd() -> None:
    core = Core(weight="int2")
    assert effective_weights(core, np.array([[-2, -1, 0, 1]])).tolist() == [[-3, -1, 1, 3]]
    assert effective_weights(Core(), np.array([[-1, 0, 1]])).tolist() == [[-1, 0, 1]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"readers": 0}, "readers=0 must be a whole number, 1 or more"),
        ({"tables": 2.0}, "tables=2.0 must be a whole number"),
        ({"accumulator_bits": 10}, "accumulator_bits=10 is too narrow: one read alone takes 12 bits"),
        ({"activation": "fp16"}, "activation='fp16' has no hardware generator"),
        ({"unit": "multiplier"}, "unit='multiplier' does not go with group_size=3"),
        ({"group_size": 7}, "more than 6"),
        ({"double_buffer": True}, "need no second buffer"),
        ({"construction": "shared", "tables": 1}, "needs two tables or more"),
        ({"construction": "shared", "reduction": "chain"}, "needs reduction='tree'"),
        ({"pipeline": 2, "reduction": "chain"}, "a chain has its registers already"),
        ({"dataflow": "table_stationary", "accumulators": 2}, "keeps no sums, set it to 1"),
        ({"weight": "int5"}, "known are ternary, int2"),
    ],
)
def test_bad_parameters_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ProblemError) as caught:
        Core(**changes)
    assert message in str(caught.value)


def test_bad_data_are_refused() -> None:
    core = Core(accumulator_bits=12)
    with pytest.raises(ProblemError, match="too narrow: sums reach"):
        product(core, np.full((1, 120), -128), np.ones((1, 120), int))
    with pytest.raises(ProblemError, match="weights reach from -1 to 2, outside -1 to 1"):
        indices(core, np.array([[-1, 0, 2]]))
    with pytest.raises(ProblemError, match="matrix of integers, not float64"):
        product(core, np.ones((1, 3)), np.ones((1, 3), int))
    with pytest.raises(ProblemError, match="n=3 is no positive multiple of 8"):
        simulate(Core(), np.zeros((1, 12), int), np.zeros((3, 12), int))


@needs_icarus
def test_a_slow_simulation_is_given_up() -> None:
    core = Core()
    activations, weights = data(core, 1)
    with pytest.raises(SimulationError, match="took more than"):
        simulate(core, activations, weights, timeout_s=1e-3)


def test_every_integer_design_of_the_space_is_a_core() -> None:
    """The space's constraints leave nothing that the generator refuses."""
    space = lut_space(activations=["int4", "int8"], weights=["ternary", "int2", "int3", "int4"], inputs=512)
    for design in space.sample(3_000, 0).rows():
        Core.from_design(design)
