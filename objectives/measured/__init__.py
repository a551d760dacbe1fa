"""Measured cost models: tables of what somebody ran."""

from dse.table import Table, TableModel
from objectives.measured.files import read_frame, read_kernel_tuner, read_t4, read_table

__all__ = ["Table", "TableModel", "read_frame", "read_kernel_tuner", "read_t4", "read_table"]
