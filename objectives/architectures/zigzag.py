"""ZigZag's YAML files (version 3.9): accelerators, mappings and workloads, read; accelerators, written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import yaml
from numpy.typing import ArrayLike

from dse.errors import ProblemError
from dse.expressions import Columns
from objectives.accelerator.hardware import Hardware
from objectives.accelerator.verification import zigzag_accelerator
from objectives.architectures.architecture import Architecture, Storage, listed, mapping, needed, number
from objectives.external.zigzag import convolution_layer
from objectives.workloads.shapes import LayerShapes

LINKS = {"I1": "inputs", "I2": "weights", "O": "outputs"}
_LAYER_OPERANDS = {"I": "inputs", "W": "weights", "O": "outputs"}

_UNREAD = (
    "r_cost, w_cost, area and latency of memories, unit_energy, unit_area: costs are those of our technology",
    "bandwidth_min, the allocation of ports, double buffering: a port serves its operands at full width",
)

_STRIDE = re.compile(r"i([xy])=(\d+)\*o\1\+(\d+)\*f\1")


def read_zigzag(content: Any, links: Mapping[str, str] = LINKS) -> Architecture:
    """Return the architecture of an accelerator's file.

    Parameters
    ----------
    content
        What the file says, as plain values; marked fields may hold arrays (n,).
    links
        Which operand each memory operand is, as `memory_links` finds it in a mapping.

    Raises
    ------
    ProblemError
        If it is no such file, or of in-memory computing, or its array has more than two dimensions.
    """
    stated = mapping(content, "the accelerator")
    name = str(stated.get("name", "accelerator"))
    array = mapping(needed(stated, "operational_array", name), f"{name}: operational_array")
    at = f"{name}: operational_array"
    if array.get("is_imc"):
        raise ProblemError(f"{at}.is_imc: in-memory computing is not modelled here: evaluate it with ZigZag")
    dimensions = [str(item) for item in listed(needed(array, "dimensions", at), f"{at}.dimensions")]
    sizes = listed(needed(array, "sizes", at), f"{at}.sizes")
    if len(sizes) != len(dimensions) or not 1 <= len(sizes) <= 2:
        raise ProblemError(
            f"{at}: {len(sizes)} sizes of {len(dimensions)} dimensions: one or two are read here"
        )
    counts = [number(size, f"{at}.sizes[{place}]") for place, size in enumerate(sizes)]
    unread = list(_UNREAD)
    if array.get("systolic_dimensions"):
        unread.append("systolic_dimensions: our dataflows say how operands travel")
    stores = []
    for label, memory in mapping(needed(stated, "memories", name), f"{name}: memories").items():
        stores.append(
            _storage(label, mapping(memory, f"{name}: {label}"), dimensions, f"{name}: {label}", links)
        )
    precision = array.get("input_precision")
    return Architecture(
        name,
        counts[0],
        counts[1] if len(counts) > 1 else 1,
        tuple(stores),
        word_bits=None if precision is None else max(precision),
        unread=tuple(unread),
    )


def _storage(
    label: str, memory: Mapping[str, Any], dimensions: list[str], at: str, links: Mapping[str, str]
) -> Storage:
    operands = []
    for item in listed(needed(memory, "operands", at), f"{at}.operands"):
        if item not in links:
            raise ProblemError(f"{at}.operands: {item!r} is unknown; known are {', '.join(links)}")
        operands.append(links[item])
    served = listed(needed(memory, "served_dimensions", at), f"{at}.served_dimensions")
    reading = [
        number(needed(port, "bandwidth_max", f"{at}.ports"), f"{at}.ports[{place}].bandwidth_max")
        for place, port in enumerate(listed(needed(memory, "ports", at), f"{at}.ports"))
        if mapping(port, f"{at}.ports[{place}]").get("type") != "write"
    ]
    return Storage(
        label,
        tuple(operands),
        number(needed(memory, "size", at), f"{at}.size"),
        set(served) == set(dimensions),
        np.maximum.reduce(np.broadcast_arrays(*reading)) if reading else None,
    )


@dataclass(frozen=True)
class Unrolling:
    """What a mapping's file lays on the array.

    Attributes
    ----------
    dataflow
        The one of ours that it is.
    swapped
        Whether the second dimension is our rows.
    """

    dataflow: str
    swapped: bool


_FLOWS = {
    ("sums", "filters"): "weight_stationary",
    ("channels", "filters"): "nvdla",
    ("pixels", "filters"): "output_stationary",
    ("sums", "pixels"): "input_stationary",
    ("channels", "pixels"): "input_stationary",
    ("taps", "lines"): "row_stationary",
}


def read_unrolling(content: Any) -> Unrolling:
    """Return the dataflow of a mapping's default entry, by the loops that it unrolls.

    Raises
    ------
    ProblemError
        If no dataflow of ours unrolls these loops; it then has to be named.
    """
    spatial = mapping(_default(content).get("spatial_mapping") or {}, "the mapping's spatial_mapping")
    ways = []
    for dimension in ("D1", "D2"):
        loops = [_loop(item) for item in listed(spatial.get(dimension, []), f"the mapping's {dimension}")]
        ways.append(_way([loop for loop in loops if loop]))
    for swapped in (False, True):
        found = _FLOWS.get((ways[swapped], ways[not swapped]))
        if found is not None:
            return Unrolling(found, swapped)
    raise ProblemError(
        f"the mapping lays {dict(spatial)} on the array, which is no dataflow of ours: name one, as in "
        "dataflow=weight_stationary"
    )


def memory_links(content: Any) -> dict[str, str]:
    """Return which operand each memory operand is, by a mapping's default entry."""
    stated = _default(content).get("memory_operand_links")
    if stated is None:
        return dict(LINKS)
    links = mapping(stated, "the mapping's memory_operand_links")
    return {str(links[layer]): operand for layer, operand in _LAYER_OPERANDS.items() if layer in links}


def _default(content: Any) -> Mapping[str, Any]:
    entries = [mapping(item, "an entry of the mapping") for item in listed(content, "the mapping")]
    for entry in entries:
        if entry.get("name") == "default":
            return entry
    raise ProblemError("the mapping has no entry 'default': add one")


def _loop(item: Any) -> str | None:
    """Return the loop of ``"K, 8"``; None where it is not unrolled."""
    texts = np.unique([str(one) for one in np.atleast_1d(np.asarray(item, dtype=object)).tolist()]).tolist()
    loops = {text.partition(",")[0].strip() for text in texts}
    if len(loops) > 1:
        raise ProblemError(f"the mapping chooses among the loops {', '.join(sorted(loops))}: fix it here")
    sizes = {text.partition(",")[2].strip() for text in texts}
    return None if sizes == {"1"} else loops.pop()


def _way(loops: list[str]) -> str:
    given = set(loops)
    if "FY" in given and given <= {"FY", "C", "G"} and loops[0] == "FY":
        return "taps"
    if given == {"C"}:
        return "channels"
    if given and given <= {"C", "FX", "FY"}:
        return "sums"
    if given == {"K"}:
        return "filters"
    if "OY" in given and given <= {"OY", "K"}:
        return "lines" if "OX" not in given else "pixels"
    if given and given <= {"OX", "OY", "B"}:
        return "pixels"
    return "+".join(sorted(given)) or "nothing"


@dataclass(frozen=True)
class ListedLayers:
    """The layers of a workload's file, as a family of one network.

    Parameters
    ----------
    label
        Of the file.
    found
        The layers.
    digest
        A hash of the file.
    """

    label: str
    found: LayerShapes
    digest: str
    version: str = field(default="1", init=False)
    columns: tuple[str, ...] = field(default=(), init=False)

    @property
    def name(self) -> str:
        """The file's."""
        return self.label

    @property
    def settings(self) -> Mapping[str, Any]:
        """A hash of the file."""
        return {"digest": self.digest}

    @property
    def metrics(self) -> Mapping[str, str]:
        """Nothing is known of its quality."""
        return {}

    def shapes(self, d: Columns) -> LayerShapes:
        """Return its layers, for all designs the same."""
        return self.found

    def quality(self, d: Columns, shapes: LayerShapes | None = None) -> Mapping[str, ArrayLike]:
        """Return nothing."""
        return {}


def read_layers(content: Any) -> tuple[LayerShapes, int]:
    """Return the layers of a workload's file, and the bits of their widest operand.

    Raises
    ------
    ProblemError
        If a layer is neither a convolution nor a product over ZigZag's own loops (B, G, K, C, OX, OY, FX,
        FY), or its strides differ.
    """
    rows, bits = [], 1
    for place, item in enumerate(listed(content, "the workload")):
        entry = mapping(item, f"layer {place} of the workload")
        at = f"layer {entry.get('name', place)!r}"
        names = [str(one) for one in listed(needed(entry, "loop_dims", at), f"{at}: loop_dims")]
        sizes = dict(zip(names, listed(needed(entry, "loop_sizes", at), f"{at}: loop_sizes"), strict=False))
        unknown = [one for one in names if one not in ("B", "G", "K", "C", "OX", "OY", "FX", "FY")]
        if unknown or entry.get("operator_type") not in ("Conv", "Gemm"):
            raise ProblemError(
                f"{at}: {entry.get('operator_type')!r} over {', '.join(names)} is not modelled here: "
                "evaluate it with ZigZag"
            )
        strides = {
            int(found[2])
            for relation in listed(entry.get("dimension_relations") or [], f"{at}: dimension_relations")
            if (found := _STRIDE.fullmatch(str(relation).replace(" ", "")))
        }
        if len(strides) > 1:
            raise ProblemError(f"{at}: strides {sorted(strides)} differ down and across")
        precision = mapping(needed(entry, "operand_precision", at), f"{at}: operand_precision")
        bits = max(bits, *(int(precision[one]) for one in ("I", "W") if one in precision))

        def size(name: str, sizes: Mapping[str, Any] = sizes) -> int:
            return int(sizes.get(name, 1))

        rows.append(
            (
                size("G"), size("K"), size("C"), size("OY") * size("B"), size("OX"), size("FY"), size("FX"),
                min(strides, default=1), 1,
            )
        )  # fmt: skip
    return LayerShapes(*(np.array([column], float) for column in zip(*rows, strict=True))), bits


def workload_layers(shapes: LayerShapes, bits: Mapping[str, int]) -> list[tuple[list[dict[str, Any]], int]]:
    """Return layers as ZigZag's, each with how many times it is run.

    Parameters
    ----------
    shapes
        Of one network.
    bits
        By I, W, O and O_final.
    """
    table = {
        name: np.broadcast_to(getattr(shapes, name), shapes.shape)[0]
        for name in (
            "groups", "filters", "channels", "height", "width", "kernel_height", "kernel_width", "stride",
            "count",
        )
    }  # fmt: skip
    found = []
    for at in range(shapes.shape[1]):
        row = {name: int(column[at]) for name, column in table.items()}
        if row["count"]:
            layer = convolution_layer(
                row["filters"], row["channels"], row["height"], row["width"],
                row["kernel_height"], row["kernel_width"],
                stride=row["stride"], groups=row["groups"], bits=bits,
            )  # fmt: skip
            found.append((layer, row["count"]))
    return found


def alone(content: Any) -> list[tuple[list[dict[str, Any]], int]]:
    """Return the layers of a workload's file one by one, each with how often it occurs."""
    found: dict[str, tuple[list[dict[str, Any]], int]] = {}
    for place, item in enumerate(listed(content, "the workload")):
        entry = dict(mapping(item, f"layer {place} of the workload"))
        # By itself a layer's operands come from nowhere else.
        entry |= {"id": 0, "name": "layer", "operand_source": {"I": 0, "W": 0}}
        key = repr(sorted(entry.items()))
        layer, count = found.get(key, ([entry], 0))
        found[key] = (layer, count + 1)
    return list(found.values())


def zigzag_text(core: Hardware) -> str:
    """Return the accelerator's file of a core of ours."""
    return yaml.safe_dump(zigzag_accelerator(core), sort_keys=False, allow_unicode=True)
