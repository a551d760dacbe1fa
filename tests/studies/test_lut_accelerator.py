"""The ready study: its settings, and that a search finds what is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from dse import Study
from dse.definitions import find
from dse.errors import ProblemError, StudyError


def test_settings_are_those_of_the_problem() -> None:
    definition = find("lut-accelerator")
    assert definition.settings["activation"].default == "int8"
    built = definition.build(
        {"clock_mhz": "800", "activation": "fp16", "node": "16nm", "area_limit_mm2": "2"}
    )
    assert built.model.settings["clock_mhz"] == 800
    assert built.model.settings["activation"] == "fp16"
    assert built.model.settings["technology"] == "16nm"
    assert built.limits[0].text == "area_mm2 <= 2.0"


def test_bad_settings_name_the_mend() -> None:
    definition = find("lut-accelerator")
    with pytest.raises(StudyError, match=r"clock_mhz='fast' is no float, as in clock_mhz=500\.0"):
        definition.build({"clock_mhz": "fast"})
    with pytest.raises(StudyError, match="no setting 'clock'; known are workload, activation"):
        definition.build({"clock": "3"})
    with pytest.raises(ProblemError, match="no node '7nm'"):
        definition.build({"node": "7nm"})
    with pytest.raises(ProblemError, match="no workload 'gpt'"):
        definition.build({"workload": "gpt"})


def test_nsga2_beats_chance_and_nears_the_exact_front(tmp_path: Path) -> None:
    problem = find("lut-accelerator").build()
    store = f"sqlite:///{tmp_path}/dse.db"
    exact = Study("exact", problem, "exhaustive", store=store).run()
    found = Study("nsga2", problem, "nsga2", store=store).run(5_000)
    chance = Study("random", problem, "random", store=store).run(5_000)
    reference = [
        2 * value for value in exact.front()[["area_mm2", "energy_per_token_mj", "decode_latency_ms"]].max()
    ]
    best = exact.hypervolume(reference)
    assert chance.hypervolume(reference) < found.hypervolume(reference) <= best
    assert found.hypervolume(reference) > 0.98 * best
