"""Layer shapes against what is published."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dse.errors import ProblemError
from objectives.workloads import (
    BITNET_B158_2B4T,
    NETWORKS,
    AttentionLayer,
    ConvolutionLayer,
    LinearLayer,
    Workload,
    language_model,
    network,
)
from studies import gpu_tiling, lut_accelerator


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


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        # By hand: 2,084,044,800 linear, 128,256 * 2560 embedding, and norms: in 30 blocks 2560 before the
        # attention, 2560 in it before its output, 2560 before the feed-forward network, 6912 in it; one last.
        ("bitnet-b1.58-2b4t", 2_084_044_800 + 328_335_360 + 30 * (3 * 2560 + 6912) + 2560),
        # In the same way: tied, and with the norms before the last matrices.
        ("bitnet-b1.58-large", 679_477_248 + 32_002 * 1536 + 24 * (3 * 1536 + 4096) + 1536),
        ("bitnet-b1.58-3b", 3_221_504_000 + 32_002 * 3200 + 26 * (3 * 3200 + 8640) + 3200),
        # Sizes of the checkpoints at huggingface.co.
        ("llama-3.2-1b", 1_235_814_400),
        ("llama-3.1-8b", 8_030_261_248),
        ("llama-3.1-70b", 70_553_706_496),
        ("qwen2.5-0.5b", 494_032_768),
        ("qwen2.5-7b", 7_615_616_512),
        # `num_params` of torchvision's weights.
        ("resnet-18", 11_689_512),
        ("resnet-50", 25_557_032),
        ("mobilenet-v2", 3_504_872),
        ("vit-b-16", 86_567_656),
    ],
)
def test_networks_have_exactly_the_published_parameters(name: str, parameters: int) -> None:
    assert network(name).parameters == network(name).active_parameters == parameters


@pytest.mark.parametrize(
    ("name", "macs", "published"),
    [
        # Exact figures are those of counters of convolutions and linear layers; torchvision's `_ops` are
        # rounded to a million.
        ("resnet-18", 1_814_073_344, 1.814),
        ("resnet-50", 4_089_184_256, 4.089),
        ("mobilenet-v2", 300_774_272, 0.301),
        # 196 patches * 768 * 768, then 12 * (197 * (4 * 768 * 768 + 2 * 768 * 3072) + 2 * 197 * 197 * 768),
        # then 768 * 1000. The attention's products are among torchvision's 17.564: without they were 16.849.
        ("vit-b-16", 17_563_828_224, 17.564),
    ],
)
def test_image_networks_have_the_published_macs(name: str, macs: int, published: float) -> None:
    found = network(name)
    assert found.macs() == macs
    assert round(found.macs() / 1e9, 3) == published
    assert (found.unit, found.weight_format) == ("image", "fp32")


def test_names_are_those_of_torchvision() -> None:
    names = [layer.name for layer in network("resnet-50").layers]
    assert len(names) == 54
    assert {"conv1", "layer1.0.conv1", "layer1.0.downsample.0", "layer4.2.conv3", "fc"} <= set(names)
    depthwise = [layer for layer in network("mobilenet-v2").of(ConvolutionLayer) if layer.groups > 1]
    assert [layer.name for layer in depthwise][:2] == ["features.1.conv.0.0", "features.2.conv.1.0"]
    assert len(depthwise) == 17
    assert {layer.stride for layer in depthwise} == {(1, 1), (2, 2)}


def test_a_vision_transformer_attends_over_its_patches() -> None:
    found = network("vit-b-16")
    attention = found.of(AttentionLayer)
    assert {(layer.rows, layer.keys, layer.heads) for layer in attention} == {(197, 197, 12)}
    assert found.blocks == 12
    assert found.cached == 0


def test_active_parameters_leave_out_idle_experts() -> None:
    experts = LinearLayer("experts", 8, 6, count=5, active=2, bias=True)
    found = Workload("w", (experts, LinearLayer("a", 3, 2)), "made up", other_parameters=7)
    assert found.parameters == 5 * (8 * 6 + 6) + 6 + 7
    assert found.active_parameters == 2 * (8 * 6 + 6) + 6 + 7


@pytest.mark.parametrize("name", [name for name, item in NETWORKS.items() if item.unit == "image"])
def test_studies_of_language_models_refuse_image_networks(name: str) -> None:
    message = f"workload '{name}' is no language model: give a config.json or one of bitnet-b1.58-2b4t"
    for refuse in (language_model, lut_accelerator.problem, gpu_tiling.problem):
        with pytest.raises(ProblemError, match=message):
            refuse(workload=name) if refuse is not language_model else refuse(name)


def test_a_config_is_a_language_model_of_the_studies_as_its_name_is(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    keys = {
        "model_type": "bitnet", "hidden_size": 2560, "intermediate_size": 6912, "num_hidden_layers": 30,
        "num_attention_heads": 20, "num_key_value_heads": 5, "vocab_size": 128_256,
        "tie_word_embeddings": True,
    }  # fmt: skip
    file.write_text(json.dumps(keys))
    assert language_model(file).shapes.tolist() == network("bitnet-b1.58-2b4t").shapes.tolist()
    for problem in (lut_accelerator.problem, gpu_tiling.problem):
        read, named = problem(workload=str(file)), problem(workload="bitnet-b1.58-2b4t")
        designs = named.space.sample(50, np.random.default_rng(0))
        assert np.array_equal(read.evaluate(designs).objectives, named.evaluate(designs).objectives)
