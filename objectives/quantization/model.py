"""The cost model of a quantized network: sums over groups of layers, each looked up in a table."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import product
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dse.additive import Additive, Term
from dse.designs import Designs
from dse.errors import ProblemError
from dse.models import Outcome
from dse.space import Space
from objectives.devices.processor import Processor
from objectives.quantization.cost import PLAIN_BITS, Cost, Use, attention_cost, layer_cost
from objectives.quantization.groups import Group
from objectives.quantization.multiplication import multiplication
from objectives.workloads import AttentionLayer, EmbeddingLayer, Layer, Workload

Floats = NDArray[np.float64]

MIB = 8 * 2**20  # bits


class Quality(Protocol):
    """What formats do to a network, as sums over its layers.

    Attributes
    ----------
    metrics
        Unit by metric.
    identity
        JSON values that results depend on.
    """

    @property
    def metrics(self) -> Mapping[str, str]: ...
    @property
    def identity(self) -> Mapping[str, Any]: ...

    def layer(
        self, layer: Layer, weights: str, activations: str | None, *, rotation: bool, clipping: bool
    ) -> Mapping[str, float]:
        """Return what a layer with weights adds to each metric; an embedding has no activations."""
        ...

    def cache(self, layer: AttentionLayer, form: str) -> Mapping[str, float]:
        """Return what keys and values in a format add to each metric."""
        ...


class QuantizationModel:
    """Quality, size, time, energy and bit operations of a network by its formats.

    Parameters
    ----------
    workload
        The network.
    device
        What it runs on.
    groups
        Layers that share formats; the columns are ``weights.<group>`` and so on, as of
        `spaces.quantization.quantization_space`.
    quality
        What formats do to the network.
    use
        Batch, context and prompt.
    pinned
        Formats of weights and activations of layers that no group holds.
    rotation, clipping
        Whether the space has these parameters.

    Attributes
    ----------
    metrics
        Those of `quality`, and

        - ``size_mib``: parameters with scales, 2^20 bytes; ``weight_bits``: bits a weight, scales included;
        - ``gbops``: 10⁹ bit operations a token (at the whole context) or image;
        - for images ``latency_ms`` and ``energy_mj`` of one image, of the time and energy of a batch;
        - for tokens ``decode_ms`` (of a step, which gives each sequence a token), ``energy_mj`` a token of
          decoding, ``prefill_ms`` of a prompt, ``cache_mib``, and ``memory_mib``, the sum of size and cache.

    Raises
    ------
    ProblemError
        If a layer is in no group and not pinned, in two, or pinned to formats that the device cannot
        multiply.

    Notes
    -----
    Layers run one after the other: times add. Every metric but ``weight_bits`` and ``sqnr_db`` is a sum over
    groups, so the searcher ``ilp`` solves the problem exactly (`dse.additive`).
    """

    name = "quantization"
    version = "1"

    def __init__(
        self,
        workload: Workload,
        device: Processor,
        groups: Sequence[Group],
        quality: Quality,
        *,
        use: Use | None = None,
        pinned: Mapping[str, tuple[str, str]] | None = None,
        rotation: bool = False,
        clipping: bool = False,
    ) -> None:
        self.workload = workload
        self.device = device
        self.groups = tuple(groups)
        self.quality = quality
        self.use = use or Use()
        self.pinned = dict(pinned or {})
        self.rotation = rotation
        self.clipping = clipping
        self._layers = {layer.name: layer for layer in workload.layers}
        self._tables: dict[int, tuple[Space, Additive]] = {}
        self._check()
        self._costs: dict[tuple[Any, ...], Cost | None] = {}

    def _check(self) -> None:
        seen: set[str] = set(self.pinned)
        for name in self.pinned:
            if name not in self._layers:
                raise ProblemError(f"pinned: {name!r} is no layer of {self.workload.name!r}")
        for group in self.groups:
            for name in (*group.layers, *group.attention):
                if name not in self._layers:
                    raise ProblemError(
                        f"group {group.name!r}: {name!r} is no layer of {self.workload.name!r}"
                    )
                if name in seen:
                    raise ProblemError(f"group {group.name!r}: layer {name!r} is chosen elsewhere too")
                seen.add(name)
        for layer in self.workload.layers:
            chooses = layer.weights or getattr(layer, "tied", False)
            if chooses and layer.name not in seen:
                raise ProblemError(f"layer {layer.name!r} is in no group, and not pinned")

    @property
    def columns(self) -> tuple[str, ...]:
        """The parameters of all groups."""
        return tuple(column for group in self.groups for term in self._columns(group) for column in term)

    def _columns(self, group: Group) -> list[tuple[str, ...]]:
        terms = []
        if group.layers:
            with_inputs = any(not isinstance(self._layers[name], EmbeddingLayer) for name in group.layers)
            columns = [f"weights.{group.name}"]
            if with_inputs:
                columns.append(f"activations.{group.name}")
                columns += [f"rotation.{group.name}"] if self.rotation else []
            columns += [f"clipping.{group.name}"] if self.clipping else []
            terms.append(tuple(columns))
        if group.attention:
            terms.append((f"cache.{group.name}",))
        return terms

    @property
    def settings(self) -> Mapping[str, Any]:
        """What results depend on."""
        shapes = [[type(layer).__name__, asdict(layer)] for layer in self.workload.layers]
        return {
            "workload": self.workload.name,
            "layers": _hash([shapes, self.workload.other_parameters]),
            "device": self.device.name,
            "device_figures": _hash(asdict(self.device)),
            "use": asdict(self.use),
            "groups": {group.name: [*group.layers, *group.attention] for group in self.groups},
            "attention": [layer.name for layer in self.workload.of(AttentionLayer)],
            "pinned": {name: list(formats) for name, formats in self.pinned.items()},
            "quality": dict(self.quality.identity),
        }

    @property
    def metrics(self) -> Mapping[str, str]:
        """Unit by metric."""
        ratio = {"sqnr_db": "dB"} if "noise" in self.quality.metrics else {}
        return {**self.quality.metrics, **ratio, **self.cost_metrics}

    @property
    def cost_metrics(self) -> Mapping[str, str]:
        """Unit by metric, without those of the quality."""
        image = self.workload.unit == "image"
        return {
            "size_mib": "MiB",
            "weight_bits": "bits",
            **({"latency_ms": "ms"} if image else {"decode_ms": "ms", "prefill_ms": "ms"}),
            "energy_mj": "mJ",
            **({} if image else {"cache_mib": "MiB", "memory_mib": "MiB"}),
            "gbops": "Gbop",
        }

    def evaluate(self, designs: Designs) -> Outcome:
        """Return metrics; a design with a pair of formats that the device cannot multiply fails."""
        found = self.additive(designs.space).evaluate(designs)
        bad = np.flatnonzero(found.pop("unmultiplied"))
        if "noise" in found:
            with np.errstate(divide="ignore"):
                # Nothing quantized: no noise; a ratio beyond FP32's own precision is said to be that.
                found["sqnr_db"] = -10 * np.log10(np.maximum(found["noise"], 1e-30))
        weights = sum(layer.weights for layer in self.workload.layers)
        found["weight_bits"] = found.pop("stored_bits") / weights
        errors = {int(row): f"{self.device.name} cannot multiply a chosen pair of formats" for row in bad}
        return Outcome(found, errors)

    def additive(self, space: Space) -> Additive:
        """Return the tables over the parameters of a space."""
        known = self._tables.get(id(space))
        if known is None or known[0] is not space:
            known = self._tables[id(space)] = (space, self._build(space))
        return known[1]

    def _build(self, space: Space) -> Additive:
        names = [
            *self.quality.metrics,
            "size_mib",
            "stored_bits",
            *(("latency_ms",) if self.workload.unit == "image" else ("decode_ms", "prefill_ms")),
            "energy_mj",
            *(() if self.workload.unit == "image" else ("cache_mib", "memory_mib")),
            "gbops",
            "unmultiplied",
        ]
        constants = dict.fromkeys(names, 0.0)
        for metric in {"size_mib", "memory_mib"} & set(names):
            constants[metric] = self.workload.other_parameters * PLAIN_BITS / MIB
        grouped = {name for group in self.groups for name in (*group.layers, *group.attention)}
        for layer in self.workload.layers:
            if layer.name in grouped:
                continue
            if isinstance(layer, AttentionLayer):
                part = self._attention(layer, "fp16")
            elif layer.name not in self.pinned:
                part = self._product(layer)
            else:
                weights, activations = self.pinned[layer.name]
                part = self._layer(layer, weights, activations, rotation=False, clipping=False)
                if part["unmultiplied"]:
                    raise ProblemError(
                        f"pinned: {self.device.name} cannot multiply {weights} by {activations} in layer "
                        f"{layer.name!r}"
                    )
            for metric, value in part.items():
                constants[metric] += value
        terms = [
            self._term(space, group, columns, names)
            for group in self.groups
            for columns in self._columns(group)
        ]
        return Additive(space, constants, terms)

    def _term(self, space: Space, group: Group, columns: tuple[str, ...], names: Sequence[str]) -> Term:
        choices = [
            space[column].decode(np.arange(int(space[column].cardinality))).tolist() for column in columns
        ]
        table = np.zeros((*map(len, choices), len(names)))
        kinds = [column.partition(".")[0] for column in columns]
        for place in product(*(range(len(choice)) for choice in choices)):
            chosen = {kind: choice[at] for kind, choice, at in zip(kinds, choices, place, strict=True)}
            for part in self._parts(group, chosen):
                for index, metric in enumerate(names):
                    table[(*place, index)] += part.get(metric, 0.0)
        return Term(columns, {metric: table[..., index] for index, metric in enumerate(names)})

    def _parts(self, group: Group, chosen: Mapping[str, Any]) -> list[dict[str, float]]:
        if "cache" in chosen:
            parts = []
            for name in group.attention:
                layer = self._layers[name]
                assert isinstance(layer, AttentionLayer)
                parts.append(self._attention(layer, chosen["cache"]))
            return parts
        return [
            self._layer(
                self._layers[name],
                chosen["weights"],
                chosen.get("activations", "fp16"),
                rotation=chosen.get("rotation", False),
                clipping=chosen.get("clipping", False),
            )
            for name in group.layers
        ]

    def _layer(
        self, layer: Layer, weights: str, activations: str, *, rotation: bool, clipping: bool
    ) -> dict[str, float]:
        key = (_shape(layer), weights, activations, rotation)
        if key not in self._costs:
            self._costs[key] = layer_cost(
                layer, self.workload, self.device, self.use, weights, activations, rotation=rotation
            )
        cost = self._costs[key]
        embedded = isinstance(layer, EmbeddingLayer)
        quality = self.quality.layer(
            layer, weights, None if embedded else activations, rotation=rotation, clipping=clipping
        )
        out = self._metrics(cost or Cost())
        channel_bits = (cost.weight_bits - layer.biases * PLAIN_BITS) if cost else 0.0
        return {**quality, **out, "stored_bits": channel_bits, "unmultiplied": float(cost is None)}

    def _product(self, layer: Layer) -> dict[str, float]:
        """Return metrics of a layer without weights, which has no choice: of 16 bits where there are any."""
        offered = self.device.tera_macs
        plain = next((item for item in ("bf16", "fp16", "fp32", "int8") if item in offered), min(offered))
        cost = layer_cost(layer, self.workload, self.device, self.use, plain, plain)
        assert cost is not None
        return self._metrics(cost)

    def _attention(self, layer: AttentionLayer, form: str) -> dict[str, float]:
        key = (_shape(layer), form)
        if key not in self._costs:
            self._costs[key] = attention_cost(layer, self.workload, self.device, self.use, form)
        cost = self._costs[key]
        assert cost is not None
        return {**self.quality.cache(layer, form), **self._metrics(cost)}

    def _metrics(self, cost: Cost) -> dict[str, float]:
        image = self.workload.unit == "image"
        shared = {
            "size_mib": cost.weight_bits / MIB,
            "gbops": cost.bops * 1e-9,
            "energy_mj": cost.step_j * 1e3 / self.use.batch,
        }
        if image:
            return {**shared, "latency_ms": cost.step_s * 1e3 / self.use.batch}
        return {
            **shared,
            "decode_ms": cost.step_s * 1e3,
            "prefill_ms": cost.prefill_s * 1e3,
            "cache_mib": cost.cache_bits / MIB,
            "memory_mib": (cost.weight_bits + cost.cache_bits) / MIB,
        }


def legal_pairs(
    device: Processor, weights: Sequence[str], activations: Sequence[str], *, native: bool = False
) -> set[tuple[str, str]]:
    """Return the pairs of formats (weights, activations) that a device multiplies.

    Parameters
    ----------
    native
        Only those whose weights go into the multipliers as they are stored.

    Raises
    ------
    ProblemError
        If there is none.
    """
    found = set()
    for one, other in product(weights, activations):
        way = multiplication(device, one, other)
        if way is not None and (way.native or not native):
            found.add((one, other))
    if not found:
        raise ProblemError(
            f"{device.name} multiplies no pair of weights {', '.join(weights)} and activations "
            f"{', '.join(activations)}{' natively' if native else ''}; its multipliers take "
            f"{', '.join(device.tera_macs)}"
        )
    return found


def _shape(layer: Layer) -> tuple[Any, ...]:
    return (type(layer).__name__, *(value for key, value in asdict(layer).items() if key != "name"))


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]
