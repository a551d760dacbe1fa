"""Shapes of a language model for an edge device: predicted loss against the time of a token.

After "Hardware Co-Design Scaling Laws via Roofline Modelling for On-Device LLMs" (arXiv:2602.10377), of
which the idea and the setting are kept: loss as a function of the shape, time by roofline on a Jetson Orin,
networks trained on 10 billion tokens each. None of its constants is used: its fitted law could not be seen.
The loss here is Hoffmann's law as Besiroglu et al. fitted it again, with a bound of Kaplan et al. on depth to
width (`objectives.networks.decoder_loss`); the time a block is fitted here to three measurements of NVIDIA's
(`objectives.networks.decoder_roofline`). Mixtures of experts, which the paper has, are left out: no law of
their loss could be checked. docs/models/llm_codesign.md has the errors.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from dse import Designs, Minimize, Problem, Space
from dse.definitions import StudyDefinition
from dse.errors import ProblemError
from objectives.devices.processor import processor
from objectives.networks.decoder import Decoder
from objectives.networks.decoder_roofline import MEASURED, DecoderModel, Efficiency
from objectives.quantization import Use, number_format
from spaces.decoders import decoder_space
from studies.settings import some_metrics, some_names

# Layers, width, ratio of the feed-forward network, size of a head, heads of keys and values: config.json of
# the models on huggingface.co, as widely cited for those that `objectives.workloads` does not have.
SHAPES = {
    "smollm2-135m": (30, 576, 8 / 3, 64, 3),
    "smollm2-360m": (32, 960, 8 / 3, 64, 5),
    "smollm2-1.7b": (24, 2048, 4.0, 64, 32),
    "qwen2.5-0.5b": (24, 896, 38 / 7, 64, 2),
    "qwen2.5-1.5b": (28, 1536, 35 / 6, 128, 2),
    "llama-3.2-1b": (16, 2048, 4.0, 64, 8),
}


def problem(
    device: str = "jetson-orin-nano-8gb",
    context: int = 2048,
    prompt: int = 1024,
    batch: int = 1,
    tokens_billion: float = 10.0,
    weights: str = "fp16",
    activations: str = "fp16",
    cache: str = "fp16",
    vocabulary: int = 151_936,
    least_layers: int = 4,
    most_layers: int = 40,
    most_width: int = 3072,
    memory_limit_gib: float = 0.0,
    bandwidth_share: float = MEASURED.bandwidth_share,
    block_us: float = round(MEASURED.block_s * 1e6),
    minimize: str = "",
) -> Problem:
    """Return the problem of a decoder's shape on an edge device.

    Parameters
    ----------
    device
        jetson-orin-nano-8gb, jetson-orin-nano-super-8gb, jetson-agx-orin-64gb, or any GPU or accelerator of
        the catalogue.
    context, prompt
        Tokens of a sequence when its next is decoded; tokens that are prefilled at once.
    batch
        Sequences that are decoded together.
    tokens_billion
        That each network is trained on, in 10⁹.
    weights, activations, cache
        Number formats to choose from, with commas between, as in fp16,int4_g32; see
        objectives.quantization.number_format.
    vocabulary
        Entries of the embedding, the same for all: losses of unlike vocabularies do not compare.
    least_layers, most_layers, most_width
        Bounds on blocks and on the width.
    memory_limit_gib
        Most memory of weights and cache; 0 for all that the device has.
    bandwidth_share
        Of the peak bandwidth that is reached.
    block_us
        Microseconds that a block takes beside the roofline; by default as fitted on a Jetson Orin Nano. What
        the front says of depth hangs on it; 0 for the roofline alone.
    minimize
        Metrics, with commas between: loss_nats, perplexity, parameters, decode_ms, prefill_ms, energy_mj,
        weights_mib, cache_mib, memory_mib; by default loss_nats, decode_ms, and noise where there are several
        formats of weights or activations.

    Notes
    -----
    Shapes of published networks come first, with this vocabulary and these formats, as far as the bounds have
    them, so that a front can be held against what is used today: predicted at equal training, their published
    weights saw far more tokens. The loss does not know formats; noise does.
    """
    names = {"weights": weights, "activations": activations, "cache": cache}
    formats = {label: some_names(label, text) for label, text in names.items()}
    for label, items in formats.items():
        for name in items:
            number_format(name)
        if len(set(items)) < len(items):
            raise ProblemError(f"{label}={names[label]!r} names a format twice: leave one out")
    if not memory_limit_gib >= 0:
        raise ProblemError(
            f"memory_limit_gib={memory_limit_gib!r} must be positive, or 0 for all that the device has"
        )
    widths = list(range(384, most_width + 1, 64))
    if not widths:
        raise ProblemError(f"most_width={most_width!r} must be 384 or more")
    target = processor(device)
    space = decoder_space(
        least_layers=least_layers,
        most_layers=most_layers,
        widths=widths,
        vocabularies=[vocabulary],
        **{label: items for label, items in formats.items() if len(items) > 1},  # type: ignore[arg-type]
    )
    model = DecoderModel(
        Decoder(tokens_billion * 1e9, context=context),
        target,
        use=Use(batch, context, prompt),
        **formats,
        efficiency=Efficiency(bandwidth_share, block_us * 1e-6),
    )
    plain = "loss_nats,decode_ms" + (",noise" * ("noise" in model.metrics))
    wanted = some_metrics("minimize", minimize or plain, model.metrics)
    limit = 1024 * (memory_limit_gib or target.dram_gib)
    return Problem(
        space,
        model,
        [Minimize(name) for name in wanted],
        [f"memory_mib <= {limit}"],
        name="llm-codesign",
        start=published(space),
    )


def published(space: Space) -> Designs | None:
    """Return the shapes of published networks that a space has, in all its formats; None if it has none."""
    chosen = [name for name in space.names if name.split(".")[1] in ("weights", "activations", "cache")]
    choices = [_values(space, name) for name in chosen]
    rows: list[dict[str, Any]] = []
    for layers, width, ratio, head_size, kv_heads in SHAPES.values():
        shape = {
            "decoder.layers": layers,
            "decoder.width": width,
            "decoder.ffn_ratio": ratio,
            "decoder.head_size": head_size,
            "decoder.kv_heads": kv_heads,
            "decoder.vocabulary": _values(space, "decoder.vocabulary")[0],
            "decoder.tied": _values(space, "decoder.tied")[0],
        }
        if all(value in _values(space, name) for name, value in shape.items()):
            rows += [{**shape, **dict(zip(chosen, some, strict=True))} for some in product(*choices)]
    return space.designs(rows) if rows else None


def _values(space: Space, name: str) -> list[Any]:
    parameter = space[name]
    return list(parameter.decode(np.arange(int(parameter.cardinality or 0))).tolist())


study = StudyDefinition(
    "llm-codesign",
    "the shape of a language model for an edge device: predicted loss against the time of a token",
    problem,
    searcher="nsga2",
    budget=10_000,
)

if __name__ == "__main__":
    study.main()
