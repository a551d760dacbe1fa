"""Designs that come before a searcher's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dse import Integer, Minimize, Problem, Space, Study, cost_model
from dse.designs import Designs
from dse.errors import ProblemError

SPACE = Space([Integer("x", 0, 99), Integer("y", 0, 99)], ["x + y <= 150"])


@cost_model(metrics={"a": "", "b": ""}, columns=["x", "y"])
def model(d: Designs) -> dict[str, np.ndarray]:
    return {"a": np.asarray(d["x"], float), "b": 99.0 - d["x"] + d["y"]}


def made(rows: list[dict[str, int]]) -> Problem:
    return Problem(SPACE, model, [Minimize("a"), Minimize("b")], start=SPACE.designs(rows))


@pytest.mark.parametrize("searcher", ["random", "nsga2", "bayesian", "exhaustive"])
def test_they_come_first_whatever_the_searcher(tmp_path: Path, searcher: str) -> None:
    of = made([{"x": 7, "y": 7}, {"x": 90, "y": 3}, {"x": 7, "y": 7}])
    study = Study("s", of, searcher=searcher, store=f"sqlite:///{tmp_path}/s.db")
    study.run(budget=12)
    frame = study.evaluations()
    assert frame[["x", "y"]].iloc[:2].to_numpy().tolist() == [[7, 7], [90, 3]]
    assert len(frame) == 12
    assert not frame.duplicated(["x", "y"]).any()


def test_a_run_in_parts_is_the_same(tmp_path: Path) -> None:
    of = made([{"x": index, "y": 1} for index in range(9)])
    whole = Study("s", of, searcher="nsga2", store=f"sqlite:///{tmp_path}/a.db", seed=3)
    whole.run(budget=230)
    for budget in (4, 11, 230):
        part = Study("s", of, searcher="nsga2", store=f"sqlite:///{tmp_path}/b.db", seed=3)
        part.run(budget=budget)
    assert whole.evaluations().equals(part.evaluations())


def test_they_are_part_of_what_a_problem_is() -> None:
    assert made([{"x": 1, "y": 1}]).fingerprint != made([{"x": 2, "y": 1}]).fingerprint


def test_designs_outside_of_the_space_are_refused() -> None:
    with pytest.raises(ProblemError, match="start: design 1 is not in the space"):
        Problem(
            SPACE,
            model,
            [Minimize("a")],
            start=Designs.from_rows(SPACE, [{"x": 1, "y": 1}, {"x": 99, "y": 99}]),
        )
    other = Space([Integer("x", 0, 99)])
    with pytest.raises(ProblemError, match="start must be designs of the problem's space"):
        Problem(SPACE, model, [Minimize("a")], start=other.designs([{"x": 1}]))
