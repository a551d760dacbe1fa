"""Additive metrics: look-up equals the sums by hand; a problem as a linear program sees it."""

from __future__ import annotations

import numpy as np
import pytest

from dse import Categorical, Integer, Maximize, Minimize, Problem, Real, Space, cost_model
from dse.additive import Additive, AdditiveModel, Term
from dse.designs import Designs
from dse.errors import ProblemError
from dse.linear import linear_problem

SPACE = Space([Categorical("w", ["a", "b", "c"]), Integer("n", 2, 5), Categorical("k", [1, 2])])


def tables(seed: int = 0) -> Additive:
    rng = np.random.default_rng(seed)
    return Additive(
        SPACE,
        {"cost": 1.5, "gain": -2.0},
        [
            Term(("w", "k"), {"cost": rng.normal(size=(3, 2)), "gain": rng.normal(size=(3, 2))}),
            Term(("n",), {"cost": rng.normal(size=4)}),
        ],
    )


class Model:
    """A model of additive tables, as a user writes it."""

    name = "sums"
    version = "1"
    settings: dict[str, object] = {}  # noqa: RUF012
    columns = ("w", "n", "k")
    metrics = {"cost": "", "gain": ""}  # noqa: RUF012

    def evaluate(self, designs: Designs) -> dict[str, np.ndarray]:
        return tables().evaluate(designs)

    def additive(self, space: Space) -> Additive:
        return tables()


def test_evaluation_is_the_sum_of_the_tables() -> None:
    additive = tables()
    for row in SPACE.sample(20, 0).rows():
        found = additive.evaluate(SPACE.designs([row]))
        w, n, k = "abc".index(row["w"]), row["n"] - 2, row["k"] - 1
        pair, single = (term.tables for term in additive.terms)
        assert found["cost"][0] == pytest.approx(1.5 + pair["cost"][w, k] + single["cost"][n])
        assert found["gain"][0] == pytest.approx(-2.0 + pair["gain"][w, k])


def test_large_batches_equal_small_ones() -> None:
    codes = SPACE.sample(24, 0).codes[np.random.default_rng(0).integers(0, 24, 20_000)]
    whole = tables().evaluate(Designs(SPACE, codes))
    part = tables().evaluate(Designs(SPACE, codes[9_000:9_100]))
    np.testing.assert_array_equal(whole["cost"][9_000:9_100], part["cost"])


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ([Term(("x",), {})], "'x', which is no discrete parameter"),
        ([Term(("w",), {}), Term(("w", "k"), {})], "two terms read 'w'"),
        ([Term(("w",), {"cost": np.zeros(2)})], r"shape \(2,\): \(3,\) finite numbers"),
        ([Term(("w",), {"cost": np.array([0, 1, np.inf])})], "finite numbers are needed"),
        ([Term(("w",), {"size": np.zeros(3)})], "'size', which has no constant"),
    ],
)
def test_wrong_tables_are_refused(terms: list[Term], message: str) -> None:
    with pytest.raises(ProblemError, match=message):
        Additive(SPACE, {"cost": 0.0}, terms)


def test_reals_are_refused() -> None:
    with pytest.raises(ProblemError, match="no discrete parameter"):
        Additive(Space([Real("r", 0, 1)]), {"m": 0.0}, [Term(("r",), {})])


def test_a_model_with_tables_is_known_as_one() -> None:
    assert isinstance(Model(), AdditiveModel)

    @cost_model(metrics={"cost": ""}, columns=["n"])
    def plain(d: Designs) -> dict[str, np.ndarray]:
        return {"cost": d["n"]}

    assert not isinstance(plain, AdditiveModel)
    assert Problem(SPACE, plain, [Minimize("cost")]).linear is None


def test_a_problem_is_linear_in_its_models_tables() -> None:
    problem = Problem(
        SPACE, Model(), [Minimize("cost"), Maximize("gain")], ["cost <= 2", "-3 <= gain <= 2 * cost"]
    )
    linear = linear_problem(problem)
    assert linear is not None
    designs = SPACE.sample(24, 0)
    objectives, left = linear.evaluate(designs)
    judged = problem.evaluate(designs)
    np.testing.assert_allclose(objectives, judged.objectives)
    # Three comparisons; all of them hold where the problem says that the limits do.
    assert left.shape == (24, 3)
    np.testing.assert_array_equal((left >= 0).all(1), judged.violation == 0)


def test_limits_that_are_not_linear_are_left_out() -> None:
    problem = Problem(SPACE, Model(), [Minimize("cost")], ["cost * gain <= 1", "cost <= 3"])
    assert problem.linear is not None
    assert problem.linear.bounds.tolist() == [3.0]


@pytest.mark.parametrize(
    ("limit", "weights", "bound"),
    [
        ("cost <= 2", [1, 0], 2),
        ("cost >= 2", [-1, 0], -2),
        ("2 * (cost - 3) + gain / 4 <= -gain + 2 ** 3", [2, 1.25], 14),
        ("(1 + 1) * +cost <= log2(8)", [2, 0], 3),
        ("abs(cost - 5) >= 1", None, None),  # a straight line as far as values below 5 tell
        ("max(cost, 50) <= 60", None, None),
        ("1e-12 * cost * gain <= 1", None, None),  # a small product is still one
        ("cost / gain <= 1", None, None),
        ("cost / (2 - 2) <= 1", None, None),
        ("cost ** 2 <= 4", None, None),
    ],
)
def test_limits_are_linear_by_their_form(
    limit: str, weights: list[float] | None, bound: float | None
) -> None:
    linear = Problem(SPACE, Model(), [Minimize("cost")], [limit]).linear
    assert linear is not None
    if weights is None:
        assert linear.limits.shape == (2, 0)
    else:
        np.testing.assert_allclose(linear.limits[:, 0], weights)
        np.testing.assert_allclose(linear.bounds, [bound])


def test_the_prior_comes_before_the_model() -> None:
    @cost_model(metrics={"cost": ""}, columns=["n"])
    def real(d: Designs) -> dict[str, np.ndarray]:
        return {"cost": np.asarray(d["n"], float)}

    problem = Problem(SPACE, real, [Minimize("cost")], prior=Model())
    assert problem.linear is not None
    designs = SPACE.sample(5, 0)
    np.testing.assert_allclose(problem.linear.evaluate(designs)[0][:, 0], tables().evaluate(designs)["cost"])
