"""`ilp`: exact fronts of additive problems."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse import Categorical, Integer, Minimize, Problem, Real, Space, Study, cost_model
from dse.additive import Additive, Term
from dse.designs import Designs
from dse.errors import SearcherError, SpaceError
from dse.pareto import nondominated
from dse.searchers import ilp, make_searcher, options
from dse.searchers.ilp import ILP
from dse.testing import check_searcher


class Sums:
    """A model of random tables over pairs of parameters."""

    name = "sums"
    version = "1"
    settings: dict[str, object] = {}  # noqa: RUF012

    def __init__(self, space: Space, groups: int, metrics: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        names = [f"m{index}" for index in range(metrics)]
        self.metrics = dict.fromkeys(names, "")
        self.columns = space.names
        terms = []
        for group in range(groups):
            columns = (f"w{group}", f"a{group}")
            shape = tuple(int(space[column].cardinality) for column in columns)
            terms.append(Term(columns, {name: rng.random(shape) for name in names}))
        self.tables = Additive(space, dict.fromkeys(names, 1.0), terms)

    def evaluate(self, designs: Designs) -> dict[str, np.ndarray]:
        return self.tables.evaluate(designs)

    def additive(self, space: Space) -> Additive:
        return self.tables


def problem(
    seed: int = 0,
    groups: int = 3,
    shape: tuple[int, int] = (4, 3),
    metrics: int = 2,
    limits: tuple[str, ...] = (),
    constraints: tuple[str, ...] = (),
) -> Problem:
    parameters = []
    for group in range(groups):
        parameters += [Categorical(f"w{group}", list(range(shape[0])))]
        parameters += [Categorical(f"a{group}", list(range(shape[1])))]
    space = Space(parameters, list(constraints))
    model = Sums(space, groups, metrics, seed)
    return Problem(space, model, [Minimize(name) for name in model.metrics], limits)


def exact(of: Problem) -> np.ndarray:
    """Return the front over all designs, sorted."""
    judged = of.evaluate(Designs.concat(list(of.space.enumerate())))
    points = judged.objectives[judged.violation == 0]
    front = points[nondominated(points)]
    return np.unique(front.round(9), axis=0)


def swept(of: Problem, most: int = 500) -> np.ndarray:
    searcher = ILP(of.space, linear=of.linear)
    points = []
    for _ in range(most):
        designs = searcher.ask(8)
        if not len(designs):
            break
        assert of.space.contains(designs).all()
        judged = of.evaluate(designs)
        points.append(judged.objectives)
        searcher.tell(judged)
    return np.unique(np.concatenate(points).round(9), axis=0)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_whole_front_of_two_objectives_is_found(seed: int) -> None:
    of = problem(seed)
    np.testing.assert_allclose(swept(of), exact(of), atol=1e-8)


@pytest.mark.parametrize(
    "changes",
    [
        {"limits": ("m0 + m1 <= 5.2", "m0 >= 2")},
        {"constraints": ("w0 != 1 or a0 == 2", "w1 <= 2")},
        {"constraints": ("w0 + w1 <= 3", "a0 != a2")},
        {"limits": ("m0 <= 2.4",), "constraints": ("w0 + w2 >= 2",)},
        {"constraints": ("w0 == w1", "w1 == w2")},
        {"constraints": ("w0 < w1 + w2 <= 5 and a0 == a1",)},
    ],
    ids=["limits", "within a term", "across terms", "both", "few designs", "chains"],
)
@pytest.mark.parametrize("joined", [0, 4_096], ids=["cut", "joined"])
def test_limits_and_constraints_hold(
    changes: dict[str, tuple[str, ...]], joined: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(options, "JOINED", joined)
    for seed in range(2):
        of = problem(seed, **changes)  # type: ignore[arg-type]
        np.testing.assert_allclose(swept(of), exact(of), atol=1e-8)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    metrics=st.integers(2, 3),
    limits=st.sets(st.sampled_from(["m0 <= 2.6", "m0 + 2 * m1 <= 7", "2 <= m1 <= 3.2"]), max_size=2),
    constraints=st.sets(
        st.sampled_from(["w0 <= a0 + 1", "w0 + w1 + w2 <= 5", "a1 * w2 != 2", "w1 == 0 or a2 > 0"]),
        max_size=2,
    ),
    joined=st.sampled_from([0, 50, 4_096]),
)
def test_what_is_proposed_is_of_the_exact_front(
    seed: int, metrics: int, limits: set[str], constraints: set[str], joined: int
) -> None:
    of = problem(seed, metrics=metrics, limits=tuple(sorted(limits)), constraints=tuple(sorted(constraints)))
    judged = of.evaluate(Designs.concat(list(of.space.enumerate())))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(options, "JOINED", joined)
        patch.setattr(ilp, "BARREN", 8)
        if not (judged.violation == 0).any():
            assert len(ILP(of.space, linear=of.linear).ask(4)) == 0
            return
        found = swept(of)
    front = exact(of)
    assert all((np.abs(front - point).max(1) < 1e-8).any() for point in found)
    if metrics == 2:
        assert len(found) == len(front)


def test_layers_that_are_alike_do_not_trade_places() -> None:
    of = problem(0, groups=4, shape=(3, 1), metrics=3)
    table = {name: np.random.default_rng(0).random((3, 1)) for name in ("m0", "m1", "m2")}
    terms = [Term((f"w{index}", f"a{index}"), table) for index in range(4)]
    of.model.tables = Additive(of.space, dict.fromkeys(table, 0.0), terms)  # type: ignore[attr-defined]
    points = of.evaluate(ILP(of.space, linear=of.linear).ask(500)).objectives
    # 15 multisets of three options over four layers, of 81 designs.
    assert len(points) == len(np.unique(points.round(9), axis=0)) <= 15


def test_a_sum_across_all_terms_is_a_row_of_the_program() -> None:
    """Cut off one by one, designs beyond the sum would never end."""
    text = " + ".join(f"w{index}" for index in range(8))
    of = problem(0, groups=8, shape=(4, 2), constraints=(f"{text} <= 6",))
    found = swept(of)
    # The front by dynamic programming over what the sum has left.
    tables = [term.tables for term in of.model.additive(of.space).terms]  # type: ignore[attr-defined]
    best = {0: np.ones((1, 2))}
    for table in tables:
        grown: dict[int, list[np.ndarray]] = {}
        for used, points in best.items():
            for w in range(min(4, 7 - used)):
                for a in range(2):
                    step = np.array([table["m0"][w, a], table["m1"][w, a]])
                    grown.setdefault(used + w, []).append(points + step)
        merged = {used: np.concatenate(parts) for used, parts in grown.items()}
        best = {used: points[nondominated(points)] for used, points in merged.items()}
    points = np.concatenate(list(best.values()))
    np.testing.assert_allclose(found, np.unique(points[nondominated(points)].round(9), axis=0), atol=1e-8)


def test_conditions_across_terms_hold() -> None:
    """A parameter is not active where one that its condition reads is not."""
    space = Space(
        [
            Categorical("w0", [0, 1, 2]),
            Categorical("a0", [0, 1], active_if="w0 == 2"),
            Categorical("w1", [0, 1, 2], active_if="a0 == 1"),
            Categorical("a1", [0, 1, 2]),
        ],
        ["w1 + a1 >= 1"],
    )
    # A condition and what it reads in one term, and the one that both depend on in another.
    tables = np.random.default_rng(0).random((2, 6, 3))
    model = Sums(space, 0, 2, 0)
    model.tables = Additive(
        space,
        {"m0": 0.0, "m1": 0.0},
        [
            Term(("a0", "w1"), {f"m{index}": -tables[index].reshape(3, 6)[:2, :3] for index in range(2)}),
            Term(("w0",), {f"m{index}": tables[index][0] for index in range(2)}),
            Term(("a1",), {f"m{index}": tables[index][5] for index in range(2)}),
        ],
    )
    of = Problem(space, model, [Minimize("m0"), Minimize("m1")])
    np.testing.assert_allclose(swept(of), exact(of), atol=1e-8)


def test_points_that_differ_little_are_told_apart() -> None:
    """Whole numbers, tied often, against values of which some differ by a hundred-thousandth of the range."""
    for seed in range(4):
        of = problem(0, groups=4, shape=(3, 2))
        rng = np.random.default_rng(seed)
        terms = []
        for index in range(4):
            size = 1.0 if index < 2 else 1e-4
            m1 = rng.integers(0, 4, (3, 2)).astype(float)
            terms.append(Term((f"w{index}", f"a{index}"), {"m0": size * rng.random((3, 2)), "m1": m1}))
        of.model.tables = Additive(of.space, {"m0": 0.0, "m1": 0.0}, terms)  # type: ignore[attr-defined]
        np.testing.assert_allclose(swept(of), exact(of), atol=1e-8)


def test_a_limit_that_is_met_exactly_is_met_by_evaluation() -> None:
    """Ten times 0.1 is not 1 in floating point, whatever the solver's tolerance says."""
    space = Space([Integer(f"n{index}", 0, 3) for index in range(4)])
    model = Sums(space, 0, 2, 0)
    steps = np.arange(4.0)
    model.tables = Additive(
        space,
        {"m0": 0.0, "m1": 0.0},
        [
            Term((name,), {"m0": 0.1 * steps, "m1": -(index + 1) * steps})
            for index, name in enumerate(space.names)
        ],
    )
    for limit in ("m0 <= 0.3", "m0 <= 0.6", "m0 <= 0.7"):
        of = Problem(space, model, [Minimize("m0"), Minimize("m1")], [limit])
        searcher = ILP(space, linear=of.linear)
        assert (of.evaluate(searcher.ask(100)).violation == 0).all()
        np.testing.assert_allclose(swept(of), exact(of), atol=1e-8)


def test_a_limit_that_no_choice_changes() -> None:
    space = Space([Categorical("w0", [0, 1]), Categorical("a0", [0, 1])])
    for bound, count in (("m1 <= 1e9", 1), ("m1 <= 0.5", 0)):
        model = Sums(space, 0, 2, 0)
        term = Term(("w0", "a0"), {"m0": np.arange(4.0).reshape(2, 2)})
        model.tables = Additive(space, {"m0": 0.0, "m1": 1.0}, [term])
        of = Problem(space, model, [Minimize("m0")], [bound])
        assert len(ILP(space, linear=of.linear).ask(4)) == count


def test_a_parameter_of_no_term_may_have_very_many_values() -> None:
    space = Space([Categorical("w0", [0, 1]), Categorical("a0", [0, 1]), Integer("free", 1, 10**12)])
    of = Problem(space, Sums(space, 1, 2, 0), [Minimize("m0"), Minimize("m1")])
    assert set(ILP(space, linear=of.linear).ask(10)["free"].tolist()) == {1}


def test_a_network_of_many_layers() -> None:
    """64 terms of 72 options: the first points of the front, none of which another dominates."""
    of = problem(0, groups=64, shape=(12, 6))
    designs = ILP(of.space, linear=of.linear).ask(24)
    points = of.evaluate(designs).objectives
    assert len(designs) == 24
    assert nondominated(points).all()


def test_three_objectives_give_members_of_the_front() -> None:
    of = problem(1, metrics=3)
    front, found = exact(of), swept(of)
    assert all((np.abs(front - point).max(1) < 1e-8).any() for point in found)
    assert len(found) >= 0.4 * len(front)


def test_one_objective_has_one_optimum() -> None:
    of = problem(2, metrics=1)
    np.testing.assert_allclose(swept(of), exact(of), atol=1e-8)


def test_limits_that_no_design_satisfies_end_the_search() -> None:
    of = problem(0, limits=("m0 <= 0",))
    assert len(ILP(of.space, linear=of.linear).ask(4)) == 0


def test_parameters_of_no_term_take_one_value() -> None:
    space = Space([Categorical("w0", [0, 1]), Categorical("a0", [0, 1]), Categorical("free", ["x", "y"])])
    model = Sums(space, 1, 2, 0)
    of = Problem(space, model, [Minimize("m0"), Minimize("m1")])
    designs = ILP(space, linear=of.linear).ask(10)
    assert set(designs["free"].tolist()) == {"x"}


def test_a_resumed_study_equals_one_that_was_not_stopped(tmp_path: Path) -> None:
    of = problem(3, groups=4)
    whole = Study("a", of, searcher="ilp", store=f"sqlite:///{tmp_path}/a.db")
    whole.run(budget=20)
    parts = Study("a", of, searcher="ilp", store=f"sqlite:///{tmp_path}/b.db")
    parts.run(budget=7)
    again = Study("a", of, searcher="ilp", store=f"sqlite:///{tmp_path}/b.db")
    again.run(budget=20)
    assert whole.evaluations().equals(again.evaluations())


def test_asking_changes_nothing_and_foreign_designs_are_remembered() -> None:
    of = problem(4)
    searcher = ILP(of.space, linear=of.linear)
    first = searcher.ask(4)
    assert searcher.ask(4) == first
    searcher.tell(of.evaluate(first.take([1, 2])))
    assert searcher.ask(2) == first.take([0, 3])


def test_the_prior_is_solved_and_the_model_is_measured(tmp_path: Path) -> None:
    of = problem(5)
    believed = of.model

    @cost_model(metrics={"m0": "", "m1": ""}, columns=of.space.names)
    def real(d: Designs) -> dict[str, np.ndarray]:
        found = believed.evaluate(d)
        return {"m0": found["m0"] ** 2, "m1": found["m1"]}  # type: ignore[index, operator]

    both = Problem(of.space, real, of.objectives, prior=believed)
    study = Study("a", both, searcher="ilp", store=f"sqlite:///{tmp_path}/a.db")
    study.run(budget=500)
    # Squaring keeps the order: the front's designs are the same.
    assert len(study) == len(exact(of)) == len(study.front())


def test_it_keeps_a_searchers_promises() -> None:
    """With conditions and constraints across terms, failed designs, those of others, eight objectives."""
    check_searcher(ILP, tables=True)


def test_what_it_cannot_solve_is_refused() -> None:
    space = Space([Categorical("w0", [0, 1])])
    with pytest.raises(SearcherError, match=r"'ilp' needs a model, or a prior, whose objectives are sums"):
        make_searcher("ilp", space, 0)
    of = problem()
    with pytest.raises(SearcherError, match="nodes=0 must be a whole number"):
        make_searcher("ilp", of.space, 0, {"nodes": 0}, linear=of.linear)
    with pytest.raises(SpaceError, match="without real parameters"):
        ILP(Space([Real("r", 0, 1)]), linear=of.linear)


def test_tables_are_made_only_for_who_takes_them(tmp_path: Path) -> None:
    of = problem()

    def costly(space: Space) -> Additive:
        raise AssertionError("made for nothing")

    of.model.additive = costly  # type: ignore[attr-defined, union-attr]
    Study("r", of, searcher="nsga2", store=f"sqlite:///{tmp_path}/a.db").run(budget=10)
    with pytest.raises(AssertionError, match="made for nothing"):
        Study("i", of, searcher="ilp", store=f"sqlite:///{tmp_path}/a.db")
