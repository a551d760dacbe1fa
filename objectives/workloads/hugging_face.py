"""Language models as the ``config.json`` of a Hugging Face repository states them.

What a family holds and which of its keys have defaults is that of the classes of
https://github.com/huggingface/transformers, ``src/transformers/models/<model_type>``.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dse.errors import ProblemError
from objectives.workloads.config_keys import ConfigKeys
from objectives.workloads.decoders import Experts, decoder
from objectives.workloads.text_files import read_text
from objectives.workloads.workload import Workload

MOST_BLOCKS = 10_000
MOST_EXPERTS = 100_000

_TYPES = {
    "float32": "fp32",
    "float16": "fp16",
    "bfloat16": "bf16",
    "float8_e4m3fn": "fp8",
    "float8_e5m2": "fp8",
}
_BITS = {2: "int2", 3: "int3", 4: "int4", 8: "int8"}


@dataclass(frozen=True)
class _Family:
    """What a model type's blocks hold beside the common keys.

    Attributes
    ----------
    arguments
        From the keys to arguments of `decoder`.
    tied
        `tie_word_embeddings` where a configuration does not say.
    defaults
        Of other keys.
    text_defaults
        Of keys that are left out only within the ``text_config`` of a multimodal model, which holds what
        differs from its class.
    """

    arguments: Callable[[ConfigKeys], dict[str, Any]]
    tied: bool = False
    defaults: Mapping[str, Any] = field(default_factory=dict)
    text_defaults: Mapping[str, Any] = field(default_factory=dict)


def read_config(path: str | Path) -> Workload:
    """Return the language model of a Hugging Face ``config.json``.

    Parameters
    ----------
    path
        The file, or a folder with a ``config.json``. Of a multimodal model its ``text_config`` is read.

    Returns
    -------
    Workload
        Named by the file, or by its folder where the file is ``config.json``. Its weights are of the format
        of ``dtype`` or ``torch_dtype`` (FP32 where neither is given), or as ``quantization_config`` says.

    Raises
    ------
    ProblemError
        If the file cannot be read, its ``model_type`` is unknown, or a key is missing or of a wrong type.
    """
    file = Path(path)
    file = file / "config.json" if file.is_dir() else file
    keys, family = _keys(file)
    name = file.resolve().parent.name if file.name == "config.json" else file.stem
    heads = keys.whole("num_attention_heads")
    arguments: dict[str, Any] = {
        "hidden": keys.whole("hidden_size"),
        "intermediate": keys.whole("intermediate_size"),
        "layers": keys.whole("num_hidden_layers", most=MOST_BLOCKS),
        "heads": heads,
        "kv_heads": keys.whole("num_key_value_heads", heads),
        "vocabulary": keys.whole("vocab_size"),
        "head_size": keys.whole_or_none("head_dim"),
        "tied": keys.flag("tie_word_embeddings", family.tied),
        "weight_format": _weight_format(keys),
    }
    source = f"{file}, model_type {keys.text('model_type')}"
    try:
        if arguments["head_size"] is None and arguments["hidden"] % heads:
            raise ProblemError(
                f"num_attention_heads={heads} must divide hidden_size={arguments['hidden']}, or add head_dim"
            )
        return decoder(name or "network", source, **arguments | family.arguments(keys))
    except ProblemError as error:
        message = str(error)
        raise ProblemError(message if message.startswith(keys.at) else f"{keys.at}: {message}") from error


def _keys(file: Path) -> tuple[ConfigKeys, _Family]:
    text = read_text(file)
    try:
        stated = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProblemError(f"{file}: this is no JSON ({error}): give a model's config.json") from error
    if not isinstance(stated, dict):
        raise ProblemError(f"{file}: this holds no mapping of keys: give a model's config.json")
    outer = ConfigKeys(stated, str(file))
    inner = outer.mapping("text_config")
    if inner is None:
        family = _family(outer)
        return ConfigKeys(stated, str(file), family.defaults), family
    at = f"{file}, text_config"
    family = _family(ConfigKeys(inner, at))
    shared = ("torch_dtype", "dtype", "quantization_config", "tie_word_embeddings")
    given = {key: stated[key] for key in shared if stated.get(key) is not None}
    return ConfigKeys(inner, at, {**family.text_defaults, **family.defaults, **given}), family


def _family(keys: ConfigKeys) -> _Family:
    name = keys.text("model_type")
    if name is None:
        raise ProblemError(f"{keys.at}: 'model_type' is missing: add one of {', '.join(_FAMILIES)}")
    if name not in _FAMILIES:
        near = difflib.get_close_matches(name, _FAMILIES, n=1)
        hint = f" (is it like {near[0]}?)" if near else ""
        raise ProblemError(
            f"{keys.at}: model_type={name!r} is unknown{hint}; known are {', '.join(_FAMILIES)}: take one, "
            "or describe the layers in a YAML file"
        )
    return _FAMILIES[name]


def _weight_format(keys: ConfigKeys) -> str:
    quantized = keys.mapping("quantization_config")
    if quantized is not None:
        return _quantized(ConfigKeys(quantized, f"{keys.at}, quantization_config"))
    name = keys.text("dtype") or keys.text("torch_dtype") or "float32"
    if name not in _TYPES:
        raise ProblemError(f"{keys.at}: dtype={name!r} is unknown; known are {', '.join(_TYPES)}")
    return _TYPES[name]


def _quantized(keys: ConfigKeys) -> str:
    method = keys.text("quant_method")
    if method == "bitnet":
        return "ternary"
    if method == "fp8":
        return "fp8"
    if method in ("gptq", "awq"):
        bits = keys.whole("bits")
        if bits not in _BITS:
            raise ProblemError(f"{keys.at}: bits={bits} is unknown; known are {', '.join(map(str, _BITS))}")
        return _BITS[bits]
    raise ProblemError(
        f"{keys.at}: quant_method={method!r} is unknown; known are bitnet, fp8, gptq, awq: remove "
        "quantization_config to read the model as it was before"
    )


def _windows(keys: ConfigKeys, local: Callable[[int], bool]) -> list[int | None] | None:
    """Return each block's window: of ``layer_types`` where they are given, else where ``local`` says so."""
    window, blocks = keys.whole_or_none("sliding_window"), keys.whole("num_hidden_layers", most=MOST_BLOCKS)
    kinds = keys.list_of("layer_types", str)
    if kinds is None:
        return None if window is None else [window if local(index) else None for index in range(blocks)]
    known = {"full_attention", "sliding_attention"}
    unknown = [kind for kind in kinds if kind not in known]
    if unknown:
        raise ProblemError(
            f"{keys.at}: layer_types has {unknown[0]!r}; only full_attention and sliding_attention are read"
        )
    if len(kinds) != blocks:
        raise ProblemError(
            f"{keys.at}: layer_types has {len(kinds)} items for num_hidden_layers={blocks}: give one each"
        )
    return [window if kind == "sliding_attention" else None for kind in kinds]


def _everywhere(keys: ConfigKeys) -> dict[str, Any]:
    return {"windows": _windows(keys, lambda index: True)}


def _biased(keys: ConfigKeys) -> dict[str, Any]:
    bias = keys.flag("attention_bias", False)
    return {"attention_bias": bias, "output_bias": bias}


def _head_size(keys: ConfigKeys) -> int:
    size = keys.whole_or_none("head_dim")
    return size if size is not None else keys.whole("hidden_size") // keys.whole("num_attention_heads")


def _llama(keys: ConfigKeys) -> dict[str, Any]:
    return _biased(keys) | {"feed_forward_bias": keys.flag("mlp_bias", False)}


def _mixtral(keys: ConfigKeys) -> dict[str, Any]:
    experts = Experts(
        keys.whole("num_local_experts", most=MOST_EXPERTS),
        keys.whole("num_experts_per_tok"),
        keys.whole("intermediate_size"),
    )
    return _everywhere(keys) | {"experts": experts}


def _qwen_windows(keys: ConfigKeys) -> list[int | None] | None:
    if not keys.flag("use_sliding_window", False):
        return None
    first = keys.whole("max_window_layers", 0, least=0)
    return _windows(keys, lambda index: index >= first)


def _qwen_experts(keys: ConfigKeys) -> Experts:
    blocks, step = keys.whole("num_hidden_layers", most=MOST_BLOCKS), keys.whole("decoder_sparse_step", 1)
    plain = keys.list_of("mlp_only_layers", int) or []
    dense = frozenset(index for index in range(blocks) if index in plain or (index + 1) % step)
    count = "num_experts" if "num_experts" in keys else "num_local_experts"
    return Experts(
        keys.whole(count, most=MOST_EXPERTS),
        keys.whole("num_experts_per_tok"),
        keys.whole("moe_intermediate_size"),
        dense_blocks=dense,
    )


def _qwen2(keys: ConfigKeys) -> dict[str, Any]:
    return {"attention_bias": True, "windows": _qwen_windows(keys)}


def _qwen2_moe(keys: ConfigKeys) -> dict[str, Any]:
    routed = _qwen_experts(keys)
    experts = Experts(
        routed.count,
        routed.chosen,
        routed.intermediate,
        shared=keys.whole("shared_expert_intermediate_size"),
        shared_gate=True,
        dense_blocks=routed.dense_blocks,
    )
    return {
        "attention_bias": keys.flag("qkv_bias", True),
        "windows": _qwen_windows(keys),
        "experts": experts,
    }


def _qwen3(keys: ConfigKeys) -> dict[str, Any]:
    # Norms over the elements of a head, one for queries and one for keys.
    return _biased(keys) | {"windows": _qwen_windows(keys), "block_parameters": 2 * _head_size(keys)}


def _qwen3_moe(keys: ConfigKeys) -> dict[str, Any]:
    return _qwen3(keys) | {"experts": _qwen_experts(keys)}


def _gemma2(keys: ConfigKeys) -> dict[str, Any]:
    # Norms before and after each part; local and global blocks take turns.
    return _biased(keys) | {"norms": 4, "windows": _windows(keys, lambda index: index % 2 == 0)}


def _gemma3(keys: ConfigKeys) -> dict[str, Any]:
    pattern = keys.whole("sliding_window_pattern", 6)
    return _biased(keys) | {
        "norms": 4,
        "block_parameters": 2 * _head_size(keys),
        "windows": _windows(keys, lambda index: (index + 1) % pattern != 0),
    }


def _phi(keys: ConfigKeys) -> dict[str, Any]:
    # One layer norm a block, which both parts share: scales and biases.
    normed = keys.flag("qk_layernorm", False)
    return {
        "attention_bias": True,
        "output_bias": True,
        "feed_forward_bias": True,
        "head_bias": True,
        "gated": False,
        "norms": 2,
        "last_norms": 2,
        "block_parameters": 4 * _head_size(keys) if normed else 0,
    }


def _phimoe(keys: ConfigKeys) -> dict[str, Any]:
    # Two layer norms a block: scales and biases.
    return (
        _mixtral(keys)
        | _biased(keys)
        | {"head_bias": keys.flag("lm_head_bias", False), "norms": 4, "last_norms": 2}
    )


def _bitnet(keys: ConfigKeys) -> dict[str, Any]:
    # Norms of what goes into the attention's output matrix and into the feed-forward network's last.
    norms = keys.whole("hidden_size") + keys.whole("intermediate_size")
    # Ternary whether or not a quantization_config says so: the checkpoint of master weights has BF16.
    return _biased(keys) | {"block_parameters": norms, "weight_format": "ternary"}


def _olmo(keys: ConfigKeys) -> dict[str, Any]:
    # Its layer norms have no parameters.
    return _biased(keys) | {"norms": 0, "last_norms": 0}


def _olmo2(keys: ConfigKeys) -> dict[str, Any]:
    # Norms over all queries and all keys of a token.
    heads = keys.whole("num_attention_heads")
    normed = (heads + keys.whole("num_key_value_heads", heads)) * _head_size(keys)
    return _biased(keys) | {"block_parameters": normed}


_FAMILIES = {
    "llama": _Family(
        _llama,
        text_defaults={
            "vocab_size": 32_000,
            "hidden_size": 4096,
            "intermediate_size": 11_008,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
        },
    ),
    "mistral": _Family(_everywhere, defaults={"sliding_window": 4096}),
    "mixtral": _Family(_mixtral),
    "qwen2": _Family(_qwen2, defaults={"sliding_window": 4096, "max_window_layers": 28}),
    "qwen2_moe": _Family(_qwen2_moe, defaults={"sliding_window": 4096, "max_window_layers": 28}),
    "qwen3": _Family(_qwen3, defaults={"sliding_window": 4096, "max_window_layers": 28, "head_dim": 128}),
    "qwen3_moe": _Family(_qwen3_moe, defaults={"sliding_window": 4096}),
    "gemma": _Family(_biased, tied=True, defaults={"head_dim": 256}),
    "gemma2": _Family(_gemma2, tied=True, defaults={"head_dim": 256, "sliding_window": 4096}),
    "gemma3_text": _Family(
        _gemma3,
        tied=True,
        defaults={"head_dim": 256, "sliding_window": 4096},
        text_defaults={
            "vocab_size": 262_208,
            "hidden_size": 2304,
            "intermediate_size": 9216,
            "num_hidden_layers": 26,
            "num_attention_heads": 8,
            "num_key_value_heads": 4,
        },
    ),
    "phi": _Family(_phi),
    "phi3": _Family(_everywhere),
    "phimoe": _Family(_phimoe),
    "bitnet": _Family(_bitnet),
    "olmo": _Family(_olmo),
    "olmo2": _Family(_olmo2),
}
