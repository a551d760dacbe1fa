"""``dse surrogate`` as a person and a machine use it: commands, output, messages, exit statuses."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from dse.cli import main
from dse.surrogates.registry import Registry

from .surrogates.stored import run

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the studies ``bench`` and ``moved``: another bench, whose device has aged."""
    path = tmp_path_factory.mktemp("cli") / "dse.db"
    run(f"sqlite:///{path}").store.close()
    run(f"sqlite:///{path}", "moved", 60, seed=8, shift=60.0).store.close()
    return path


@pytest.fixture
def url(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a copy of it, which is the default store."""
    shutil.copy(made, tmp_path / "dse.db")
    found = f"sqlite:///{tmp_path}/dse.db"
    monkeypatch.setenv("DSE_STORE", found)
    monkeypatch.setenv("COLUMNS", "200")
    return found


class Dse:
    """Runs commands in this process."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture

    def __call__(self, command: str, *, status: int = 0) -> str:
        with pytest.raises(SystemExit) as left:
            main(["surrogate", *command.split()])
        out, self.errors = self._capture.readouterr()
        assert (left.value.code or 0) == status, f"{command}\n{out}\n{self.errors}"
        return str(out)

    def json(self, command: str, *, status: int = 0) -> Any:
        return json.loads(self(f"{command} --json", status=status))


@pytest.fixture
def dse(capsys: Capture) -> Dse:
    return Dse(capsys)


def test_a_surrogate_from_first_training_to_the_next_version(dse: Dse, url: str) -> None:
    assert "no surrogates yet: dse surrogate train STUDY" in dse("list")
    shown = dse("train bench --model ridge")
    assert "bench@1 serves: trained on 60 of bench" in shown
    assert "time [ms]" in shown
    assert "cross-validated" in shown
    for command in [line.split() for line in shown.splitlines() if line.startswith("  dse ")]:
        dse(" ".join(command[2:]))
    assert "bench@1 (serving) was trained on all these evaluations" in dse("evaluate bench")
    assert "nothing new" in dse("retrain bench")
    run(url, budget=360)
    shown = dse("evaluate bench")
    assert "on 300 evaluations that it was not trained on" in shown
    assert "no drift of bench@1" in shown
    shown = dse("retrain bench --fail-on-drift")
    assert "bench: better: " in shown
    assert "bench@2 serves instead of bench@1" in shown
    assert "bench@1 -> the candidate, on 60 held-out of 300 new evaluations" in shown
    lines = dse("list bench").splitlines()
    assert [line.split()[:2] for line in lines[1:3]] == [["bench@1", "retired"], ["bench@2", "serving"]]
    assert lines[2].rstrip().endswith(" %, @1")
    shown = dse("diff bench")
    assert "bench@1 (retired) -> bench@2 (serving)" in shown
    assert "evaluations of bench: 60 -> 360" in shown
    assert "there are no evaluations that neither was trained on" in shown
    assert dse("promote bench@1") == "bench@1 serves\n"
    assert "2" in dse("prune bench --keep 0")
    assert "pruned" in dse("list").splitlines()[2]


def test_machines_read_json(dse: Dse, url: str) -> None:
    made = dse.json("train bench --model ridge --name lut --seed 3")
    assert (made["name"], made["version"], made["state"]) == ("lut", 1, "serving")
    assert made["provenance"]["settings"]["seed"] == 3
    run(url, budget=110)
    found = dse.json("evaluate lut")
    assert found["rows"] == 50
    assert set(found["scores"]["metrics"]) == {"time", "energy"}
    assert found["drift"]["drifted"] == []
    done = dse.json("retrain lut --force")
    assert done["promoted"] is True
    assert done["new"] == 50
    assert done["test"]["rows"] == 25
    listed = dse.json("list")
    assert [(item["version"], item["state"]) for item in listed] == [(1, "retired"), (2, "serving")]
    assert all(item["bytes"] > 1_000 for item in listed)
    assert dse.json("diff lut@1 lut@2")["changes"] == ["evaluations of bench: 60 -> 110"]
    assert dse.json("promote lut@1")["state"] == "serving"
    assert dse.json("prune lut --keep 0")["pruned"] == [2]


def test_drift_is_shown_and_fails_only_where_asked(dse: Dse, url: str) -> None:
    dse("train bench --model ridge")
    for command in ("evaluate bench moved", "retrain bench moved --model ridge"):
        shown = dse(command)
        assert "drift of bench@1: new values are outside its 90 % intervals more often than promised" in shown
        (line,) = [line for line in shown.splitlines() if line.startswith("time  ")][-1:]
        assert line.split()[2:4] == ["60", "6"], "of how many, and how many were expected"
        dse("promote bench@1")
    dse("evaluate bench moved --fail-on-drift", status=1)
    assert dse.json("evaluate bench moved --fail-on-drift", status=1)["drift"]["drifted"] == ["time"]


def test_a_second_training_is_a_candidate_and_says_what_to_type(dse: Dse, url: str) -> None:
    dse("train bench --model ridge")
    shown = dse("train bench moved --name bench --model ridge")
    assert "bench@2 is a candidate: trained on 120 of bench, moved" in shown
    lines = [line.partition(" --store")[0] for line in shown.splitlines() if line.startswith("  dse ")]
    commands = [line.split()[2:] for line in lines]
    assert commands == [["diff", "bench", "bench@2"], ["promote", "bench@2"]]
    for command in commands:
        dse(" ".join(command))
    assert Registry(url).version("bench").version == 2


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("train nothing", "no study 'nothing'; it has 'moved', 'bench'"),
        ("train bench moved", "say what to call their surrogate, by --name NAME"),
        ("train bench --name a@1", "a surrogate cannot be called 'a@1'"),
        ("train bench --store runs.db", "sqlite:///runs.db"),
        ("train bench --store sqlite:///absent/runs.db", "there is no folder"),
        ("evaluate nothing", "no surrogate 'nothing'; it has none yet; 'dse surrogate train' makes one"),
        ("retrain nothing", "no surrogate 'nothing'"),
        ("promote nothing@2", "no surrogate 'nothing'"),
        ("diff nothing", "no surrogate 'nothing'"),
        ("prune nothing", "no surrogate 'nothing'"),
        ("list nothing", "no surrogate 'nothing'"),
        ("evaluate nothing@x", "write NAME, or NAME@VERSION"),
    ],
)
def test_bad_usage_is_one_line_and_status_2(dse: Dse, url: str, command: str, message: str) -> None:
    dse(command, status=2)
    *_, line = dse.errors.strip().splitlines()
    assert line.startswith("error: ")
    assert message in line


def test_an_unknown_model_is_told_with_those_there_are(dse: Dse, url: str) -> None:
    dse("train bench --model linear", status=2)
    assert "gaussian_process" in dse.errors


def test_damage_is_one_line_that_says_what_to_do(dse: Dse, url: str) -> None:
    dse("train bench --model ridge")
    raw = sqlite3.connect(url.removeprefix("sqlite:///"))
    with raw:
        raw.execute("UPDATE artefacts SET data = substr(data, 1, 50)")
    raw.close()
    for command in ("evaluate bench", "promote bench@1"):
        dse(command, status=2)
        assert "model of surrogate bench@1 is damaged" in dse.errors
        assert "restore a copy" in dse.errors


def test_reading_makes_no_store_and_writes_none(
    dse: Dse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DSE_STORE", raising=False)
    for command in ("list", "evaluate bench", "diff bench"):
        dse(command, status=2)
        assert "there is no store" in dse.errors
    assert not list(tmp_path.iterdir())


def test_one_metric_is_learned_and_stays_the_one_that_is_retrained(dse: Dse, url: str) -> None:
    dse("train bench --model ridge --metric time --name times")
    run(url, "bench", 140).store.close()
    assert "times" in dse("retrain times")
    versions = Registry(url).versions("times")
    assert [list(record.report["metrics"]) for record in versions] == [["time"]] * len(versions)
    assert len(versions) == 2
    dse("train bench --model ridge --metric all --name times")
    assert "energy: not learned -> ridge" in dse("diff times@1 times@3")
    dse("train bench --metric power", status=2)
    assert self_explaining(dse.errors, "no metric 'power'", "time, energy")


def self_explaining(text: str, *parts: str) -> bool:
    return text.count("\n") == 1 + text.count("training ") and all(part in text for part in parts)


def test_a_study_that_reads_what_was_not_learned_says_so(dse: Dse, url: str) -> None:
    from dse.errors import SurrogateError
    from dse.surrogates.model import SurrogateModel, SurrogateProblem

    from .surrogates.stored import problem

    dse("train bench --model ridge --metric time --name times")
    model = SurrogateModel(Registry(url).load("times"), "times@1", "digest", 0.9)
    with pytest.raises(SurrogateError, match=r"knows no metric 'energy'.*--metric energy"):
        SurrogateProblem(problem(), model)
