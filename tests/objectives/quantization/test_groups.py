"""Which layers share a format, and which have no choice."""

from __future__ import annotations

import pytest

from dse.errors import ProblemError
from objectives.quantization import grouped, pins
from objectives.workloads import ConvolutionLayer, LinearLayer, Workload, network

LLAMA = network("llama-3.2-1b")


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("network", ["all"]),
        ("kind", ["vocabulary", "attention.query", "attention.key_value", "attention", "attention.output",
                  "feed_forward.gate_up", "feed_forward.down"]),
        ("block", ["vocabulary", "block0", "block1"]),
        ("part", ["vocabulary", "block0.attention", "block0.feed_forward", "block1.attention"]),
        ("layer", ["vocabulary", "block0.attention.query", "block0.attention.key_value",
                   "block0.attention.cache", "block0.attention.output"]),
    ],
)  # fmt: skip
def test_layers_are_grouped(by: str, names: list[str]) -> None:
    groups = grouped(LLAMA, by)
    assert [group.name for group in groups][: len(names)] == names
    # Every layer once.
    held = [name for group in groups for name in (*group.layers, *group.attention)]
    assert sorted(held) == sorted(layer.name for layer in LLAMA.layers)


def test_an_output_that_shares_the_embedding_shares_its_format() -> None:
    assert grouped(LLAMA, "layer")[0].layers == ("embedding", "head")
    apart = grouped(network("llama-3.1-8b"), "layer")
    assert apart[0].layers == ("embedding",)
    assert apart[-1].layers == ("head",)


def test_pins_leave_layers_out() -> None:
    fixed = pins(LLAMA, "embedding, block3.feed_forward.down", "bf16", "bf16")
    assert set(fixed) == {"embedding", "head", "block3.feed_forward.down"}
    assert "vocabulary" not in [group.name for group in grouped(LLAMA, "part", fixed)]
    vision = network("resnet-18")
    assert set(pins(vision, "first,last", "int8", "int8")) == {"conv1", "fc"}
    assert pins(vision, "", "int8", "int8") == {}


def test_what_is_no_layer_is_refused() -> None:
    with pytest.raises(ProblemError, match=r"pinned='conv9' is no layer of 'resnet-18'; known are first"):
        pins(network("resnet-18"), "conv9", "int8", "int8")
    with pytest.raises(ProblemError, match="groups='pair' is unknown"):
        grouped(LLAMA, "pair")
    one = Workload("w", (LinearLayer("a", 2, 2),), "made up")
    with pytest.raises(ProblemError, match="every layer is pinned"):
        grouped(one, "layer", ["a"])


def test_names_of_any_kind_become_names_of_parameters() -> None:
    work = Workload(
        "w",
        (
            ConvolutionLayer("/layer1/conv.1/Conv", 3, 4, (3, 3), (8, 8)),
            LinearLayer("model::fc-out", 4, 2),
        ),
        "made up",
        unit="image",
    )
    assert [group.name for group in grouped(work)] == ["layer1.conv._1.Conv", "model__fc_out"]
    clash = Workload("w", (LinearLayer("a-b", 2, 2), LinearLayer("a b", 2, 2)), "made up")
    with pytest.raises(ProblemError, match="two groups have the name 'a_b'"):
        grouped(clash)
