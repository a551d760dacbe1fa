"""How good surrogates are: errors on splits that do not leak, coverage, proxies' speed-ups, time.

    python -m benchmarks.surrogates hls [--folds 5]   dense layers of wa-hls4ml, by splits ($DSE_DATA)
    python -m benchmarks.surrogates coverage [--studies a,b]   intervals of our studies, on unseen designs
    python -m benchmarks.surrogates proxy             SCALE-Sim learned ($DSE_SCALESIM_PYTHON)
    python -m benchmarks.surrogates economies         what is lost by what makes predictions fast
    python -m benchmarks.surrogates speed             a million predictions; training on 50,000 evaluations

Nothing is chosen on what is reported: a surrogate chooses by cross-validation within its own evaluations.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dse import Categorical, Designs, Ordinal, Space
from dse.definitions import find
from dse.problem import Problem
from dse.searchers.fresh import fresh
from dse.surrogates import Surrogate, TrainingData, fit, scores
from dse.surrogates.encoding import Encoding
from dse.surrogates.regressors import forest, gaussian_process
from dse.surrogates.scoring import area_under_curve, errors

Floats = NDArray[np.float64]
Split = tuple[NDArray[np.int64], NDArray[np.int64]]

TARGETS = {
    "LUT": "LUT_hls", "FF": "FF_hls", "DSP": "DSP_hls", "BRAM": "BRAM_18K_hls", "latency": "WorstLatency_hls",
    "II": "IntervalMax_hls",
}  # fmt: skip
NUMBERS = ("d_in", "d_out", "prec", "rf")
LEVELS = (0.8, 0.9, 0.95)
STUDIES = ("lut-accelerator", "gpu-tiling", "quantization", "nas-accelerator", "llm-codesign", "nasbench201")


def dense_layers() -> tuple[TrainingData, pd.DataFrame]:
    """Return wa-hls4ml's dense layers: reports of Vitis HLS, and which runs failed."""
    frame = pd.read_csv(Path(os.environ["DSE_DATA"]) / "nas" / "wa_hls4ml_dense2688.csv.gz")
    space = Space(
        [*(Ordinal(name, sorted(frame[name].unique().tolist())) for name in NUMBERS),
         Categorical("strategy", ["latency", "resource"])]
    )  # fmt: skip
    failed = ~(frame["hls_synth_success"] == True).to_numpy()  # noqa: E712
    values = {name: np.where(failed, np.nan, frame[column]) for name, column in TARGETS.items()}
    designs = Designs.from_frame(space, frame[[*NUMBERS, "strategy"]])
    none = np.zeros(len(frame), dtype=bool)
    return TrainingData(space, dict.fromkeys(TARGETS, ""), designs, values, failed, none), frame


def splits(frame: pd.DataFrame, folds: int) -> dict[str, list[Split]]:
    """Return positions to learn from and to report on, by kind of split."""
    order = np.random.default_rng(0).permutation(len(frame))
    parts = np.array_split(order, folds)
    every = np.arange(len(frame))

    def held(masks: Iterator[NDArray[np.bool_]]) -> list[Split]:
        return [(every[~mask], every[mask]) for mask in masks]

    return {
        f"random, {folds} parts": [(np.setdiff1d(every, part), np.sort(part)) for part in parts],
        "a number of inputs left out": held(
            (frame["d_in"] == v).to_numpy() for v in sorted(frame["d_in"].unique())
        ),
        "a number of outputs left out": held(
            (frame["d_out"] == v).to_numpy() for v in sorted(frame["d_out"].unique())
        ),
        "a precision left out": held((frame["prec"] == v).to_numpy() for v in sorted(frame["prec"].unique())),
    }


def plain_forest(data: TrainingData, known: Any, held: Any) -> dict[str, Floats]:
    """Return what scikit-learn's random forest, as it is, predicts from the parameters as numbers."""
    from sklearn.ensemble import RandomForestRegressor

    codes = data.designs.codes.astype(float)
    for place, name in enumerate(NUMBERS):
        codes[:, place] = np.asarray(data.designs[name], float)
    found = {}
    for name, values in data.values.items():
        rows = known[np.isfinite(values[known])]
        found[name] = (
            RandomForestRegressor(random_state=0).fit(codes[rows], values[rows]).predict(codes[held])
        )
    return found


def hls(folds: int) -> None:
    """Print errors by target and split, beside a plain forest's."""
    data, frame = dense_layers()
    print("| split | | " + " | ".join(TARGETS) + " | AUC of failing |")
    print("|---" * (len(TARGETS) + 3) + "|")
    for kind, listed in splits(frame, folds).items():
        ours = {name: np.full(len(data), np.nan) for name in TARGETS}
        theirs = {name: np.full(len(data), np.nan) for name in TARGETS}
        inside = {name: {level: np.full(len(data), np.nan) for level in LEVELS} for name in TARGETS}
        failure = np.full(len(data), np.nan)
        for known, held in listed:
            surrogate = fit(data.take(known))
            for level in LEVELS:
                said = surrogate.predict(data.take(held).designs, level)
                for name in TARGETS:
                    actual = data.values[name][held]
                    within = (actual >= said.lower[name]) & (actual <= said.upper[name])
                    inside[name][level][held] = np.where(np.isfinite(actual), within, np.nan)
            for name in TARGETS:
                ours[name][held] = said.mean[name]
            failure[held] = said.failure
            for name, values in plain_forest(data, known, held).items():
                theirs[name][held] = values
        good = ~data.failed
        for label, predicted in (("surrogate", ours), ("plain forest", theirs)):
            found = {name: errors(data.values[name][good], predicted[name][good]) for name in TARGETS}
            auc = f"{area_under_curve(data.failed, failure):.4f}" if label == "surrogate" else ""
            print(f"| {kind} | {label}: SMAPE | "
                  + " | ".join(f"{100 * item['smape']:.2f} %" for item in found.values())
                  + f" | {auc} |")  # fmt: skip
            print(f"| | {label}: R2 | " + " | ".join(f"{item['r2']:.4f}" for item in found.values()) + " | |")
        cells = [
            " / ".join(f"{100 * np.nanmean(inside[name][level]):.1f}" for level in LEVELS) for name in TARGETS
        ]
        print("| | surrogate: in 80 / 90 / 95 % | " + " | ".join(cells) + " | |", flush=True)


def evaluated(problem: Problem, n: int, seed: int) -> TrainingData:
    """Return distinct random designs, evaluated, with the metrics of objectives and limits alone."""
    found = problem.evaluate(_distinct(problem.space, n, seed))
    names = [item.metric for item in problem.objectives]
    names += [name for limit in problem.limits for name in limit.names if name not in names]
    return TrainingData.of(found, {name: problem.metrics[name].unit for name in dict.fromkeys(names)})


def _distinct(space: Space, n: int, seed: int) -> Designs:
    """Return n random designs, none twice: what is tested must not have been learned."""
    return Designs(space, fresh(space, n, seed, 0, set()))


def coverage(studies: Sequence[str], repeats: int = 15, known: int = 400, unseen: int = 2_000) -> None:
    """Print how often intervals hold on unseen random designs, means over repeats.

    Beside it is how many values are predicted exactly: so many any interval holds.
    """
    print("| study | metric | model | SMAPE | in 80 % | in 90 % | in 95 % | exact |")
    print("|---" * 8 + "|")
    for name in studies:
        if name == "nasbench201" and "DSE_DATA" not in os.environ:
            continue
        problem = find(name).build()
        rows: dict[str, list[Any]] = {}
        for repeat in range(repeats):
            data = evaluated(problem, known + unseen, repeat)
            surrogate, other = fit(data.take(np.arange(known))), data.take(np.arange(known, known + unseen))
            found, said = scores(surrogate, other), surrogate.predict(other.designs)
            for metric, item in found["metrics"].items():
                actual = other.values[metric]
                exact = np.isclose(said.mean[metric], actual, rtol=1e-9, atol=0.0)[np.isfinite(actual)].mean()
                item = {**item, "model": surrogate.choice[metric]["model"], "exact": exact}
                rows.setdefault(metric, []).append(item)
        for metric, items in rows.items():
            models = "/".join(sorted({item["model"] for item in items}))
            inside = [np.mean([item["coverage"][str(level)] for item in items]) for level in LEVELS]
            smape = np.mean([item["smape"] for item in items])
            print(f"| {name} | {metric} | {models} | {100 * smape:.1f} % | "
                  + " | ".join(f"{100 * share:.1f}" for share in inside)
                  + f" | {100 * np.mean([item['exact'] for item in items]):.0f} % |", flush=True)  # fmt: skip


def proxy(known: int = 2_000, unseen: int = 2_000, simulated: int = 100, seeds: int = 5) -> None:
    """Print a proxy of SCALE-Sim, as ArchGym states it (arXiv:2306.08888): RMSE by range, and speed-up.

    Cycles are those of `objectives.accelerator`'s closed form, which are SCALE-Sim's to the cycle; SCALE-Sim
    itself runs some of the layers, to see that they are, and for its time.
    """
    from objectives.accelerator import SYSTOLIC
    from objectives.external import ScaleSimArray, simulate_product
    from objectives.external.process import run_many

    sizes = [1, 2, 4, 8, 16, 32, 64, 128]
    space = Space(
        [Ordinal("rows", [4, 8, 16, 32]), Ordinal("columns", [4, 8, 16, 32]),
         Categorical("dataflow", list(SYSTOLIC)), *(Ordinal(name, sizes) for name in "mkn")]
    )  # fmt: skip
    some = space.sample(simulated, 0)
    jobs = [
        (ScaleSimArray(item["rows"], item["columns"], item["dataflow"]), item["m"], item["k"], item["n"])
        for item in some.rows()
    ]
    reports: Any = run_many(simulate_product, jobs, workers=1)
    inside = float(np.mean([report.seconds for report in reports]))
    differ = sum(int(report.cycles) != cycles for report, cycles in zip(reports, _cycles(some), strict=True))
    print(f"SCALE-Sim: {inside * 1e3:.0f} ms a layer, one at a time")
    print(f"other cycles than the closed form: {differ} of {simulated}")
    print("| evaluations | model | RMSE of range, mean (each) | SMAPE | R2 | Spearman | us a layer | times |")
    print("|---|---|---|---|---|---|---|---|")
    many = space.sample(20_000, 1)
    for count in (200, 400, 1_000, known):
        found, each = [], []
        for seed in range(seeds):
            designs = _distinct(space, known + unseen, seed)
            none = np.zeros(len(designs), dtype=bool)
            data = TrainingData(space, {"cycles": ""}, designs, {"cycles": _cycles(designs)}, none, none)
            surrogate = fit(data.take(np.arange(count)))
            found.append(scores(surrogate, data.take(np.arange(known, known + unseen)))["metrics"]["cycles"])
            each.append(_seconds(surrogate, many) / len(many))
        rmse, smape, r2, rank = (
            np.array([one[key] for one in found]) for key in ("nrmse", "smape", "r2", "spearman")
        )
        told = ", ".join(f"{100 * value:.2f}" for value in rmse)
        model = surrogate.choice["cycles"]["model"]
        print(f"| {count} | {model} | {100 * rmse.mean():.2f} % ({told}) | "
              f"{100 * smape.mean():.1f} % | {r2.mean():.4f} | {rank.mean():.4f} | "
              f"{np.mean(each) * 1e6:.0f} | {inside / np.mean(each):,.0f} |", flush=True)  # fmt: skip


def _cycles(designs: Designs) -> Floats:
    """Return the cycles of products on systolic arrays that never wait for memory."""
    from objectives.accelerator import hardware, stall_free_cycles
    from objectives.workloads.shapes import LayerShapes

    plain = {"register_bytes": 0, "banks": 16, "precision": "int8", "clock_mhz": 1000, "dram_gb_s": 1e9}
    plain |= {f"{name}_kib": 1024 for name in ("input", "weight", "output")}
    columns = {name: np.full(len(designs), value) for name, value in plain.items()}
    columns |= {name: np.asarray(designs[name]) for name in ("rows", "columns", "dataflow")}
    return stall_free_cycles(LayerShapes.product(*(designs[name] for name in "mkn")), hardware(columns))[:, 0]


def economies(repeats: int = 3, known: int = 1_000, unseen: int = 2_000) -> None:
    """Print what is lost by what makes predictions fast: doubts by few points, and few shallow trees.

    Losses over those with doubts by all points, and over those of twenty whole trees: geometric mean over
    studies, metrics and repeats, and the greatest mean of a metric.
    """
    rows: list[dict[str, Any]] = []
    for name in ("lut-accelerator", "nas-accelerator", "quantization"):
        problem = find(name).build()
        for repeat in range(repeats):
            data = evaluated(problem, known + unseen, repeat)
            first, other = data.take(np.arange(known)), data.take(np.arange(known, known + unseen))
            losses = {f"doubts by {points} points": _doubted(first, other, points)
                      for points in (known, 300, 150)}  # fmt: skip
            losses |= {f"{trees} trees": _grown(first, other, trees, leaves)
                       for trees, leaves in ((20, 1.0), (12, 0.5))}  # fmt: skip
            rows += [
                {"what": what, "metric": f"{name} {metric}", "case": f"{repeat} {case}", "loss": loss}
                for what, found in losses.items()
                for (metric, case), loss in found.items()
            ]
    table = pd.DataFrame(rows).pivot(index=["metric", "case"], columns="what", values="loss")
    print("| | mean | greatest |\n|---|---|---|")
    for whole, less in ((f"doubts by {known} points", ("doubts by 300 points", "doubts by 150 points")),
                        ("20 trees", ("12 trees",))):  # fmt: skip
        for what in less:
            ratio = (table[what] / table[whole]).dropna().map(np.log).groupby("metric").mean()
            print(f"| {what} | {np.exp(ratio.mean()):.3f} | {np.exp(ratio.max()):.3f} |", flush=True)


def _doubted(first: TrainingData, other: TrainingData, points: int) -> dict[tuple[str, str], float]:
    """Return interval scores by metric and confidence.

    T. Gneiting, A. E. Raftery, "Strictly proper scoring rules, prediction, and estimation", J. Am. Stat.
    Assoc. 102(477), 2007, eq. 43.
    """
    gaussian_process.DOUBTED_BY = points
    surrogate = fit(first, model="gaussian_process")
    found = {}
    for level in LEVELS:
        said = surrogate.predict(other.designs, level)
        for metric, actual in other.values.items():
            lower, upper = said.lower[metric], said.upper[metric]
            beyond = np.maximum(lower - actual, 0.0) + np.maximum(actual - upper, 0.0)
            found[metric, str(level)] = float(np.nanmean(upper - lower + 2 / (1 - level) * beyond))
    return found


def _grown(
    first: TrainingData, other: TrainingData, trees: int, leaves: float
) -> dict[tuple[str, str], float]:
    """Return root mean square errors by metric, of its logarithm where it is positive."""
    forest.LEAVES = leaves
    encoding = Encoding(first.space, ())
    found = {}
    for metric, values in first.values.items():
        actual = other.values[metric]
        learned, held = np.isfinite(values), np.isfinite(actual)
        scaled = np.log if min(np.nanmin(values), np.nanmin(actual)) > 0 else np.asarray
        made = forest.Forest(trees).fit(encoding(first.designs.codes[learned]), scaled(values[learned]), 0)
        error = made.predict(encoding(other.designs.codes[held]))[0] - scaled(actual[held])
        found[metric, ""] = float(np.sqrt(np.mean(error**2)))
    return found


def speed() -> None:
    """Print the time of a million predictions by kind of model, and of training on 50,000 evaluations."""
    problem = find("lut-accelerator").build()
    small = evaluated(problem, 1_000, 0)
    names = list(small.metrics)[:2]
    two = TrainingData(
        small.space, {name: small.metrics[name] for name in names}, small.designs,
        {name: small.values[name] for name in names}, small.failed, np.zeros(len(small), dtype=bool),
    )  # fmt: skip
    million = problem.space.sample(1_000_000, 1)
    one = replace(two, metrics={names[0]: two.metrics[names[0]]}, values={names[0]: two.values[names[0]]})
    print(
        "| model, of 1,000 evaluations | a million designs, one metric, s | two metrics, s |\n|---|---|---|"
    )
    for model in ("forest", "boosting", "ridge", "gaussian_process"):
        spent = [_seconds(fit(data, model=model), million) for data in (one, two)]
        print(f"| {model} | {spent[0]:.2f} | {spent[1]:.2f} |", flush=True)
    large = evaluated(problem, 50_000, 2)
    began = time.perf_counter()
    surrogate = fit(large)
    print(f"\ntraining on {len(large):,} evaluations, {len(large.metrics)} metrics, auto: "
          f"{time.perf_counter() - began:.1f} s ({surrogate})")  # fmt: skip


def _seconds(surrogate: Surrogate, designs: Designs) -> float:
    """Return how long predictions take, the median of three where that is not long."""
    spent: list[float] = []
    while len(spent) < 3 and sum(spent) < 20:
        began = time.perf_counter()
        surrogate.predict(designs)
        spent.append(time.perf_counter() - began)
    return float(np.median(spent))


def main() -> None:
    """Run as the module's text says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["hls", "coverage", "proxy", "economies", "speed"])
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--studies", default=",".join(STUDIES), help="of coverage")
    given = parser.parse_args()
    match given.what:
        case "hls":
            hls(given.folds)
        case "coverage":
            coverage(given.studies.split(","))
        case "proxy":
            proxy()
        case "economies":
            economies()
        case "speed":
            speed()


if __name__ == "__main__":
    main()
