"""Noise by definition: the published formulas, and the real quantizers on normal values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq

from objectives.quantization import quantize, relative_noise, sqnr_db
from objectives.quantization.noise import normal_crest, published_float_db, published_integer_db

NAMES = (
    "int8",
    "int8_tensor",
    "int8_g32",
    "int6",
    "int4",
    "int4_g128",
    "int3_g32",
    "int2_g32",
    "ternary",
    "fp8_e4m3",
    "fp8_e5m2",
    "fp6_e2m3",
    "fp6_e3m2",
    "fp4_e2m1",
    "mxint8",
    "mxfp8_e4m3",
    "mxfp8_e5m2",
    "mxint6",
    "mxfp6_e2m3",
    "mxfp6_e3m2",
    "mxint4",
    "mxfp4",
    "nvint4",
    "nvfp4",
    "bf16",
    "fp16",
)


@pytest.mark.parametrize(
    ("bits", "name", "overhead", "group", "crest"),
    [
        (8, "mxfp8_e4m3", 1.5, None, 7.55),
        (6, "mxfp6_e2m3", 1.5, None, 1.96),
        (4, "mxfp4", 1.5, None, 2.04),
        (4, "nvfp4", 1.05, 16, 2.39),
    ],
)
def test_crossovers_of_int_and_fp_are_those_published(
    bits: int, name: str, overhead: float, group: int | None, crest: float
) -> None:
    """Crest factors beyond which floats lose less, as printed in arXiv:2510.25602."""

    def gain(at: float) -> float:
        integer = published_integer_db(at, bits, overhead=overhead, group=group)
        return float(integer - published_float_db(at, name, overhead=overhead, group=group))

    found = brentq(gain, 1.5 if crest < 5 else 5.0, 12.0 if crest > 5 else 4.0)
    assert found == pytest.approx(crest, abs=0.01)
    assert gain(crest - 0.1) > 0 > gain(crest + 0.1)


@pytest.mark.parametrize("clipping", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_it_agrees_with_real_quantizers(name: str, clipping: bool) -> None:
    values = np.random.default_rng(0).standard_normal((256, 1024))
    held = quantize(values, name, clipping=clipping)
    measured = sqnr_db(np.square(held - values).sum() / np.square(values).sum())
    elements = values.size if name.endswith("tensor") or name == "ternary" else 1024
    predicted = sqnr_db(relative_noise(name, elements=elements, clipping=clipping))
    assert predicted == pytest.approx(float(measured), abs=0.5)


def test_outliers_cost_integers_more_than_floats() -> None:
    lost = {
        name: float(sqnr_db(relative_noise(name)) - sqnr_db(relative_noise(name, crest=20.0)))
        for name in ("int8", "fp8_e4m3")
    }
    assert lost["int8"] > 10 > 1 > lost["fp8_e4m3"]


def test_more_bits_are_less_noisy() -> None:
    for kind in ("int{}", "int{}_g32", "mxint{}"):
        bits = (4, 6, 8) if kind.startswith("mx") else range(2, 9)
        noise = [relative_noise(kind.format(bit)) for bit in bits]
        assert noise == sorted(noise, reverse=True)


def test_the_crest_of_normal_values() -> None:
    rng = np.random.default_rng(0)
    for size in (16, 32, 1024):
        most = np.abs(rng.standard_normal((4_000, size))).max(1)
        assert normal_crest(size) == pytest.approx(float(np.sqrt(np.mean(most**2))), rel=0.01)
