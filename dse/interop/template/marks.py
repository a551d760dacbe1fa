"""Marks of a template: which fields are chosen, and which follow from others."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from dse.errors import DseError, SpaceError
from dse.expressions import Expression
from dse.interop.names import identifier
from dse.interop.template.nodes import end, line, plain
from dse.space import Categorical, Integer, Ordinal, Parameter, Real

CHOICE, RANGE, EXPRESSION, TEXT = "!choice", "!range", "!expression", "!text"
TAGS = (CHOICE, RANGE, EXPRESSION, TEXT)

_ANCHOR = re.compile(r"(?:![^\s,\[\]{}]*\s+)?(&[^\s,\[\]{}]+)\s")
_BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


@dataclass(frozen=True)
class Field(ABC):
    """A marked place of a text.

    Attributes
    ----------
    path
        Where it is in the file.
    start, end
        Of its text, mark and all.
    anchor
        What stands before its value, ``"&rows "``, where aliases refer to it.
    """

    path: str
    start: int
    end: int
    anchor: str

    @property
    @abstractmethod
    def reads(self) -> tuple[str, ...]:
        """The parameters that it depends on."""

    @abstractmethod
    def value(self, values: Mapping[str, Any]) -> Any:
        """Return what stands there, given values, or arrays (n,) of them, by parameter."""

    def written(self, values: Mapping[str, Any], *, as_json: bool) -> str:
        """Return its text, given values by parameter."""
        return scalar_text(_plain_number(self.value(values)), as_json=as_json)


@dataclass(frozen=True)
class Chosen(Field):
    """A field that is a parameter.

    Attributes
    ----------
    parameter
        Its decision.
    texts, contents
        By value of the parameter, as the file has them; without entries where a value is what it is.
    """

    parameter: Parameter
    texts: Mapping[Any, str] = field(default_factory=dict)
    contents: Mapping[Any, Any] = field(default_factory=dict)

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.parameter.name,)

    def value(self, values: Mapping[str, Any]) -> Any:
        found = values[self.parameter.name]
        if not self.contents:
            return found
        if not isinstance(found, np.ndarray):
            return self.contents[found]
        column = np.empty(len(found), dtype=object)
        column[:] = [self.contents[value] for value in found.tolist()]
        return column

    def written(self, values: Mapping[str, Any], *, as_json: bool) -> str:
        value = values[self.parameter.name]
        return self.texts[value] if value in self.texts else scalar_text(value, as_json=as_json)


@dataclass(frozen=True)
class Computed(Field):
    """A field that follows from parameters by arithmetic."""

    expression: Expression

    @property
    def reads(self) -> tuple[str, ...]:
        return self.expression.names

    def value(self, values: Mapping[str, Any]) -> Any:
        found = self.expression.evaluate(values)
        return found if isinstance(found, np.ndarray) and found.ndim else _plain_number(found)


@dataclass(frozen=True)
class Composed(Field):
    """A text with the values of expressions in it, as in ``"PE[0..{pes - 1}]"``.

    Attributes
    ----------
    parts
        Texts and expressions by turns.
    """

    parts: tuple[str | Expression, ...]

    @property
    def reads(self) -> tuple[str, ...]:
        names = [name for part in self.parts if isinstance(part, Expression) for name in part.names]
        return tuple(dict.fromkeys(names))

    def value(self, values: Mapping[str, Any]) -> Any:
        columns = [np.asarray(values[name]) for name in self.reads]
        shape = np.broadcast_shapes(*(column.shape for column in columns))
        if not shape:
            return self._text(values)
        made = np.empty(shape, dtype=object)
        for row in range(shape[0]):
            one = {name: np.broadcast_to(values[name], shape)[row] for name in self.reads}
            made[row] = self._text(one)
        return made

    def _text(self, values: Mapping[str, Any]) -> str:
        shown = [
            part if isinstance(part, str) else str(_plain_number(part.evaluate(values)))
            for part in self.parts
        ]
        return "".join(shown)


def scalar_text(value: Any, *, as_json: bool) -> str:
    """Return a plain value as YAML, or JSON, that stands wherever a value can."""
    if as_json or (isinstance(value, str) and "\n" in value):
        return json.dumps(value, ensure_ascii=False)
    shown = yaml.safe_dump([value], default_flow_style=True, width=1 << 30, allow_unicode=True)
    return shown.strip()[1:-1]


def _plain_number(value: Any) -> Any:
    """Return a number as Python's own, whole where it is whole."""
    found = value.item() if isinstance(value, np.ndarray | np.generic) else value
    whole = isinstance(found, float) and found.is_integer() and abs(found) < 2**53
    return int(found) if whole else found


def tag_of(node: Node) -> tuple[str, Node] | None:
    """Return a node's mark and what it says: a tag, or in JSON an object with the mark as its only key."""
    if node.tag in TAGS:
        return node.tag, node
    if isinstance(node, MappingNode) and len(node.value) == 1:
        key, value = node.value[0]
        if isinstance(key, ScalarNode) and key.value in TAGS:
            return key.value, value
    return None


def read_mark(text: str, path: str, node: Node, file: str) -> Field:
    """Return the field of a marked node; raise `SpaceError`, with the line, if its mark cannot be read."""
    found = tag_of(node)
    assert found is not None
    tag, said = found
    at = f"{file}, line {line(node)}: {tag}"
    start, stop = int(node.start_mark.index), end(node)
    anchor = _ANCHOR.match(text[start:stop])
    place = (path, start, stop, f"{anchor[1]} " if anchor else "")
    try:
        match tag:
            case "!choice":
                return _choice(text, place, said, file, at)
            case "!range":
                return _range(place, said, file, at)
            case "!expression":
                return Computed(*place, _number(_scalar(said, at)))
            case _:
                return Composed(*place, tuple(_parts(_scalar(said, at))))
    except DseError as error:
        message = str(error)
        raise SpaceError(message if message.startswith(file) else f"{at} {message}") from None


def stated_mark(path: str, node: Node, said: Any, file: str) -> Field:
    """Return the field of a node that is marked from outside: a list, bounds by name, or a parameter."""
    place = (path, int(node.start_mark.index), end(node), "")
    at = f"{file}: {path}:"
    if isinstance(said, Parameter):
        return Chosen(*place, said)
    if isinstance(said, str):
        return Computed(*place, _number(said))
    if isinstance(said, Mapping) and "values" not in said:
        return Chosen(*place, _interval(path, dict(said), at))
    options = {"values": said} if not isinstance(said, Mapping) else dict(said)
    _check_keys(options, ("values", "name", "ordered", "active_if"), at)
    return Chosen(*place, _listed(path, options, list(options["values"]), at))


def default_name(path: str) -> str:
    """Return the name of the parameter at a path: ``sizes[0]`` is ``sizes_0``."""
    return identifier(re.sub(r"\[(\d+)\]", r"_\1", path)) if path else "value"


def _choice(text: str, place: tuple[str, int, int, str], said: Node, file: str, at: str) -> Field:
    options: dict[str, Any] = {}
    listed = said
    if isinstance(said, MappingNode):
        by_key = {str(key.value): value for key, value in said.value}
        options = {key: plain(value, file) for key, value in by_key.items() if key != "values"}
        _check_keys(by_key, ("values", "name", "ordered", "active_if"), at)
        if "values" not in by_key:
            raise SpaceError(f"{at} lacks its values, as in !choice {{values: [64, 128], name: depth}}")
        listed = by_key["values"]
    if not isinstance(listed, SequenceNode) or not listed.value:
        raise SpaceError(f"{at} needs a list of values, as in !choice [64, 128, 256]")
    texts: dict[Any, str] = {}
    contents: dict[Any, Any] = {}
    for item in listed.value:
        source = " ".join(text[item.start_mark.index : end(item)].split())
        if tag_of(item) is not None:
            raise SpaceError(f"{at} holds a mark within a mark ({source}): write its values out")
        content = plain(item, file)
        label = content if isinstance(item, ScalarNode) and not item.tag.startswith("!") else source
        if isinstance(label, float) and label.is_integer() and "e" in source.lower():
            label = int(label)  # 1e6 is a count
        if label in texts:
            raise SpaceError(f"{at} holds {source} twice")
        texts[label], contents[label] = source, content
    if all(label == content for label, content in contents.items()):
        contents = {}
    return Chosen(*place, _listed(place[0], options, list(texts), at), texts, contents)


def _listed(path: str, options: Mapping[str, Any], values: Sequence[Any], at: str) -> Parameter:
    name = options.get("name") or default_name(path)
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    steady = numbers and list(values) in (sorted(values), sorted(values, reverse=True))
    ordered = options.get("ordered", steady)
    if not isinstance(ordered, bool):
        raise SpaceError(f"{at} ordered={ordered!r} must be true or false")
    kind: Callable[..., Parameter] = Ordinal if ordered and len(values) > 1 else Categorical
    return kind(name, values, active_if=options.get("active_if"))


def _range(place: tuple[str, int, int, str], said: Node, file: str, at: str) -> Field:
    options: dict[str, Any] | None = None
    if isinstance(said, SequenceNode):
        bounds = [plain(item, file) for item in said.value]
        if len(bounds) not in (2, 3):
            raise SpaceError(f"{at} needs bounds and maybe a step, as in !range [8, 64, 8]")
        options = dict(zip(("low", "high", "step"), bounds, strict=False))
    elif isinstance(said, MappingNode):
        options = {str(key.value): plain(value, file) for key, value in said.value}
    if options is None:
        raise SpaceError(f"{at} needs bounds, as in !range [8, 64] or !range {{low: 8, high: 64, step: 8}}")
    return Chosen(*place, _interval(place[0], options, at))


def _interval(path: str, options: dict[str, Any], at: str) -> Parameter:
    _check_keys(options, ("low", "high", "step", "log", "name", "active_if"), at)
    for key in ("low", "high"):
        if key not in options:
            raise SpaceError(f"{at} lacks {key!r}, as in !range {{low: 8, high: 64}}")
    name = options.pop("name", None) or default_name(path)
    bounds = [options[key] for key in ("low", "high", "step") if key in options]
    if all(isinstance(bound, int) for bound in bounds):
        return Integer(name, **options)
    if "step" in options:
        raise SpaceError(f"{at} has a step between fractions: list the values, as in !choice [0.5, 1.0, 1.5]")
    return Real(name, **options)


def _check_keys(options: Mapping[str, Any], known: tuple[str, ...], at: str) -> None:
    for key in options:
        if key not in known:
            raise SpaceError(f"{at} has an unknown key {key!r}; known are {', '.join(known)}")


def _scalar(node: Node, at: str) -> str:
    if not isinstance(node, ScalarNode) or not str(node.value).strip():
        raise SpaceError(f"{at} needs text, as in !expression rows * 8")
    return str(node.value)


def _number(text: str) -> Expression:
    expression = Expression(text)
    if expression.is_condition:
        raise SpaceError(f"{text!r} is a comparison: give arithmetic, as in rows * 8")
    if not expression.names:
        raise SpaceError(f"{text!r} reads no parameter: write its value")
    return expression


def _parts(text: str) -> list[str | Expression]:
    parts: list[str | Expression] = []
    behind = 0
    for found in _BRACES.finditer(text):
        parts.append(text[behind : found.start()])
        behind = found.end()
        if found[0] in ("{{", "}}"):
            parts.append(found[0][0])
        elif found[1] is None:
            raise SpaceError(f"{text!r} has a single {found[0]!r}: double it, or close it")
        else:
            parts.append(_number(found[1]))
    parts.append(text[behind:])
    if not any(isinstance(part, Expression) for part in parts):
        raise SpaceError(f"{text!r} names no parameter, as in 'K, {{rows}}': write it as plain text")
    return [part for part in parts if part != ""]
