"""Small ONNX models whose counts are known by hand, and files that are not what they should be."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dse.errors import ProblemError
from objectives.workloads import (
    ConvolutionLayer,
    EmbeddingLayer,
    LinearLayer,
    ProductLayer,
    read_onnx,
    read_onnx_with_weights,
)

onnx = pytest.importorskip("onnx")
DOMAINS = (("", 17), ("com.microsoft", 1), ("own", 1))
helper, numpy_helper, FLOAT = onnx.helper, onnx.numpy_helper, onnx.TensorProto.FLOAT


def tensor(name: str, *shape: int, kind: Any = np.float32) -> Any:
    return numpy_helper.from_array(np.ones(shape, kind), name)


def integers(name: str, values: list[int]) -> Any:
    return numpy_helper.from_array(np.array(values, np.int64), name)


def value(name: str, shape: list[Any] | None, kind: int = FLOAT) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def node(kind: str, inputs: list[str], output: str, name: str = "", **attributes: Any) -> Any:
    return helper.make_node(kind, inputs, [output], name=name, **attributes)


def save(
    folder: Path, nodes: list[Any], inputs: list[Any], tensors: list[Any], output: str, **more: Any
) -> Path:
    graph = helper.make_graph(nodes, "g", inputs, [value(output, None)], tensors)
    opsets = [helper.make_opsetid(domain, version) for domain, version in DOMAINS]
    model = helper.make_model(graph, opset_imports=opsets, **more)
    file = folder / "net.onnx"
    onnx.save_model(model, file)
    return file


def cnn(folder: Path) -> Path:
    """Two convolutions, the second in two groups with stride 2, a batch normalisation after each."""
    norm = ["scale", "shift", "mean", "variance"]
    return save(
        folder,
        [
            node("Conv", ["x", "c1.weight"], "a", "conv1", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
            node("BatchNormalization", ["a", *norm], "b"),
            node("Relu", ["b"], "c"),
            node("Conv", ["c", "c2.weight", "c2.bias"], "d", group=2, strides=[2, 2], auto_pad="SAME_UPPER"),
            node("GlobalAveragePool", ["d"], "e"),
            node("Flatten", ["e"], "f"),
            node("Gemm", ["f", "fc.weight", "fc.bias"], "y", "fc", transB=1),
        ],
        [value("x", ["batch", 3, 15, 9])],
        [
            tensor("c1.weight", 8, 3, 3, 3),
            *(tensor(name, 8) for name in norm),
            tensor("c2.weight", 16, 4, 3, 3),
            tensor("c2.bias", 16),
            tensor("fc.weight", 10, 16),
            tensor("fc.bias", 10),
        ],
        "y",
    )


def test_a_convolutional_network_by_hand(tmp_path: Path) -> None:
    found = read_onnx_with_weights(cnn(tmp_path))
    first, second, last = found.workload.layers
    assert first == ConvolutionLayer("conv1", 3, 8, (3, 3), (15, 9))
    # Halved, rounded up; unnamed, hence called as its weights.
    assert second == ConvolutionLayer("c2", 8, 16, (3, 3), (8, 5), (2, 2), groups=2, bias=True)
    assert last == LinearLayer("fc", 16, 10, bias=True)
    assert found.workload.macs() == 8 * 27 * 15 * 9 + 16 * 36 * 8 * 5 + 160
    # Scale and shift of the batch normalisation; its mean and variance are no parameters.
    assert found.workload.other_parameters == 16
    assert found.workload.parameters == 216 + 16 + 576 + 16 + 160 + 10
    assert found.workload.weight_format == "fp32"
    assert found.initialisers == {"conv1": "c1.weight", "c2": "c2.weight", "fc": "fc.weight"}
    assert (found.workload.name, found.workload.unit) == ("net", "image")


def test_a_one_dimensional_convolution(tmp_path: Path) -> None:
    file = save(
        tmp_path,
        [node("Conv", ["x", "w"], "y", "c", strides=[2], dilations=[3], group=4)],
        [value("x", ["n", 4, 32])],
        [tensor("w", 4, 1, 5)],
        "y",
    )
    # 5 taps 3 apart span 13 of 32, hence (32 - 13) // 2 + 1.
    assert read_onnx(file).layers == (ConvolutionLayer("c", 4, 4, (1, 5), (1, 10), (1, 2), groups=4),)


def test_a_multilayer_perceptron_with_open_rows(tmp_path: Path) -> None:
    nodes = [
        node("MatMul", ["x", "w1"], "a", "up"),
        node("Add", ["b1", "a"], "b"),
        node("Relu", ["b"], "c"),
        node("Transpose", ["w2"], "w2t", perm=[1, 0]),
        node("MatMul", ["c", "w2t"], "d", "up"),
        node("Mul", ["d", "gamma"], "e"),
        node("Mul", ["e", "factor"], "y"),
    ]
    tensors = [tensor("w1", 6, 24), tensor("b1", 24), tensor("w2", 6, 24), tensor("gamma", 6)]
    file = save(tmp_path, nodes, [value("x", ["batch", "rows", 6])], [*tensors, tensor("factor", 1)], "y")
    with pytest.raises(
        ProblemError, match=r"dimension 'rows' is open: give its size, as in sizes=\{'rows': "
    ):
        read_onnx(file)
    with pytest.raises(ProblemError, match="no symbolic dimension 'row'; those are batch, rows"):
        read_onnx(file, sizes={"row": 3})
    with pytest.raises(ProblemError, match="sizes: rows=0 must be a whole number"):
        read_onnx(file, sizes={"rows": 0})
    found = read_onnx_with_weights(file, sizes={"rows": 5})
    assert found.workload.layers == (
        LinearLayer("up", 6, 24, rows=5, bias=True),
        LinearLayer("up_1", 24, 6, rows=5),
    )
    assert found.initialisers == {"up": "w1", "up_1": "w2"}
    # The vector of scales, and not the single factor.
    assert found.workload.other_parameters == 6


def test_a_dimension_without_name(tmp_path: Path) -> None:
    file = save(
        tmp_path,
        [node("MatMul", ["x", "w"], "y", "m")],
        [value("x", [None, None, 4])],
        [tensor("w", 4, 3)],
        "y",
    )
    with pytest.raises(ProblemError, match=r"dimension 'x\[1\]' is open"):
        read_onnx(file)
    assert read_onnx(file, sizes={"x[1]": 7}).layers == (LinearLayer("m", 4, 3, rows=7),)


def transformer(folder: Path) -> Path:
    """Two heads of 4 over tokens of a vocabulary of 11, whose table is the output's weights, too."""
    nodes = [node("Gather", ["table", "ids"], "h", "embedding")]
    for name in ("q", "k", "v"):
        nodes += [
            node("MatMul", ["h", f"w{name}"], f"{name}1", name),
            node("Reshape", [f"{name}1", "split"], f"{name}2"),
            node("Transpose", [f"{name}2"], f"{name}3", perm=[0, 2, 3, 1] if name == "k" else [0, 2, 1, 3]),
        ]
    nodes += [
        node("MatMul", ["q3", "k3"], "scores", "scores"),
        node("Mul", ["scores", "scale"], "scaled"),
        node("Softmax", ["scaled"], "shares"),
        node("MatMul", ["shares", "v3"], "mixed", "mixed"),
        node("Transpose", ["mixed"], "mixed2", perm=[0, 2, 1, 3]),
        node("Reshape", ["mixed2", "join"], "joined"),
        node("MatMul", ["joined", "wo"], "o", "o"),
        node("Add", ["h", "o"], "r"),
        node("LayerNormalization", ["r", "g", "b"], "n"),
        node("Identity", ["table"], "same"),
        node("Transpose", ["same"], "tableT", perm=[1, 0]),
        node("MatMul", ["n", "tableT"], "logits", "head"),
    ]
    tensors = [
        tensor("table", 11, 8),
        *(tensor(f"w{name}", 8, 8) for name in "qkvo"),
        tensor("g", 8),
        tensor("b", 8),
        integers("split", [0, -1, 2, 4]),
        integers("join", [0, 0, 8]),
        numpy_helper.from_array(np.array(0.5, np.float32), "scale"),
    ]
    ids = value("ids", ["batch", "sequence"], onnx.TensorProto.INT64)
    return save(folder, nodes, [ids], tensors, "logits")


def test_a_transformer_block_by_hand(tmp_path: Path) -> None:
    found = read_onnx(transformer(tmp_path), sizes={"sequence": 6}, unit="token")
    assert found.of(EmbeddingLayer) == (EmbeddingLayer("embedding", 11, 8),)
    assert found.of(ProductLayer) == (ProductLayer("scores", 6, 4, 6, 2), ProductLayer("mixed", 6, 6, 4, 2))
    linear = found.of(LinearLayer)
    assert [layer.name for layer in linear] == ["q", "k", "v", "o", "head"]
    assert all(layer.rows == 6 for layer in linear)
    # The output's weights are the embedding's.
    assert (linear[-1].outputs, linear[-1].tied) == (11, True)
    assert found.parameters == 11 * 8 + 4 * 64 + 16
    assert found.macs() == 6 * 4 * 64 + 6 * 88 + 2 * (2 * 6 * 6 * 4)


def test_computed_shapes_are_worked_out(tmp_path: Path) -> None:
    """As exporters write heads of half the features: from the shape, by arithmetic that inference skips."""
    nodes = [
        node("Shape", ["x"], "shape"),
        node("Gather", ["shape", "last"], "features"),
        node("Cast", ["features"], "real", to=FLOAT),
        node("Div", ["real", "two"], "half"),
        node("Cast", ["half"], "size", to=onnx.TensorProto.INT64),
        node("Concat", ["head", "size"], "heads", axis=0),
        node("Reshape", ["x", "heads"], "split"),
        node("Sqrt", ["real"], "root"),
        node("Div", ["split", "root"], "scaled"),
        node("MatMul", ["scaled", "w"], "y", "m"),
    ]
    two = helper.make_node("Constant", [], ["two"], value=numpy_helper.from_array(np.array(2, np.float32)))
    tensors = [tensor("w", 4, 5), integers("last", [2]), integers("head", [0, -1])]
    file = save(tmp_path, [two, *nodes], [value("x", ["batch", "rows", 8])], tensors, "y")
    found = read_onnx_with_weights(file, sizes={"rows": 3})
    assert found.workload.layers == (LinearLayer("m", 4, 5, rows=6),)
    assert found.initialisers == {"m": "w"}
    assert found.workload.parameters == 20


def test_quantized_weights_are_followed(tmp_path: Path) -> None:
    file = save(
        tmp_path,
        [
            node("DequantizeLinear", ["w8", "s", "z"], "w", axis=1),
            node("MatMul", ["x", "w"], "y", "m"),
        ],
        [value("x", [1, 4])],
        [tensor("w8", 4, 64, kind=np.int8), tensor("s", 64), tensor("z", 64, kind=np.int8)],
        "y",
    )
    found = read_onnx_with_weights(file)
    assert found.workload.weight_format == "int8"
    assert found.initialisers == {"m": "w8"}
    # Scales of the quantization are no parameters.
    assert found.workload.parameters == 256


def test_weights_in_constants_on_the_left_and_in_stacks(tmp_path: Path) -> None:
    nodes = [
        node("Constant", [], "w", value=tensor("", 3, 4)),
        node("MatMul", ["w", "x"], "a", "left"),
        node("Reshape", ["a", "shape"], "a3"),
        node("MatMul", ["a3", "stack"], "b", "stack"),
        node("Gemm", ["p", "q"], "g", "product", transA=1),
    ]
    file = save(
        tmp_path,
        nodes,
        [value("x", [1, 4, 5]), value("p", [6, 2]), value("q", [6, 7])],
        [tensor("stack", 3, 5, 2), integers("shape", [3, 1, 5])],
        "b",
    )
    assert read_onnx(file).layers == (
        LinearLayer("left", 4, 3, rows=5),
        LinearLayer("stack", 5, 2, count=3),
        ProductLayer("product", 2, 6, 7),
    )


def test_half_precision_and_shared_convolutions(tmp_path: Path) -> None:
    file = save(
        tmp_path,
        [node("Conv", ["x", "w"], "a", "one"), node("Conv", ["a", "w"], "y", "two")],
        [value("x", [1, 2, 4, 4], onnx.TensorProto.FLOAT16)],
        [tensor("w", 2, 2, 1, 1, kind=np.float16)],
        "y",
    )
    found = read_onnx(file)
    assert found.weight_format == "fp16"
    assert found.parameters == 4
    assert found.macs() == 2 * 4 * 16


def test_functions_are_inlined(tmp_path: Path) -> None:
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    body = [helper.make_node("MatMul", ["u", "v"], ["t"]), helper.make_node("Relu", ["t"], ["o"])]
    function = helper.make_function("own", "Block", ["u", "v"], ["o"], body, opsets[:1])
    graph = helper.make_graph(
        [helper.make_node("Block", ["x", "w"], ["y"], domain="own", name="b")],
        "g",
        [value("x", [1, 40])],
        [value("y", None)],
        [tensor("w", 40, 50)],
    )
    file = tmp_path / "net.onnx"
    onnx.save_model(helper.make_model(graph, opset_imports=opsets, functions=[function]), file)
    (layer,) = read_onnx(file).of(LinearLayer)
    assert (layer.inputs, layer.outputs) == (40, 50)


def external(folder: Path, location: str) -> Path:
    weight = onnx.TensorProto(name="w", data_type=FLOAT, dims=[4, 3])
    weight.data_location = onnx.TensorProto.EXTERNAL
    weight.external_data.add(key="location", value=location)
    return save(folder, [node("MatMul", ["x", "w"], "y", "m")], [value("x", [1, 4])], [weight], "y")


def test_external_data_are_not_needed_for_shapes(tmp_path: Path) -> None:
    assert read_onnx(external(tmp_path, "weights/w.bin")).layers == (LinearLayer("m", 4, 3),)


@pytest.mark.parametrize(
    "location", ["/etc/passwd", "../w.bin", "a/../../w.bin", "C:\\w.bin", "..\\w.bin", "", "link/w.bin"]
)
def test_external_data_stay_in_the_folder(location: str, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "link").symlink_to(tmp_path)
    with pytest.raises(ProblemError, match="initialiser 'w': external data") as raised:
        read_onnx(external(tmp_path / "model", location))
    assert "net.onnx" in str(raised.value)


def test_what_is_not_read_is_named(tmp_path: Path) -> None:
    x, w = [value("x", [1, 2, 8])], tensor("w", 2, 3, 2)
    file = save(tmp_path, [node("ConvTranspose", ["x", "w"], "y", "t")], x, [w], "y")
    with pytest.raises(ProblemError, match=r"node 't' \(ConvTranspose\): this kind of node is not read"):
        read_onnx(file)
    file = save(tmp_path, [node("Conv", ["x", "x"], "y", "t")], x, [], "y")
    with pytest.raises(ProblemError, match=r"node 't' \(Conv\): its weights are computed"):
        read_onnx(file)
    file = save(tmp_path, [node("Relu", ["x"], "y")], x, [], "y")
    with pytest.raises(ProblemError, match=r"net\.onnx: workload 'net' has no layer"):
        read_onnx(file)
    file = save(tmp_path, [node("Relu", ["x"], "y")], [value("x", [8, 2])], [], "y")
    with pytest.raises(ProblemError, match="input 'x' has a batch of 8: export with one of 1"):
        read_onnx(file)
    fused = helper.make_node("FusedMatMul", ["x", "m"], ["y"], domain="com.microsoft", name="f")
    file = save(tmp_path, [fused], x, [tensor("m", 8, 3)], "y")
    with pytest.raises(ProblemError, match=r"node 'f' \(FusedMatMul\): this kind of node is not read"):
        read_onnx(file)
    # A fixed shape that no rule infers.
    odd = [helper.make_node("Odd", ["x"], ["z"], domain="own"), node("MatMul", ["z", "m"], "y", "m")]
    file = save(tmp_path, odd, x, [tensor("m", 8, 3)], "y")
    with pytest.raises(ProblemError, match=r"node 'm' \(MatMul\): the shape of 'z' cannot be inferred"):
        read_onnx(file)


def test_files_are_bounded_and_present(tmp_path: Path) -> None:
    file = cnn(tmp_path)
    with pytest.raises(ProblemError, match="more than most_bytes=100: raise that"):
        read_onnx(file, most_bytes=100)
    with pytest.raises(ProblemError, match="cannot be read"):
        read_onnx(tmp_path / "none.onnx")


def test_the_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, real = cnn(tmp_path), builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("onnx"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ProblemError, match=r"pip install 'dse-toolkit\[onnx\]'"):
        read_onnx(file)


relaxed = settings(
    max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)


@relaxed
@given(data=st.binary(max_size=200))
def test_random_bytes_are_refused(data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "random.onnx"
    file.write_bytes(data)
    with pytest.raises(ProblemError) as raised:
        read_onnx(file)
    assert str(raised.value).startswith(str(file))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", [b"embedding", b"sequence", b"fc.weight", b"conv1"])
def test_names_that_are_not_utf8_are_refused(name: bytes, tmp_path: Path) -> None:
    content = (cnn(tmp_path) if name in (b"fc.weight", b"conv1") else transformer(tmp_path)).read_bytes()
    assert name in content
    file = tmp_path / "named.onnx"
    file.write_bytes(content.replace(name, b"\xff" + name[1:]))
    with pytest.raises(ProblemError, match=r"named.onnx: this is no valid ONNX model \(\w+ .*is not UTF-8\)"):
        read_onnx(file, sizes={"sequence": 2})


@relaxed
@given(data=st.data())
def test_damaged_files_raise_one_kind_of_error(data: st.DataObject, tmp_path: Path) -> None:
    build = data.draw(st.sampled_from([cnn, transformer]))
    whole = bytearray(build(tmp_path).read_bytes())
    if data.draw(st.booleans()):
        whole = whole[: data.draw(st.integers(0, len(whole) - 1))]
    else:
        # Weights are most of the bytes; names and shapes come before and after.
        for at in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=4)):
            whole[at] = data.draw(st.integers(0, 255))
    file = tmp_path / "damaged.onnx"
    file.write_bytes(whole)
    try:
        found = read_onnx(file, sizes={"sequence": 2} if build is transformer else None)
    except ProblemError as error:
        message = str(error)
    else:
        message = f"{file}: {found.parameters}"
    assert message.startswith(str(file))
