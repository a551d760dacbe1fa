"""Comparing searchers: the exact front, paired seeds, resumption, the command line."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse import Integer, Maximize, Minimize, Problem, Real, Space, Study, StudyView, cost_model
from dse.compare import (
    Comparison,
    Reference,
    compare,
    differences_over_problems,
    exact_front,
    ranks_over_problems,
)
from dse.compare.entries import parse_entry, split_names
from dse.compare.measure import curve_counts, front_shares, volumes
from dse.errors import DseError, SearcherError, StudyError
from dse.pareto import attainment, hypervolume, nondominated
from dse.plots import (
    caption,
    comparison_anytime,
    comparison_attainment,
    comparison_by_budget,
    comparison_difference,
    comparison_lottery,
)
from dse.report import write_comparison
from tests.commands import INSTALLED, dse

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


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """A comparison that nothing interrupted."""
    return run(tmp_path_factory.mktemp("whole"))


def test_the_exact_front_is_that_of_all_designs() -> None:
    problem = trade_off()
    everything = next(iter(problem.space.enumerate(10_000)))
    found = problem.evaluate(everything)
    feasible = found.objectives[found.feasible]
    expected = np.unique(feasible[nondominated(feasible)], axis=0)
    front, designs = exact_front(problem)
    np.testing.assert_array_equal(front, expected)
    assert designs == len(everything) == problem.space.count()


def test_fractions_are_of_the_exact_hypervolume(whole: Comparison) -> None:
    found = whole
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


def test_an_interrupted_comparison_goes_on(tmp_path: Path, whole: Comparison) -> None:
    """What was evaluated is not evaluated again, and the table is that of a run in one go."""
    other = tmp_path / "other"
    other.mkdir()

    def stop(name: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(other, progress=stop)
    run(other, budgets=[50], seeds=2)
    resumed = run(other)
    found, expected = (each.table.drop(columns="searcher_seconds") for each in (resumed, whole))
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    pd.testing.assert_frame_equal(resumed.curves, whole.curves, check_exact=True)
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
        ({"lottery": -1}, StudyError, "lottery=-1 must be 0 or more"),
        ({"lottery_seeds": 0}, StudyError, "lottery_seeds=0 must be 1 or more"),
        ({"front": "none.csv"}, StudyError, "front 'none.csv': there is no such file"),
        ({"front": pd.DataFrame({"f": [1.0]})}, StudyError, "lacks the objective 'g'"),
        ({"front": pd.DataFrame({"f": [1.0], "g": [np.nan]})}, StudyError, "must hold finite numbers"),
        ({"front": pd.DataFrame({"f": ["a"], "g": [1]})}, StudyError, "holds what is no number"),
        ({"front": "none.csv", "exact": True}, StudyError, "leave exact or front out"),
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


def test_the_figure_has_a_line_a_searcher_and_the_page_is_whole(tmp_path: Path, whole: Comparison) -> None:
    found = whole
    made = comparison_by_budget(found)
    assert [trace.name for trace in made.data if trace.mode == "lines+markers"] == ["nsga2", "random"]
    assert [trace.name for trace in comparison_anytime(found).data if trace.name] == ["nsga2", "random"]
    text = write_comparison(found, tmp_path / "report.html").read_text()
    assert "grid: searchers compared" in text
    assert "Content-Security-Policy" in text
    with pytest.raises(StudyError, match="there is no folder"):
        write_comparison(found, tmp_path / "none" / "report.html")


# Curves


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_curves_are_those_of_all_points_so_far(seed: int, objectives: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.integers(0, 8, (60, objectives)).astype(float)
    points[rng.random(60) < 0.2] = np.nan
    corner = np.full(objectives, 7.0)
    counts = curve_counts([5, 80])
    assert {5, 80} <= set(counts.tolist())
    found = volumes(points, corner, counts)
    assert found == pytest.approx([hypervolume(points[:count], corner) for count in counts])
    front = np.unique(points[nondominated(points)], axis=0)
    if len(front):
        keys = {point.tobytes() for point in front}
        expected = [
            len(keys & {point.tobytes() for point in points[:count]}) / len(front) for count in counts
        ]
        assert front_shares(points, front, counts) == pytest.approx(expected)


def test_gaps_over_the_evaluations_end_at_those_of_the_table(whole: Comparison) -> None:
    found = whole
    summary = found.summary()
    assert summary["gap"].to_numpy() == pytest.approx(1 - summary["fraction"])
    curves = found.anytime()
    for searcher, part in curves.groupby("searcher"):
        assert part["gap"].is_monotonic_decreasing
        assert (part["low"] <= part["gap"]).all()
        assert (part["gap"] <= part["high"]).all()
        at = part.set_index("evaluations")["gap"]
        mine = summary[summary["searcher"] == searcher].set_index("budget")["gap"]
        assert at[[50, 700]].to_numpy() == pytest.approx(mine[[50, 700]].to_numpy())
    assert 30 < len(set(curves["evaluations"])) < 50


def test_of_many_objectives_no_curves_are_taken(tmp_path: Path) -> None:
    @cost_model(metrics={f"m{place}": "" for place in range(6)}, version="1")
    def model(d: Any) -> dict[str, Any]:
        return {f"m{place}": np.abs(d["x"] - 4 * place) + d["y"] for place in range(6)}

    space = Space([Integer("x", 0, 20), Integer("y", 0, 3)])
    problem = Problem(space, model, [Minimize(f"m{place}") for place in range(6)], name="many")
    found = run(tmp_path, problem=problem, budgets=[10, 20], seeds=2)
    assert found.anytime().empty
    assert found.table["fraction"].between(0, 1).all()
    assert "Beyond five objectives" in write_comparison(found, tmp_path / "report.html").read_text()


# Attainment


def by_hand(fronts: list[list[list[float]]], objectives: int = 2) -> Comparison:
    """Return a comparison of one searcher, its fronts given in own units; the second is maximised."""
    goals = (Minimize("f"), Maximize("g"), Minimize("h"))[:objectives]
    signs = np.array([goal.sign for goal in goals])
    rows = [
        {"searcher": "a", "seed": seed, "budget": 10, "evaluations": 10, "hypervolume": 1.0, "fraction": 1.0,
         "gap": 0.0, "front_share": 0.0, "searcher_seconds": 1.0}
        for seed in range(len(fronts))
    ]  # fmt: skip
    held = {("a", seed): np.reshape(front, (-1, objectives)) * signs for seed, front in enumerate(fronts)}
    reference = Reference(np.full((1, objectives), -9.0), np.full(objectives, 9.0), False, 1, "nothing")
    metrics = trade_off().metrics | {"h": trade_off().metrics["f"]}
    return Comparison(pd.DataFrame(rows), reference, "mine", fronts=held, objectives=goals, metrics=metrics)


def test_attainment_is_that_of_the_runs(whole: Comparison) -> None:
    found = whole
    surfaces = found.attainment([0.5])["random"]
    fronts = [front * [1, -1] for (name, _), front in found.fronts.items() if name == "random"]
    expected = attainment(fronts, [0.5], maximize=[False, True])[0.5]
    np.testing.assert_array_equal(surfaces[0.5], expected)
    made = comparison_attainment(found)
    assert [trace.name for trace in made.data if trace.name] == ["nsga2", "random", "exact front"]
    titles = (made.layout.xaxis.title.text, made.layout.yaxis.title.text)
    assert titles == ("f [ms] (← less is better)", "g (more is better →)")
    both = comparison_difference(found)
    assert {trace.xaxis for trace in both.data} == {"x", "x2"}
    with pytest.raises(StudyError, match="'h' is no objective; known are f, g"):
        comparison_attainment(found, "h")
    with pytest.raises(StudyError, match="'tpe' was not compared"):
        comparison_difference(found, "tpe")


def test_a_run_without_a_feasible_design_attains_nothing() -> None:
    found = by_hand([[[1, 5]], [[2, 6]], [], []])
    surfaces = found.attainment([0.25, 0.5, 0.75])["a"]
    assert sorted(surfaces[0.25].tolist()) == [[1, 5], [2, 6]]
    assert surfaces[0.5].tolist() == [[2, 5]]  # both of the two runs, of four
    assert surfaces[0.75].tolist() == []
    assert comparison_attainment(found).data
    assert not comparison_attainment(by_hand([[], []])).data


def test_of_three_objectives_two_are_drawn_and_it_is_said() -> None:
    found = by_hand([[[1, 5, 9], [2, 6, 9], [2, 4, 1]]], objectives=3)
    assert sorted(found.attainment([1.0], "f", "h")["a"][1.0].tolist()) == [[1, 9], [2, 1]]
    assert "Drawn for f and h alone" in caption(comparison_attainment(found, y="h"))


def test_one_objective_has_no_surfaces(tmp_path: Path) -> None:
    problem = trade_off()
    one = Problem(problem.space, problem.model, [Minimize("f")], name="one")
    found = run(tmp_path, problem=one, budgets=[20], seeds=1)
    assert "need two objectives" in caption(comparison_attainment(found))
    assert "What the runs reached" not in write_comparison(found, tmp_path / "report.html").read_text()


# What searchers take


class Slow:
    """Takes its time."""

    batch, distinct = 10, False

    def __init__(self, space: Space, *, seed: int = 0) -> None:
        self.space, self.seed, self.told = space, seed, 0

    def ask(self, n: int) -> Any:
        time.sleep(0.01)
        return self.space.sample(n, np.random.default_rng([self.seed, self.told]))

    def tell(self, evaluations: Any) -> None:
        time.sleep(0.02)
        self.told += len(evaluations)


def test_overhead_is_the_time_of_asking_and_telling(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/dse.db"
    found = compare(trade_off(), {"mine": Slow}, budgets=[5, 30], seeds=1, store=store)
    overhead = found.overhead().set_index("budget")
    assert found.searchers["mine"] == {"name": f"{__name__}:Slow", "settings": {}}
    # Three batches asked for, and told before each but the first.
    assert 0.07 <= overhead.loc[30, "seconds"] < 1
    assert 0.005 <= overhead.loc[5, "seconds"] < overhead.loc[30, "seconds"] / 3
    assert overhead.loc[30, "seconds_a_design"] == pytest.approx(overhead.loc[30, "seconds"] / 30)


# Settings


def test_searchers_are_named_with_settings() -> None:
    entry = parse_entry(' nsga2:population=50; mutation = 2.5;mode="a=b" ')
    assert (entry.searcher, entry.settings) == ("nsga2", {"population": 50, "mutation": 2.5, "mode": "a=b"})
    assert parse_entry("x:a=true;b=word;c=[1, 2]").settings == {"a": True, "b": "word", "c": [1, 2]}
    assert parse_entry("nsga2").stored == "nsga2"
    assert split_names('a, b:c=[1,2];d="x,y" ,e') == ["a", 'b:c=[1,2];d="x,y"', "e"]
    for text in ("", "nsga2:", "nsga2:population", "nsga2:=5", "nsga2:a=1;a=2"):
        with pytest.raises(StudyError):
            parse_entry(text)


def test_settings_make_a_searcher_of_its_own(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/dse.db"
    searchers = {"large": "nsga2", "small": ("nsga2", {"population": 10})}
    found = compare(trade_off(), searchers, budgets=[60], seeds=2, store=store)
    assert sorted(set(found.table["searcher"])) == ["large", "small"]
    # The same runs, whatever they are called.
    again = compare(trade_off(), ["nsga2:population=10"], budgets=[60], seeds=2, store=store)
    small = found.table[found.table["searcher"] == "small"]
    assert again.table["hypervolume"].tolist() == small["hypervolume"].tolist()
    with pytest.raises(SearcherError, match="population=1 must be a whole number"):
        compare(trade_off(), ["nsga2:population=1"], budgets=[10], store=store)
    for wrong in ({"a": 5}, {"a": ("nsga2", 5)}, {}):
        with pytest.raises(StudyError):
            compare(trade_off(), wrong, budgets=[10], store=store)  # type: ignore[arg-type]


def test_a_lottery_shows_the_spread_over_settings(tmp_path: Path, whole: Comparison) -> None:
    store = f"sqlite:///{tmp_path}/dse.db"
    arguments: dict[str, Any] = {"budgets": [20, 60], "seeds": 3, "store": store, "lottery_seeds": 2}
    done: list[str] = []
    found = compare(trade_off(), SEARCHERS, lottery=4, progress=done.append, **arguments)
    assert len(done) == 2 * 3 + 4 * 2  # random declares no ranges
    lottery = found.lottery
    assert lottery is not None
    assert set(lottery["budget"]) == {60}
    assert set(lottery["seed"]) == {0, 1}
    assert lottery.groupby("searcher")["setting"].nunique().to_dict() == {"random": 1, "nsga2": 5}
    spread = found.distribution()
    assert spread is not None
    row = spread.set_index("searcher").loc["nsga2"]
    medians = lottery[lottery["searcher"] == "nsga2"].groupby("setting")["fraction"].median()
    assert (row["least"], row["most"]) == (medians.min(), medians.max())
    assert row["default"] == medians["default"]
    assert row["place"] == 1 + (medians > medians["default"]).sum()
    assert medians[row["best"]] == medians.max()
    assert len(found.tidy()) == 2 * 3 * 2 + 4 * 2
    # More of them are drawn beside those there are, which are not run again.
    more = compare(trade_off(), SEARCHERS, lottery=6, **arguments).lottery
    assert more is not None
    drawn = lottery[lottery["setting"] != "default"]["setting"]
    assert set(drawn) < set(more["setting"])
    names = [study.name for study in Study("x", trade_off(), store=store).store.studies()]
    assert len(names) == 1 + 2 * 3 + 6 * 2
    made = comparison_lottery(found)
    assert set(drawn) == {text for trace in made.data if trace.text is not None for text in trace.text}
    assert "Lottery of settings" in write_comparison(found, tmp_path / "report.html").read_text()
    assert not comparison_lottery(whole).data


# The best known front


def test_the_best_known_front_is_of_all_that_is_stored_of_the_problem(tmp_path: Path) -> None:
    alone = run(tmp_path, exact=False, budgets=[50])
    assert alone.reference.source == "these runs"
    store = f"sqlite:///{tmp_path}/dse.db"
    Study("elsewhere", trade_off(), "exhaustive", store=store).run()
    Study("another problem", trade_off("f <= 50"), "random", store=store).run(10)
    found = run(tmp_path, exact=False, budgets=[50])
    assert found.reference.source == "these runs and 1 other stored study of the same problem"
    np.testing.assert_array_equal(found.reference.points, exact_front(trade_off())[0])
    assert found.table["gap"].max() > alone.table["gap"].max()
    assert "1 other stored study" in write_comparison(found, tmp_path / "report.html").read_text()


def test_a_front_from_elsewhere_is_measured_by(tmp_path: Path) -> None:
    points = pd.DataFrame({"g": [40.0, -1.0], "f": [0.5, 0.1], "note": ["a", "b"]})
    points.to_csv(tmp_path / "best.csv", index=False)
    found = run(tmp_path, front=tmp_path / "best.csv", budgets=[50])
    assert not found.reference.exact
    np.testing.assert_array_equal(found.reference.points, [[0.1, 1.0], [0.5, -40.0]])
    assert found.reference.source == f"these runs and {str(tmp_path / 'best.csv')!r} (2)"
    assert found.table["front_share"].eq(0).all()
    store = f"sqlite:///{tmp_path}/dse.db"
    Study("tight", trade_off("f <= 50"), "exhaustive", store=store).run()
    named = run(tmp_path, front="tight", budgets=[50])
    assert "study 'tight'" in named.reference.source
    with pytest.raises(DseError, match="no study 'none'"):
        run(tmp_path, front="none")


# Several problems


def test_ranks_over_problems_put_comparisons_together(tmp_path: Path) -> None:
    first = run(tmp_path, budgets=[30, 50])
    second = run(tmp_path, problem=trade_off("f <= 40"), budgets=[30, 50], store=f"sqlite:///{tmp_path}/b.db")
    ranks = ranks_over_problems([first, second]).set_index(["budget", "searcher"])["rank"]
    expected = pd.concat([first.ranks(), second.ranks()]).groupby(["budget", "searcher"])["rank"].mean()
    assert ranks.sort_index().to_numpy() == pytest.approx(expected.sort_index().to_numpy())
    by_run = ranks_over_problems([first, second])["critical_difference"].iloc[0]
    by_problem = ranks_over_problems([first, second], by="problem")["critical_difference"].iloc[0]
    assert by_problem / by_run == pytest.approx(3**0.5)  # of three seeds
    assert len(differences_over_problems([first, second])) == 2
    with pytest.raises(StudyError, match="is empty"):
        ranks_over_problems([])
    with pytest.raises(StudyError, match="measured at budgets"):
        ranks_over_problems([first, run(tmp_path, budgets=[30])])
    with pytest.raises(StudyError, match="'run' or 'problem'"):
        ranks_over_problems([first], by="seed")  # type: ignore[arg-type]
    other = compare(trade_off(), ["random"], budgets=[30, 50], seeds=1, store=f"sqlite:///{tmp_path}/dse.db")
    with pytest.raises(StudyError, match="'nsga2' is not in every comparison"):
        ranks_over_problems([first, other])


# The command line


def test_the_command_compares_a_ready_study(tmp_path: Path) -> None:
    small = "nsga2:population=20;crossover=1"
    arguments = ["compare", "lut-accelerator", "--searchers", f"random,{small}", "--budget", "60,120"]
    arguments += ["--seeds", "2", "--lottery", "1", "--set", "least_lanes=32", "--set", "most_lanes=32"]
    done = dse(*arguments, "-o", "report.html", "--table", "runs.csv", cwd=tmp_path)
    assert "fraction of the exact hypervolume" in done.stdout
    assert "exact front:" in done.stdout
    assert "lottery of settings: fraction at 120" in done.stdout
    assert "random declares no ranges" in done.stdout
    assert "6 of 6: compare/lut-accelerator-least_lanes=32-most_lanes=32/nsga2/" in done.stderr
    assert (tmp_path / "report.html").stat().st_size > 100_000
    whole = pd.read_csv(tmp_path / "runs.csv")
    table = whole[whole["setting"] == "default"]
    assert (len(table), len(whole)) == (8, 10)
    assert set(table["searcher"]) == {"random", small}
    # Again: nothing is left to evaluate, and by another front the same volumes are other fractions.
    arguments.append("--best-known")
    again = json.loads(dse(*arguments, "--json", cwd=tmp_path).stdout)
    assert not again["exact"]
    assert again["reference"]["source"] == "these runs"
    medians = {(row["searcher"], row["budget"]): row["fraction"] for row in again["summary"]}
    volume = table.groupby(["searcher", "budget"])["hypervolume"].median()
    shares = [volume[key] / fraction for key, fraction in medians.items()]
    assert len(shares) == 4
    assert shares == pytest.approx([shares[0]] * 4)
    # Anew, in two processes: the same but for the time it took.
    other = dse(*arguments, "--workers", "2", "--json", "--store", "sqlite:///two.db", cwd=tmp_path)
    fresh = json.loads(other.stdout)
    assert {row["searcher"] for row in fresh.pop("overhead")} == {"random", small}
    del again["overhead"]
    assert fresh == again


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    done = dse("compare", "lut-accelerator", "--budget", "ten", cwd=tmp_path, check=2)
    assert "--budget 'ten' must be whole numbers with commas between" in done.stderr
    done = dse("compare", "lut-accelerator", "--table", "runs.txt", cwd=tmp_path, check=2)
    assert "must end in .csv or .parquet" in done.stderr
    done = dse("compare", "lut-accelerator", "--searchers", "psychic", cwd=tmp_path, check=2)
    assert "psychic" in done.stderr
    done = dse("compare", "lut-accelerator", "--set", "searcher.population=9", cwd=tmp_path, check=2)
    assert "--searchers 'random,nsga2:population=50'" in done.stderr
    done = dse("compare", "lut-accelerator", "-o", "none/report.html", cwd=tmp_path, check=2)
    assert "there is no folder 'none'" in done.stderr
    assert not list(tmp_path.iterdir())


def test_ctrl_c_ends_the_workers_and_keeps_what_they_committed(tmp_path: Path) -> None:
    command = [INSTALLED, "compare", "lut-accelerator", "--workers", "2"]
    command += ["--searchers", "random,nsga2", "--budget", "400000", "--seeds", "2"]
    # As a terminal starts it: a shell's background job, from which tests may run, ignores interrupts.
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, start_new_session=True, preexec_fn=heed
    ) as process:
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


def test_a_declared_reference_that_no_front_reaches_is_replaced(tmp_path: Path) -> None:
    """Fractions of a hypervolume of 0 are none: the report could not be written."""
    plain = trade_off()
    goals = [Minimize("f", reference=0.5), Maximize("g", reference=500.0)]
    beyond = Problem(plain.space, plain.model, goals, list(plain.limits), name="beyond")
    found = run(tmp_path, problem=beyond, budgets=[50], seeds=2, lottery=2)
    assert found.table["fraction"].between(0, 1).all()
    assert found.table["fraction"].max() > 0
    assert "Lottery of settings" in write_comparison(found, tmp_path / "report.html").read_text()
