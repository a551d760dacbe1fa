"""Costs of layers by hand, on a device made up of round numbers."""

from __future__ import annotations

import pytest

from dse.errors import ProblemError
from objectives.devices import processor
from objectives.devices.processor import Processor
from objectives.quantization import Use, multiplication
from objectives.quantization.cost import attention_cost, layer_cost
from objectives.workloads import AttentionLayer, EmbeddingLayer, LinearLayer, Workload

DEVICE = Processor(
    name="round",
    tera_macs={"fp16": 1.0, "int8": 2.0},
    mac_pj={"fp16": 2.0, "int8": 1.0},
    tera_vector_ops=0.5,
    dram_gb_s=100.0,
    dram_gib=8,
    dram_pj_per_bit=10.0,
    idle_w=1.0,
    source="made up",
)
LAYER = LinearLayer("a", 1024, 2048, bias=True)
TOKENS = Workload("w", (LAYER,), "made up")


def test_decoding_is_bound_by_reading_weights() -> None:
    found = layer_cost(LAYER, TOKENS, DEVICE, Use(batch=1), "int8", "int8")
    assert found is not None
    # 8 bits a weight, 16 a channel's scale and a bias.
    assert found.weight_bits == 1024 * 2048 * 8 + 2048 * 16 + 2048 * 16
    assert found.bops == 1024 * 2048 * 64
    weights = 1024 * 2048 * 8 + 2048 * 16
    moved = weights + (1024 + 2048) * (8 + 16 / 1024)
    assert found.step_s == pytest.approx(moved / 8 / 100e9)
    energy = 1024 * 2048 * 1e-12 + moved * 10e-12 + found.step_s
    assert found.step_j == pytest.approx(energy)


def test_a_long_prompt_is_bound_by_multiplying() -> None:
    found = layer_cost(LAYER, TOKENS, DEVICE, Use(prompt=4096), "int8", "int8")
    assert found is not None
    assert found.prefill_s == pytest.approx(4096 * 1024 * 2048 / 2e12)
    wide = layer_cost(LAYER, TOKENS, DEVICE, Use(prompt=4096), "fp16", "fp16")
    assert wide is not None
    assert wide.prefill_s == pytest.approx(2 * found.prefill_s)


def test_conversion_can_be_what_takes_longest() -> None:
    slow = Processor(**{**DEVICE.__dict__, "tera_vector_ops": 1e-4})
    found = layer_cost(LAYER, TOKENS, slow, Use(), "int4_g32", "fp16")
    assert found is not None
    assert found.step_s == pytest.approx(1.5 * 1024 * 2048 / 1e8)


def test_a_mixture_reads_the_experts_that_tokens_hit() -> None:
    experts = LinearLayer("e", 64, 64, count=8, active=2)
    work = Workload("w", (experts,), "made up")

    def moved(batch: int) -> float:
        found = layer_cost(experts, work, DEVICE, Use(batch=batch), "fp16", "fp16")
        assert found is not None
        return found.step_s * 100e9 * 8 / 16 - batch * 2 * (64 + 64)

    assert moved(1) == pytest.approx(2 * 64 * 64)
    assert moved(2) == pytest.approx(8 * (1 - 0.75**2) * 64 * 64)
    assert 0.99 * 8 * 64 * 64 < moved(64) <= 8 * 64 * 64


def test_the_cache_grows_with_the_context_up_to_the_window() -> None:
    work = Workload("w", (LAYER,), "made up")
    full = AttentionLayer("att", 8, 2, 64)
    windowed = AttentionLayer("att", 8, 2, 64, window=1000)

    def found(layer: AttentionLayer, context: int, form: str = "fp16") -> tuple[float, float]:
        cost = attention_cost(layer, work, DEVICE, Use(batch=3, context=context), form)
        return cost.cache_bits, cost.step_s

    assert found(full, 500)[0] == 3 * 500 * 2 * 2 * 64 * 16
    assert found(full, 2000)[0] == 4 * found(full, 500)[0]
    assert found(full, 4000)[1] == pytest.approx(2 * found(full, 2000)[1], rel=0.01)
    assert found(windowed, 4000) == found(windowed, 1000)
    # 8 bits and a scale of 16 for each head of 64.
    assert found(full, 500, "int8")[0] == pytest.approx(found(full, 500)[0] * (8 + 16 / 64) / 16)


def test_an_embedding_is_kept_whole_and_read_a_row_at_a_time() -> None:
    table = EmbeddingLayer("embedding", 1000, 64)
    work = Workload("w", (table, LAYER), "made up")
    found = layer_cost(table, work, DEVICE, Use(), "fp16", "fp16")
    assert found is not None
    assert found.weight_bits == 64_000 * 16
    assert found.step_s == pytest.approx(64 * 2 / 100e9)
    assert found.bops == 0


@pytest.mark.parametrize(
    ("device", "weights", "activations", "operands", "native"),
    [
        ("h200", "fp8_e4m3", "fp8_e5m2", "fp8", True),
        ("h200", "int8", "int8", "int8", True),
        ("h200", "int4", "int8", "int8", False),
        ("h200", "int4_g128", "bf16", "bf16", False),
        ("h200", "int8_g32", "int8", "bf16", False),
        ("h200", "ternary", "int8", "int8", False),
        ("a100-sxm-80gb", "int4", "int4", "int4", True),
        ("a100-sxm-80gb", "fp8_e4m3", "fp8_e4m3", "bf16", False),
        ("b200", "nvfp4", "nvfp4", "nvfp4", True),
        ("b200", "mxfp4", "mxfp4", "mxfp4", True),
        ("b200", "mxfp4", "mxfp8_e4m3", "mxfp8", True),
        ("b200", "mxint8", "mxint8", "bf16", False),
        ("rk3588-npu", "int4", "int4", "int4", True),
        ("tpu-v1", "int8", "int8", "int8", True),
        ("tpu-v1", "int4", "int8", "int8", False),
    ],
)
def test_pairs_go_to_the_multipliers_that_take_them(
    device: str, weights: str, activations: str, operands: str, native: bool
) -> None:
    found = multiplication(processor(device), weights, activations)
    assert found is not None
    assert (found.operands, found.native) == (operands, native)


def test_an_integer_device_multiplies_no_floats() -> None:
    assert multiplication(processor("tpu-v1"), "bf16", "int8") is None
    assert multiplication(processor("tpu-v1"), "int8", "fp8_e4m3") is None


def test_processors_are_checked() -> None:
    with pytest.raises(ProblemError, match=r"no device 'x'; known are .*rk3588-npu, tpu-v1"):
        processor("x")
    with pytest.raises(ProblemError, match="dram_gb_s=0 must be positive"):
        Processor(**{**DEVICE.__dict__, "dram_gb_s": 0})
    with pytest.raises(ProblemError, match="must name the same formats"):
        Processor(**{**DEVICE.__dict__, "mac_pj": {}})
    with pytest.raises(ProblemError, match="prompt=0 must be a whole number"):
        Use(prompt=0)


def test_a_gpu_as_a_processor_keeps_its_board_power() -> None:
    """Memory and multipliers at their peaks draw what the datasheet says."""
    from objectives.devices import gpu

    for name in ("h200", "l4", "rtx-3090"):
        board, found = gpu(name), processor(name)
        for operands, rate in found.tera_macs.items():
            drawn = (
                found.idle_w + rate * found.mac_pj[operands] + 8e-3 * found.dram_pj_per_bit * found.dram_gb_s
            )
            assert drawn == pytest.approx(board.board_w)
