"""A network as its layers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from dse.errors import ProblemError
from objectives.workloads.layers import AttentionLayer, Layer, LinearLayer

WEIGHT_FORMATS = ("ternary", "int2", "int3", "int4", "int8", "fp8", "bf16", "fp16", "fp32")
UNITS = ("token", "image")
HEAD = "head"

_Layer = TypeVar("_Layer", bound=Layer)


@dataclass(frozen=True)
class Workload:
    """The layers of a network, where their shapes are from, and the format of its weights.

    Attributes
    ----------
    layers
        In order. The output's projection to a vocabulary is a linear layer of the name ``head``.
    source
        Where this is from.
    weight_format
        As it is published: ternary, int2, int3, int4, int8, fp8, bf16, fp16 or fp32.
    unit
        What one pass is for: ``token`` of a language model, ``image`` of a network for vision.
    other_parameters
        Parameters outside of `layers`: norms, positions, scales.
    """

    name: str
    layers: tuple[Layer, ...]
    source: str
    weight_format: str = "ternary"
    unit: str = "token"
    other_parameters: int = 0

    def __post_init__(self) -> None:
        if not self.layers:
            raise ProblemError(f"workload {self.name!r} has no layer")
        if self.weight_format not in WEIGHT_FORMATS:
            raise ProblemError(
                f"workload {self.name!r}: weight_format={self.weight_format!r} is unknown; known are "
                f"{', '.join(WEIGHT_FORMATS)}"
            )
        if self.unit not in UNITS:
            raise ProblemError(
                f"workload {self.name!r}: unit={self.unit!r} is unknown; known are {', '.join(UNITS)}"
            )
        names = [layer.name for layer in self.layers]
        twice = [name for name, times in Counter(names).items() if times > 1]
        if twice:
            raise ProblemError(f"workload {self.name!r}: two layers have the name {twice[0]!r}: rename one")

    def of(self, kind: type[_Layer]) -> tuple[_Layer, ...]:
        """Return the layers of a class."""
        return tuple(layer for layer in self.layers if isinstance(layer, kind))

    @property
    def parameters(self) -> int:
        """All parameters."""
        return self.other_parameters + sum(layer.weights + layer.biases for layer in self.layers)

    @property
    def active_parameters(self) -> int:
        """The parameters that a token or an image meets: all but those of experts that are not chosen."""
        idle = sum((layer.count - layer.applied) * layer.size for layer in self.of(LinearLayer))
        return self.parameters - idle

    def macs(self, context: int = 0) -> int:
        """Return the multiply-accumulates of a token over so many keys, or of an image."""
        return sum(layer.macs(context) for layer in self.layers)

    @property
    def cached(self) -> int:
        """Elements of keys and values that a token adds to the cache."""
        return sum(layer.cached for layer in self.of(AttentionLayer))

    @property
    def blocks(self) -> int:
        """Blocks that layers are in; 0 where there are none."""
        return 1 + max((layer.block for layer in self.layers if layer.block is not None), default=-1)

    @cached_property
    def matrices(self) -> tuple[LinearLayer, ...]:
        """The linear layers but the output's projection, those of one kind and shape merged into one."""
        return merged(layer for layer in self.of(LinearLayer) if layer.kind != HEAD)

    @property
    def heads(self) -> tuple[int, int, int] | None:
        """Heads of queries, heads of keys and values, and elements of a head, of the first attention."""
        attention = self.of(AttentionLayer)
        return (attention[0].heads, attention[0].kv_heads, attention[0].head_size) if attention else None

    @property
    def weights(self) -> int:
        """The number of weights of `matrices`."""
        return sum(layer.weights for layer in self.matrices)

    @property
    def shapes(self) -> NDArray[np.int64]:
        """A matrix (matrices, 3) of inputs, outputs and count of `matrices`."""
        return np.array([(layer.inputs, layer.outputs, layer.count) for layer in self.matrices], np.int64)


def merged(layers: Iterable[LinearLayer]) -> tuple[LinearLayer, ...]:
    """Return linear layers with those of one kind and shape as one of a greater count, in order."""
    found: dict[LinearLayer, list[LinearLayer]] = {}
    for layer in layers:
        found.setdefault(replace(layer, name=layer.kind, count=1, active=None), []).append(layer)
    together = []
    for shape, same in found.items():
        count, active = sum(layer.count for layer in same), sum(layer.applied for layer in same)
        together.append(replace(shape, count=count, active=None if active == count else active))
    return tuple(together)
