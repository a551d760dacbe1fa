"""A small network that runs in NumPy, in any formats: what quantization really does to it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dse.errors import ProblemError
from objectives.quantization.quantizers import hadamard, quantize
from objectives.workloads import LinearLayer, Workload

Floats = NDArray[np.float64]


class Choice(NamedTuple):
    """The formats of a layer; None leaves weights or activations as they are."""

    weights: str | None = None
    activations: str | None = None
    rotation: bool = False
    clipping: bool = False


PLAIN = Choice()


@dataclass(frozen=True)
class Dense:
    """A linear layer: its name, weights (outputs, inputs) and biases (outputs,)."""

    name: str
    weights: Floats
    biases: Floats

    def __post_init__(self) -> None:
        if self.weights.ndim != 2 or self.biases.shape != (len(self.weights),):
            raise ProblemError(
                f"layer {self.name!r}: weights have shape {self.weights.shape} and biases "
                f"{self.biases.shape}: "
                "(outputs, inputs) and (outputs,) are needed"
            )


@dataclass(frozen=True)
class Network:
    """Linear layers with rectified outputs between them; the last gives logits.

    Attributes
    ----------
    name
        Of the workload.
    layers
        In order.
    source
        Where the weights are from.
    """

    name: str
    layers: Sequence[Dense]
    source: str
    _held: dict[tuple[str, str, bool, bool], Floats] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        for one, other in zip(self.layers[:-1], self.layers[1:], strict=True):
            if len(one.weights) != other.weights.shape[1]:
                raise ProblemError(
                    f"layer {one.name!r} has {len(one.weights)} outputs, {other.name!r} takes "
                    f"{other.weights.shape[1]}"
                )

    @property
    def fingerprint(self) -> str:
        """A hash of its weights."""
        digest = hashlib.sha256()
        for layer in self.layers:
            digest.update(layer.name.encode())
            digest.update(np.ascontiguousarray(layer.weights).tobytes())
            digest.update(np.ascontiguousarray(layer.biases).tobytes())
        return digest.hexdigest()[:16]

    @property
    def workload(self) -> Workload:
        """Its layers as a workload."""
        layers = tuple(
            LinearLayer(layer.name, layer.weights.shape[1], len(layer.weights), bias=True)
            for layer in self.layers
        )
        return Workload(self.name, layers, self.source, "fp32", "image")

    def logits(self, inputs: Floats, choices: Mapping[str, Choice] | None = None) -> Floats:
        """Return logits (images, classes) of inputs (images, features).

        Parameters
        ----------
        choices
            Formats by layer; layers that are not named stay in FP64. Scales of activations are of each image.
        """
        held = inputs
        for place, layer in enumerate(self.layers):
            choice = (choices or {}).get(layer.name, PLAIN)
            weights = self._weights(layer, choice)
            if choice.rotation:
                held = held @ hadamard(held.shape[1])
            if choice.activations is not None:
                held = quantize(held, choice.activations, clipping=choice.clipping)
            held = held @ weights.T + layer.biases
            if place + 1 < len(self.layers):
                held = np.maximum(held, 0.0)
        return held

    def _weights(self, layer: Dense, choice: Choice) -> Floats:
        key = (layer.name, choice.weights or "", choice.rotation, choice.clipping)
        if key not in self._held:
            weights = layer.weights
            if choice.rotation:
                weights = weights @ hadamard(weights.shape[1])
            if choice.weights is not None:
                weights = quantize(weights, choice.weights, clipping=choice.clipping)
            self._held[key] = weights
        return self._held[key]


def probabilities(logits: Floats) -> Floats:
    """Return the softmax of logits (..., classes) over the last axis."""
    exponent = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(exponent / exponent.sum(-1, keepdims=True))


def accuracy(logits: Floats, labels: NDArray[np.int64]) -> Floats:
    """Return the share of labels that logits (..., images, classes) give, an array (...)."""
    return np.asarray((logits.argmax(-1) == labels).mean(-1))


def cross_entropy(logits: Floats, labels: NDArray[np.int64]) -> Floats:
    """Return the mean cross-entropy in nats of logits (..., images, classes), an array (...)."""
    shifted = logits - logits.max(-1, keepdims=True)
    chosen = np.take_along_axis(shifted, np.broadcast_to(labels, shifted.shape[:-1])[..., None], -1)[..., 0]
    return np.asarray((np.log(np.exp(shifted).sum(-1)) - chosen).mean(-1))
