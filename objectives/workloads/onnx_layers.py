"""Layers from the nodes of an ONNX graph."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dse.errors import ProblemError
from objectives.workloads.layers import ConvolutionLayer, EmbeddingLayer, Layer, LinearLayer, ProductLayer
from objectives.workloads.onnx_graph import Graph, label

if TYPE_CHECKING:
    import onnx

_FORMATS = {
    "FLOAT": "fp32",
    "FLOAT16": "fp16",
    "BFLOAT16": "bf16",
    "INT8": "int8",
    "UINT8": "int8",
    "INT4": "int4",
    "UINT4": "int4",
    "INT2": "int2",
    "UINT2": "int2",
    "FLOAT8E4M3FN": "fp8",
    "FLOAT8E4M3FNUZ": "fp8",
    "FLOAT8E5M2": "fp8",
    "FLOAT8E5M2FNUZ": "fp8",
}
# Inputs that are trained parameters where they are initialisers. A batch normalisation's mean and variance
# are measured, not trained.
_NORMS: dict[str, tuple[int, ...]] = {
    "BatchNormalization": (1, 2),
    "GroupNormalization": (1, 2),
    "InstanceNormalization": (1, 2),
    "LayerNormalization": (1, 2),
    "PRelu": (1,),
    "RMSNormalization": (1,),
}
_ELEMENTWISE = {"Add", "Concat", "Div", "Expand", "Mul", "Sub", "Tile"}
# They multiply matrices in a way that is not counted here.
_UNREAD = {"Attention", "ConvTranspose", "DeformConv", "Einsum", "GRU", "LSTM", "RNN"}
# Data, weight and bias among the inputs.
_CONVOLUTIONS = {"Conv": (0, 1, 2), "ConvInteger": (0, 1, 99), "QLinearConv": (0, 3, 8)}
_MATRICES = {"MatMul": (0, 1), "MatMulInteger": (0, 1), "QLinearMatMul": (0, 3)}


class LayerReader:
    """Goes through a graph's nodes once, in order.

    Attributes
    ----------
    layers
        What was found.
    initialisers
        The name of the initialiser that holds each layer's weights.
    other_parameters
        Elements of trained parameters outside of the layers.
    """

    def __init__(self, graph: Graph) -> None:
        self.layers: list[Layer] = []
        self.initialisers: dict[str, str] = {}
        self.other_parameters = 0
        self._graph = graph
        self._counted: set[str] = set()
        self._names: Counter[str] = Counter()
        self._taken: set[str] = set()
        self._formats: Counter[str] = Counter()
        for node in graph.nodes:
            self._read(node)

    @property
    def weight_format(self) -> str:
        """The format that most weights have."""
        if not self._formats:
            return "fp32"
        kind = self._formats.most_common(1)[0][0]
        if kind not in _FORMATS:
            raise ProblemError(
                f"{self._graph.at}: weights of type {kind} are not read; known are {', '.join(_FORMATS)}"
            )
        return _FORMATS[kind]

    def _read(self, node: onnx.NodeProto) -> None:
        kind = node.op_type
        standard = node.domain in ("", "ai.onnx")
        if not node.output:
            self._refuse(node, "it gives nothing: export it anew")
        if _holds_matrices(node):
            self._refuse(node, "the layers within it are not read: export with it unrolled")
        if not standard or kind in _UNREAD:
            self._unread(node, always=standard)
        elif kind in _CONVOLUTIONS:
            self._convolution(node, *_CONVOLUTIONS[kind])
        elif kind in _MATRICES:
            self._product(node, *(self._input(node, index) for index in _MATRICES[kind]))
        elif kind == "Gemm":
            self._gemm(node)
        elif kind == "Gather":
            self._gather(node)
        elif kind in _NORMS:
            for index in _NORMS[kind]:
                self._parameter(node, index, least=1)
        elif kind in _ELEMENTWISE:
            for index in range(len(node.input)):
                # A single number is a factor of the formula.
                self._parameter(node, index, least=2)

    def _unread(self, node: onnx.NodeProto, always: bool) -> None:
        for index, name in enumerate(node.input):
            weight = self._graph.weight(name)
            if always or (weight is not None and len(self._graph.tensors[weight].shape) > 1):
                self._refuse(node, "this kind of node is not read: export without it")
            self._parameter(node, index, least=2)

    def _convolution(self, node: onnx.NodeProto, _: int, weight_at: int, bias_at: int) -> None:
        weight = self._weight_of(node, weight_at)
        sizes = self._graph.shape(node.input[weight_at], node)
        output = self._graph.shape(node.output[0], node)
        if len(sizes) not in (3, 4) or len(output) != len(sizes):
            self._refuse(node, f"a filter of shape {sizes} is not read: only 1-D and 2-D convolutions are")
        groups = _attribute(node, "group", 1)
        strides = tuple(_attribute(node, "strides", [1] * (len(sizes) - 2)))
        if not isinstance(groups, int) or len(strides) != len(sizes) - 2:
            self._refuse(node, f"group={groups!r} or strides={strides!r} do not fit: export it anew")
        across = (1,) if len(sizes) == 3 else ()
        kernel, stride, plane = across + sizes[2:], across + strides, across + output[2:]
        self._add(
            node,
            weight,
            lambda name, tied: ConvolutionLayer(
                name,
                channels=sizes[1] * groups,
                filters=sizes[0],
                kernel=(kernel[0], kernel[1]),
                # Images that earlier nodes folded into the batch are so many more rows.
                output=(output[0] * plane[0], plane[1]),
                stride=(stride[0], stride[1]),
                groups=groups,
                bias=self._bias(node, bias_at, sizes[0]),
                tied=tied,
            ),
        )

    def _gemm(self, node: onnx.NodeProto) -> None:
        left, right = self._input(node, 0), self._input(node, 1)
        a, b = self._graph.shape(left, node), self._graph.shape(right, node)
        if len(a) != 2 or len(b) != 2:
            self._refuse(node, f"shapes {a} and {b} are not those of matrices: export it anew")
        rows, inputs = a[::-1] if _attribute(node, "transA", 0) else a
        outputs = b[0] if _attribute(node, "transB", 0) else b[1]
        if (weight := self._graph.weight(right)) is not None:
            self._linear(node, weight, rows, inputs, outputs, bias_at=2)
        elif (weight := self._graph.weight(left)) is not None:
            self._linear(node, weight, outputs, inputs, rows)
            self._parameter(node, 2, least=2)
        else:
            self._append(ProductLayer(self._name(node), rows, inputs, outputs))
            self._parameter(node, 2, least=2)

    def _product(self, node: onnx.NodeProto, left: str, right: str) -> None:
        a, b = self._graph.shape(left, node), self._graph.shape(right, node)
        if not a or not b:
            self._refuse(node, "it has no dimension to sum over: export it anew")
        # A vector on the left is a row, one on the right a column.
        a, b = (1, *a) if len(a) == 1 else a, (*b, 1) if len(b) == 1 else b
        rows, inputs, outputs = a[-2], a[-1], b[-1]
        if b[-2] != inputs:
            self._refuse(node, f"shapes {a} and {b} do not go together: export it anew")
        if (weight := self._graph.weight(right)) is not None:
            count = math.prod(b[:-2])
            if count > 1 and a[:-2] != b[:-2] and math.prod(a[:-2]) != 1:
                self._refuse(node, f"shapes {a} and {b} are not read: only a matrix of weights for each is")
            each = rows if count > 1 else rows * math.prod(a[:-2])
            self._linear(node, weight, each, inputs, outputs, count)
        elif (weight := self._graph.weight(left)) is not None and len(a) == 2:
            self._linear(node, weight, outputs * math.prod(b[:-2]), inputs, rows)
        else:
            wide, narrow = (a[:-2], b[:-2]) if len(a) >= len(b) else (b[:-2], a[:-2])
            padded = (1,) * (len(wide) - len(narrow)) + narrow
            count = math.prod(max(pair) for pair in zip(wide, padded, strict=True))
            self._append(ProductLayer(self._name(node), rows, inputs, outputs, count))

    def _linear(
        self,
        node: onnx.NodeProto,
        weight: str,
        rows: int,
        inputs: int,
        outputs: int,
        count: int = 1,
        bias_at: int | None = None,
    ) -> None:
        def build(name: str, tied: bool) -> LinearLayer:
            if bias_at is not None:
                bias = self._bias(node, bias_at, outputs)
            else:
                bias = count == 1 and self._added(node, outputs)
            return LinearLayer(name, inputs, outputs, count, rows, bias=bias, tied=tied)

        self._add(node, weight, build)

    def _gather(self, node: onnx.NodeProto) -> None:
        table = self._graph.weight(self._input(node, 0))
        if table is None or not self._graph.tensors[table].floating:
            return
        shape = self._graph.tensors[table].shape
        fixed = self._graph.weight(self._input(node, 1)) is not None
        if fixed or len(shape) != 2 or _attribute(node, "axis", 0) != 0:
            self._parameter(node, 0, least=2)
        elif table not in self._counted:
            self._add(node, table, lambda name, _: EmbeddingLayer(name, shape[0], shape[1]))

    def _add(self, node: onnx.NodeProto, weight: str, build: Callable[[str, bool], Layer]) -> None:
        tensor = self._graph.tensors[weight]
        tied = weight in self._counted
        self._counted.add(weight)
        if not tied:
            self._formats[tensor.kind] += tensor.elements
        name = self._name(node, weight)
        self._append(build(name, tied))
        self.initialisers[name] = weight

    def _append(self, layer: Layer) -> None:
        self.layers.append(layer)

    def _name(self, node: onnx.NodeProto, weight: str = "") -> str:
        """Return the node's name, else that of its weights, made unlike any other."""
        base = node.name or weight.removesuffix(".weight") or node.op_type
        name = base
        while name in self._taken:
            self._names[base] += 1
            name = f"{base}_{self._names[base]}"
        self._taken.add(name)
        return name

    def _bias(self, node: onnx.NodeProto, index: int, outputs: int) -> bool:
        """Return whether an input is a layer's bias; count one of another shape as other parameters."""
        if index >= len(node.input) or not node.input[index]:
            return False
        bias = self._graph.weight(node.input[index])
        if bias is None or bias in self._counted:
            return False
        if self._graph.tensors[bias].elements != outputs:
            self._parameter(node, index, least=1)
            return False
        self._counted.add(bias)
        return True

    def _added(self, node: onnx.NodeProto, outputs: int) -> bool:
        """Return whether the next node alone takes the result, and adds a bias to it."""
        users = self._graph.consumers.get(node.output[0], [])
        if len(users) != 1 or users[0].op_type != "Add" or len(users[0].input) != 2:
            return False
        other = users[0].input[1 if users[0].input[0] == node.output[0] else 0]
        bias = self._graph.weight(other)
        if bias is None or bias in self._counted or self._graph.tensors[bias].shape != (outputs,):
            return False
        self._counted.add(bias)
        return True

    def _parameter(self, node: onnx.NodeProto, index: int, least: int) -> None:
        if index >= len(node.input):
            return
        name = self._graph.weight(node.input[index])
        if name is None or name in self._counted:
            return
        tensor = self._graph.tensors[name]
        if tensor.floating and not tensor.constant and tensor.elements >= least:
            self._counted.add(name)
            self.other_parameters += tensor.elements

    def _weight_of(self, node: onnx.NodeProto, index: int) -> str:
        weight = self._graph.weight(self._input(node, index))
        if weight is None:
            raise self._error(node, "its weights are computed: export with initialisers")
        return weight

    def _input(self, node: onnx.NodeProto, index: int) -> str:
        if index >= len(node.input) or not node.input[index]:
            raise self._error(node, f"input {index} is missing: export it anew")
        return str(node.input[index])

    def _refuse(self, node: onnx.NodeProto, message: str) -> None:
        raise self._error(node, message)

    def _error(self, node: onnx.NodeProto, message: str) -> ProblemError:
        return ProblemError(f"{self._graph.at}: {label(node)}: {message}")


def _holds_matrices(node: onnx.NodeProto) -> bool:
    """Return whether a node's bodies (of a loop, of a branch) hold what would be a layer."""
    layered = {*_CONVOLUTIONS, *_MATRICES, *_UNREAD, "Gemm"}
    bodies = [body for attribute in node.attribute for body in (attribute.g, *attribute.graphs)]
    return any(inner.op_type in layered or _holds_matrices(inner) for body in bodies for inner in body.node)


def _attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    """Return a whole number or a list of them; the default where the attribute is missing."""
    for attribute in node.attribute:
        if attribute.name == name:
            return list(attribute.ints) if isinstance(default, list) else int(attribute.i)
    return default
