"""Cores of integer activations as Verilog, with the reference that they are simulated against."""

from objectives.lut.rtl.golden import effective_weights, indices, product, weight_range
from objectives.lut.rtl.simulate import Simulation, SimulationError, simulate
from objectives.lut.rtl.verilog import TOP, verilog

__all__ = [
    "TOP",
    "Simulation",
    "SimulationError",
    "effective_weights",
    "indices",
    "product",
    "simulate",
    "verilog",
    "weight_range",
]
