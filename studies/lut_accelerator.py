"""Lookup-table cores for ternary weights that run a ternary language model: area, energy, latency."""

from __future__ import annotations

from dse import Minimize, Problem
from dse.definitions import StudyDefinition
from objectives.lut import lut_cost_model, technology
from objectives.lut.technology import DRAM_PJ_PER_BIT, LPDDR5_X64_GB_S
from objectives.workloads import network
from spaces.lut import lut_space


def problem(
    workload: str = "bitnet-b1.58-2b4t",
    activation: str = "int8",
    node: str = "45nm",
    clock_mhz: float = 500.0,
    bandwidth_gb_s: float = LPDDR5_X64_GB_S,
    dram_pj_per_bit: float = DRAM_PJ_PER_BIT,
    area_limit_mm2: float = 4.0,
) -> Problem:
    """Return the problem of a lookup-table core that decodes a ternary language model.

    Parameters
    ----------
    workload
        The network whose linear layers are run.
    activation
        Format of activations: int4, int8, int16, fp8, bf16, fp16, fp32. BitNet b1.58 2B4T uses
        8-bit integers.
    node
        Unit costs: 45nm, or 16nm scaled from it.
    clock_mhz
        Clock of the cores.
    bandwidth_gb_s
        Of the memory that holds the weights; by default 64 lines of LPDDR5 at 6,400 MT/s.
    dram_pj_per_bit
        Energy of reading that memory.
    area_limit_mm2
        Most area of all cores together.

    Notes
    -----
    The hypervolume's reference point is the area limit, 1 mJ and 300 ms (some three tokens a second):
    beyond it no design is of interest.
    """
    model = lut_cost_model(
        network(workload),
        activation=activation,
        technology=technology(node),
        clock_mhz=clock_mhz,
        bandwidth_gb_s=bandwidth_gb_s,
        dram_pj_per_bit=dram_pj_per_bit,
    )
    return Problem(
        lut_space(),
        model,
        objectives=[
            Minimize("area_mm2", reference=area_limit_mm2),
            Minimize("energy_per_token_mj", reference=1.0),
            Minimize("decode_latency_ms", reference=300.0),
        ],
        limits=[f"area_mm2 <= {area_limit_mm2}"],
        name="lut-accelerator",
    )


study = StudyDefinition(
    "lut-accelerator",
    "lookup-table cores for ternary weights running BitNet b1.58 2B4T: area, energy, latency",
    problem,
    searcher="nsga2",
    budget=10_000,
)

if __name__ == "__main__":
    study.main()
