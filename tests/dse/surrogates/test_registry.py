"""Training from the store: provenance, versions, which studies go together, and what is refused."""

from __future__ import annotations

import hashlib
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from dse import StudyView
from dse.errors import StoreError, SurrogateError
from dse.store import Store
from dse.surrogates.pool import Pool, design_marks, from_ranges, to_ranges
from dse.surrogates.registry import Registry

from .stored import MODEL, problem, run

ROOT = str(Path(__file__).parents[3])


def train(url: str, *studies: str, name: str = "bench", **settings: object) -> Registry:
    registry = Registry(url)
    registry.train(name, studies or ("bench",), model=MODEL, **settings)  # type: ignore[arg-type]
    return registry


def execute(url: str, statement: str, *values: object) -> None:
    raw = sqlite3.connect(url.removeprefix("sqlite:///"))
    with raw:
        raw.execute(statement, values)
    raw.close()


def test_the_first_version_serves_and_knows_what_it_was_made_of(url: str) -> None:
    record = Registry(url, read_only=True).version("bench")
    study = StudyView("bench", url)
    made = record.provenance
    assert (record.reference, record.state) == ("bench@1", "serving")
    (source,) = made["studies"]
    assert source["study"] == "bench"
    assert source["fingerprint"] == study.record.fingerprint
    assert (source["id"], source["evaluations"], source["count"]) == (study.id, [[0, 59]], 60)
    assert made["settings"] == {"metrics": ["time", "energy"], "model": MODEL, "seconds": 60.0, "seed": 0}
    assert made["versions"].keys() >= {"dse", "python", "numpy", "scikit-learn", "skops"}
    assert made["problem"]["metrics"] == study.record.problem["metrics"]
    assert record.report["rows"] == 60
    assert {choice["model"] for choice in made["choice"].values()} == {MODEL}


def test_what_is_loaded_predicts_what_was_measured(url: str) -> None:
    surrogate = Registry(url, read_only=True).load("bench")
    space = problem().space
    designs = space.sample(200, np.random.default_rng(5))
    found = surrogate.predict(designs)
    actual = problem().evaluate(designs).metrics
    for name in ("time", "energy"):
        assert np.corrcoef(found.mean[name], actual[name])[0, 1] > 0.9


def test_the_same_evaluations_and_seed_give_the_same_bytes_whenever(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: 1e9)
        registry = train(url)
    one, two = registry.versions("bench")
    assert one.digest == two.digest
    assert train(url, seed=1).versions("bench")[-1].provenance["settings"]["seed"] == 1


def test_later_versions_are_candidates_until_promoted_and_earlier_ones_come_back(url: str) -> None:
    registry = train(url, seed=1)
    assert [record.state for record in registry.versions("bench")] == ["serving", "candidate"]
    assert registry.promote("bench").reference == "bench@2"
    assert registry.version("bench").version == 2
    assert registry.promote("bench@1").promoted_at is not None
    assert [record.state for record in registry.versions("bench")] == ["serving", "retired"]
    with pytest.raises(SurrogateError, match="has no candidate: name a version, as in 'bench@1'"):
        registry.promote("bench")


def test_studies_of_one_model_are_trained_on_together_each_design_once(url: str) -> None:
    run(url, "more", 90, seed=0)  # of which the first study has the first 60
    run(url, "third", 60, seed=3)
    registry = train(url, "third", "bench", "more", name="all")
    made = registry.version("all").provenance["studies"]
    assert [(item["study"], item["count"]) for item in made] == [("third", 60), ("bench", 60), ("more", 30)]
    assert made[2]["evaluations"] == [[60, 89]]
    assert registry.version("all").report["rows"] == 150


def _keys(study: StudyView) -> list[bytes]:
    rows = study.store.evaluations(study.id)
    return [row.tobytes() for row in rows.designs]


def test_studies_of_another_store_are_read_by_their_address(url: str, tmp_path: Path) -> None:
    other = f"sqlite:///{tmp_path}/other.db"
    run(other, "there", 60, seed=7).store.close()
    registry = train(url, "bench", f"{other}#there", name="both")
    stores = [item["store"] for item in registry.version("both").provenance["studies"]]
    assert stores == [None, other]
    assert registry.retrain("both").reason.startswith("nothing new")


@pytest.mark.parametrize(
    ("changes", "differs"),
    [
        ({"high": 30}, r"space\.parameters\[0\]\.high: 40 -> 30"),
        ({"version": "2"}, r'model\.version: "1" -> "2"'),
        ({"unit": "s"}, r'metrics\[0\]\.unit: "ms" -> "s"'),
    ],
    ids=["space", "model", "metrics"],
)
def test_studies_of_unlike_problems_are_refused_with_what_differs(
    url: str, changes: dict[str, object], differs: str
) -> None:
    run(url, "unlike", 30, **changes)
    registry = Registry(url)
    with pytest.raises(SurrogateError, match=f"study 'unlike' .* as study 'bench' .*{differs}"):
        registry.train("new", ["bench", "unlike"])
    with pytest.raises(SurrogateError, match=f"study 'unlike' .* as surrogate 'bench' .*{differs}"):
        registry.train("bench", ["unlike"])
    with pytest.raises(SurrogateError, match=differs):
        registry.retrain("bench", ["unlike"])
    with pytest.raises(SurrogateError, match=differs):
        registry.evaluate("bench", ["unlike"])
    assert len(registry.versions()) == 1


def test_limits_may_differ_and_those_of_the_first_study_judge(url: str) -> None:
    run(url, "limited", 100, seed=1, limit=200.0)
    with Store(url) as store:
        views = [StudyView(name, store) for name in ("limited", "bench")]
        for order in (views, views[::-1]):
            pool = Pool.read(store, order)
            limited = order[0].name == "limited"
            assert (pool.data.infeasible == (limited & (pool.data.values["time"] > 200.0))).all()


def test_predictions_are_not_trained_on(url: str) -> None:
    execute(
        url, 'UPDATE studies SET problem = replace(problem, \'"name": "device"\', \'"name": "surrogate:x"\')'
    )
    with pytest.raises(SurrogateError, match="are predictions of surrogate:x: train on a study that was"):
        train(url, name="new")


@pytest.mark.parametrize("name", ["", "a b", "a@2", "a#b", "x" * 201, "tab\t"])
def test_names_that_could_not_be_typed_are_refused(url: str, name: str) -> None:
    with pytest.raises(SurrogateError, match="cannot be called"):
        train(url, name=name)


@pytest.mark.parametrize("reference", ["@2", "bench@", "bench@x", "bench@0", "bench@-1", "bench@1.0"])
def test_references_that_are_none_are_refused(url: str, reference: str) -> None:
    with pytest.raises(SurrogateError, match="write NAME, or NAME@VERSION as in 'lut@2'"):
        Registry(url).version(reference)


def test_what_is_missing_is_said(url: str) -> None:
    registry = Registry(url)
    with pytest.raises(StoreError, match="no study 'bunch'; it has 'bench'"):
        registry.train("new", ["bunch"])
    with pytest.raises(SurrogateError, match="name at least one study"):
        registry.train("new", [])
    with pytest.raises(SurrogateError, match="retrain 'bench'"):
        registry.retrain("bench@1")
    with pytest.raises(StoreError, match="no surrogate 'bunch'; it has 'bench'"):
        registry.versions("bunch")
    with pytest.raises(SurrogateError, match="has one version: train another"):
        registry.diff("bench")


def test_a_version_is_evaluated_on_what_it_was_not_trained_on(url: str) -> None:
    assert Registry(url, read_only=True).evaluate("bench").rows == 0
    run(url, budget=110)
    run(url, "other", 50, seed=0)  # all of its designs are known from the first study
    run(url, "third", 40, seed=9)
    registry = Registry(url, read_only=True)
    found = registry.evaluate("bench")
    assert found.rows == 50
    assert found.scores is not None
    assert found.scores["rows"] == 50
    assert set(found.scores["metrics"]) == {"time", "energy"}
    assert registry.evaluate("bench", ["other"]).rows == 0
    known = set(_keys(StudyView("bench", url))[:60])
    assert registry.evaluate("bench@1", ["third"]).rows == len(set(_keys(StudyView("third", url))) - known)


def test_two_versions_are_compared_by_their_making_and_on_what_neither_saw(url: str) -> None:
    run(url, budget=110)
    registry = train(url, seed=3)
    run(url, budget=150)
    found = registry.diff("bench")
    assert (found.one.version, found.other.version) == (1, 2)
    assert "evaluations of bench: 60 -> 110" in found.changes
    assert "settings.seed: 0 -> 3" in found.changes
    assert found.test is not None
    assert found.test.rows == 40
    assert registry.diff("bench@1", "bench@1").changes == []


def test_a_study_that_was_run_anew_is_not_taken_for_what_was_trained_on(url: str) -> None:
    with Store(url) as store:
        store.delete_study("bench")
        registry = Registry(store)
        with pytest.raises(SurrogateError, match=r"cannot be read: .* no study 'bench'; .* train another"):
            registry.retrain("bench")
    run(url, budget=110, seed=5)
    for action in (Registry(url).retrain, Registry(url).evaluate):
        with pytest.raises(SurrogateError, match="study 'bench' does not hold the evaluations any more"):
            action("bench")
    assert Registry(url).load("bench").report["rows"] == 60, "what serves goes on serving"


def test_what_is_no_surrogate_is_refused_whoever_wrote_it(url: str) -> None:
    foreign = b"\x80\x04\x95 no surrogate"
    digest = hashlib.sha256(foreign).hexdigest()
    execute(url, "UPDATE artefacts SET data = ?, digest = ?", foreign, digest)
    execute(url, "UPDATE surrogates SET digest = ?", digest)
    with pytest.raises(SurrogateError, match="surrogate bench@1: this is no surrogate"):
        Registry(url).load("bench")
    with pytest.raises(SurrogateError, match="bench@1"):
        Registry(url).promote("bench@1")
    execute(url, 'UPDATE surrogates SET provenance = replace(provenance, \'"skops": "\', \'"skops": "0.\')')
    with pytest.raises(SurrogateError, match=r"it was made with other versions .*skops"):
        Registry(url).load("bench")


def test_a_damaged_model_does_not_serve_and_another_version_does(url: str) -> None:
    registry = train(url, seed=1)
    execute(
        url,
        "UPDATE artefacts SET data = substr(data, 1, 100) WHERE digest = ?",
        registry.version("bench").digest,
    )
    with pytest.raises(StoreError, match="model of surrogate bench@1 is damaged"):
        registry.load("bench")
    with pytest.raises(StoreError, match="damaged"):
        registry.promote("bench@1")
    assert registry.load(registry.promote("bench@2")).report["rows"] == 60


TRAINER = """
import sys
from dse.surrogates.registry import Registry
registry = Registry(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
print(registry.train("shared", ["bench"], model="ridge", seed=int(sys.argv[2])).reference)
"""


def test_two_processes_that_train_one_name_make_two_versions_of_which_one_serves(url: str) -> None:
    trainers = [
        subprocess.Popen(
            [sys.executable, "-c", TRAINER, url, seed],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )
        for seed in ("1", "2")
    ]  # fmt: skip
    for trainer in trainers:
        assert trainer.stdout is not None
        assert trainer.stdout.readline() == "ready\n"
    for trainer in trainers:
        assert trainer.stdin is not None
        trainer.stdin.write("go\n")
        trainer.stdin.flush()
    said = [trainer.communicate(timeout=60)[0].strip() for trainer in trainers]
    assert sorted(said) == ["shared@1", "shared@2"]
    registry = Registry(url, read_only=True)
    assert [record.state for record in registry.versions("shared")] == ["serving", "candidate"]
    assert registry.load("shared@1").report["rows"] == registry.load("shared@2").report["rows"] == 60


def test_numbers_as_ranges_come_back() -> None:
    for numbers in ([], [0], [0, 1, 2], [5, 7, 8, 9, 20], list(range(0, 50, 2))):
        array = np.array(numbers, np.int64)
        assert from_ranges(to_ranges(array)).tolist() == numbers
    assert to_ranges(np.array([3, 4, 5, 9])) == [[3, 5], [9, 9]]


def test_the_hash_of_a_design_does_not_depend_on_where_it_is_from(url: str, tmp_path: Path) -> None:
    run(f"sqlite:///{tmp_path}/other.db", budget=30).store.close()
    with Store(url) as one, Store(f"sqlite:///{tmp_path}/other.db") as two:
        pools = [Pool.read(store, [StudyView("bench", store)]) for store in (one, two)]
    assert pools[0].marks[:30].tolist() == pools[1].marks.tolist()
    assert len(np.unique(pools[0].marks)) == 60
    assert design_marks(pools[0].data.take([3])).tolist() == [pools[0].marks[3]]
