"""Number formats of every layer of a network: quality against size, latency and energy."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from dse import Designs, Minimize, Problem, Space
from dse.definitions import StudyDefinition
from dse.errors import ProblemError
from dse.models import CostModel
from objectives.devices.processor import processor
from objectives.quantization import (
    AnalyticalQuality,
    CalibratedQuality,
    Group,
    MeasuredQuality,
    QuantizationModel,
    TrainedModel,
    Use,
    digits,
    grouped,
    legal_pairs,
    number_format,
    open_tensors,
    own_groups,
    pins,
)
from objectives.quantization.model import Quality
from objectives.workloads import EmbeddingLayer, Workload, read_workload
from objectives.workloads.text_files import read_text
from spaces.quantization import quantization_space
from studies.settings import some_metrics, some_names

DIGITS = "digits"

_WANTED = {
    "token": "noise,memory_mib,decode_ms",
    "image": "noise,size_mib,latency_ms",
    "digits": "accuracy_drop,gbops",
}

# Noise beyond which a network is not worth having: 10 dB of signal to noise in the mean.
WORST_NOISE = 0.1
# Points of accuracy beyond which a network for digits is not worth having.
WORST_DROP = 20.0


def problem(
    model: str = "llama-3.2-1b",
    device: str = "l4",
    groups: str = "part",
    weights: str = "int3_g32,int4_g128,int8,fp8_e4m3,bf16",
    activations: str = "int8,fp8_e4m3,bf16",
    cache: str = "int4_g32,fp8_e4m3,bf16",
    pinned: str = "embedding",
    rotation: bool = False,
    clipping: bool = False,
    native: bool = False,
    batch: int = 1,
    context: int = 2048,
    prompt: int = 512,
    minimize: str = "",
    tensors: str = "",
    inputs: str = "",
    sensitivity: str = "",
    weight_crest: float = 0.0,
    activation_crest: float = 0.0,
    evaluate: str = "model",
    seed: int = 0,
) -> Problem:
    """Return the problem of choosing a number format for each group of layers of a network.

    Parameters
    ----------
    model
        A network that is known by name; the path of a Hugging Face config.json, of an .onnx, or of a .yaml
        list of layers; or digits, a small network that is trained here and whose accuracy can be measured.
    device
        A GPU or accelerator of the catalogue.
    groups
        What shares a format: layer, part (attention and feed-forward network of a block), block, kind,
        network.
    weights, activations, cache
        Formats to choose from, with commas between; see objectives.quantization.number_format.
    pinned
        Layers without a choice, at 16 bits: first, last, embedding, or names, with commas between; none for
        none.
    rotation, clipping
        Whether each group may rotate its inputs by a Hadamard matrix, and clip to the least error.
    native
        Only weights that go into the device's multipliers as they are stored.
    batch
        Sequences that are decoded together, or images.
    context, prompt
        Tokens of a sequence when its next is decoded; tokens that are prefilled at once.
    minimize
        Metrics, with commas between; by default noise, memory_mib and decode_ms of a language model, noise,
        size_mib and latency_ms of a network for images, accuracy_drop and gbops of digits.
    tensors
        The network's own weights, by which their noise is measured: a .safetensors or a folder of them, an
        .npz or an .onnx.
    inputs
        Calibration inputs of layers, an .npz with a matrix (vectors, features) by layer name.
    sensitivity
        A .json of weights by layer name, by which layers count in the mean of the noise.
    weight_crest, activation_crest
        Largest magnitude of a channel over its root mean square; 0 for that of normal values.
    evaluate
        model: by definition of formats, or by measured sensitivities of digits; measure: the real accuracy of
        digits, with those sensitivities as the prior.
    seed
        Of the training of digits.

    Notes
    -----
    Uniform precision comes first: each pair of formats, and format of the cache, in all layers. Noise of more
    than 0.1 (10 dB), or more than 20 points of accuracy lost, is infeasible. The hypervolume's reference
    point is there, and at the network in 16 bits.
    """
    if evaluate not in ("model", "measure"):
        raise ProblemError(f"evaluate={evaluate!r} is unknown; known are model, measure")
    if evaluate == "measure" and model != DIGITS:
        raise ProblemError(f"evaluate='measure' takes model={DIGITS!r}, the network that is trained here")
    trained = digits(seed) if model == DIGITS else None
    workload = trained.network.workload if trained else read_workload(model)
    use = Use(batch, context, prompt)
    target = processor(device)
    plain = next((item for item in ("bf16", "fp16", "fp32", "int8") if item in target.tera_macs), "int8")
    fixed = pins(workload, "" if pinned == "none" or trained else pinned, plain, plain)
    if groups.endswith(".json"):
        chosen = own_groups(workload, _json("groups", groups), fixed)
    else:
        chosen = grouped(workload, groups, fixed)
    left, right = _formats("weights", weights), _formats("activations", activations)
    pairs = legal_pairs(target, left, right, native=native)
    layers = {layer.name: layer for layer in workload.layers}
    embedded = {
        group.name
        for group in chosen
        if group.layers and all(isinstance(layers[name], EmbeddingLayer) for name in group.layers)
    }
    with_weights = [group.name for group in chosen if group.layers]
    space = quantization_space(
        with_weights,
        weights=left,
        activations={name: [] if name in embedded else right for name in with_weights},
        caches=[group.name for group in chosen if group.attention],
        cache=_formats("cache", cache),
        pairs=pairs,
        rotation=rotation,
        clipping=clipping,
    )
    quality: Quality
    if trained:
        quality = CalibratedQuality(trained.network, trained.calibration.images, trained.calibration.digits)
    else:
        quality = _quality(workload, weight_crest, activation_crest, sensitivity, tensors, inputs)
    cost = QuantizationModel(
        workload, target, chosen, quality, use=use, pinned=fixed, rotation=rotation, clipping=clipping
    )
    model_of: CostModel = cost
    prior = None
    if trained and evaluate == "measure":
        model_of, prior = TrainedModel(trained.network, trained.validation, trained.test, cost), cost
    wanted = minimize or _WANTED["digits" if trained else workload.unit]
    objectives = _objectives(model_of.metrics, wanted, _reference(cost, chosen, plain))
    if prior is not None and not all(objective.metric in prior.metrics for objective in objectives):
        prior = None
    worst = f"accuracy_drop <= {WORST_DROP}" if trained else f"noise <= {WORST_NOISE}"
    start = _uniform(space, pairs, _formats("cache", cache))
    return Problem(space, model_of, objectives, [worst], name="quantization", prior=prior, start=start)


def _uniform(space: Space, pairs: Collection[tuple[str, str]], cache: Sequence[str]) -> Designs:
    """Return the designs of one pair of formats in all layers: the baselines of mixed precision."""
    caches = cache if any(name.startswith("cache.") for name in space.names) else [None]
    rows = []
    for (one, other), kept in product(sorted(pairs), caches):
        chosen = {"weights": one, "activations": other, "cache": kept, "rotation": False, "clipping": False}
        rows.append({name: chosen[name.partition(".")[0]] for name in space.names})
    return space.designs(rows)


def recipe(stored: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return a design as formats by layer.

    Parameters
    ----------
    stored
        The stored problem's JSON form.
    parameters
        The design's.

    Returns
    -------
    ``workload``, ``device``, and ``layers``: by name, formats of weights and activations with their bits, or
    of keys and values.
    """
    settings = stored["model"]["settings"]
    layers: dict[str, dict[str, Any]] = {}
    for group, members in settings["groups"].items():
        chosen = {
            kind: parameters[f"{kind}.{group}"]
            for kind in ("weights", "activations", "rotation", "clipping", "cache")
            if f"{kind}.{group}" in parameters
        }
        for name in members:
            attends = name in settings["attention"]
            kinds = {"cache"} if attends else set(chosen) - {"cache"}
            layers[name] = {kind: value for kind, value in chosen.items() if kind in kinds}
    for name, (weights, activations) in settings["pinned"].items():
        layers[name] = {"weights": weights, "activations": activations, "pinned": True}
    for formats in layers.values():
        formats["bits"] = {
            kind: number_format(formats[kind]).bits
            for kind in ("weights", "activations", "cache")
            if kind in formats
        }
    return {"workload": settings["workload"], "device": settings["device"], "layers": layers}


def _formats(label: str, text: str) -> list[str]:
    found = some_names(label, text)
    for name in found:
        number_format(name)
    return found


def _quality(
    workload: Workload,
    weight_crest: float,
    activation_crest: float,
    sensitivity: str,
    tensors: str,
    inputs: str,
) -> Quality:
    for label, value in (("weight_crest", weight_crest), ("activation_crest", activation_crest)):
        if value != 0 and not value >= 1:
            raise ProblemError(f"{label}={value!r} must be 1 or more; 0 for that of normal values")
    analytical = AnalyticalQuality(
        workload, weight_crest or None, activation_crest or None, _sensitivity(sensitivity, workload)
    )
    if not tensors:
        if inputs:
            raise ProblemError(f"inputs={inputs!r} needs the network's weights as well: tensors=PATH")
        return analytical
    return MeasuredQuality(analytical, open_tensors(tensors), open_tensors(inputs) if inputs else None)


def _json(label: str, path: str) -> dict[str, Any]:
    try:
        given = json.loads(read_text(Path(path)))
    except (ValueError, RecursionError) as error:
        raise ProblemError(f"{label}={path!r} is no JSON: {error}") from error
    if not isinstance(given, dict):
        raise ProblemError(f"{label}={path!r} must hold an object, with names as keys")
    return given


def _sensitivity(path: str, workload: Workload) -> dict[str, float]:
    if not path:
        return {}
    given = _json("sensitivity", path)
    names = {layer.name for layer in workload.layers}
    for name, value in given.items():
        number = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")
        if name not in names or not number:
            raise ProblemError(
                f"sensitivity={path!r}: {name!r}: {value!r} must be a layer of {workload.name!r} and a "
                f"number, 0 or "
                "more"
            )
    return {name: float(value) for name, value in given.items()}


def _reference(cost: QuantizationModel, groups: Sequence[Group], plain: str) -> dict[str, float]:
    """Return the metrics of the network at 16 bits."""
    names = [group.name for group in groups if group.layers]
    space = quantization_space(
        names,
        weights=[plain],
        activations=[plain],
        caches=[group.name for group in groups if group.attention],
        cache=[plain],
        rotation=cost.rotation,
        clipping=cost.clipping,
    )
    found = cost.evaluate(space.designs([{name: _plain(name, plain) for name in space.names}])).metrics
    return {
        **{name: float(found[name][0]) for name in cost.cost_metrics},  # type: ignore[index, arg-type]
        "noise": WORST_NOISE,
        "accuracy_drop": WORST_DROP,
    }


def _plain(name: str, plain: str) -> str | bool:
    return False if name.partition(".")[0] in ("rotation", "clipping") else plain


def _objectives(metrics: Mapping[str, str], wanted: str, reference: Mapping[str, float]) -> list[Minimize]:
    return [
        Minimize(name, reference=reference.get(name)) for name in some_metrics("minimize", wanted, metrics)
    ]


study = StudyDefinition(
    "quantization",
    "a number format for every layer's weights, activations and cache: quality, size, latency, energy",
    problem,
    searcher="nsga2",
    budget=20_000,
    recipe=recipe,
)

if __name__ == "__main__":
    study.main()
