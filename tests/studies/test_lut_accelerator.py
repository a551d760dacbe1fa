"""The ready study: its settings, that a search finds what is there, and that designs become hardware."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dse import Problem, Study
from dse.compare import exact_front
from dse.definitions import find
from dse.errors import DseError, ProblemError, SpaceError, StudyError
from dse.pareto import hypervolume
from objectives.lut import SynthesisModel, lut_cost_model
from objectives.synthesis import SynthesisError, find_yosys
from objectives.workloads import BITNET_B158_2B4T
from studies.lut_accelerator import problem

try:
    find_yosys()
    MISSING = False
except SynthesisError:
    MISSING = True
needs_yosys = pytest.mark.skipif(MISSING, reason="Yosys is not installed: pip install 'dse-toolkit[synth]'")


def test_settings_are_those_of_the_problem() -> None:
    definition = find("lut-accelerator")
    assert definition.settings["activation"].default == "int8"
    built = definition.build(
        {"tokens": "128", "activation": "fp16, bf16", "node": "16nm", "area_limit_mm2": "2"}
    )
    assert built.model.settings["tokens"] == 128
    assert built.model.settings["technology"] == "16nm"
    assert built.space["lut.activation"].cardinality == 2
    assert [limit.text for limit in built.limits] == ["timing_slack_ns >= 0", "area_mm2 <= 2.0"]
    # A network of four-bit weights has no ternary cores.
    low_bit = definition.build({"workload": "llama-3.2-1b-int4"})
    assert low_bit.space["lut.weight"].cardinality == 1


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"tokens": "many"}, StudyError, "tokens='many' is no int, as in tokens=1"),
        ({"clock": "3"}, StudyError, "no setting 'clock'; known are workload, activation"),
        ({"node": "7nm"}, ProblemError, "no node '7nm'"),
        ({"workload": "gpt"}, ProblemError, "no workload 'gpt'"),
        ({"activation": "int7"}, SpaceError, "'int7' is unknown"),
        ({"evaluate": "guess"}, ProblemError, "evaluate='guess' is unknown; known are model, synthesis"),
        ({"evaluate": "synthesis", "node": "16nm"}, ProblemError, "cells of the synthesis are of 45nm"),
    ],
)
def test_bad_settings_name_the_mend(settings: dict[str, str], error: type[DseError], message: str) -> None:
    with pytest.raises(error) as caught:
        find("lut-accelerator").build(settings)
    assert message in str(caught.value)


@pytest.fixture(scope="module")
def smaller() -> tuple[Problem, Any]:
    """A problem of fewer designs, and its exact front."""
    made = problem(least_lanes=384, most_lanes=512)
    front, designs = exact_front(made)
    assert designs == made.space.count()
    return made, front


def test_nsga2_beats_chance_and_nears_the_exact_front(smaller: tuple[Problem, Any], tmp_path: Path) -> None:
    of, exact = smaller
    reference = [objective.reference for objective in of.objectives]
    store = f"sqlite:///{tmp_path}/dse.db"
    found = Study("nsga2", of, "nsga2", store=store).run(2_500)
    chance = Study("random", of, "random", store=store).run(2_500)
    best = hypervolume(exact, reference)
    assert chance.hypervolume() < found.hypervolume() <= best * (1 + 1e-12)
    assert found.hypervolume() > 0.99 * best


def test_the_front_trades_all_three_objectives(smaller: tuple[Problem, Any]) -> None:
    _, front = smaller
    assert len(front) > 15
    for one in range(3):
        for other in range(3):
            if one != other:
                assert np.corrcoef(np.argsort(np.argsort(front[:, one])), front[:, other])[0, 1] < 0.999


@needs_yosys
def test_synthesis_is_a_cost_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Areas are measured, a design without a generator fails alone, the rest is as in the model."""
    monkeypatch.setenv("DSE_SYNTHESIS_CACHE", str(tmp_path))
    small = problem(activation="int8,fp16", least_lanes=8, most_lanes=16, evaluate="synthesis")
    assert isinstance(small.model, SynthesisModel)
    rows = list(small.space.sample(400, 1).rows())
    plain = [row for row in rows if row["lut.group_size"] <= 3 and row["lut.accumulators"] == 1]
    integers = [row for row in plain if row["lut.activation"] == "int8"][:2]
    floats = [row for row in plain if row["lut.activation"] == "fp16"][:1]
    from dse import Designs

    found = small.evaluate(Designs.from_rows(small.space, [*integers, *floats]))
    assert found.state.tolist()[-1] == "failed"
    assert "'fp16' has no hardware generator" in found.errors[2]
    assert "failed" not in found.state.tolist()[:2]
    modelled = lut_cost_model(BITNET_B158_2B4T)(found.designs)
    assert found.metrics["area_mm2"][:2] == pytest.approx(modelled["area_mm2"][:2], rel=0.25)
    assert (found.metrics["area_mm2"][:2] != modelled["area_mm2"][:2]).all()
    assert found.metrics["model_area_mm2"][:2] == pytest.approx(modelled["area_mm2"][:2])
    assert found.metrics["latency_per_token_ms"][:2] == pytest.approx(modelled["latency_per_token_ms"][:2])
    assert (found.metrics["depth"][:2] > 5).all()
    assert len(list(tmp_path.iterdir())) == 2


@needs_yosys
def test_a_design_becomes_hardware(tmp_path: Path) -> None:
    design: dict[str, Any] = next(problem(least_lanes=8, most_lanes=8).space.sample(1, 3).rows())
    definition = find("lut-accelerator")
    assert definition.synthesize is not None
    summary = definition.synthesize(design, tmp_path / "out", 300.0)
    text = (tmp_path / "out" / "lut_core.v").read_text()
    assert "module lut_core (" in text
    assert summary["core_area_um2"] > summary["core_sequential_um2"] > 0
    assert summary["lines_of_verilog"] == text.count("\n")
    stored = json.loads((tmp_path / "out" / "synthesis.json").read_text())
    assert stored["core"]["tables"] == design["lut.tables"]
    assert stored["summary"]["cells"] == sum(stored["by_cell"].values())


def test_a_network_in_floating_point_says_what_it_is_quantized_to() -> None:
    definition = find("lut-accelerator")
    with pytest.raises(ProblemError, match=r"llama-3.2-1b is stored in \w+: say what .* weights=int4"):
        definition.build({"workload": "llama-3.2-1b"})
    built = definition.build({"workload": "llama-3.2-1b", "weights": "int4"})
    named = definition.build({"workload": "llama-3.2-1b-int4"})
    designs = named.space.sample(50, np.random.default_rng(0))
    assert np.array_equal(built.evaluate(designs).objectives, named.evaluate(designs).objectives)
