"""Devices that programs run on, by datasheet."""

from objectives.devices.catalogue import CATALOGUE, gpu
from objectives.devices.gpu import GPU, Multiprocessor

__all__ = ["CATALOGUE", "GPU", "Multiprocessor", "gpu"]
