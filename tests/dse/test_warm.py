"""Studies that start from others, from files and from lists: nothing twice, the same however interrupted."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dse.warm.start
from dse import (
    Categorical,
    Designs,
    Integer,
    Minimize,
    Ordinal,
    Problem,
    Real,
    Space,
    Study,
    StudyView,
    cost_model,
)
from dse.errors import StoreError, StudyError
from dse.report import write_report
from dse.searchers import BUILT_IN, make_searcher
from dse.searchers.local import neighbours
from dse.searchers.random import Random
from dse.store import Store
from dse.warm import Table, exact_members, nearest_members, read_table
from dse.warm.start import spread
from tests.dse.problems import mixed_problem, tiling_problem
from tests.dse.test_cli import dse as command

OBJECTIVES = ["latency_ms", "energy_mj", "quality"]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/dse.db"


def counted(problem: Problem) -> tuple[Problem, list[bytes]]:
    """Return the same problem, and the keys of all designs that its model evaluates from now on."""
    seen: list[bytes] = []
    model = problem.model

    class Counting:
        name, version, settings, metrics, columns = (
            model.name, model.version, model.settings, model.metrics, model.columns
        )  # fmt: skip

        def evaluate(self, designs: Designs) -> Any:
            seen.extend(designs.space.keys(designs.codes))
            return model.evaluate(designs)

    same = Problem(problem.space, Counting(), problem.objectives, [limit.text for limit in problem.limits])
    assert same.fingerprint == problem.fingerprint
    return same, seen


def small(limits: list[str] | None = None, objectives: Any = None, low: int = 0, high: int = 30) -> Problem:
    """900 designs of one model, under limits, objectives and bounds of one's choice."""

    @cost_model(metrics={"a": "", "b": "", "c": ""}, version="1")
    def grid(d: Any) -> dict[str, Any]:
        return {"a": d["x"] * 1.0, "b": (d["y"] - d["x"]) ** 2 * 1.0, "c": -1.0 * d["x"] * d["y"]}

    space = Space([Integer("x", low, high), Integer("y", 0, 30)])
    return Problem(space, grid, objectives or [Minimize("a"), Minimize("b")], limits or [])


# Evaluations of the same model


@pytest.mark.parametrize("searcher", sorted(set(BUILT_IN) - {"ilp"}))
def test_evaluations_of_the_same_problem_are_taken_over_and_not_made_again(searcher: str, url: str) -> None:
    problem, seen = counted(tiling_problem(fail_every=11))
    made, more = (40, 3) if searcher == "bayesian" else (150, 30)
    source = Study("a", problem, "random", seed=1, store=url).run(made)
    assert len(seen) == made
    study = Study("b", problem, searcher, seed=1, store=url, warm="a")
    assert len(seen) == made, "nothing is evaluated to start"
    pd.testing.assert_frame_equal(study.evaluations(), source.evaluations(), check_exact=True)
    pd.testing.assert_frame_equal(study.front(), source.front(), check_exact=True)
    assert study.reference == source.reference
    assert study.hypervolume() == source.hypervolume()
    assert study.record.state == "new"

    study.run(more)
    assert study.adopted == made
    assert len(study) == made + more, "the budget is what the study makes itself"
    assert len(seen) == len(set(seen)) == made + more
    pd.testing.assert_frame_equal(study.evaluations()[:made], source.evaluations(), check_exact=True)
    assert study.history()["evaluations"].iloc[0] == made
    assert study.run(more).counts() == study.counts()


@pytest.mark.parametrize("searcher", ["local", "nsga2", "nsga3", "bayesian"])
def test_a_searcher_goes_on_from_what_was_taken_over(searcher: str, url: str) -> None:
    problem = tiling_problem()
    made = 40 if searcher == "bayesian" else 200
    source = Study("a", problem, "random", seed=1, store=url).run(made)
    study = Study("b", problem, searcher, store=url, warm=source, batch=10).run(10)
    told = make_searcher(searcher, problem.space, 0)
    told.tell(source.restore(source.store.evaluations(source.id)))
    asked = told.ask(10)
    assert study.evaluations()[made:][list(problem.space.names)].to_dict("records") == list(asked.rows())
    chance = make_searcher(searcher, problem.space, 0).ask(10)
    assert set(problem.space.keys(asked.codes)) != set(problem.space.keys(chance.codes))
    if searcher == "local":
        front = Designs.from_frame(problem.space, source.front()).codes
        near = neighbours(problem.space, front, np.random.default_rng(0))
        assert set(problem.space.keys(asked.codes)) <= set(problem.space.keys(near))


def test_it_helps(url: str) -> None:
    problem = tiling_problem()
    Study("a", problem, "nsga2", seed=1, store=url).run(400)
    cold = Study("cold", problem, "local", store=url).run(60)
    warm = Study("warm", problem, "local", store=url, warm="a").run(60)
    assert warm.hypervolume() > cold.hypervolume(warm.reference)
    assert len(warm.front()) > len(StudyView("a", url).front())


def test_a_space_that_was_exhausted_has_nothing_left(url: str) -> None:
    problem, seen = counted(tiling_problem())
    whole = Study("a", problem, "exhaustive", store=url).run()
    made = len(seen)
    for searcher in ("exhaustive", "nsga2"):
        study = Study(searcher, problem, searcher, store=url, warm="a").run()
        pd.testing.assert_frame_equal(study.front(), whole.front(), check_exact=True)
        assert study.record.state == "done"
    assert len(seen) == made > dse.warm.start.ADOPTED_AT_ONCE


def test_several_studies_give_each_design_once(url: str, tmp_path: Path) -> None:
    other = f"sqlite:///{tmp_path}/other.db"
    problem, seen = counted(tiling_problem())
    Study("a", problem, "random", seed=1, store=url).run(100)
    Study("b", problem, "random", seed=2, store=other).run(100)
    seen.clear()
    study = Study("c", problem, "random", seed=1, store=url, warm=["a", f"{other}#b", StudyView("a", url)])
    frame = study.evaluations()
    assert 100 < len(frame) < 200
    assert not frame.duplicated(list(problem.space.names)).any()
    shared = 200 - len(frame)
    assert study.started_from == [
        "study 'a': all 100 evaluations taken over",
        f"study 'b' in {other}: {100 - shared} of 100 evaluations taken over",
        "study 'a': 0 of 100 evaluations taken over",
    ]
    assert len(study.run(5)) == len(frame) + 5
    assert len(seen) == 5


def test_other_limits_and_objectives_judge_the_same_metrics(url: str) -> None:
    Study("a", small(), "random", store=url).run(300)
    problem, seen = counted(small(["c >= -100"], [Minimize("b"), Minimize("c")]))
    study = Study("b", problem, "random", store=url, warm="a")
    frame = study.evaluations()
    assert len(frame) == 300
    assert not seen
    assert (frame["state"] == np.where(frame["c"] < -100, "infeasible", "complete")).all()
    assert 0 < (frame["state"] == "infeasible").sum() < 300
    fresh = Problem.evaluate(problem, Designs.from_frame(problem.space, frame))
    restored = study.restore(study.store.evaluations(study.id))
    np.testing.assert_array_equal(restored.violation, fresh.violation)
    np.testing.assert_array_equal(restored.objectives, fresh.objectives)
    feasible = frame[frame["state"] == "complete"][["b", "c"]].to_numpy()
    worst = feasible.max(0) + 0.1 * (feasible.max(0) - feasible.min(0))
    assert study.reference == pytest.approx(worst), "another study's reference is of other objectives"


def test_of_other_bounds_the_designs_that_are_in_both_are_taken_over(url: str) -> None:
    source = Study("a", small(), "random", store=url).run(300)
    problem, _ = counted(small(low=10, high=50))
    study = Study("b", problem, "random", store=url, warm="a")
    both = source.evaluations().query("x >= 10").reset_index(drop=True)
    columns = ["state", "x", "y", "a", "b", "c"]
    pd.testing.assert_frame_equal(study.evaluations()[columns], both[columns])
    assert study.started_from == [f"study 'a': {len(both)} of 300 evaluations taken over"]
    assert problem.space.contains(Designs.from_frame(problem.space, study.evaluations())).all()


def test_of_no_design_in_common_the_front_is_moved(url: str) -> None:
    Study("a", small(high=5), "random", store=url).run(100)
    study = Study("b", small(low=20), "random", store=url, warm="a")
    assert study.adopted == 0
    assert "designs evaluated first" in study.started_from[0]
    assert (study.run(2).evaluations()["x"] == 20).all()


def test_failures_and_timeouts_are_taken_over_as_they_are(url: str) -> None:
    from dse import Outcome

    class Slow:
        name, version, settings, columns, metrics = "slow", "1", {}, ("x",), {"f": "s"}

        def evaluate(self, designs: Any) -> Any:
            late = np.flatnonzero(designs["x"] % 7 == 0).tolist()
            errors = dict.fromkeys(np.flatnonzero(designs["x"] % 5 == 1).tolist(), "it broke")
            return Outcome(
                {"f": designs["x"] * 1.0}, {**errors, **dict.fromkeys(late, "too late")}, frozenset(late)
            )

    problem = Problem(Space([Integer("x", 1, 99)]), Slow(), [Minimize("f")])
    source = Study("a", problem, "random", store=url).run(60)
    assert all(source.counts()[state] for state in ("complete", "failed", "timeout"))
    study = Study("b", problem, "nsga2", store=url, warm="a")
    pd.testing.assert_frame_equal(study.evaluations(), source.evaluations(), check_exact=True)
    pd.testing.assert_frame_equal(study.failures(), source.failures())


def test_repeats_of_a_foreign_searcher_are_answered_by_what_was_taken_over(url: str) -> None:
    problem, seen = counted(tiling_problem())
    Study("a", problem, "random", seed=0, store=url).run(40)

    class Forgets(Random):
        """Proposes what was taken over once more."""

        distinct = False

        def ask(self, n: int) -> Any:
            return Random(self.space, seed=0).ask(40) if self._told == 40 else super().ask(n)

    seen.clear()
    study = Study("b", problem, Forgets, store=url, warm="a", batch=40).run(20)
    assert len(seen) == 20
    assert not study.evaluations().duplicated(list(problem.space.names)).any()


# Another study's front


def other_problem() -> Problem:
    """Like the tiling, with a parameter less, one more, a finer and a narrower one, and another rule."""
    space = Space(
        [
            Ordinal("tile_m", [8, 24, 48, 96, 128]),
            Integer("stages", 1, 3),
            Categorical("dtype", ["int8", "int4"]),
            Categorical("split", [True, False]),
            Integer("splits", 2, 40, active_if="split == True"),
            Categorical("layout", ["row", "column", "tiled"]),
            Real("voltage", 0.6, 1.1),
        ],
        ["tile_m * stages <= 200"],
    )

    @cost_model(metrics={"time": "s", "power": "W"}, version="1")
    def model(d: Any) -> dict[str, Any]:
        return {"time": 1.0 / (d["tile_m"] * d["voltage"]), "power": d["stages"] * d["voltage"] ** 2}

    return Problem(space, model, [Minimize("time"), Minimize("power")])


@pytest.mark.parametrize("searcher", ["nsga2", "local"])
def test_the_front_of_a_similar_problem_is_evaluated_first(searcher: str, url: str) -> None:
    source = Study("a", tiling_problem(), "nsga2", store=url).run(300)
    problem, seen = counted(other_problem())
    study = Study("b", problem, searcher, store=url, warm="a", seed=4)
    assert (len(study), study.adopted, len(seen)) == (0, 0, 0)
    assert study.reference is None
    first = study.start
    assert first is not None
    assert problem.space.contains(first).all()
    study.run(len(first) + 20)
    frame = study.evaluations()
    assert frame[: len(first)][list(problem.space.names)].to_dict("records") == list(first.rows())
    assert not frame.duplicated(list(problem.space.names)).any()

    front = source.front()
    assert len(first) <= min(len(front), 100)
    values = set(front["tile_m"])
    nearest = {16: 8, 32: 24, 64: 48, 128: 128}  # 16 is as near to 8 as to 24: the lower
    assert set(first["tile_m"]) <= {nearest[value] for value in values}
    assert len(set(first["tile_m"])) > 2
    assert set(first["layout"]) == {"row", "column", "tiled"}, "what the source lacks is drawn at random"
    taken = study.record.warm
    assert taken is not None
    assert taken["sources"][0]["front"] == len(front)


def test_a_long_front_is_thinned_evenly_and_its_ends_come_first(url: str) -> None:
    @cost_model(metrics={"f": "", "g": ""}, version="1")
    def line(d: Any) -> dict[str, Any]:
        return {"f": d["x"] * 1.0, "g": -1.0 * d["x"]}

    @cost_model(metrics={"f": "", "g": ""}, version="2")
    def later(d: Any) -> dict[str, Any]:
        return {"f": d["x"] * 1.0, "g": -1.0 * d["x"]}

    space = Space([Integer("x", 0, 999)])
    objectives = [Minimize("f"), Minimize("g")]
    Study("a", Problem(space, line, objectives), "exhaustive", store=url).run()
    study = Study("b", Problem(space, later, objectives), "random", store=url, warm="a")
    assert study.start is not None
    x = study.start["x"]
    assert len(x) == 100
    assert x[:3].tolist() == [0, 999, 499]
    assert np.diff(np.sort(x)).max() <= 16
    assert study.started_from == ["study 'a': 100 designs evaluated first, from 100 of its front of 1,000"]


def test_spread_takes_the_farthest_next() -> None:
    points = np.random.default_rng(0).random((40, 3)) * [1.0, 1e6, 1e-6]
    scaled = (points - points.min(0)) / np.ptp(points, axis=0)
    order = spread(points, 40)
    assert sorted(order) == list(range(40))
    assert order[0] == points[:, 0].argmin()
    for place in range(1, 40):
        gaps = np.linalg.norm(scaled[order[place:], None] - scaled[None, order[:place]], axis=2).min(1)
        assert gaps[0] == gaps.max()
    assert spread(np.zeros((5, 2)), 3).tolist() == [0, 1, 2], "equal points, each once"


def test_values_of_inactive_parameters_say_nothing(url: str) -> None:
    """Their canonical value in the source is no choice: where they are active here, any value is as good."""
    space = Space([Categorical("split", [False]), Integer("splits", 2, 9, active_if="split == True")])
    here = Space([Integer("splits", 2, 9)])

    @cost_model(metrics={"f": ""}, version="1", columns=["splits"])
    def model(d: Any) -> dict[str, Any]:
        return {"f": d["splits"] * 1.0}

    Study("a", Problem(space, model, [Minimize("f")]), "exhaustive", store=url).run()
    problem = Problem(here, model, [Minimize("f")])
    studies = [Study(f"b{seed}", problem, seed=seed, store=url, warm="a") for seed in range(8)]
    found = {study.start["splits"][0] for study in studies if study.start is not None}
    assert len(found) > 1


# Members of a space


SPACE = Space(
    [
        Ordinal("tile", [16, 32, 64, 128]),
        Integer("stages", 1, 5),
        Categorical("dtype", ["fp16", "8", "a, b"]),
        Categorical("mode", [None, "on", 3, 2.5]),
        Categorical("split", [False, True]),
        Integer("splits", 2, 8, step=2, active_if="split == True"),
        Real("volts", 0.5, 1.5, active_if="mode != None", inactive=1.0),
    ],
    ["tile * stages <= 256"],
)


def forms(designs: Designs, folder: Path) -> dict[str, Any]:
    """Return designs in all the forms in which they may be given."""
    frame = designs.to_frame()
    frame["published_error"] = 0.5
    frame.to_csv(folder / "d.csv", index_label="number")
    (folder / "rows.json").write_text(json.dumps(list(designs.rows())))
    (folder / "columns.json").write_text(json.dumps({name: designs[name].tolist() for name in designs.names}))
    plain = frame.drop(columns="mode")  # a column of mixed types is none to Parquet
    plain["mode"] = frame["mode"].map(lambda value: None if value is None else str(value))
    plain.to_parquet(folder / "d.parquet")
    return {
        "csv": folder / "d.csv",
        "rows": str(folder / "rows.json"),
        "columns": folder / "columns.json",
        "parquet": str(folder / "d.parquet"),
        "frame": frame,
        "list": list(designs.rows()),
        "designs": designs,
    }


def problem_of(space: Space) -> Problem:
    @cost_model(metrics={"f": ""}, version="1", columns=[space.names[0]])
    def model(d: Any) -> dict[str, Any]:
        return {"f": np.asarray(d[space.names[0]], float)}

    return Problem(space, model, [Minimize("f")])


def test_designs_are_the_same_in_whatever_form(tmp_path: Path, url: str) -> None:
    designs = SPACE.sample(200, 0)
    distinct = dict.fromkeys(SPACE.keys(designs.codes))
    for name, form in forms(designs, tmp_path).items():
        study = Study(name, problem_of(SPACE), "random", store=url, warm=form)
        assert study.start is not None
        assert SPACE.keys(study.start.codes) == list(distinct), name
    study.run(7)
    assert study.evaluations()[list(SPACE.names)].to_dict("records") == list(designs.take(slice(7)).rows())


def test_one_design_as_it_is_exported(tmp_path: Path) -> None:
    design = next(iter(SPACE.sample(1, 3).rows()))
    path = tmp_path / "design.json"
    path.write_text(json.dumps({"study": "a", "metrics": {"f": 1.0}, "parameters": design}))
    assert list(exact_members(SPACE, read_table(path)).rows()) == [design]


def test_cells_of_inactive_parameters_may_be_empty(tmp_path: Path) -> None:
    path = tmp_path / "published.csv"
    path.write_text(
        "paper,tile,stages,dtype,mode,split,splits,volts\n"
        "A,16,1.0,fp16,,FALSE,,\n"
        "B,128,2, 8 ,2.5,true,4, 0.75\n"
    )
    rows = list(exact_members(SPACE, read_table(path)).rows())
    assert rows[0] == {
        "tile": 16, "stages": 1, "dtype": "fp16", "mode": None, "split": False, "splits": 2, "volts": 1.0,
    }  # fmt: skip
    assert rows[1] == {
        "tile": 128, "stages": 2, "dtype": "8", "mode": 2.5, "split": True, "splits": 4, "volts": 0.75,
    }  # fmt: skip


HEAD = "tile,stages,dtype,mode,split,splits,volts\n16,1,fp16,on,True,2,1.0\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + "48,1,fp16,on,True,2,1.0", r"published.csv, row 2: tile: value 48 is outside its"),
        (HEAD + "16,9,fp16,on,True,2,1.0", r"row 2: stages: value 9 is outside its domain 1..5"),
        (HEAD + "16,1,bf16,on,True,2,1.0", r"row 2: dtype: value 'bf16' is outside.*or take the nearest"),
        (HEAD + "16,1,fp16,on,1,2,1.0", r"row 2: split: value '1' is outside"),
        (HEAD + "16,1,fp16,on,True,3,1.0", r"row 2: splits: value 3 is outside its domain 2..8 step 2"),
        (HEAD + "16,1,fp16,on,True,2,1.0V", r"row 2: volts: value '1.0V' is outside its domain \[0.5, 1.5\]"),
        (HEAD + "16,1,fp16,on,True,,1.0", r"row 2: 'splits' has no value"),
        (HEAD + "128,5,fp16,on,True,2,1.0", r"row 2 breaks the constraint 'tile .*' \(tile=128, stages=5\)"),
        (HEAD + "16,1,fp16,on,True,2", r"row 2: 6 cells under a head of 7"),
        ("tile_m,stages\n16,1", r"has no column 'tile': add it, or take the nearest.*--warm-nearest"),
        ("a,b\n1,2", r"has none of the parameters \(tile, .*\), only a, b: name the columns"),
        ("tile,stages,dtype,mode,split\n", r"holds no design"),
        ("", r"is empty: write a head"),
        ('tile,stages\n"16,1', r"is no CSV"),
    ],
)  # fmt: skip
def test_bad_rows_are_named_with_their_mend_and_no_study_is_made(
    text: str, message: str, tmp_path: Path, url: str
) -> None:
    (tmp_path / "published.csv").write_text(text)
    with pytest.raises(StudyError, match=message):
        Study("a", problem_of(SPACE), "random", store=url, warm=tmp_path / "published.csv")
    with Store(url) as store:
        assert not store.studies()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.csv", None, "there is no file"),
        ("a.json", b"{", "is no JSON"),
        ("a.json", b"[1, 2]", "a list of objects"),
        ("a.json", b'{"tile": [1], "stages": [1, 2]}', "columns differ in length"),
        ("a.parquet", b"PAR0", "a.parquet"),
        ("a.csv", b"tile\n\xff", "is no CSV"),
    ],
)
def test_files_that_cannot_be_read_are_said_to_be(
    name: str, content: bytes | None, message: str, tmp_path: Path, url: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(StudyError, match=message):
        Study("a", problem_of(SPACE), "random", store=url, warm=str(tmp_path / name))
    with pytest.raises(StudyError, match=r"is no file of designs: give one that ends in .csv, .json"):
        Study("a", problem_of(SPACE), "random", store=url, warm=Path("designs.xlsx"))


def test_rows_outside_become_the_nearest_members_on_request(tmp_path: Path, url: str) -> None:
    rows = [
        {"tile": 48, "stages": 9, "dtype": "fp16", "mode": "on", "split": True, "splits": 5, "volts": 9.0},
        {"tile": 128, "stages": 5, "dtype": "bf16", "mode": None, "split": False},
        {"tile": 64, "stages": 2, "dtype": "8", "mode": 3, "split": True, "splits": 8, "volts": 1.25},
    ]
    study = Study("a", problem_of(SPACE), "random", store=url, warm=rows, warm_nearest=True)
    assert study.start is not None
    assert SPACE.contains(study.start).all()
    found = list(study.start.rows())
    assert found[0] == {**rows[0], "tile": 32, "stages": 5, "splits": 4, "volts": 1.5}
    assert found[1]["tile"] * found[1]["stages"] <= 256
    assert (found[1]["mode"], found[1]["split"]) == (None, False)
    assert (found[1]["tile"], found[1]["stages"]) in {(128, 2), (32, 5), (64, 4)}
    assert found[2] == rows[2]
    assert study.started_from == [
        "a list of designs: 3 designs evaluated first, from 3 rows, "
        "2 of which had to be moved into this space"
    ]
    with pytest.raises(StudyError, match=r"designs, row 1: tile: value 48"):
        Study("b", problem_of(SPACE), "random", store=url, warm=rows)


numbers = st.one_of(st.integers(-500, 500), st.floats(allow_nan=True, allow_infinity=True), st.none())


@settings(max_examples=30, deadline=None)
@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {"tile": numbers},
            optional={
                "stages": numbers, "splits": numbers, "volts": numbers, "foreign": numbers,
                "dtype": st.sampled_from(["fp16", "bf16", "", "8", 8]),
                "mode": st.sampled_from([None, "on", "off", 3, "2.5"]),
                "split": st.sampled_from([True, False, "no"]),
            },
        ),
        min_size=1, max_size=5,
    ),
    seed=st.integers(0, 3),
)  # fmt: skip
def test_the_nearest_are_members_and_a_function_of_the_seed(rows: list[dict[str, Any]], seed: int) -> None:
    found = nearest_members(SPACE, Table.of_rows("designs", rows), seed)
    assert len(found.designs) == len(rows) == len(found.distance)
    assert SPACE.contains(found.designs).all()
    again = nearest_members(SPACE, Table.of_rows("designs", rows), seed)
    assert again.designs == found.designs
    # A member is nearest to itself.
    same = nearest_members(SPACE, Table.of_designs("designs", found.designs), seed + 1)
    assert same.designs == found.designs
    assert (same.distance == 0).all()


def test_the_nearest_in_a_space_that_is_hardly_feasible() -> None:
    space = Space([Integer(f"x{i}", 0, 40) for i in range(6)], ["x0 + x1 + x2 + x3 + x4 + x5 == 40"])
    wanted = [{f"x{i}": 10 for i in range(6)}]
    found = nearest_members(space, Table.of_rows("designs", wanted))
    assert space.contains(found.designs).all()


# Fixed when it is made


def archive(study: StudyView) -> list[pd.DataFrame]:
    return [study.evaluations(), study.front(), study.history().drop(columns="seconds")]


def assert_same(one: StudyView, other: StudyView) -> None:
    for mine, theirs in zip(archive(one), archive(other), strict=True):
        pd.testing.assert_frame_equal(mine, theirs, check_exact=True)


def sources(tmp_path: Path, store: Store) -> list[Any]:
    """A study of the same problem, one of another, and a file."""
    Study("same", tiling_problem(), "random", seed=1, store=store).run(120)
    Study("other", other_problem(), "random", seed=1, store=store).run(60)
    path = tmp_path / "designs.csv"
    tiling_problem().space.sample(20, 5).to_frame().to_csv(path)
    return ["same", "other", str(path)]


@pytest.mark.parametrize("searcher", ["nsga2", "local", "random"])
def test_sources_may_change_and_vanish_and_a_run_in_parts_is_the_same(searcher: str, tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/dse.db")
    given_ = sources(tmp_path, store)
    problem = tiling_problem()
    whole = Study("whole", problem, searcher, store=store, warm=given_, batch=30).run(150)
    parts = Study("parts", problem, searcher, store=store, warm=given_, batch=30)
    Study("same", problem, "random", seed=1, store=store).run(300)
    Study("parts", problem, searcher, store=store, warm=given_, batch=30).run(13)
    store.delete_study("same")
    store.delete_study("other")
    (tmp_path / "designs.csv").unlink()
    for budget, warm in ((14, None), (70, given_), (150, None)):
        parts = Study("parts", problem, searcher, store=store, warm=warm, batch=30).run(budget)
        assert len(parts) == 120 + budget
    assert_same(whole, parts)
    assert parts.started_from == whole.started_from
    assert not parts.evaluations().duplicated(list(problem.space.names)).any()


def test_another_warm_start_is_refused(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/dse.db")
    given_ = sources(tmp_path, store)
    problem = tiling_problem()
    Study("cold", problem, store=store)
    Study("warm", problem, store=store, warm=given_)
    designs = problem.space.sample(3, 0)
    Study("list", problem, store=store, warm=designs)
    with pytest.raises(StudyError, match="'cold' is stored already and was not started from another"):
        Study("cold", problem, store=store, warm="same")
    started = (
        r"'warm' is stored already and was started from study 'same': all 120 .*: take another name, or leave"
    )
    for other in ("same", [*given_, designs], list(reversed(given_))):
        with pytest.raises(StudyError, match=started):
            Study("warm", problem, store=store, warm=other)
    with pytest.raises(StudyError, match=started):
        Study("warm", problem, store=store, warm=given_, warm_nearest=True)
    with pytest.raises(StudyError, match="take another name"):
        Study("list", problem, store=store, warm=problem.space.sample(3, 1))
    path = tmp_path / "designs.csv"
    path.write_text(path.read_text() + "\n")
    with pytest.raises(StudyError, match=r"designs.csv: \d+ designs evaluated first, from 20 rows"):
        Study("warm", problem, store=store, warm=given_)
    for name in ("cold", "warm", "list", "new"):
        Study(name, problem, store=store, warm=[])
        Study(name, problem, store=store)
    Study("list", problem, store=store, warm=designs)


def test_what_is_no_source_is_said_to_be_none(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/dse.db")
    problem = tiling_problem()
    Study("empty", problem, store=store)
    Study("mixed", mixed_problem(), store=store).run(10)
    for warm, message in (
        ("absent", r"no study 'absent'.*; a file of designs ends in .csv, .json, .parquet"),
        ("a", "study 'a' cannot be started from itself"),
        ("empty", "study 'empty' has no evaluation yet"),
        ("mixed", "study 'mixed' has none of the parameters"),
        (3, "warm start from int"),
        ([["same"]], "warm start from list"),
        (f"sqlite:///{tmp_path}/none.db#a", "there is no store"),
        (problem.space.sample(0, 0), "holds no design"),
    ):
        with pytest.raises(StudyError, match=message):
            Study("a", problem, store=store, warm=warm)  # type: ignore[arg-type]
    assert [record.name for record in store.studies()] == ["empty", "mixed"]


def test_a_front_without_a_feasible_design_is_no_start(url: str) -> None:
    Study("a", small(["a <= -1"]), "random", store=url).run(20)
    with pytest.raises(StudyError, match="has no feasible design yet"):
        Study("b", other_problem_of_x(), "random", store=url, warm="a")


def other_problem_of_x() -> Problem:
    return problem_of(Space([Integer("x", 0, 30)]))


def test_a_crash_in_the_midst_of_taking_over_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = tiling_problem()
    monkeypatch.setattr(dse.warm.start, "ADOPTED_AT_ONCE", 50)
    store = Store(f"sqlite:///{tmp_path}/dse.db")
    Study("source", problem, "random", store=store).run(230)
    whole = Study("whole", problem, "nsga2", store=store, warm="source").run(100)
    assert whole.history()["evaluations"].tolist() == [50, 100, 150, 200, 230, 330]

    class Crash(BaseException):
        pass

    insert = Store._insert
    for after in range(5):
        calls = iter(range(100))

        def crashing(self: Store, *arguments: Any, calls: Any = calls, after: int = after) -> None:
            insert(self, *arguments)
            if next(calls) == after:
                raise Crash

        with monkeypatch.context() as patch:
            patch.setattr(Store, "_insert", crashing)
            with pytest.raises(Crash):
                Study("parts", problem, "nsga2", store=store, warm="source")
        with pytest.raises(StoreError, match="no study 'parts'"):
            StudyView("parts", store)
    parts = Study("parts", problem, "nsga2", store=store, warm="source")
    assert len(parts) == 230
    assert_same(whole, parts.run(100))


RUN = """
import sys, time
import dse.warm.start as start
from dse import Study
from tests.dse.problems import tiling_problem
from tests.dse.test_warm import other_problem
rows = start.evaluation_rows
def slowly(*arguments):
    time.sleep(0.1)
    return rows(*arguments)
start.ADOPTED_AT_ONCE, start.evaluation_rows = 20, slowly
warm = [f"{sys.argv[2]}#{name}" for name in ("same", "other")]
problem = tiling_problem(delay=0.03, fail_every=11)
Study("a", problem, "nsga2", seed=5, store=sys.argv[1], batch=25, warm=warm).run(400)
"""


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_kill_and_resume_gives_the_same_archive(kills: int, tmp_path: Path) -> None:
    origin, whole, killed = (f"sqlite:///{tmp_path}/{name}.db" for name in ("origin", "whole", "killed"))
    Study("same", tiling_problem(fail_every=11), "random", store=origin).run(160)
    Study("other", other_problem(), "random", store=origin).run(100)

    def start(url: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", RUN, url, origin], cwd=Path(__file__).parents[2])

    def stored(url: str) -> int | None:
        try:
            return len(StudyView("a", url))
        except StoreError:
            return None

    assert start(whole).wait() == 0
    moments = random.Random(kills)
    adopting = interrupted = 0
    for kill in range(kills):
        run = start(killed)
        if kill % 3 == 0 and stored(killed) is None:
            while not Path(killed.removeprefix("sqlite:///")).exists():
                time.sleep(0.005)
            time.sleep(moments.uniform(0.1, 0.6))  # taking over lasts 0.8 s
        else:
            before = stored(killed)
            while run.poll() is None and stored(killed) == before:
                time.sleep(0.005)
            time.sleep(moments.uniform(0.0, 0.8 / kills))
        interrupted += run.poll() is None
        run.kill()
        run.wait()
        found = stored(killed)
        adopting += found is None
        assert found is None or found >= 160, "all that is taken over is there, or no study"
    assert interrupted > kills / 2
    assert adopting, "no kill came while evaluations were taken over: the test shows little"
    assert start(killed).wait() == 0
    assert_same(StudyView("a", whole), StudyView("a", killed))
    assert len(StudyView("a", killed)) == 160 + 400


# The command line


def test_the_command_line_starts_from_studies_and_files(tmp_path: Path) -> None:
    study = "lut-accelerator"
    command("run", study, "--budget", "100", cwd=tmp_path)
    local = ["run", study, "--searcher", "local", "--warm", study]
    done = command(*local, "--budget", "30", cwd=tmp_path)
    assert f"started from study '{study}': all 100 evaluations taken over" in done.stderr
    assert f"{study}-local-warm: 130 evaluations (100 taken over and 30 new" in done.stdout
    # The same command goes on.
    facts = json.loads(command(*local, "--json", "--budget", "40", cwd=tmp_path).stdout)
    assert (facts["name"], facts["evaluations"], facts["adopted"]) == (f"{study}-local-warm", 140, 100)
    shown = command("show", f"{study}-local-warm", cwd=tmp_path).stdout
    assert f"started from study '{study}': all 100 evaluations taken over" in " ".join(shown.split())

    view = StudyView(study, f"sqlite:///{tmp_path}/dse.db")
    rows = len(view.front())
    view.front().to_csv(tmp_path / "published.csv")
    both = ["--warm", f"sqlite:///dse.db#{study}", "--warm", "published.csv"]
    done = command("run", study, "--set", "node=16nm", "--budget", "20", *both, cwd=tmp_path)
    assert f"started from published.csv: 0 designs evaluated first, from {rows} rows" in done.stderr
    other = StudyView(f"{study}-node=16nm-warm", f"sqlite:///{tmp_path}/dse.db")
    assert (len(other), other.adopted) == (20, 0)
    assert other.started_from[0].endswith(f"{rows} designs evaluated first, from its front of {rows}")
    write_report(other, tmp_path / "report.html")
    assert "published.csv" in (tmp_path / "report.html").read_text()


def test_the_command_line_says_what_is_wrong_with_a_source(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("area_mm2\n0.3\n")
    done = command("run", "lut-accelerator", "--warm", "bad.csv", cwd=tmp_path, check=2)
    assert "bad.csv has none of the parameters" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
