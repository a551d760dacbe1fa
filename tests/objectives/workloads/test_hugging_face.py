"""Counts of real models from their configurations, exactly; and what is wrong with a file, by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dse.errors import ProblemError
from objectives.workloads import AttentionLayer, LinearLayer, network, read_config

# The keys of the configurations at huggingface.co that shapes depend on, and the number of parameters of the
# checkpoint beside each, shared ones counted once.
CONFIGS: dict[str, tuple[int, dict[str, Any]]] = {
    "Llama-3.2-1B": (
        1_235_814_400,
        {
            "model_type": "llama",
            "hidden_size": 2048,
            "intermediate_size": 8192,
            "num_hidden_layers": 16,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "head_dim": 64,
            "vocab_size": 128_256,
            "attention_bias": False,
            "mlp_bias": False,
            "tie_word_embeddings": True,
            "torch_dtype": "bfloat16",
        },
    ),
    "Llama-3.1-8B": (
        8_030_261_248,
        {
            "model_type": "llama",
            "hidden_size": 4096,
            "intermediate_size": 14_336,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "vocab_size": 128_256,
            "tie_word_embeddings": False,
            "torch_dtype": "bfloat16",
        },
    ),
    "Mistral-7B-v0.1": (
        7_241_732_096,
        {
            "model_type": "mistral",
            "hidden_size": 4096,
            "intermediate_size": 14_336,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "vocab_size": 32_000,
            "sliding_window": 4096,
            "tie_word_embeddings": False,
            "torch_dtype": "bfloat16",
        },
    ),
    "Mixtral-8x7B-v0.1": (
        46_702_792_704,
        {
            "model_type": "mixtral",
            "hidden_size": 4096,
            "intermediate_size": 14_336,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "num_local_experts": 8,
            "num_experts_per_tok": 2,
            "vocab_size": 32_000,
            "sliding_window": None,
            "tie_word_embeddings": False,
            "torch_dtype": "bfloat16",
        },
    ),
    "Qwen2.5-0.5B": (
        494_032_768,
        {
            "model_type": "qwen2",
            "hidden_size": 896,
            "intermediate_size": 4864,
            "num_hidden_layers": 24,
            "num_attention_heads": 14,
            "num_key_value_heads": 2,
            "vocab_size": 151_936,
            "max_window_layers": 24,
            "sliding_window": 32_768,
            "use_sliding_window": False,
            "tie_word_embeddings": True,
            "torch_dtype": "bfloat16",
        },
    ),
    "Qwen2.5-7B": (
        7_615_616_512,
        {
            "model_type": "qwen2",
            "hidden_size": 3584,
            "intermediate_size": 18_944,
            "num_hidden_layers": 28,
            "num_attention_heads": 28,
            "num_key_value_heads": 4,
            "vocab_size": 152_064,
            "use_sliding_window": False,
            "tie_word_embeddings": False,
            "torch_dtype": "bfloat16",
        },
    ),
    "Qwen1.5-MoE-A2.7B": (
        14_315_784_192,
        {
            "model_type": "qwen2_moe",
            "decoder_sparse_step": 1,
            "hidden_size": 2048,
            "intermediate_size": 5632,
            "max_window_layers": 21,
            "moe_intermediate_size": 1408,
            "num_attention_heads": 16,
            "num_experts": 60,
            "num_experts_per_tok": 4,
            "num_hidden_layers": 24,
            "num_key_value_heads": 16,
            "shared_expert_intermediate_size": 5632,
            "tie_word_embeddings": False,
            "torch_dtype": "bfloat16",
            "use_sliding_window": False,
            "vocab_size": 151_936,
        },
    ),
    "Qwen3-8B": (
        8_190_735_360,
        {
            "model_type": "qwen3",
            "attention_bias": False,
            "head_dim": 128,
            "hidden_size": 4096,
            "intermediate_size": 12_288,
            "num_attention_heads": 32,
            "num_hidden_layers": 36,
            "num_key_value_heads": 8,
            "sliding_window": None,
            "tie_word_embeddings": False,
            "torch_dtype": "bfloat16",
            "use_sliding_window": False,
            "vocab_size": 151_936,
        },
    ),
    "Qwen3-30B-A3B": (
        30_532_122_624,
        {
            "model_type": "qwen3_moe",
            "attention_bias": False,
            "decoder_sparse_step": 1,
            "head_dim": 128,
            "hidden_size": 2048,
            "intermediate_size": 6144,
            "mlp_only_layers": [],
            "moe_intermediate_size": 768,
            "num_attention_heads": 32,
            "num_experts": 128,
            "num_experts_per_tok": 8,
            "num_hidden_layers": 48,
            "num_key_value_heads": 4,
            "sliding_window": None,
            "tie_word_embeddings": False,
            "torch_dtype": "bfloat16",
            "use_sliding_window": False,
            "vocab_size": 151_936,
        },
    ),
    # Neither states that the output shares the embedding: it does so by default.
    "gemma-2b": (
        2_506_172_416,
        {
            "model_type": "gemma",
            "head_dim": 256,
            "hidden_size": 2048,
            "intermediate_size": 16_384,
            "num_attention_heads": 8,
            "num_hidden_layers": 18,
            "num_key_value_heads": 1,
            "torch_dtype": "bfloat16",
            "vocab_size": 256_000,
        },
    ),
    "gemma-2-2b": (
        2_614_341_888,
        {
            "model_type": "gemma2",
            "attention_bias": False,
            "head_dim": 256,
            "hidden_size": 2304,
            "intermediate_size": 9216,
            "num_attention_heads": 8,
            "num_hidden_layers": 26,
            "num_key_value_heads": 4,
            "sliding_window": 4096,
            "torch_dtype": "float32",
            "vocab_size": 256_000,
        },
    ),
    "gemma-3-1b-pt": (
        999_885_952,
        {
            "model_type": "gemma3_text",
            "attention_bias": False,
            "head_dim": 256,
            "hidden_size": 1152,
            "intermediate_size": 6912,
            "num_attention_heads": 4,
            "num_hidden_layers": 26,
            "num_key_value_heads": 1,
            "sliding_window": 512,
            "sliding_window_pattern": 6,
            "torch_dtype": "bfloat16",
            "vocab_size": 262_144,
        },
    ),
    # The text of a multimodal model: what is not stated is as in its class, eight heads of 256 among it.
    "gemma-3-4b-pt": (
        3_880_263_168,
        {
            "model_type": "gemma3",
            "torch_dtype": "bfloat16",
            "text_config": {
                "model_type": "gemma3_text",
                "hidden_size": 2560,
                "intermediate_size": 10_240,
                "num_hidden_layers": 34,
                "sliding_window": 1024,
            },
        },
    ),
    "phi-2": (
        2_779_683_840,
        {
            "model_type": "phi",
            "hidden_size": 2560,
            "intermediate_size": 10_240,
            "num_attention_heads": 32,
            "num_hidden_layers": 32,
            "num_key_value_heads": 32,
            "qk_layernorm": False,
            "tie_word_embeddings": False,
            "torch_dtype": "float16",
            "vocab_size": 51_200,
        },
    ),
    "Phi-3-mini-4k-instruct": (
        3_821_079_552,
        {
            "model_type": "phi3",
            "attention_bias": False,
            "hidden_size": 3072,
            "intermediate_size": 8192,
            "num_attention_heads": 32,
            "num_hidden_layers": 32,
            "num_key_value_heads": 32,
            "sliding_window": 2047,
            "tie_word_embeddings": False,
            "torch_dtype": "bfloat16",
            "vocab_size": 32_064,
        },
    ),
    "Phi-3.5-MoE-instruct": (
        41_873_153_344,
        {
            "model_type": "phimoe",
            "attention_bias": True,
            "hidden_size": 4096,
            "intermediate_size": 6400,
            "lm_head_bias": True,
            "num_attention_heads": 32,
            "num_experts_per_tok": 2,
            "num_hidden_layers": 32,
            "num_key_value_heads": 8,
            "num_local_experts": 16,
            "sliding_window": 131_072,
            "tie_word_embeddings": False,
            "torch_dtype": "bfloat16",
            "vocab_size": 32_064,
        },
    ),
    "OLMo-1B-hf": (
        1_176_764_416,
        {
            "model_type": "olmo",
            "hidden_size": 2048,
            "intermediate_size": 8192,
            "num_attention_heads": 16,
            "num_hidden_layers": 16,
            "num_key_value_heads": 16,
            "tie_word_embeddings": True,
            "torch_dtype": "float32",
            "vocab_size": 50_304,
        },
    ),
    "OLMo-2-1124-7B": (
        7_298_617_344,
        {
            "model_type": "olmo2",
            "hidden_size": 4096,
            "intermediate_size": 11_008,
            "num_attention_heads": 32,
            "num_hidden_layers": 32,
            "num_key_value_heads": 32,
            "tie_word_embeddings": False,
            "torch_dtype": "float32",
            "vocab_size": 100_352,
        },
    ),
    # Elements of the checkpoint of master weights.
    "bitnet-b1.58-2B-4T": (
        2_412_820_480,
        {
            "model_type": "bitnet",
            "hidden_size": 2560,
            "intermediate_size": 6912,
            "num_attention_heads": 20,
            "num_hidden_layers": 30,
            "num_key_value_heads": 5,
            "quantization_config": {"quant_method": "bitnet", "linear_class": "autobitlinear"},
            "tie_word_embeddings": True,
            "torch_dtype": "bfloat16",
            "vocab_size": 128_256,
        },
    ),
}
LLAMA = CONFIGS["Llama-3.2-1B"][1]


def written(folder: Path, stated: object, name: str = "model") -> Path:
    (folder / name).mkdir(exist_ok=True)
    file = folder / name / "config.json"
    file.write_text(json.dumps(stated))
    return file


@pytest.mark.parametrize("name", CONFIGS)
def test_parameters_are_exactly_those_published(name: str, tmp_path: Path) -> None:
    parameters, stated = CONFIGS[name]
    found = read_config(written(tmp_path, stated, name))
    assert found.parameters == parameters
    assert found.name == name
    assert read_config(tmp_path / name) == found


@pytest.mark.parametrize(
    ("name", "active"),
    [
        # 46,702,792,704 less six of eight experts of 3 * 4096 * 14336 in 32 blocks: the 12.9 B of Jiang et
        # al., "Mixtral of Experts", arXiv:2401.04088 (2024).
        ("Mixtral-8x7B-v0.1", 12_879_925_248),
        # Less 120 of 128 experts of 3 * 2048 * 768 in 48 blocks: "3.3B active" on the model's page.
        ("Qwen3-30B-A3B", 3_353_032_704),
        # Less 56 of 60 experts of 3 * 2048 * 1408 in 24 blocks: the "2.7B activated" of its page.
        ("Qwen1.5-MoE-A2.7B", 2_689_173_504),
    ],
)
def test_active_parameters_are_those_of_the_chosen_experts(name: str, active: int, tmp_path: Path) -> None:
    found = read_config(written(tmp_path, CONFIGS[name][1]))
    assert found.active_parameters == active


@pytest.mark.parametrize(
    ("name", "bundled"),
    [
        ("Llama-3.2-1B", "llama-3.2-1b"),
        ("Llama-3.1-8B", "llama-3.1-8b"),
        ("Qwen2.5-0.5B", "qwen2.5-0.5b"),
        ("Qwen2.5-7B", "qwen2.5-7b"),
        ("bitnet-b1.58-2B-4T", "bitnet-b1.58-2b4t"),
    ],
)
def test_bundled_networks_are_what_their_configurations_say(name: str, bundled: str, tmp_path: Path) -> None:
    found = read_config(written(tmp_path, CONFIGS[name][1]))
    assert found.layers == network(bundled).layers
    assert found.other_parameters == network(bundled).other_parameters
    assert found.weight_format == network(bundled).weight_format


def windows(name: str, folder: Path, **changes: object) -> list[int | None]:
    found = read_config(written(folder, CONFIGS[name][1] | changes))
    return [layer.window for layer in found.of(AttentionLayer)]


def test_local_and_global_blocks_take_turns(tmp_path: Path) -> None:
    assert windows("gemma-2-2b", tmp_path) == 13 * [4096, None]
    assert windows("gemma-3-1b-pt", tmp_path) == 4 * [512, 512, 512, 512, 512, None] + 2 * [512]
    assert windows("Mistral-7B-v0.1", tmp_path) == 32 * [4096]
    assert windows("Mistral-7B-v0.1", tmp_path, sliding_window=None) == 32 * [None]
    assert windows("Qwen2.5-0.5B", tmp_path) == 24 * [None]
    kinds = 23 * ["full_attention"] + ["sliding_attention"]
    changed = windows("Qwen2.5-0.5B", tmp_path, use_sliding_window=True, layer_types=kinds)
    assert changed == 23 * [None] + [32_768]
    early = windows("Qwen2.5-0.5B", tmp_path, use_sliding_window=True, max_window_layers=20)
    assert early == 20 * [None] + 4 * [32_768]


def test_experts_are_counted_and_routed(tmp_path: Path) -> None:
    found = read_config(written(tmp_path, CONFIGS["Qwen1.5-MoE-A2.7B"][1]))
    layers = {layer.kind: layer for layer in found.of(LinearLayer)}
    assert (layers["experts.gate_up"].count, layers["experts.gate_up"].active) == (120, 8)
    assert (layers["experts.down"].count, layers["experts.down"].active) == (60, 4)
    assert (layers["experts.router"].inputs, layers["experts.router"].outputs) == (2048, 60)
    assert layers["shared_expert.gate"].outputs == 1
    assert "feed_forward.gate_up" not in layers
    mixed = read_config(written(tmp_path, CONFIGS["Qwen1.5-MoE-A2.7B"][1] | {"mlp_only_layers": [0]}))
    dense = [layer.block for layer in mixed.of(LinearLayer) if layer.kind == "feed_forward.gate_up"]
    assert dense == [0]
    assert mixed.of(LinearLayer)[3].outputs == 5632


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"torch_dtype": "float16"}, "fp16"),
        ({"torch_dtype": None}, "fp32"),
        ({"torch_dtype": None, "dtype": "bfloat16"}, "bf16"),
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, "int4"),
        ({"quantization_config": {"quant_method": "fp8"}}, "fp8"),
    ],
)
def test_weight_formats(changes: dict[str, Any], expected: str, tmp_path: Path) -> None:
    assert read_config(written(tmp_path, LLAMA | changes)).weight_format == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"model_type": "llame"},
            r"model_type='llame' is unknown \(is it like llama\?\); known are llama, mis",
        ),
        ({"model_type": None}, "'model_type' is missing: add one of llama"),
        ({"hidden_size": None}, "'hidden_size' is missing: add it, a whole number, 1 or more"),
        ({"hidden_size": "2048"}, "hidden_size='2048' must be a whole number from 1"),
        ({"hidden_size": 2048.0}, "hidden_size=2048.0 must be a whole number"),
        ({"hidden_size": True}, "hidden_size=True must be a whole number"),
        ({"num_hidden_layers": 10**8}, "num_hidden_layers=100000000 must be a whole number from 1 to 10000"),
        (
            {"head_dim": None, "num_attention_heads": 48},
            "num_attention_heads=48 must divide hidden_size=2048",
        ),
        ({"num_key_value_heads": 5}, "heads=32 is no multiple of kv_heads=5"),
        ({"tie_word_embeddings": "yes"}, "tie_word_embeddings='yes' must be true or false"),
        ({"torch_dtype": "float12"}, "dtype='float12' is unknown; known are float32"),
        ({"torch_dtype": 3}, "torch_dtype=3 must be text"),
        (
            {"quantization_config": {"quant_method": "magic"}},
            "quant_method='magic' is unknown; known are bit",
        ),
        ({"text_config": 7}, "text_config=7 must be a mapping"),
    ],
)
def test_what_is_wrong_is_named_with_its_file(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    file = written(tmp_path, LLAMA | changes)
    with pytest.raises(ProblemError, match=message) as raised:
        read_config(file)
    assert str(raised.value).startswith(str(file))
    assert str(raised.value).count(str(file)) == 1
    assert "\n" not in str(raised.value)


def test_files_that_are_no_configuration_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match="cannot be read"):
        read_config(tmp_path / "none.json")
    with pytest.raises(ProblemError, match="holds no mapping"):
        read_config(written(tmp_path, [1]))
    file = tmp_path / "deep.json"
    file.write_text("[" * 100_000)
    with pytest.raises(ProblemError, match="no JSON"):
        read_config(file)
    file.write_text(" " * (4 * 2**20 + 1))
    with pytest.raises(ProblemError, match="more than 4194304 bytes"):
        read_config(file)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.binary(max_size=64))
def test_random_bytes_are_refused(data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_bytes(data)
    with pytest.raises(ProblemError):
        read_config(file)


JSON = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers())


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(name=st.sampled_from(sorted(CONFIGS)), data=st.data())
def test_a_wrong_value_never_raises_another_error(name: str, data: st.DataObject, tmp_path: Path) -> None:
    stated = CONFIGS[name][1]
    key = data.draw(st.sampled_from(sorted(stated)))
    value = data.draw(JSON.filter(lambda item: type(item) is not int or item < 100))
    file = written(tmp_path, stated | {key: value})
    try:
        found = read_config(file)
    except ProblemError as error:
        message = str(error)
    else:
        message = f"{file}: {found.parameters}"
    assert message.startswith(str(file))
