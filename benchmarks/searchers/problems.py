"""The problems that searchers are compared on, each with the reference point of its hypervolumes."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse import Problem
from studies import gpu_tiling, lut_accelerator, measured, nas_accelerator, nasbench201, quantization

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A problem to compare searchers on.

    Attributes
    ----------
    name
        As results are filed under.
    problem
        The problem, with the settings of its ready study.
    corner
        The reference point of hypervolumes (m,), minimised.
    long_runs
        Searchers and budgets of the long runs whose front is the best known; none where the whole space is
        walked.
    """

    name: str
    problem: Problem
    corner: Floats
    long_runs: tuple[tuple[str, int], ...] = ()


def _declared(name: str, problem: Problem, long_runs: tuple[tuple[str, int], ...] = ()) -> Case:
    corner = np.array([objective.reference for objective in problem.objectives], float) * problem.signs
    return Case(name, problem, corner, long_runs)


def _nasbench201(device: str) -> Case:
    return _declared(f"nasbench201-{device}", nasbench201.problem(device=device))


def _gemm() -> Case:
    """Return the measured GEMM of an RTX 3090: time alone, up to the median of all its configurations."""
    problem = measured.problem(data=str(Path(os.environ["DSE_DATA"]) / "gpu" / "gemm_RTX_3090.json.gz"))
    table: Any = problem.model
    times = np.asarray(table.table.metrics["time"], float)
    return Case("measured-gemm-rtx3090", problem, np.array([np.nanmedian(times)]))


CASES: dict[str, Callable[[], Case]] = {
    "lut-accelerator": lambda: _declared("lut-accelerator", lut_accelerator.problem()),
    "gpu-tiling": lambda: _declared("gpu-tiling", gpu_tiling.problem()),
    "quantization": lambda: _declared(
        "quantization",
        quantization.problem(),
        (("nsga2", 150_000), ("local", 50_000)),
    ),
    "nas-accelerator": lambda: _declared(
        "nas-accelerator", nas_accelerator.problem(), (("local", 100_000), ("nsga2", 200_000))
    ),
    "nasbench201-raspi4": lambda: _nasbench201("raspi4"),
    "nasbench201-eyeriss": lambda: _nasbench201("eyeriss"),
    "nasbench201-titan_rtx_256": lambda: _nasbench201("titan_rtx_256"),
    "measured-gemm-rtx3090": _gemm,
}
