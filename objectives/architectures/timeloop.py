"""Timeloop's architectures in YAML, versions 0.2 to 0.4, read; and version 0.4, written.

What keys mean: the documentation of Timeloop and Accelergy (timeloop.csail.mit.edu, "Architecture" and
"Components" of the input formats, versions 3 and 4).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import yaml

from dse.errors import ExpressionError, ProblemError
from dse.expressions import Expression
from dse.interop.template import Tagged
from objectives.accelerator.hardware import BANK_BYTES, DATAFLOWS, Hardware
from objectives.architectures.architecture import (
    OPERANDS,
    Architecture,
    Storage,
    listed,
    mapping,
    needed,
    number,
)

_DEPTH = ("depth", "memory_depth", "data_storage_depth")
_WIDTH = ("width", "memory_width", "data_storage_width")
_WORD = ("datawidth", "word_bits", "word-bits", "word_width")
_BLOCK = ("block_size", "block-size", "n_words", "n-words")
_READ = ("read_bandwidth", "shared_bandwidth")
_COMPUTE = re.compile(r"mac|compute|alu|multiplier|adder", re.IGNORECASE)
_STORAGE = re.compile(r"dram|sram|regfile|_rf\b|buffer|storage|reg\b|scratchpad|spad", re.IGNORECASE)
_COPIES = re.compile(r"(.*?)\[(\d+)\.\.(\d+)\]")

_UNREAD = "energies and areas: Accelergy makes them of components; here costs are those of our technology"


@dataclass
class _Walk:
    """What is found from the outermost node inwards."""

    name: str
    variables: Mapping[str, Any]
    keeps: dict[str, list[str]] = field(default_factory=dict)
    storages: list[Storage] = field(default_factory=list)
    rows: Any = 1
    columns: Any = 1
    fanned: bool = False
    word_bits: Any = None
    technology: str | None = None
    seconds: Any = None
    unread: list[str] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)

    def fan(self, columns: Any, rows: Any) -> None:
        self.columns, self.rows = self.columns * columns, self.rows * rows
        self.fanned = self.fanned or not (np.all(np.equal(columns, 1)) and np.all(np.equal(rows, 1)))

    def amount(self, value: Any, at: str) -> Any:
        """Return a number; a text is an expression over the file's variables."""
        if isinstance(value, str):
            try:
                found = Expression(value).evaluate(
                    {key: np.asarray(one) for key, one in self.variables.items()}
                )
            except (ExpressionError, KeyError) as error:
                raise ProblemError(
                    f"{at}: {value!r} cannot be worked out ({error}): write a number"
                ) from None
            value = (
                found.item() if isinstance(found, np.ndarray | np.generic) and not np.ndim(found) else found
            )
        return number(value, at)


def read_timeloop(content: Any) -> Architecture:
    """Return the architecture of a file.

    Parameters
    ----------
    content
        What the file says, as plain values; marked fields may hold arrays (n,).

    Raises
    ------
    ProblemError
        If it is no such file, or has what is not read here: templates of Jinja, spatial copies within
        parallel branches, data spaces of other names than Inputs, Weights and Outputs.
    """
    stated = mapping(content, "the architecture")
    top = mapping(needed(stated, "architecture", "the file"), "architecture")
    variables = dict(stated.get("variables") or {})
    found = _Walk("architecture", {key: one for key, one in variables.items() if not isinstance(one, str)})
    found.technology = _text(variables.get("technology"))
    if "global_cycle_seconds" in variables:
        found.seconds = found.amount(variables["global_cycle_seconds"], "variables.global_cycle_seconds")
    found.keeps = dict(_targets(stated, found))
    if "nodes" in top:
        for node in listed(top["nodes"], "architecture.nodes"):
            _node(node, found, parallel=False)
    elif "subtree" in top:
        _subtree(top, found)
    else:
        raise ProblemError(
            "architecture has neither 'nodes' (version 0.4) nor 'subtree' (0.2, 0.3): add them"
        )
    if not found.storages:
        raise ProblemError("architecture has no storage: components of a class such as SRAM or DRAM")
    for key in ("components", "sparse_optimizations", "compound_components", "mapspace", "mapper"):
        if key in stated:
            found.unread.append(f"{key}: not read")
    return Architecture(
        found.name,
        found.rows,
        found.columns,
        tuple(reversed(found.storages)),
        word_bits=found.word_bits,
        clock_mhz=None if found.seconds is None else np.round(1e-6 / np.asarray(found.seconds, float), 6),
        technology=found.technology,
        unread=(_UNREAD, *dict.fromkeys(found.unread)),
        assumed=tuple(found.assumed),
    )


def _node(node: Any, found: _Walk, *, parallel: bool) -> None:
    if not isinstance(node, Tagged):
        raise ProblemError(f"architecture.nodes holds {node!r}: each needs a tag, such as !Component")
    if node.tag in ("!Parallel", "!Hierarchical", "!Pipelined"):
        inside = listed(needed(mapping(node.value, node.tag), "nodes", node.tag), f"{node.tag}.nodes")
        for item in inside:
            _node(item, found, parallel=parallel or node.tag == "!Parallel")
        return
    if node.tag == "!Nothing":
        return
    if node.tag not in ("!Component", "!Container", "!Element"):
        raise ProblemError(f"architecture.nodes: the tag {node.tag} is unknown here")
    stated = mapping(node.value, node.tag)
    label = str(stated.get("name", node.tag))
    spatial = mapping(stated.get("spatial") or {}, f"{label}.spatial")
    across = found.amount(spatial.get("meshX", 1), f"{label}.spatial.meshX")
    down = found.amount(spatial.get("meshY", 1), f"{label}.spatial.meshY")
    if spatial:
        if parallel:
            raise ProblemError(f"{label}.spatial: copies within !Parallel are not read here")
        found.fan(across, down)
    attributes = mapping(stated.get("attributes") or {}, f"{label}.attributes")
    _globals(attributes, found, label)
    constraints = mapping(stated.get("constraints") or {}, f"{label}.constraints")
    keep = _kept(mapping(constraints.get("dataspace") or {}, f"{label}.constraints.dataspace"), label)
    if any(key != "dataspace" for key in constraints):
        found.unread.append("constraints of mappings: each layer is mapped as suits our dataflow")
    if node.tag != "!Container":
        _component(label, stated, attributes, found, keep)
    elif found.name == "architecture":
        found.name = label


def _subtree(level: Mapping[str, Any], found: _Walk) -> None:
    below = listed(level["subtree"], "subtree")
    if len(below) != 1:
        raise ProblemError(f"subtree has {len(below)} branches: one is read here")
    stated = mapping(below[0], "subtree")
    label = str(stated.get("name", "subtree"))
    plain, count = _copies(label)
    if found.name == "architecture":
        found.name = plain
    local = [mapping(item, f"{plain}.local") for item in listed(stated.get("local") or [], f"{plain}.local")]
    _globals(mapping(stated.get("attributes") or {}, f"{plain}.attributes"), found, plain)
    if count > 1:
        # How copies lie is said by the components in them.
        meshes = [
            found.amount(item["attributes"]["meshX"], f"{item.get('name')}.meshX")
            for item in local
            if "meshX" in (item.get("attributes") or {})
        ]
        width = meshes[0] if meshes else count
        if np.any(np.mod(count, width)):
            raise ProblemError(f"{plain}: {count} copies are no rows of meshX={width}")
        found.fan(width, count // width)
    for item in local:
        name, own = _copies(str(needed(item, "name", plain)))
        if own > 1:
            raise ProblemError(
                f"{name}: copies of one component ({own}) are not read here: give them a subtree"
            )
        attributes = mapping(item.get("attributes") or {}, f"{name}.attributes")
        _component(name, item, attributes, found, found.keeps.get(name))
    if stated.get("subtree"):
        _subtree(stated, found)


def _component(
    label: str, stated: Mapping[str, Any], attributes: Mapping[str, Any], found: _Walk, keep: list[str] | None
) -> None:
    kind = f"{stated.get('class', '')} {stated.get('subclass') or ''}"
    if "{{" in kind:
        raise ProblemError(f"{label}: templates of Jinja are not read here: render the file first")
    if _COMPUTE.search(kind) and not _STORAGE.search(kind):
        width = attributes.get("datawidth", attributes.get("multiplier_width"))
        if width is not None:
            found.word_bits = found.amount(width, f"{label}.datawidth")
        return
    if not _STORAGE.search(kind):
        found.unread.append(f"{label} of class {kind.strip()!r}: not read")
        return

    def of(names: tuple[str, ...]) -> Any:
        for name in names:
            if name in attributes:
                return found.amount(attributes[name], f"{label}.{name}")
        return None

    depth, width, word, block = of(_DEPTH), of(_WIDTH), of(_WORD), of(_BLOCK)
    bits: Any = np.inf
    if depth is not None and width is not None:
        bits = depth * width
    elif "entries" in attributes and word is not None:
        bits = found.amount(attributes["entries"], f"{label}.entries") * word
    elif "sizeKB" in attributes:
        bits = found.amount(attributes["sizeKB"], f"{label}.sizeKB") * 8 * 1024
    elif "dram" not in kind.lower():
        raise ProblemError(f"{label} has no capacity: state its depth and width")
    words = of(_READ)
    port = words * word if words is not None and word is not None else width
    if port is None and block is not None and word is not None:
        port = block * word
    if words is None and port is not None and not found.fanned:
        found.assumed.append(
            f"{label} has no bandwidth, which is none to Timeloop: one row of it a cycle is taken"
        )
    for name in ("multiple_buffering", "cluster_size", "n_ports", "update_fifo_depth"):
        if name in attributes:
            found.unread.append(f"{label}.{name}: not read")
    kept = keep if keep is not None else found.keeps.get(label, list(OPERANDS))
    if kept:
        found.storages.append(Storage(label, tuple(kept), bits, not found.fanned, port))


def _globals(attributes: Mapping[str, Any], found: _Walk, label: str) -> None:
    if "technology" in attributes and attributes["technology"] not in (-1, "-1"):
        found.technology = _text(attributes["technology"])
    if "global_cycle_seconds" in attributes:
        found.seconds = found.amount(attributes["global_cycle_seconds"], f"{label}.global_cycle_seconds")


def _targets(stated: Mapping[str, Any], found: _Walk) -> Iterator[tuple[str, list[str]]]:
    """Yield which operands components keep, of constraints that stand by themselves."""
    for key in ("architecture_constraints", "constraints", "mapspace_constraints", "mapspace"):
        part = stated.get(key)
        targets = part.get("targets") if isinstance(part, Mapping) else part
        for item in targets if isinstance(targets, list) else ():
            entry = mapping(item, f"{key}.targets")
            if entry.get("type") in ("bypass", "datatype", "dataspace"):
                kept = _kept(entry, f"{key}: {entry.get('target')}")
                if kept is not None:
                    yield str(entry.get("target")), kept
            else:
                found.unread.append("constraints of mappings: each layer is mapped as suits our dataflow")


def _kept(stated: Mapping[str, Any], at: str) -> list[str] | None:
    """Return the operands that are kept; None where nothing is said."""

    def operands(key: str) -> list[str] | None:
        if key not in stated or stated[key] is None:
            return None
        names = [str(item) for item in listed(stated[key], f"{at}.{key}")]
        unknown = [name for name in names if name.lower() not in OPERANDS]
        if unknown:
            raise ProblemError(
                f"{at}.{key}: the data space {unknown[0]!r} is unknown here; known are Inputs, Weights, "
                "Outputs"
            )
        return [name.lower() for name in names]

    only, keep, bypass = operands("keep_only"), operands("keep"), operands("bypass")
    if only is not None:
        return only
    if keep is None and bypass is None:
        return None
    # What is named neither way may be kept: a mapper decides, and a buffer that may hold it is taken to.
    if bypass is None:
        return keep
    return [name for name in OPERANDS if name not in bypass and (keep is None or name in keep)]


def _copies(label: str) -> tuple[str, int]:
    match = _COPIES.fullmatch(label)
    return (label, 1) if match is None else (match[1], int(match[3]) - int(match[2]) + 1)


def _text(value: Any) -> str | None:
    return None if value is None else str(value).strip("\"'")


class _Quoted(str):
    """Text that Accelergy would take for an expression without quotes."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Writes `Tagged` mappings under their tags."""


_Dumper.add_representer(
    _Quoted, lambda dumper, item: dumper.represent_scalar("tag:yaml.org,2002:str", item, '"')
)
_Dumper.add_representer(Tagged, lambda dumper, item: dumper.represent_mapping(item.tag, item.value))


def timeloop_text(core: Hardware) -> str:
    """Return a core of ours as an architecture of version 0.4.

    The mapping is left to Timeloop's mapper: the dataflow is named in a comment, and its register files are
    there, but no constraint holds the mapper to it. Costs are Accelergy's. DRAM moves whole bits a cycle.
    """
    dataflow = DATAFLOWS[int(core.dataflow[0])]
    word, sums = int(core.bits[0]), int(core.sum_bits[0])
    port = int(8 * BANK_BYTES * core.banks[0])
    technology = _Quoted(core.technology.name)

    def component(name: str, kind: str, keep: str | None, **attributes: Any) -> Tagged:
        held = {} if keep is None else {"constraints": {"dataspace": {"keep_only": [keep]}}}
        return Tagged("!Component", {"name": name, "class": kind, "attributes": attributes, **held})

    def buffer(operand: str, size: float, bits: int) -> Tagged:
        return component(
            f"{operand.lower()}_buffer", "SRAM", operand,
            depth=int(8 * size // port), width=port, datawidth=bits, n_banks=int(core.banks[0]),
            read_bandwidth=port // bits, write_bandwidth=port // bits,
        )  # fmt: skip

    def register(operand: str, words: int, bits: int) -> Tagged:
        return component(
            f"{operand.lower()}_register", "regfile", operand, depth=words, width=bits, datawidth=bits
        )

    file = int(core.register_bytes[0])
    stays = {
        "weight_stationary": [("Weights", 1)],
        "nvdla": [("Weights", 1)],
        "output_stationary": [("Outputs", 1)],
        "shidiannao": [("Outputs", 1)],
        "input_stationary": [("Inputs", 1)],
        "row_stationary": [("Inputs", 16), ("Weights", 8 * file // word), ("Outputs", 16)],
    }[dataflow]
    widths = {"Inputs": int(core.input_bits[0]), "Weights": int(core.weight_bits[0]), "Outputs": sums}
    registers = [register(operand, words, widths[operand]) for operand, words in stays]
    dram_bits = max(word, round(8 * float(core.dram_bytes_per_cycle[0])))
    nodes = [
        Tagged("!Container", {
            "name": "system",
            "attributes": {
                "technology": technology,
                "global_cycle_seconds": 1.0 / float(core.clock_hz[0]),
            },
        }),
        component(
            "DRAM", "DRAM", None, width=dram_bits, datawidth=word, shared_bandwidth=dram_bits / word,
        ),
        Tagged("!Parallel", {"nodes": [
            buffer("Inputs", float(core.input_bytes[0]), widths["Inputs"]),
            buffer("Weights", float(core.weight_bytes[0]), widths["Weights"]),
            buffer("Outputs", float(core.output_bytes[0]), sums),
        ]}),
        Tagged("!Container", {
            "name": "PE", "spatial": {"meshX": int(core.columns[0]), "meshY": int(core.rows[0])},
        }),
        registers[0] if len(registers) == 1 else Tagged("!Parallel", {"nodes": registers}),
        component("mac", "intmac", None, datawidth=word, multiplier_width=word, adder_width=sums),
    ]  # fmt: skip
    text = yaml.dump(
        {"architecture": {"version": 0.4, "nodes": nodes}},
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
    )
    return f"# The dataflow is {dataflow}; no constraint holds the mapper to it.\n{text}"
