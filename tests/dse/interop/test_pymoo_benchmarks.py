"""Benchmark problems: their fronts are fronts, and the formulas those of their sources."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dse.errors import ProblemError, StudyError
from dse.interop.pymoo import benchmark, benchmark_names
from dse.interop.pymoo.benchmarks import traced_front
from dse.interop.pymoo.real_world import four_bar_front
from dse.pareto import hypervolume, nondominated, reference_point
from dse.searchers import make_searcher
from studies.pymoo_benchmark import study

KNOWN = ["zdt1", "zdt3", "zdt6", "dtlz1", "dtlz2", "dtlz5", "dtlz7", "c1dtlz1", "c2dtlz2", "c3dtlz1",
         "c3dtlz4", "dc1dtlz1", "dc3dtlz3", "mw4", "mw8", "re21"]  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
def test_nothing_beats_an_exact_front(name: str) -> None:
    of = benchmark(name)
    assert of.front is not None
    assert nondominated(of.front).all()
    # Random designs, and those of a short search, do not dominate it by more than its grain.
    searcher = make_searcher("nsga2", of.problem.space, 0, {"population": 40})
    for _ in range(15):
        found = of.problem.evaluate(searcher.ask(40))
        searcher.tell(found)
        span = of.front.max(axis=0) - of.front.min(axis=0)
        points = (found.objectives[found.feasible] + 0.02 * span)[:, None]
        assert not ((points <= of.front).all(axis=2) & (points < of.front).any(axis=2)).any()


@pytest.mark.parametrize("name", ["mw1", "mw2", "mw6", "mw12"])
def test_a_traced_front_is_the_one_that_pymoo_states(name: str) -> None:
    from pymoo.problems import get_problem

    theirs = get_problem(name)
    with np.errstate(all="ignore"):
        stated = theirs.pareto_front()
    corner = reference_point(stated)
    traced = traced_front(theirs)
    # pymoo's has 100 points, ours 1,000: a little more volume.
    assert 0.99 < hypervolume(stated, corner) / hypervolume(traced, corner) <= 1 + 1e-9
    # Tracing leaves the problem as it was.
    x = np.full((1, 15), 0.3)
    np.testing.assert_array_equal(theirs.evaluate(x)[0], get_problem(name).evaluate(x)[0])


def test_nsga2_approaches_a_front() -> None:
    of = benchmark("zdt2", parameters=6)
    searcher = make_searcher("nsga2", of.problem.space, 0)
    for _ in range(40):
        found = of.problem.evaluate(searcher.ask(100))
        searcher.tell(found)
    assert of.front is not None
    corner = reference_point(of.front)
    assert hypervolume(found.objectives, corner) > 0.95 * hypervolume(of.front, corner)


def test_the_truss_has_the_ideal_point_of_its_authors() -> None:
    # ideal_nadir_points/ideal_point_RE21.dat of the suite's repository, as corrected in 2020.
    ideal = benchmark("re21").ideal
    assert ideal is not None
    np.testing.assert_allclose(ideal, [1237.8414230005742, 0.002761423749158419], rtol=1e-10)
    assert (np.diff(four_bar_front(500)[:, 1]) < 0).all()


@pytest.mark.parametrize(
    ("name", "design", "wanted"),
    [
        # By hand, from the formulas of the supplementary file.
        ("re22", [0.2, 10.0, 20.0], [125.88, 176.03094]),
        ("re23", [16, 8, 50.0, 100.0], [3112.0 + 2222.625 + 316.61 + 992.0, 0.0]),
        ("re24", [1.0, 2.0], [241.0, (4500 / 2 / 700 - 1) + (900 / 450 - 1)]),
        ("re36", [12, 12, 24, 36], [abs(6.931 - 6.0), 36.0, 0.0]),
    ],
)
def test_formulas_of_real_designs(name: str, design: list[float], wanted: list[float]) -> None:
    problem = benchmark(name).problem
    designs = problem.space.designs({f"x{place}": [value] for place, value in enumerate(design, 1)})
    objectives = problem.evaluate(designs).objectives[0]
    if name == "re23":
        # Its last constraint, a volume of 1,296,000, is not met: the violation is the rest of it.
        volume = np.pi * 50**2 * 100 + 4 / 3 * np.pi * 50**3
        wanted = [wanted[0], max(0.0, 1_296_000 - volume)]
    np.testing.assert_allclose(objectives, wanted, rtol=1e-6)


def test_constraints_as_an_objective_and_as_limits_agree() -> None:
    loose, limited = benchmark("re33").problem, benchmark("cre23").problem
    designs = loose.space.sample(500, 0)
    one, other = loose.evaluate(designs), limited.evaluate(designs)
    np.testing.assert_array_equal(one.objectives[:, 2] == 0, other.feasible)
    np.testing.assert_allclose(one.objectives[:, 2], other.violation)


def test_every_benchmark_can_be_evaluated() -> None:
    for name in benchmark_names():
        if name.startswith("mw") and name not in ("mw4", "mw8"):
            continue  # fronts that take time; above are some of them
        of = benchmark(name)
        found = of.problem.evaluate(of.problem.space.sample(20, 0))
        assert found.evaluated.any(), name
        assert of.problem.name == name


def test_sizes_and_names_are_checked() -> None:
    assert len(benchmark("dtlz2", objectives=5, parameters=9).problem.objectives) == 5
    for arguments, message in (
        ({"name": "zdt9"}, "there is no benchmark 'zdt9'; did you mean 'zdt"),
        ({"name": "re21", "objectives": 3}, "re21 has its own number of parameters"),
        ({"name": "zdt1", "objectives": 3}, "zdt1"),
        ({"name": "mw1", "objectives": 3}, "mw1"),
    ):
        with pytest.raises(ProblemError, match=message):
            benchmark(**arguments)  # type: ignore[arg-type]
    with pytest.raises(ProblemError, match="the front of re22 is not known"):
        benchmark("re22").frame()


def test_the_study_and_the_known_front_for_a_comparison(tmp_path: Path) -> None:
    from dse.compare import compare

    problem = study.build({"problem": "zdt1", "parameters": "5"})
    assert len(problem.space.names) == 5
    with pytest.raises(StudyError, match="has no setting"):
        study.build({"name": "zdt1"})
    file = tmp_path / "front.csv"
    benchmark("zdt1", parameters=5).frame().to_csv(file, index=False)
    found = compare(
        problem, ["random", "nsga2"], budgets=[300], seeds=2, store=f"sqlite:///{tmp_path}/c.db", front=file
    )
    best = found.summary().set_index("searcher")["fraction"]
    assert isinstance(best, pd.Series)
    assert best["random"] < best["nsga2"] < 1
