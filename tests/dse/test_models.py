"""Cost models: whatever they do, single designs fail, and the caller goes on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse import CostModel, Designs, Integer, Minimize, Outcome, Problem, Space, cost_model
from dse.errors import ProblemError
from dse.models import MAX_ISOLATING_CALLS, columns_read, describe, run_model

SPACE = Space([Integer("a", 0, 9_999), Integer("b", 1, 2)])


def designs(n: int) -> Designs:
    return SPACE.designs({"a": range(n), "b": [1] * n})


def model(function: Any, **arguments: Any) -> Any:
    return cost_model(function, **{"metrics": {"m": "ms"}, "name": "toy", **arguments})


def run(function: Any, n: int = 3, **arguments: Any) -> Outcome:
    return run_model(model(function, **arguments), designs(n))


class Counted:
    """Doubles `a`, and raises for a batch that holds a bad design."""

    def __init__(self, bad: set[int]) -> None:
        self.bad = bad
        self.calls = 0

    def __call__(self, d: Any) -> dict[str, Any]:
        self.calls += 1
        hit = sorted(self.bad & set(d["a"].tolist()))
        if hit:
            raise RuntimeError(f"cannot simulate {hit[0]}")
        return {"m": 2.0 * d["a"]}


def test_a_good_batch_is_one_call() -> None:
    function = Counted(set())
    outcome = run(function, 1_000)
    assert function.calls == 1
    assert outcome.errors == {}
    assert np.array_equal(outcome.metrics["m"], 2.0 * np.arange(1_000))


def test_one_bad_design_of_a_hundred_fails_alone() -> None:
    function = Counted({37})
    outcome = run(function, 100)
    assert outcome.errors == {37: "RuntimeError: cannot simulate 37"}
    metric = np.asarray(outcome.metrics["m"])
    assert np.flatnonzero(np.isnan(metric)).tolist() == [37]
    assert np.array_equal(np.delete(metric, 37), 2.0 * np.delete(np.arange(100), 37))
    assert function.calls <= 2 * 7 + 1


@given(st.sets(st.integers(0, 199), max_size=12))
def test_exactly_the_bad_designs_fail(bad: set[int]) -> None:
    outcome = run(Counted(bad), 200)
    assert set(outcome.errors) == bad
    assert outcome.errors == {row: f"RuntimeError: cannot simulate {row}" for row in bad}


def test_a_model_that_always_raises_is_not_called_for_every_design() -> None:
    function = Counted(set(range(10_000)))
    outcome = run(function, 10_000)
    assert set(outcome.errors) == set(range(10_000))
    assert function.calls < MAX_ISOLATING_CALLS + 32
    assert "not divided further" in outcome.errors[9_999]
    assert np.isnan(outcome.metrics["m"]).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_fail_their_design(value: float) -> None:
    outcome = run(lambda d: {"m": np.where(d["a"] == 1, value, 1.0)})
    assert outcome.errors == {1: f"the model returned {value} for 'm'"}
    assert np.isnan(outcome.metrics["m"][1])


@pytest.mark.parametrize(
    ("result", "fragments"),
    [
        (None, ["NoneType", "mapping"]),
        (5, ["int", "mapping"]),
        ([1, 2, 3], ["list", "mapping"]),
        ({}, ["'m'", "nothing"]),
        ({"n": 1.0}, ["'m'", "'n'"]),
        ({"m": 1.0, "n": 2.0}, ["'n'", "not declare"]),
        ({"m": np.zeros(2)}, ["(2,)", "'m'", "needed"]),
        ({"m": np.zeros((3, 1))}, ["(3, 1)", "'m'"]),
        ({"m": [[1], [1, 2], [3]]}, ["shape"]),
        ({"m": ["a", "b", "c"]}, ["'m'", "numbers"]),
        ({"m": ["1", "2", "3"]}, ["'m'", "numbers"]),
        ({"m": np.array(["1", 2, 3], dtype=object)}, ["'m'", "numbers"]),
        ({"m": np.array([1j, 2j, 3j])}, ["complex", "'m'", "numbers"]),
        ({"m": np.array(["2020-01-01"] * 3, "datetime64[D]")}, ["datetime", "numbers"]),
        ({"m": {"x": 1}}, ["'m'", "numbers"]),
        (Outcome({"m": np.zeros(3)}, {7: "x"}), ["design 7 of"]),
        (Outcome({"m": np.zeros(3)}, {-1: "x"}), ["design -1 of"]),
        (Outcome({"m": np.zeros(3)}, {}, frozenset({3})), ["design 3 of"]),
        (Outcome({"m": np.zeros(3)}, seconds=np.zeros(2)), ["seconds", "(2,)"]),
        (Outcome({}), ["'m'"]),
    ],
)  # fmt: skip
def test_bad_output_fails_the_designs_with_the_reason(result: Any, fragments: list[str]) -> None:
    """The whole batch fails: halved until its length fits, two zeros would pass for two results."""
    outcome = run(lambda d: result)
    assert set(outcome.errors) == {0, 1, 2}
    assert np.isnan(outcome.metrics["m"]).all()
    for reason in outcome.errors.values():
        assert '"the model' not in reason
        for fragment in fragments:
            assert fragment in reason


def test_scalars_and_whole_numbers_are_broadcast_to_floats() -> None:
    outcome = run(lambda d: {"m": 5, "n": d["a"], "t": d["a"] > 0}, metrics={"m": "", "n": "", "t": ""})
    assert outcome.errors == {}
    assert [np.asarray(outcome.metrics[name]).tolist() for name in "mnt"] == [
        [5.0] * 3,
        [0.0, 1.0, 2.0],
        [0.0, 1.0, 1.0],
    ]
    assert all(np.asarray(column).dtype == np.float64 for column in outcome.metrics.values())


def test_none_fails_its_design() -> None:
    outcome = run(lambda d: {"m": [1.0, None, 3.0]})
    assert list(outcome.errors) == [1]


def test_no_designs_call_no_model() -> None:
    function = Counted(set())
    outcome = run(function, 0)
    assert function.calls == 0
    assert np.asarray(outcome.metrics["m"]).shape == (0,)


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def fails_with(error: BaseException) -> Any:
    def function(d: Any) -> Any:
        raise error

    return function


def test_errors_without_words_are_described() -> None:
    assert describe(UnspeakableError()) == "UnspeakableError: (its message cannot be shown)"
    assert describe(ValueError()) == "ValueError"
    assert describe(ValueError("two\n  lines")) == "ValueError: two lines"
    outcome = run(fails_with(UnspeakableError()))
    assert set(outcome.errors.values()) == {"UnspeakableError: (its message cannot be shown)"}


@pytest.mark.parametrize(
    "error", [MemoryError(), RecursionError("deep"), ZeroDivisionError("x"), AssertionError()]
)
def test_every_kind_of_error_is_caught(error: Exception) -> None:
    assert set(run(fails_with(error)).errors) == {0, 1, 2}


def test_an_interrupt_is_not() -> None:
    with pytest.raises(KeyboardInterrupt):
        run(fails_with(KeyboardInterrupt()))


def test_writing_into_a_column_is_a_failure_not_a_corruption() -> None:
    def greedy(d: Any) -> Any:
        d["a"][:] = 0
        return {"m": d["a"]}

    outcome = run(greedy)
    assert all("read-only" in reason for reason in outcome.errors.values())
    assert len(outcome.errors) == 3


# Outcomes that name failures themselves


def test_a_model_may_name_failures_and_timeouts() -> None:
    def simulator(d: Any) -> Outcome:
        return Outcome(
            {"m": np.arange(len(d), dtype=float)}, {1: "too large"}, frozenset({2}), np.array([0.1, 0.2, 0.3])
        )

    evaluations = Problem(SPACE, model(simulator), [Minimize("m")]).evaluate(designs(3))
    assert evaluations.state.tolist() == ["complete", "failed", "timeout"]
    assert evaluations.errors == {1: "too large"}
    assert evaluations.seconds.tolist() == [0.1, 0.2, 0.3]
    assert np.isnan(evaluations.metrics["m"][1:]).all()


# One design at a time


def test_a_per_design_function_gets_plain_values_and_fails_alone() -> None:
    seen = []

    def one(design: dict[str, Any]) -> dict[str, float]:
        seen.append(design)
        if design["a"] == 1:
            raise ValueError("does not fit")
        if design["a"] == 2:
            return {"m": float("nan")}
        if design["a"] == 3:
            return {}
        if design["a"] == 4:
            return {"m": "fast"}  # type: ignore[dict-item]
        if design["a"] == 5:
            raise UnspeakableError
        return {"m": design["a"] * 10}

    outcome = run(one, 7, per_design=True)
    assert seen[0] == {"a": 0, "b": 1}
    assert type(seen[0]["a"]) is int
    assert set(outcome.errors) == {1, 2, 3, 4, 5}
    assert outcome.errors[1] == "ValueError: does not fit"
    assert "nan" in outcome.errors[2]
    assert "no 'm'" in outcome.errors[3]
    assert "ValueError" in outcome.errors[4]
    assert np.asarray(outcome.metrics["m"])[[0, 6]].tolist() == [0.0, 60.0]
    assert len(seen) == 7
    assert outcome.seconds is not None
    assert outcome.seconds.shape == (7,)


# The decorator


def test_the_decorator_keeps_the_function_callable() -> None:
    @cost_model(metrics={"latency_ms": "ms"}, settings={"clock_mhz": 500})
    def latency(d: Any) -> dict[str, Any]:
        return {"latency_ms": 1.0 / d["a"]}

    assert isinstance(latency, CostModel)
    assert latency({"a": 4})["latency_ms"] == 0.25
    assert latency.name == "latency"
    assert latency.settings == {"clock_mhz": 500}
    assert latency.columns == ("a",)
    assert latency.version.startswith("code:")


def test_columns_are_read_from_the_source() -> None:
    def reads(d: Any, other: Any = None) -> Any:
        x = d["a"] + d["core.rows"]
        name = "dynamic"
        return {"m": x + d[name] + (other or {"z": 1})["z"] + d["a"]}

    def rebinds(d: Any) -> Any:
        d = {"x": d["a"]}
        return d["x"]

    assert columns_read(reads) == ("a", "core.rows")
    assert columns_read(rebinds) == ()
    assert columns_read(lambda d: d["a"]) == ()
    assert columns_read(len) == ()


def body(source: str) -> Any:
    names: dict[str, Any] = {}
    exec(source, names)
    return names["f"]


def test_the_default_version_follows_the_code_and_nothing_else() -> None:
    def version(source: str) -> str:
        return str(cost_model(body(source), metrics={"m": ""}).version)

    base = version("def f(d):\n    return {'m': d['a'] * 2}")
    assert version("def f(d):\n    # twice\n    return {'m':   d['a'] * 2}") == base
    assert version("def f(d):\n    return {'m': d['a'] * 3}") != base
    assert version("def f(d):\n    return {'m': d['b'] * 2}") != base
    assert cost_model(len, metrics={"m": ""}, version="2").version == "2"


@pytest.mark.parametrize(
    ("arguments", "fragments"),
    [
        ({"metrics": {}}, ["metrics", "{'latency_ms': 'ms'}"]),
        ({"metrics": ["m"]}, ["metrics", "['m']"]),
        ({"metrics": {"a b": "ms"}}, ["metric", "'a b'"]),
        ({"metrics": {"m": None}}, ["unit", "'m'", "None"]),
    ],
)
def test_bad_metrics_are_refused(arguments: dict[str, Any], fragments: list[str]) -> None:
    with pytest.raises(ProblemError) as caught:
        cost_model(lambda d: d, **arguments)
    for fragment in fragments:
        assert fragment in str(caught.value)


def test_only_functions_are_decorated() -> None:
    with pytest.raises(ProblemError, match="function, not 5"):
        cost_model(5, metrics={"m": ""})  # type: ignore[call-overload]


def _scaled(factor: float) -> Any:
    def model(d: Any) -> dict[str, Any]:
        return {"cost": factor * d["x"]}

    return cost_model(model, metrics={"cost": "s"})


def test_values_that_a_model_closes_over_are_part_of_its_version() -> None:
    from functools import partial

    assert _scaled(2.0).version == _scaled(2.0).version
    assert _scaled(2.0).version != _scaled(3.0).version

    def scaled(factor: float, d: Any) -> dict[str, Any]:
        return {"cost": factor * d["x"]}

    one, other = (cost_model(partial(scaled, factor), metrics={"cost": "s"}) for factor in (2.0, 3.0))
    assert one.version != other.version
