"""A surrogate in place of a cost model, and before one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dse import Categorical, Integer, Maximize, Minimize, Ordinal, Problem, Space, State, Study, cost_model
from dse.errors import SurrogateError
from dse.models import Outcome
from dse.surrogates import Surrogate, TrainingData, fit
from dse.surrogates.model import (
    FAILURE,
    OUTSIDE,
    ScreenedModel,
    SurrogateModel,
    SurrogateProblem,
    screened_problem,
)

SPACE = Space([
    Ordinal("tile", [16, 32, 64, 128]), Integer("stages", 1, 8), Integer("width", 1, 16),
    Categorical("kind", ["a", "b", "c"]),
])  # fmt: skip
METRICS = {"latency_ms": "ms", "energy_mj": "mJ"}


class Real:
    """A cost model that fails where kind is c and the width is above 8, and counts what it is asked."""

    name, version, settings, metrics, columns = "real", "1", {}, METRICS, ("tile", "stages", "width", "kind")

    def __init__(self) -> None:
        self.asked = 0

    def evaluate(self, designs):
        self.asked += len(designs)
        tile, stages, width = (np.asarray(designs[name], float) for name in ("tile", "stages", "width"))
        wide = np.where(designs["kind"] == "b", 2.0, 1.0)
        failed = np.flatnonzero((designs["kind"] == "c") & (width > 8))
        return Outcome(
            {"latency_ms": 1e3 / (tile * width) + stages, "energy_mj": 0.1 * tile * stages * wide},
            {int(row): "no room" for row in failed},
        )


def problem(limits=("energy_mj <= 40",), model=None):
    return Problem(SPACE, model or Real(), [Minimize("latency_ms"), Minimize("energy_mj")], limits)


@pytest.fixture(scope="module")
def surrogate() -> Surrogate:
    made = problem()
    evaluations = made.evaluate(SPACE.sample(500, 0))
    return fit(TrainingData.of(evaluations, METRICS), model="forest")


def as_model(surrogate, confidence=0.9):
    return SurrogateModel(surrogate, "mine@1", "d1", confidence)


def test_a_study_runs_on_it_and_its_front_is_near_the_real_one(surrogate, tmp_path):
    made = SurrogateProblem(problem(), as_model(surrogate, 0.5))
    study = Study("cheap", made, searcher="exhaustive", store=f"sqlite:///{tmp_path}/s.db")
    study.run()
    assert len(study) == SPACE.size
    front = study.front()
    designs = SPACE.designs({name: front[name].to_numpy() for name in SPACE.names})
    real = problem().evaluate(designs)
    off = np.abs(front["latency_ms"].to_numpy() - real.metrics["latency_ms"]) / real.metrics["latency_ms"]
    assert np.median(off) < 0.05
    assert {OUTSIDE, FAILURE} <= set(front.columns)


def test_designs_that_fail_for_real_are_predicted_to_fail_with_the_reason(surrogate):
    designs = SPACE.designs({"tile": [32, 32], "stages": [3, 3], "width": [15, 2], "kind": ["c", "c"]})
    found = SurrogateProblem(problem(), as_model(surrogate)).evaluate(designs)
    assert found.state.tolist() == [State.FAILED, State.COMPLETE]
    assert found.errors[0].startswith("mine@1 predicts that it fails, with probability")


def test_limits_hold_with_the_confidence_asked_for(surrogate):
    designs = SPACE.sample(2_000, 7)
    bounded = problem(limits=("latency_ms <= 8",))
    real = bounded.evaluate(designs)
    broken = {}
    for confidence in (0.5, 0.95):
        found = SurrogateProblem(bounded, as_model(surrogate, confidence)).evaluate(designs)
        passed = found.feasible & real.evaluated
        broken[confidence] = float((real.violation[passed] > 0).mean())
        assert passed.sum() > 100
    assert broken[0.95] <= 0.02
    assert broken[0.95] <= broken[0.5]
    strict = SurrogateProblem(bounded, as_model(surrogate, 0.95)).evaluate(designs)
    loose = SurrogateProblem(bounded, as_model(surrogate, 0.5)).evaluate(designs)
    assert strict.feasible.sum() < loose.feasible.sum()


def test_a_limit_from_below_is_judged_by_the_lower_end(surrogate):
    made = SurrogateProblem(problem(limits=("energy_mj >= 20",)), as_model(surrogate, 0.95))
    designs = SPACE.sample(500, 3)
    prediction = as_model(surrogate, 0.95).predict(designs)
    found = made.evaluate(designs)
    known = found.evaluated
    expected = prediction.lower["energy_mj"] >= 20
    np.testing.assert_array_equal(found.feasible[known], expected[known])


def test_what_was_not_seen_is_flagged():
    data = TrainingData.of(problem().evaluate(SPACE.designs({
        "tile": [16, 32] * 40, "stages": ([1, 2, 3, 4] * 20), "width": list(range(1, 9)) * 10,
        "kind": ["a"] * 80,
    })), METRICS)  # fmt: skip
    model = as_model(fit(data, model="ridge"))
    designs = SPACE.designs({
        "tile": [16, 128, 16, 16], "stages": [1, 1, 8, 1], "width": [1, 1, 1, 1],
        "kind": ["a", "a", "a", "b"],
    })  # fmt: skip
    assert model.evaluate(designs).metrics[OUTSIDE].tolist() == [0.0, 1.0, 1.0, 1.0]


def test_another_version_or_confidence_is_another_problem(surrogate):
    first = SurrogateProblem(problem(), as_model(surrogate))
    for other in (as_model(surrogate, 0.8), replace(as_model(surrogate), digest="d2")):
        assert SurrogateProblem(problem(), other).fingerprint != first.fingerprint
    assert SurrogateProblem(problem(), as_model(surrogate)).fingerprint == first.fingerprint
    assert first.fingerprint != problem().fingerprint


def test_one_that_does_not_fit_is_refused_with_what_differs(surrogate):
    other = Space([Ordinal("tile", [16, 32, 64, 256]), *SPACE.parameters[1:]])
    with pytest.raises(SurrogateError, match=r"another space: tile\.values\[3\]: 128 -> 256"):
        SurrogateProblem(Problem(other, Real(), [Minimize("latency_ms")]), as_model(surrogate))

    @cost_model(metrics={"accuracy": "%"}, columns=["tile"])
    def accuracy(d):
        return {"accuracy": d["tile"]}

    with pytest.raises(SurrogateError, match="knows no metric 'accuracy', which the problem reads"):
        SurrogateProblem(Problem(SPACE, accuracy, [Maximize("accuracy")]), as_model(surrogate))


@pytest.mark.parametrize("confidence", [0.4, 1.0, -1])
def test_a_confidence_that_is_none_is_refused(surrogate, confidence):
    with pytest.raises(SurrogateError, match=r"at least 0\.5 and below 1"):
        as_model(surrogate, confidence)


def test_screening_spares_the_real_model_what_fails_or_breaks_a_limit(surrogate):
    real = Real()
    made = screened_problem(problem(model=real), as_model(surrogate))
    designs = SPACE.sample(1_000, 11)
    found = made.evaluate(designs)
    plain = problem().evaluate(designs)
    spared = np.array(["not evaluated" in found.errors.get(row, "") for row in range(len(designs))])
    assert real.asked == (~spared).sum() < 600
    # What was spared is what the real model would have refused, but for a few.
    assert plain.feasible[spared].mean() < 0.05
    np.testing.assert_array_equal(found.metrics["latency_ms"][~spared], plain.metrics["latency_ms"][~spared])
    assert set(found.state[spared]) == {State.FAILED}
    assert any("90% sure that it breaks a limit" in text for text in found.errors.values())
    assert any("90% sure that it fails" in text for text in found.errors.values())


def test_a_screened_model_keeps_the_errors_and_time_outs_of_the_real_one(surrogate):
    class Odd(Real):
        def evaluate(self, designs):
            values = {name: np.ones(len(designs)) for name in METRICS}
            return Outcome(values, {0: "odd"}, frozenset({1}))

    screen = as_model(surrogate, 0.999)
    designs = SPACE.designs({"tile": [16] * 3, "stages": [1, 1, 1], "width": [4, 5, 6], "kind": ["a"] * 3})
    found = ScreenedModel(Odd(), screen, ()).evaluate(designs)
    assert found.errors == {0: "odd"}
    assert found.timeouts == {1}


def test_the_surrogate_is_the_prior_of_a_screened_problem(surrogate):
    made = screened_problem(problem(), as_model(surrogate))
    believed = made.prior_objectives(SPACE.sample(50, 1))
    assert believed.shape == (50, 2)
    assert made.fingerprint != problem().fingerprint
