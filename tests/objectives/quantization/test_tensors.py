"""A user's weights and inputs: read safely, a few rows at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dse.errors import ProblemError
from objectives.quantization import AnalyticalQuality, MeasuredQuality, open_tensors, quantize
from objectives.quantization.tensors import tensor_names
from objectives.workloads import LinearLayer, Workload, network

safetensors = pytest.importorskip("safetensors.numpy", reason="not installed: safetensors")
ml_dtypes = pytest.importorskip("ml_dtypes", reason="not installed: ml_dtypes")


def test_safetensors_are_read_in_any_format(tmp_path: Path) -> None:
    matrix = np.random.default_rng(0).standard_normal((40, 6)).astype(np.float32)
    path = tmp_path / "model.safetensors"
    safetensors.save_file({"a": matrix, "b": matrix.astype(ml_dtypes.bfloat16)}, path)
    held = open_tensors(path)
    assert held.shapes == {"a": (40, 6), "b": (40, 6)}
    np.testing.assert_array_equal(held.rows("a", 100), matrix)
    # Evenly spread, first and last among them.
    np.testing.assert_array_equal(held.rows("a", 2), matrix[[0, 39]])
    np.testing.assert_array_equal(held.rows("b", 100), matrix.astype(ml_dtypes.bfloat16).astype(float))


def test_a_folder_of_parts_is_one_network(tmp_path: Path) -> None:
    for name in ("a", "b"):
        safetensors.save_file({name: np.ones((2, 2), np.float32)}, tmp_path / f"{name}.safetensors")
    held = open_tensors(tmp_path)
    assert set(held.shapes) == {"a", "b"}
    assert held.rows("b", 1).tolist() == [[1.0, 1.0]]


def test_contents_have_a_fingerprint(tmp_path: Path) -> None:
    for name, value in (("one", 1.0), ("same", 1.0), ("other", 2.0)):
        safetensors.save_file({"a": np.full((9, 9), value, np.float32)}, tmp_path / f"{name}.safetensors")
    prints = [open_tensors(tmp_path / f"{name}.safetensors").fingerprint for name in ("one", "same", "other")]
    assert prints[0] == prints[1] != prints[2]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.safetensors", b""),
        ("a.safetensors", b"\xff" * 64),
        ("a.safetensors", (1 << 40).to_bytes(8, "little") + b"{}"),
        ("a.npz", b"PK\x03\x04 no archive"),
        ("a.npz", b""),
    ],
)
def test_malformed_files_are_one_clear_error(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ProblemError, match=rf"{name}: not an? ") as caught:
        open_tensors(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    safetensors.save_file({"a": np.ones((100, 100), np.float32)}, path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ProblemError, match="not a safetensors file"):
        open_tensors(path)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "sprung",))  # type: ignore[return-value]

    path = tmp_path / "trap.npz"
    np.savez(path, a=np.array([Trap()], object))
    with pytest.raises(ProblemError, match="holds Python objects"):
        open_tensors(path)
    assert not (tmp_path / "sprung").exists()


def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, a=np.array([[1.0, np.nan]]), empty=np.empty((0, 3)), scalar=np.array(1.0))
    held = open_tensors(path)
    for name, message in (
        ("a", "holds a value that is not finite"),
        ("empty", r"has shape \(0, 3\)"),
        ("scalar", r"has shape \(\)"),
        ("b", "there is no tensor 'b'"),
    ):
        with pytest.raises(ProblemError, match=message):
            held.rows(name, 1)
    with pytest.raises(ProblemError, match="there is no such file"):
        open_tensors(tmp_path / "none.npz")
    (tmp_path / "a.bin").write_bytes(b"x")
    with pytest.raises(ProblemError, match=r"tensors are read from .safetensors, .npz, .onnx"):
        open_tensors(tmp_path / "a.bin")


def test_hugging_faces_names_are_known(tmp_path: Path) -> None:
    names = (
        "model.embed_tokens.weight",
        *(f"model.layers.1.self_attn.{part}_proj.weight" for part in "qkvo"),
        "model.layers.1.mlp.gate_proj.weight",
        "model.layers.1.mlp.up_proj.weight",
    )
    np.savez(tmp_path / "a.npz", **{name: np.ones((2, 2)) for name in names})
    held = open_tensors(tmp_path / "a.npz")
    layers = {layer.name: layer for layer in network("llama-3.2-1b").layers}
    assert tensor_names(layers["block1.attention.key_value"], held) == (names[2], names[3])
    assert tensor_names(layers["block1.feed_forward.gate_up"], held) == names[5:7]
    assert tensor_names(layers["head"], held) == ("model.embed_tokens.weight",)
    with pytest.raises(ProblemError, match=r"no tensor for layer 'block1.feed_forward.down'; looked for"):
        tensor_names(layers["block1.feed_forward.down"], held)


def test_measured_noise_is_the_output_error(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    weights, inputs = rng.standard_t(4, (20, 32)), rng.standard_normal((30, 32))
    np.savez(tmp_path / "w.npz", a=weights)
    np.savez(tmp_path / "x.npz", a=inputs)
    layer = LinearLayer("a", 32, 20)
    work = Workload("w", (layer,), "made up")
    quality = MeasuredQuality(
        AnalyticalQuality(work), open_tensors(tmp_path / "w.npz"), open_tensors(tmp_path / "x.npz")
    )
    found = quality.layer(layer, "int4", "int8", rotation=False, clipping=False)["noise"]
    exact = inputs @ weights.T
    held = quantize(inputs, "int8") @ quantize(weights, "int4").T
    assert found == pytest.approx(np.square(held - exact).sum() / np.square(exact).sum())
    # Without inputs: that of the weights, and the activations' by definition.
    blind = MeasuredQuality(AnalyticalQuality(work), open_tensors(tmp_path / "w.npz"))
    own = np.square(quantize(weights, "int4") - weights).sum() / np.square(weights).sum()
    other = AnalyticalQuality(work).activation_noise(layer, "int8", rotation=False, clipping=False)
    assert blind.layer(layer, "int4", "int8", rotation=False, clipping=False)["noise"] == pytest.approx(
        own + other + own * other
    )


def test_inputs_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", a=np.ones((4, 8)))
    np.savez(tmp_path / "x.npz", a=np.ones((5, 7)))
    layer = LinearLayer("a", 8, 4)
    quality = MeasuredQuality(
        AnalyticalQuality(Workload("w", (layer,), "made up")),
        open_tensors(tmp_path / "w.npz"),
        open_tensors(tmp_path / "x.npz"),
    )
    with pytest.raises(ProblemError, match="inputs of layer 'a' have 7 features"):
        quality.layer(layer, "int4", "int8", rotation=False, clipping=False)


def test_an_onnx_file_gives_network_and_weights(tmp_path: Path) -> None:
    """Outputs are rows, whichever way the graph multiplies; the study takes one file for both."""
    onnx = pytest.importorskip("onnx", reason="not installed: onnx")
    from onnx import TensorProto, helper, numpy_helper

    from studies.quantization import problem

    rng = np.random.default_rng(0)
    arrays = {
        "kernel": rng.standard_normal((4, 3, 3, 3)),
        "by_inputs": rng.standard_normal((64, 10)),
        "by_outputs": rng.standard_normal((5, 10)),
    }
    nodes = [
        helper.make_node("Conv", ["x", "kernel"], ["a"], name="conv", pads=[1, 1, 1, 1]),
        helper.make_node("Flatten", ["a"], ["b"]),
        helper.make_node("MatMul", ["b", "by_inputs"], ["c"], name="wide"),
        helper.make_node("Gemm", ["c", "by_outputs"], ["y"], name="last", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 5])],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in arrays.items()],
    )
    path = tmp_path / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    held = open_tensors(path)
    assert held.shapes == {"conv": (4, 3, 3, 3), "wide": (10, 64), "last": (5, 10)}
    np.testing.assert_allclose(held.rows("wide", 99), arrays["by_inputs"].T, rtol=1e-6)
    np.testing.assert_allclose(held.rows("last", 99), arrays["by_outputs"], rtol=1e-6)
    assert held.rows("conv", 99).shape == (4, 27)
    of = problem(
        str(path), tensors=str(path), groups="layer", weights="int4", activations="bf16", pinned="none"
    )
    assert [name for name in of.space.names if name.startswith("weights")] == [
        "weights.conv", "weights.wide", "weights.last",
    ]  # fmt: skip
    found = of.evaluate(of.start).metrics["noise"]  # type: ignore[arg-type]
    by_hand = [
        np.square(quantize(array, "int4") - array).sum() / np.square(array).sum()
        for array in (arrays["kernel"].reshape(4, -1), arrays["by_inputs"].T, arrays["by_outputs"])
    ]
    assert found[0] == pytest.approx(np.mean(by_hand), rel=0.001)
