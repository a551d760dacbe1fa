"""A file of measurements as a study: what search would have found, against what is there."""

from __future__ import annotations

from collections.abc import Callable

from dse import Maximize, Minimize, Problem
from dse.definitions import StudyDefinition
from dse.errors import ProblemError
from dse.models import FunctionModel, renamed
from dse.problem import Objective
from objectives.devices import GPU, gpu
from objectives.gpu.convolution import convolution_model
from objectives.gpu.simt_gemm import simt_gemm_model
from objectives.measured import read_table
from studies.settings import names

PRIORS: dict[str, Callable[[GPU], FunctionModel]] = {
    "simt_gemm": simt_gemm_model,
    "convolution": convolution_model,
}


def problem(
    data: str = "",
    minimize: str = "time",
    maximize: str = "",
    parameters: str = "",
    prior: str = "",
    device: str = "",
) -> Problem:
    """Return the problem of finding the best of what a file measured.

    Parameters
    ----------
    data
        The file: Kernel Tuner's cache (.json, .json.gz), T4 of the auto-tuning community (the same), CSV or
        Parquet. There is no default.
    minimize, maximize
        Metrics of the file, with commas between.
    parameters
        Of a CSV or Parquet file: which columns are parameters, with commas between; by default all that are
        no objective.
    prior
        A model that the bayesian searcher starts from: simt_gemm or convolution (the kernels of the public
        measurements). Needs `device`.
    device
        The GPU that was measured, as in rtx-3090.
    """
    if not data:
        raise ProblemError("data is not set: name a file, as in --set data=cache.json.gz")
    goals: list[Objective] = [Minimize(name) for name in names(minimize)]
    goals += [Maximize(name) for name in names(maximize)]
    if not goals:
        raise ProblemError("minimize and maximize are both empty: name a metric, as in --set minimize=time")
    wanted = [goal.metric for goal in goals]
    is_json = data.endswith((".json", ".json.gz"))
    table = read_table(data, parameters=names(parameters) or None, metrics=wanted if not is_json else None)
    for name in wanted:
        if name not in table.metrics:
            raise ProblemError(f"{data} has no metric {name!r}; it has {', '.join(table.metrics)}")
    if not prior:
        return table.problem(goals)
    if prior not in PRIORS:
        raise ProblemError(f"prior={prior!r} is unknown; known are {', '.join(PRIORS)}")
    if len(wanted) > 1:
        raise ProblemError(f"prior={prior!r} knows one metric, the time: minimize that alone")
    believed = renamed(PRIORS[prior](gpu(device)), {"time_ms": wanted[0]})
    return Problem(table.space, table.model, objectives=goals, name=table.name, prior=believed)


study = StudyDefinition(
    "measured",
    "a file of measurements (Kernel Tuner, T4, CSV, Parquet) as a problem: --set data=FILE",
    problem,
    budget=200,
)

if __name__ == "__main__":
    study.main()
