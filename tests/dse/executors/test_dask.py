"""A cluster of Dask: real scheduler and workers on loopback."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dse import Study
from dse.errors import ExecutorError
from dse.executors import DaskExecutor
from tests.dse.executors.models import mixed, vectorised
from tests.dse.executors.test_pool import ROOT, archive, url

distributed = pytest.importorskip("distributed", reason="Dask is not installed: dse-toolkit[cluster]")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as made:
        yield made


@pytest.fixture
def address(cluster: Any) -> str:
    return str(cluster.scheduler_address)


def test_a_cluster_finds_what_one_process_finds(address: str, tmp_path: Path) -> None:
    here = Study("s", vectorised(), "nsga2", store=url(tmp_path, "here"), batch=40).run(160)
    there = Study("s", vectorised(), "nsga2", store=url(tmp_path, "there"), batch=40)
    there.run(160, executor=DaskExecutor(address))
    assert archive(there) == archive(here)


def test_a_bad_design_fails_alone_on_a_cluster(address: str, tmp_path: Path) -> None:
    study = Study("s", mixed("fine", "exit", "sleep", "unpicklable"), "random", store=url(tmp_path), batch=16)
    study.run(16, executor=DaskExecutor(address, timeout=0.5))
    states = study.evaluations().groupby("kind")["state"].unique().map(list).to_dict()
    assert states == {
        "fine": ["complete"], "exit": ["failed"], "sleep": ["timeout"], "unpicklable": ["failed"],
    }  # fmt: skip


def test_asynchronous_on_a_client_of_ones_own(cluster: Any, tmp_path: Path) -> None:
    with distributed.Client(cluster) as client:
        study = Study("s", mixed("fine", "nan", delay=0.01), "random", store=url(tmp_path))
        study.run(24, executor=DaskExecutor(client), asynchronous=True)
        assert len(study) == 24
        assert client.status == "running", "a client that was handed in stays open"


def test_the_command_line_runs_on_a_cluster(address: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dse", "run", "lut-accelerator", "--budget", "200", "--json"]
    one, two = (
        subprocess.run(
            [*command, "--store", url(tmp_path, name), *more],
            cwd=ROOT, capture_output=True, text=True, timeout=120,
        )
        for name, more in (("one", []), ("two", ["--dask", address]))
    )  # fmt: skip
    assert two.returncode == 0, two.stderr
    found = [json.loads(done.stdout) for done in (one, two)]
    assert found[0]["hypervolume"] == found[1]["hypervolume"]


def test_nobody_at_an_address_is_told() -> None:
    with pytest.raises(ExecutorError, match=r"no Dask scheduler answers at 'tcp://127\.0\.0\.1:1'"):
        DaskExecutor("tcp://127.0.0.1:1", wait=0.3)
