"""External simulators: isolated, timed, remembered; and the tools themselves where they are installed."""

from __future__ import annotations

import json
import os
import stat
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from dse import Minimize, Problem
from dse.errors import ProblemError
from dse.models import run_model
from objectives.accelerator import AcceleratorModel
from objectives.accelerator.simulated import SimulatedModel
from objectives.accelerator.verification import verify, zigzag_layer
from objectives.external import (
    ExternalError,
    ExternalTimeout,
    ScaleSimArray,
    simulate_layer,
    simulate_product,
)
from objectives.external.process import Tool, run_many
from objectives.external.scalesim import COLUMNS, Convolution, Gemm, simulate
from objectives.external.scalesim import TOOL as SCALESIM
from objectives.external.zigzag import TOOL as ZIGZAG
from objectives.external.zigzag import (
    Memory,
    convolution_layer,
    hierarchy,
    product_layer,
    spatial_mapping,
)
from objectives.networks.fixed import FixedNetwork
from objectives.workloads import Workload
from objectives.workloads.layers import ConvolutionLayer, LinearLayer
from spaces.accelerator import accelerator_space
from tests.objectives.accelerator.cores import core

ARRAY = ScaleSimArray(4, 8, "weight_stationary")
FOUND = dict.fromkeys(COLUMNS.values(), 0.0) | {"Total Cycles": 404.0, "seconds": 0.1}

Fake = Callable[[str], None]


def installed(tool: Tool) -> bool:
    try:
        tool.interpreter()
    except ExternalError:
        return False
    return True


needs_scalesim = pytest.mark.skipif(not installed(SCALESIM), reason="SCALE-Sim: set DSE_SCALESIM_PYTHON")
needs_zigzag = pytest.mark.skipif(not installed(ZIGZAG), reason="ZigZag: set DSE_ZIGZAG_PYTHON")


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Put a script in place of SCALE-Sim's Python; its arguments are worker, job and result."""

    def make(body: str) -> None:
        script = tmp_path / "python"
        calls = tmp_path / "calls"
        script.write_text(
            f"#!{sys.executable}\nimport json, sys, time, os, subprocess\n"
            "if sys.argv[1] == '-c':\n    print('3.0.0')\n    sys.exit()\n"
            f"open({str(calls)!r}, 'a').write('x')\n{body}\n"
        )
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("DSE_SCALESIM_PYTHON", str(script))

    return make


def answer(found: dict[str, float]) -> str:
    return f"json.dump({json.dumps(found)}, open(sys.argv[3], 'w'))"


def test_a_result_is_read(fake: Fake) -> None:
    fake("job = json.load(open(sys.argv[2])); print(job['product'])\n" + answer(FOUND))
    assert simulate_product(ARRAY, 13, 17, 21).cycles == 404


def test_a_result_is_remembered(fake: Fake, tmp_path: Path) -> None:
    fake(answer(FOUND))
    for _ in range(2):
        assert simulate_product(ARRAY, 13, 17, 21, cache=tmp_path / "cache").cycles == 404
    assert (tmp_path / "calls").read_text() == "x"
    simulate_product(ARRAY, 13, 17, 22, cache=tmp_path / "cache")
    assert (tmp_path / "calls").read_text() == "xx"


def test_a_damaged_result_is_made_anew(fake: Fake, tmp_path: Path) -> None:
    fake(answer(FOUND))
    simulate_product(ARRAY, 1, 2, 3, cache=tmp_path / "cache")
    (file,) = (tmp_path / "cache").iterdir()
    file.write_text('{"Total Cy')
    with pytest.warns(UserWarning, match="is damaged and made anew"):
        assert simulate_product(ARRAY, 1, 2, 3, cache=tmp_path / "cache").cycles == 404


def test_a_result_that_lacks_a_figure_is_made_anew(fake: Fake, tmp_path: Path) -> None:
    fake(answer(FOUND))
    simulate_product(ARRAY, 1, 2, 3, cache=tmp_path / "cache")
    (file,) = (tmp_path / "cache").iterdir()
    file.write_text('{"Total Cycles": 1.0}')
    with pytest.warns(UserWarning, match="is damaged and made anew"):
        assert simulate_product(ARRAY, 1, 2, 3, cache=tmp_path / "cache").cycles == 404


def test_another_version_is_another_result(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(answer(FOUND))
    assert simulate_product(ARRAY, 1, 2, 3, cache=tmp_path / "cache").tool == "scalesim 3.0.0"
    script = tmp_path / "python"
    other = tmp_path / "other"
    other.write_text(script.read_text().replace("'3.0.0'", "'3.1.0'"))
    other.chmod(0o700)
    monkeypatch.setenv("DSE_SCALESIM_PYTHON", str(other))
    assert simulate_product(ARRAY, 1, 2, 3, cache=tmp_path / "cache").tool == "scalesim 3.1.0"
    assert (tmp_path / "calls").read_text() == "xx"


def test_equal_layers_run_once(fake: Fake, tmp_path: Path) -> None:
    fake("job = json.load(open(sys.argv[2]))\n" + answer(FOUND))
    layers = [Gemm(1, 2, 3), Convolution(5, 5, 3, 3, 2, 4), Gemm(1, 2, 3)]
    assert [report.cycles for report in simulate(ARRAY, layers)] == [404, 404, 404]
    assert (tmp_path / "calls").read_text() == "xx"


def test_a_python_without_the_tool_is_told_from_a_failure(tmp_path: Path, fake: Fake) -> None:
    fake("")
    script = tmp_path / "python"
    script.write_text(f"#!{sys.executable}\nraise SystemExit(1)\n")
    with pytest.raises(ExternalError, match=r"has no SCALE-Sim: .*python -m pip install scalesim==3.0.0"):
        simulate_product(ARRAY, 1, 2, 3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Gemm(0, 1, 1), "rows=0 must be a whole number from 1"),
        (lambda: Convolution(3, 3, 1, 1, 1, 2.5), r"filters=2\.5 must be a whole number from 1"),  # type: ignore[arg-type]
        (lambda: Convolution(2, 5, 3, 3, 1, 1), "kernel_height=3 is larger than height=2"),
        (lambda: replace(ARRAY, columns=-1), "columns=-1 must be a whole number from 1"),
        # Simulated words are whole: half a word a cycle cannot be asked for.
        (lambda: replace(ARRAY, words_per_cycle=0.5), r"words_per_cycle=0\.5 must be a whole number from 1"),
    ],
)
def test_what_scale_sim_cannot_take_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ProblemError, match=message):
        make()


def test_a_tool_that_hangs_is_killed_with_what_it_started(fake: Fake, tmp_path: Path) -> None:
    child = tmp_path / "child"
    fake(
        f"process = subprocess.Popen(['sleep', '60']); open({str(child)!r}, 'w').write(str(process.pid))\n"
        "time.sleep(60)"
    )
    with pytest.raises(ExternalTimeout, match="SCALE-Sim took more than 2 s: raise the time limit"):
        simulate_product(ARRAY, 1, 2, 3, timeout_s=2)
    pid = int(child.read_text())
    for _ in range(50):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            break
        if Path(f"/proc/{pid}/stat").exists() and " Z " in Path(f"/proc/{pid}/stat").read_text():
            break
        time.sleep(0.1)
    else:
        pytest.fail("a process that the tool started goes on")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("print('warming up'); raise ValueError('no such array')", "failed: ValueError: no such array"),
        ("os.kill(os.getpid(), 9)", "SCALE-Sim failed"),
        ("open(sys.argv[3], 'w').write('{')", "SCALE-Sim gave no result"),
        ("print('done')", "SCALE-Sim gave no result: done"),
        (answer({"Cycles": 1.0}), "has no 'Total Cycles': is it version 3.0.0"),
    ],
)
def test_failures_say_what_happened(fake: Fake, body: str, message: str) -> None:
    fake(body)
    with pytest.raises(ExternalError, match=message):
        simulate_product(ARRAY, 1, 2, 3)


def test_a_failure_stands_in_its_place(fake: Fake) -> None:
    fake("job = json.load(open(sys.argv[2])); assert job['product'][0] != 2, 'two'\n" + answer(FOUND))
    jobs = [(ARRAY, rows, 1, 1) for rows in (1, 2, 3)]
    found = run_many(simulate_product, jobs, workers=2)
    assert [isinstance(one, ExternalError) for one in found] == [False, True, False]


def test_a_missing_tool_names_the_lines_that_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DSE_SCALESIM_PYTHON", raising=False)
    missing = replace(SCALESIM, package="no_such_package")
    with pytest.raises(ExternalError, match=r"venv .*install scalesim==3.0.0 'numpy<2.3' && export DSE"):
        missing.interpreter()
    monkeypatch.setenv("DSE_SCALESIM_PYTHON", "/no/such/python")
    with pytest.raises(ExternalError, match="DSE_SCALESIM_PYTHON='/no/such/python' is no program"):
        SCALESIM.interpreter()


def test_layers_are_as_in_zigzags_own_files(reference_data: Path) -> None:
    folder = reference_data / "nas" / "zigzag_configs"
    bits = {"I": 8, "W": 8, "O": 16, "O_final": 8}
    made = convolution_layer(128, 128, 28, 28, 3, 3, bits=bits)[0]
    (known,) = yaml.safe_load((folder / "wl_conv.yaml").read_text())
    assert {**made, "name": known["name"]} == known
    made = product_layer(128, 256, 512, bits=bits)[0]
    (known,) = yaml.safe_load((folder / "wl_gemm.yaml").read_text())
    assert {**made, "name": known["name"]} == known
    (known,) = yaml.safe_load((folder / "map_conv_ws_16.yaml").read_text())
    assert spatial_mapping([("K", 16)], [("C", 16)])[0] == known


@pytest.mark.parametrize(
    ("dataflow", "spatial"),
    [
        ("nvdla", {"D1": ["C, 8"], "D2": ["K, 16"]}),
        ("weight_stationary", {"D1": ["C, 8"], "D2": ["K, 16"]}),
        ("output_stationary", {"D1": ["OX, 14", "OY, 1"], "D2": ["K, 16"]}),
        # Five lines of three taps; channels repeat downwards.
        ("row_stationary", {"D1": ["FY, 3", "C, 5"], "D2": ["OY, 14"]}),
    ],
)
def test_dataflows_become_unrolled_loops(dataflow: str, spatial: dict[str, list[str]]) -> None:
    layer = {"groups": 1, "filters": 24, "channels": 8, "height": 14, "width": 14}
    layer |= {"kernel_height": 3, "kernel_width": 3, "stride": 1}
    _, accelerator, mapping = zigzag_layer(layer, core(dataflow=dataflow))
    found = mapping[0]["spatial_mapping"]
    wanted = {side: [loop for loop in loops if not loop.endswith(", 1")] for side, loops in spatial.items()}
    for side, loops in wanted.items():
        assert [loop for loop in found[side] if loop in loops] == loops
    # Memories are listed from the array outwards.
    assert list(accelerator["memories"])[-1] == "dram"
    assert accelerator["memories"]["buffer_I1"]["size"] == 64 * 1024 * 8


def tiny() -> AcceleratorModel:
    layers = (
        ConvolutionLayer("convolution", 3, 8, (3, 3), (8, 8)),
        ConvolutionLayer("depthwise", 8, 8, (3, 3), (8, 8), groups=8),
        LinearLayer("linear", 32, 10),
    )
    return AcceleratorModel({"": FixedNetwork(Workload("tiny", layers, "made for this test", unit="image"))})


def test_what_a_tool_cannot_express_is_refused() -> None:
    space = accelerator_space(dataflows=["shidiannao"])
    design = space.sample(1, 0)
    with pytest.raises(ProblemError, match="ZigZag cannot express shidiannao"):
        verify(tiny(), design, "zigzag")
    with pytest.raises(ProblemError, match="SCALE-Sim has no dataflow 'shidiannao'; it has"):
        verify(tiny(), design, "scalesim")
    with pytest.raises(ProblemError, match="tool 'maestro' is unknown; known are scalesim, zigzag"):
        verify(tiny(), design, "maestro")
    with pytest.raises(ProblemError, match="one design is verified at a time, not 2"):
        verify(tiny(), space.sample(2, 0), "zigzag")
    with pytest.raises(ProblemError, match="dataflow='nvdla' is not SCALE-Sim's"):
        ScaleSimArray(8, 8, "nvdla")


@needs_scalesim
@pytest.mark.parametrize("dataflow", ["weight_stationary", "output_stationary", "input_stationary"])
def test_a_networks_cycles_are_scale_sims(dataflow: str) -> None:
    design = accelerator_space(dataflows=[dataflow]).sample(1, 3)
    found = verify(tiny(), design, "scalesim")
    if dataflow == "weight_stationary":
        assert found["array_cycles"][0] > 0
    model = AcceleratorModel(tiny().networks, model="systolic")
    predicted, simulated = verify(model, design, "scalesim")["array_cycles"]
    assert predicted == simulated


@pytest.mark.slow
@needs_scalesim
def test_scale_sim_gives_its_reference_row(reference_data: Path) -> None:
    table = pd.read_csv(reference_data / "nas" / "scalesim_reference.csv")
    flows = {"ws": "weight_stationary", "os": "output_stationary", "is": "input_stationary"}
    # The quickest: 32 x 32, as many words as it needs.
    row = table[table["array"].eq("32x32") & table["dataflow"].eq("ws") & table["layer"].eq("gemm")].iloc[0]
    array = ScaleSimArray(32, 32, flows[row["dataflow"]], 256, 256, 256)
    (report,) = simulate(array, [Gemm(row["M"], row["K"], row["N"])])
    figures = {name: value for name, value in asdict(report).items() if name in COLUMNS and name != "seconds"}
    assert figures == {name: row[COLUMNS[name]] for name in figures}


@needs_scalesim
def test_a_convolution_takes_the_cycles_of_its_product_and_reads_less() -> None:
    array = ScaleSimArray(8, 8, "output_stationary", 1, 1, 1)
    convolution, product = simulate(array, [Convolution(9, 9, 3, 3, 4, 8, 2), Gemm(16, 36, 8)])
    assert convolution.cycles == product.cycles
    # Every pixel is fetched once, though windows share it.
    assert (convolution.dram_input_reads, product.dram_input_reads) == (9 * 9 * 4, 16 * 36)


@needs_scalesim
def test_fewer_words_a_cycle_stall_the_array() -> None:
    (free,) = simulate(ScaleSimArray(8, 8, "weight_stationary", 1, 1, 1), [Gemm(32, 32, 32)])
    slow, slower = (
        simulate(ScaleSimArray(8, 8, "weight_stationary", 1, 1, 1, words), [Gemm(32, 32, 32)])[0]
        for words in (4.0, 1.0)
    )
    assert free.stall_cycles == 0
    # Not a word of an input or of a sum is read or written faster than asked for.
    for words, report in ((4, slow), (1, slower)):
        assert report.cycles == free.cycles + report.stall_cycles
        assert report.cycles_with_transfers * words >= report.dram_input_reads


@needs_zigzag
def test_zigzag_gives_its_reference_rows(reference_data: Path) -> None:
    folder = reference_data / "nas"
    table = pd.read_csv(folder / "zigzag_reference.csv")
    for row in (1, 6):
        layer, size, variant = table["layer"][row], table["array"][row].split("x")[0], table["variant"][row]
        files = (f"wl_{layer}.yaml", f"hw_{size}.yaml", f"map_{layer}_{variant}_{size}.yaml")
        report = simulate_layer(
            *(yaml.safe_load((folder / "zigzag_configs" / name).read_text()) for name in files)
        )
        assert report.energy_pj == pytest.approx(table["energy_pJ"][row])
        assert report.latency_cycles == table["latency_cycles"][row]


def small_accelerator(buffer_bits_per_cycle: int, dram_bits_per_cycle: int = 64) -> dict[str, Any]:
    memories = [
        Memory("I2", 16, 0.01, 8, shared=False),
        *(Memory(operand, 2**16, 0.1, buffer_bits_per_cycle, shared=True) for operand in ("I1", "I2", "O")),
    ]
    return hierarchy(4, 4, memories, dram_bits_per_cycle=dram_bits_per_cycle, dram_pj_per_bit=4.0, mac_pj=0.5)


@needs_zigzag
@pytest.mark.slow
def test_an_accelerators_energies_are_by_bit_whatever_its_bandwidths() -> None:
    layer = product_layer(8, 8, 8, bits={"I": 8, "W": 8, "O": 16, "O_final": 8})
    loops = spatial_mapping([("C", 4)], [("K", 4)])
    narrow, wide = (
        simulate_layer(layer, small_accelerator(*bits), loops, optimise="energy")
        for bits in ((64, 64), (256, 32))
    )
    for report in (narrow, wide):
        assert report.mac_energy_pj == pytest.approx(8**3 * 0.5)
        # Everything fits: each matrix passes DRAM once, 64 words of 8 bits.
        for operand in ("I", "W", "O"):
            assert report.energy_by_level_pj[operand][-1] == pytest.approx(64 * 8 * 4.0)
        assert report.energy_pj == pytest.approx(report.mac_energy_pj + report.memory_energy_pj)
        assert report.ideal_cycles == 8**3 / 16
    assert narrow.energy_pj == pytest.approx(wide.energy_pj)
    # Half the words a cycle from DRAM.
    assert wide.latency_cycles > narrow.latency_cycles


@needs_zigzag
def test_zigzag_says_why_it_refuses() -> None:
    layer = product_layer(8, 8, 8, bits={"I": 8, "W": 8, "O": 16, "O_final": 8})
    accelerator = small_accelerator(64)
    accelerator["memories"]["dram"]["size"] = "large"
    with pytest.raises(ExternalError, match=r"ZigZag failed: ValueError: .*dram.*must be of integer type"):
        simulate_layer(layer, accelerator, spatial_mapping([("C", 4)], [("K", 4)]))


@pytest.fixture(scope="module")
def remembered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ZigZag found, for all tests: it takes seconds a layer."""
    return tmp_path_factory.mktemp("zigzag")


@needs_zigzag
@pytest.mark.slow
def test_a_network_is_verified_by_zigzag(remembered: Path) -> None:
    design = accelerator_space(dataflows=["row_stationary"], rows=[16], columns=[16]).sample(1, 0)
    found = verify(tiny(), design, "zigzag", cache=remembered)
    assert set(found) == {"latency_cycles", "energy_uj"}
    for predicted, simulated in found.values():
        assert 0.3 < predicted / simulated < 3
        assert np.isfinite(predicted)


def test_a_simulator_is_a_cost_model(fake: Fake) -> None:
    # The tool takes twice the cycles of every other product, and fails for the narrowest.
    fake(
        "job = json.load(open(sys.argv[2]))\n"
        "assert job['array']['rows'] != 8, 'too narrow'\n"
        "time.sleep(60 if job['array']['rows'] == 12 else 0)\n" + answer({**FOUND, "Total Cycles": 1000.0})
    )
    space = accelerator_space(dataflows=["weight_stationary"], rows=[8, 12, 16, 32])
    row = next(iter(space.sample(1, 0).rows()))
    designs = space.designs([{**row, "acc.rows": rows} for rows in (8, 12, 16)])
    model = AcceleratorModel(tiny().networks, model="systolic")
    simulated = SimulatedModel(model, "scalesim", timeout_s=2)
    problem = Problem(space, simulated, [Minimize("latency_ms"), Minimize("area_mm2")], prior=model)
    found = problem.evaluate(designs)
    assert found.state.tolist() == ["failed", "timeout", "complete"]
    assert "too narrow" in found.errors[0]
    # Two layers of one group, and one of eight.
    cycles = (1 + 8 + 1) * 1000
    assert found.metrics["latency_ms"][2] == pytest.approx(cycles / (row["acc.clock_mhz"] * 1e3))
    predicted = problem.judge(designs, run_model(model, designs)).metrics
    assert found.metrics["area_mm2"][2] == predicted["area_mm2"][2]
    assert simulated.settings["tool"] == SCALESIM.requirements


@needs_zigzag
@pytest.mark.slow
@pytest.mark.parametrize("dataflow", ["row_stationary", "nvdla"])
def test_zigzag_is_a_cost_model(dataflow: str, remembered: Path) -> None:
    space = accelerator_space(dataflows=[dataflow], rows=[16], columns=[16])
    design = space.sample(1, 0)
    model = tiny()
    found = SimulatedModel(model, "zigzag", cache=remembered).evaluate(design)
    checked = verify(model, design, "zigzag", cache=remembered)
    clock = design["acc.clock_mhz"][0] * 1e3
    assert found.metrics["latency_ms"] == pytest.approx(checked["latency_cycles"][1] / clock)
    before = model.evaluate(design)
    moved = (checked["energy_uj"][1] - checked["energy_uj"][0]) * 1e-3
    leaked = np.asarray(found.metrics["leakage_energy_mj"]) - np.asarray(before["leakage_energy_mj"])
    assert found.metrics["energy_mj"] == pytest.approx(np.asarray(before["energy_mj"]) + moved + leaked)
