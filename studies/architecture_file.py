"""An accelerator from a file of ZigZag's or Timeloop's, whose marked fields are searched."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dse import Categorical, Designs, Minimize, Problem, Space
from dse.definitions import StudyDefinition
from dse.errors import DseError, ProblemError
from dse.interop.template import Template, joined_space, load
from objectives.accelerator import AcceleratorModel
from objectives.accelerator.tiling import AIMS
from objectives.architectures import FileModel, SimulatedFile
from objectives.architectures.core import CLOCK_MHZ
from objectives.architectures.mapped import DATAFLOW, stored_template
from objectives.architectures.zigzag import ListedLayers, alone, read_layers, workload_layers
from objectives.devices.technology import technology
from objectives.external import default_cache
from objectives.networks.family import Family
from objectives.networks.fixed import FixedNetwork
from objectives.workloads import read_workload
from objectives.workloads.text_files import read_text
from studies.settings import names, some_metrics

NAME = "architecture-file"

# Of operands and partial sums, where the workload does not say.
_BITS = {"I": 8, "W": 8, "O": 24, "O_final": 8}


def problem(
    file: str = "",
    mapping: str = "",
    workload: str = "resnet-18",
    evaluate: str = "mapped",
    dataflow: str = "",
    constraints: str = "",
    aim: str = "edp",
    clock_mhz: float = 0.0,
    precision: str = "",
    node: str = "45nm",
    rows: int = 1,
    context: int = 0,
    optimize: str = "",
    lossy: bool = False,
    timeout_s: float = 600.0,
) -> Problem:
    """Return the problem of the marked fields of an accelerator's file.

    Parameters
    ----------
    file
        ZigZag's accelerator, or Timeloop's architecture (versions 0.2 to 0.4), with marks as in ``size:
        !choice [65536, 131072]``: see docs/interop/accelerators.md. There is no default.
    mapping
        ZigZag's mapping, which may have marks too. Without it ZigZag lays layers out as it finds best.
    workload
        A name, a Hugging Face config.json, an .onnx, a .yaml list of layers; or ZigZag's own workload.
    evaluate
        mapped: our model of each layer's mapping, as far as the architecture is one of ours; zigzag: ZigZag
        itself, seconds a layer.
    dataflow
        What stays in the PEs, of a file that does not say; several, with commas between, are searched.
    constraints
        Of the space, with semicolons between, beside those in the files.
    aim
        What each layer's mapping minimises: latency, energy, edp.
    clock_mhz
        By default what the file says, else 1,000.
    precision
        Of the multipliers of the mapped model: int4, int8, int16, bf16, fp16; by default the file's.
    node
        Unit costs of the mapped model: 45nm, or 16nm scaled from it.
    rows, context
        Tokens, or images, at once, and keys that a token attends to.
    optimize
        Metrics to minimise, with commas between; by default latency_ms, energy_mj and the area, where it is
        known.
    lossy
        Whether the mapped model may leave out what our cores have no place for; it says what.
    timeout_s
        For one layer in ZigZag.
    """
    if not file:
        raise ProblemError("file is not set: name one, as in --set file=accelerator.yaml")
    if evaluate not in ("mapped", "zigzag"):
        raise ProblemError(f"evaluate={evaluate!r} is unknown; known are mapped, zigzag")
    if aim not in AIMS:
        raise ProblemError(f"aim={aim!r} is unknown; known are {', '.join(AIMS)}")
    accelerator = Template.read(file)
    loops = Template.read(mapping) if mapping else None
    templates = [accelerator] if loops is None else [accelerator, loops]
    flows = names(dataflow)
    space = joined_space(templates, [rule for rule in constraints.split(";") if rule.strip()])
    if len(flows) > 1:
        if evaluate == "zigzag":
            raise ProblemError("dataflow is a choice of the mapped model; ZigZag's is marked in its mapping")
        space = Space([*space.parameters, Categorical(DATAFLOW, flows)], space.constraints)
    work = _workload(workload, rows, context, evaluate)
    model = (
        None
        if work.family is None
        else AcceleratorModel({"": work.family}, aim=aim, technology=technology(node))
    )

    def ours(lost: list[str] | None, flow: str | None, clock: float | None) -> FileModel:
        assert model is not None
        return FileModel(
            model, accelerator, space, mapping=loops, dataflow=flow, clock_mhz=clock, lost=lost,
            precision=precision or (f"int{work.bits}" if work.bits else None), layers=work.layers,
        )  # fmt: skip

    if evaluate == "mapped":
        lost: list[str] | None = [] if lossy else None
        mapped = ours(lost, flows[0] if len(flows) == 1 else None, clock_mhz or None)
        for line in lost or ():
            warnings.warn(f"{accelerator.name}: {line}", stacklevel=2)
        wanted = some_metrics("optimize", optimize or "latency_ms,energy_mj,area_mm2", mapped.metrics)
        return Problem(space, mapped, [Minimize(name) for name in wanted], name=NAME)
    clock = clock_mhz or CLOCK_MHZ
    simulated = SimulatedFile(
        accelerator, space, work.layers, digest=_digest(work.layers), mapping=loops, aim=aim,
        clock_mhz=clock, timeout_s=timeout_s, cache=default_cache(),
    )  # fmt: skip
    area = ",area" if "area" in simulated.metrics else ""
    wanted = some_metrics("optimize", optimize or f"latency_ms,energy_mj{area}", simulated.metrics)
    prior: FileModel | None = None
    if model is not None and all(name in model.metrics for name in wanted):
        # What is believed before ZigZag is asked need not be exact; an architecture unlike ours has none.
        with suppress(DseError):
            prior = ours([], flows[0] if flows else None, clock)
    return Problem(space, simulated, [Minimize(name) for name in wanted], name=NAME, prior=prior)


@dataclass(frozen=True)
class _Work:
    """A workload for our model, where that can run it, and for ZigZag; the bits of operands where it says."""

    family: Family | None
    layers: list[tuple[list[dict[str, Any]], int]]
    bits: int | None


def _workload(workload: str, rows: int, context: int, evaluate: str) -> _Work:
    path = Path(workload)
    if path.suffix in (".yaml", ".yml") and path.is_file():
        content = load(read_text(path), path.name)
        if isinstance(content, list):
            layers = alone(content)
            try:
                shapes, bits = read_layers(content)
            except ProblemError:
                if evaluate == "mapped":
                    raise
                return _Work(None, layers, None)
            return _Work(ListedLayers(path.stem, shapes, _digest(content)), layers, bits)
    network = FixedNetwork(read_workload(workload), rows, context)
    return _Work(network, workload_layers(network.shapes({}), _BITS), None)


def _digest(value: Any) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:16]


def verify(
    problem: Problem, design: Designs, tool: str, timeout_s: float, workers: int
) -> dict[str, tuple[float, float]]:
    """Return what our model and ZigZag find for a design of ZigZag's file, each with its own energies."""
    ours = problem.model
    if tool != "zigzag" or not isinstance(ours, FileModel) or ours.kind != "zigzag":
        raise ProblemError(
            f"{tool} cannot verify this: designs of ZigZag's file that the mapped model evaluated are put "
            "through zigzag"
        )
    simulated = SimulatedFile(
        ours.accelerator, problem.space, ours.layers, digest="", mapping=ours.mapping, aim=ours.model.aim,
        clock_mhz=float(ours.core(design, 1)["clock_mhz"][0]), timeout_s=timeout_s, workers=workers,
        cache=default_cache(),
    )  # fmt: skip
    found = simulated.evaluate(design)
    if found.errors:
        raise ProblemError(found.errors[0])
    believed = ours.evaluate(design)
    return {
        name: (float(np.asarray(believed[name])[0]), float(np.asarray(found.metrics[name])[0]))
        for name in ("latency_ms", "energy_mj")
    }


def _write(kind: str, stored: Mapping[str, Any], parameters: Mapping[str, Any]) -> str:
    """Return a design as the file that its study was made from."""
    return stored_template(stored["model"]["settings"], kind).render(parameters)


study = StudyDefinition(
    NAME,
    "an accelerator from ZigZag's or Timeloop's file, its marked fields searched: --set file=FILE",
    problem,
    budget=2_000,
    verify=verify,
    writers={kind: partial(_write, kind) for kind in ("zigzag", "zigzag-mapping", "timeloop")},
)

if __name__ == "__main__":
    study.main()
