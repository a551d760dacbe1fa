"""The cost model: networks of families on the cores of an accelerator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dse.errors import ProblemError
from dse.expressions import Columns
from objectives.accelerator.energy import PARTS, energy_pj
from objectives.accelerator.hardware import CORE_COLUMNS, Hardware, hardware
from objectives.accelerator.schedule import schedule
from objectives.accelerator.systolic import systolic
from objectives.accelerator.tiling import AIMS, mapped
from objectives.accelerator.work import Work, distinct
from objectives.devices.technology import CMOS_45NM, DRAM_PJ_PER_BIT, Technology
from objectives.networks.family import Family, Under
from objectives.networks.quantized import Quantized
from objectives.workloads.shapes import LayerShapes

Floats = NDArray[np.float64]

MODELS = ("mapped", "systolic")
ASSIGNMENTS = ("earliest", "network", "segment")

# Parts that a network is cut into where its layers are assigned to cores by segment.
SEGMENTS = 4

# Designs that are evaluated at once: what they need in between stays in a core's cache.
_BLOCK = 4096

# Of the bandwidth to DRAM, which cores share in eighths.
SHARES = 8

METRICS = {
    "latency_ms": "ms",
    "energy_mj": "mJ",
    "area_mm2": "mm2",
    "power_w": "W",
    "utilisation": "",
    "dram_mib": "MiB",
    "pes": "",
    "buffer_kib": "KiB",
    "arithmetic_energy_mj": "mJ",
    "register_energy_mj": "mJ",
    "buffer_energy_mj": "mJ",
    "dram_energy_mj": "mJ",
    "leakage_energy_mj": "mJ",
    "macs": "",
}


@dataclass(frozen=True)
class AcceleratorModel:
    """What networks cost on an accelerator, and how good they are.

    Parameters
    ----------
    networks
        Families by prefix: the family of ``{"first": family}`` reads ``first.net.depth_1`` and so on, and the
        metrics of its quality are ``first.accuracy_percent`` and so on; under the prefix "" there is one
        network alone, and its names are bare.
    cores
        Most cores. One is read from ``acc.rows`` and so on (`objectives.accelerator.hardware.CORE_COLUMNS`).
        Several from ``acc1.rows``, ..., of which the first ``acc.cores`` are there; they share one clock and
        precision, ``acc.clock_mhz`` and ``acc.precision``, and the bandwidth: ``acc1.share`` eighths of it.
    model
        mapped: tiles are chosen for each layer (`objectives.accelerator.tiling`); systolic: closed form
        (`objectives.accelerator.systolic`).
    aim
        What each layer's mapping minimises: latency, energy, edp.
    assignment
        Of layers to several cores. earliest: where a layer ends first; network: all of a network to the core
        ``map.first``, from 1; segment: a fourth of its layers each to ``map.first_1`` to ``map.first_4``.
        A core that is not there stands for the last that is.
    bandwidth_gb_s
        Of several cores together.
    technology, dram_pj_per_bit
        Unit costs.

    Raises
    ------
    ProblemError
        If an option is unknown or a number is not positive.
    """

    networks: Mapping[str, Family]
    cores: int = 1
    model: str = "mapped"
    aim: str = "edp"
    assignment: str = "earliest"
    bandwidth_gb_s: float = 51.2
    technology: Technology = CMOS_45NM
    dram_pj_per_bit: float = DRAM_PJ_PER_BIT
    name: str = field(default="accelerator", init=False)
    version: str = field(default="1", init=False)

    def __post_init__(self) -> None:
        for label, value, known in (
            ("model", self.model, MODELS),
            ("aim", self.aim, AIMS),
            ("assignment", self.assignment, ASSIGNMENTS),
        ):
            if value not in known:
                raise ProblemError(f"{label}={value!r} is unknown; known are {', '.join(known)}")
        if not self.networks:
            raise ProblemError("an accelerator runs at least one network")
        if "" in self.networks and len(self.networks) > 1:
            raise ProblemError("of several networks each needs a prefix")
        if not 1 <= self.cores <= 4:
            raise ProblemError(f"cores={self.cores!r} must be 1 to 4")
        for name in ("bandwidth_gb_s", "dram_pj_per_bit"):
            if not getattr(self, name) > 0:
                raise ProblemError(f"{name}={getattr(self, name)!r} must be positive")

    @property
    def settings(self) -> Mapping[str, Any]:
        """What results depend on."""
        families = {
            prefix: {"name": item.name, "version": item.version, **item.settings}
            for prefix, item in self.networks.items()
        }
        shared = (
            {"assignment": self.assignment, "bandwidth_gb_s": self.bandwidth_gb_s} if self.cores > 1 else {}
        )
        return {
            "networks": families,
            "cores": self.cores,
            "model": self.model,
            "aim": self.aim,
            "technology": self.technology.name,
            "dram_pj_per_bit": self.dram_pj_per_bit,
            **shared,
        }

    @property
    def metrics(self) -> Mapping[str, str]:
        """Units by metric."""
        quality = {
            _under(prefix, name): unit
            for prefix, family in self.networks.items()
            for name, unit in family.metrics.items()
        }
        apart = {f"{prefix}.latency_ms": "ms" for prefix in self.networks if prefix}
        return {**quality, **METRICS, **apart}

    @property
    def columns(self) -> tuple[str, ...]:
        """The parameters that are read."""
        read = [_under(prefix, name) for prefix, item in self.networks.items() for name in item.columns]
        if self.cores == 1:
            return (*read, *(f"acc.{name}" for name in CORE_COLUMNS))
        own = [name for name in CORE_COLUMNS if name not in ("precision", "clock_mhz", "dram_gb_s")]
        cores = [f"acc{core}.{name}" for core in range(1, self.cores + 1) for name in (*own, "share")]
        return (*read, "acc.cores", "acc.precision", "acc.clock_mhz", *cores, *self._assigned_columns)

    @property
    def _assigned_columns(self) -> tuple[str, ...]:
        names = [prefix or "network" for prefix in self.networks]
        if self.assignment == "network":
            return tuple(f"map.{name}" for name in names)
        if self.assignment == "segment":
            return tuple(f"map.{name}_{part}" for name in names for part in range(1, SEGMENTS + 1))
        return ()

    def evaluate(self, d: Columns) -> Mapping[str, ArrayLike]:
        """Return the metrics of designs; NaN where a layer fits no core."""
        columns = {name: np.asarray(d[name]) for name in self.columns}
        n = len(columns[self.columns[0]])
        parts = [
            self._evaluate({name: value[start : start + _BLOCK] for name, value in columns.items()})
            for start in range(0, max(n, 1), _BLOCK)
        ]
        return {name: np.concatenate([np.asarray(part[name]) for part in parts]) for name in self.metrics}

    def _evaluate(self, d: Columns) -> Mapping[str, ArrayLike]:
        parts = {prefix: family.shapes(_seen(d, prefix)) for prefix, family in self.networks.items()}
        quality = {
            _under(prefix, name): value
            for prefix, family in self.networks.items()
            for name, value in family.quality(_seen(d, prefix), parts[prefix]).items()
        }
        return {**quality, **(self._alone(d, parts) if self.cores == 1 else self._together(d, parts))}

    def work(self, shapes: LayerShapes, core: Hardware) -> Work:
        """Return the work of one run of each layer on one core."""
        return mapped(shapes, core, self.aim) if self.model == "mapped" else systolic(shapes, core)

    def parts(self, d: Columns) -> list[tuple[LayerShapes, Hardware]]:
        """Return, for each network, its layers and the one core as it stores that network's operands."""
        core = hardware(Under(d, "acc"), self.technology, dram_pj_per_bit=self.dram_pj_per_bit)
        return [
            (family.shapes(seen), _stored(core, family, seen))
            for prefix, family in self.networks.items()
            for seen in [_seen(d, prefix)]
        ]

    def _alone(self, d: Columns, parts: Mapping[str, LayerShapes]) -> dict[str, Floats]:
        """One core runs all networks, one after the other."""
        core = hardware(Under(d, "acc"), self.technology, dram_pj_per_bit=self.dram_pj_per_bit)
        n = len(core.rows)
        total = _Totals(n)
        seconds, apart = np.zeros(n), {}
        for prefix, shapes in parts.items():
            once, _ = distinct(shapes)
            stored = _stored(core, self.networks[prefix], _seen(d, prefix))
            work = self.work(once, stored)
            count = np.broadcast_to(once.count, work.cycles.shape)
            energy = energy_pj(work, once, stored)
            seconds = seconds + _sum(work.cycles, count) / core.clock_hz
            total.add(
                {name: _sum(value, count) for name, value in energy.items()},
                _sum(work.dram_bits, count),
                once.macs,
            )
            if prefix:
                apart[f"{prefix}.latency_ms"] = seconds * 1e3
        return {**total.metrics(seconds, [core], [np.ones(n, bool)]), **apart}

    def _together(self, d: Columns, parts: Mapping[str, LayerShapes]) -> dict[str, Floats]:
        """Several cores run layers of several networks at once."""
        n = len(np.asarray(d["acc.cores"]))
        present = np.asarray(d["acc.cores"], int)
        layers = sum(shapes.shape[1] for shapes in parts.values())
        seconds = np.full((n, layers, self.cores), np.inf)
        energy = np.zeros((len(PARTS), n, layers, self.cores))
        dram = np.zeros((n, layers, self.cores))
        cores = [
            hardware(
                _Core(d, number, self.bandwidth_gb_s / SHARES),
                self.technology,
                dram_pj_per_bit=self.dram_pj_per_bit,
            )
            for number in range(1, self.cores + 1)
        ]
        there = [present >= number for number in range(1, self.cores + 1)]
        behind = 0
        for prefix, shapes in parts.items():
            once, places = distinct(shapes)
            count = np.broadcast_to(shapes.count, (n, shapes.shape[1]))
            columns = slice(behind, behind + shapes.shape[1])
            behind += shapes.shape[1]
            for index, core in enumerate(cores):
                at = np.flatnonzero(there[index])
                if not len(at):
                    continue
                some = once.take(at)
                part = _stored(core, self.networks[prefix], _seen(d, prefix)).take(at)
                work = self.work(some, part)
                times = count[at]
                # A layer that this core cannot run is left to the others.
                cycles = np.where(np.isnan(work.cycles), np.inf, work.cycles)[:, places]
                taken = np.where(times > 0, cycles * np.maximum(times, 1), 0.0)
                seconds[at, columns, index] = taken / part.clock_hz[:, None]
                for row, value in enumerate(energy_pj(work, some, part).values()):
                    energy[row, at, columns, index] = _times(value[:, places], times)
                dram[at, columns, index] = _times(work.dram_bits[:, places], times)
        chains = [item.shape[1] for item in parts.values()]
        plan = schedule(seconds, chains, self._assigned(d, chains, present))
        makespan = plan.makespan
        makespan = np.where(np.isfinite(makespan), makespan, np.nan)

        def chosen(value: Floats) -> Floats:
            return np.asarray(np.take_along_axis(value, plan.core[:, :, None], axis=2)[:, :, 0].sum(axis=1))

        total = _Totals(n)
        total.add(
            {name: chosen(energy[row]) for row, name in enumerate(PARTS)},
            chosen(dram),
            np.asarray(sum(shapes.macs for shapes in parts.values())),
        )
        apart, behind = {}, 0
        for prefix, length in zip(parts, chains, strict=True):
            behind += length
            if prefix:
                apart[f"{prefix}.latency_ms"] = plan.end[:, behind - length : behind].max(axis=1) * 1e3
        return {**total.metrics(makespan, cores, there), **apart}

    def _assigned(
        self, d: Columns, chains: Sequence[int], present: NDArray[np.int64]
    ) -> NDArray[np.int64] | None:
        if self.assignment == "earliest":
            return None
        names = iter(self._assigned_columns)
        parts = 1 if self.assignment == "network" else SEGMENTS
        columns = []
        for length in chains:
            of = np.arange(length) * parts // length
            chosen = np.stack([np.asarray(d[next(names)], int) for _ in range(parts)], axis=1)
            columns.append(chosen[:, of])
        return np.asarray(np.minimum(np.concatenate(columns, axis=1), present[:, None]) - 1)


class _Totals:
    """Sums over layers of a batch of designs."""

    def __init__(self, n: int) -> None:
        self.energy = {name: np.zeros(n) for name in PARTS}
        self.dram_bits, self.macs = np.zeros(n), np.zeros(n)

    def add(self, energy: Mapping[str, Floats], dram_bits: Floats, macs: Floats) -> None:
        for name, value in energy.items():
            self.energy[name] = self.energy[name] + value
        self.dram_bits = self.dram_bits + dram_bits
        self.macs = self.macs + macs

    def metrics(
        self, seconds: Floats, cores: Sequence[Hardware], there: Sequence[NDArray[np.bool_]]
    ) -> dict[str, Floats]:
        def over(values: Sequence[Floats]) -> Floats:
            return np.asarray(
                sum(np.where(here, value, 0.0) for here, value in zip(there, values, strict=True))
            )

        area, pes = over([core.area_mm2 for core in cores]), over([core.pes for core in cores])
        buffers = over([core.input_bytes + core.weight_bytes + core.output_bytes for core in cores]) / 1024
        leakage = over([core.leakage_w for core in cores]) * seconds * 1e12
        joules = (sum(self.energy.values()) + leakage) * 1e-12
        return {
            "latency_ms": seconds * 1e3,
            "energy_mj": joules * 1e3,
            "area_mm2": area,
            "power_w": joules / seconds,
            "utilisation": self.macs / (pes * seconds * cores[0].clock_hz),
            "dram_mib": self.dram_bits / 8 / 2**20,
            "pes": pes,
            "buffer_kib": buffers,
            "arithmetic_energy_mj": self.energy["arithmetic"] * 1e-9,
            "register_energy_mj": self.energy["registers"] * 1e-9,
            "buffer_energy_mj": self.energy["buffers"] * 1e-9,
            "dram_energy_mj": self.energy["dram"] * 1e-9,
            "leakage_energy_mj": leakage * 1e-9,
            "macs": self.macs,
        }


@dataclass(frozen=True)
class _Core:
    """The columns of one of several cores, as a single core's."""

    columns: Columns
    number: int
    gb_s_per_share: float

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name in ("precision", "clock_mhz"):
            return np.asarray(self.columns[f"acc.{name}"])
        if name == "dram_gb_s":
            return np.asarray(self.columns[f"acc{self.number}.share"], float) * self.gb_s_per_share
        return np.asarray(self.columns[f"acc{self.number}.{name}"])


def _under(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _seen(d: Columns, prefix: str) -> Columns:
    return Under(d, prefix) if prefix else d


def _stored(core: Hardware, family: Family, d: Columns) -> Hardware:
    """Return the cores with operands of the widths that the family states, if it does."""
    if not isinstance(family, Quantized):
        return core
    return core.storing(*family.bits(d))


def _sum(value: Floats, count: Floats) -> Floats:
    return np.asarray(_times(value, count).sum(axis=1))


def _times(value: Floats, count: Floats) -> Floats:
    """Return products; 0 where the count is, whatever a layer that is not there would cost."""
    return np.where(count > 0, value * count, 0.0)
