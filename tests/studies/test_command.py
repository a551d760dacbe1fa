"""A program as a study without Python: the file of docs/simulators.md, and what is wrong in others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import dse

ROOT = Path(__file__).parents[2]
SIM = ROOT / "tests" / "dse" / "command" / "sim.py"


@pytest.fixture
def stated() -> str:
    """The example of the page."""
    return (ROOT / "docs" / "simulators.md").read_text().split("```yaml\n")[1].split("```")[0]


def test_the_file_of_the_page_runs(stated: str, tmp_path: Path) -> None:
    (tmp_path / "sim.py").write_text(SIM.read_text())
    (tmp_path / "sim.yaml").write_text(stated)
    done = dse("run", "command", "--set", "file=sim.yaml", "--budget", "12", cwd=tmp_path)
    assert "12 of 12" in done.stdout + done.stderr
    front = dse("front", "command-file=sim.yaml", "--format", "csv", cwd=tmp_path).stdout
    assert front.splitlines()[0].endswith("tile,stages,latency_ms,energy_mj")


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("stages: {low: 1, high: 5}", "stages: 3", "parameters.stages: 3 is none: write a list of values"),
        ("minimize: [latency_ms, energy_mj]", "", "minimize and maximize are missing"),
        ("minimize:", "minimise:", "states 'minimise', which is unknown; known are parameters"),
        ("metrics: {latency_ms: ms, energy_mj: mJ}", "", "states no 'metrics'"),
        ("regex: {", "rexeg: {", "write one of json, csv, regex"),
        ("--tile={tile}", "--tile={tiles}", "'tiles'"),
        ("[python3,", "[pyton3,", "command[0]='pyton3' is no program: there is none of that name"),
        ("timeout: 60", "timeout: -1", "timeout=-1 must be a number above 0"),
        ("metrics: {", "metrics: [", "sim.yaml is no YAML"),
    ],
)
def test_what_is_wrong_is_told_by_its_field(
    stated: str, before: str, after: str, told: str, tmp_path: Path
) -> None:
    assert before in stated
    (tmp_path / "sim.yaml").write_text(stated.replace(before, after))
    done = dse("run", "command", "--set", "file=sim.yaml", cwd=tmp_path, check=2)
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "dse.db").exists()
