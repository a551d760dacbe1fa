"""Factors on the areas of components, fitted to synthesis.

Fitted by ``python -m benchmarks.lut_synthesis fit`` to half of the 240 random integer cores of
docs/models/lut_synthesis.csv (Yosys 0.23, NanGate 45 nm cell areas); docs/models/lut.md gives the errors on
the other half. Registers are cells of known area and counted: their factor is 1. Floating-point units are not
part of the fit.
"""

AREA_FACTORS = {
    "registers": 1.0,
    "holds": 0.898,
    "adders": 0.986,
    "negations": 0.56,
    "selections": 0.898,
    "gates": 1.138,
    "multipliers": 1.059,
}
