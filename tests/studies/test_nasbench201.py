"""The ready study: exact fronts of the table, settings, and that a search finds what is there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dse import Problem, Study
from dse.compare import exact_front
from dse.errors import ProblemError, StudyError
from dse.pareto import hypervolume
from studies.nasbench201 import problem, study

# By device: points and hypervolume as stated with the data; in between, points of the values as printed.
FRONTS = {
    "eyeriss": (14, 13, 1.1819),
    "fpga": (15, 15, 1.1693),
    "raspi4": (42, 40, 1.1591),
    "pixel3": (38, 35, 1.1573),
    "gold_6226": (50, 50, 1.1534),
    "1080ti_1": (37, 37, 1.1372),
    "titan_rtx_256": (48, 47, 1.1653),
    "samsung_s7": (24, 24, 1.1833),
}


@pytest.fixture(scope="module")
def data(reference_data: Path) -> str:
    return str(reference_data / "nas" / "nasbench201_hw.csv.gz")


def scaled_hypervolume(built: Problem, points: np.ndarray) -> float:
    """Of objectives from 0 to 1 over the table, by the study's own reference point."""
    metrics = built.model.table.metrics  # type: ignore[attr-defined]
    ranges = [np.ptp(metrics[objective.metric]) for objective in built.objectives]
    reference = np.array([objective.reference for objective in built.objectives], float)
    return float(hypervolume(points, reference) / np.prod(ranges))


@pytest.mark.parametrize("device", FRONTS)
def test_exact_fronts(data: str, device: str) -> None:
    """Hypervolumes are the stated ones.

    Of four devices the printed values have one to three points fewer than stated; as ties would have it, the
    stated numbers lie between the points that nothing dominates and those that nothing beats in both.
    """
    built = problem(data=data, device=device)
    front, networks = exact_front(built)
    stated, points, volume = FRONTS[device]
    assert networks == 15_625
    assert len(front) == points
    assert round(scaled_hypervolume(built, front), 4) == volume
    metrics = built.model.table.metrics  # type: ignore[attr-defined]
    values = np.column_stack([metrics["error_percent"], metrics["latency_ms"]])
    beaten = np.array([((front < value).all(axis=1)).any() for value in values])
    assert points <= stated <= (~beaten).sum()


def test_one_network_of_each_graph(data: str) -> None:
    whole, unique = problem(data=data), problem(data=data, unique=True)
    assert [goal.reference for goal in whole.objectives] == [goal.reference for goal in unique.objectives]
    front, networks = exact_front(unique)
    assert networks == 6_466
    # Equal graphs were measured one by one: a little of the front is what their measurements differ by.
    share = scaled_hypervolume(unique, front) / scaled_hypervolume(whole, exact_front(whole)[0])
    assert 0.99 < share < 1


@pytest.mark.parametrize("device", ["raspi4", "pixel3"])
def test_without_networks_that_guess(data: str, device: str) -> None:
    """They are what makes the least latencies a thousandth of the usual."""
    whole, connected = problem(data=data, device=device), problem(data=data, device=device, connected=True)
    assert [goal.reference for goal in whole.objectives] == [goal.reference for goal in connected.objectives]
    assert exact_front(whole)[0][:, 1].min() < 0.02
    front, networks = exact_front(connected)
    assert networks == 15_284
    assert front[:, 1].min() > 1
    assert front[:, 0].max() < 95


def test_settings(data: str) -> None:
    built = study.build({"data": data, "device": "fpga", "dataset": "imagenet16", "unique": "yes",
                         "minimize": "error_percent, energy_mj,parameters_m"})  # fmt: skip
    assert [goal.metric for goal in built.objectives] == ["error_percent", "energy_mj", "parameters_m"]
    assert built.space.count() == 6_466
    cheap = problem(data=data, minimize="error_12_epochs_percent,macs_m")
    assert len(exact_front(cheap)[0]) > 10


def test_the_table_is_found_in_the_folder_of_data(
    reference_data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DSE_DATA", str(reference_data))
    assert problem().model.name == "nasbench201-cifar100-raspi4"
    monkeypatch.setenv("DSE_DATA", str(tmp_path))
    with pytest.raises(ProblemError, match=r"data is not set and there is no nas.*with columns e10.*HELP"):
        problem()
    monkeypatch.delenv("DSE_DATA")
    with pytest.raises(ProblemError, match=r"data is not set and DSE_DATA is not set: give your copy"):
        problem()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"device": "phone"}, "device='phone': .*it knows 1080ti_1, 1080ti_256"),
        (
            {"minimize": "power_w"},
            "minimize='power_w' is no metric; known are error_per",
        ),
        ({"minimize": "accuracy_percent"}, "minimize='accuracy_percent' is no metric"),
        ({"minimize": "energy_mj"}, "minimize='energy_mj' is no metric"),
        ({"minimize": " "}, "minimize=' ' names nothing"),
    ],
)
def test_bad_settings_name_the_mend(data: str, settings: dict[str, str], message: str) -> None:
    with pytest.raises(ProblemError, match=message):
        problem(data=data, **settings)  # type: ignore[arg-type]
    with pytest.raises(StudyError, match="unique='perhaps' is no bool"):
        study.build({"unique": "perhaps"})


def test_nsga2_beats_chance(data: str, tmp_path: Path) -> None:
    built = problem(data=data, device="titan_rtx_256")
    exact = scaled_hypervolume(built, exact_front(built)[0])
    store = f"sqlite:///{tmp_path}/dse.db"

    def share(searcher: str, seed: int) -> float:
        found = Study(f"{searcher}{seed}", built, searcher, seed, store).run(500)
        return scaled_hypervolume(built, found.front()[["error_percent", "latency_ms"]].to_numpy()) / exact

    ours, chance = (
        np.median([share(searcher, seed) for seed in range(3)]) for searcher in ("nsga2", "random")
    )
    assert chance < ours <= 1
    assert ours > 0.97


def test_a_design_becomes_a_published_architecture(data: str) -> None:
    built = problem(data=data, unique=True)
    frame = pd.read_csv(data)
    known = set(frame["arch_str"])
    assert study.recipe is not None
    for row in built.space.sample(20, 0).rows():
        assert study.recipe(built.to_dict(), row)["arch_str"] in known
