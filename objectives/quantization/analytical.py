"""Quality without data: noise by the definitions of formats, weighted by the sensitivity of layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from objectives.quantization.formats import number_format
from objectives.quantization.noise import relative_noise
from objectives.workloads import (
    AttentionLayer,
    ConvolutionLayer,
    EmbeddingLayer,
    Layer,
    LinearLayer,
    Workload,
)


@dataclass(frozen=True)
class AnalyticalQuality:
    """The mean over layers of the noise of their outputs relative to the outputs, by definition of formats.

    Attributes
    ----------
    workload
        The network.
    weight_crest, activation_crest
        Largest magnitude over root mean square of what shares a scale of a channel or tensor; None where
        values are normal. A group of a few elements has at most what its size allows, the root of it.
    sensitivity
        Weights of layers by name in the mean; 1 for those that are not named.

    Notes
    -----
    Weights and activations are normal but for their crest factors, and their errors independent: an output's
    relative noise is w + a + w a, of that of its weights and its activations. Errors of layers are taken to
    add up. Rotation makes activations normal, clipping finds the scale of least noise.
    """

    workload: Workload
    weight_crest: float | None = None
    activation_crest: float | None = None
    sensitivity: Mapping[str, float] = field(default_factory=dict)

    metrics = {"noise": ""}  # noqa: RUF012

    @property
    def identity(self) -> Mapping[str, Any]:
        """What results depend on."""
        return {
            "kind": "analytical",
            "weight_crest": self.weight_crest,
            "activation_crest": self.activation_crest,
            "sensitivity": dict(self.sensitivity),
        }

    def layer(
        self, layer: Layer, weights: str, activations: str | None, *, rotation: bool, clipping: bool
    ) -> Mapping[str, float]:
        share = self.share(layer)
        own = _noise(weights, None if rotation else self.weight_crest, _sharing(layer)[0], clipping)
        if activations is None:
            return {"noise": share * own}
        other = self.activation_noise(layer, activations, rotation=rotation, clipping=clipping)
        return {"noise": share * (own + other + own * other)}

    def activation_noise(self, layer: Layer, form: str, *, rotation: bool, clipping: bool) -> float:
        """Return the noise of a layer's inputs in a format, over their power."""
        return _noise(form, None if rotation else self.activation_crest, _sharing(layer)[1], clipping)

    def cache(self, layer: AttentionLayer, form: str) -> Mapping[str, float]:
        # Keys and values each add theirs; heads are rotated by position, no crest is assumed.
        return {"noise": self.share(layer) * 2 * _noise(form, None, layer.head_size, False)}

    def share(self, layer: Layer) -> float:
        """Return the weight of a layer in the mean."""
        return self.sensitivity.get(layer.name, 1.0) / self._total

    @cached_property
    def _total(self) -> float:
        # What has no format does not count: products of activations, attention without a cache.
        return sum(
            self.sensitivity.get(item.name, 1.0)
            for item in self.workload.layers
            if item.weights or getattr(item, "tied", False) or getattr(item, "cached", 0)
        )


def _noise(name: str, crest: float | None, channel: int, clipping: bool) -> float:
    form = number_format(name)
    if crest is not None and isinstance(form.shared, int):
        # The largest of n values is at most the root of n above their root mean square.
        crest = min(crest, form.shared**0.5)
    return relative_noise(name, crest=crest, elements=channel, clipping=clipping)


def _sharing(layer: Layer) -> tuple[int, int]:
    """Return the weights of an output's channel, and the activations that share a scale."""
    if isinstance(layer, LinearLayer):
        return layer.inputs, layer.inputs
    if isinstance(layer, ConvolutionLayer):
        return layer.weights // layer.filters, layer.inputs_moved
    if isinstance(layer, EmbeddingLayer):
        return layer.width, layer.width
    return 1, 1
