"""Number formats: their bits, scales included."""

from __future__ import annotations

import pytest

from dse.errors import ProblemError
from objectives.quantization import number_format

# Bytes of a block over its elements, in bits, as ggml keeps them.
LLAMA_CPP = {
    "q4_0": 4.5,
    "q4_1": 5.0,
    "q5_0": 5.5,
    "q5_1": 6.0,
    "q8_0": 8.5,
    "q2_k": 2.625,
    "q3_k": 3.4375,
    "q4_k": 4.5,
    "q5_k": 5.5,
    "q6_k": 6.5625,
    "iq4_nl": 4.5,
    "iq4_xs": 4.25,
    "tq1_0": 1.6875,
    "tq2_0": 2.0625,
}


@pytest.mark.parametrize("name", sorted(LLAMA_CPP))
def test_effective_bits_of_llama_cpp_are_exact(name: str) -> None:
    assert number_format(name).effective_bits(4096, 4096 * 4096) == LLAMA_CPP[name]


@pytest.mark.parametrize("name", sorted(LLAMA_CPP))
def test_they_equal_the_tables_of_gguf(name: str) -> None:
    gguf = pytest.importorskip("gguf", reason="not installed: gguf (pip install gguf)")
    elements, size = gguf.GGML_QUANT_SIZES[getattr(gguf.GGMLQuantizationType, name.upper())]
    assert number_format(name).effective_bits(4096, 4096 * 4096) == 8 * size / elements


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("mxfp8_e4m3", 8.25),
        ("mxfp8_e5m2", 8.25),
        ("mxfp6_e2m3", 6.25),
        ("mxfp6_e3m2", 6.25),
        ("mxfp4", 4.25),
        ("mxint8", 8.25),
        ("int4_g128", 4.125),
        ("int4_g32", 4.5),
        ("fp16", 16),
        ("bf16", 16),
        ("fp32", 32),
        ("int4", 4 + 16 / 4096),
        ("int8_tensor", 8 + 32 / 4096**2),
        ("nvfp4", 4.5 + 32 / 4096**2),
        ("ternary", 2 + 32 / 4096**2),
        ("fp8_e4m3", 8 + 16 / 4096),
        ("fp4_e2m1_g64", 4.25),
    ],
)
def test_effective_bits_count_scales(name: str, bits: float) -> None:
    assert number_format(name).effective_bits(4096, 4096 * 4096) == pytest.approx(bits, rel=1e-12)


def test_a_last_group_that_is_short_has_a_scale_all_the_same() -> None:
    # 100 elements in groups of 32: three whole ones and one of four.
    assert number_format("mxfp4").effective_bits(100, 1000) == 4 + 4 * 8 / 100


@pytest.mark.parametrize(
    ("name", "largest", "finest"),
    [
        ("fp8_e4m3", 448, 2**-9),
        ("fp8_e5m2", 57_344, 2**-16),
        ("fp6_e2m3", 7.5, 2**-3),
        ("fp6_e3m2", 28, 2**-4),
        ("fp4_e2m1", 6, 0.5),
        ("int8", 127, 1),
        ("int2", 1, 1),
    ],
)
def test_ranges_are_those_of_the_specifications(name: str, largest: float, finest: float) -> None:
    form = number_format(name)
    assert form.largest == largest
    if form.kind == "float":
        assert 2.0 ** (form.least_exponent - form.mantissa) == finest


@pytest.mark.parametrize(
    "name", ["int9", "int4_g0", "int4_row", "mxfp5", "", "fp16_g32", "mxfp4_g16", "INT4"]
)
def test_unknown_names_are_refused_with_those_known(name: str) -> None:
    with pytest.raises(ProblemError, match=r"there is no number format .*; known are fp32, bf16, fp16"):
        number_format(name)
