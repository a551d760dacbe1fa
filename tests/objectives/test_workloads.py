"""Layer shapes against what is published."""

from __future__ import annotations

import pytest

from dse.errors import ProblemError
from objectives.workloads import BITNET_B158_2B4T, LinearLayer, Workload, network


def test_bitnet_2b4t_has_the_published_size() -> None:
    # By hand from config.json: 30 layers of (2 * 2560 * 2560 + 2 * 2560 * 640 + 3 * 2560 * 6912).
    assert BITNET_B158_2B4T.weights == 30 * (13_107_200 + 3_276_800 + 53_084_160) == 2_084_044_800
    # With the embedding of 128,256 words, shared with the output, the "2.4 B parameters" of the model's page.
    assert BITNET_B158_2B4T.weights + 128_256 * 2560 == pytest.approx(2.41e9, rel=0.01)


def test_unknown_networks_and_broken_layers_are_refused() -> None:
    with pytest.raises(ProblemError, match=r"no workload 'gpt'; known are bitnet-b1.58-2b4t"):
        network("gpt")
    with pytest.raises(ProblemError, match="outputs=0 must be a whole number"):
        LinearLayer("a", 3, 0)
    with pytest.raises(ProblemError, match="has no layer"):
        Workload("empty", (), "nowhere")


def test_llama_has_the_published_number_of_parameters() -> None:
    """1,235,814,400 with the embedding of 128,256 words, tied to the output, and 33 norms."""
    linear = network("llama-3.2-1b-int4").weights
    assert linear + 128_256 * 2048 + 33 * 2048 == 1_235_814_400


@pytest.mark.parametrize(("name", "billions"), [("bitnet-b1.58-large", 0.7), ("bitnet-b1.58-3b", 3.3)])
def test_bitnets_have_the_size_of_their_names(name: str, billions: float) -> None:
    """Nearly all parameters are in linear layers; the embedding is the rest."""
    assert network(name).weights / 1e9 == pytest.approx(billions, rel=0.05)
    assert network(name).weight_format == "ternary"


def test_weight_formats_are_known() -> None:
    with pytest.raises(ProblemError, match="weight_format='int1' is unknown; known are ternary, int2"):
        Workload("w", (LinearLayer("a", 1, 1),), "made up", "int1")
