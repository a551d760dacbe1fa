"""A design's predictions beside what SCALE-Sim or ZigZag find for it, layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.designs import Designs
from dse.errors import ProblemError
from objectives.accelerator.energy import energy_pj
from objectives.accelerator.hardware import BANK_BYTES, DATAFLOWS, SYSTOLIC, Hardware
from objectives.accelerator.model import AcceleratorModel
from objectives.accelerator.work import distinct
from objectives.external.process import ExternalError, run_many
from objectives.external.scalesim import ScaleSimArray, simulate_product
from objectives.external.zigzag import (
    Memory,
    convolution_layer,
    hierarchy,
    product_layer,
    simulate_layer,
    spatial_mapping,
)
from objectives.workloads.shapes import LayerShapes

Floats = NDArray[np.float64]

TOOLS = ("scalesim", "zigzag")


def verify(
    model: AcceleratorModel,
    design: Designs,
    tool: str,
    *,
    timeout_s: float | None = 600.0,
    workers: int = 2,
    cache: Path | None = None,
) -> dict[str, tuple[float, float]]:
    """Return what was predicted of a design and what a tool finds, by metric.

    Parameters
    ----------
    model
        Of one core.
    design
        One design.
    tool
        scalesim: the array's cycles, which never waits for memory there; zigzag: latency in cycles, and
        energy of arithmetic, buffers and DRAM in µJ, of the best mapping that each of the two finds.
    timeout_s
        Of one layer.
    workers
        Layers at a time.
    cache
        A folder of earlier results.

    Raises
    ------
    ProblemError
        If the tool is unknown, or has no such accelerator.
    ExternalError
        If it is missing or fails.
    """
    if tool not in TOOLS:
        raise ProblemError(f"tool {tool!r} is unknown; known are {', '.join(TOOLS)}")
    if model.cores > 1:
        raise ProblemError(f"{tool} has one core, not {model.cores}: verify a study with cores=1")
    if len(design) != 1:
        raise ProblemError(f"one design is verified at a time, not {len(design)}")
    totals: dict[str, tuple[float, float]] = {}
    for shapes, core in model.parts(design):
        once, _ = distinct(shapes)
        there = np.flatnonzero(np.broadcast_to(once.count, once.shape)[0] > 0)
        check = _scalesim if tool == "scalesim" else _zigzag
        found = check(model, once, core, there, {"timeout_s": timeout_s, "cache": cache}, workers)
        for name, (predicted, simulated) in found.items():
            before = totals.get(name, (0.0, 0.0))
            totals[name] = (before[0] + predicted, before[1] + simulated)
    return totals


def _scalesim(
    model: AcceleratorModel,
    shapes: LayerShapes,
    core: Hardware,
    there: NDArray[np.intp],
    settings: Mapping[str, Any],
    workers: int,
) -> dict[str, tuple[float, float]]:
    name = DATAFLOWS[int(core.dataflow[0])]
    if name not in SYSTOLIC:
        raise ProblemError(f"SCALE-Sim has no dataflow {name!r}; it has {', '.join(SYSTOLIC)}")
    array = ScaleSimArray(int(core.rows[0]), int(core.columns[0]), name)
    row = _fields(shapes)
    pixels = row["height"] * row["width"]
    reduction = row["channels"] * row["kernel_height"] * row["kernel_width"]
    jobs = [(array, int(pixels[at]), int(reduction[at]), int(row["filters"][at])) for at in there]
    cycles = _checked(run_many(simulate_product, jobs, workers=workers, **settings), lambda one: one.cycles)
    runs = (row["count"] * row["groups"])[there]
    predicted = (model.work(shapes, core).compute_cycles[0] * row["count"])[there]
    return {"array_cycles": (float(predicted.sum()), float((cycles * runs).sum()))}


def _zigzag(
    model: AcceleratorModel,
    shapes: LayerShapes,
    core: Hardware,
    there: NDArray[np.intp],
    settings: Mapping[str, Any],
    workers: int,
) -> dict[str, tuple[float, float]]:
    row = _fields(shapes)
    jobs = [zigzag_layer({name: float(value[at]) for name, value in row.items()}, core) for at in there]
    settings = {**settings, "optimise": model.aim}
    found = run_many(simulate_layer, jobs, workers=workers, **settings)
    count = row["count"][there]
    cycles = _checked(found, lambda one: one.latency_cycles) * count
    energy = _checked(found, lambda one: one.energy_pj) * count
    work = model.work(shapes, core)
    parts = energy_pj(work, shapes, core)
    counted = parts["arithmetic"] + parts["buffers"] + parts["dram"]
    if core.register_bytes[0]:
        counted = counted + parts["registers"]
    return {
        "latency_cycles": (float((work.cycles[0][there] * count).sum()), float(cycles.sum())),
        "energy_uj": (float((counted[0][there] * count).sum() * 1e-6), float(energy.sum() * 1e-6)),
    }


def zigzag_layer(layer: Mapping[str, float], core: Hardware) -> tuple[Any, Any, Any]:
    """Return a layer and a core as ZigZag's workload, accelerator and mapping.

    Parameters
    ----------
    layer
        The fields of `LayerShapes` by name, a number each.
    core
        One core.

    Raises
    ------
    ProblemError
        If ZigZag cannot express the dataflow.

    Notes
    -----
    What a dataflow puts on the array is unrolled as far as ZigZag's loops allow: of sums over channels and
    taps the channels first, of pixels a line first. PEs have registers for what stays, two words deep; where
    rows are stationary, the file, and 16 words of inputs and of sums. A bank of a buffer reads a word and
    writes one.
    """
    accelerator = zigzag_accelerator(core)
    name = DATAFLOWS[int(core.dataflow[0])]
    bits = {
        "I": int(core.input_bits[0]),
        "W": int(core.weight_bits[0]),
        "O": int(core.sum_bits[0]),
        "O_final": int(core.input_bits[0]),
    }
    size = {key: int(value) for key, value in layer.items()}
    square = size["kernel_height"] * size["kernel_width"] * size["stride"] == 1
    if square and name in SYSTOLIC and size["groups"] == 1:
        pixels = size["height"] * size["width"]
        workload = product_layer(pixels, size["channels"], size["filters"], bits=bits)
        loops = {"C": size["channels"], "K": size["filters"], "B": pixels}
        ways = {"sums": ["C"], "filters": ["K"], "pixels": ["B"]}
    else:
        workload = convolution_layer(
            size["filters"],
            size["channels"],
            size["height"],
            size["width"],
            size["kernel_height"],
            size["kernel_width"],
            stride=size["stride"],
            groups=size["groups"],
            bits=bits,
        )
        loops = {
            "C": size["channels"],
            "K": size["filters"],
            "FX": size["kernel_width"],
            "FY": size["kernel_height"],
            "OX": size["width"],
            "OY": size["height"],
            "G": size["groups"],
        }
        ways = {"sums": ["C", "FX", "FY"], "filters": ["K"], "pixels": ["OX", "OY"]}
    rows, columns = int(core.rows[0]), int(core.columns[0])
    if name == "row_stationary":
        taps = min(rows, loops["FY"])
        lines = min(columns, loops["OY"])
        repeated = "C" if loops["G"] == 1 else "G"
        down = [("FY", taps), (repeated, min(rows // taps, loops[repeated]))]
        across = [("OY", lines), ("K", min(columns // lines, loops["K"]))]
    else:
        along = {
            "weight_stationary": ("sums", "filters"),
            "output_stationary": ("pixels", "filters"),
            "input_stationary": ("sums", "pixels"),
            "nvdla": ("channels", "filters"),
        }[name]
        ways["channels"] = ["C"]
        down, across = (
            _unrolled(ways[way], loops, most) for way, most in zip(along, (rows, columns), strict=True)
        )
    return workload, accelerator, spatial_mapping(down, across)


def _unrolled(names: list[str], loops: Mapping[str, int], most: int) -> list[tuple[str, int]]:
    """Return loops along a dimension of the array: each as far as what is before leaves room."""
    found = []
    for name in names:
        part = min(most, loops[name])
        found.append((name, part))
        most //= part
    return found


def zigzag_accelerator(core: Hardware) -> dict[str, Any]:
    """Return one core as ZigZag's accelerator; raise `ProblemError` if ZigZag cannot express its dataflow."""
    name = DATAFLOWS[int(core.dataflow[0])]
    if name == "shidiannao":
        raise ProblemError("ZigZag cannot express shidiannao: there inputs do not pass between neighbours")
    flop = core.technology.register_um2 * core.technology.logic_pj_per_um2
    file = float(core.register_pj_per_bit[0])
    words = {
        "weight_stationary": {"I2": 2},
        "nvdla": {"I2": 2},
        "output_stationary": {"O": 2},
        "input_stationary": {"I1": 2},
        "row_stationary": {"I1": 16, "I2": int(8 * core.register_bytes[0] // core.weight_bits[0]), "O": 16},
    }[name]
    wide = {"I1": int(core.input_bits[0]), "I2": int(core.weight_bits[0]), "O": int(core.sum_bits[0])}
    memories = [
        Memory(
            operand,
            count * wide[operand],
            file if name == "row_stationary" and operand == "I2" else flop,
            wide[operand],
            False,
        )
        for operand, count in words.items()
    ]
    for operand, size in (("I1", core.input_bytes), ("I2", core.weight_bytes), ("O", core.output_bytes)):
        memories.append(
            Memory(
                operand,
                int(8 * size[0]),
                float(core.buffer_pj_per_bit(size)[0]),
                int(8 * BANK_BYTES * core.banks[0]),
                True,
            )
        )
    return hierarchy(
        int(core.rows[0]),
        int(core.columns[0]),
        memories,
        dram_bits_per_cycle=max(8, round(8 * float(core.dram_bytes_per_cycle[0]))),
        dram_pj_per_bit=core.dram_pj_per_bit,
        mac_pj=float(core.mac_pj[0]),
    )


def _fields(shapes: LayerShapes) -> dict[str, Floats]:
    """Return the fields of the first network by name, each (layers,)."""
    return {
        field.name: np.broadcast_to(getattr(shapes, field.name), shapes.shape)[0] for field in fields(shapes)
    }


def _checked(found: list[Any], value: Callable[[Any], float]) -> Floats:
    for one in found:
        if isinstance(one, ExternalError):
            raise one
    return np.array([value(one) for one in found])
