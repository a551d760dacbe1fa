"""Networks from a short list of layers in YAML."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml

from dse.errors import ProblemError
from objectives.workloads.config_keys import ConfigKeys
from objectives.workloads.layers import (
    AttentionLayer,
    ConvolutionLayer,
    EmbeddingLayer,
    Layer,
    LinearLayer,
    ProductLayer,
)
from objectives.workloads.text_files import read_text
from objectives.workloads.workload import Workload

KINDS: dict[str, type[Layer]] = {
    "linear": LinearLayer,
    "convolution": ConvolutionLayer,
    "attention": AttentionLayer,
    "embedding": EmbeddingLayer,
    "product": ProductLayer,
}
MOST_LAYERS = 100_000
MOST_DEPTH = 20
_KEYS = ("name", "unit", "weight_format", "source", "other_parameters", "layers")
_RANGE = re.compile(r"\{(\d{1,9})\.\.(\d{1,9})\}")
_PAIRS = ("kernel", "output", "stride")


def read_yaml(path: str | Path) -> Workload:
    """Return the network that a YAML file describes.

    ::

        name: my-net
        unit: image                # or token, the default
        weight_format: fp32        # the default
        other_parameters: 128
        layers:
          - {name: conv1, kind: convolution, channels: 3, filters: 64, kernel: 7, output: [112, 112],
             stride: 2}
          - {name: "block{0..11}.up", kind: linear, inputs: 768, outputs: 3072, rows: 197, bias: true}
          - {name: "block{0..11}.down", kind: linear, inputs: 3072, outputs: 768, rows: 197, bias: true}

    A layer's kind is linear, convolution, attention, embedding or product; its other keys are the attributes
    of `LinearLayer`, `ConvolutionLayer`, `AttentionLayer`, `EmbeddingLayer` and `ProductLayer`. A kernel,
    output or stride that is one number is square. A range in braces, both ends included, repeats the layer;
    neighbours with the same range take turns, block by block.

    Parameters
    ----------
    path
        The file, of at most 4 MiB, without aliases.

    Raises
    ------
    ProblemError
        If the file cannot be read, or a key is unknown, missing or of a wrong type.
    """
    file = Path(path)
    stated = _load(file)
    if not isinstance(stated, dict):
        raise ProblemError(f"{file}: this must be a mapping with the keys name and layers")
    _check(stated, _KEYS, str(file))
    keys = ConfigKeys(stated, str(file))
    entries = keys.list_of("layers", dict)
    if not entries:
        raise ProblemError(f"{file}: 'layers' is missing: add it, a list with an item a layer")
    try:
        return Workload(
            keys.text("name") or file.stem,
            tuple(_layers(entries)),
            keys.text("source") or str(file),
            keys.text("weight_format") or "fp32",
            keys.text("unit") or "token",
            other_parameters=keys.whole("other_parameters", 0, least=0, most=10**15),
        )
    except ProblemError as error:
        message = str(error)
        raise ProblemError(message if message.startswith(str(file)) else f"{file}: {message}") from error


def _load(file: Path) -> object:
    text = read_text(file)
    try:
        # A few aliases of aliases expand to billions of items, and the parser's time grows with the square of
        # how deep brackets are.
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if isinstance(event, yaml.AliasEvent):
                raise ProblemError(f"{file}: the alias *{event.anchor} is not read: write it out")
            if depth > MOST_DEPTH:
                raise ProblemError(f"{file}: this is nested more than {MOST_DEPTH} deep: write it flat")
        return yaml.safe_load(text)
    except ProblemError:
        raise
    # Dates and numbers that are none raise errors of their own.
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, RecursionError) as error:
        why = " ".join(str(error).split())[:200]
        raise ProblemError(f"{file}: this is no YAML ({why}): mend it there") from error


def _check(stated: Mapping[Any, Any], known: tuple[str, ...], at: str) -> None:
    for key in stated:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"{near[0]} is meant?" if near else f"known are {', '.join(known)}"
            raise ProblemError(f"{at}: the key {key!r} is unknown: {hint}")


def _layers(entries: list[dict[str, Any]]) -> Iterator[Layer]:
    numbered = [(_name(entry, index), entry) for index, entry in enumerate(entries)]
    total = 0
    for span, group in groupby(numbered, key=lambda item: _span(item[0])):
        repeated = list(group)
        indices: list[int | None] = [None] if span is None else list(range(span[0], span[1] + 1))
        total += len(indices) * len(repeated)
        if total > MOST_LAYERS:
            raise ProblemError(
                f"layer {repeated[0][0]!r}: this makes more than {MOST_LAYERS} layers: narrow it"
            )
        for index in indices:
            for name, entry in repeated:
                yield _layer(name if index is None else _RANGE.sub(str(index), name), entry)


def _name(entry: Mapping[str, Any], index: int) -> str:
    name = entry.get("name")
    if not isinstance(name, str) or not name:
        raise ProblemError(f"layer {index + 1}: name={name!r} must be text: add one")
    return name


def _span(name: str) -> tuple[int, int] | None:
    """Return the first and the last number of the range in a name; None where there is none."""
    found = list(_RANGE.finditer(name))
    braces = name.count("{") + name.count("}")
    if not found and not braces:
        return None
    if len(found) != 1 or braces != 2:
        raise ProblemError(f"layer {name!r}: its name must have one range, as in block{{0..31}}.up")
    first, last = int(found[0][1]), int(found[0][2])
    # Before a list of them is made.
    if not first <= last < first + MOST_LAYERS:
        raise ProblemError(f"layer {name!r}: {found[0][0]} must go up, over at most {MOST_LAYERS} numbers")
    return first, last


def _layer(name: str, entry: Mapping[str, Any]) -> Layer:
    kind = entry.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ProblemError(f"layer {name!r}: kind={kind!r} is unknown; known are {', '.join(KINDS)}")
    cls = KINDS[kind]
    known = fields(cls)
    _check(entry, ("kind", *(item.name for item in known)), f"layer {name!r}")
    missing = [item.name for item in known if item.default is MISSING and item.name not in entry]
    if missing:
        raise ProblemError(f"layer {name!r}: {missing[0]!r} is missing: add it to a layer of kind {kind}")
    values: dict[str, Any] = {"name": name}
    for item in known:
        if item.name not in entry or item.name == "name":
            continue
        value = entry[item.name]
        if item.type == "bool" and not isinstance(value, bool):
            raise ProblemError(f"layer {name!r}: {item.name}={value!r} must be true or false")
        if item.type == "int | None" and isinstance(value, bool | float | str | list | dict):
            raise ProblemError(f"layer {name!r}: {item.name}={value!r} must be a whole number, or left out")
        values[item.name] = _pair(value) if item.name in _PAIRS else value
    return cls(**values)


def _pair(value: object) -> object:
    return tuple(value) if isinstance(value, list) else (value, value)
