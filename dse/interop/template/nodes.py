"""YAML text as nodes that know their place in it, and nodes as plain values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode, SequenceNode

from dse.errors import SpaceError

# Beyond it the parser's time, which grows with the square of the depth of brackets, is no longer short.
MOST_DEPTH = 100
MOST_CHARACTERS = 1 << 22
# Values that aliases and merges may stand for, all together.
MOST_NODES = 1_000_000


@dataclass(frozen=True)
class Tagged:
    """A value under a tag of the file's own, as in ``!Component {name: DRAM}``.

    Attributes
    ----------
    tag
        With its exclamation mark.
    value
        What stands under it.
    """

    tag: str
    value: Any


class _Loader(yaml.SafeLoader):
    """YAML's plain types; 1e-9 is a number as in YAML 1.2, and dates are text."""

    def __init__(self, filled: Mapping[int, Any]) -> None:
        super().__init__("")
        self.filled = filled

    def construct_object(self, node: Node, deep: bool = False) -> Any:
        if id(node) in self.filled:
            return self.filled[id(node)]
        return super().construct_object(node, deep=True)


def _resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    kept = {
        first: [(tag, pattern) for tag, pattern in listed if not tag.endswith((":timestamp", ":float"))]
        for first, listed in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    number = re.compile(r"[-+]?(\.\d+|\d[\d_]*(\.\d*)?)([eE][-+]?\d+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
    for first in "-+.0123456789":
        kept.setdefault(first, []).append(("tag:yaml.org,2002:float", re.compile(rf"(?:{number.pattern})$")))
    return kept


def _tagged(loader: _Loader, suffix: str, node: Node) -> Tagged:
    value: Any
    match node:
        case SequenceNode():
            value = loader.construct_sequence(node, deep=True)
        case MappingNode():
            value = loader.construct_mapping(node, deep=True)
        case _:
            value = node.value
    return Tagged(f"!{suffix}", value)


_Loader.yaml_implicit_resolvers = _resolvers()
_Loader.add_multi_constructor("!", _tagged)


class _Composer(yaml.SafeLoader):
    """Makes nodes; resolves plain scalars as `_Loader` does."""


_Composer.yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers


def compose(text: str, name: str) -> Node:
    """Return the root node of a text; raise `SpaceError` if it is no YAML, is empty, too long or too deep."""
    if len(text) > MOST_CHARACTERS:
        raise SpaceError(f"{name} has more than {MOST_CHARACTERS:,} characters: that is no template")
    try:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MOST_DEPTH:
                raise SpaceError(f"{name} is nested more than {MOST_DEPTH} deep: write it flat")
        root = yaml.compose(text, Loader=_Composer)
    except SpaceError:
        raise
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SpaceError(f"{name} is no YAML ({' '.join(str(error).split())[:200]}): mend it there") from None
    if root is None:
        raise SpaceError(f"{name} is empty: give a YAML or JSON file")
    if _expanded(root, {}, name) > MOST_NODES:
        raise SpaceError(f"{name} stands for more than {MOST_NODES:,} values by its aliases: write them out")
    return root


def _expanded(node: Node, sizes: dict[int, int], name: str) -> int:
    """Return how many nodes there are with aliases written out."""
    if id(node) not in sizes:
        sizes[id(node)] = -1
        total = 1
        for item in node.value if isinstance(node, CollectionNode) else ():
            for part in item if isinstance(item, tuple) else (item,):
                total += _expanded(part, sizes, name)
        sizes[id(node)] = total
    elif sizes[id(node)] < 0:
        raise SpaceError(f"{name}, line {line(node)}: an alias stands within what it names: write it out")
    return sizes[id(node)]


def plain(node: Node, name: str, filled: Mapping[int, Any] | None = None) -> Any:
    """Return a node as plain Python values.

    Parameters
    ----------
    node
        Of `compose`.
    name
        Of the file, for messages.
    filled
        Values in place of nodes, by ``id(node)``.

    Raises
    ------
    SpaceError
        If a value is not what its tag says, or a key cannot be one.
    """
    loader = _Loader(filled or {})
    try:
        return loader.construct_document(node)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise SpaceError(f"{name} cannot be read: {' '.join(str(error).split())[:200]}") from None
    finally:
        loader.dispose()


def load(text: str, name: str) -> Any:
    """Return what a YAML text without marks says, as plain values; raise `SpaceError` if it is no YAML."""
    return plain(compose(text, name), name)


def walk(root: Node) -> Iterator[tuple[str, Node]]:
    """Yield each node with its path, as in ``memories.sram.ports[0].bandwidth_max``; an aliased one once.

    Items of a list are told apart by their ``name`` where all have one and all differ, else by number from 0.
    """
    seen: set[int] = set()
    left: list[tuple[str, Node]] = [("", root)]
    while left:
        path, node = left.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield path, node
        below: list[tuple[str, Node]] = []
        if isinstance(node, MappingNode):
            for key, value in node.value:
                label = key.value if isinstance(key, ScalarNode) else "?"
                below.append((f"{path}.{label}" if path else str(label), value))
        elif isinstance(node, SequenceNode):
            names = _names(node)
            for place, item in enumerate(node.value):
                step = f"[{place}]" if names is None else f".{names[place]}" if path else names[place]
                below.append((f"{path}{step}", item))
        left += reversed(below)


def _names(node: SequenceNode) -> list[str] | None:
    found = [_name(item) for item in node.value]
    names = [item for item in found if item]
    return names if names and len(names) == len(found) == len(set(names)) else None


def _name(node: Node) -> str | None:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            plain_name = isinstance(value, ScalarNode) and not value.tag.startswith("!")
            if isinstance(key, ScalarNode) and key.value == "name" and plain_name:
                return str(value.value)
    return None


def end(node: Node) -> int:
    """Return where a node's text ends: for a block, where its last item does and not the next line begins."""
    block = isinstance(node, CollectionNode) and not node.flow_style and node.value
    if not block:
        return int(node.end_mark.index)
    last = node.value[-1]
    return max(end(item) for item in (last if isinstance(last, tuple) else (last,)))


def line(node: Node) -> int:
    """Return the line that a node starts in, from 1."""
    return int(node.start_mark.line) + 1
