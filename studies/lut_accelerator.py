"""Look-up-table cores that run a ternary or low-bit language model: area, energy, latency."""

from __future__ import annotations

from dse import Minimize, Problem
from dse.definitions import StudyDefinition
from dse.errors import ProblemError
from objectives.lut import (
    AREA_FACTORS,
    DRAM_PJ_PER_BIT,
    LPDDR5_X64_GB_S,
    SynthesisModel,
    lut_cost_model,
    technology,
    write_hardware,
)
from objectives.workloads import Workload, language_model
from spaces.lut import WEIGHTS, lut_space
from studies.settings import some_names


def problem(
    workload: str = "bitnet-b1.58-2b4t",
    activation: str = "int8",
    weights: str = "",
    node: str = "45nm",
    tokens: int = 1,
    bandwidth_gb_s: float = LPDDR5_X64_GB_S,
    dram_pj_per_bit: float = DRAM_PJ_PER_BIT,
    least_lanes: int = 32,
    most_lanes: int = 1024,
    area_limit_mm2: float = 0.5,
    evaluate: str = "model",
    calibrated: bool = True,
) -> Problem:
    """Return the problem of a look-up-table core that runs a ternary or low-bit language model.

    Parameters
    ----------
    workload
        The language model whose linear layers are run: a name, or a Hugging Face config.json. A ternary one
        fits ternary weights or two bit planes.
    activation
        Formats of activations to choose from, with commas between: int4, int8, fp8, bf16, fp16, fp32.
        BitNet b1.58 2B4T uses 8-bit integers.
    weights
        Formats of weights to choose from: ternary, int2, int3, int4. Empty: what the network is stored in.
    node
        Unit costs: 45nm, or 16nm scaled from it.
    tokens
        Vectors that go through a layer together: 1 decodes, the prompt's length prefills.
    bandwidth_gb_s
        Of the memory that holds the weights; by default 64 lines of LPDDR5 at 6,400 MT/s.
    dram_pj_per_bit
        Energy of reading that memory.
    least_lanes, most_lanes
        Bounds on the weights that are applied in a cycle. Equal bounds compare at equal throughput.
    area_limit_mm2
        Most area of all cores together.
    evaluate
        model: analytical; synthesis: area and logic depth by Yosys, some seconds a design, for integers.
    calibrated
        Whether areas are scaled by the factors fitted to synthesis, or as published.

    Notes
    -----
    A design whose longest path does not fit its clock is infeasible. The hypervolume's reference point is
    the area limit, 2 mJ and 100 ms (ten tokens a second): beyond it no design is of interest.
    """
    chosen = language_model(workload)
    formats = some_names("activation", activation)
    stored = _stored(chosen) if not weights else some_names("weights", weights)
    unit_costs = technology(node)
    model = lut_cost_model(
        chosen,
        technology=unit_costs,
        tokens=tokens,
        bandwidth_gb_s=bandwidth_gb_s,
        dram_pj_per_bit=dram_pj_per_bit,
        area_factors=AREA_FACTORS if calibrated else {},
    )
    if evaluate not in ("model", "synthesis"):
        raise ProblemError(f"evaluate={evaluate!r} is unknown; known are model, synthesis")
    if evaluate == "synthesis" and node != "45nm":
        raise ProblemError(f"node={node!r}: the cells of the synthesis are of 45nm")
    return Problem(
        lut_space(
            activations=formats,
            weights=stored,
            inputs=int(chosen.shapes[:, 0].max()),
            least_lanes=least_lanes,
            most_lanes=most_lanes,
        ),
        model if evaluate == "model" else SynthesisModel(model),
        objectives=[
            Minimize("area_mm2", reference=area_limit_mm2),
            Minimize("energy_per_token_mj", reference=2.0),
            Minimize("latency_per_token_ms", reference=100.0),
        ],
        limits=["timing_slack_ns >= 0", f"area_mm2 <= {area_limit_mm2}"],
        name="lut-accelerator",
    )


def _stored(chosen: Workload) -> list[str]:
    """Return the formats that a network's own weights fit."""
    if chosen.weight_format == "ternary":
        return ["ternary", "int2"]
    if chosen.weight_format not in WEIGHTS:
        raise ProblemError(
            f"weights: {chosen.name} is stored in {chosen.weight_format}: say what it is quantized to, "
            f"as in weights=int4 or weights=ternary; known are {', '.join(WEIGHTS)}"
        )
    return [chosen.weight_format]


study = StudyDefinition(
    "lut-accelerator",
    "look-up-table cores for ternary or low-bit weights running a language model: area, energy, latency",
    problem,
    searcher="nsga2",
    budget=10_000,
    synthesize=write_hardware,
)

if __name__ == "__main__":
    study.main()
