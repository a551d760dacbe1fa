"""Lookup-table cores for ternary weights: unit costs and the analytical model."""

from objectives.lut.model import lut_cost_model
from objectives.lut.technology import ACTIVATIONS, CMOS_45NM, Activation, Technology

__all__ = ["ACTIVATIONS", "CMOS_45NM", "Activation", "Technology", "lut_cost_model"]
