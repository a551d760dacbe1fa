"""Architectures that ZigZag's and Timeloop's YAML files describe: read, evaluated, and written."""

from __future__ import annotations

from objectives.architectures.architecture import Architecture, Storage
from objectives.architectures.core import core_columns
from objectives.architectures.mapped import FileModel
from objectives.architectures.simulated import SimulatedFile
from objectives.architectures.timeloop import read_timeloop, timeloop_text
from objectives.architectures.zigzag import read_zigzag, zigzag_text

__all__ = [
    "Architecture",
    "FileModel",
    "SimulatedFile",
    "Storage",
    "core_columns",
    "read_timeloop",
    "read_zigzag",
    "timeloop_text",
    "zigzag_text",
]
