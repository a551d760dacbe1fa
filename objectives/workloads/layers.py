"""The kinds of layer: what each holds and what it computes, for one token or one image."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

from dse.errors import ProblemError


@dataclass(frozen=True)
class Layer:
    """What all kinds share.

    Attributes
    ----------
    name
        Unlike any other of its workload. ``block3.attention.query`` is the layer of kind
        ``attention.query`` in block 3; a name without a block is its own kind.
    """

    name: str

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise ProblemError(f"layer {self.name!r}: its name must be text")
        for item in fields(self):
            value = getattr(self, item.name)
            whole = isinstance(value, int) and not isinstance(value, bool)
            if item.type == "int" and not (whole and value >= 1):
                raise ProblemError(
                    f"layer {self.name!r}: {item.name}={value!r} must be a whole number, 1 or more"
                )

    @cached_property
    def block(self) -> int | None:
        """The block that it is in, from 0; None outside of blocks."""
        head, dot, _ = self.name.partition(".")
        return int(head[5:]) if dot and head.startswith("block") and head[5:].isdigit() else None

    @property
    def kind(self) -> str:
        """Its name without the block."""
        return self.name if self.block is None else self.name.partition(".")[2]

    @property
    def weights(self) -> int:
        """Elements of its weights: what a weight's format applies to."""
        return 0

    @property
    def biases(self) -> int:
        """Elements of its biases."""
        return 0

    @property
    def inputs_moved(self) -> int:
        """Elements of activations that it reads."""
        return 0

    @property
    def outputs_moved(self) -> int:
        """Elements of activations that it writes."""
        return 0

    def macs(self, context: int = 0) -> int:
        """Return its multiply-accumulates, for autoregressive attention over so many keys."""
        return 0


@dataclass(frozen=True)
class LinearLayer(Layer):
    """``count`` matrices of weights of the same shape, applied to ``rows`` vectors each.

    Attributes
    ----------
    inputs, outputs
        Features in (K, the summed dimension) and out (N).
    count
        Matrices of this shape.
    rows
        Vectors that go through each of them: 1 a token, the patches of an image.
    active
        As many of the matrices are applied (the chosen experts of a mixture); all of them by default.
    bias
        Whether each has ``outputs`` biases.
    tied
        Whether the weights are another layer's, as an embedding's that the output shares.
    """

    inputs: int
    outputs: int
    count: int = 1
    rows: int = 1
    active: int | None = None
    bias: bool = False
    tied: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.active is not None and not 1 <= self.active <= self.count:
            raise ProblemError(
                f"layer {self.name!r}: active={self.active!r} must be between 1 and count={self.count}"
            )

    @property
    def applied(self) -> int:
        """Matrices that are applied."""
        return self.count if self.active is None else self.active

    @property
    def size(self) -> int:
        """Weights and biases of one of the matrices."""
        return (self.weights + self.biases) // self.count

    @property
    def weights(self) -> int:
        return 0 if self.tied else self.inputs * self.outputs * self.count

    @property
    def biases(self) -> int:
        return self.outputs * self.count if self.bias else 0

    @property
    def inputs_moved(self) -> int:
        return self.rows * self.inputs * self.applied

    @property
    def outputs_moved(self) -> int:
        return self.rows * self.outputs * self.applied

    def macs(self, context: int = 0) -> int:
        return self.rows * self.inputs * self.outputs * self.applied


@dataclass(frozen=True)
class ConvolutionLayer(Layer):
    """A 2-D convolution of one image.

    Attributes
    ----------
    channels, filters
        Channels in and out.
    kernel
        Height and width of the filter.
    output
        Height and width of what it gives.
    stride
        Down and right.
    groups
        Each filter sees ``channels / groups`` channels: ``channels`` of them make it depthwise.
    bias
        Whether there is a bias a filter.
    tied
        Whether the weights are another layer's.
    """

    channels: int
    filters: int
    kernel: tuple[int, int]
    output: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    groups: int = 1
    bias: bool = False
    tied: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for label in ("kernel", "output", "stride"):
            value = getattr(self, label)
            if not (isinstance(value, tuple) and len(value) == 2 and all(_positive(item) for item in value)):
                raise ProblemError(f"layer {self.name!r}: {label}={value!r} must be two whole numbers")
        if self.channels % self.groups or self.filters % self.groups:
            raise ProblemError(
                f"layer {self.name!r}: groups={self.groups} must divide channels={self.channels} and "
                f"filters={self.filters}"
            )

    @property
    def taps(self) -> int:
        """Elements of its filters."""
        return self.filters * (self.channels // self.groups) * self.kernel[0] * self.kernel[1]

    @property
    def weights(self) -> int:
        return 0 if self.tied else self.taps

    @property
    def biases(self) -> int:
        return self.filters if self.bias else 0

    @property
    def inputs_moved(self) -> int:
        # As far as strides skip none: what padding adds is not moved.
        height, width = (
            stride * (size - 1) + 1 if kernel < stride else stride * size
            for stride, size, kernel in zip(self.stride, self.output, self.kernel, strict=True)
        )
        return self.channels * height * width

    @property
    def outputs_moved(self) -> int:
        return self.filters * self.output[0] * self.output[1]

    def macs(self, context: int = 0) -> int:
        return self.taps * self.output[0] * self.output[1]


@dataclass(frozen=True)
class AttentionLayer(Layer):
    """Scaled dot-product attention: queries by keys, and the result by values. It has no weights.

    Attributes
    ----------
    heads, kv_heads
        Heads of queries, and of keys and values.
    head_size
        Elements of a head.
    rows
        Queries: 1 a token, the patches of an image.
    keys
        Keys that each query sees: the patches of an image. None where they grow with the context, and are
        kept in a cache.
    window
        Most keys of the context that a query sees; None where it sees them all.
    """

    heads: int
    kv_heads: int
    head_size: int
    rows: int = 1
    keys: int | None = None
    window: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for label in ("keys", "window"):
            if getattr(self, label) is not None and not _positive(getattr(self, label)):
                raise ProblemError(
                    f"layer {self.name!r}: {label}={getattr(self, label)!r} must be a whole number, 1 or more"
                )
        if self.heads % self.kv_heads:
            raise ProblemError(
                f"layer {self.name!r}: heads={self.heads} is no multiple of kv_heads={self.kv_heads}"
            )

    def seen(self, context: int) -> int:
        """Return the keys that a query sees."""
        if self.keys is not None:
            return self.keys
        return context if self.window is None else min(context, self.window)

    @property
    def cached(self) -> int:
        """Elements of keys and values that a token adds to the cache."""
        return 2 * self.kv_heads * self.head_size if self.keys is None else 0

    @property
    def inputs_moved(self) -> int:
        return self.rows * self.heads * self.head_size

    @property
    def outputs_moved(self) -> int:
        return self.rows * self.heads * self.head_size

    def macs(self, context: int = 0) -> int:
        return 2 * self.rows * self.heads * self.head_size * self.seen(context)


@dataclass(frozen=True)
class EmbeddingLayer(Layer):
    """A table of vectors, one of which is read a token.

    Attributes
    ----------
    entries, width
        Vectors, and the elements of each.
    """

    entries: int
    width: int

    @property
    def weights(self) -> int:
        return self.entries * self.width

    @property
    def outputs_moved(self) -> int:
        return self.width


@dataclass(frozen=True)
class ProductLayer(Layer):
    """``count`` products of two matrices that are both activations. It has no weights.

    Attributes
    ----------
    rows, inputs, outputs
        The left matrix is ``rows`` by ``inputs``, the right one ``inputs`` by ``outputs``.
    count
        Products of this shape, as many as heads in attention.
    """

    rows: int
    inputs: int
    outputs: int
    count: int = 1

    @property
    def inputs_moved(self) -> int:
        return self.count * self.inputs * (self.rows + self.outputs)

    @property
    def outputs_moved(self) -> int:
        return self.count * self.rows * self.outputs

    def macs(self, context: int = 0) -> int:
        return self.count * self.rows * self.inputs * self.outputs


def _positive(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
