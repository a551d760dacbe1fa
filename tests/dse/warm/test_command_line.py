"""Warm starts from the command line."""

from __future__ import annotations

import json
from pathlib import Path

from dse import StudyView
from dse.report import write_report
from tests.dse.test_cli import dse as command


def test_the_command_line_starts_from_studies_and_files(tmp_path: Path) -> None:
    study = "lut-accelerator"
    command("run", study, "--budget", "100", cwd=tmp_path)
    local = ["run", study, "--searcher", "local", "--warm", study]
    done = command(*local, "--budget", "30", cwd=tmp_path)
    assert f"started from study '{study}': all 100 evaluations taken over" in done.stderr
    assert f"{study}-local-warm: 130 evaluations (100 taken over and 30 new" in done.stdout
    # The same command goes on.
    facts = json.loads(command(*local, "--json", "--budget", "40", cwd=tmp_path).stdout)
    assert (facts["name"], facts["evaluations"], facts["adopted"]) == (f"{study}-local-warm", 140, 100)
    shown = command("show", f"{study}-local-warm", cwd=tmp_path).stdout
    assert f"started from study '{study}': all 100 evaluations taken over" in " ".join(shown.split())

    view = StudyView(study, f"sqlite:///{tmp_path}/dse.db")
    rows = len(view.front())
    view.front().to_csv(tmp_path / "published.csv")
    both = ["--warm", f"sqlite:///dse.db#{study}", "--warm", "published.csv"]
    done = command("run", study, "--set", "node=16nm", "--budget", "20", *both, cwd=tmp_path)
    assert f"started from published.csv: 0 designs evaluated first, from {rows} rows" in done.stderr
    other = StudyView(f"{study}-node=16nm-warm", f"sqlite:///{tmp_path}/dse.db")
    assert (len(other), other.adopted) == (20, 0)
    assert other.started_from[0].endswith(f"{rows} designs evaluated first, from its front of {rows}")
    write_report(other, tmp_path / "report.html")
    assert "published.csv" in (tmp_path / "report.html").read_text()


def test_the_command_line_says_what_is_wrong_with_a_source(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("area_mm2\n0.3\n")
    done = command("run", "lut-accelerator", "--warm", "bad.csv", cwd=tmp_path, check=2)
    assert "bad.csv has none of the parameters" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
