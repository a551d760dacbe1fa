"""Warm starts from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dse import StudyView
from dse.cli import main
from dse.report import write_report
from tests.commands import dse

Command = Callable[..., "pytest.CaptureResult[str]"]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command line in a folder of its own, and in this process: starting one takes longest."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> pytest.CaptureResult[str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main(list(arguments))
        done = capsys.readouterr()
        assert not end.value.code, done.err
        return done

    return run


def test_the_command_line_starts_from_studies_and_files(tmp_path: Path, command: Command) -> None:
    study = "lut-accelerator"
    command("run", study, "--budget", "100")
    local = ["run", study, "--searcher", "local", "--warm", study]
    done = command(*local, "--budget", "30")
    assert f"started from study '{study}': all 100 evaluations taken over" in done.err
    assert f"{study}-local-warm: 130 evaluations (100 taken over and 30 new" in done.out
    # The same command goes on.
    facts = json.loads(command(*local, "--json", "--budget", "40").out)
    assert (facts["name"], facts["evaluations"], facts["adopted"]) == (f"{study}-local-warm", 140, 100)
    shown = command("show", f"{study}-local-warm").out
    assert f"started from study '{study}': all 100 evaluations taken over" in " ".join(shown.split())

    view = StudyView(study, f"sqlite:///{tmp_path}/dse.db")
    rows = len(view.front())
    view.front().to_csv(tmp_path / "published.csv")
    both = ["--warm", f"sqlite:///dse.db#{study}", "--warm", "published.csv"]
    done = command("run", study, "--set", "node=16nm", "--budget", "20", *both)
    assert f"started from published.csv: 0 designs evaluated first, from {rows} rows" in done.err
    other = StudyView(f"{study}-node=16nm-warm", f"sqlite:///{tmp_path}/dse.db")
    assert (len(other), other.adopted) == (20, 0)
    assert other.started_from[0].endswith(f"{rows} designs evaluated first, from its front of {rows}")
    write_report(other, tmp_path / "report.html")
    assert "published.csv" in (tmp_path / "report.html").read_text()


def test_the_command_line_says_what_is_wrong_with_a_source(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("area_mm2\n0.3\n")
    done = dse("run", "lut-accelerator", "--warm", "bad.csv", cwd=tmp_path, check=2)
    assert "bad.csv has none of the parameters" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
