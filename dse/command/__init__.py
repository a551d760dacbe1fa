"""A command-line program as a cost model: `CommandModel`, and how its output is read."""

from __future__ import annotations

from dse.command.model import CommandModel
from dse.command.outputs import Csv, Json, Output, Regex

__all__ = ["CommandModel", "Csv", "Json", "Output", "Regex"]
