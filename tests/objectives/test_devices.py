"""The catalogue of GPUs agrees with the datasheets, and with itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dse.errors import ProblemError
from objectives.devices import CATALOGUE, gpu

# FP32 without matrix units and dense FP16 with FP32 sums, TFLOP/s, as printed in datasheets and whitepapers.
PRINTED = {
    "a100-sxm-80gb": (19.5, 312),
    "a100-pcie-40gb": (19.5, 312),
    "rtx-2080-ti": (13.4, 53.8),
    "titan-rtx": (16.3, 130.5),
    "rtx-3090": (35.6, 71.2),
    "rtx-a4000": (19.2, 76.7),
    "rtx-a6000": (38.7, 154.8),
    "l4": (30.3, 121),
    "l40s": (91.6, 362),
    "mi250x": (23.9, 191.5),
    "w6600": (10.4, None),
    "w7800": (45.2, 90.5),
}


@pytest.mark.parametrize("name", sorted(PRINTED))
def test_peaks_are_those_of_the_datasheet(name: str) -> None:
    fp32, fp16 = PRINTED[name]
    assert gpu(name).fp32_tflops == pytest.approx(fp32, rel=0.006)
    if fp16 is not None:
        assert gpu(name).tflops("fp16") == pytest.approx(fp16, rel=0.006)


def test_every_public_measurement_has_its_gpu() -> None:
    wanted = {"a100-sxm-80gb", "h100-sxm", "h200", "b200", "rtx-a4000", "rtx-a6000", "l4", "l40s", "mi250x"}
    wanted |= {"rtx-2080-ti", "titan-rtx", "rtx-3090", "rtx-3060-laptop", "w6600", "w7800"}
    assert wanted <= set(CATALOGUE)


@pytest.mark.parametrize("device", CATALOGUE.values(), ids=list(CATALOGUE))
def test_figures_hang_together(device: object) -> None:
    from objectives.devices import GPU

    assert isinstance(device, GPU)
    unit = device.multiprocessor
    assert len(device.source) > 20
    assert len(unit.source) > 20
    assert unit.static_shared_kib <= unit.shared_block_kib <= unit.shared_kib
    assert unit.threads == unit.warps * unit.warp
    assert unit.launch_registers <= unit.registers_thread
    # Nearer memories are faster.
    assert unit.latency_shared < unit.latency_l2 < unit.latency_dram
    l2 = device.l2_bytes_clock * device.clock_hz
    assert device.dram_gb_s * 1e9 < l2
    assert l2 < device.multiprocessors * unit.shared_bytes_clock * device.clock_hz
    # Narrower numbers are not slower.
    order = [device.tensor_tflops[name] for name in ("tf32", "fp16", "int8") if name in device.tensor_tflops]
    assert order == sorted(order)


def test_unknown_names_are_refused_with_those_known() -> None:
    with pytest.raises(ProblemError, match="there is no device 'gtx-1080'; known are a100-sxm-80gb"):
        gpu("gtx-1080")
    with pytest.raises(ProblemError, match="w6600 does not multiply 'bf16' natively"):
        gpu("w6600").tflops("bf16")
    with pytest.raises(ProblemError, match="board_w=0 must be positive"):
        replace(gpu("h200"), board_w=0)
