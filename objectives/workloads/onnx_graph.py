"""The graph of an ONNX file: every tensor's shape, and where weights come from. No weight is loaded."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any

from dse.errors import ProblemError
from objectives.workloads.onnx_folding import fold

if TYPE_CHECKING:
    import onnx

# Larger tensors are weights: what shapes are computed from is smaller.
_SMALL = 1024
# A block of a transformer takes some.
_MOST_PASSES = 1000
# What a weight may go through on its way to a layer.
_PASSED = {
    "Cast",
    "CastLike",
    "DequantizeLinear",
    "Flatten",
    "Identity",
    "QuantizeLinear",
    "Reshape",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
}


@dataclass(frozen=True)
class Tensor:
    """What is known of an initialiser without its data.

    Attributes
    ----------
    shape, kind
        Its dimensions, and its type by ONNX's name, as in FLOAT.
    constant
        Whether it is the value of a Constant node rather than an initialiser.
    """

    shape: tuple[int, ...]
    kind: str
    constant: bool = False

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def floating(self) -> bool:
        """Whether its type is a floating-point one."""
        return "FLOAT" in self.kind or self.kind == "DOUBLE"


@dataclass
class Graph:
    """Nodes in order, the shapes of what they give, and initialisers.

    Attributes
    ----------
    at
        The file, as messages name it.
    """

    at: str
    nodes: list[onnx.NodeProto]
    shapes: dict[str, tuple[int, ...]]
    tensors: dict[str, Tensor]
    producers: dict[str, onnx.NodeProto] = field(default_factory=dict)
    consumers: dict[str, list[onnx.NodeProto]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for node in self.nodes:
            self.producers.update(dict.fromkeys(node.output, node))
            for name in node.input:
                self.consumers.setdefault(name, []).append(node)

    def shape(self, name: str, node: onnx.NodeProto) -> tuple[int, ...]:
        """Return the shape of a tensor that a node takes or gives."""
        if name in self.tensors:
            return self.tensors[name].shape
        if name not in self.shapes:
            raise ProblemError(
                f"{self.at}: {label(node)}: the shape of {name!r} cannot be inferred: give 'sizes', or "
                "export with fixed sizes"
            )
        return self.shapes[name]

    def weight(self, name: str) -> str | None:
        """Return the initialiser that a tensor is but for type and arrangement; None if it is computed."""
        for _ in range(len(self.nodes) + 1):
            if name in self.tensors:
                return name
            node = self.producers.get(name)
            if node is None or node.op_type not in _PASSED or not node.input:
                return None
            name = node.input[0]
        return None


def load_graph(file: Path, sizes: Mapping[str, int], most_bytes: int) -> Graph:
    """Return the graph of an ONNX file for a batch of one.

    Parameters
    ----------
    sizes
        Of symbolic dimensions; ``input[1]`` is the second of an input where it has no name.
    most_bytes
        Largest file that is opened.
    """
    onnx = _onnx()
    try:
        size = file.stat().st_size
    except (OSError, ValueError) as error:
        raise ProblemError(f"{file}: this cannot be read ({error}): give another path") from error
    if size > most_bytes:
        raise ProblemError(f"{file}: this has {size} bytes, more than most_bytes={most_bytes}: raise that")
    # The parser and the inference have exceptions of their own; what they refuse is malformed.
    try:
        model = onnx.load_model(file, format="protobuf", load_external_data=False)
        _check_text(model)
    except Exception as error:
        raise _malformed(file, error) from error
    if not model.graph.node:
        raise ProblemError(f"{file}: this is no ONNX model with nodes: export it anew")
    tensors = dict(_tensors(model.graph, file))
    _strip(model.graph, tensors)
    _fix_sizes(model.graph, tensors, sizes, file)
    try:
        if model.functions:
            model = onnx.inliner.inline_local_functions(model)
        folded: set[str] = set()
        for _ in range(_MOST_PASSES):
            model = onnx.shape_inference.infer_shapes(model, data_prop=True)
            if not fold(model, dict(_shapes(model.graph)), folded):
                break
    except Exception as error:
        raise _malformed(file, error) from error
    # Again for the constants of inlined functions; what was folded is no parameter.
    for name, tensor in _tensors(model.graph, file):
        tensors.setdefault(name, replace(tensor, constant=tensor.constant or name in folded))
    return Graph(str(file), list(model.graph.node), dict(_shapes(model.graph)), tensors)


def _check_text(message: Any) -> None:
    """Raise `UnicodeError` if a text is not UTF-8: the parser leaves such a one as bytes."""
    for kind, value in message.ListFields():
        if kind.message_type is not None:
            for item in value if isinstance(value, Sequence) else (value,):
                _check_text(item)
        elif kind.type == kind.TYPE_STRING:
            for text in (value,) if isinstance(value, str | bytes) else value:
                if isinstance(text, bytes):
                    raise UnicodeError(f"{kind.name} {text!r} is not UTF-8")


def label(node: onnx.NodeProto) -> str:
    """Return how messages name a node."""
    return f"node {node.name or ', '.join(node.output)!r} ({node.op_type})"


def external_path(folder: Path, location: str) -> Path:
    """Return where a model's external data are; raise `ProblemError` if that is outside of its folder."""
    inside = Path(location)
    foreign = PureWindowsPath(location)
    if not location or inside.is_absolute() or foreign.drive or foreign.root or ".." in foreign.parts:
        raise ProblemError(
            f"external data {location!r} must be a path within the model's folder: export it anew"
        )
    # After links are followed.
    try:
        found = (folder / inside).resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise ProblemError(
            f"external data {location!r} is no path ({error}): export the model anew"
        ) from error
    if not found.is_relative_to(folder.resolve()):
        raise ProblemError(f"external data {location!r} leads out of the model's folder: replace the link")
    return found


def _onnx() -> Any:
    try:
        import onnx
        import onnx.inliner
        import onnx.shape_inference
    except ImportError as error:
        raise ProblemError("reading ONNX files needs a package: pip install 'dse-toolkit[onnx]'") from error
    return onnx


def _malformed(file: Path, error: Exception) -> ProblemError:
    why = " ".join(str(error).split())[:200] or type(error).__name__
    return ProblemError(f"{file}: this is no valid ONNX model ({why}): export it anew")


def _tensors(graph: onnx.GraphProto, file: Path) -> Iterator[tuple[str, Tensor]]:
    if graph.sparse_initializer:
        raise ProblemError(f"{file}: sparse initialisers are not read: export dense ones")
    for tensor in graph.initializer:
        yield tensor.name, _tensor(tensor, file)
    for node in graph.node:
        if node.op_type != "Constant" or not node.output:
            continue
        for attribute in node.attribute:
            if attribute.name == "value" and attribute.HasField("t"):
                yield node.output[0], _tensor(attribute.t, file, constant=True)


def _tensor(tensor: onnx.TensorProto, file: Path, constant: bool = False) -> Tensor:
    kinds = tensor.DataType
    for entry in tensor.external_data:
        if entry.key == "location":
            try:
                external_path(file.parent, entry.value)
            except ProblemError as error:
                raise ProblemError(f"{file}: initialiser {tensor.name!r}: {error}") from error
    if tensor.data_type not in kinds.values() or any(size < 0 for size in tensor.dims):
        raise ProblemError(f"{file}: initialiser {tensor.name!r} has no valid type or shape: export it anew")
    return Tensor(tuple(tensor.dims), kinds.Name(tensor.data_type), constant)


def _strip(graph: onnx.GraphProto, tensors: Mapping[str, Tensor]) -> None:
    """Turn large initialisers into inputs: the inference takes 2 GiB at most, and copies."""
    onnx = _onnx()
    kept = [tensor for tensor in graph.initializer if tensors[tensor.name].elements <= _SMALL]
    large = {tensor.name: tensor for tensor in graph.initializer if tensors[tensor.name].elements > _SMALL}
    inputs = {item.name for item in graph.input}
    described = [
        onnx.helper.make_tensor_value_info(name, tensor.data_type, list(tensor.dims))
        for name, tensor in large.items()
        if name not in inputs
    ]
    small = [onnx.TensorProto.FromString(tensor.SerializeToString()) for tensor in kept]
    del graph.initializer[:]
    graph.initializer.extend(small)
    graph.input.extend(described)


def _fix_sizes(
    graph: onnx.GraphProto, tensors: Mapping[str, Tensor], sizes: Mapping[str, int], file: Path
) -> None:
    """Give every dimension of the inputs a number: one for the batch, the first of each."""
    for key, value in sizes.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ProblemError(f"sizes: {key}={value!r} must be a whole number, 1 or more")
    inputs = [item for item in graph.input if item.name not in tensors]
    names: list[str] = []
    missing: list[str] = []
    batch = ""
    for item in inputs:
        for index, dim in enumerate(item.type.tensor_type.shape.dim):
            if dim.dim_value > 0 and not dim.dim_param:
                if index == 0 and item is inputs[0] and dim.dim_value > 1:
                    raise ProblemError(
                        f"{file}: input {item.name!r} has a batch of {dim.dim_value}: export with one of 1"
                    )
                continue
            name = dim.dim_param or f"{item.name}[{index}]"
            batch = batch or (name if index == 0 else "")
            names.append(name)
            if name in sizes:
                dim.dim_value = sizes[name]
            elif index == 0 or name == batch:
                dim.dim_value = 1
            else:
                missing.append(name)
    unknown = [key for key in sizes if key not in names]
    if unknown:
        known = ", ".join(dict.fromkeys(names)) or "none"
        raise ProblemError(f"{file}: sizes: there is no symbolic dimension {unknown[0]!r}; those are {known}")
    if missing:
        raise ProblemError(
            f"{file}: dimension {missing[0]!r} is open: give its size, as in sizes={{{missing[0]!r}: 128}}"
        )
    # What was stated with symbols is inferred anew.
    del graph.value_info[:]
    for output in graph.output:
        output.ClearField("type")


def _shapes(graph: onnx.GraphProto) -> Iterator[tuple[str, tuple[int, ...]]]:
    for item in (*graph.input, *graph.value_info, *graph.output):
        kind = item.type.tensor_type
        if kind.HasField("shape") and all(dim.HasField("dim_value") for dim in kind.shape.dim):
            yield item.name, tuple(dim.dim_value for dim in kind.shape.dim)
