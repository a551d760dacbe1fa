"""Surrogates in studies, as typed: ``evaluate=surrogate:NAME`` and ``screened:NAME``; and ``refine``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from dse import Categorical, Integer, Minimize, Ordinal, Problem, Space, Study, StudyView, cost_model
from dse.cli import main
from dse.definitions import StudyDefinition
from dse.store import Store
from dse.surrogates.registry import Registry

from .surrogates.stored import MODEL, problem

Capture = pytest.CaptureFixture[str]


def build(limit: float = 400.0):
    """A study with a limit on time."""
    return problem(limit=limit)


def build_smooth():
    """A study of 96 designs that models learn without an error."""
    space = Space([Ordinal("a", [1, 2, 4, 8]), Integer("b", 1, 12), Categorical("c", ["x", "y"])])

    @cost_model(metrics={"time": "s", "area": "mm2"})
    def model(d):
        slow = np.where(d["c"] == "y", 1.5, 1.0)
        return {"time": slow * 10.0 / d["a"] + d["b"], "area": slow * d["a"] + 0.1 * d["b"]}

    return Problem(space, model, [Minimize("time"), Minimize("area")])


STUDIES = {
    "bench": StudyDefinition("bench", "a bench", build, searcher="random", budget=50),
    "smooth": StudyDefinition("smooth", "a smooth one", build_smooth),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with 200 evaluations of the study, and a surrogate of them."""
    path = tmp_path_factory.mktemp("cli") / "dse.db"
    url = f"sqlite:///{path}"
    with Store(url) as store:
        Study("bench", build(), "random", 0, store).run(200)
        Registry(store).train("mine", ["bench"], model=MODEL)
    return path


@pytest.fixture
def url(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    shutil.copy(made, tmp_path / "dse.db")
    found = f"sqlite:///{tmp_path}/dse.db"
    monkeypatch.setenv("DSE_STORE", found)
    for module in ("run", "refine"):
        monkeypatch.setattr(f"dse.cli.{module}.find", STUDIES.__getitem__)
    return found


def dse(capture: Capture, command: str, status: int = 0) -> tuple[str, str]:
    try:
        main(command.split())
        code = 0
    except SystemExit as left:
        code = int(left.code or 0)
    found = capture.readouterr()
    assert code == status, found
    return found.out, found.err


def test_a_run_on_a_surrogate_predicts_instead_of_measuring(url: str, capsys: Capture) -> None:
    dse(capsys, "run bench --set evaluate=surrogate:mine --budget 300 --name cheap --searcher nsga2")
    view = StudyView("cheap", url)
    assert view.record.problem["model"]["settings"] == {"surrogate": "mine@1", "confidence": 0.9}
    front = view.front()
    assert {"surrogate_outside", "surrogate_failure"} <= set(front.columns)
    designs = view.space.designs({name: front[name].to_numpy() for name in view.space.names})
    real = build().evaluate(designs).metrics["time"]
    assert abs(front["time"].to_numpy() / real - 1).max() < 0.1


def test_the_confidence_is_typed_with_it(url: str, capsys: Capture) -> None:
    command = (
        "run bench --set evaluate=surrogate:mine@1 --set limit=250 --budget 200 --searcher random --json"
    )
    feasible = []
    for confidence in ("0.5", "0.999"):
        out, _ = dse(capsys, f"{command} --name with-{confidence} --set surrogate.confidence={confidence}")
        feasible.append(json.loads(out)["counts"]["complete"])
    assert feasible[1] < feasible[0]


def test_a_screened_run_measures_only_what_passes(url: str, capsys: Capture) -> None:
    dse(capsys, "run bench --set evaluate=screened:mine --set limit=250 --budget 100 --name screened")
    view = StudyView("screened", url)
    frame = view.evaluations()
    spared = frame["error"].str.startswith(
        "not evaluated: mine@1 is 90% sure that it breaks a limit", na=False
    )
    assert spared.any()
    assert (frame.loc[~spared, "state"] == "complete").mean() > 0.8
    assert (~spared).sum() + spared.sum() == 100


def test_refining_ends_verified_and_every_design_of_its_front_was_measured(url: str, capsys: Capture) -> None:
    settings = "--set searcher.initial=24 --set searcher.generations=3 --set searcher.batch=4"
    out, _ = dse(capsys, f"surrogate refine smooth --budget 96 --name fine {settings} --json")
    found = json.loads(out)
    assert found["verified"]
    assert found["real_evaluations"] < 96
    view = StudyView("fine", url)
    front = view.front()
    designs = view.space.designs({name: front[name].to_numpy() for name in view.space.names})
    assert (build_smooth().evaluate(designs).metrics["time"] == front["time"].to_numpy()).all()
    # Asked again, it has nothing to add; and the text says what became of it.
    out, _ = dse(capsys, f"surrogate refine smooth --budget 96 --name fine {settings}")
    assert f"verified after {found['real_evaluations']:,} real evaluations" in " ".join(out.split())


def test_refining_from_a_surrogate_takes_over_what_it_was_trained_on(url: str, capsys: Capture) -> None:
    out, error = dse(
        capsys,
        "surrogate refine bench --budget 10 --from mine --json "
        "--set searcher.generations=2 --set searcher.batch=10",
    )
    found = json.loads(out)
    assert found["real_evaluations"] <= 10
    assert "started from" in error
    assert "200" in error


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("run bench --set evaluate=surrogate:nope", "has no surrogate 'nope'; it has 'mine'"),
        ("run bench --set evaluate=surrogate:mine@7", "mine"),
        ("run bench --set evaluate=surrogate:mine --set surrogate.confidence=high", "'high' is no number"),
        ("run bench --set evaluate=surrogate:mine --set surrogate.confidence=1", "below 1, as in 0.9"),
        ("surrogate refine bench --budget 5 --from nope", "has no surrogate 'nope'"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(url: str, capsys: Capture, command: str, message: str) -> None:
    _, error = dse(capsys, command, status=2)
    assert message in error
    assert len(error.strip().splitlines()) == 1
