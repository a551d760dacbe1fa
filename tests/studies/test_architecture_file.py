"""An accelerator from a file: settings, both cost models, and designs written back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from dse import Study, StudyView
from dse.errors import DseError
from objectives.architectures import simulated
from objectives.external.zigzag import ZigZagReport
from studies.architecture_file import problem, study, verify
from studies.nas_accelerator import study as cores
from tests.objectives.architectures.files import LAYER, MAPPING, SHARED, TIMELOOP, ZIGZAG


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name, text in (
        ("small.yaml", ZIGZAG), ("map.yaml", MAPPING), ("shared.yaml", SHARED), ("arch.yaml", TIMELOOP),
        ("layers.yaml", yaml.safe_dump([LAYER, LAYER])),
    ):  # fmt: skip
        (tmp_path / name).write_text(text)
    return tmp_path


def settings(files: Path, **more: Any) -> dict[str, Any]:
    return {"file": str(files / "small.yaml"), "mapping": str(files / "map.yaml"), **more}


def test_a_front_of_a_file_comes_back_as_such_files(files: Path) -> None:
    built = study.build(settings(files, workload=str(files / "layers.yaml")))
    assert [goal.metric for goal in built.objectives] == ["latency_ms", "energy_mj", "area_mm2"]
    assert built.space.names == ("buffer", "dram", "rows", "columns")
    run = Study("chips", built, "exhaustive", store=f"sqlite:///{files}/dse.db")
    run.run()
    view = StudyView("chips", f"sqlite:///{files}/dse.db")
    best = {name: int(view.front()[name].iloc[0]) for name in built.space.names}
    written = {
        kind: write(view.record.problem, best) for kind, write in study.writers.items() if kind != "timeloop"
    }
    accelerator, mapping = (yaml.safe_load(written[kind]) for kind in ("zigzag", "zigzag-mapping"))
    assert accelerator["operational_array"]["sizes"] == [best["rows"], best["columns"]]
    assert accelerator["memories"]["weights"]["size"] == 2 * best["buffer"]
    assert mapping[0]["spatial_mapping"] == {"D1": [f"C, {best['rows']}"], "D2": [f"K, {best['columns']}"]}
    with pytest.raises(DseError, match="the study has no file of timeloop; it has zigzag, zigzag-mapping"):
        study.writers["timeloop"](view.record.problem, best)


def test_the_file_is_part_of_the_problem(files: Path) -> None:
    before = problem(**settings(files)).fingerprint
    (files / "small.yaml").write_text(ZIGZAG.replace("latency: 1", "latency: 2", 1))
    assert problem(**settings(files)).fingerprint != before


def test_dataflows_of_a_file_that_states_none_are_searched(files: Path) -> None:
    both = problem(str(files / "arch.yaml"), dataflow="nvdla,weight_stationary", constraints="depth <= 1024")
    assert both.space.names == ("depth", "columns", "dataflow")
    designs = both.space.sample(20, 0)
    assert set(designs["depth"].tolist()) == {1024}
    found = both.evaluate(designs)
    assert found.evaluated.all()
    assert len({round(value, 9) for value in found.metrics["latency_ms"]}) > 4


@pytest.mark.filterwarnings("ignore:shared.yaml")
def test_what_is_left_out_is_refused_or_warned_of(files: Path) -> None:
    with pytest.raises(DseError, match="has no place for"):
        problem(str(files / "shared.yaml"), dataflow="nvdla")
    with pytest.warns(UserWarning, match=r"shared\.yaml: 'sram' holds inputs and outputs"):
        built = problem(str(files / "shared.yaml"), dataflow="nvdla", lossy=True)
    assert any("'sram'" in line for line in built.to_dict()["model"]["settings"]["lost"])


def test_zigzag_has_our_model_as_its_prior(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def simulate(workload: Any, accelerator: Any, mapping: Any, **options: Any) -> ZigZagReport:
        assert options["optimise"] == "latency"
        pes = float(np.prod(accelerator["operational_array"]["sizes"]))
        return ZigZagReport(1e6, 1e6 / pes, 1.0, 1.0, {}, "", 0.1, 1.0, "fake")

    monkeypatch.setattr(simulated, "simulate_layer", simulate)
    given = settings(files, workload=str(files / "layers.yaml"), evaluate="zigzag", aim="latency")
    built = problem(**given)
    # Areas in the unit of the file are no metric of ours, so there is no prior of all objectives.
    assert [goal.metric for goal in built.objectives] == ["latency_ms", "energy_mj", "area"]
    assert built.prior is None
    believed = problem(**given, optimize="latency_ms,energy_mj")
    assert believed.prior is not None
    found = believed.evaluate(believed.space.sample(4, 0))
    # Two equal layers.
    np.testing.assert_allclose(
        found.metrics["latency_ms"] * found.metrics["pes"], 2e6 / 1_000 * 1e-3, rtol=1e-12
    )
    odd = [{**LAYER, "operator_type": "Pooling"}]
    (files / "odd.yaml").write_text(yaml.safe_dump(odd))
    alone = problem(**{**given, "workload": str(files / "odd.yaml"), "optimize": "latency_ms"})
    assert alone.prior is None
    with pytest.raises(DseError, match="is not modelled here: evaluate it with ZigZag"):
        problem(**settings(files, workload=str(files / "odd.yaml")))


def test_designs_are_verified_by_zigzag(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def simulate(*job: Any, **options: Any) -> ZigZagReport:
        return ZigZagReport(2e6, 5e3, 1.0, 1.0, {}, "", 0.1, 1.0, "fake")

    monkeypatch.setattr(simulated, "simulate_layer", simulate)
    built = problem(**settings(files, workload=str(files / "layers.yaml"), clock_mhz=500.0))
    design = built.space.sample(1, 0)
    found = verify(built, design, "zigzag", 60.0, 1)
    assert found["latency_ms"][0] == built.evaluate(design).metrics["latency_ms"][0]
    # Two equal layers.
    assert (found["latency_ms"][1], found["energy_mj"][1]) == pytest.approx((2 * 5e3 / 500e3, 2 * 2e-3))
    with pytest.raises(DseError, match="scalesim cannot verify this"):
        verify(built, design, "scalesim", 60.0, 1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"file": ""}, "file is not set: name one"),
        ({"file": "none.yaml"}, "'none.yaml' cannot be read"),
        ({"evaluate": "timeloop"}, "evaluate='timeloop' is unknown; known are mapped, zigzag"),
        ({"aim": "area"}, "aim='area' is unknown"),
        ({"dataflow": "systolic"}, "dataflow 'systolic' is unknown"),
        ({"dataflow": "nvdla,weight_stationary", "evaluate": "zigzag"}, "is a choice of the mapped model"),
        ({"constraints": "rows <= lines"}, "'lines', which is no parameter"),
        ({"optimize": "watts"}, "optimize='watts' is no metric"),
    ],
)
def test_wrong_settings_name_the_mend(files: Path, given: dict[str, str], message: str) -> None:
    with pytest.raises(DseError, match=message):
        problem(**{**settings(files), **given})


def test_designs_of_our_own_space_are_written_too() -> None:
    built = cores.build({"network": "resnet-18", "formats": "int4,int8", "precisions": "int8"})
    stored = json.loads(json.dumps(built.to_dict()))
    design = next(built.space.sample(1, 1).rows())
    design |= {"acc.dataflow": "nvdla", "quant.weights": "int4", "quant.activations": "int8"}
    accelerator = yaml.safe_load(cores.writers["zigzag"](stored, design))
    assert accelerator["operational_array"]["sizes"] == [design["acc.rows"], design["acc.columns"]]
    assert accelerator["memories"]["register_I2"]["size"] == 8  # two words of 4 bits
    text = cores.writers["timeloop"](stored, design)
    assert text.startswith("# The dataflow is nvdla;")
    assert 'technology: "45nm"' in text
