"""Transformers for images: patches in place of words."""

from __future__ import annotations

from objectives.workloads.layers import AttentionLayer, ConvolutionLayer, Layer, LinearLayer
from objectives.workloads.workload import Workload


def vision_transformer(
    name: str,
    source: str,
    *,
    hidden: int,
    intermediate: int,
    layers: int,
    heads: int,
    patch: int,
    image: int = 224,
    classes: int = 1000,
) -> Workload:
    """Return a vision transformer, with biases everywhere and layer norms before each part.

    Parameters
    ----------
    hidden, intermediate, layers, heads
        Features of a patch, width of the feed-forward network, blocks, and heads of each attention.
    patch, image
        Pixels along an edge. Every patch is a row, and one more is the class token.
    """
    side = image // patch
    rows = side**2 + 1
    built: list[Layer] = [
        ConvolutionLayer(
            "patch_embedding", 3, hidden, (patch, patch), (side, side), (patch, patch), bias=True
        )
    ]
    for index in range(layers):
        at = f"block{index}."
        built += [
            LinearLayer(f"{at}attention.query_key_value", hidden, hidden, 3, rows, bias=True),
            AttentionLayer(f"{at}attention", heads, heads, hidden // heads, rows, keys=rows),
            LinearLayer(f"{at}attention.output", hidden, hidden, rows=rows, bias=True),
            LinearLayer(f"{at}feed_forward.up", hidden, intermediate, rows=rows, bias=True),
            LinearLayer(f"{at}feed_forward.down", intermediate, hidden, rows=rows, bias=True),
        ]
    # The class token alone is classified.
    built.append(LinearLayer("head", hidden, classes, bias=True))
    positions, token, norms = rows * hidden, hidden, (2 * layers + 1) * 2 * hidden
    return Workload(name, tuple(built), source, "fp32", "image", other_parameters=positions + token + norms)


VIT_B_16 = vision_transformer(
    "vit-b-16",
    "Dosovitskiy et al., 'An Image is Worth 16x16 Words', arXiv:2010.11929 (2020), table 1",
    hidden=768,
    intermediate=3072,
    layers=12,
    heads=12,
    patch=16,
)
