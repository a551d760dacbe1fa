"""Searching measured GPU spaces: ours beside Kernel Tuner's strategies, in unique evaluations.

    python -m benchmarks.gpu_search [--data FOLDER] [--seeds N] [--strategies a,b] [--searchers a,b] [-o
    FILE.csv]

Every space was measured in full (auto-tuning community's benchmark hub), so that the optimum is known. A
budget counts unique configurations, failed ones among them. Printed is the median over the seeds of the best
found over the optimum, at 50, 100 and 200. Searchers of ours run with their default settings:

- ``bayesian``: knows the space and what it measured, nothing else;
- ``bayesian+model``: the analytical model of `objectives.gpu` as prior, with nothing fitted to the GPU;
- ``random`` as a floor.

Kernel Tuner's strategies run in its simulation mode with their defaults (extra ``peers``); they are left out
where it is not installed.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import gzip
import io
import json
import os
import random
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from dse import Minimize, Problem
from dse.models import FunctionModel, renamed
from dse.searchers import make_searcher
from objectives.devices import GPU, gpu
from objectives.gpu.convolution import convolution_model
from objectives.gpu.simt_gemm import simt_gemm_model
from objectives.measured import read_table

ROOT = Path(__file__).resolve().parents[1]
BUDGETS = (50, 100, 200)
SPACES: dict[str, tuple[str, Callable[[GPU], FunctionModel]]] = {
    "gemm_RTX_3090": ("rtx-3090", simt_gemm_model),
    "gemm_RTX_2080_Ti": ("rtx-2080-ti", simt_gemm_model),
    "convolution_milo_A100": ("a100-pcie-40gb", convolution_model),
    "convolution_milo_A4000": ("rtx-a4000", convolution_model),
    "convolution_milo_MI250X": ("mi250x", convolution_model),
}
OURS = ("bayesian", "bayesian+model", "random")
PEERS = (
    "bayes_opt",
    "genetic_algorithm",
    "pso",
    "firefly_algorithm",
    "simulated_annealing",
    "diff_evo",
)
# Seven of the conditions of the hub's T1 file give the measured configurations; the eighth drops 484 of them.
GEMM_RESTRICTIONS = [
    "KWG % KWI == 0",
    "MWG % (MDIMC * VWM) == 0",
    "NWG % (NDIMC * VWN) == 0",
    "MWG % (MDIMA * VWM) == 0",
    "NWG % (NDIMB * VWN) == 0",
    "KWG % ((MDIMC * NDIMC)/MDIMA) == 0",
    "KWG % ((MDIMC * NDIMC)/NDIMB) == 0",
]
_problems: dict[str, Problem] = {}


def problem(data: Path, space: str) -> Problem:
    """The table as a problem, with the analytical model of its kernel and GPU as prior."""
    if space not in _problems:
        device, model = SPACES[space]
        table = read_table(data / f"{space}.json.gz", metrics=["time"])
        _problems[space] = Problem(
            table.space,
            table.model,
            [Minimize("time")],
            prior=renamed(model(gpu(device)), {"time_ms": "time"}),
        )
    return _problems[space]


def ours(data: Path, space: str, searcher: str, seed: int) -> list[float]:
    """Best found over the optimum after each budget."""
    chosen = problem(data, space)
    prior = chosen.prior_objectives if searcher.endswith("+model") else None
    made = make_searcher(searcher.removesuffix("+model"), chosen.space, seed, prior=prior)
    found: list[float] = []
    while len(found) < max(BUDGETS):
        told = chosen.evaluate(made.ask(min(made.batch, max(BUDGETS) - len(found))))
        made.tell(told)
        found += np.where(told.evaluated, told.objectives[:, 0], np.inf).tolist()
    return relative(found, optimum(chosen))


def optimum(chosen: Problem) -> float:
    return float(np.nanmin(chosen.model.table.metrics["time"]))  # type: ignore[attr-defined]


def relative(found: list[float], best: float) -> list[float]:
    return [min(found[:budget]) / best for budget in BUDGETS]


def theirs(data: Path, space: str, strategy: str, seed: int) -> list[float]:
    """The same for a strategy of Kernel Tuner: configurations in the order of their first request."""
    import kernel_tuner

    content = json.loads(gzip.decompress((data / f"{space}.json.gz").read_bytes()))
    keys = content["tune_params_keys"]
    restrictions = GEMM_RESTRICTIONS
    if not space.startswith("gemm"):
        conditions = json.loads((data / "T1_convolution_milo.json").read_text())["ConfigurationSpace"]
        restrictions = [item["Expression"] for item in conditions["Conditions"]]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(content, file)
        file.flush()
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            results, _ = kernel_tuner.tune_kernel(
                content["kernel_name"],
                "",
                tuple(content["problem_size"]),
                [],
                {key: content["tune_params"][key] for key in keys},
                restrictions=restrictions,
                simulation_mode=True,
                cache=file.name,
                strategy=strategy,
                strategy_options={"max_fevals": max(BUDGETS)},
                verbose=False,
                quiet=True,
            )

    def measured(value: Any) -> float:
        return float(value) if isinstance(value, int | float) and value < 1e19 else float("inf")

    unique: dict[tuple[Any, ...], float] = {}
    for result in results:
        unique.setdefault(tuple(result[key] for key in keys), measured(result.get("time")))
    best = min(measured(record["time"]) for record in content["cache"].values())
    return relative(list(unique.values()), best)


def run(task: tuple[Path, str, str, int]) -> list[float]:
    data, space, name, seed = task
    return (ours if name in OURS else theirs)(data, space, name, seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    default = Path(os.environ.get("DSE_DATA", ROOT.parent / "shared" / "data"))
    parser.add_argument("--data", type=Path, default=default, help="folder of the reference data ($DSE_DATA)")
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--spaces", default=",".join(SPACES))
    parser.add_argument("--searchers", default=",".join(OURS))
    parser.add_argument("--strategies", default=",".join(PEERS), help="of Kernel Tuner")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("-o", "--output", type=Path, help="CSV of all runs")
    options = parser.parse_args()
    data = options.data / "gpu"
    if not data.is_dir():
        raise SystemExit(f"skipped: there is no {data}; set --data or DSE_DATA")
    names = [name for name in options.searchers.split(",") if name]
    strategies = [name for name in options.strategies.split(",") if name]
    if strategies:
        try:
            import kernel_tuner

            print(f"Kernel Tuner {kernel_tuner.__version__}")
        except ImportError as error:
            print(f"Kernel Tuner is left out, as it is not installed ({error}): pip install kernel_tuner")
            strategies = []
    rows = []
    print(f"{'':24s}" + "".join(f"{space:>26s}" for space in options.spaces.split(",")))
    with ProcessPoolExecutor(options.workers) as pool:
        for name in [*names, *strategies]:
            line, started = f"{name:24s}", time.perf_counter()
            for space in options.spaces.split(","):
                runs = list(pool.map(run, [(data, space, name, seed) for seed in range(options.seeds)]))
                rows += [[space, name, seed, *found] for seed, found in enumerate(runs)]
                median = np.median(np.array(runs), axis=0)
                line += f"{' / '.join(f'{value:.3f}' for value in median):>26s}"
            print(f"{line}   {time.perf_counter() - started:6.0f} s", flush=True)
    if options.output:
        with options.output.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["space", "searcher", "seed", *(f"best_over_optimum_{b}" for b in BUDGETS)])
            writer.writerows(rows)


if __name__ == "__main__":
    main()
