"""Shapes that an ONNX graph computes, worked out: exporters leave them as nodes that the inference skips."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import onnx

# Larger values are no shapes.
_MOST = 1024
# Broadcasting makes results of at most as many elements as the inputs' sizes multiplied.
_MOST_BROADCAST = 2**22
_FOLDED = {
    *("Add", "Cast", "Ceil", "Concat", "Div", "Equal", "Floor", "Gather", "Greater", "Less", "Max", "Min"),
    *("Mod", "Mul", "Neg", "Not", "Pow", "ReduceProd", "Reshape", "Slice", "Split", "Sqrt", "Squeeze", "Sub"),
    *("Transpose", "Unsqueeze", "Where"),
}
_WHOLE = ("int32", "int64", "bool")


def fold(model: onnx.ModelProto, shapes: Mapping[str, tuple[int, ...]], folded: set[str]) -> bool:
    """Replace the nodes whose results are known by initialisers; return whether there were any.

    Weights are left alone: of initialisers only whole numbers are taken, of constants also single numbers.
    The names of the new initialisers are added to ``folded``.
    """
    import onnx
    import onnx.numpy_helper

    graph = model.graph
    values = dict(_known(graph, folded))
    kept, found = [], []
    for node in graph.node:
        results = _results(node, values, shapes, list(model.opset_import))
        if results is None:
            kept.append(onnx.NodeProto.FromString(node.SerializeToString()))
            continue
        for name, value in zip(node.output, results, strict=True):
            values[name] = value
            found.append(onnx.numpy_helper.from_array(value, name))
    if found:
        del graph.node[:]
        graph.node.extend(kept)
        graph.initializer.extend(found)
        folded.update(tensor.name for tensor in found)
    return bool(found)


def _known(graph: onnx.GraphProto, folded: set[str]) -> Iterator[tuple[str, Any]]:
    import onnx.numpy_helper

    for tensor in graph.initializer:
        whole = tensor.data_type in (onnx.TensorProto.INT32, onnx.TensorProto.INT64, onnx.TensorProto.BOOL)
        if not tensor.external_data and (whole or tensor.name in folded):
            yield tensor.name, onnx.numpy_helper.to_array(tensor)
    for node in graph.node:
        if node.op_type != "Constant" or len(node.output) != 1:
            continue
        for attribute in node.attribute:
            if attribute.name == "value" and not attribute.t.external_data:
                if np.prod([float(size) for size in attribute.t.dims]) > _MOST:
                    continue
                value = onnx.numpy_helper.to_array(attribute.t)
                if value.size == 1 or value.dtype.name in _WHOLE:
                    yield node.output[0], value
            elif attribute.name in ("value_int", "value_ints"):
                stated = attribute.i if attribute.name == "value_int" else list(attribute.ints)
                yield node.output[0], np.array(stated, np.int64)
            elif attribute.name == "value_float":
                yield node.output[0], np.array(attribute.f, np.float32)


def _results(
    node: onnx.NodeProto,
    values: Mapping[str, Any],
    shapes: Mapping[str, tuple[int, ...]],
    opsets: list[Any],
) -> list[Any] | None:
    """Return what a node gives; None where that is unknown, large or not a shape's concern."""
    if node.domain not in ("", "ai.onnx") or not node.input:
        return None
    if node.op_type == "Shape" and node.input[0] in shapes:
        bounds = {attribute.name: attribute.i for attribute in node.attribute}
        shape = shapes[node.input[0]][bounds.get("start", 0) : bounds.get("end")]
        return [np.array(shape, np.int64)]
    if not all(name in values for name in node.input if name):
        return None
    if node.op_type == "ConstantOfShape":
        # The one whose result may be larger than its input.
        if np.prod(values[node.input[0]].astype(float)) > _MOST:
            return None
    elif node.op_type not in _FOLDED:
        return None
    from onnx.reference import ReferenceEvaluator

    given = {name: values[name] for name in node.input if name}
    if np.prod([float(max(1, value.size)) for value in given.values()]) > _MOST_BROADCAST:
        return None
    try:
        # The default opsets where a file states none that the evaluator knows.
        run = ReferenceEvaluator(node, opsets={item.domain: item.version for item in opsets})
        results = [np.asarray(item) for item in run.run(None, given)]
    except Exception:
        # It is the inference's to say what is wrong with a node.
        return None
    return results if all(item.size <= _MOST for item in results) else None
