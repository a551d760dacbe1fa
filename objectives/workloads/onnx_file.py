"""Networks from ONNX files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from dse.errors import ProblemError
from objectives.workloads.onnx_graph import load_graph
from objectives.workloads.onnx_layers import LayerReader
from objectives.workloads.workload import Workload

MOST_BYTES = 4 * 2**30


@dataclass(frozen=True)
class OnnxNetwork:
    """A network, and where its weights are.

    Attributes
    ----------
    workload
        Its layers.
    path
        The file.
    initialisers
        The initialiser, or the output of the Constant node, that holds a layer's weights, by the layer's
        name. It may be transposed or quantized there.
    """

    workload: Workload
    path: Path
    initialisers: Mapping[str, str]


def read_onnx(
    path: str | Path,
    *,
    sizes: Mapping[str, int] | None = None,
    unit: str = "image",
    most_bytes: int = MOST_BYTES,
) -> Workload:
    """Return the network of an ONNX file, for a batch of one.

    Convolutions (1-D ones with a height of one), Gemm, MatMul and Gather of a table are layers; a MatMul of
    two activations is a `ProductLayer`. Weights behind Constant, Identity, Transpose, Cast, Reshape and
    DequantizeLinear nodes are followed to their initialiser, and counted once where they are shared. Scales
    and shifts of norms, and what else is added or multiplied by element and has two elements or more, are
    other parameters; a table that was not trained, as of fixed positions, looks the same and counts, too.

    Parameters
    ----------
    path
        The file. Its external data are not read, and must be in the same folder or below.
    sizes
        Elements of symbolic dimensions other than the batch, the first of each input; where one has no
        name, as in ``{"input[1]": 128}``. A language model gives the counts of one token with a sequence
        of 1.
    unit
        What a pass is for, as in `Workload`.
    most_bytes
        Largest file that is opened.

    Raises
    ------
    ProblemError
        If the package onnx is missing; if the file is missing, too large or malformed; if a size is open; if
        a node multiplies matrices in a way that is not read.
    """
    return read_onnx_with_weights(path, sizes=sizes, unit=unit, most_bytes=most_bytes).workload


def read_onnx_with_weights(
    path: str | Path,
    *,
    sizes: Mapping[str, int] | None = None,
    unit: str = "image",
    most_bytes: int = MOST_BYTES,
) -> OnnxNetwork:
    """Return the network of an ONNX file with the names of its weights, by `read_onnx`'s arguments."""
    file = Path(path)
    graph = load_graph(file, sizes or {}, most_bytes)
    try:
        reader = LayerReader(graph)
        workload = Workload(
            file.stem,
            tuple(reader.layers),
            str(file),
            reader.weight_format,
            unit,
            other_parameters=reader.other_parameters,
        )
    except ProblemError as error:
        message = str(error)
        raise ProblemError(message if message.startswith(str(file)) else f"{file}: {message}") from error
    return OnnxNetwork(workload, file, reader.initialisers)


def read_initialisers(path: str | Path, *, most_bytes: int = MOST_BYTES) -> dict[str, NDArray[Any]]:
    """Return the weights of an ONNX file by the names of its layers, as matrices (outputs, the rest).

    Weights that MatMul or Gemm has by inputs are turned; behind other nodes they are taken as they are. Those
    that are quantized in the file are left out.

    Parameters
    ----------
    path
        The file. Its external data are read from its own folder or below.
    most_bytes
        Largest file that is opened, its external data aside.

    Raises
    ------
    ProblemError
        As `read_onnx`, and if external data cannot be read.
    """
    network = read_onnx_with_weights(path, most_bytes=most_bytes)
    import onnx

    model = onnx.load(network.path, load_external_data=False)
    held = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Constant" and attribute.name == "value":
                held[node.output[0]] = attribute.t
    by_inputs = {name for node in model.graph.node if node.op_type == "MatMul" for name in node.input[1:]} | {
        node.input[1]
        for node in model.graph.node
        if node.op_type == "Gemm" and not any(item.name == "transB" and item.i for item in node.attribute)
    }
    found = {}
    for name, initialiser in network.initialisers.items():
        if initialiser not in held:
            continue
        try:
            # `load_graph` has seen that external data lie within the folder.
            array = onnx.numpy_helper.to_array(held[initialiser], str(network.path.parent))
        except Exception as error:
            raise ProblemError(
                f"{network.path}: initialiser {initialiser!r} cannot be read: {error}"
            ) from error
        if array.dtype.kind != "f" and "float" not in str(array.dtype):
            continue
        found[name] = array.T if array.ndim == 2 and initialiser in by_inputs else array
    return found
