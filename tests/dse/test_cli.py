"""The command line as a person uses it: commands, output, files, messages, exit statuses."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest

from dse import StudyView
from objectives.synthesis import SynthesisError, find_yosys
from tests.commands import INSTALLED, dse, installed

STUDY = "lut-accelerator"
BUDGET = "300"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the study was run once."""
    path = tmp_path_factory.mktemp("cli")
    installed("run", STUDY, "--budget", BUDGET, cwd=path)
    return path


def test_studies_lists_each_with_its_package_and_settings(tmp_path: Path) -> None:
    assert STUDY in dse("studies", cwd=tmp_path).stdout
    rows = json.loads(dse("studies", "--json", cwd=tmp_path).stdout)
    mine = next(row for row in rows if row["name"] == STUDY)
    assert mine["package"] == "dse-toolkit"
    assert mine["summary"]
    assert mine["settings"]


def test_run_prints_knees_and_the_next_commands(folder: Path) -> None:
    # Resumed at its budget: nothing is left to evaluate, the result is printed again.
    done = dse("run", STUDY, "--budget", BUDGET, cwd=folder)
    assert f"{BUDGET} evaluations" in done.stdout
    assert "knee points" in done.stdout
    commands = [line.strip() for line in done.stdout.splitlines() if line.startswith("  dse ")]
    assert [command.split()[1] for command in commands] == ["front", "show", "report"]
    for command in commands:
        dse(*command.split()[1:], cwd=folder)
    assert (folder / "report.html").stat().st_size > 100_000


def test_run_goes_on_to_a_larger_budget(folder: Path, tmp_path: Path) -> None:
    for budget in ("150", "300"):
        dse("run", STUDY, "--budget", budget, cwd=tmp_path)
    resumed, whole = (StudyView(STUDY, f"sqlite:///{path}/dse.db") for path in (tmp_path, folder))
    pd.testing.assert_frame_equal(resumed.evaluations(), whole.evaluations(), check_exact=True)


def test_the_module_does_what_the_command_does(folder: Path, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/module.db"
    done = subprocess.run(
        [sys.executable, "-m", "studies.lut_accelerator", "--budget", BUDGET, "--store", store],
        capture_output=True, text=True, cwd=Path(__file__).parents[2], timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    module, command = StudyView(STUDY, store), StudyView(STUDY, f"sqlite:///{folder}/dse.db")
    pd.testing.assert_frame_equal(module.front(), command.front(), check_exact=True)


def test_front_formats_agree(folder: Path) -> None:
    study = StudyView(STUDY, f"sqlite:///{folder}/dse.db")
    expected = study.front()
    csv = pd.read_csv(StringIO(dse("front", STUDY, "--format", "csv", cwd=folder).stdout), index_col="number")
    rows = json.loads(dse("front", STUDY, "--format", "json", cwd=folder).stdout)
    dse("front", STUDY, "--format", "parquet", "-o", "front.parquet", cwd=folder)
    parquet = pd.read_parquet(folder / "front.parquet")
    assert list(csv.index) == list(expected.index) == [row["number"] for row in rows] == list(parquet.index)
    for objective in study.objectives:
        metric = objective.metric
        assert csv[metric].tolist() == expected[metric].tolist() == parquet[metric].tolist()
        assert [row[metric] for row in rows] == pytest.approx(expected[metric].tolist(), rel=1e-12)
    shown = dse("front", STUDY, cwd=folder).stdout
    assert str(expected.index[0]) in shown
    assert "designs on the front" in shown


def test_show_states_progress_and_provenance(folder: Path) -> None:
    text = dse("show", STUDY, cwd=folder).stdout
    for label in (
        "state",
        "evaluations",
        "objectives",
        "front",
        "hypervolume",
        "searcher",
        "time",
        "versions",
    ):
        assert label in text
    facts = json.loads(dse("show", STUDY, "--json", cwd=folder).stdout)
    assert facts["state"] == "done"
    assert facts["evaluations"] == int(BUDGET)
    assert facts["hypervolume"] > 0


def test_names_follow_what_differs_from_the_defaults(tmp_path: Path) -> None:
    chosen = ["--searcher", "random", "--seed", "2", "--budget", "50", "--json"]
    done = dse("run", STUDY, *chosen, "--set", "searcher.x=1", cwd=tmp_path, check=2)
    assert "no setting 'x'" in done.stderr
    done = dse("run", STUDY, *chosen, cwd=tmp_path)
    facts = json.loads(done.stdout)
    assert facts["name"] == f"{STUDY}-random-seed2"
    assert facts["evaluations"] == 50


def test_the_store_comes_from_the_environment(tmp_path: Path) -> None:
    dse("run", STUDY, "--budget", "20", "--batch", "10", cwd=tmp_path, DSE_STORE="sqlite:///other.db")
    assert (tmp_path / "other.db").exists()
    assert not (tmp_path / "dse.db").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "lut-acelerator"], "did you mean 'lut-accelerator'?"),
        (
            ["run", STUDY, "--searcher", "annealing"],
            "known are auto, bayesian, exhaustive, gp, ilp, local",
        ),
        (
            ["run", STUDY, "--searcher", "ilp"],
            "'ilp' needs a model, or a prior, whose objectives are sums of tables",
        ),
        (["run", STUDY, "--set", "workload"], "write --set KEY=VALUE"),
        (["run", STUDY, "--set", "nodes=3"], "has no setting 'nodes'"),
        (["run", STUDY, "--store", "runs.db"], "sqlite:///runs.db"),
        (["front", "nothing"], "nothing"),
        (["front", STUDY, "--format", "parquet"], "-o front.parquet"),
        (["front", STUDY, "--format", "csv", "-o", "missing/front.csv"], "there is no folder 'missing'"),
        (["run", STUDY, "--seed", "1", "--name", STUDY], "seed: 0 -> 1"),
    ],
)
def test_bad_usage_is_one_line_and_status_2(arguments: list[str], message: str, folder: Path) -> None:
    done = dse(*arguments, cwd=folder, check=2)
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" in dse(*arguments, "--debug", cwd=folder, check=1).stderr


def test_reading_never_makes_a_store(tmp_path: Path) -> None:
    installed("show", "anything", cwd=tmp_path, check=2)
    assert not list(tmp_path.iterdir())


def test_interrupt_finishes_the_batch_and_says_how_to_go_on(tmp_path: Path) -> None:
    run = subprocess.Popen(
        [INSTALLED, "run", STUDY, "--budget", "2000000", "--store",
         f"sqlite:///{tmp_path}/dse.db"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not _stored(tmp_path):
        time.sleep(0.1)
    run.send_signal(signal.SIGINT)
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 1
    assert "the same command goes on" in errors
    study = StudyView(STUDY, f"sqlite:///{tmp_path}/dse.db")
    assert study.record.state == "interrupted"
    assert len(study) % study.record.searcher["batch"] == 0


def _stored(folder: Path) -> int:
    try:
        return len(StudyView(STUDY, f"sqlite:///{folder}/dse.db"))
    except ValueError:
        return 0


def test_on_a_terminal_there_is_a_progress_bar(tmp_path: Path) -> None:
    parent, child = pty.openpty()
    run = subprocess.Popen(
        [INSTALLED, "run", STUDY, "--budget", "400"],
        stdout=child, stderr=child, cwd=tmp_path, env={**os.environ, "COLUMNS": "150", "TERM": "xterm"},
    )  # fmt: skip
    os.close(child)
    shown = b""
    while True:
        try:
            data = os.read(parent, 65536)
        except OSError:
            break
        if not data:
            break
        shown += data
    assert run.wait(timeout=60) == 0
    text = shown.decode()
    assert "400/400" in text
    assert "hypervolume" in text
    assert "knee points" in text


@pytest.mark.parametrize("code", ["import dse", "from dse.cli import main; main(['--help'])"])
def test_imports_stay_light(code: str) -> None:
    """Heavy packages are imported where they are used: what makes a start slow, whatever the machine."""
    heavy = [
        "pandas",
        "sklearn",
        "scipy",
        "plotly",
        "torch",
        "dash",
        "dask",
        "optuna",
        "pymoo",
        "moocore",
        "sqlalchemy",
    ]
    check = (
        f"try:\n    {code}\nexcept SystemExit:\n    pass\n"
        f"import sys\nprint([m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_the_options_of_the_contract_are_there(tmp_path: Path) -> None:
    text = dse("run", "--help", cwd=tmp_path).stdout
    for option in (
        "--searcher", "--budget", "--seed", "--name", "--store", "--batch", "--set", "--json", "--workers",
        "--dask", "--timeout", "--memory", "--async",
    ):  # fmt: skip
        assert option in text


def test_workers_find_what_one_process_finds(tmp_path: Path) -> None:
    one, two = (
        dse("run", "lut-accelerator", "--budget", "300", "--name", name, "--json", *more, cwd=tmp_path)
        for name, more in (("one", []), ("two", ["--workers", "2", "--timeout", "30", "--memory", "4"]))
    )
    assert two.returncode == 0, two.stderr
    assert json.loads(one.stdout)["hypervolume"] == json.loads(two.stdout)["hypervolume"]
    flying = dse(
        "run", "lut-accelerator", "--budget", "20", "--name", "three", "--async", cwd=tmp_path, check=2
    )
    assert (flying.returncode, flying.stderr) == (
        2, "error: --async needs workers: add --workers N or --dask ADDRESS\n",
    )  # fmt: skip
    done = dse(
        "run",
        "lut-accelerator",
        "--budget",
        "20",
        "--name",
        "three",
        "--async",
        "--workers",
        "2",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    nobody = dse("run", "lut-accelerator", "--dask", "nowhere", "--name", "four", cwd=tmp_path, check=2)
    assert nobody.returncode == 2
    assert nobody.stderr.startswith("error: no Dask scheduler answers at 'nowhere'")


def test_synth_writes_the_hardware_of_a_design(folder: Path, tmp_path: Path) -> None:
    store = f"sqlite:///{folder}/dse.db"
    try:
        find_yosys()
    except SynthesisError as error:
        pytest.skip(str(error))
    frame = StudyView(STUDY, store).front()
    number = str(frame["area_mm2"].idxmin())
    done = dse("synth", STUDY, "--design", number, "--store", store, "-o", "out", cwd=tmp_path)
    assert f"design {number} of {STUDY}" in done.stdout
    assert "core_area_um2" in done.stdout
    assert "module lut_core" in (tmp_path / "out" / "lut_core.v").read_text()
    found = json.loads(
        dse("synth", STUDY, "--design", number, "--store", store, "--json", cwd=tmp_path).stdout
    )
    assert found["design"]["lut.tables"] == frame.loc[int(number), "lut.tables"]
    area = found["summary"]["area_mm2"]
    assert area == pytest.approx(frame.loc[int(number), "area_mm2"], rel=0.25)
    assert (tmp_path / f"{STUDY}-{number}" / "synthesis.json").exists()


def test_synth_says_what_is_wrong(folder: Path, tmp_path: Path) -> None:
    store = f"sqlite:///{folder}/dse.db"
    done = dse("synth", STUDY, "--design", "999999", "--store", store, cwd=tmp_path, check=2)
    assert "--design 999999 is not in study" in done.stderr
    # Which Yosys there is, is looked up once a process.
    done = installed("synth", STUDY, "--store", store, cwd=tmp_path, check=1, DSE_YOSYS="no-such-yosys")
    assert "'no-such-yosys' is not there: pip install" in done.stderr
    done = dse("synth", "nothing", "--store", store, cwd=tmp_path, check=2)
    assert "nothing" in done.stderr
