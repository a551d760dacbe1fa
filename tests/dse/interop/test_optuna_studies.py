"""Studies into Optuna and out of it: what the other side sees, and that nothing is lost unsaid."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.trial import TrialState

from dse import Integer, Minimize, Ordinal, Problem, Space, Study, StudyView, cost_model
from dse.cli import main
from dse.errors import SpaceError, StudyError
from dse.interop.optuna import distributions, export_study, import_study, space_of
from dse.report import write_report
from tests.dse.interop.conftest import chip_problem


def loaded(path: Path, name: str = "chip") -> optuna.Study:
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
    return optuna.load_study(study_name=name, storage=storage)


@pytest.fixture(scope="module")
def journal(chip: StudyView, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("journal") / "chip.log"
    assert export_study(chip, str(path)) == "chip"
    return path


def test_optuna_sees_the_same_study(chip: StudyView, journal: Path) -> None:
    study, frame = loaded(journal), chip.evaluations()
    assert len(study.trials) == len(chip)
    assert [item.name for item in study.directions] == ["MINIMIZE", "MINIMIZE"]
    assert study.metric_names == ["latency_ms", "power_w"]
    assert study.user_attrs["units"] == {"latency_ms": "ms", "gflops": "GFLOP/s", "power_w": "W"}
    assert study.user_attrs["limits"] == ["power_w <= 2.5", "gflops >= 40"]
    for trial, (_, row) in zip(study.trials, frame.iterrows(), strict=True):
        assert trial.number == row["number"] == trial.user_attrs["dse:number"]
        split = row["core.kind"] == "split"
        assert ("core.splits" in trial.params) == split
        assert all(trial.params[name] == row[name] for name in trial.params)
        assert trial.duration == timedelta(seconds=0.25)
        if row["state"] in ("complete", "infeasible"):
            assert trial.state == TrialState.COMPLETE
            assert trial.values == [row["latency_ms"], row["power_w"]]
            assert trial.user_attrs["gflops"] == row["gflops"]
            broken = {key for key, value in trial.constraints.items() if value > 0 and not key.isdigit()}
            assert ("power_w <= 2.5" in broken) == (row["power_w"] > 2.5)
            assert ("gflops >= 40" in broken) == (row["gflops"] < 40)
        else:
            assert trial.state == TrialState.FAIL
            assert trial.user_attrs["dse:state"] == row["state"]
            assert trial.user_attrs.get("dse:error") == (row["error"] if row["state"] == "failed" else None)


def test_optunas_best_trials_are_the_front(chip: StudyView, journal: Path) -> None:
    best = {trial.number for trial in loaded(journal).best_trials}
    assert best == set(chip.front().index)


def test_trials_start_when_the_batch_did(chip: StudyView, journal: Path) -> None:
    first = chip.store.batches(chip.id)[1]
    began = datetime.fromisoformat(first.started_at).astimezone().replace(tzinfo=None)
    trial = loaded(journal).trials[first.first + 1]
    assert trial.datetime_start is not None
    assert timedelta(seconds=0.25) <= trial.datetime_start - began < timedelta(seconds=5)


def test_optuna_goes_on_with_an_exported_study(chip: StudyView, tmp_path: Path) -> None:
    export_study(chip, str(tmp_path / "on.log"))
    study = loaded(tmp_path / "on.log")
    study.sampler = optuna.samplers.TPESampler(seed=0)
    study.optimize(lambda trial: (trial.suggest_int("core.stages", 1, 5), 1.0), n_trials=2)
    assert len(study.trials) == len(chip) + 2


def same(one: StudyView, other: StudyView) -> None:
    pd.testing.assert_frame_equal(one.evaluations(), other.evaluations(), check_exact=True)
    pd.testing.assert_frame_equal(one.front(), other.front(), check_exact=True)
    assert one.space == other.space
    assert one.metrics == other.metrics
    assert one.objectives == other.objectives
    assert one.limits == other.limits
    assert one.record.fingerprint == other.record.fingerprint
    a, b = (view.restore(view.store.evaluations(view.id)) for view in (one, other))
    np.testing.assert_array_equal(a.violation, b.violation)
    np.testing.assert_array_equal(a.seconds, b.seconds)


def test_an_exported_study_comes_back_as_it_was(chip: StudyView, journal: Path, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/dse.db"
    made = import_study(str(journal), store)
    assert made.lost == ()
    same(made.study, chip)
    again = StudyView("chip", store)
    assert again.hypervolume(chip.reference) == chip.hypervolume()
    assert len(again.history()) > 10  # progress can be drawn
    assert again.history()["seconds"].iloc[-1] == pytest.approx(0.25 * len(chip))
    assert write_report(again, tmp_path / "report.html").stat().st_size > 100_000


def test_a_database_holds_the_same_and_refuses_the_name_again(chip: StudyView, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/dse.db"
    small = Study("small", chip_problem(), searcher="random", store=store).run(12)
    url = f"sqlite:///{tmp_path}/optuna.db"
    seen: list[tuple[int, int]] = []
    export_study(small, url, name="other", progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 12) for done in range(1, 13)]
    with pytest.raises(StudyError, match="has a study 'other' already: name another"):
        export_study(small, url, name="other")
    same(import_study(url, store, name="back").study, small)
    with pytest.raises(StudyError, match="has a study 'back' already"):
        import_study(url, store, name="back")


def test_a_front_alone(chip: StudyView, tmp_path: Path) -> None:
    export_study(chip, str(tmp_path / "front.log"), front=True)
    made = import_study(str(tmp_path / "front.log"), f"sqlite:///{tmp_path}/dse.db")
    kept = [trial.user_attrs["dse:number"] for trial in loaded(tmp_path / "front.log").trials]
    assert kept == sorted(chip.front().index)
    pd.testing.assert_frame_equal(
        made.study.front().reset_index(drop=True), chip.front().reset_index(drop=True), check_exact=True
    )


def test_a_stopped_export_leaves_nothing(chip: StudyView, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    for target in (f"sqlite:///{tmp_path}/o.db", str(tmp_path / "o.log")):
        with pytest.raises(KeyboardInterrupt):
            export_study(chip, target, progress=stop)
    assert optuna.get_all_study_names(f"sqlite:///{tmp_path}/o.db") == []
    assert not (tmp_path / "o.log").exists()


def test_wrong_places_are_refused_unharmed(chip: StudyView, tmp_path: Path) -> None:
    ours = chip.store.url.removeprefix("sqlite:///")
    (tmp_path / "text.log").write_text("hello\n")
    cases = {
        f"sqlite:///{ours}": "is a store of this toolkit",
        ours: "is a database: write sqlite:///",
        f"sqlite:///{tmp_path}/no/folder.db": "there is no folder",
        f"{tmp_path}/no/folder.log": "there is no folder",
        str(tmp_path / "text.log"): "is no journal of Optuna's",
        f"nosuch://{tmp_path}": "cannot be",
    }
    for target, words in cases.items():
        with pytest.raises(StudyError, match=words):
            export_study(chip, target)
        with pytest.raises(StudyError):
            import_study(target, f"sqlite:///{tmp_path}/dse.db")
    assert (tmp_path / "text.log").read_text() == "hello\n"
    assert len(chip) == sum(chip.counts().values())
    with pytest.raises(StudyError, match="there is no file"):
        import_study(f"sqlite:///{tmp_path}/nothing.db", f"sqlite:///{tmp_path}/dse.db")
    assert not (tmp_path / "nothing.db").exists()


def test_a_logarithm_beside_a_step_has_no_place() -> None:
    space = Space([Integer("n", 1, 9, step=2, log=True)])
    with pytest.raises(SpaceError, match="the logarithm of 'n'"):
        distributions(space)
    lost: list[str] = []
    assert distributions(space, lost)["n"] == optuna.distributions.IntDistribution(1, 9, step=2)
    assert len(lost) == 1


def define_by_run(trial: optuna.Trial) -> tuple[float, float]:
    layers = trial.suggest_int("n layers", 1, 3)
    units = sum(trial.suggest_int(f"units.{layer}", 4, 64, log=True) for layer in range(layers))
    shape = trial.suggest_categorical("shape", [(1, 2), (2, 4)])
    rate = trial.suggest_float("rate", 0.1, 0.5, step=0.1)
    if trial.suggest_categorical("kind", ["a", "b", None]) == "b":
        trial.suggest_float("beta", 1e-3, 1.0, log=True)
    if trial.number == 3:
        raise RuntimeError
    if trial.number == 4:
        return float("inf"), 1.0
    if trial.number == 5:
        raise optuna.TrialPruned
    trial.set_user_attr("energy/J", units * rate)
    trial.set_user_attr("note", "good")
    trial.set_constraint("units", units - 100)
    return units * shape[0], rate


@pytest.fixture(scope="module")
def theirs() -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        study_name="theirs",
        directions=["maximize", "minimize"],
        sampler=optuna.samplers.RandomSampler(seed=1),
    )
    study.optimize(define_by_run, n_trials=60, catch=RuntimeError)
    study.enqueue_trial({"n layers": 1})
    study.add_trial(study.trials[0])
    return study


@pytest.mark.filterwarnings("ignore:Choices for a categorical")
def test_a_foreign_study_has_its_space_inferred(theirs: optuna.Study, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/dse.db"
    made = import_study(theirs, store, objectives=["size", "rate_"], units={"energy_J": "J"})
    view = made.study
    conditions = {item.name: item.active_if for item in view.space.parameters if item.active_if}
    assert conditions == {"units._1": "n_layers >= 2", "units._2": "n_layers >= 3", "beta": "kind == 'b'"}
    assert view.space["rate"] == Ordinal("rate", [0.1, 0.2, 0.30000000000000004, 0.4, 0.5])
    assert view.space["units._0"] == Integer("units._0", 4, 64, log=True)
    assert [type(goal).__name__ for goal in view.objectives] == ["Maximize", "Minimize"]
    assert view.metrics["energy_J"].unit == "J"
    assert [limit.text for limit in view.limits] == ["constraint_units <= 0"]
    frame = view.evaluations().set_index("number")
    assert len(frame) == 60
    assert frame.loc[3, "error"] == "the trial failed"
    assert frame.loc[4, "error"] == "size is inf"
    assert frame.loc[5, "error"] == "pruned"
    best = {trial.number for trial in theirs.best_trials} - {4, 61}
    assert best == set(view.front().index)
    infeasible = [t.number for t in theirs.trials if t.constraints.get("units", 0) > 0 and t.number < 60]
    assert list(frame.index[frame["state"] == "infeasible"]) == infeasible
    said = "\n".join(made.lost)
    for words in (
        "1 trials that did not end", "1 trials that repeat a design", "user attribute 'note'", "'n layers'",
        "the choices of 'shape' as values", "condition of 'beta' is inferred",
    ):  # fmt: skip
        assert words in said, words
    assert write_report(view, tmp_path / "report.html").stat().st_size > 100_000


def test_a_missing_parameter_that_nothing_explains_is_refused(tmp_path: Path) -> None:
    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_int("x", 0, 3)
        if trial.number % 3 == 0:
            trial.suggest_int("y", 0, 3)
        return x

    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=30)
    with pytest.raises(StudyError, match=r"parameter 'y' is missing in some trials.*give the space"):
        import_study(study, f"sqlite:///{tmp_path}/dse.db", name="x")
    given = Space([Integer("x", 0, 3), Integer("y", 0, 3, active_if="x >= 2")])
    made = import_study(study, f"sqlite:///{tmp_path}/dse.db", name="x", space=given)
    assert made.study.space == given
    assert any("are no members of the space" in line for line in made.lost)
    assert (made.study.evaluations()["x"] == made.study.evaluations()["value"]).all()


@cost_model(metrics={"cost": "s", "area": "mm2"}, version="1")
def known(d: Any) -> dict[str, Any]:
    return {"cost": d["x"] * 1.0, "area": 10.0 - d["x"]}


def test_a_known_problem_gives_space_metrics_and_limits(tmp_path: Path) -> None:
    problem = Problem(Space([Integer("x", 0, 9)]), known, [Minimize("cost"), Minimize("area")], ["area <= 8"])
    store = f"sqlite:///{tmp_path}/dse.db"

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        x = trial.suggest_int("x", 0, 12)
        return float(x), 10.0 - x

    study = optuna.create_study(
        directions=["minimize"] * 2, sampler=optuna.samplers.BruteForceSampler(seed=0)
    )
    study.optimize(objective)
    made = import_study(study, store, name="known", problem=problem)
    assert any("3 trials that are no members of the space" in line for line in made.lost)
    assert made.study.record.fingerprint == problem.fingerprint
    assert made.study.counts() == {"complete": 8, "infeasible": 2, "failed": 0, "timeout": 0}
    # A study of the same model takes the evaluations over.
    warm = Study("warm", problem, searcher="random", store=store, warm="known")
    assert warm.adopted == 10
    maximized = optuna.create_study(directions=["minimize", "maximize"])
    maximized.add_trials(study.trials)
    with pytest.raises(StudyError, match="is to maximize what the problem calls 'area'"):
        import_study(maximized, store, name="other", problem=problem)
    single = optuna.create_study()
    single.optimize(lambda trial: trial.suggest_int("x", 0, 9), n_trials=2)
    with pytest.raises(StudyError, match="has 1 objectives, the problem 2"):
        import_study(single, store, name="other", problem=problem)
    alone = Problem(Space([Integer("x", 0, 9)]), known, [Minimize("cost")])
    with pytest.raises(StudyError, match=r"has no metric 'area'.*set_user_attr"):
        import_study(single, store, name="other", problem=alone)


def test_nothing_that_ended_is_refused(tmp_path: Path) -> None:
    study = optuna.create_study()
    study.enqueue_trial({"x": 1})
    with pytest.raises(StudyError, match="no trial that ended"):
        import_study(study, f"sqlite:///{tmp_path}/dse.db")


def test_a_space_of_distributions_is_the_one_that_says_the_same() -> None:
    given = {
        "i": optuna.distributions.IntDistribution(0, 10, step=5),
        "f": optuna.distributions.FloatDistribution(0.5, 1.0),
        "c": optuna.distributions.CategoricalDistribution(["a", None, True]),
    }
    space = space_of(given)
    assert distributions(space) == given
    with pytest.raises(SpaceError, match="the name 'a b', which becomes 'a_b'"):
        space_of({"a b": optuna.distributions.IntDistribution(0, 1)})
    twins = space_of({"c": optuna.distributions.CategoricalDistribution([1, True])}, lost := [])
    assert len(lost) == 1
    assert twins.size == 2


def test_the_command_line(
    chip: StudyView, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        return (ended.value.code or 0, *capsys.readouterr())  # type: ignore[return-value]

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DSE_STORE", chip.store.url)
    status, out, err = run("export", "chip", "--to", "optuna", "chip.log")
    assert (status, err) == (0, "")
    assert "optuna-dashboard chip.log" in out
    monkeypatch.setenv("DSE_STORE", "sqlite:///mine.db")
    status, out, _ = run("import", "chip.log", "--from", "optuna", "--name", "mine")
    assert status == 0
    assert f"mine: {len(chip)} evaluations" in out
    assert "dse front mine --store sqlite:///mine.db" in out
    for arguments, words in [
        (("export", "mine", "--to", "optuna"), "where to?"),
        (("export", "mine", "--to", "csv", "file.csv"), "-o file.csv"),
        (("import", "chip.log", "--from", "optuna", "--study", "no"), "has no study 'no'; it has 'chip'"),
        (("import", "chip.log", "--from", "optuna", "--set", "a=1"), "--as"),
        (("import", "chip.log", "--from", "optuna", "--minimize", "a"), "--minimize means nothing to"),
        (("export", "mine", "--to", "t4", "--study", "a"), "--study is the name of Optuna's study"),
        (("import", "chip.log", "--from", "optuna", "--as", "gpu-tiling"), "has 2 objectives"),
    ]:
        status, _, err = run(*arguments)
        assert status == 2
        assert words in err
        assert err.count("\n") == 1


def test_the_model_of_an_imported_study_evaluates_nothing(
    chip: StudyView, tmp_path: Path, journal: Path
) -> None:
    from dse.interop.recorded import RecordedModel, restored

    problem = restored(chip.record.problem)
    assert isinstance(problem.model, RecordedModel)
    found = problem.evaluate(chip.space.sample(3, 0))
    assert set(found.state) == {"failed"}
    assert "there is no model" in found.errors[0]
