"""Devices that programs run on, by datasheet."""

from objectives.devices.catalogue import CATALOGUE, gpu
from objectives.devices.gpu import GPU, Multiprocessor
from objectives.devices.processor import ACCELERATORS, Processor, processor

__all__ = ["ACCELERATORS", "CATALOGUE", "GPU", "Multiprocessor", "Processor", "gpu", "processor"]
