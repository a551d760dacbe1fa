"""Lookup-table cores for ternary weights: unit costs and the analytical model."""

from objectives.lut.model import lut_cost_model
from objectives.lut.technology import (
    ACTIVATIONS,
    CMOS_16NM,
    CMOS_45NM,
    TECHNOLOGIES,
    Activation,
    Technology,
    technology,
)

__all__ = [
    "ACTIVATIONS",
    "CMOS_16NM",
    "CMOS_45NM",
    "TECHNOLOGIES",
    "Activation",
    "Technology",
    "lut_cost_model",
    "technology",
]
