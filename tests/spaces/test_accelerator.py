"""Spaces of accelerators: budgets are kept, and what is not there is not chosen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dse.errors import SpaceError
from dse.testing import check_space
from objectives.accelerator import CORE_COLUMNS
from objectives.accelerator import DATAFLOWS as MODELLED
from spaces.accelerator import DATAFLOWS, accelerator_space, heterogeneous_space


def test_dataflows_are_those_that_the_models_know() -> None:
    assert DATAFLOWS == MODELLED


def test_one_core() -> None:
    space = accelerator_space(most_pes=1024)
    check_space(space)
    assert set(space.names) == {f"acc.{name}" for name in CORE_COLUMNS}
    designs = space.sample(300, 0)
    assert (designs["acc.rows"] * designs["acc.columns"] <= 1024).all()
    # A register file is chosen only where rows are stationary.
    other = designs["acc.dataflow"] != "row_stationary"
    assert len(np.unique(designs["acc.register_bytes"][other])) == 1
    assert len(np.unique(designs["acc.register_bytes"][~other])) == 4


@pytest.mark.parametrize(
    ("cores", "assignment"),
    [(1, "earliest"), (2, "earliest"), (2, "network"), (2, "segment"), (4, "segment")],
)
def test_cores_share_a_budget(cores: int, assignment: str) -> None:
    space = heterogeneous_space(cores, networks=["a", "b"], assignment=assignment, most_pes=2048)
    check_space(space, samples=64)
    designs = space.sample(100, 1)
    present = designs["acc.cores"]
    pes, shares = np.zeros(100), np.zeros(100)
    for core in range(1, cores + 1):
        here = present >= core
        pes += here * designs[f"acc{core}.rows"] * designs[f"acc{core}.columns"]
        shares += here * designs[f"acc{core}.share"]
        # Of a core that is not there nothing is chosen.
        if not here.all():
            assert len(np.unique(designs.codes[~here][:, [space.names.index(f"acc{core}.rows")]])) == 1
    assert (pes <= 2048).all()
    assert (shares == 8).all()
    for name in space.names:
        if name.startswith("map."):
            assert (designs[name] <= present).all()


@pytest.mark.parametrize(
    ("make", "settings", "message"),
    [
        (accelerator_space, {"dataflows": ["tpu"]}, "dataflow 'tpu' is unknown; known are weight_stationary"),
        (accelerator_space, {"most_pes": 10}, "most_pes=10 is less than the smallest array, 8 x 8"),
        (heterogeneous_space, {"cores": 5}, "cores=5 and least_cores=1 must be 1 to 4"),
        (heterogeneous_space, {"cores": 2, "least_cores": 3}, "least_cores=3"),
        (heterogeneous_space, {"assignment": "any"}, "assignment='any' is unknown"),
        (heterogeneous_space, {"assignment": "network"}, "needs the names of the networks"),
        (heterogeneous_space, {"least_cores": 2, "most_pes": 100}, "most_pes=100 is too few for 2"),
    ],
)
def test_bad_arguments_name_the_mend(make: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        make(**settings)
