"""Comparing searchers: the exact front, paired seeds, resumption, the command line."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dse import Integer, Maximize, Minimize, Problem, Real, Space, StudyView, cost_model
from dse.compare import Comparison, compare, exact_front
from dse.errors import DseError, SearcherError, StudyError
from dse.pareto import hypervolume, nondominated
from dse.plots import comparison_by_budget
from dse.report import write_comparison
from tests.dse.test_cli import dse

SEARCHERS = ["random", "nsga2"]


def trade_off(limit: str = "f <= 60") -> Problem:
    """Two conflicting objectives on a grid of 40 by 40 by 3, one of them to be maximised."""

    @cost_model(metrics={"f": "ms", "g": ""}, version="1")
    def model(d: Any) -> dict[str, Any]:
        f = d["x"] + 0.5 * d["y"] + 3.0 * (d["z"] - 1) ** 2
        return {"f": f, "g": np.sqrt(d["x"] * 40.0) - 0.7 * d["y"] - d["z"]}

    space = Space([Integer("x", 1, 40), Integer("y", 0, 39), Integer("z", 0, 2)], ["x + y <= 60"])
    return Problem(space, model, [Minimize("f"), Maximize("g")], [limit], name="grid")


def run(folder: Path, **changes: Any) -> Comparison:
    values: dict[str, Any] = {"budgets": [50, 700], "seeds": 3, "store": f"sqlite:///{folder}/dse.db"}
    return compare(changes.pop("problem", trade_off()), SEARCHERS, **(values | changes))


def test_the_exact_front_is_that_of_all_designs() -> None:
    problem = trade_off()
    everything = next(iter(problem.space.enumerate(10_000)))
    found = problem.evaluate(everything)
    feasible = found.objectives[found.feasible]
    expected = np.unique(feasible[nondominated(feasible)], axis=0)
    front, designs = exact_front(problem)
    np.testing.assert_array_equal(front, expected)
    assert designs == len(everything) == problem.space.count()


def test_fractions_are_of_the_exact_hypervolume(tmp_path: Path) -> None:
    found = run(tmp_path)
    assert found.reference.exact
    best = hypervolume(found.reference.points, found.reference.corner)
    assert found.table["fraction"].to_numpy() == pytest.approx(found.table["hypervolume"] / best)
    assert found.table["fraction"].between(0, 1 + 1e-12).all()
    assert found.table["front_share"].between(0, 1).all()
    assert len(found.table) == 2 * 3 * 2
    for _, part in found.table.groupby(["searcher", "seed"]):
        assert all(first <= then for first, then in pairwise(part["fraction"]))
    summary = found.summary()
    assert (summary["low"] <= summary["fraction"]).all()
    assert (summary["fraction"] <= summary["high"]).all()
    last = summary[summary["budget"] == 700].set_index("searcher")["fraction"]
    assert last["nsga2"] > last["random"]


def test_all_of_a_space_is_all_of_its_front(tmp_path: Path) -> None:
    problem = trade_off()
    found = compare(
        problem,
        ["exhaustive"],
        budgets=[problem.space.count()],
        seeds=1,
        store=f"sqlite:///{tmp_path}/dse.db",
    )
    assert found.table["fraction"].tolist() == pytest.approx([1.0])
    assert found.table["front_share"].tolist() == [1.0]


def test_an_interrupted_comparison_goes_on(tmp_path: Path) -> None:
    """What was evaluated is not evaluated again, and the table is that of a run in one go."""
    whole = run(tmp_path)
    other = tmp_path / "other"
    other.mkdir()

    def stop(name: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(other, progress=stop)
    run(other, budgets=[50], seeds=2)
    resumed = run(other)
    pd.testing.assert_frame_equal(resumed.table, whole.table, check_exact=True)
    assert len(StudyView("compare/grid/nsga2/seed0", f"sqlite:///{other}/dse.db")) == 700


def test_seeds_are_paired_and_named(tmp_path: Path) -> None:
    found = run(tmp_path, seeds=[4, 7])
    assert sorted(set(found.table["seed"])) == [4, 7]
    assert StudyView("compare/grid/random/seed7", f"sqlite:///{tmp_path}/dse.db").record.seed == 7


def test_without_the_exact_front_runs_are_measured_by_the_best_known(tmp_path: Path) -> None:
    found = run(tmp_path, exact=False)
    assert not found.reference.exact
    assert found.table["fraction"].max() <= 1 + 1e-12
    exact = run(tmp_path, exact=True)
    assert (found.table["fraction"] >= exact.table["fraction"] - 1e-12).all()


def test_a_space_that_cannot_be_walked_has_no_exact_front(tmp_path: Path) -> None:
    @cost_model(metrics={"f": "", "g": ""}, version="1")
    def model(d: Any) -> dict[str, Any]:
        return {"f": d["x"], "g": (1 - d["x"]) ** 2 + d["y"]}

    space = Space([Real("x", 0, 1), Real("y", 0, 1)])
    problem = Problem(space, model, [Minimize("f"), Minimize("g")], name="reals")
    assert not run(tmp_path, problem=problem).reference.exact


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"budgets": []}, StudyError, "budgets=[] must be whole numbers"),
        ({"budgets": [0, 5]}, StudyError, "1 or more"),
        ({"budgets": 100}, StudyError, "budgets=100 must be a list of whole numbers"),
        ({"budgets": [1.5]}, StudyError, "must be a list of whole numbers"),
        ({"seeds": 2.5}, StudyError, "seeds=2.5 must be a list of whole numbers"),
        ({"seeds": 0}, StudyError, "seeds=[] must be different"),
        ({"seeds": [1, 1]}, StudyError, "must be different"),
        ({"workers": 2}, StudyError, "needs the name of a ready study"),
        ({"workers": 0}, StudyError, "workers=0 must be 1 or more"),
        ({"settings": {"a": 1}}, StudyError, "settings are those of a ready study"),
        ({"problem": trade_off("f <= 0")}, StudyError, "no feasible design is known"),
        ({"problem": "no-such-study"}, StudyError, "there is no study 'no-such-study'"),
    ],
)
def test_bad_arguments_are_refused(
    tmp_path: Path, changes: dict[str, Any], error: type[DseError], message: str
) -> None:
    with pytest.raises(error) as caught:
        run(tmp_path, **changes)
    assert message in str(caught.value)


def test_unknown_searchers_are_refused_before_any_work(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/dse.db"
    with pytest.raises(SearcherError, match="nsga9"):
        compare(trade_off(), ["random", "nsga9"], budgets=[10], seeds=1, store=store)
    assert not (tmp_path / "dse.db").exists()
    with pytest.raises(StudyError, match="twice"):
        compare(trade_off(), ["random", "random"], budgets=[10], seeds=1, store=store)


def test_the_figure_has_a_line_a_searcher_and_the_page_is_whole(tmp_path: Path) -> None:
    found = run(tmp_path)
    made = comparison_by_budget(found)
    assert [trace.name for trace in made.data if trace.mode == "lines+markers"] == ["nsga2", "random"]
    text = write_comparison(found, tmp_path / "report.html").read_text()
    assert "grid: searchers compared" in text
    assert "Content-Security-Policy" in text
    with pytest.raises(StudyError, match="there is no folder"):
        write_comparison(found, tmp_path / "none" / "report.html")


def test_the_command_compares_a_ready_study(tmp_path: Path) -> None:
    arguments = [
        "compare",
        "lut-accelerator",
        "--searchers",
        "random,nsga2",
        "--budget",
        "60,120",
        "--seeds",
        "2",
    ]
    arguments += ["--set", "least_lanes=512", "--set", "most_lanes=512"]
    done = dse(*arguments, "-o", "report.html", "--table", "runs.csv", cwd=tmp_path)
    assert "fraction of the exact hypervolume" in done.stdout
    assert "exact front:" in done.stdout
    assert (tmp_path / "report.html").stat().st_size > 100_000
    table = pd.read_csv(tmp_path / "runs.csv")
    assert len(table) == 8
    # Again, in two processes: nothing is left to evaluate, and the result is the same.
    again = json.loads(dse(*arguments, "--workers", "2", "--json", cwd=tmp_path).stdout)
    medians = {(row["searcher"], row["budget"]): row["fraction"] for row in again["summary"]}
    for (searcher, budget), part in table.groupby(["searcher", "budget"]):
        assert medians[searcher, budget] == pytest.approx(part["fraction"].median())
    fresh = dse(*arguments, "--workers", "2", "--json", "--store", "sqlite:///two.db", cwd=tmp_path)
    assert json.loads(fresh.stdout) == again


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    done = dse("compare", "lut-accelerator", "--budget", "ten", cwd=tmp_path, check=2)
    assert "--budget 'ten' must be whole numbers with commas between" in done.stderr
    done = dse("compare", "lut-accelerator", "--table", "runs.txt", cwd=tmp_path, check=2)
    assert "must end in .csv or .parquet" in done.stderr
    done = dse("compare", "lut-accelerator", "--searchers", "psychic", cwd=tmp_path, check=2)
    assert "psychic" in done.stderr
    done = dse("compare", "lut-accelerator", "-o", "none/report.html", cwd=tmp_path, check=2)
    assert "there is no folder 'none'" in done.stderr
    assert not list(tmp_path.iterdir())


def test_ctrl_c_ends_the_workers_and_keeps_what_they_committed(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("dse")), "compare", "lut-accelerator", "--workers", "2"]
    command += ["--searchers", "random,nsga2", "--budget", "400000", "--seeds", "2"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, start_new_session=True) as process:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not _evaluations(tmp_path):
            time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
        assert process.returncode == 1
        assert b"stopped; the same command goes on" in told
    assert _evaluations(tmp_path) > 0


def _evaluations(folder: Path) -> int:
    try:
        name = "compare/lut-accelerator/random/seed0"
        return len(StudyView(name, f"sqlite:///{folder}/dse.db"))
    except DseError:
        return 0
