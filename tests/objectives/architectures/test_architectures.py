"""Files of ZigZag and Timeloop: what is read of them, and what comes back."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from dse import Designs
from dse.errors import ProblemError
from dse.interop.template import Template, joined_space, load
from dse.testing import check_cost_model
from objectives.accelerator import AcceleratorModel
from objectives.accelerator.hardware import CORE_COLUMNS, Hardware, hardware
from objectives.architectures import (
    FileModel,
    SimulatedFile,
    core_columns,
    read_timeloop,
    read_zigzag,
    simulated,
    timeloop_text,
    zigzag_text,
)
from objectives.architectures.simulated import structure
from objectives.architectures.zigzag import alone, memory_links, read_layers, read_unrolling
from objectives.external.process import ExternalError, ExternalTimeout
from objectives.external.zigzag import ZigZagReport
from objectives.networks.fixed import FixedNetwork
from objectives.workloads.layers import ConvolutionLayer, LinearLayer
from objectives.workloads.workload import Workload
from spaces.accelerator import accelerator_space
from tests.objectives.architectures.files import LAYER, MAPPING, SHARED, TIMELOOP, TIMELOOP_3, ZIGZAG

needs_zigzag = pytest.mark.skipif(
    "DSE_ZIGZAG_PYTHON" not in os.environ, reason="ZigZag: set DSE_ZIGZAG_PYTHON"
)


def tiny() -> AcceleratorModel:
    layers = (ConvolutionLayer("first", 3, 8, (3, 3), (8, 8)), LinearLayer("last", 32, 10))
    return AcceleratorModel({"": FixedNetwork(Workload("tiny", layers, "made for this test", unit="image"))})


def cores(space_size: int = 20) -> list[tuple[dict[str, Any], Hardware]]:
    designs = accelerator_space(precisions=("int4", "int8", "int16")).sample(space_size, 0)
    found = []
    for row, design in enumerate(designs.rows()):
        one = designs.take(np.array([row]))
        stated = {name: design[f"acc.{name}"] for name in CORE_COLUMNS}
        found.append((stated, hardware({name: one[f"acc.{name}"] for name in CORE_COLUMNS})))
    return found


@pytest.mark.parametrize("tool", ["zigzag", "timeloop"])
def test_a_core_of_ours_comes_back_from_its_file(tool: str) -> None:
    for stated, core in cores():
        flow = stated["dataflow"]
        if tool == "zigzag" and flow == "shidiannao":
            with pytest.raises(ProblemError, match="ZigZag cannot express shidiannao"):
                zigzag_text(core)
            continue
        text = zigzag_text(core) if tool == "zigzag" else timeloop_text(core)
        read = read_zigzag if tool == "zigzag" else read_timeloop
        clock = stated["clock_mhz"] if tool == "zigzag" else None
        precision = stated["precision"] if tool == "zigzag" else None
        found, lost = core_columns(
            read(load(text, "core")), dataflow=flow, precision=precision, clock_mhz=clock
        )
        assert lost == []
        wanted = stated if flow == "row_stationary" else {**stated, "register_bytes": 0}
        # Whole bits a cycle from DRAM.
        bits = 8e3 * wanted.pop("dram_gb_s") / stated["clock_mhz"]
        assert found.pop("dram_gb_s") * 8e3 / stated["clock_mhz"] == pytest.approx(bits, abs=0.51)
        assert {name: value for name, value in found.items() if name in wanted} == pytest.approx(wanted)


def test_what_zigzags_file_says() -> None:
    template = Template(ZIGZAG, name="small.yaml")
    design = {"buffer": 131072, "dram": 128, "rows": 8, "columns": 32}
    found = read_zigzag(template.content(design))
    assert (found.rows, found.columns, found.word_bits) == (8, 32, 8)
    assert [(one.name, one.operands, one.bits, one.shared) for one in found.storages] == [
        ("register", ("weights",), 16, False),
        ("inputs", ("inputs",), 131072, True),
        ("weights", ("weights",), 262144, True),
        ("outputs", ("outputs",), 131072, True),
        ("dram", ("inputs", "weights", "outputs"), 10**10, True),
    ]
    assert any("r_cost" in line for line in found.unread)
    columns, lost = core_columns(found, dataflow="nvdla", clock_mhz=500)
    assert lost == []
    assert columns == pytest.approx({
        "rows": 8, "columns": 32, "dataflow": "nvdla", "register_bytes": 0, "input_kib": 16, "weight_kib": 32,
        "output_kib": 16, "banks": 4, "precision": "int8", "clock_mhz": 500, "dram_gb_s": 8.0,
    })  # fmt: skip


@pytest.mark.parametrize(
    ("down", "across", "dataflow", "swapped"),
    [
        (["C, 8"], ["K, 16"], "nvdla", False),
        (["K, 16"], ["C, 8"], "nvdla", True),
        (["C, 4", "FX, 3"], ["K, 16"], "weight_stationary", False),
        (["K, 16"], ["B, 8"], "output_stationary", True),
        (["C, 8"], ["OX, 8", "OY, 2"], "input_stationary", False),
        (["FY, 3", "C, 2"], ["OY, 8", "K, 2"], "row_stationary", False),
    ],
)
def test_unrolled_loops_are_a_dataflow(
    down: list[str], across: list[str], dataflow: str, swapped: bool
) -> None:
    entry = {"name": "default", "spatial_mapping": {"D1": down, "D2": across}}
    found = read_unrolling([entry])
    assert (found.dataflow, found.swapped) == (dataflow, swapped)


def test_unrolled_loops_that_are_none_are_named() -> None:
    entry = {"name": "default", "spatial_mapping": {"D1": ["K, 8"], "D2": ["G, 8"]}}
    with pytest.raises(ProblemError, match="is no dataflow of ours: name one, as in dataflow="):
        read_unrolling([entry])
    with pytest.raises(ProblemError, match="has no entry 'default'"):
        read_unrolling([{"name": "Conv"}])
    links = {"name": "default", "memory_operand_links": {"I": "I2", "W": "I1", "O": "O"}}
    assert memory_links([links]) == {"I2": "inputs", "I1": "weights", "O": "outputs"}


def test_our_model_evaluates_the_designs_of_a_file() -> None:
    accelerator, mapping = Template(ZIGZAG, name="small.yaml"), Template(MAPPING, name="map.yaml")
    space = joined_space([accelerator, mapping])
    model = FileModel(tiny(), accelerator, space, mapping=mapping, clock_mhz=500)
    assert (model.kind, model.lost) == ("zigzag", ())
    check_cost_model(model, space, samples=20)
    designs = space.sample(20, 0)
    found = model.evaluate(designs)
    # The same as our own model finds for the cores that these are.
    core = {
        "rows": designs["rows"], "columns": designs["columns"], "dataflow": "nvdla", "register_bytes": 0,
        "input_kib": designs["buffer"] / 8192, "weight_kib": designs["buffer"] / 4096,
        "output_kib": designs["buffer"] / 8192, "banks": 4, "precision": "int8", "clock_mhz": 500,
        "dram_gb_s": designs["dram"] / 16,
    }  # fmt: skip
    wanted = tiny().evaluate(
        {f"acc.{name}": np.broadcast_to(np.asarray(value), (20,)) for name, value in core.items()}
    )
    for name in tiny().metrics:
        np.testing.assert_allclose(np.asarray(found[name]), np.asarray(wanted[name]), rtol=1e-12)


def test_what_has_no_place_is_refused_or_said() -> None:
    template = Template(SHARED, name="shared.yaml")
    with pytest.raises(
        ProblemError, match=r"a core of ours, taken from shared.yaml, has no place for: .*lossy"
    ):
        FileModel(tiny(), template, template.space, dataflow="nvdla")
    lost: list[str] = []
    model = FileModel(tiny(), template, template.space, dataflow="nvdla", lost=lost)
    assert lost == list(model.lost) == model.settings["lost"]
    assert any("'sram' holds inputs and outputs: each is given half" in line for line in lost)
    assert any("weights have no buffer that all PEs share" in line for line in lost)
    assert any("'register' in the PEs is left out" in line for line in lost)
    core = model.core(Designs.from_rows(template.space, [{"sram": 1048576}]), 1)
    assert (core["input_kib"], core["output_kib"], core["weight_kib"]) == (64, 64, 16)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("operational_array:", "array:", "is neither ZigZag's accelerator"),
        ("dimensions: [D1, D2]\n", "dimensions: [D1, D2]\n  is_imc: true\n", "in-memory computing"),
        ("[8, 8]", "[6, 6]", "words of 6 bits are no precision of ours"),
        (
            "served_dimensions: []",
            "served_dimensions: !choice [[], [D1]]",
            "is marked: this model needs it fixed",
        ),
        ("size: 16,", "size: -1,", r"register.size: -1 must be a number above 0"),
        ("operands: [I1, I2, O]", "operands: [I1, I2]", "its outermost memory 'dram' holds only"),
        ("operands: [I2], ports", "operands: [I3], ports", "'I3' is unknown; known are I1, I2, O"),
    ],
)
def test_files_that_are_not_modelled_say_why(old: str, new: str, message: str) -> None:
    template = Template(ZIGZAG.replace(old, new), name="small.yaml")
    with pytest.raises(ProblemError, match=message):
        FileModel(tiny(), template, template.space, dataflow="nvdla")


def test_what_timeloops_file_says() -> None:
    template = Template(TIMELOOP, name="arch.yaml")
    found = read_timeloop(template.content({"depth": 2048, "columns": 24}))
    assert (found.rows, found.columns, found.word_bits, found.technology) == (16, 24, 8, "45nm")
    assert found.clock_mhz == pytest.approx(500)
    assert [(one.name, one.operands, one.bits, one.shared, one.port_bits) for one in found.storages] == [
        ("register", ("weights",), 8, False, 8),
        ("outputs_buffer", ("outputs",), 512 * 256, True, 256),
        ("weights_buffer", ("weights",), 2048 * 128, True, 256),
        ("inputs_buffer", ("inputs",), 2048 * 128, True, 256),
        ("DRAM", ("inputs", "weights", "outputs"), np.inf, True, 128),
    ]
    assert any("constraints of mappings" in line for line in found.unread)
    columns, lost = core_columns(found, dataflow="weight_stationary")
    assert lost == []
    assert (columns["input_kib"], columns["output_kib"], columns["banks"]) == (32, 16, 4)
    assert columns["dram_gb_s"] == pytest.approx(8)
    model = FileModel(tiny(), template, template.space, dataflow="weight_stationary")
    check_cost_model(model, template.space, samples=8)


def test_timeloops_older_files_are_read() -> None:
    template = Template(TIMELOOP_3, name="arch.yaml")
    found = read_timeloop(template.content({"depth": 8192}))
    assert (found.name, found.rows, found.columns, found.word_bits) == ("system", 16, 16, 16)
    spad, buffer, dram = found.storages
    assert (spad.operands, spad.bits, spad.shared) == (("weights",), 3072, False)
    assert (buffer.operands, buffer.bits, buffer.port_bits) == (("inputs", "weights", "outputs"), 524288, 64)
    assert (dram.name, dram.port_bits) == ("DRAM", 64)
    _, lost = core_columns(found, dataflow="row_stationary")
    assert lost == ["'buffer' holds inputs and weights and outputs: each is given a third of it"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "depth: !choice {values: [1024, 2048], name: depth}",
            "x: !choice [1, 2]",
            "inputs_buffer has no capacity",
        ),
        ("width: 64 * 2", "width: 64 * lanes", r"inputs_buffer.width: '64 \* lanes' cannot be worked out"),
        ("[Weights]}", "[Filters]}", "the data space 'Filters' is unknown here"),
        (
            "name: inputs_buffer\n",
            "name: inputs_buffer\n      spatial: {meshX: 2}\n",
            "copies within !Parallel",
        ),
        ("class: SRAM", "class: '{{buffer}}'", "templates of Jinja are not read here"),
    ],
)
def test_what_is_not_read_of_timeloop_is_refused(old: str, new: str, message: str) -> None:
    template = Template(TIMELOOP.replace(old, new), name="arch.yaml")
    with pytest.raises(ProblemError, match=message):
        FileModel(tiny(), template, template.space, dataflow="nvdla")


def test_layers_of_zigzags_workloads() -> None:
    strided = {
        **LAYER, "operator_type": "Conv", "dimension_relations": ["ix=2*ox+1*fx", "iy=2*oy+1*fy"],
        "loop_dims": ["B", "K", "G", "OX", "OY", "C", "FX", "FY"], "loop_sizes": [2, 8, 1, 7, 6, 3, 5, 4],
    }  # fmt: skip
    shapes, bits = read_layers([LAYER, strided])
    assert bits == 8
    assert shapes.macs.tolist() == [16 * 32 * 64 + 2 * 8 * 7 * 6 * 3 * 5 * 4]
    assert (shapes.stride.tolist(), shapes.kernel_height.tolist()) == ([[1, 2]], [[1, 4]])
    with pytest.raises(
        ProblemError, match="'Add' over B, C, K is not modelled here: evaluate it with ZigZag"
    ):
        read_layers([{**LAYER, "operator_type": "Add"}])
    again = {**LAYER, "id": 7, "name": "again", "operand_source": {"I": 3, "W": 7}}
    assert [count for _, count in alone([LAYER, again, strided])] == [2, 1]


def test_pes_memory_and_area_of_a_file() -> None:
    content = Template(ZIGZAG).content({"buffer": 131072, "dram": 64, "rows": 8, "columns": 16})
    assert structure(content) == pytest.approx({
        "pes": 128, "memory_kib": 16 + 32 + 16 + 128 * 2 / 1024, "area": 128 + 3 * 2 + 128 * 2,
    })  # fmt: skip


def test_the_simulator_is_given_each_designs_files(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Any, Any]] = []

    def simulate(workload: Any, accelerator: Any, mapping: Any, **settings: Any) -> ZigZagReport:
        seen.append((accelerator["operational_array"]["sizes"], mapping[0]["spatial_mapping"]))
        rows, columns = accelerator["operational_array"]["sizes"]
        if columns == 32:
            raise ExternalTimeout("ZigZag took more than 1 s: raise the time limit")
        if rows == 16:
            raise ExternalError("ZigZag failed: No valid loop ordering was found")
        return ZigZagReport(1e9, 2e3 / rows, 4e8, 6e8, {}, "", 0.1, 1e3 / rows, "fake")

    monkeypatch.setattr(simulated, "simulate_layer", simulate)
    accelerator, mapping = Template(ZIGZAG, name="small.yaml"), Template(MAPPING, name="map.yaml")
    space = joined_space([accelerator, mapping])
    model = SimulatedFile(
        accelerator, space, [([LAYER], 2)], digest="x", mapping=mapping, clock_mhz=500, workers=1
    )
    designs = space.designs([
        {"buffer": 131072, "dram": 64, "rows": rows, "columns": columns}
        for rows, columns in ((8, 16), (16, 8), (8, 32))
    ])  # fmt: skip
    found = model.evaluate(designs)
    assert seen[0] == ([8, 16], {"D1": ["C, 8"], "D2": ["K, 16"]})
    first = {name: np.asarray(column)[0] for name, column in found.metrics.items()}
    assert first == pytest.approx({
        "latency_ms": 1e-3, "energy_mj": 2.0, "latency_cycles": 500, "mac_energy_mj": 0.8,
        "memory_energy_mj": 1.2, "utilisation": 0.5, "pes": 128, "memory_kib": 64.25, "area": 390,
    })  # fmt: skip
    assert "No valid loop ordering" in found.errors[1]
    assert found.timeouts == {2}
    timeloop = Template(TIMELOOP, name="arch.yaml")
    with pytest.raises(ProblemError, match=r"arch\.yaml is a file of timeloop: ZigZag reads its own"):
        SimulatedFile(timeloop, timeloop.space, [([LAYER], 1)], digest="x")


def test_files_that_zigzag_ran_are_read_and_come_back(reference_data: Path) -> None:
    folder = reference_data / "nas" / "zigzag_configs"
    for size in (8, 16, 32):
        path = folder / f"hw_{size}.yaml"
        template = Template.read(
            path,
            marks={
                "operational_array.sizes[0]": [8, 16, 32],
                "memories.sram_2MB.size": [2**23, 2**24],
                "memories.sram_2MB.ports.r_port_1.bandwidth_max": {"low": 64, "high": 2048, "step": 64},
            },
        )
        today = template.design(path.read_text())
        assert today["operational_array.sizes_0"] == size
        assert template.render(today) == path.read_text()
        other = next(template.space.sample(1, 0).rows())
        text = template.render(other)
        changed = [
            (one, another)
            for one, another in zip(path.read_text().splitlines(), text.splitlines(), strict=True)
            if one != another
        ]
        assert len(changed) <= 3
        assert yaml.safe_load(text) == template.content(other)
        for name, flow in (("ws", "nvdla"), ("os", "output_stationary"), ("is", "input_stationary")):
            mapping = Template.read(folder / f"map_gemm_{name}_{size}.yaml")
            lost: list[str] = []
            model = FileModel(tiny(), template, template.space, mapping=mapping, lost=lost)
            assert set(model.core(template.space.sample(4, 0), 4)["dataflow"]) == {flow}
            assert len(lost) == 3
    shapes, bits = read_layers(yaml.safe_load((folder / "wl_conv.yaml").read_text()))
    assert (shapes.macs.tolist(), bits) == ([128 * 128 * 9 * 28 * 28], 8)


@needs_zigzag
def test_zigzag_accepts_the_files_that_are_written() -> None:
    """By its own validators; running it takes seconds a layer."""
    template, mapping = Template(ZIGZAG), Template(MAPPING)
    design = next(joined_space([template, mapping]).sample(1, 0).rows())
    written = [template.render(design), *(zigzag_text(core) for stated, core in cores(8)
                                          if stated["dataflow"] != "shidiannao")]  # fmt: skip
    code = (
        "import sys, glob, yaml\n"
        "from zigzag.parser.accelerator_validator import AcceleratorValidator\n"
        "from zigzag.parser.mapping_validator import MappingValidator\n"
        "for name in sorted(glob.glob('acc*.yaml')):\n"
        "    assert AcceleratorValidator(yaml.safe_load(open(name))).validate(), name\n"
        "assert MappingValidator(yaml.safe_load(open('map.yaml'))).validate()\n"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for place, text in enumerate(written):
            (folder / f"acc{place}.yaml").write_text(text)
        (folder / "map.yaml").write_text(mapping.render(design))
        done = subprocess.run(
            [os.environ["DSE_ZIGZAG_PYTHON"], "-c", code], cwd=folder, capture_output=True, text=True,
            env={**os.environ, "PYTHONPATH": ""},
        )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@needs_zigzag
def test_zigzag_finds_its_reference_row_on_a_design_of_a_marked_file(reference_data: Path) -> None:
    folder = reference_data / "nas" / "zigzag_configs"
    accelerator = Template.read(folder / "hw_8.yaml", marks={"operational_array.sizes[0]": [8, 16]})
    mapping = Template.read(folder / "map_gemm_ws_8.yaml")
    layers = alone(yaml.safe_load((folder / "wl_gemm.yaml").read_text()))
    model = SimulatedFile(
        accelerator, accelerator.space, layers, digest="gemm", mapping=mapping, aim="latency"
    )
    found = model.evaluate(accelerator.space.designs({"operational_array.sizes_0": [8]}))
    assert not found.errors
    table = pd.read_csv(reference_data / "nas" / "zigzag_reference.csv")
    row = table[(table["array"] == "8x8") & (table["variant"] == "ws") & (table["layer"] == "gemm")].iloc[0]
    assert np.asarray(found.metrics["latency_cycles"])[0] == row["latency_cycles"]
    assert np.asarray(found.metrics["energy_mj"])[0] == pytest.approx(row["energy_pJ"] * 1e-9)
