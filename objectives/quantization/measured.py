"""Quality from a user's own weights and inputs: the error of each layer's output, measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.errors import ProblemError
from objectives.quantization.analytical import AnalyticalQuality
from objectives.quantization.quantizers import hadamard, quantize
from objectives.quantization.tensors import Tensors, tensor_names
from objectives.workloads import AttentionLayer, Layer

Floats = NDArray[np.float64]

# Outputs and vectors of a layer that are looked at: the error is a mean over them.
CHANNELS = 64
VECTORS = 64


class MeasuredQuality:
    """The mean over layers of the error of their outputs relative to the outputs, by real quantizers.

    Parameters
    ----------
    analytical
        For sensitivities, caches, and what there is no data for.
    weights
        The network's tensors.
    inputs
        Calibration inputs by layer name, matrices (vectors, inputs); None where there are none: errors of
        activations are then analytical.

    Notes
    -----
    Of 64 outputs and 64 vectors, evenly spread. With inputs X and weights W the error is that of Q(X) Q(W)'
    against X W'; without inputs it is w + a + w a, with w the squared error of the weights over their squares
    and a the analytical noise.
    """

    metrics = {"noise": ""}  # noqa: RUF012

    def __init__(
        self, analytical: AnalyticalQuality, weights: Tensors, inputs: Tensors | None = None
    ) -> None:
        self.analytical = analytical
        self.weights = weights
        self.inputs = inputs
        self._held: dict[str, tuple[Floats, Floats | None]] = {}
        self._quantized: dict[tuple[Any, ...], Floats] = {}

    @property
    def identity(self) -> Mapping[str, Any]:
        """What results depend on: what the files hold, not where they are kept."""
        return {
            **self.analytical.identity,
            "kind": "measured",
            "weights": self.weights.fingerprint,
            "inputs": None if self.inputs is None else self.inputs.fingerprint,
        }

    def layer(
        self, layer: Layer, weights: str, activations: str | None, *, rotation: bool, clipping: bool
    ) -> Mapping[str, float]:
        share = self.analytical.share(layer)
        matrix, inputs = self._tensors(layer)
        held = self._quantize(layer.name, "weights", matrix, weights, rotation, clipping)
        plain = _rotated(matrix) if rotation else matrix
        own = _relative(held, plain)
        if activations is None:
            return {"noise": share * own}
        if inputs is None:
            other = self.analytical.activation_noise(layer, activations, rotation=rotation, clipping=clipping)
            return {"noise": share * (own + other + own * other)}
        seen = self._quantize(layer.name, "inputs", inputs, activations, rotation, clipping)
        exact = (_rotated(inputs) if rotation else inputs) @ plain.T
        return {"noise": share * _relative(seen @ held.T, exact)}

    def cache(self, layer: AttentionLayer, form: str) -> Mapping[str, float]:
        return self.analytical.cache(layer, form)

    def _tensors(self, layer: Layer) -> tuple[Floats, Floats | None]:
        if layer.name not in self._held:
            names = tensor_names(layer, self.weights)
            parts = [self.weights.rows(name, max(1, CHANNELS // len(names))) for name in names]
            if len({part.shape[1] for part in parts}) > 1:
                raise ProblemError(f"{self.weights.source}: {', '.join(names)} differ in their inputs")
            matrix = np.concatenate(parts)
            inputs = None
            if self.inputs is not None and layer.name in self.inputs:
                inputs = self.inputs.rows(layer.name, VECTORS)
                if inputs.shape[1] != matrix.shape[1]:
                    raise ProblemError(
                        f"{self.inputs.source}: inputs of layer {layer.name!r} have {inputs.shape[1]} "
                        f"features, "
                        f"its weights {matrix.shape[1]}"
                    )
            self._held[layer.name] = (matrix, inputs)
        return self._held[layer.name]

    def _quantize(
        self, layer: str, what: str, values: Floats, form: str, rotation: bool, clipping: bool
    ) -> Floats:
        key = (layer, what, form, rotation, clipping)
        if key not in self._quantized:
            turned = _rotated(values) if rotation else values
            self._quantized[key] = quantize(turned, form, clipping=clipping)
        return self._quantized[key]


def _rotated(values: Floats) -> Floats:
    """Return values with their last axis turned by the Hadamard matrix, a block at a time."""
    block = hadamard(values.shape[1] & -values.shape[1])
    return np.asarray((values.reshape(len(values), -1, len(block)) @ block).reshape(values.shape))


def _relative(held: Floats, exact: Floats) -> float:
    power = float(np.square(exact).sum())
    return float(np.square(held - exact).sum()) / power if power > 0 else 0.0
