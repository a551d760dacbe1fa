"""Retraining: only with what is new, tested on what neither saw, promoted if better."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dse import StudyView
from dse.errors import StoreError
from dse.store import Store
from dse.surrogates import TrainingData, provenance
from dse.surrogates.pool import Pool, from_ranges
from dse.surrogates.registry import Registry
from dse.surrogates.retraining import held_out

from .stored import MODEL, run


def states(registry: Registry) -> list[str]:
    return [record.state for record in registry.versions("bench")]


@pytest.fixture
def fitted_on(monkeypatch: pytest.MonkeyPatch) -> list[TrainingData]:
    """What surrogates are trained on from now on."""
    seen: list[TrainingData] = []
    fit = provenance.fit

    def spy(data: TrainingData, **settings: Any) -> Any:
        seen.append(data)
        return fit(data, **settings)

    monkeypatch.setattr(provenance, "fit", spy)
    return seen


def marks(data: TrainingData) -> set[bytes]:
    return set(data.space.keys(data.designs.codes))


def test_without_new_evaluations_nothing_is_trained(url: str, fitted_on: list[TrainingData]) -> None:
    run(url, "repeats", 40)  # of designs that are known
    registry = Registry(url)
    for studies in ([], ["bench"], ["repeats"]):
        found = registry.retrain("bench", studies)
        assert found.reason == "nothing new: bench@1 was trained on all evaluations there are"
        assert (found.new, found.version, found.drift) == (0, None, None)
    assert fitted_on == []
    assert states(registry) == ["serving"]


def test_a_better_candidate_serves_and_was_tested_on_what_neither_saw(
    url: str, fitted_on: list[TrainingData]
) -> None:
    run(url, budget=360)
    registry = Registry(url)
    found = registry.retrain("bench")
    assert found.promoted
    assert found.version is not None
    assert found.test is not None
    assert found.reason.startswith("better: ")
    assert found.reason.endswith("bench@2 serves instead of bench@1")
    assert states(registry) == ["retired", "serving"]
    candidate, final = (marks(data) for data in fitted_on)
    rows = StudyView("bench", url).store.evaluations(1)
    every = [row.tobytes() for row in rows.designs]
    assert final == set(every)
    assert len(final - candidate) == found.test.paired.rows == found.test.serving["rows"] == 60
    assert not (final - candidate) & set(every[:60])
    made = found.version.provenance
    assert made["studies"][0]["evaluations"] == [[0, 359]]
    assert (made["origin"], made["before"]) == ("retrain", 1)
    assert made["test"]["better"] is True
    assert made["test"]["candidate"]["rows"] == 60
    assert registry.retrain("bench").reason.startswith("nothing new: bench@2")
    assert len(fitted_on) == 2


def test_a_worse_candidate_is_rejected_kept_and_not_tried_again(
    url: str, fitted_on: list[TrainingData]
) -> None:
    run(url, budget=110)
    registry = Registry(url)
    worse = _worse(registry)
    found = registry.retrain("bench", model=worse)
    assert found.reason.startswith("not better: ")
    assert found.version is not None
    assert found.version.state == "rejected"
    assert states(registry) == ["serving", "rejected"]
    made = found.version.provenance
    held, used = (from_ranges(made[key][0]["evaluations"]) for key in ("held_out", "studies"))
    assert sorted([*held.tolist(), *used.tolist()]) == list(range(110))
    assert registry.evaluate("bench@2").rows == len(held) == 25
    assert len(fitted_on) == 1
    again = registry.retrain("bench", model=worse)
    assert again.reason.startswith("nothing new since bench@2 was rejected (not better: ")
    assert again.drift is not None
    assert len(fitted_on) == 1
    forced = registry.retrain("bench", model=worse, force=True)
    assert forced.promoted
    assert forced.reason.endswith("; forced: bench@3 serves instead of bench@1")
    assert states(registry) == ["retired", "rejected", "serving"]
    assert registry.load("bench").report["rows"] == 110


def _worse(registry: Registry) -> dict[str, Any]:
    """A choice that cannot be as good: on the scale of logarithms, though the metrics are sums."""
    choice = registry.load("bench").choice
    return {name: {"model": MODEL, "scale": "logarithm", "sizes": []} for name in choice}


def test_a_search_that_has_no_time_keeps_what_was_chosen_before(url: str) -> None:
    run(url, budget=110)
    registry = Registry(url)
    choice = registry.version("bench").provenance["choice"]
    found = registry.retrain("bench", model="auto", seconds=1e-9, force=True)
    assert found.version is not None
    assert found.version.provenance["choice"] == choice
    assert found.version.provenance["settings"]["model"] == "auto"


def test_more_evaluations_are_tried_after_a_rejection(url: str) -> None:
    run(url, budget=110)
    registry = Registry(url)
    registry.retrain("bench", model=_worse(registry))
    run(url, budget=360)
    assert registry.retrain("bench").promoted
    assert states(registry) == ["retired", "rejected", "serving"]


def test_too_few_to_test_on_wait_for_more_unless_forced(url: str, fitted_on: list[TrainingData]) -> None:
    run(url, budget=70)
    registry = Registry(url)
    found = registry.retrain("bench")
    assert found.reason == "too little new to test on: 10 evaluations of 20 (--force trains anyhow)"
    assert found.drift is not None
    assert fitted_on == []
    forced = registry.retrain("bench", force=True)
    assert forced.reason == "untested; bench@2 serves instead of bench@1"
    assert forced.version is not None
    assert forced.version.provenance["test"] is None
    assert registry.load("bench").report["rows"] == 70


def test_other_studies_are_learned_from_beside_its_own(url: str) -> None:
    run(url, "more", 300, seed=4)
    registry = Registry(url)
    found = registry.retrain("bench", ["more"])
    assert found.promoted
    assert registry.retrain("bench").reason.startswith("nothing new"), "they are its own from then on"
    run(url, "more", 350, seed=4)
    assert registry.retrain("bench").new == 50


def test_a_version_that_is_promoted_meanwhile_goes_on(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry(url)
    registry.train("bench", ["bench"], model=MODEL, seed=1)
    run(url, budget=360)
    fit = provenance.fit

    def promoted_meanwhile(data: TrainingData, **settings: Any) -> Any:
        Registry(url).promote("bench@2")
        return fit(data, **settings)

    monkeypatch.setattr(provenance, "fit", promoted_meanwhile)
    found = registry.retrain("bench")
    assert not found.promoted
    assert "another version was promoted meanwhile: bench@3 is a candidate" in found.reason
    assert states(registry) == ["retired", "serving", "candidate"]


def test_a_device_that_has_changed_is_drift(url: str) -> None:
    run(url, budget=100, shift=60.0)
    found = Registry(url).retrain("bench", model=MODEL)
    assert found.drift is not None
    assert found.drift.drifted == ["time"]
    figures = found.drift.to_dict()["metrics"]["time"]
    assert figures["rows"] == 40
    assert figures["outside"] > 30
    assert figures["p"] < 1e-6
    calm = found.drift.to_dict()["metrics"]["energy"]
    assert calm["p"] > 0.05


def test_without_a_change_there_is_no_drift(url: str) -> None:
    run(url, budget=360)
    found = Registry(url, read_only=True).evaluate("bench")
    assert found.drift is not None
    assert found.drift.drifted == []


def test_failures_and_broken_limits_are_learned_and_judged(url: str) -> None:
    run(url, "hard", 120, failing=True, limit=250.0)
    registry = Registry(url)
    registry.train("hard", ["hard"], model=MODEL)
    run(url, "hard", 320, failing=True, limit=250.0)
    found = registry.retrain("hard")
    assert found.test is not None
    names = {part.name for part in found.test.paired.parts}
    assert names == {"time", "energy", "failed", "infeasible"}
    lost = sum(StudyView("hard", url).counts()[state] for state in ("failed", "timeout"))
    assert lost > 10
    assert found.test.serving["infeasible"]["auc"] > 0.8


def test_what_is_held_out_does_not_depend_on_the_order_of_studies(url: str) -> None:
    run(url, "more", 200, seed=4)
    with Store(url) as store:
        views = [StudyView(name, store) for name in ("bench", "more")]
        held = []
        for order in (views, views[::-1]):
            pool = Pool.read(store, order)
            fresh = pool.fresh(np.zeros(len(pool), dtype=bool))
            mask = held_out(pool, fresh)
            assert not (mask & ~fresh).any()
            held.append(set(pool.marks[mask].tolist()))
        assert held[0] == held[1]
        assert len(held[0]) == np.ceil(0.2 * fresh.sum())


@pytest.mark.parametrize(("new", "expected"), [(20, 10), (60, 30), (100, 50), (200, 50), (1_000, 200)])
def test_a_fifth_is_held_out_or_fifty_but_never_more_than_half(new: int, expected: int) -> None:
    class Marked:
        marks = np.random.default_rng(0).integers(0, 2**63, 1_200).astype(np.uint64)

        def __len__(self) -> int:
            return len(self.marks)

    fresh = np.arange(1_200) < new
    assert int(held_out(Marked(), fresh).sum()) == expected  # type: ignore[arg-type]


def test_pruning_leaves_what_serves_and_the_newest(url: str) -> None:
    registry = Registry(url)
    for seed in (1, 2, 3):
        registry.train("bench", ["bench"], model=MODEL, seed=seed)
    assert [record.version for record in registry.prune("bench", keep=1)] == [2, 3]
    assert registry.prune("bench", keep=1) == []
    for version in (1, 4):
        assert registry.load(f"bench@{version}").report["rows"] == 60
    with pytest.raises(StoreError, match="pruned"):
        registry.promote("bench@2")
    assert len(registry.versions("bench")) == 4
