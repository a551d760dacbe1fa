"""The model of lookup-table cores: hand-counted cores, properties, and the findings that it shows."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse import Designs, Evaluations, Minimize, Problem
from dse.errors import ProblemError
from dse.pareto import nondominated
from dse.testing import check_cost_model
from objectives.lut import ACTIVATIONS, CMOS_16NM, CMOS_45NM, lut_cost_model, technology
from objectives.lut.model import additions, entries, index_bits
from objectives.workloads import BITNET_B158_2B4T, LinearLayer, Workload
from spaces.lut import lut_space

TINY = Workload("tiny", (LinearLayer("a", 8, 6), LinearLayer("b", 5, 4, 3)), "made up")
SPACE = lut_space()
BASE = {
    "lut.group_size": 2,
    "lut.storage": "half",
    "lut.construction": "parallel",
    "lut.double_buffer": True,
    "lut.tables": 4,
    "lut.readers": 4,
    "lut.accumulators": 2,
    "lut.cores": 1,
}


def design(**changes: Any) -> Designs:
    return Designs.from_rows(SPACE, [BASE | {f"lut.{key}": value for key, value in changes.items()}])


def metrics(workload: Workload = TINY, activation: str = "int8", **changes: Any) -> dict[str, float]:
    model = lut_cost_model(workload, activation=activation)
    return {name: float(column[0]) for name, column in model(design(**changes)).items()}


def test_unit_costs_are_those_of_the_sources() -> None:
    assert CMOS_45NM.add_um2([8, 16, 32]).tolist() == [36, 67, 137]
    assert CMOS_45NM.add_pj([8, 16, 32]).tolist() == [0.03, 0.05, 0.1]
    assert CMOS_45NM.add_um2(12) == pytest.approx((36 + 67) / 2)


def test_bf16_lies_on_the_power_law_through_fp16_and_fp32() -> None:
    """Significands of 8, 11 and 24 bits: equal slopes on logarithmic axes."""
    for costs in (CMOS_45NM.float_add_um2, CMOS_45NM.float_add_pj):
        slope = np.log(costs["fp32"] / costs["fp16"]) / np.log(24 / 11)
        assert np.log(costs["fp16"] / costs["bf16"]) / np.log(11 / 8) == pytest.approx(slope)


def test_16nm_is_scaled_by_the_published_factors() -> None:
    """By hand from the table and the polynomials of Stillmaker and Baas, 45 nm at 0.9 V to 16 nm at 0.8 V."""
    area = 0.19
    energy = (0.2958 * 0.64 - 0.1241 * 0.8 + 0.03024) / (1.018 * 0.81 - 0.3107 * 0.9 + 0.1539)
    assert energy == pytest.approx(0.1721, abs=1e-4)
    for activation in ("int8", "fp16"):
        old, new = (
            lut_cost_model(BITNET_B158_2B4T, activation=activation, technology=node)(SPACE.sample(500, 0))
            for node in (CMOS_45NM, CMOS_16NM)
        )
        assert new["area_mm2"] == pytest.approx(area * old["area_mm2"])
        switching = old["energy_per_token_mj"] * (1 - old["leakage_share"])
        assert new["energy_per_token_mj"] == pytest.approx(energy * switching)
        assert (new["leakage_share"] == 0).all()
        assert new["decode_latency_ms"] == pytest.approx(old["decode_latency_ms"])
    with pytest.raises(ProblemError, match="no node '7nm'; known are 45nm, 16nm"):
        technology("7nm")


@pytest.mark.parametrize("g", [1, 2, 3, 4])
def test_tables_are_counted_as_patterns(g: int) -> None:
    """Entries and additions, against the sums of all patterns of weights listed one by one."""
    patterns = [np.array(pattern) for pattern in product((-1, 0, 1), repeat=g)]
    group = np.array([g])
    assert entries(group, np.array([False]))[0] == len(patterns)
    # Half: one of each pair of opposite patterns that are not zero.
    assert entries(group, np.array([True]))[0] == (len(patterns) - 1) / 2
    assert 2 ** index_bits(group)[0] >= len(patterns) > 2 ** (index_bits(group)[0] - 1)
    first_positive = [p for p in patterns if p.any() and p[np.flatnonzero(p)[0]] > 0]
    assert additions(group, np.array([True]), False)[0] == sum(np.abs(p).sum() > 1 for p in first_positive)
    negatives = len(patterns) - 1 - len(first_positive)
    assert (
        additions(group, np.array([False]), False)[0]
        == additions(group, np.array([True]), False)[0] + negatives
    )


def test_cycles_by_hand() -> None:
    """8 inputs in one step of 4 tables of 2; 6 outputs in two turns of 4; two accumulators: one tile."""
    found = metrics(Workload("one", (LinearLayer("a", 8, 6),), "made up"))
    macs = 4 * 2 * 4
    assert found["utilisation"] == pytest.approx(8 * 6 / (macs * 2))
    # Without a second buffer the tables are built before they are read.
    alone = metrics(Workload("one", (LinearLayer("a", 8, 6),), "made up"), double_buffer=False)
    assert alone["utilisation"] == pytest.approx(8 * 6 / (macs * 3))
    # A serial builder of the half table of two activations takes its two additions, one a cycle.
    serial = metrics(
        Workload("one", (LinearLayer("a", 8, 6),), "made up"), double_buffer=False, construction="serial"
    )
    assert serial["utilisation"] == pytest.approx(8 * 6 / (macs * 4))


@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 40))
def test_cycles_are_those_of_a_walk_through_the_schedule(seed: int, inputs: int, outputs: int) -> None:
    """Step along K, then tile by tile along N, building before reading, or while, as the design says."""
    row = next(SPACE.sample(1, seed).rows())
    group, half = np.array([row["lut.group_size"]]), np.array([row["lut.storage"] == "half"])
    build = 1
    if row["lut.construction"] == "serial":
        build = max(1, int(additions(group, half, False)[0]))
    cycles = 0
    for _ in range(0, inputs, row["lut.tables"] * row["lut.group_size"]):
        done = 0
        while done < outputs:
            reads = 0
            while reads < row["lut.accumulators"] and done < outputs:
                done += row["lut.readers"] * row["lut.cores"]
                reads += 1
            cycles += max(reads, build) if row["lut.double_buffer"] else reads + build
    workload = Workload("one", (LinearLayer("a", inputs, outputs),), "made up")
    found = lut_cost_model(workload)(Designs.from_rows(SPACE, [row]))
    macs = np.prod([row[f"lut.{name}"] for name in ("tables", "group_size", "readers", "cores")])
    assert found["utilisation"][0] == pytest.approx(inputs * outputs / (macs * cycles))


def test_ragged_edges_cost_full_steps() -> None:
    """5 inputs of 8 a step, 4 outputs of 4: the second shape wastes three of eight inputs."""
    full = metrics(Workload("full", (LinearLayer("a", 8, 4),), "made up"), accumulators=1)
    ragged = metrics(Workload("ragged", (LinearLayer("a", 5, 4),), "made up"), accumulators=1)
    assert ragged["utilisation"] == pytest.approx(full["utilisation"] * 5 / 8)


def test_area_by_hand() -> None:
    """One table of one INT8 activation, one reader, one accumulator: an add/subtract unit."""
    found = metrics(
        Workload("one", (LinearLayer("a", 4, 4),), "made up"),
        group_size=1, tables=1, readers=1, accumulators=1, double_buffer=False,
    )  # fmt: skip
    t = CMOS_45NM
    accumulator = 8 + 2  # four products of 8 bits
    table = 8 * t.register_um2 + 8 * t.register_um2  # the input, and the table of the one sum
    reader = 8 * t.xor2_um2 + 8 * t.and2_um2 + 2 * t.register_um2  # sign, zero, and the index of two bits
    reduction = float(t.add_um2(accumulator)) + accumulator * t.register_um2
    assert found["area_mm2"] == pytest.approx((table + reader + reduction) * 1e-6)
    assert found["table_area_share"] == pytest.approx(table / (table + reader + reduction))


def test_leakage_is_paid_for_area_and_time() -> None:
    """25.07 nW an AND2_X1 of 1.064 µm², for as long as a token takes."""
    found = metrics(BITNET_B158_2B4T)
    milliwatts = 25.07e-6 / 1.064e-6 * found["area_mm2"]
    leaked = milliwatts * found["decode_latency_ms"] * 1e-3
    assert found["leakage_share"] == pytest.approx(leaked / found["energy_per_token_mj"])
    system = found["energy_per_token_mj"] + found["dram_energy_per_token_mj"]
    assert found["system_energy_per_token_mj"] == pytest.approx(system)


def test_decode_is_bound_by_memory_once_the_core_is_large() -> None:
    slow = metrics(BITNET_B158_2B4T, tables=4, readers=4)
    fast = metrics(BITNET_B158_2B4T, group_size=5, tables=16, readers=48, accumulators=8)
    assert slow["compute_bound_share"] == 1
    assert fast["compute_bound_share"] == 0
    # 8 bits for 5 weights, over 51.2 GB/s; groups do not end with the layers, hence a little more.
    weights = BITNET_B158_2B4T.weights
    assert fast["decode_latency_ms"] == pytest.approx(weights * 8 / 5 / 8 / 51.2e9 * 1e3, rel=0.001)


def test_promises_of_a_cost_model() -> None:
    check_cost_model(lut_cost_model(BITNET_B158_2B4T), SPACE)
    check_cost_model(lut_cost_model(TINY, activation="fp16"), SPACE)


@given(st.integers(0, 10_000), st.sampled_from(list(ACTIVATIONS)))
def test_results_are_physical(seed: int, activation: str) -> None:
    found = lut_cost_model(TINY, activation=activation)(SPACE.sample(64, seed))
    for name, column in found.items():
        assert np.isfinite(column).all(), name
        assert (column >= 0).all(), name
    assert (found["utilisation"] <= 1 + 1e-12).all()
    shares = found["table_area_share"] + found["reader_area_share"] + found["reduction_area_share"]
    assert shares == pytest.approx(1.0)


@given(st.integers(0, 10_000), st.sampled_from(["tables", "readers", "cores", "accumulators"]))
def test_more_of_a_part_takes_more_area(seed: int, part: str) -> None:
    column = f"lut.{part}"
    values = SPACE[column].decode(np.arange(int(SPACE[column].cardinality)))
    row = next(SPACE.sample(1, seed).rows())
    grown = Designs.from_rows(SPACE, [row | {column: int(value)} for value in values])
    area = lut_cost_model(BITNET_B158_2B4T)(grown)["area_mm2"]
    assert (np.diff(area) > 0).all()


def test_wider_activations_cost_more() -> None:
    areas = [metrics(activation=name)["area_mm2"] for name in ("int4", "int8", "int16", "fp16", "fp32")]
    energies = [
        metrics(activation=name)["energy_per_token_mj"] for name in ("int4", "int8", "int16", "fp16", "fp32")
    ]
    assert areas == sorted(areas)
    assert energies == sorted(energies)


def test_fp8_is_summed_in_fp16() -> None:
    """Only the registers of the activations, half as wide, are saved: 4 tables of 2."""
    saved = metrics(activation="fp16")["area_mm2"] - metrics(activation="fp8")["area_mm2"]
    assert saved == pytest.approx(4 * 2 * (16 - 8) * CMOS_45NM.register_um2 * 1e-6)


def test_double_buffering_never_slows() -> None:
    designs = SPACE.sample(2_000, 0)
    columns = {name: designs[name] for name in SPACE.names}
    model = lut_cost_model(BITNET_B158_2B4T)
    with_buffer = Designs.from_columns(SPACE, columns | {"lut.double_buffer": np.ones(2_000, bool)})
    without = Designs.from_columns(SPACE, columns | {"lut.double_buffer": np.zeros(2_000, bool)})
    assert (model(with_buffer)["decode_latency_ms"] <= model(without)["decode_latency_ms"]).all()
    assert (model(with_buffer)["area_mm2"] > model(without)["area_mm2"]).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"activation": "int7"}, "known are int4, int8, int16, fp8, bf16, fp16, fp32"),
        ({"clock_mhz": 0.0}, "clock_mhz=0.0 must be a positive number"),
        ({"bandwidth_gb_s": float("nan")}, "bandwidth_gb_s=nan"),
        ({"dram_pj_per_bit": -1.0}, "dram_pj_per_bit=-1.0"),
    ],
)
def test_bad_settings_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ProblemError, match=message):
        lut_cost_model(TINY, **changes)


@pytest.fixture(scope="module")
def exact() -> dict[str, Evaluations]:
    """Every design of the space, by activation."""
    found = {}
    for activation in ("int4", "int8", "bf16", "fp16"):
        model = lut_cost_model(BITNET_B158_2B4T, activation=activation)
        problem = Problem(SPACE, model, [Minimize("area_mm2"), Minimize("decode_latency_ms")])
        found[activation] = Evaluations.concat([problem.evaluate(part) for part in SPACE.enumerate(100_000)])
    return found


def densest(evaluations: Evaluations, tables: bool) -> float:
    """The least area a multiply-accumulate a cycle, with or without tables, among cores of 512 and more."""
    columns = [f"lut.{name}" for name in ("group_size", "tables", "readers", "cores")]
    macs = np.prod([evaluations.designs[name].astype(float) for name in columns], axis=0)
    chosen = (macs >= 512) & ((evaluations.designs["lut.group_size"] > 1) == tables)
    return float((evaluations.metrics["area_mm2"][chosen] / macs[chosen]).min())


def test_activation_type_decides_whether_tables_pay(exact: dict[str, Evaluations]) -> None:
    """arXiv:2604.25183, abstract: large gains for FP16, diminishing returns for small integers."""
    gain = {name: densest(found, False) / densest(found, True) for name, found in exact.items()}
    assert gain["fp16"] > 2
    assert gain["int8"] < 1.1
    assert gain["int4"] < gain["int8"] < gain["bf16"] < gain["fp16"]


def test_larger_cores_are_denser_than_many_small_ones(exact: dict[str, Evaluations]) -> None:
    """arXiv:2604.25183, abstract: maximising core size improves area density."""
    for found in exact.values():
        columns = [f"lut.{name}" for name in ("group_size", "tables", "readers", "cores")]
        macs = np.prod([found.designs[name].astype(float) for name in columns], axis=0)
        density = found.metrics["area_mm2"] / macs
        best = [density[(macs == 1536) & (found.designs["lut.cores"] == cores)].min() for cores in (1, 4, 16)]
        assert best == sorted(best)


def test_the_front_trades_all_three_objectives() -> None:
    from studies.lut_accelerator import problem

    chosen = problem()
    parts = [chosen.evaluate(part) for part in chosen.space.enumerate(100_000)]
    found = Evaluations.concat(parts)
    front = found.objectives[found.feasible][nondominated(found.objectives[found.feasible])]
    assert len(front) > 100
    for one in range(3):
        for other in range(3):
            if one != other:
                assert np.corrcoef(np.argsort(np.argsort(front[:, one])), front[:, other])[0, 1] < 0.999
