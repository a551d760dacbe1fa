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
