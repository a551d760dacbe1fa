"""Tables of measurements: what files say is what problems have, and nothing else."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse import Minimize, State, Study
from dse.errors import ProblemError
from dse.interop.kernel_tuner import reading
from objectives.measured import Table, read_frame, read_table

KERNEL_TUNER = {
    "device_name": "a GPU",
    "tune_params_keys": ["block", "vector", "layout"],
    "tune_params": {"block": [32, 64, 128], "vector": [4, 2], "layout": ["row", "column"]},
    "cache": {
        "32,4,row": {
            "block": 32,
            "vector": 4,
            "layout": "row",
            "time": 2.0,
            "times": [1.0, 3.0],
            "energy": 5,
        },
        "64,4,row": {"block": 64, "vector": 4, "layout": "row", "time": "RuntimeFailedConfig"},
        "64,2,column": {"block": 64, "vector": 2, "layout": "column", "time": 2.0, "energy": 4, "f": 1.5},
        "32,2,row": {"block": 32, "vector": 2, "layout": "row", "time": 1e20},
        "32,2,column": {"block": 32, "vector": 2, "layout": "column", "__error__": "CompilationFailedConfig"},
    },
}


def write(path: Path, content: Any) -> Path:
    text = json.dumps(content).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


@pytest.mark.parametrize("name", ["cache.json", "cache.json.gz"])
def test_a_cache_of_kernel_tuner(tmp_path: Path, name: str) -> None:
    table = read_table(write(tmp_path / name, KERNEL_TUNER))
    assert (table.name, len(table)) == ("cache", 5)
    assert table.values == {"block": [32, 64, 128], "vector": [4, 2], "layout": ["row", "column"]}
    assert table.units["time"] == "ms"
    assert table.units["energy"] == "J"
    # Not "f" and the spread of times, which some row lacks.
    assert list(table.metrics) == ["time", "energy"]
    problem = table.problem([Minimize("time"), Minimize("energy")])
    told = problem.evaluate(next(problem.space.enumerate()))
    assert len(told) == 5
    reasons = sorted(told.errors.values())
    assert reasons == ["CompilationFailedConfig", "InvalidConfig", "RuntimeFailedConfig"]
    # Equal times stay two designs.
    assert told.metrics["time"][told.evaluated].tolist() == [2.0, 2.0]


def test_chosen_metrics(tmp_path: Path) -> None:
    path = write(tmp_path / "cache.json", KERNEL_TUNER)
    assert list(read_table(path, metrics=["time"]).metrics) == ["time"]
    with pytest.raises(ProblemError, match="has no metric 'power'; it has time, energy, f, time_spread"):
        read_table(path, metrics=["power"])
    with pytest.raises(ProblemError, match="row 2 has None for 'time_spread', which is no number"):
        read_table(path, metrics=["time", "time_spread"])


def t4(invalidity: str, block: int, value: Any) -> dict[str, Any]:
    return {
        "configuration": {"block": block},
        "times": {"runtimes": [1.0, 1.0]},
        "invalidity": invalidity,
        "measurements": [{"name": "time", "value": value, "unit": ""}],
    }


def test_results_in_t4(tmp_path: Path) -> None:
    results = [t4("correct", 32, 2.5), t4("runtime", 64, None), t4("timeout", 128, None)]
    table = read_table(write(tmp_path / "results_T4.json", {"results": results, "schema_version": "1.0.0"}))
    told = table.problem([Minimize("time")]).evaluate(next(table.space.enumerate()))
    assert told.state.tolist() == [State.COMPLETE.value, State.FAILED.value, State.TIMEOUT.value]
    assert told.errors[1] == "runtime"
    assert table.units["time"] == "ms"


@pytest.mark.parametrize("ending", ["csv", "parquet", "csv.gz"])
def test_a_frame_of_ones_own(tmp_path: Path, ending: str) -> None:
    frame = pd.DataFrame(
        {
            "tile": [16, 32, 64],
            "kind": ["a", "b", "a"],
            "latency ms": [3.0, np.nan, 1.0],
            "error": [None, "out of memory", None],
        }
    )
    path = tmp_path / f"mine.{ending}"
    frame.to_parquet(path) if ending == "parquet" else frame.to_csv(path, index=False)
    table = read_table(path, metrics=["latency ms"])
    assert list(table.parameters) == ["tile", "kind"]
    told = table.problem([Minimize("latency_ms")]).evaluate(next(table.space.enumerate()))
    assert dict(told.errors) == {1: "out of memory"}


def test_the_reference_files(reference_data: Path) -> None:
    cache = read_table(reference_data / "gpu" / "convolution_milo_A100.json.gz")
    results = read_table(reference_data / "gpu" / "convolution_milo_A100_T4.json.gz")
    assert len(cache) == len(results) == 4_362
    assert len(cache.errors) == len(results.errors) == 161
    rows = cache.find(results.parameters)
    assert (np.sort(rows) == np.arange(4_362)).all()
    assert results.metrics["time"] == pytest.approx(cache.metrics["time"][rows], nan_ok=True)
    assert set(results.errors.values()) == {"runtime", "compile"}
    energy = read_table(reference_data / "gpu" / "kt_test_cache_time_energy.json")
    front = energy.problem([Minimize("time"), Minimize("energy")])
    assert front.evaluate(next(energy.space.enumerate())).evaluated.all()


@given(st.data())
def test_the_space_is_the_rows(data: st.DataObject) -> None:
    domains = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    combinations = np.array(np.meshgrid(*[np.arange(size) for size in domains])).reshape(len(domains), -1).T
    chosen = data.draw(
        st.lists(st.integers(0, len(combinations) - 1), min_size=1, max_size=len(combinations), unique=True)
    )
    rows = combinations[chosen]
    values = np.arange(len(rows), dtype=float)
    table = Table("drawn", {f"p{i}": rows[:, i] * 8 for i in range(len(domains))}, {"m": values})
    designs = list(table.space.enumerate())
    found = {
        tuple(row)
        for part in designs
        for row in zip(*(part[name] // 8 for name in table.parameters), strict=True)
    }
    assert found == {tuple(row) for row in rows.tolist()}
    order = table.find(table.parameters)
    assert (order == np.arange(len(rows))).all()
    # Any other design is not in the table.
    assert (table.find({name: column + 3 for name, column in table.parameters.items()}) == -1).all()


def test_a_changed_value_is_another_problem() -> None:
    def problem(value: float) -> Any:
        table = Table("t", {"x": np.array([1, 2, 4])}, {"m": np.array([1.0, 2.0, value])})
        return table.problem([Minimize("m")])

    assert problem(3.0).fingerprint == problem(3.0).fingerprint
    assert problem(3.0).fingerprint != problem(3.5).fingerprint


def test_search_of_a_table_is_stored_and_resumed(tmp_path: Path) -> None:
    path = write(tmp_path / "cache.json", KERNEL_TUNER)
    store = f"sqlite:///{tmp_path}/dse.db"
    problem = read_table(path, metrics=["time"]).problem([Minimize("time")])
    Study("replay", problem, searcher="random", store=store).run(budget=3)
    again = Study("replay", problem, searcher="random", store=store)
    again.run(budget=10)
    assert len(again) == 5  # all there is
    assert again.front()["time"].tolist() == [2.0, 2.0]


def test_bad_files_name_the_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(name: str, content: Any, message: str, **options: Any) -> None:
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            write(path, content)
        with pytest.raises(ProblemError, match=message):
            read_table(path, **options)

    with pytest.raises(ProblemError, match="there is no file"):
        read_table(tmp_path / "none.json")
    refused("a.json", b"{", "a.json: cannot be read as JSON")
    refused("a.json.gz", b"no gzip", "cannot be read as JSON")
    refused("b.json", [1], "holds a list, not an object")
    refused("c.json", {"x": 1}, "neither a cache of Kernel Tuner")
    refused("d.json", {"cache": {}}, "needs 'tune_params_keys'")
    refused("e.json", {"results": []}, "at least one of 'results'")
    refused("f.txt", b"", "its ending is none of")
    refused("g.parquet", b"nothing", "g.parquet: cannot be read")
    refused("h.csv", b"x,m\n1,2\n", "name its parameters or its metrics; its columns are x, m")
    refused("i.csv", b"x,m\n1,2\n1,3\n", "rows 0 and 1 are the same design", metrics=["m"])
    refused(
        "j.csv", b"x,m\n1,2\n2,\n", "row 1 has nan for 'm', which is no number, and no error", metrics=["m"]
    )
    refused("k.csv", b"x,m\n1,2\n2,slow\n", "row 1 has 'slow' for 'm', which is no number", metrics=["m"])
    refused("l.csv", b"x,m\n1,2\n", "has no column 'time'", metrics=["time"])
    broken = json.loads(json.dumps(KERNEL_TUNER))
    del broken["cache"]["32,4,row"]["vector"]
    refused("m.json", broken, "row '32,4,row' has no value for 'vector'")
    odd = {"results": [t4("correct", 1, 1.0), {"configuration": {"other": 1}}]}
    refused("n.json", odd, "result 1 has another configuration")
    monkeypatch.setattr(reading, "MAX_BYTES", 100)
    refused("o.json.gz", KERNEL_TUNER, "more than 0 MiB of text")


def test_a_frame_needs_rows() -> None:
    with pytest.raises(ProblemError, match="columns have"):
        read_frame(pd.DataFrame({"x": [], "m": []}), metrics=["m"])
