"""Real quantizers against independent implementations and the specifications."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dse.errors import ProblemError
from objectives.quantization import hadamard, number_format, quantize
from objectives.quantization.quantizers import round_to

ELEMENTS = {
    "fp8_e4m3": "float8_e4m3fn", "fp8_e5m2": "float8_e5m2", "fp6_e2m3": "float6_e2m3fn",
    "fp6_e3m2": "float6_e3m2fn", "fp4_e2m1": "float4_e2m1fn", "bf16": "bfloat16",
}  # fmt: skip
SCALED = (
    "int2", "int4", "int8", "int4_tensor", "int3_g32", "int6_g7", "ternary", "ternary_g16", "fp8_e4m3",
    "fp6_e3m2_g32", "fp4_e2m1", "mxfp8_e4m3", "mxfp8_e5m2", "mxfp6_e2m3", "mxfp6_e3m2", "mxfp4", "mxint8",
    "mxint4", "nvfp4", "nvint4",
)  # fmt: skip
MATRICES = arrays(np.float64, (3, 40), elements=st.floats(-1e4, 1e4, allow_subnormal=False, width=32))


@pytest.mark.parametrize("name", sorted(ELEMENTS))
def test_elements_equal_the_casts_of_ml_dtypes(name: str) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="not installed: ml_dtypes (pip install ml_dtypes)")
    kind, form = getattr(ml_dtypes, ELEMENTS[name]), number_format(name)
    rng = np.random.default_rng(0)
    wide = rng.standard_normal(100_000) * np.exp(rng.uniform(-14, 12, 100_000))
    # All values of the format, and what lies halfway between neighbours: ties go to even.
    held = np.unique(wide.astype(np.float32).astype(kind).astype(np.float64))
    ties = (held[1:] + held[:-1]) / 2
    values = np.concatenate([wide, held, ties, -ties])
    values = np.clip(values, -form.largest, form.largest).astype(np.float32)
    expected = values.astype(kind).astype(np.float64)
    np.testing.assert_array_equal(round_to(values, form), expected)


def test_elements_saturate() -> None:
    for name in ELEMENTS:
        form = number_format(name)
        assert round_to([1e39, -1e39], form).tolist() == [form.largest, -form.largest]


def test_fp16_is_numpys() -> None:
    values = np.random.default_rng(0).standard_normal(10_000) * 10
    np.testing.assert_array_equal(quantize(values, "fp16"), values.astype(np.float16).astype(float))


def mx_by_hand(block: list[float], name: str) -> list[float]:
    """Convert one block as section 6.3 of the OCP MX specification says, a value at a time."""
    form = number_format(name)
    most = max(abs(value) for value in block)
    if most == 0:
        return [0.0] * len(block)
    shared = max(-127, min(127, math.floor(math.log2(most)) - form.largest_exponent))
    out = []
    for value in block:
        scaled = value / 2.0**shared
        if form.kind == "integer":
            step = 2.0 ** (2 - form.bits)
            units = max(-form.largest, min(form.largest, round(scaled / step)))
        else:
            exponent = max(form.least_exponent, math.floor(math.log2(abs(scaled))) if scaled else -99)
            step = 2.0 ** (exponent - form.mantissa)
            units = round(scaled / step)  # Python rounds half to even
            if abs(units * step) > form.largest:
                units = math.copysign(form.largest / step, scaled)
        out.append(units * step * 2.0**shared)
    return out


@pytest.mark.parametrize(
    "name", ["mxfp8_e4m3", "mxfp8_e5m2", "mxfp6_e2m3", "mxfp6_e3m2", "mxfp4", "mxint8", "mxint6"]
)
def test_mx_blocks_are_as_specified(name: str) -> None:
    rng = np.random.default_rng(0)
    blocks = rng.standard_normal((200, 32)) * np.exp(rng.uniform(-30, 30, (200, 1)))
    blocks[::5] *= 10.0 ** -rng.integers(0, 6, (40, 32))
    blocks[3] = 0
    expected = [mx_by_hand(row, name) for row in blocks.tolist()]
    np.testing.assert_array_equal(quantize(blocks, name), expected)


def test_an_mxfp4_block_by_hand() -> None:
    # The largest is 7: floor(log2 7) = 2, less the exponent 2 of 6.0, gives a scale of 1; 7 saturates to 6,
    # 2.5 and 5 are ties and go to even mantissas, 0.25 to zero.
    block = [7.0, 2.5, -5.0, 0.25, 0.75, 1.3, *([0.0] * 26)]
    assert quantize([block], "mxfp4")[0, :6].tolist() == [6.0, 2.0, -4.0, 0.0, 1.0, 1.5]


def test_nvfp4_has_two_scales() -> None:
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((4, 32))
    tensor = float(np.float32(np.abs(matrix).max() / (6 * 448)))
    expected = np.empty_like(matrix)
    for row in range(4):
        for start in (0, 16):
            block = matrix[row, start : start + 16]
            scale = round_to(np.abs(block).max() / (6 * tensor), number_format("fp8_e4m3")) * tensor
            expected[row, start : start + 16] = round_to(block / scale, number_format("fp4_e2m1")) * scale
    np.testing.assert_array_equal(quantize(matrix, "nvfp4"), expected)


def test_integers_by_hand() -> None:
    # The scale is 7/7 = 1 in FP16.
    assert quantize([[7.0, -3.5, 2.5, 0.4]], "int4").tolist() == [[7.0, -4.0, 2.0, 0.0]]
    # -1, 0 and 1 times the mean magnitude, 2.
    assert quantize([[4.0, -1.0, 0.5, 2.5]], "ternary").tolist() == [[2.0, 0.0, 0.0, 2.0]]


@settings(max_examples=40, deadline=None)
@given(values=MATRICES, name=st.sampled_from(SCALED))
def test_signs_do_not_matter_and_little_is_lost(values: np.ndarray, name: str) -> None:
    held = quantize(values, name)
    np.testing.assert_array_equal(quantize(-values, name), -held)
    assert held.shape == values.shape
    # Nothing grows by more than the step of its group; zero stays zero.
    assert np.abs(held).max() <= 1.3 * np.abs(values).max() + 1e-3
    assert (held[values == 0] == 0).all()


@settings(max_examples=30, deadline=None)
@given(values=MATRICES, name=st.sampled_from([item for item in SCALED if item.startswith("mx")]))
def test_what_a_format_holds_it_keeps(values: np.ndarray, name: str) -> None:
    held = quantize(values, name)
    # A block's largest value may round down to a lower octave, and then has a finer scale.
    np.testing.assert_allclose(quantize(held, name), held, rtol=1e-12)


@settings(max_examples=30, deadline=None)
@given(values=MATRICES, name=st.sampled_from(["int4", "int3_g32", "fp4_e2m1", "fp8_e4m3_g8", "int8_tensor"]))
def test_clipping_never_costs(values: np.ndarray, name: str) -> None:
    plain, clipped = (np.square(quantize(values, name, clipping=at) - values).sum() for at in (False, True))
    assert clipped <= plain * (1 + 1e-12)


@pytest.mark.parametrize("name", ["int4_g16", "mxfp4", "int4"])
def test_channels_and_groups_do_not_touch(name: str) -> None:
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((2, 48))
    whole = quantize(matrix, name)
    np.testing.assert_array_equal(quantize(matrix[:1], name), whole[:1])
    if name != "int4":
        # The last group of 16 stands alone.
        np.testing.assert_array_equal(quantize(matrix[:, 32:], name), whole[:, 32:])


def test_what_cannot_be_quantized_is_refused() -> None:
    for bad in (np.nan, np.inf):
        with pytest.raises(ProblemError, match="not finite"):
            quantize([[1.0, bad]], "int4")
    with pytest.raises(ProblemError, match="'q4_k' is known by its size alone"):
        quantize([[1.0]], "q4_k")
    assert quantize(np.empty((0, 4)), "int4").shape == (0, 4)


@pytest.mark.parametrize("size", [1, 2, 8, 12, 48, 7])
def test_rotations_are_orthonormal(size: int) -> None:
    matrix = hadamard(size)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(size), atol=1e-12)
    assert np.unique(np.abs(matrix[matrix != 0]).round(12)).size == 1


@pytest.mark.parametrize("name", ["mxfp8_e4m3", "mxfp8_e5m2", "mxfp6_e2m3", "mxfp6_e3m2", "mxfp4", "nvfp4"])
def test_blocks_equal_those_of_torchao(name: str) -> None:
    torch = pytest.importorskip("torch", reason="not installed: torch (pip install 'dse-toolkit[gpu]')")
    pytest.importorskip("torchao", reason="not installed: torchao (pip install 'dse-toolkit[peers]')")
    from torchao.prototype.mx_formats import mx_tensor, nvfp4_tensor

    rng = np.random.default_rng(0)
    spread = 1.0 if name == "nvfp4" else np.exp(rng.uniform(-20, 20, (64, 1)))
    values = (rng.standard_normal((64, 256)) * spread).astype(np.float32)
    tensor = torch.from_numpy(values)
    if name == "nvfp4":
        scale = nvfp4_tensor.per_tensor_amax_to_scale(tensor.abs().max())
        held = nvfp4_tensor.NVFP4Tensor.to_nvfp4(tensor, per_tensor_scale=scale)
        # It multiplies the two scales in FP32.
        tolerance = 1e-6
    else:
        element = {
            "mxfp8_e4m3": torch.float8_e4m3fn,
            "mxfp8_e5m2": torch.float8_e5m2,
            "mxfp4": torch.float4_e2m1fn_x2,
        }.get(name, name.removeprefix("mx"))
        held = mx_tensor.MXTensor.to_mx(tensor, element, 32)
        tolerance = 0.0
    expected = held.dequantize(torch.float32).numpy().astype(np.float64)
    np.testing.assert_allclose(quantize(values, name), expected, rtol=tolerance, atol=0)
