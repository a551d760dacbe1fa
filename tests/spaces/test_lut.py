"""The space of lookup-table cores."""

from __future__ import annotations

import numpy as np

from dse.testing import check_space
from spaces.lut import lut_space


def test_promises_of_a_space() -> None:
    check_space(lut_space())


def test_size_is_exact_and_walkable() -> None:
    space = lut_space()
    assert space.count() == sum(len(part) for part in space.enumerate()) == 235_522


def test_the_core_without_tables_has_no_table_parameters() -> None:
    designs = next(iter(lut_space().enumerate(300_000)))
    alone = designs["lut.group_size"] == 1
    assert 0 < alone.sum() < len(designs)
    assert set(designs["lut.storage"][alone]) == {"half"}
    assert set(designs["lut.construction"][alone]) == {"parallel"}


def test_constraints_tie_the_dimensions() -> None:
    designs = lut_space(least_macs=100, most_macs=200).sample(5_000, 0)
    macs = designs["lut.tables"] * designs["lut.group_size"] * designs["lut.readers"] * designs["lut.cores"]
    assert macs.min() >= 100
    assert macs.max() <= 200
    assert np.all(designs["lut.tables"] * designs["lut.group_size"] <= 256)
