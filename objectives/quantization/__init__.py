"""Number formats of networks: sizes, quantizers, noise, and what they cost on a device."""

from objectives.quantization.analytical import AnalyticalQuality
from objectives.quantization.cost import Use
from objectives.quantization.formats import Format, number_format
from objectives.quantization.groups import Group, grouped, pins
from objectives.quantization.model import QuantizationModel, legal_pairs
from objectives.quantization.multiplication import Multiplication, multiplication
from objectives.quantization.noise import relative_noise, sqnr_db
from objectives.quantization.quantizers import hadamard, quantize

__all__ = [
    "AnalyticalQuality",
    "Format",
    "Group",
    "Multiplication",
    "QuantizationModel",
    "Use",
    "grouped",
    "hadamard",
    "legal_pairs",
    "multiplication",
    "number_format",
    "pins",
    "quantize",
    "relative_noise",
    "sqnr_db",
]
