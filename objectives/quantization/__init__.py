"""Number formats of networks: sizes, quantizers, noise, and what they cost on a device."""

from objectives.quantization.analytical import AnalyticalQuality
from objectives.quantization.calibration import CalibratedQuality, Sensitivity
from objectives.quantization.cost import Use
from objectives.quantization.digits import digits
from objectives.quantization.formats import Format, number_format
from objectives.quantization.groups import Group, grouped, own_groups, pins
from objectives.quantization.measured import MeasuredQuality
from objectives.quantization.model import QuantizationModel, legal_pairs
from objectives.quantization.multiplication import Multiplication, multiplication
from objectives.quantization.network import Choice, Dense, Network
from objectives.quantization.noise import relative_noise, sqnr_db
from objectives.quantization.quantizers import hadamard, quantize
from objectives.quantization.tensors import Tensors, open_tensors
from objectives.quantization.trained import TrainedModel

__all__ = [
    "AnalyticalQuality",
    "CalibratedQuality",
    "Choice",
    "Dense",
    "Format",
    "Group",
    "MeasuredQuality",
    "Multiplication",
    "Network",
    "QuantizationModel",
    "Sensitivity",
    "Tensors",
    "TrainedModel",
    "Use",
    "digits",
    "grouped",
    "hadamard",
    "legal_pairs",
    "multiplication",
    "number_format",
    "open_tensors",
    "own_groups",
    "pins",
    "quantize",
    "relative_noise",
    "sqnr_db",
]
