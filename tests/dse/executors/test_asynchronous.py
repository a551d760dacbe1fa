"""A free worker gets the next design at once; the order in which results came is the history."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from dse import Categorical, Integer, Minimize, Problem, Space, Study, StudyView, cost_model
from dse.evaluations import Evaluations
from dse.searchers.nsga2 import NSGA2
from tests.dse.executors.models import mixed
from tests.dse.executors.test_pool import archive, url


def sleeping(scale: float, size: int = 30, log: Path | None = None) -> Problem:
    """Evaluations that take log-normal times, by the design."""
    space = Space([Integer("x", 0, size), Integer("y", 0, size), Categorical("z", ["a", "b"])])

    @cost_model(metrics={"a": "ms", "b": "mJ"}, per_design=True, version="1")
    def model(d: Any) -> dict[str, float]:
        if log is not None:
            with log.open("a") as file:
                file.write(f"{d['x']} {d['y']} {d['z']}\n")
        random = np.random.default_rng([d["x"], d["y"], d["z"] == "a"])
        time.sleep(scale * float(random.lognormal(0.0, 1.0)))
        return {"a": d["x"] + 0.1 * d["y"], "b": (size - d["x"]) ** 2 + d["y"] + (d["z"] == "a")}

    return Problem(space, model, [Minimize("a"), Minimize("b")], name="sleeping")


MORE = [pytest.param(name, marks=pytest.mark.slow) for name in ("random", "local", "marl", "moead")]


@pytest.mark.parametrize("searcher", ["nsga2", "sobol", "auto", *MORE])
def test_searchers_take_results_as_they_come(searcher: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    study = Study("s", sleeping(0.002, log=log), searcher, seed=1, store=url(tmp_path))
    study.run(60, workers=4, asynchronous=True)
    counts = Counter(log.read_text().splitlines())
    assert len(study) == len(counts) == 60
    assert set(counts.values()) == {1}
    assert study.reference is not None
    assert study.hypervolume() > 0


def test_a_small_space_is_walked_to_its_end(tmp_path: Path) -> None:
    for searcher in ("exhaustive", "nsga2"):
        study = Study("s", mixed("fine", "nan", delay=0.001), searcher, store=url(tmp_path, searcher))
        study.run(workers=3, asynchronous=True)
        rows = study.evaluations()
        assert len(rows) == 24
        assert not rows.duplicated(["x", "kind"]).any()


class Recorder(NSGA2):
    """Keeps what it was told."""

    made: ClassVar[list[Recorder]] = []

    def __init__(self, space: Space, *, seed: int = 0) -> None:
        super().__init__(space, seed=seed, population=20)
        self.told: list[bytes] = []
        self.made.append(self)

    def tell(self, evaluations: Evaluations) -> None:
        self.told.append(evaluations.designs.codes.tobytes() + evaluations.objectives.tobytes())
        super().tell(evaluations)


def test_resuming_tells_the_order_in_which_results_came(tmp_path: Path) -> None:
    study = Study("s", sleeping(0.003), Recorder, store=url(tmp_path))
    study.run(50, workers=4, asynchronous=True)
    first = Recorder.made[-1].told
    again = Study("s", sleeping(0.003), Recorder, store=url(tmp_path))
    again.run(70, workers=4, asynchronous=True)
    assert len(first) > 20, "results were told in batches"
    assert Recorder.made[-1].told[: len(first)] == first
    assert len(again) == 70


def test_a_run_is_stopped_and_resumed_in_either_way(tmp_path: Path) -> None:
    log = tmp_path / "log"
    study = Study("s", sleeping(0.01, log=log), "nsga2", store=url(tmp_path), batch=20)
    study.run(60, workers=3, asynchronous=True, stop=lambda: len(study) >= 25)
    assert study.record.state == "interrupted"
    assert 25 <= len(study) < 60
    assert len(log.read_text().splitlines()) == len(study), "what was under way was not finished"
    Study("s", sleeping(0.01, log=log), "nsga2", store=url(tmp_path), batch=20).run(60)
    counts = Counter(log.read_text().splitlines())
    assert len(StudyView("s", url(tmp_path))) == 60 == len(counts)
    assert max(counts.values()) == 1


def test_workers_do_not_wait_for_each_other(tmp_path: Path) -> None:
    """Bounds are loose: `benchmarks/utilisation.py` measures."""
    used = {}
    for asynchronous in (False, True):
        study = Study("s", sleeping(0.05), "random", store=url(tmp_path, str(asynchronous)), batch=8)
        study.run(80, workers=4, asynchronous=asynchronous)
        assert study.utilisation is not None
        used[asynchronous] = study.utilisation
    assert used[True] > used[False]
    assert used[True] > 0.5


def test_bad_designs_do_not_end_it(tmp_path: Path) -> None:
    study = Study("s", mixed("fine", "exit", "sleep"), "random", store=url(tmp_path))
    study.run(12, workers=4, asynchronous=True, timeout=0.3)
    states = study.evaluations().groupby("kind")["state"].unique().map(list).to_dict()
    assert states == {"fine": ["complete"], "exit": ["failed"], "sleep": ["timeout"]}


def test_what_is_stored_is_a_whole_history(tmp_path: Path) -> None:
    study = Study("s", sleeping(0.001), "nsga2", store=url(tmp_path), batch=10)
    study.run(40, workers=4, asynchronous=True)
    history = study.history()
    assert history["evaluations"].iloc[-1] == 40
    assert history["hypervolume"].dropna().is_monotonic_increasing
    assert archive(study) == archive(StudyView("s", url(tmp_path)))
