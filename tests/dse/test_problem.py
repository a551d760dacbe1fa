"""Problems: checks when built, limits, states, fingerprints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse import (
    Categorical,
    CostModel,
    Evaluations,
    Integer,
    Limit,
    Maximize,
    Minimize,
    Problem,
    Space,
    cost_model,
)
from dse.errors import ProblemError
from dse.problem import differences, objective_from_dict

SPACE = Space([Integer("a", 0, 9), Integer("b", 1, 4)], ["a * b <= 20"])


@cost_model(metrics={"power_w": "W", "speed": "1/s"}, version="1", settings={"clock_mhz": 500})
def model(d: Any) -> dict[str, Any]:
    return {"power_w": d["a"] * 1.0, "speed": d["a"] * d["b"]}


def problem(**changes: Any) -> Problem:
    arguments: dict[str, Any] = {
        "space": SPACE,
        "model": model,
        "objectives": [Minimize("power_w"), Maximize("speed")],
        "limits": ["power_w <= 5"],
        **changes,
    }
    return Problem(**arguments)


def evaluate(given: Problem, a: list[int], b: int = 2) -> Evaluations:
    return given.evaluate(given.space.designs({"a": a, "b": [b] * len(a)}))


def test_objectives_are_minimised_and_metrics_keep_their_sign() -> None:
    found = evaluate(problem(), [1, 4])
    assert found.metrics["speed"].tolist() == [2.0, 8.0]
    assert found.objectives.tolist() == [[1.0, -2.0], [4.0, -8.0]]
    assert problem().signs.tolist() == [1.0, -1.0]


def test_states() -> None:
    found = evaluate(problem(), [5, 6])
    assert found.state.tolist() == ["complete", "infeasible"]
    assert found.feasible.tolist() == [True, False]
    assert found.evaluated.tolist() == [True, True]
    assert found.violation.tolist() == [0.0, pytest.approx(0.2)]


def test_failed_designs_have_no_violation_and_no_objectives() -> None:
    broken = cost_model(
        lambda d: {"power_w": np.where(d["a"] == 1, np.nan, 9.0), "speed": 1.0},
        metrics=model.metrics,
        name="m",
    )
    found = evaluate(problem(model=broken), [0, 1])
    assert found.state.tolist() == ["infeasible", "failed"]
    assert np.isnan(found.violation[1])
    assert np.isnan(found.objectives[1]).all()
    assert found.errors == {1: "the model returned nan for 'power_w'"}
    frame = found.to_frame()
    assert frame.columns.tolist() == ["state", "a", "b", "power_w", "speed", "error"]
    assert frame["error"][1] == found.errors[1]


def test_no_designs() -> None:
    found = problem().evaluate(SPACE.sample(0, 0))
    assert len(found) == 0
    assert found.objectives.shape == (0, 2)
    assert len(found.take([])) == 0


def test_evaluations_are_taken_and_joined() -> None:
    def picky(d: Any) -> Any:
        if 3 in d["a"]:
            raise RuntimeError("three")
        return {"power_w": d["a"], "speed": 1.0}

    found = evaluate(problem(model=cost_model(picky, metrics=model.metrics)), [1, 3, 7, 3, 0])
    assert found.errors == {1: "RuntimeError: three", 3: "RuntimeError: three"}
    assert found.take([3, 0]).errors == {0: "RuntimeError: three"}
    assert found.take(found.feasible).designs["a"].tolist() == [1, 0]
    again = Evaluations.concat([found.take(slice(2)), found.take(slice(2, None))])
    assert again.errors == found.errors
    assert again.state.tolist() == found.state.tolist()
    assert np.array_equal(again.objectives, found.objectives, equal_nan=True)


# Limits


@pytest.mark.parametrize(
    ("text", "p", "expected"),
    [
        ("p <= 5", 4.0, 0.0),
        ("p <= 5", 5.0, 0.0),
        ("p <= 5", 6.0, 0.2),
        ("p <= 5", 15.0, 2.0),
        ("p >= 5", 4.0, 0.2),
        ("5 >= p", 6.0, 0.2),
        ("p <= 0", 3.0, 3.0),
        ("p >= -2", -3.0, 0.5),
        ("1 <= p <= 5", 6.0, 0.2),
        ("1 <= p <= 5", 0.5, 0.5),
        ("1 <= p <= 5", 3.0, 0.0),
        ("4 >= p >= 2", 1.0, 0.5),
        ("p <= q", 6.0, 2.0),
        ("p / q <= 2", 6.0, 0.5),
        ("p + q <= 2 * q", 6.0, 1.0),
        ("min(p, q) >= 4", 9.0, 0.5),
    ],
)
def test_violations_are_graded_and_relative_to_the_bound(text: str, p: float, expected: float) -> None:
    violation = Limit(text).violation({"p": np.array([p]), "q": np.array([2.0])})
    assert np.asarray(violation).tolist() == [pytest.approx(expected)]


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(-1e3, 1e3))
def test_a_limit_holds_exactly_where_its_comparison_does(p: float, q: float, bound: float) -> None:
    metrics = {"p": np.array([p]), "q": np.array([q])}
    assert (np.asarray(Limit(f"p <= {bound!r}").violation(metrics))[0] == 0) == (p <= bound)
    assert (np.asarray(Limit("p >= q").violation(metrics))[0] == 0) == (p >= q)


def test_violations_of_several_limits_add_up() -> None:
    found = evaluate(problem(limits=["power_w <= 5", "speed <= 10"]), [6, 5])
    assert found.violation.tolist() == [pytest.approx(0.2 + 0.2), 0.0]


def test_a_limit_without_a_value_fails_the_design() -> None:
    found = evaluate(problem(limits=["speed / power_w <= 9"]), [0, 2])
    assert found.state.tolist() == ["failed", "complete"]
    assert "speed / power_w <= 9" in found.errors[0]


@pytest.mark.parametrize(
    ("limit", "fragments"),
    [
        ("power_w", ["'power_w'", "comparison", "power_w <= 5"]),
        ("power_w < 5", ["'power_w < 5'", "<= or >="]),
        ("power_w == 5", ["<= or >="]),
        ("power_w <= 5 and speed >= 1", ["single comparison", "list"]),
        ("power_w <=", ["parsed"]),
        ("power_w <= 'low'", ["'low'", "numbers"]),
        ("power_w <= None", ["None"]),
        ("power_w in (1, 2)", ["another comparison"]),
        ("1 <= 2", ["reads no metric", "power_w, speed"]),
        ("energy <= 5", ["'energy'", "no metric", "power_w, speed"]),
        ("a <= 5", ["'a'", "no metric", "constraint of the space"]),
        (5, ["5", "text"]),
    ],
)
def test_bad_limits_are_refused_when_the_problem_is_built(limit: Any, fragments: list[str]) -> None:
    with pytest.raises(ProblemError) as caught:
        problem(limits=[limit])
    message = str(caught.value)
    assert message.startswith("limit ")
    for fragment in fragments:
        assert fragment in message


# What is checked when a problem is built


class Bare:
    """A cost model by protocol, without the decorator."""

    name, version, settings, metrics, columns = "bare", "1", {"x": 1}, {"m": "ms"}, ("a",)

    def __init__(self, **changes: Any) -> None:
        self.__dict__.update(changes)

    def evaluate(self, designs: Any) -> Any:
        return {"m": designs["a"]}


def test_any_object_of_the_protocol_is_a_model() -> None:
    assert isinstance(Bare(), CostModel)
    found = Problem(SPACE, Bare(), [Minimize("m")]).evaluate(SPACE.sample(5, 0))
    assert found.feasible.all()


@pytest.mark.parametrize(
    ("make", "fragments"),
    [
        (lambda: problem(space=5), ["space", "int"]),
        (lambda: problem(model=lambda d: d), ["plain function", "@cost_model"]),
        (lambda: problem(model=5), ["int", "@cost_model"]),
        (lambda: problem(objectives=[]), ["at least one objective"]),
        (lambda: problem(objectives=["power_w"]), ["'power_w'", "Minimize('power_w')"]),
        (lambda: problem(objectives="power_w"), ["'power_w'", "Minimize('power_w')"]),
        (
            lambda: problem(objectives=[Minimize("energy")]),
            ["Minimize('energy')", "no metric", "power_w, speed"],
        ),
        (lambda: problem(objectives=[Minimize("a")]), ["'a'", "no metric"]),
        (lambda: problem(objectives=[Minimize("speed"), Maximize("speed")]), ["'speed'", "twice"]),
        (lambda: problem(limits="power_w <= 5"), ["list", "limits=['power_w <= 5']"]),
        (lambda: problem(limits=["power_w <= 5", "power_w <= 5"]), ["twice"]),
        (lambda: problem(space=Space([Integer("a", 1, 2)])), ["'model'", "'b'", "lacks", "it has a"]),
        (lambda: Problem(SPACE, Bare(metrics={"a": ""}), [Minimize("a")]), ["'a'", "rename"]),
        (lambda: Problem(SPACE, Bare(metrics={"state": ""}), [Minimize("state")]), ["'state'", "rename"]),
        (lambda: Problem(SPACE, Bare(metrics={}), [Minimize("m")]), ["metrics"]),
        (lambda: Problem(SPACE, Bare(settings={"f": len}), [Minimize("m")]), ["settings", "'bare'", "JSON"]),
        (lambda: Problem(SPACE, Bare(settings={"f": float("nan")}), [Minimize("m")]), ["settings", "JSON"]),
        (lambda: Problem(SPACE, Bare(settings={"f": np.int64(1)}), [Minimize("m")]), ["settings", "JSON"]),
        (lambda: Minimize("m", reference=float("inf")), ["'m'", "reference=inf"]),
        (lambda: Minimize("m", reference="big"), ["'m'", "reference='big'"]),  # type: ignore[arg-type]
    ],
)
def test_bad_problems_are_refused_with_field_value_and_mend(
    make: Callable[[], Any], fragments: list[str]
) -> None:
    with pytest.raises(ProblemError) as caught:
        make()
    message = str(caught.value)
    assert "\n" not in message
    for fragment in fragments:
        assert fragment in message, message


def test_objectives_have_a_json_form() -> None:
    for objective in (Minimize("m"), Maximize("m", reference=2.0)):
        assert objective_from_dict(objective.to_dict()) == objective


# Fingerprints


def named(source: str) -> Any:
    names: dict[str, Any] = {}
    exec(source, names)
    return cost_model(names["f"], metrics={"power_w": "W", "speed": "1/s"})


CODE = "def f(d):\n    return {'power_w': d['a'], 'speed': d['b']}"


def remade(**changes: Any) -> Any:
    arguments = {
        "metrics": model.metrics,
        "name": "model",
        "version": "1",
        "settings": {"clock_mhz": 500},
        **changes,
    }
    return cost_model(model.function, **arguments)


CHANGES: dict[str, dict[str, Any]] = {
    "another limit": {"limits": ["power_w <= 6"]},
    "no limit": {"limits": []},
    "a limit more": {"limits": ["power_w <= 5", "speed <= 99"]},
    "another goal": {"objectives": [Minimize("power_w"), Minimize("speed")]},
    "other objectives": {"objectives": [Minimize("power_w")]},
    "another order": {"objectives": [Maximize("speed"), Minimize("power_w")]},
    "a reference": {"objectives": [Minimize("power_w", reference=9.0), Maximize("speed")]},
    "another space": {"space": Space([Integer("a", 0, 9), Integer("b", 1, 5)], ["a * b <= 20"])},
    "another constraint": {"space": Space([Integer("a", 0, 9), Integer("b", 1, 4)], ["a * b <= 21"])},
    "another kind": {"space": Space([Integer("a", 0, 9), Categorical("b", [1, 2, 3, 4])], ["a * b <= 20"])},
    "another version": {"model": remade(version="2")},
    "other settings": {"model": remade(settings={"clock_mhz": 600})},
    "another unit": {"model": remade(metrics={"power_w": "mW", "speed": "1/s"})},
}


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_the_fingerprint_changes_with_the_problem(change: str) -> None:
    assert problem(**CHANGES[change]).fingerprint != problem().fingerprint


@pytest.mark.parametrize(
    "same",
    [
        {},
        {"name": "another name"},
        {"model": remade()},
        {"limits": ["power_w<=5"]},
        {"space": Space([Integer("a", 0, 9), Integer("b", 1, 4, step=1)], [" a*b <= 20  # fits"])},
        {"space": Space.from_json(SPACE.to_json())},
    ],
)
def test_the_fingerprint_does_not_change_with_how_it_is_written(same: dict[str, Any]) -> None:
    assert problem(**same).fingerprint == problem().fingerprint


def test_the_fingerprint_follows_the_models_code_not_its_comments() -> None:
    base = problem(model=named(CODE)).fingerprint
    assert problem(model=named(CODE.replace("\n", "\n    # a remark\n\n"))).fingerprint == base
    assert problem(model=named(CODE.replace("d['b']", "2 * d['b']"))).fingerprint != base


def test_differences_are_readable() -> None:
    lines = differences(
        problem().to_dict(), problem(limits=["power_w <= 6"], objectives=[Minimize("power_w")]).to_dict()
    )
    assert 'limits[0]: "power_w <= 5" -> "power_w <= 6"' in lines
    assert any(line.startswith("objectives: [") for line in lines)
    assert differences(problem().to_dict(), problem().to_dict()) == []
    other = remade(version="2", settings={"node": "7 nm"})
    lines = differences(problem().to_dict(), problem(model=other).to_dict())
    assert 'model.version: "1" -> "2"' in lines
    assert "model.settings.clock_mhz: only in the stored problem" in lines
    assert "model.settings.node: only in the given problem" in lines
    wider = Space([Integer("a", 0, 99), Integer("b", 1, 4)], ["a * b <= 20"])
    assert differences(problem().to_dict(), problem(space=wider).to_dict()) == [
        "space.parameters[0].high: 9 -> 99"
    ]
