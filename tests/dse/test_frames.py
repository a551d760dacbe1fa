"""Any data frame of measurements as a problem."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dse import Categorical, Maximize, Minimize, Ordinal, Problem, State, Study
from dse.errors import ProblemError


def runs() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "tile": [16, 32, 64, 16, 32],
            "kind": ["b", "a", "b", "a", "b"],
            "fast": [True, False, True, True, False],
            "size": pd.Categorical(
                ["small", "large", "medium", "small", "large"], ["small", "medium", "large", "huge"]
            ),
            "latency ms": [4.0, 2.0, 3.0, np.nan, 5.0],
            "GFLOP/s": [1, 3, 2, 9, 1],
        }
    )


def test_columns_that_no_one_names_are_parameters() -> None:
    problem = Problem.from_frame(runs(), [Minimize("latency ms"), Maximize("GFLOP/s")], name="runs")
    assert problem.space.parameters == (
        Ordinal("tile", [16, 32, 64]),
        Categorical("kind", ["b", "a"]),
        Categorical("fast", [True, False]),
        Categorical("size", ["small", "medium", "large"]),
    )
    assert [goal.metric for goal in problem.objectives] == ["latency_ms", "GFLOP_s"]
    assert (problem.name, problem.space.count()) == ("runs", 5)
    designs = next(problem.space.enumerate())
    found = problem.evaluate(designs)
    rows = {tuple(row.values()) for row in designs.rows()}
    assert rows == set(runs()[["tile", "kind", "fast", "size"]].itertuples(index=False, name=None))
    (failed,) = np.flatnonzero(found.state == State.FAILED.value)
    assert found.errors[int(failed)] == "no number for latency_ms"
    assert designs["tile"][failed] == 16


def test_a_search_finds_the_best_row(tmp_path: Path) -> None:
    problem = Problem.from_frame(runs(), Minimize("latency ms"), limits=["GFLOP_s <= 2.5"])
    study = Study("runs", problem, "exhaustive", store=f"sqlite:///{tmp_path}/dse.db")
    study.run()
    assert study.front()["latency_ms"].tolist() == [3.0]
    assert sum(study.counts().values()) == 5


def test_named_parameters_make_other_numbers_metrics() -> None:
    frame = runs().assign(power=[1.0, 2.0, 3.0, 4.0, 5.0], holes=[np.nan, 1.0, 1.0, 1.0, 1.0], note="x")
    problem = Problem.from_frame(
        frame, [Minimize("power")], parameters=["tile", "kind"], units={"power": "W"}
    )
    # A hole in what nobody asked for fails no row, and text is no metric.
    assert {name: metric.unit for name, metric in problem.metrics.items()} == {"power": "W", "GFLOP_s": ""}
    assert problem.evaluate(next(problem.space.enumerate())).evaluated.all()
    named = Problem.from_frame(
        frame.drop(columns="note"), [Minimize("power")], metrics=["holes", "latency ms"]
    )
    assert "holes" in named.metrics
    assert named.space.names == ("tile", "kind", "fast", "size", "GFLOP_s")


def test_an_index_and_our_own_columns() -> None:
    frame = pd.DataFrame(
        {"time": [1.0, 2.0, np.nan], "number": [0, 1, 2], "error": [None, "", "out of memory"], "state": "x"},
        index=pd.MultiIndex.from_tuples([(8, "a"), (16, "a"), (16, "b")], names=["tile", "kind"]),
    )
    problem = Problem.from_frame(frame, [Minimize("time")])
    assert problem.space.names == ("tile", "kind")
    found = problem.evaluate(problem.space.designs([{"tile": 16, "kind": "b"}]))
    assert found.errors == {0: "out of memory"}


def test_repeated_designs_are_refused_or_merged() -> None:
    frame = pd.DataFrame({
        "tile": [8, 16, 8, 8, 4, 4], "kind": [None, "a", None, None, "a", "a"],
        "time": [1.0, 2.0, 3.0, np.nan, np.nan, np.inf],
    })  # fmt: skip
    with pytest.raises(
        ProblemError, match=r"3 rows repeat a design, as row 2 does row 0 \(tile=8, kind=None\)"
    ):
        Problem.from_frame(frame, [Minimize("time")])
    for aggregate, wanted in (("median", 2.0), ("max", 3.0), ("first", 1.0)):
        problem = Problem.from_frame(frame, [Minimize("time")], aggregate=aggregate)
        found = problem.evaluate(problem.space.designs({"tile": [8, 16, 4], "kind": [None, "a", "a"]}))
        assert found.metrics["time"][:2].tolist() == [wanted, 2.0]
        assert list(found.errors) == [2]
    with pytest.raises(ProblemError, match="aggregate='sum' is unknown; known are mean, median"):
        Problem.from_frame(frame, [Minimize("time")], aggregate="sum")


def test_a_column_that_looks_measured_is_pointed_at() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"tile": np.arange(20), "power": rng.random(20), "time": rng.random(20)})
    with pytest.warns(UserWarning, match=r"'power' taken for parameters, though they look measured: name"):
        Problem.from_frame(frame, [Minimize("time")])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Problem.from_frame(frame, [Minimize("time")], metrics=["power"])
        # A log of random search has nothing else.
        Problem.from_frame(frame.drop(columns="tile"), [Minimize("time")])


def test_many_columns_of_fractions_are_walked() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.random((60, 12)), columns=[f"x{n}" for n in range(12)])
    frame["time"] = frame.sum(axis=1)
    problem = Problem.from_frame(frame, [Minimize("time")])
    assert problem.space.count() == 60
    found = problem.evaluate(next(problem.space.enumerate()))
    np.testing.assert_allclose(np.sort(found.metrics["time"]), np.sort(frame["time"]))
    large = pd.DataFrame({"a": rng.random(6_000), "b": rng.random(6_000), "time": 1.0})
    with pytest.raises(ProblemError, match=r"column 'b' has 6,000 values in 6,000 rows, .* round it"):
        Problem.from_frame(large, [Minimize("time")])


@pytest.mark.parametrize(
    ("frame", "options", "message"),
    [
        (
            pd.DataFrame({"x": [1], "t": [1]}),
            {"objectives": [Minimize("time")]},
            "frame has no column 'time'",
        ),
        (pd.DataFrame({"t": [1]}), {}, "no column left to be a parameter"),
        (pd.DataFrame({"x": [], "t": []}), {}, "frame has no row"),
        (pd.DataFrame([[1, 2, 3]], columns=["x", "x", "t"]), {}, "two columns 'x': rename one"),
        (pd.DataFrame({"x": [1], "t": [1]}), {"parameters": "x"}, r"write parameters=\['x'\]"),
        (pd.DataFrame({"x": [1], "t": [1]}), {"parameters": ["x", "t"]}, "'t' is a parameter and a metric"),
        (pd.DataFrame({"x": [1], "t": [1]}), {"limits": ["power <= 3"]}, "no column 'power'"),
        ([1, 2], {}, "a data frame is needed, not list"),
    ],
)
def test_frames_that_are_no_problem_name_the_mend(frame: object, options: dict, message: str) -> None:  # type: ignore[type-arg]
    arguments = {"objectives": [Minimize("t")], **options}
    with pytest.raises(ProblemError, match=message):
        Problem.from_frame(frame, **arguments)  # type: ignore[arg-type]
