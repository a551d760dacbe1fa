"""Which layers share a format."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from dse.errors import ProblemError
from dse.space.parameters import check_name
from objectives.workloads import AttentionLayer, EmbeddingLayer, Layer, Workload

BY = ("layer", "part", "block", "kind", "network")
PINS = ("first", "last", "embedding")


@dataclass(frozen=True)
class Group:
    """Layers that have one format of weights, one of activations, and one of keys and values.

    Attributes
    ----------
    name
        As parameters have it: ``weights.<name>``.
    layers
        Names of its layers with weights.
    attention
        Names of its attention layers, whose keys and values are kept in a cache.
    """

    name: str
    layers: tuple[str, ...]
    attention: tuple[str, ...] = ()


def grouped(workload: Workload, by: str = "layer", pinned: Collection[str] = ()) -> list[Group]:
    """Return the groups of a network.

    Parameters
    ----------
    workload
        The network.
    by
        ``layer``: each alone; ``part``: attention and feed-forward network of each block; ``block``;
        ``kind``: layers of one kind in all blocks; ``network``: all.
    pinned
        Names of layers that have no choice (`pins`); they are left out.

    Raises
    ------
    ProblemError
        If there is no such way, or no layer is left.

    Notes
    -----
    Layers outside of blocks are on their own except by ``network``, and but for an output that shares the
    embedding's weights.
    """
    if by not in BY:
        raise ProblemError(f"groups={by!r} is unknown; known are {', '.join(BY)}")
    found: dict[str, tuple[list[str], list[str]]] = {}
    tied = by != "network" and any(_tied(layer) for layer in workload.layers)
    for layer in workload.layers:
        attention = isinstance(layer, AttentionLayer)
        if layer.name in pinned or not (layer.weights or attention or _tied(layer)):
            continue
        if attention and not layer.cached:  # type: ignore[attr-defined]
            continue
        # An output that shares the embedding's weights shares their format.
        key = "vocabulary" if tied and _vocabulary(layer) else _key(layer, by)
        weights, caches = found.setdefault(key, ([], []))
        (caches if attention else weights).append(layer.name)
    groups = [Group(_name(key), tuple(one), tuple(other)) for key, (one, other) in found.items()]
    if not any(group.layers for group in groups):
        raise ProblemError(f"workload {workload.name!r}: every layer is pinned: nothing is left to choose")
    twice = [group.name for group in groups if sum(group.name == item.name for item in groups) > 1]
    if twice:
        raise ProblemError(
            f"workload {workload.name!r}: two groups have the name {twice[0]!r}: rename layers"
        )
    return groups


def own_groups(
    workload: Workload, patterns: Mapping[str, Sequence[str]], pinned: Collection[str] = ()
) -> list[Group]:
    """Return groups that a user defines.

    Parameters
    ----------
    patterns
        By group, names of layers or patterns of them, as in ``{"early": ["block[0-3].*"]}``; each layer is in
        the first group that has it.
    pinned
        Names of layers that are left out.

    Raises
    ------
    ProblemError
        If a pattern meets no layer, or a layer is met by none.
    """
    found: dict[str, tuple[list[str], list[str]]] = {name: ([], []) for name in patterns}
    for name, wanted in patterns.items():
        if isinstance(wanted, str) or not all(isinstance(item, str) for item in wanted):
            raise ProblemError(f"group {name!r} must be a list of names of layers, not {wanted!r}")
        for item in wanted:
            if not any(fnmatchcase(layer.name, item) for layer in workload.layers):
                raise ProblemError(f"group {name!r}: {item!r} is no layer of {workload.name!r}")
    for layer in workload.layers:
        keeps = isinstance(layer, AttentionLayer) and layer.cached > 0
        if layer.name in pinned or not (layer.weights or keeps or _tied(layer)):
            continue
        for name, wanted in patterns.items():
            if any(fnmatchcase(layer.name, item) for item in wanted):
                found[name][1 if keeps else 0].append(layer.name)
                break
        else:
            raise ProblemError(f"layer {layer.name!r} of {workload.name!r} is in no group: add it, or pin it")
    return [
        Group(check_name(name, "group"), tuple(weights), tuple(caches))
        for name, (weights, caches) in found.items()
        if weights or caches
    ]


def pins(workload: Workload, which: str, weights: str, activations: str) -> dict[str, tuple[str, str]]:
    """Return formats of weights and activations by layer, of the layers that a user pins.

    Parameters
    ----------
    which
        Names with commas between: ``first`` and ``last`` of the layers that multiply, ``embedding`` for
        embeddings and the projection to the vocabulary, or names of layers; "" for none.
    weights, activations
        What they are pinned to.

    Raises
    ------
    ProblemError
        If a name is none of these.
    """
    computing = [layer.name for layer in workload.layers if layer.weights and layer.macs()]
    named = {layer.name for layer in workload.layers}
    chosen: list[str] = []
    for item in filter(None, (part.strip() for part in which.split(","))):
        if item == "first":
            chosen.append(computing[0])
        elif item == "last":
            chosen.append(computing[-1])
        elif item == "embedding":
            chosen += [layer.name for layer in workload.layers if _vocabulary(layer)]
        elif item in named:
            chosen.append(item)
        else:
            raise ProblemError(
                f"pinned={item!r} is no layer of {workload.name!r}; known are {', '.join(PINS)} and "
                f"names, as "
                f"{', '.join(list(named)[:3])}"
            )
    return dict.fromkeys(chosen, (weights, activations))


def _vocabulary(layer: Layer) -> bool:
    return isinstance(layer, EmbeddingLayer) or layer.name == "head"


def _tied(layer: Layer) -> bool:
    return bool(getattr(layer, "tied", False))


def _key(layer: Layer, by: str) -> str:
    if by == "network":
        return "all"
    if by == "layer" or layer.block is None:
        # Attention is told from its projections: its cache belongs to the block.
        return layer.name if not isinstance(layer, AttentionLayer) else f"{layer.name}.cache"
    if by == "kind":
        return layer.kind
    if by == "block":
        return f"block{layer.block}"
    return f"block{layer.block}.{layer.kind.partition('.')[0]}"


def _name(key: str) -> str:
    """Return a layer's name as part of a parameter's: letters, digits, underscores and dots."""
    parts = [re.sub(r"\W", "_", part, flags=re.ASCII).strip("_") for part in key.replace("/", ".").split(".")]
    return ".".join(f"_{part}" if part[:1].isdigit() else part for part in parts if part) or "layer"
