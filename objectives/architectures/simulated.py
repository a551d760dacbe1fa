"""ZigZag itself on the accelerators of a file with marked fields: seconds to minutes a design."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from dse.designs import Designs
from dse.errors import ProblemError
from dse.interop.template import Template
from dse.models import Outcome
from dse.space import Space
from objectives.architectures.architecture import listed, mapping, needed, number
from objectives.architectures.mapped import kind_of, stored_files
from objectives.external.process import ExternalError, ExternalTimeout, run_many
from objectives.external.zigzag import AIMS, TOOL, ZigZagReport, simulate_layer

# ZigZag then unrolls what it finds best.
NO_MAPPING = [{"name": "default", "memory_operand_links": {"O": "O", "W": "I2", "I": "I1"}}]

_METRICS = {
    "latency_ms": "ms",
    "energy_mj": "mJ",
    "latency_cycles": "cycles",
    "mac_energy_mj": "mJ",
    "memory_energy_mj": "mJ",
    "utilisation": "",
    "pes": "",
    "memory_kib": "KiB",
}


class SimulatedFile:
    """What ZigZag finds for a workload on the accelerator that a file describes.

    Parameters
    ----------
    accelerator, mapping
        ZigZag's files; without a mapping ZigZag lays out layers as it finds best.
    space
        Of the designs.
    layers
        Each a workload of one layer, as ZigZag has it, and how often it is run.
    digest
        Of the layers, for the fingerprint.
    aim
        What each layer's loop order minimises: latency, energy, edp.
    clock_mhz
        For ``latency_ms``: the files count cycles.
    timeout_s
        Of one layer.
    workers
        Layers at a time.
    cache
        A folder of earlier results.

    Notes
    -----
    Metrics are sums over layers, one after the other. ``memory_kib`` is of all memories but the outermost,
    and ``area``, in the file's unit, of them and of the array; it is there where every memory states its own.
    A design that ZigZag refuses, or that takes too long, fails alone.

    Raises
    ------
    ProblemError
        If the file is no accelerator of ZigZag's, or an option is unknown.
    """

    version = "1"

    def __init__(
        self,
        accelerator: Template,
        space: Space,
        layers: Sequence[tuple[Sequence[Mapping[str, Any]], int]],
        *,
        digest: str,
        mapping: Template | None = None,
        aim: str = "edp",
        clock_mhz: float = 1_000.0,
        timeout_s: float | None = 600.0,
        workers: int = 2,
        cache: Path | None = None,
    ) -> None:
        if aim not in AIMS:
            raise ProblemError(f"aim={aim!r} is unknown; known are {', '.join(AIMS)}")
        kind = kind_of(accelerator, space)
        if kind != "zigzag":
            raise ProblemError(f"{accelerator.name} is a file of {kind}: ZigZag reads its own")
        self.accelerator, self.mapping = accelerator, mapping
        self.layers = tuple(layers)
        self.digest, self.aim, self.clock_mhz = digest, aim, clock_mhz
        self.timeout_s, self.workers, self.cache = timeout_s, workers, cache
        probe = next(space.sample(1, 0).rows())
        content = accelerator.content(probe)
        known = structure(content)
        self.metrics: Mapping[str, str] = {**_METRICS, **({"area": ""} if "area" in known else {})}

    @property
    def name(self) -> str:
        """The tool's."""
        return "zigzag"

    @property
    def columns(self) -> tuple[str, ...]:
        """The parameters of the files."""
        reads = [*self.accelerator.reads, *(self.mapping.reads if self.mapping is not None else ())]
        return tuple(dict.fromkeys(reads))

    @property
    def settings(self) -> Mapping[str, Any]:
        """The files' texts, and what results depend on."""
        return {
            **stored_files("zigzag", self.accelerator, self.mapping),
            "tool": TOOL.requirements,
            "layers": self.digest,
            "aim": self.aim,
            "clock_mhz": self.clock_mhz,
            "timeout_s": self.timeout_s,
        }

    def evaluate(self, designs: Designs) -> Outcome:
        """Simulate designs one after the other, each layer by layer."""
        found = {name: np.full(len(designs), np.nan) for name in self.metrics}
        errors: dict[int, str] = {}
        timeouts: set[int] = set()
        seconds = np.zeros(len(designs))
        for row, design in enumerate(designs.rows()):
            began = time.perf_counter()
            try:
                for name, value in self._simulated(design).items():
                    found[name][row] = value
            except ExternalTimeout as error:
                timeouts.add(row)
                errors[row] = str(error)
            except (ExternalError, ProblemError) as error:
                errors[row] = str(error)
            seconds[row] = time.perf_counter() - began
        return Outcome(found, errors, frozenset(timeouts), seconds)

    def _simulated(self, design: Mapping[str, Any]) -> dict[str, float]:
        accelerator = self.accelerator.content(design)
        loops = NO_MAPPING if self.mapping is None else self.mapping.content(design)
        jobs = [(list(layer), accelerator, loops) for layer, _ in self.layers]
        reports = run_many(
            simulate_layer, jobs, workers=self.workers, optimise=self.aim, timeout_s=self.timeout_s,
            cache=self.cache,
        )  # fmt: skip
        done: list[ZigZagReport] = []
        for report in reports:
            if isinstance(report, ExternalError):
                raise report
            done.append(report)
        counts = [count for _, count in self.layers]

        def total(name: str) -> float:
            return float(sum(getattr(one, name) * count for one, count in zip(done, counts, strict=True)))

        cycles = total("latency_cycles")
        return {
            "latency_ms": cycles / self.clock_mhz * 1e-3,
            "energy_mj": total("energy_pj") * 1e-9,
            "latency_cycles": cycles,
            "mac_energy_mj": total("mac_energy_pj") * 1e-9,
            "memory_energy_mj": total("memory_energy_pj") * 1e-9,
            "utilisation": total("ideal_cycles") / cycles,
            **{name: value for name, value in structure(accelerator).items() if name in self.metrics},
        }


def structure(content: Any) -> dict[str, float]:
    """Return PEs, memory and, where it is stated, area of an accelerator's file.

    Raises
    ------
    ProblemError
        If the file lacks what they are made of.
    """
    stated = mapping(content, "the accelerator")
    name = str(stated.get("name", "accelerator"))
    array = mapping(needed(stated, "operational_array", name), f"{name}: operational_array")
    sizes = dict(
        zip(
            listed(needed(array, "dimensions", name), f"{name}: dimensions"),
            listed(needed(array, "sizes", name), f"{name}: sizes"),
            strict=False,
        )
    )
    pes = float(prod(number(size, f"{name}: sizes") for size in sizes.values()))
    memories = list(mapping(needed(stated, "memories", name), f"{name}: memories").items())
    kib, area = 0.0, array.get("unit_area")
    area = None if area is None else float(area) * pes
    for label, memory in memories[:-1]:
        at = f"{name}: {label}"
        served = listed(needed(memory, "served_dimensions", at), f"{at}.served_dimensions")
        count = prod(size for dimension, size in sizes.items() if dimension not in served)
        kib += number(needed(memory, "size", at), f"{at}.size") * count / 8 / 1024
        own = memory.get("area")
        area = None if area is None or own is None else area + float(own) * count
    return {"pes": pes, "memory_kib": kib, **({} if area is None else {"area": area})}
