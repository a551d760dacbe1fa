"""Kernel Tuner's caches, T1 and T4: what is written is what was stored, and Kernel Tuner takes it."""

from __future__ import annotations

import gzip
import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dse import Categorical, Integer, Minimize, Ordinal, Problem, Real, Space, Study, StudyView, cost_model
from dse.cli import main
from dse.errors import ProblemError, SpaceError, StudyError
from dse.interop.kernel_tuner import from_t1, import_results, to_kernel_tuner, to_t1, to_t4
from objectives.measured import read_table
from tests.dse.interop.conftest import chip_space

WRITERS = {"cache.json": to_kernel_tuner, "t4.json": to_t4}

FIRST, SECOND = {"block_size": 32, "mode": "row"}, {"block_size": 64, "mode": "row"}
BROKEN = "CompilationFailedConfig"
CACHE: dict[str, Any] = {
    "device_name": "a GPU",
    "kernel_name": "vector_add",
    "tune_params_keys": ["block_size", "mode"],
    "tune_params": {"block_size": [32, 64, 128], "mode": ["row", "column"]},
    "objective": "GFLOP/s",
    "cache": {
        "32,row": {**FIRST, "time": 2.0, "GFLOP/s": 10.0, "compile_time": 400.0, "benchmark_time": 100.0},
        "64,row": {**SECOND, "time": 1.0, "GFLOP/s": 20.0, "compile_time": 0.0, "benchmark_time": 50.0},
        "64,column": {"block_size": 64, "mode": "column", "time": BROKEN, "GFLOP/s": BROKEN},
    },
}


def same(one: StudyView, other: StudyView) -> None:
    pd.testing.assert_frame_equal(one.evaluations(), other.evaluations(), check_exact=True)
    pd.testing.assert_frame_equal(one.front(), other.front(), check_exact=True)
    assert one.space == other.space
    assert one.metrics == other.metrics
    assert one.objectives == other.objectives
    assert one.limits == other.limits
    assert one.record.fingerprint == other.record.fingerprint


@pytest.mark.parametrize("name", WRITERS)
def test_a_study_comes_back_as_it_was(name: str, chip: StudyView, tmp_path: Path) -> None:
    (tmp_path / name).write_text(WRITERS[name](chip))
    made = import_results(tmp_path / name, f"sqlite:///{tmp_path}/dse.db")
    assert made.lost == ()
    assert made.study.name == "chip"
    same(made.study, chip)
    assert made.study.history()["seconds"].iloc[-1] == pytest.approx(0.25 * len(chip))
    with pytest.raises(StudyError, match="has a study 'chip' already"):
        import_results(tmp_path / name, f"sqlite:///{tmp_path}/dse.db")


@pytest.mark.parametrize("name", WRITERS)
def test_a_front_alone(name: str, chip: StudyView, tmp_path: Path) -> None:
    (tmp_path / name).write_text(WRITERS[name](chip, front=True))
    made = import_results(tmp_path / name, f"sqlite:///{tmp_path}/dse.db", name="front")
    columns = list(chip.front().columns)
    pd.testing.assert_frame_equal(
        made.study.front()[columns].reset_index(drop=True), chip.front()[columns].reset_index(drop=True)
    )
    assert len(made.study) == len(chip.front())


def test_a_reader_that_is_not_ours_sees_what_failed(chip: StudyView, tmp_path: Path) -> None:
    cache, t4 = json.loads(to_kernel_tuner(chip)), json.loads(to_t4(chip))
    counts, frame = chip.counts(), chip.evaluations()
    rows = list(cache["cache"].values())
    assert [row["dse_number"] for row in rows] == frame["number"].tolist()
    errors = [row.get("__error__") for row in rows]
    assert errors.count("InvalidConfig") == counts["infeasible"]
    assert errors.count("RuntimeFailedConfig") == counts["failed"] + counts["timeout"]
    words = [item["invalidity"] for item in t4["results"]]
    assert words.count("correct") == counts["complete"]
    assert words.count("constraints") == counts["infeasible"]
    assert words.count("timeout") == counts["timeout"]
    assert words.count("runtime") == counts["failed"]
    first = t4["results"][0]
    assert first["measurements"][0] == {"name": "latency_ms", "value": frame["latency_ms"][0], "unit": "ms"}
    assert first["objectives"] == ["latency_ms", "power_w"]
    assert cache["device_name"] == "chip-1"
    assert cache["kernel_name"] == "chip"
    assert cache["tune_params"]["core_splits"] == [2, 4, 6, 8]
    assert cache["tune_params"]["core_double"] == [0, 1]
    for name, text in {"c.json": cache, "t.json": t4}.items():
        (tmp_path / name).write_text(json.dumps(text))
        table = read_table(tmp_path / name, metrics=["latency_ms"])
        assert len(table) == len(chip)
        assert np.isfinite(table.metrics["latency_ms"]).sum() == counts["complete"]


def test_a_cache_of_theirs_becomes_a_study(tmp_path: Path) -> None:
    (tmp_path / "cache.json.gz").write_bytes(gzip.compress(json.dumps(CACHE).encode()))
    store = f"sqlite:///{tmp_path}/dse.db"
    study = import_results(tmp_path / "cache.json.gz", store).study
    assert study.name == "cache"
    assert study.space == Space(
        [Ordinal("block_size", [32, 64, 128]), Categorical("mode", ["row", "column"])]
    )
    assert [goal.to_dict() for goal in study.objectives] == [{"metric": "GFLOP_s", "goal": "maximize"}]
    assert {metric.name: metric.unit for metric in study.metrics.values()} == {
        "time": "ms",
        "GFLOP_s": "GFLOP/s",
    }
    frame = study.evaluations()
    assert frame["state"].tolist() == ["complete", "complete", "failed"]
    assert frame["error"][2] == "CompilationFailedConfig"
    assert study.history()["seconds"].iloc[-1] == pytest.approx(0.55)
    # Out again, and the kind of failure is theirs.
    again = json.loads(to_kernel_tuner(study))
    assert again["cache"]["64,column"]["__error__"] == "CompilationFailedConfig"
    assert json.loads(to_t4(study))["results"][2]["invalidity"] == "compile"
    given = Space(
        [Ordinal("block_size", [32, 64]), Categorical("mode", ["row", "column"])], ["block_size < 64"]
    )
    made = import_results(tmp_path / "cache.json.gz", store, name="given", space=given, minimize=["time"])
    assert made.lost == ("2 rows that are no members of the space (row 1, 2)",)
    assert made.study.space == given


def test_what_a_file_does_not_say_has_to_be_said(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/dse.db"

    def refused(content: Any, words: str, kind: type[Exception] = StudyError, **settings: Any) -> None:
        (tmp_path / "f.json").write_text(json.dumps(content))
        with pytest.raises(kind, match=words):
            import_results(tmp_path / "f.json", store, **settings)

    refused({**CACHE, "objective": "speed"}, "--minimize speed, or --maximize")
    refused({}, "neither a cache of Kernel Tuner", ProblemError)
    refused(CACHE, "has no parameter 'x', which the space has", space=Space([Integer("x", 0, 1)]))
    refused(CACHE, "'speed', which is no metric", ProblemError, minimize=["speed"])
    t4 = {
        "results": [
            {"configuration": {"x": 1}, "invalidity": "correct", "measurements": [{"name": "t", "value": 1}]}
        ]
    }
    refused(t4, "the file states no objective: --minimize one of t")
    with pytest.raises(StudyError, match="there is no file"):
        import_results(tmp_path / "none.json", store)


@cost_model(metrics={"time": "ms"}, version="1")
def timed(d: Any) -> dict[str, Any]:
    return {"time": 1 / d["x"] + d["n"]}


def test_a_real_has_no_list_of_values(tmp_path: Path) -> None:
    space = Space([Real("x", 0.5, 2.0), Integer("n", 0, 10**6)])
    problem = Problem(space, timed, [Minimize("time")])
    study = Study("reals", problem, searcher="random", store=f"sqlite:///{tmp_path}/a.db").run(20)
    with pytest.raises(SpaceError, match="the values of 'x' beside those that occur"):
        to_kernel_tuner(study)
    lost: list[str] = []
    (tmp_path / "c.json").write_text(to_kernel_tuner(study, lost=lost))
    assert len(lost) == 2
    same(import_results(tmp_path / "c.json", f"sqlite:///{tmp_path}/dse.db").study, study)
    with pytest.raises(SpaceError, match="T1 lists all values, and 'x' is real"):
        to_t1(space, lost=[])


def test_t1_comes_back_as_it_was_and_by_others_with_the_same_designs() -> None:
    for space in (
        chip_space(),
        Space(
            [
                Categorical("mode", ["row", "it's", None]),
                Integer("n", 1, 9, step=2, active_if="mode == 'row'", inactive=3),
                Ordinal("m", [1, 2, 4], active_if="not n == 5"),
            ],
            ["n * m <= 12 or mode in ('row', None)", "max(n, m) < 9"],
        ),
    ):
        t1 = json.loads(json.dumps(to_t1(space, name="chip")))
        assert from_t1(t1) == space
        del t1["General"]["dse"]
        bare = from_t1(t1)
        assert [name.replace(".", "_") for name in space.names] == list(bare.names)
        ours = {tuple(row.values()) for part in space.enumerate() for row in part.rows()}
        theirs = {tuple(row.values()) for part in bare.enumerate() for row in part.rows()}
        assert theirs == ours


def test_what_t1_cannot_say_is_named_and_nothing_is_run() -> None:
    def odd(d: Any) -> Any:
        return d["x"] % 2 == 1

    space = Space([Integer("x", 1, 9)], [odd, "sqrt(x) < 3", "x > 1"])
    with pytest.raises(SpaceError, match=r"T1 has no place for: the constraint 'odd', which is a function"):
        to_t1(space)
    lost: list[str] = []
    assert len(to_t1(space, lost=lost)["ConfigurationSpace"]["Conditions"]) == 1
    assert [line.split("which ")[1] for line in lost] == ["is a function", "uses sqrt()"]

    def t1(values: Any, condition: str | None = None) -> dict[str, Any]:
        conditions = [] if condition is None else [{"Expression": condition, "Parameters": ["x"]}]
        return {
            "ConfigurationSpace": {
                "TuningParameters": [{"Name": "x", "Type": "int", "Values": values}], "Conditions": conditions
            }
        }  # fmt: skip

    assert from_t1(t1("list(range(1, 9, 2))"))["x"] == Ordinal("x", [1, 3, 5, 7])
    assert from_t1(t1([4, 1]))["x"] == Categorical("x", [4, 1])
    for values in ("[2**i for i in range(5)]", "__import__('os').listdir()", "range(10**9)", "7", ""):
        with pytest.raises(SpaceError, match="T1: the values of 'x'"):
            from_t1(t1(values))
    with pytest.raises(SpaceError, match=r"the condition 'len\(str\(x\)\) > 1'"):
        from_t1(t1("[1, 2]", "len(str(x)) > 1"))
    assert from_t1(t1("[1, 2]", "len(str(x)) > 1"), lost=lost).constraints == ()
    with pytest.raises(SpaceError, match="no T1"):
        from_t1({"ConfigurationSpace": {}})


@pytest.mark.parametrize(("name", "size"), [("gemm", 116_928), ("convolution", 4_362)])
def test_the_reference_spaces(name: str, size: int, reference_data: Path) -> None:
    content = json.loads((reference_data / "gpu" / f"T1_{name}_milo.json").read_text())
    space = from_t1(content)
    assert space.count() == size
    assert from_t1(to_t1(space)) == space


def test_the_reference_results_there_and_back(reference_data: Path, tmp_path: Path) -> None:
    folder, store = reference_data / "gpu", f"sqlite:///{tmp_path}/dse.db"
    space = from_t1(json.loads((folder / "T1_convolution_milo.json").read_text()))
    study = import_results(folder / "convolution_milo_A100_T4.json.gz", store, name="conv", space=space).study
    assert study.counts() == {"complete": 4_201, "infeasible": 0, "failed": 161, "timeout": 0}
    assert study.front()["time"].tolist() == [pytest.approx(0.5536, abs=1e-4)]
    assert set(study.failures()["error"]) <= {"compile", "runtime"}
    other = import_results(folder / "convolution_milo_A100.json.gz", store, name="other", space=space).study
    columns = [*space.names, "time", "state"]
    by_design = [
        view.evaluations()[columns].sort_values(columns).reset_index(drop=True) for view in (study, other)
    ]
    pd.testing.assert_frame_equal(*by_design, check_exact=True)


@pytest.mark.filterwarnings("ignore:None of the tunable parameters")
def test_kernel_tuner_itself_takes_it(chip: StudyView, tmp_path: Path) -> None:
    tuner = pytest.importorskip("kernel_tuner", reason="Kernel Tuner is not installed")
    jsonschema = pytest.importorskip("jsonschema")
    from kernel_tuner import file_utils

    jsonschema.validate(json.loads(to_t4(chip)), file_utils.output_file_schema("results")[1])
    kernel = {"Language": "CUDA", "KernelName": "k", "KernelFile": "k.cu"}
    kernel |= {"GlobalSize": {"X": "1"}, "LocalSize": {"X": "1"}}
    t1 = to_t1(chip.space, kernel=kernel)
    jsonschema.validate(t1, file_utils.input_file_schema()[1])
    path = tmp_path / "cache.json"
    text = to_kernel_tuner(chip, kernel="k")
    path.write_text(text)
    tuned = json.loads(text)["tune_params"]
    rules = [item["Expression"] for item in t1["ConfigurationSpace"]["Conditions"]]
    with redirect_stdout(io.StringIO()):
        found, _ = tuner.tune_kernel(
            "k", "", 1, [], tuned, restrictions=rules, simulation_mode=True, cache=str(path), quiet=True,
            objective="latency_ms", objective_higher_is_better=False, strategy="brute_force",
        )  # fmt: skip
    assert path.read_text() == text
    assert len(found) == len(chip)
    good = [item["latency_ms"] for item in found if "__error__" not in item]
    assert len(good) == chip.counts()["complete"]
    assert min(good) == chip.front()["latency_ms"].min()
    # What it writes of that is read again: the repeats and our numbers are no matter.
    file_utils.store_output_file(str(tmp_path / "t4.json"), found + found[:3], tuned, "latency_ms")
    made = import_results(tmp_path / "t4.json", f"sqlite:///{tmp_path}/dse.db", minimize=["latency_ms"])
    assert made.lost == ("3 rows that repeat a design",)
    assert made.study.counts()["complete"] == len(good)
    assert "dse_number" not in made.study.metrics


def test_the_command_line(
    chip: StudyView, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        return (ended.value.code or 0, *capsys.readouterr())  # type: ignore[return-value]

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DSE_STORE", chip.store.url)
    for kind, name in (("kernel-tuner", "c.json"), ("t4", "t4.json"), ("t1", "t1.json")):
        assert run("export", "chip", "--to", kind, "-o", name) == (0, "", "")
    monkeypatch.setenv("DSE_STORE", "sqlite:///mine.db")
    assert run("import", "c.json", "--from", "kernel-tuner", "--name", "mine")[0] == 0
    same(StudyView("mine", "sqlite:///mine.db"), chip)
    status, out, _ = run("import", "t1.json", "--from", "t1")
    assert (status, Space.from_json(out)) == (0, chip.space)
    status, _, err = run(
        "import",
        "c.json",
        "--from",
        "kernel-tuner",
        "--name",
        "mine",
        "--space",
        "t1.json",
        "--minimize",
        "latency_ms",
    )
    assert (status, err) == (
        2,
        "error: store 'sqlite:///mine.db' has a study 'mine' already: take another name\n",
    )
    given = ("--space", "t1.json", "--minimize", "latency_ms")
    assert run("import", "c.json", "--from", "kernel-tuner", "--name", "one", *given)[0] == 0
    one = StudyView("one", "sqlite:///mine.db")
    assert one.space == chip.space
    assert one.counts()["complete"] == chip.counts()["complete"]
    status, out, _ = run("export", "mine", "--to", "csv", "--front")
    assert status == 0
    assert len(out.splitlines()) == 1 + len(chip.front())
