"""Lists of layers in YAML: what they give, and what is wrong with them by layer, key and value."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dse.errors import ProblemError
from objectives.workloads import (
    AttentionLayer,
    ConvolutionLayer,
    EmbeddingLayer,
    LinearLayer,
    ProductLayer,
    Workload,
    network,
    read_yaml,
)

NET = """
name: my-net
unit: image
other_parameters: 128
layers:
  - {name: conv1, kind: convolution, channels: 3, filters: 64, kernel: 7, output: [112, 112], stride: 2}
  - {name: fc, kind: linear, inputs: 512, outputs: 1000, bias: true}
"""
BLOCKS = """
layers:
  - {name: table, kind: embedding, entries: 100, width: 8}
  - {name: "block{0..2}.attention.query", kind: linear, inputs: 8, outputs: 8}
  - {name: "block{0..2}.attention", kind: attention, heads: 2, kv_heads: 1, head_size: 4, window: 16}
  - {name: mixed, kind: product, rows: 2, inputs: 3, outputs: 4, count: 5}
  - {name: experts, kind: linear, inputs: 8, outputs: 4, count: 6, active: 2}
"""


def read(folder: Path, text: str) -> Workload:
    file = folder / "net.yaml"
    file.write_text(text)
    return read_yaml(file)


def test_a_list_of_layers(tmp_path: Path) -> None:
    found = read(tmp_path, NET)
    assert found.layers == (
        ConvolutionLayer("conv1", 3, 64, (7, 7), (112, 112), (2, 2)),
        LinearLayer("fc", 512, 1000, bias=True),
    )
    assert (found.name, found.unit, found.weight_format) == ("my-net", "image", "fp32")
    assert found.parameters == 128 + 9408 + 513_000
    assert found.layers[0] == network("resnet-18").layers[0]


def test_ranges_repeat_layers_block_by_block(tmp_path: Path) -> None:
    found = read(tmp_path, BLOCKS)
    assert found.name == "net"
    assert found.unit == "token"
    assert [layer.name for layer in found.layers] == [
        "table",
        *(f"block{index}.{kind}" for index in range(3) for kind in ("attention.query", "attention")),
        "mixed",
        "experts",
    ]
    assert found.blocks == 3
    assert found.of(AttentionLayer)[0] == AttentionLayer("block0.attention", 2, 1, 4, window=16)
    assert found.of(EmbeddingLayer) == (EmbeddingLayer("table", 100, 8),)
    assert found.of(ProductLayer) == (ProductLayer("mixed", 2, 3, 4, 5),)
    assert found.active_parameters == found.parameters - 4 * 32


def layer(text: str) -> str:
    return f"layers:\n  - {{{text}}}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2]", "this must be a mapping with the keys name and layers"),
        ("name: a", "'layers' is missing: add it"),
        ("layers: []", "'layers' is missing: add it"),
        ("layers: [1]", r"layers=\[1\] must be a list of dict"),
        ("layer: []", "the key 'layer' is unknown: layers is meant?"),
        ("{1: 2, layers: [{}]}", "the key 1 is unknown: known are name, unit"),
        (layer("kind: linear"), "layer 1: name=None must be text"),
        (layer("name: a, kind: dense"), "layer 'a': kind='dense' is unknown; known are linear, convolution"),
        (
            layer("name: a, kind: linear, inputs: 3"),
            "layer 'a': 'outputs' is missing: add it to a layer of k",
        ),
        (
            layer("name: a, kind: linear, inputs: 3, outputs: x"),
            "layer 'a': outputs='x' must be a whole numb",
        ),
        (layer("name: a, kind: linear, inputs: 3, outputs: -1"), "layer 'a': outputs=-1 must be a whole num"),
        (
            layer("name: a, kind: linear, inputs: 3, output: 4, outputs: 1"),
            "the key 'output' is unknown: outputs",
        ),
        (
            layer("name: a, kind: linear, inputs: 3, outputs: 4, bias: 1"),
            "layer 'a': bias=1 must be true or f",
        ),
        (
            layer("name: a, kind: linear, inputs: 3, outputs: 4, active: 2.5"),
            "active=2.5 must be a whole number, or",
        ),
        (
            layer("name: a, kind: convolution, channels: 1, filters: 1, kernel: [1, 2, 3], output: 4"),
            r"layer 'a': kernel=\(1, 2, 3\) must be two whole numbers",
        ),
        (layer("name: 'a{0..3', kind: linear"), "layer 'a{0..3': its name must have one range"),
        (layer("name: 'a{3..0}', kind: linear"), "{3..0} must go up, over at most 100000 numbers"),
        (layer("name: 'a{0..999999999}', kind: linear"), "must go up, over at most 100000 numbers"),
        (layer("name: 'a{0..1}{0..1}', kind: linear"), "its name must have one range"),
        ("layers: [{name: a, kind: linear, inputs: 1, outputs: 1}]\nunit: word", "unit='word' is unknown"),
        ("layers: [{name: a, kind: linear, inputs: 1, outputs: 1}]\nother_parameters: -1", "from 0 to"),
        ("a: &a [1]\nb: *a", r"the alias \*a is not read: write it out"),
        ("a: [", "this is no YAML"),
        ("a: 2020-99-99", "this is no YAML"),
        ("!!python/object/apply:os.getcwd []", "this is no YAML .*could not determine a constructor"),
        ("[" * 2_000_000, "this is nested more than 20 deep"),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match=message) as raised:
        read(tmp_path, text)
    assert str(raised.value).startswith(str(tmp_path / "net.yaml"))
    assert "\n" not in str(raised.value)


def test_two_layers_of_a_name_are_refused(tmp_path: Path) -> None:
    one = "  - {name: a, kind: linear, inputs: 1, outputs: 1}\n"
    with pytest.raises(ProblemError, match=r"net\.yaml: workload 'net': two layers have the name 'a'"):
        read(tmp_path, "layers:\n" + one + one)


def test_large_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match="more than 4194304 bytes"):
        read(tmp_path, " " * (4 * 2**20 + 1))


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.binary(max_size=80) | st.text("-{}[]:,.!&*|>'\"# \nabkindlayersname012", max_size=80))
def test_random_files_raise_one_kind_of_error(data: bytes | str, tmp_path: Path) -> None:
    file = tmp_path / "random.yaml"
    file.write_bytes(data if isinstance(data, bytes) else data.encode())
    with pytest.raises(ProblemError):
        read_yaml(file)
