"""The space of number formats."""

from __future__ import annotations

from itertools import product

import pytest

from dse import Space
from dse.errors import SpaceError
from spaces.quantization import quantization_space

WEIGHTS = ["int4", "int8", "fp8_e4m3"]
ACTIVATIONS = ["int8", "fp8_e4m3", "bf16"]
PAIRS = {("int4", "int8"), ("int8", "int8"), ("fp8_e4m3", "fp8_e4m3"), ("int4", "bf16")}


def test_only_legal_pairs_are_in_it() -> None:
    space = quantization_space(["a", "b"], weights=WEIGHTS, activations=ACTIVATIONS, pairs=PAIRS)
    held = {
        (row["weights.a"], row["activations.a"], row["weights.b"], row["activations.b"])
        for chunk in space.enumerate()
        for row in chunk.rows()
    }
    assert held == {(*one, *other) for one, other in product(PAIRS, PAIRS)}
    assert space.count() == 16


def test_it_survives_json() -> None:
    space = quantization_space(
        ["a"], weights=WEIGHTS, activations=ACTIVATIONS, pairs=PAIRS, caches=["a"], cache=["int8", "bf16"],
        rotation=True, clipping=True,
    )  # fmt: skip
    assert Space.from_json(space.to_json()) == space
    assert space.names == ("weights.a", "activations.a", "rotation.a", "clipping.a", "cache.a")
    assert space.count() == 4 * 2 * 2 * 2


def test_formats_that_multiply_nothing_are_left_out() -> None:
    space = quantization_space(["a"], weights=WEIGHTS, activations=["bf16"], pairs=PAIRS)
    assert space.size == 1
    with pytest.raises(SpaceError, match=r"group 'a': weights int8 multiply no activations of bf16"):
        quantization_space(["a"], weights=["int8"], activations=["bf16"], pairs=PAIRS)


def test_groups_can_differ_and_embeddings_have_no_activations() -> None:
    space = quantization_space(
        ["embedding", "fc"],
        weights={"embedding": ["int8", "bf16"], "fc": WEIGHTS},
        activations={"embedding": [], "fc": ["int8"]},
        clipping=True,
    )
    assert space.names == (
        "weights.embedding", "clipping.embedding", "weights.fc", "activations.fc", "clipping.fc",
    )  # fmt: skip


def test_a_large_space_is_sampled_evenly() -> None:
    groups = [f"block{index}.attention" for index in range(64)]
    space = quantization_space(groups, weights=WEIGHTS, activations=ACTIVATIONS, pairs=PAIRS)
    designs = space.sample(2_000, 0)
    assert space.contains(designs).all()
    assert 0.45 < (designs["weights.block7.attention"] == "int4").mean() < 0.55


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"groups": []}, "groups is empty"),
        ({"weights": []}, "weights: group 'a' has no format"),
        ({"weights": "int8"}, r"weights='int8' must be a list of formats, as in \['int8'\]"),
        ({"activations": {"b": ["int8"]}}, "activations: group 'a' is missing"),
    ],
)
def test_wrong_arguments_are_refused(changes: dict[str, object], message: str) -> None:
    given = {"groups": ["a"], "weights": ["int8"], "activations": ["int8"], **changes}
    with pytest.raises(SpaceError, match=message):
        quantization_space(**given)  # type: ignore[arg-type]
