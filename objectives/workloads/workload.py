"""A network as the shapes of its layers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dse.errors import ProblemError

WEIGHT_FORMATS = ("ternary", "int2", "int3", "int4", "bf16")


@dataclass(frozen=True)
class LinearLayer:
    """``count`` matrices of weights of the same shape, each applied to one vector a token.

    Attributes
    ----------
    name
        For people.
    inputs, outputs
        Features in (K, the summed dimension) and out (N).
    count
        How often the layer occurs in the network.
    """

    name: str
    inputs: int
    outputs: int
    count: int = 1

    def __post_init__(self) -> None:
        for label in ("inputs", "outputs", "count"):
            value = getattr(self, label)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ProblemError(
                    f"layer {self.name!r}: {label}={value!r} must be a whole number, 1 or more"
                )


@dataclass(frozen=True)
class Workload:
    """The linear layers of a network, where their shapes are from, and the format of their weights.

    Attributes
    ----------
    weight_format
        ternary, int2, int3, int4 or bf16.
    heads
        Heads of queries, heads of keys and values, and elements of a head; None where there is no attention.
    """

    name: str
    layers: tuple[LinearLayer, ...]
    source: str
    weight_format: str = "ternary"
    heads: tuple[int, int, int] | None = None

    def __post_init__(self) -> None:
        if not self.layers:
            raise ProblemError(f"workload {self.name!r} has no layer")
        if self.weight_format not in WEIGHT_FORMATS:
            raise ProblemError(
                f"workload {self.name!r}: weight_format={self.weight_format!r} is unknown; known are "
                f"{', '.join(WEIGHT_FORMATS)}"
            )

    @property
    def weights(self) -> int:
        """The number of weights, which is that of multiply-accumulates a token."""
        return sum(layer.inputs * layer.outputs * layer.count for layer in self.layers)

    @property
    def shapes(self) -> NDArray[np.int64]:
        """A matrix (layers, 3) of inputs, outputs and count."""
        return np.array([(layer.inputs, layer.outputs, layer.count) for layer in self.layers], np.int64)
