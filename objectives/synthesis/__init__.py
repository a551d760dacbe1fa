"""Logic synthesis: Verilog in, area and depth out."""

from objectives.synthesis.cells import NANGATE_45NM, Cell, liberty
from objectives.synthesis.yosys import (
    Synthesis,
    SynthesisError,
    SynthesisTimeout,
    default_cache,
    find_yosys,
    synthesize,
    synthesize_many,
    yosys_version,
)

__all__ = [
    "NANGATE_45NM",
    "Cell",
    "Synthesis",
    "SynthesisError",
    "SynthesisTimeout",
    "default_cache",
    "find_yosys",
    "liberty",
    "synthesize",
    "synthesize_many",
    "yosys_version",
]
