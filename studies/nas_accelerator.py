"""Networks and the accelerator that runs them, searched together: accuracy, latency, energy, area."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dse import Designs, Maximize, Minimize, Problem, Space
from dse.definitions import StudyDefinition
from dse.errors import ProblemError
from dse.problem import Objective
from objectives.accelerator import MODELS, SYSTOLIC, AcceleratorModel, verification
from objectives.accelerator.hardware import CORE_COLUMNS, Hardware, hardware
from objectives.accelerator.simulated import EXPRESSED, SimulatedModel
from objectives.architectures import timeloop_text, zigzag_text
from objectives.devices.technology import DRAM_PJ_PER_BIT, technology
from objectives.external import default_cache
from objectives.networks.digits import TrainedDigits
from objectives.networks.family import Family
from objectives.networks.fixed import FixedNetwork
from objectives.networks.quantized import Quantized
from objectives.networks.supernet import Supernet
from objectives.quantization import number_format
from objectives.workloads import read_workload
from spaces.accelerator import DATAFLOWS, accelerator_space
from spaces.digits import perceptron_space
from spaces.quantization import formats_space
from spaces.supernet import supernet_space
from studies.settings import some_metrics, some_names

SUPERNETS = {"supernet": "cifar", "supernet-imagenet": "imagenet"}

_OPERAND_BITS = {"int4": 4, "int8": 8, "int16": 16}

# The worst values of interest of the supernet for CIFAR-10, where most random designs are better. Elsewhere
# the first results set the reference.
_REFERENCE = {"accuracy_percent": 90.0, "latency_ms": 5.0, "energy_mj": 3.0, "area_mm2": 8.0}


def problem(
    network: str = "supernet",
    evaluate: str = "mapped",
    aim: str = "edp",
    blocks: str = "stage",
    dataflows: str = "all",
    precisions: str = "int8",
    formats: str = "",
    most_pes: int = 4096,
    area_limit_mm2: float = 8.0,
    node: str = "45nm",
    dram_pj_per_bit: float = DRAM_PJ_PER_BIT,
    rows: int = 1,
    context: int = 0,
    optimize: str = "",
    seed: int = 0,
    timeout_s: float = 600.0,
) -> Problem:
    """Return the problem of a network and the accelerator of one core that runs it.

    Parameters
    ----------
    network
        supernet: networks of inverted residual blocks for CIFAR-10; supernet-imagenet: for ImageNet; digits:
        small networks that are trained for each design; or one network for all designs: a name, a Hugging
        Face config.json, an .onnx or a .yaml list of layers.
    evaluate
        mapped: each layer is tiled as suits it; systolic: closed form as of SCALE-Sim; scalesim, zigzag: by
        the simulator itself, seconds to minutes a design, with the model as the prior.
    aim
        What each layer's tiling minimises: latency, energy, edp.
    blocks
        stage: all blocks of a stage of a supernet are alike; block: each is chosen.
    dataflows
        To choose from, with commas between; all for all that the evaluation knows.
    precisions
        Multipliers to choose from: int4, int8, int16, bf16, fp16.
    formats
        Integer formats of weights and activations to choose from, as in int4,int8; none by default. Stored
        operands are narrower, multipliers are not.
    most_pes
        Bound on rows times columns of the array.
    area_limit_mm2
        Most area.
    node
        Unit costs: 45nm, or 16nm scaled from it.
    dram_pj_per_bit
        Energy of reading DRAM.
    rows, context
        Tokens, or images, at once, and keys that a token attends to, of a given network.
    optimize
        Objectives, with commas between; by default accuracy_percent, latency_ms, energy_mj, and of a given
        network latency_ms, energy_mj, area_mm2. Accuracies are maximised, all else is minimised.
    seed
        Of the training of digits.
    timeout_s
        For one layer in a simulator.

    Notes
    -----
    Accuracies are predictions of power laws, off by points on other families of networks; see
    docs/models/networks.md. Costs are compared with SCALE-Sim and ZigZag in docs/models/accelerator.md.
    """
    family, space = _family(network, blocks, seed, rows, context)
    if evaluate not in (*MODELS, *EXPRESSED):
        raise ProblemError(f"evaluate={evaluate!r} is unknown; known are {', '.join([*MODELS, *EXPRESSED])}")
    # The closed form is SCALE-Sim's own; ZigZag maps layers.
    formula = {"scalesim": "systolic", "zigzag": "mapped"}.get(evaluate, evaluate)
    known = EXPRESSED.get(evaluate, SYSTOLIC if evaluate == "systolic" else DATAFLOWS)
    chosen = known if dataflows == "all" else some_names("dataflows", dataflows)
    cores = accelerator_space(
        dataflows=chosen, precisions=some_names("precisions", precisions), most_pes=most_pes
    )
    parts, rules = [*space, cores], []
    if formats:
        names = some_names("formats", formats)
        family = Quantized(family, names, names)
        parts.append(formats_space(names, names))
        rules = _narrow_enough(names, some_names("precisions", precisions))
    model = AcceleratorModel(
        {"": family}, model=formula, aim=aim, technology=technology(node), dram_pj_per_bit=dram_pj_per_bit
    )
    simulated = (
        SimulatedModel(model, evaluate, timeout_s, cache=default_cache()) if evaluate in EXPRESSED else None
    )
    predicted = "accuracy_percent" in family.metrics
    wanted = "accuracy_percent,latency_ms,energy_mj" if predicted else "latency_ms,energy_mj,area_mm2"
    if formats and not optimize:
        wanted += ",noise"
    return Problem(
        Space(
            [item for part in parts for item in part.parameters],
            [*(rule for part in parts for rule in part.constraints), *rules],
        ),
        model if simulated is None else simulated,
        chosen_objectives(
            model.metrics, optimize or wanted, _REFERENCE if network == "supernet" and node == "45nm" else {}
        ),
        [f"area_mm2 <= {area_limit_mm2}"],
        name="nas-accelerator",
        prior=None if simulated is None else model,
    )


def chosen_objectives(
    metrics: Mapping[str, str], wanted: str, reference: Mapping[str, float]
) -> list[Objective]:
    """Return objectives by metrics with commas between; accuracies are to be maximised.

    Raises
    ------
    ProblemError
        If a name is no metric.
    """
    found: list[Objective] = []
    for name in some_metrics("optimize", wanted, metrics):
        kind = Maximize if name.rpartition(".")[2] == "accuracy_percent" else Minimize
        found.append(kind(name, reference=reference.get(name)))
    return found


def _family(network: str, blocks: str, seed: int, rows: int, context: int) -> tuple[Family, list[Space]]:
    """Return the networks and the space that they are chosen from, if there is a choice."""
    if blocks not in ("stage", "block"):
        raise ProblemError(f"blocks={blocks!r} is unknown; known are stage, block")
    if network == "digits":
        return TrainedDigits(seed), [perceptron_space()]
    if network in SUPERNETS:
        shared = blocks == "stage"
        size = SUPERNETS[network]
        return Supernet(size, shared), [supernet_space(size, shared=shared)]
    return FixedNetwork(read_workload(network), rows, context), []


def _narrow_enough(formats: Sequence[str], precisions: Sequence[str]) -> list[str]:
    """Return constraints: formats are no wider than the multipliers."""
    rules = []
    for precision in precisions:
        if precision not in _OPERAND_BITS:
            raise ProblemError(f"formats are integers, and precisions={precision!r} are not: leave it out")
        fitting = [name for name in formats if number_format(name).bits <= _OPERAND_BITS[precision]]
        if not fitting:
            raise ProblemError(f"no format of {', '.join(formats)} fits multipliers of {precision}")
        shown = ", ".join(f"'{name}'" for name in fitting)
        rules += [
            f"acc.precision != '{precision}' or quant.{what} in ({shown},)"
            for what in ("weights", "activations")
        ]
    return rules


def verify(
    problem: Problem, design: Designs, tool: str, timeout_s: float, workers: int
) -> dict[str, tuple[float, float]]:
    """Return predicted and simulated figures of a design; see `objectives.accelerator.verification`."""
    model = problem.model.model if isinstance(problem.model, SimulatedModel) else problem.model
    assert isinstance(model, AcceleratorModel)
    return verification.verify(
        model, design, tool, timeout_s=timeout_s, workers=workers, cache=default_cache()
    )


def _core(stored: Mapping[str, Any], parameters: Mapping[str, Any]) -> Hardware:
    """Return the core of a design."""
    settings = stored["model"]["settings"]
    columns = {name: np.array([parameters[f"acc.{name}"]]) for name in CORE_COLUMNS}
    core = hardware(columns, technology(settings["technology"]), dram_pj_per_bit=settings["dram_pj_per_bit"])
    formats = [parameters.get(f"quant.{what}") for what in ("activations", "weights")]
    if all(isinstance(name, str) for name in formats):
        core = core.storing(*(np.array([float(number_format(str(name)).bits)]) for name in formats))
    return core


def _zigzag(stored: Mapping[str, Any], parameters: Mapping[str, Any]) -> str:
    return zigzag_text(_core(stored, parameters))


def _timeloop(stored: Mapping[str, Any], parameters: Mapping[str, Any]) -> str:
    return timeloop_text(_core(stored, parameters))


study = StudyDefinition(
    "nas-accelerator",
    "a network and the accelerator that runs it, searched together: accuracy, latency, energy",
    problem,
    searcher="nsga2",
    budget=20_000,
    verify=verify,
    writers={"zigzag": _zigzag, "timeloop": _timeloop},
)

if __name__ == "__main__":
    study.main()
