"""Whatever happens to a study under way: nothing that was evaluated is lost, nothing is there twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dse.faults.faults import FAULTS, Fault
from tests.dse.faults.table import Counts, run
from tests.postgres import Server


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    started = Server()
    yield started
    started.close()


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("fault", "trials"),
    [
        *(pytest.param(fault, 1, id=f"{fault.name}, once") for fault in FAULTS if fault.quick),
        *(pytest.param(fault, fault.trials, id=fault.name, marks=pytest.mark.slow) for fault in FAULTS),
    ],
)
def test_nothing_is_lost_and_nothing_doubled(
    fault: Fault, trials: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    found = run(fault, trials, tmp_path, request.getfixturevalue("server") if fault.server else None)
    assert found == Counts(0, 0)


def test_the_table_has_two_hundred_faults() -> None:
    assert sum(fault.trials for fault in FAULTS) >= 200
