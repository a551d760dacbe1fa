"""Rounds of scheduled retraining: evaluate, train or retrain, promote, report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dse import Integer, Minimize, Problem, Space, StudyView, cost_model
from dse.definitions import StudyDefinition
from dse.surrogates.registry import Registry
from studies import scheduled_retraining as script


@cost_model(metrics={"latency_ms": "ms"}, version="1")
def tiled(d):  # type: ignore[no-untyped-def]
    return {"latency_ms": 5 + 0.1 * d["a"] * d["b"] + 0.05 * d["c"] * d["d"] + d["a"]}


def problem(high: int = 20) -> Problem:
    """Return a small problem."""
    return Problem(Space([Integer(name, 0, high) for name in "abcd"]), tiled, [Minimize("latency_ms")])


SMALL = StudyDefinition("small", "a small study", problem, searcher="random")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/dse.db"


def test_each_round_evaluates_a_batch_and_learns_from_it(url: str) -> None:
    rounds = [script.round_of(SMALL, "small", 40, store=url, model="ridge") for _ in range(3)]
    assert [done["evaluations"] for done in rounds] == [40, 80, 120]
    assert rounds[0]["reason"] == "small@1 is the first"
    assert [done["new"] for done in rounds[1:]] == [40, 40] if rounds[1]["promoted"] else [40, 80]
    registry = Registry(url, read_only=True)
    assert registry.version("small").report["rows"] >= 40
    assert "120 evaluations" in script.line(rounds[2])


def test_an_exhausted_space_is_nothing_new(url: str) -> None:
    settings = {"high": 1}  # sixteen designs
    study = {"settings": settings, "store": url, "surrogate": "tiny", "model": "ridge"}
    with pytest.raises(ValueError, match="too few to train on"):
        script.round_of(SMALL, "tiny", 40, **study)  # type: ignore[arg-type]
    assert len(StudyView("tiny", url)) == 16, "what was evaluated is kept"


def test_the_command_prints_a_line_a_round_and_logs_it(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import typer

    monkeypatch.setattr(script, "find", lambda name: SMALL)
    app = typer.Typer()
    app.command()(script.main)
    log = tmp_path / "rounds.jsonl"
    given = ["small", "--batch", "40", "--rounds", "2", "--model", "ridge", "--keep", "1", "--store", url]
    done = CliRunner().invoke(app, [*given, "--log", str(log)])
    assert done.exit_code == 0, done.output
    first, second = done.output.strip().splitlines()
    assert first.endswith("small, 40 evaluations: small@1 is the first")
    assert "small, 80 evaluations: " in second
    logged = [json.loads(line) for line in log.read_text().splitlines()]
    assert [item["evaluations"] for item in logged] == [40, 80]
    assert logged[1]["drift"]["rows"] == 40
    versions = Registry(url, read_only=True)
    assert len(versions.store.surrogates.sizes("small")) <= 2
