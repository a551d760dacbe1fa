"""A program as a cost model: how it is called, what is read, and what becomes of its failures."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse import Categorical, CommandModel, Integer, Minimize, Ordinal, Problem, Space, Study
from dse.command import Csv, Json, Regex
from dse.command.template import Template
from dse.errors import ProblemError
from dse.models import run_model
from dse.testing import check_cost_model
from tests.dse.executors.test_pool import ROOT, gone, processes, url, workers_of

SIM = Path(__file__).with_name("sim.py")
COMMAND = [sys.executable, str(SIM), "--tile={tile}", "--config", "{directory}/c.json"]
METRICS = {"latency_ms": "ms", "energy_mj": "mJ"}
TEXT = Regex({"latency_ms": r"^total time:\s+(\S+) ms", "energy_mj": r"energy (\S+) mJ"})
FILES = {"c.json": '{{"stages": {stages}}}'}


def space(*modes: str) -> Space:
    parameters = [Ordinal("tile", [16, 32, 64]), Integer("stages", 1, 3)]
    return Space([*parameters, *([Categorical("mode", list(modes))] if modes else [])])


def model(**changes: Any) -> CommandModel:
    return CommandModel(
        **{"command": COMMAND, "metrics": METRICS, "output": TEXT, "files": FILES, "version": "1"} | changes
    )


@pytest.mark.parametrize(
    ("report", "output"),
    [
        ("text", TEXT),
        ("json", Json(fields={"latency_ms": "timing.total"})),
        ("csv", Csv("out.csv", {"latency_ms": "latency", "energy_mj": "energy"})),
    ],
)
def test_reports_are_read(report: str, output: Any) -> None:
    designs = space().designs([{"tile": 16, "stages": 1}, {"tile": 64, "stages": 3}])
    found = run_model(model(command=[*COMMAND, "--report", report], output=output), designs)
    assert not found.errors
    assert list(found.metrics["latency_ms"]) == pytest.approx([63.5, 18.625])
    assert list(found.metrics["energy_mj"]) == pytest.approx([1.6, 19.2])


@pytest.mark.slow
def test_it_keeps_the_promises_of_cost_models() -> None:
    check_cost_model(model(workers=2), space())


def test_all_parameters_can_be_a_json_file() -> None:
    found = run_model(model(files={"c.json": None}), space().designs([{"tile": 32, "stages": 2}]))
    assert found.metrics["latency_ms"][0] == pytest.approx(33.25)


def test_failures_are_told_and_kept_apart(tmp_path: Path) -> None:
    failing = model(
        command=[*COMMAND, "--mode={mode}"], failures={3: "does not fit"}, timeout=1.5, memory=2.0,
        directory=tmp_path / "runs", workers=3,
    )  # fmt: skip
    modes = ("fast", "crash", "unfit", "hang", "mute", "eat")
    chosen = space(*modes)
    designs = chosen.designs([{"tile": 16, "stages": 1, "mode": mode} for mode in modes])
    rows = Problem(chosen, failing, [Minimize("latency_ms")]).evaluate(designs).to_frame()
    assert rows["state"].tolist() == ["complete", "failed", "failed", "timeout", "failed", "failed"]
    errors = rows["error"].tolist()
    name = failing.name
    assert errors[1].startswith(
        f"{name} ended with exit status 2: assertion failed: banks > 0\nstandard error:"
    )
    assert "Traceback: register file" in errors[1]
    assert errors[2] == "does not fit"
    assert errors[3] == f"{name} took more than 1.5 s"
    assert errors[4].startswith(r"standard output has nothing like '^total time:\\s+(\\S+) ms': it is empty")
    assert "MemoryError" in errors[5]
    assert gone(set(processes(f"sleep 600.{os.getpid()}"))), "what it started is still running"
    kept = sorted((tmp_path / "runs").iterdir())
    assert len(kept) == 5, "of the failed designs, not of the one that is complete"
    assert all((folder / "c.json").is_file() for folder in kept)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"command": "sim --tile"}, "must be a list"),
        ({"command": ["no-such-program"]}, r"command\[0\]='no-such-program' is no program: there is none"),
        ({"command": [str(SIM)]}, "is no program: it may not be executed"),
        ({"command": ["{tile}"]}, "cannot depend on parameters"),
        ({"command": [sys.executable, "{tile"]}, r"command\[1\]: '\{' at '\{tile' begins or ends no"),
        ({"files": {"../x": ""}}, r"files\['../x'\] must lie in the working directory"),
        ({"files": {"x": Path("/no/such")}}, r"files\['x'\]: /no/such cannot be read"),
        ({"output": Regex({"latency_ms": "x"})}, "'x' of 'latency_ms' has 0 groups"),
        ({"output": Regex({"latency_ms": "(x)"})}, "patterns has none for metric 'energy_mj'"),
        ({"output": Json(fields={"power": "x"})}, "fields names 'power', which is no metric"),
        ({"output": 3}, "output=3 reads nothing"),
        ({"timeout": 0}, "timeout=0 must be a number above 0"),
        ({"workers": 0}, "workers=0 must be a whole number"),
        ({"keep": "some"}, "keep='some' is unknown; known are none, failed, all"),
        ({"keep": "all"}, "keep='all' needs a directory"),
        ({"version": [sys.executable, "-c", "exit(4)"]}, "ended with exit status 4"),
    ],
)
def test_what_is_stated_wrongly_is_told_at_once(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ProblemError, match=told):
        model(**changes)


def test_a_parameter_that_the_space_lacks_is_told() -> None:
    with pytest.raises(ProblemError, match="'depth'"):
        Problem(space(), model(files={"c.json": "{depth}"}), [Minimize("latency_ms")])


def test_the_version_can_be_asked_for() -> None:
    assert model(version=[sys.executable, str(SIM), "--version"]).version == "sim 1.4.2"


@pytest.mark.parametrize(
    "changes",
    [
        {"command": [*COMMAND, "--x"]}, {"files": {"c.json": '{{"stages": {stages}, "a": 0}}'}},
        {"version": "2"}, {"environment": {"THREADS": "2"}}, {"failures": {3: "unfit"}},
        {"output": Regex({**TEXT.patterns, "energy_mj": r"energy\s(\S+) mJ"})},
    ],
)  # fmt: skip
def test_what_results_depend_on_is_in_the_fingerprint(changes: dict[str, Any]) -> None:
    prints = [
        Problem(space(), model(**given), [Minimize("latency_ms")]).fingerprint
        for given in ({}, changes, {"timeout": 5, "workers": 3, "memory": 9.0})
    ]
    assert prints[0] != prints[1]
    assert prints[0] == prints[2]


TEXTS = st.text(st.characters(exclude_characters="{}", exclude_categories=["Cs"]), max_size=20)


@given(TEXTS, st.one_of(TEXTS, st.integers(), st.floats(allow_nan=False)), TEXTS)
def test_a_value_takes_its_place_and_nothing_else_changes(before: str, value: Any, after: str) -> None:
    text = Template(f"{before}{{a.b}}{{{{{after}}}}}", "text").fill({"a.b": value})
    assert text == f"{before}{value}{{{after}}}"


def test_templates_have_formats_and_other_marks() -> None:
    assert Template("{x:04d} {y:.2f}", "t").fill({"x": 7, "y": 1 / 3}) == "0007 0.33"
    assert Template('{"a": <<x>>}', "t", ("<<", ">>")).fill({"x": 7}) == '{"a": 7}'
    with pytest.raises(ProblemError, match="'a' of x has no format 'd'"):
        Template("{x:d}", "t").fill({"x": "a"})
    with pytest.raises(ProblemError, match="names 'y'; known are x"):
        Template("{y}", "t").check(["x"])
    for text in ("{x!r}", "{x.__class__}", "{x[0]}", "{}", "}"):
        try:
            Template(text, "t").check(["x"])
        except ProblemError:
            continue
        raise AssertionError(f"{text} is taken for a parameter")


def test_values_are_arguments_and_no_shell_commands(tmp_path: Path) -> None:
    bad = ["a b", "$(touch owned)", "; touch owned", "-n", "two\nlines", "ä"]
    code = (
        "import json, sys; known = json.loads(open('d.json').read()).values(); "
        "print(json.dumps({'n': len(sys.argv[1]), 'same': float(sys.argv[1] in known)}))"
    )
    echo = CommandModel(
        [sys.executable, "-c", code.replace("{", "{{").replace("}", "}}"), "{text}"],
        {"n": "", "same": ""}, files={"d.json": None}, version="1", directory=tmp_path,
    )  # fmt: skip
    chosen = Space([Categorical("text", bad)])
    found = run_model(echo, chosen.designs([{"text": text} for text in bad]))
    assert not found.errors
    assert list(found.metrics["n"]) == [len(text) for text in bad]
    assert set(found.metrics["same"]) == {1.0}
    assert not list(tmp_path.rglob("owned"))


def test_several_run_at_a_time_and_nothing_is_lost_by_a_kill(tmp_path: Path) -> None:
    script = f"""
import sys
from dse import *
from dse.command import Regex
from tests.dse.command.test_command import model, space, COMMAND
slow = model(command=[*COMMAND, "--mode=slow"], workers=3)
problem = Problem(space("slow"), slow, [Minimize("latency_ms")])
Study("s", problem, "exhaustive", store="{url(tmp_path)}").run()
"""
    run = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT)
    while len(workers_of(run.pid, f"{SIM} --tile")) < 3:
        assert run.poll() is None
        time.sleep(0.01)
    running = workers_of(run.pid, f"{SIM} --tile")
    run.kill()
    run.wait()
    assert gone(running), "programs outlived the run"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 0
    problem = Problem(space("slow"), model(command=[*COMMAND, "--mode=slow"]), [Minimize("latency_ms")])
    assert len(Study("s", problem, "exhaustive", store=url(tmp_path))) == 9


def test_ctrl_c_kills_programs(tmp_path: Path) -> None:
    script = f"""
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from dse import *
from tests.dse.command.test_command import model, space, COMMAND
problem = Problem(space(), model(command=[*COMMAND, "--mode=hang"], workers=2), [Minimize("latency_ms")])
Study("s", problem, "exhaustive", store="{url(tmp_path)}").run()
"""
    run = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    while len(workers_of(run.pid, f"{SIM} --tile")) < 2:
        assert run.poll() is None
        time.sleep(0.01)
    running = workers_of(run.pid, f"{SIM} --tile")
    run.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in run.communicate(timeout=20)[1]
    assert gone(running)


def test_workers_of_a_pool_take_it_too(tmp_path: Path) -> None:
    problem = Problem(space(), model(), [Minimize("latency_ms"), Minimize("energy_mj")])
    study = Study("s", problem, "exhaustive", store=url(tmp_path)).run(workers=2, timeout=20)
    assert study.counts()["complete"] == 9


def test_the_page_and_its_example(tmp_path: Path) -> None:
    """The ten lines of docs/simulators.md, word by word."""
    page = (ROOT / "docs" / "simulators.md").read_text()
    example = page.split("```python\n")[1].split("```")[0]
    assert len([line for line in example.splitlines() if line.strip()]) <= 14
    (tmp_path / "sim.py").write_text(SIM.read_text())
    (tmp_path / "mine.py").write_text(example)
    done = subprocess.run(
        [sys.executable, "mine.py"], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "latency_ms" in done.stdout
