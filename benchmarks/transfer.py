"""A new device from ten measurements: few-shot transfer beside ridges, a proxy device, an MLP and HELP.

    python -m benchmarks.transfer nasbench201 [--draws N] [--rows N] [--sources help|no-pixel3|with-titanx]
    python -m benchmarks.transfer convolution [--draws N]
    python -m benchmarks.transfer models [--draws N]
    python -m benchmarks.transfer sources [--draws N]

`nasbench201`: HELP's protocol (Lee et al., NeurIPS 2021, arXiv:2106.08630) on $DSE_DATA/nas: nine source
devices, six new ones, ten measurements of each; Spearman's rank correlation of predicted and measured latency
over all networks that were not measured, and over HELP's own query networks (numbers 900 to 1,899 but for the
tenth that is fastest and the tenth that is slowest on the device). Pixel 2 is not in the data: Pixel 3 stands
in for it, and is then no source. `--rows 900` lets the source devices know the first 900 networks alone, as
HELP's do; all others are predicted from features. `--sources no-pixel3` takes Pixel 3 from every family.

`convolution`: 4,362 configurations of a convolution on A100, A4000 and MI250X, each predicted from the other
two. `models`: an analytical model of GPU kernels, each GPU of six from the others. `sources`: each of HELP's
source devices from those of other chips: the data on which the method was developed.

Means over random draws with their standard deviation, and the choice that `DeviceFamily.choose` makes.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import spearmanr

from dse import Designs
from dse.surrogates.transfer import DeviceFamily
from spaces.nas import nasbench201_space
from spaces.nasbench201 import EDGES, OPERATIONS

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

MEASURED = 10
LEVELS = (0.8, 0.9, 0.95)
# github.com/HayeonLee/HELP, README: devices of meta-training and meta-test.
SOURCES = (
    "1080ti_1", "1080ti_32", "1080ti_256", "silver_4114", "silver_4210r", "samsung_a50", "pixel3",
    "essential_ph_1", "samsung_s7",
)  # fmt: skip
TARGETS = ("titan_rtx_256", "gold_6226", "pixel3", "raspi4", "eyeriss", "fpga")
# Table 3 of the paper, with Pixel 2 in Pixel 3's place.
PUBLISHED = {
    "HELP (published)": (0.987, 0.989, 0.802, 0.890, 0.940, 0.985),
    "BRP-NAS, 900 measurements (published)": (0.814, 0.796, 0.666, 0.847, 0.811, 0.801),
}
# What is nearly the same device when the method is developed: a chip at small batches, and at a large one.
NEAR = {
    "1080ti_1": "pascal", "1080ti_32": "pascal", "titanx_1": "pascal", "titanx_32": "pascal",
    "1080ti_256": "pascal-256", "titanx_256": "pascal-256",
}  # fmt: skip

Predictor = Callable[[Floats, Floats, Rows, Floats], Floats]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("part", choices=("nasbench201", "convolution", "models", "sources"))
    parser.add_argument("--draws", type=int, default=20, help="random choices of ten designs")
    parser.add_argument("--rows", type=int, default=0, help="designs that the sources know; by default all")
    parser.add_argument("--sources", default="help", choices=("help", "no-pixel3", "with-titanx"))
    parser.add_argument("--without-features", action="store_true", help="the family knows its table alone")
    parser.add_argument("--peers", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("-o", "--output", type=Path, help="CSV of all predictions' scores")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", category=UserWarning)
    folder = Path(os.environ.get("DSE_DATA", "../shared/data"))
    cases = {
        "nasbench201": lambda: nasbench201(folder, options.sources, options.rows),
        "sources": lambda: left_out_sources(folder),
        "convolution": lambda: convolution(folder),
        "models": models,
    }[options.part]()
    rows: list[dict[str, object]] = []
    for name, designs, table, values, query in cases:
        started = time.perf_counter()
        used = None if options.without_features else designs
        peers = dict(PEERS) if options.peers else {}
        if options.peers and options.part in ("nasbench201", "sources"):
            peers |= COUNTED
        rows += evaluate(name, designs, used, table, values, query, options.draws, peers)
        print(f"{name}: {time.perf_counter() - started:.0f} s", flush=True)
    frame = pd.DataFrame(rows)
    if options.output:
        frame.to_csv(options.output, index=False)
    report(frame, networks=options.part in ("nasbench201", "sources"))


Case = tuple[str, Designs, pd.DataFrame, Floats, Rows]


def read_nasbench201(folder: Path) -> tuple[Designs, pd.DataFrame]:
    """Return all networks, and latencies by device."""
    frame = pd.read_csv(folder / "nas" / "nasbench201_hw.csv.gz")
    cells = np.array(OPERATIONS, object)[frame[list(EDGES)].to_numpy()]
    space = nasbench201_space()
    designs = Designs.from_columns(space, dict(zip(space.names, cells.T, strict=True)))
    table = frame.filter(regex="^lat_.*_ms$").astype(float)
    return designs, table.rename(columns=lambda name: name[4:-3])


def nasbench201(folder: Path, sources: str, known: int) -> Iterator[Case]:
    designs, table = read_nasbench201(folder)
    chosen = list(SOURCES)
    if sources == "no-pixel3":
        chosen.remove("pixel3")
    if sources == "with-titanx":
        chosen += ["titanx_1", "titanx_32", "titanx_256"]
    for target in TARGETS:
        values = table[target].to_numpy()
        family = table[[name for name in chosen if name != target]].copy()
        if known:
            family.iloc[known:] = np.nan
        # HELP judges by these, less the tenth that is fastest and the tenth that is slowest.
        query = np.arange(900, 1_900)
        order = query[np.argsort(values[query], kind="stable")]
        yield target, designs, family, values, order[100:900]


def left_out_sources(folder: Path) -> Iterator[Case]:
    designs, table = read_nasbench201(folder)
    for target in SOURCES:
        others = [name for name in SOURCES if NEAR.get(name, name) != NEAR.get(target, target)]
        yield target, designs, table[others], table[target].to_numpy(), np.arange(len(designs))


def convolution(folder: Path) -> Iterator[Case]:
    from objectives.measured import read_table

    devices = ("A100", "A4000", "MI250X")
    tables = {name: read_table(folder / "gpu" / f"convolution_milo_{name}.json.gz") for name in devices}
    first = tables["A100"]
    columns = first.parameters
    space = first.space
    designs = Designs.from_columns(space, columns)
    table = pd.DataFrame({name: some.metrics["time"][some.find(columns)] for name, some in tables.items()})
    for target in devices:
        yield target, designs, table.drop(columns=target), table[target].to_numpy(), np.arange(len(designs))


def models() -> Iterator[Case]:
    """Yield GPUs by an analytical model of FP32 matrix multiplication: no noise, and other bottlenecks."""
    from objectives.devices import gpu
    from objectives.gpu.simt_gemm import simt_gemm_model
    from spaces.gpu_tiling import simt_gemm_space

    space = simt_gemm_space(shared_bytes=48 * 1024, threads=1024)
    designs = space.sample(4_000, 0)
    names = ("a100-sxm-80gb", "h200", "rtx-3090", "rtx-2080-ti", "l4", "mi250x")
    times = {name: simt_gemm_model(gpu(name)).evaluate(designs)["time_ms"] for name in names}
    table = pd.DataFrame({name: np.asarray(column, float) for name, column in times.items()})
    for target in names:
        yield target, designs, table.drop(columns=target), table[target].to_numpy(), np.arange(len(designs))


def evaluate(
    name: str,
    designs: Designs,
    described: Designs | None,
    table: pd.DataFrame,
    values: Floats,
    query: Rows,
    draws: int,
    peers: Mapping[str, Predictor],
) -> list[dict[str, object]]:
    """Return scores of every predictor on one device, after chosen and after random measurements."""
    family = DeviceFamily(described, table)
    measurable = np.flatnonzero(np.isfinite(values) & ~table.isna().all(axis=1).to_numpy())
    rng = np.random.default_rng(0)
    choices = [("chosen", family.choose(MEASURED, among=measurable))]
    choices += [("random", rng.permutation(measurable)[:MEASURED]) for _ in range(draws)]
    # Peers have no way with holes: the middle of a device's values says the least.
    others = table.fillna(table.median()).to_numpy(float)
    if table.isna().all(axis=1).mean() > 0.5:
        peers = {}
    coded = one_hot(designs)
    found: list[dict[str, object]] = []
    for how, some in choices:
        model = family.fit(some, values[some])
        # Of calibrated intervals, how many hold.
        intervals = {level: model.predict(level=level) for level in LEVELS}
        mean = intervals[LEVELS[0]].mean
        row = scores(mean, values, some, query)
        rest = np.setdiff1d(np.flatnonzero(np.isfinite(values)), some)
        for level, predicted in intervals.items():
            inside = (predicted.lower <= values) & (values <= predicted.upper)
            row[f"coverage_{level:.0%}"] = float(inside[rest].mean())
        found.append({"device": name, "choice": how, "predictor": "transfer", **row})
        for label, predictor in peers.items():
            predicted = predictor(others, coded, some, values[some])
            found.append(
                {"device": name, "choice": how, "predictor": label, **scores(predicted, values, some, query)}
            )
    return found


def scores(predicted: Floats, values: Floats, measured: Rows, query: Rows) -> dict[str, object]:
    rest = np.setdiff1d(np.flatnonzero(np.isfinite(values)), measured)
    asked = np.intersect1d(query, rest)
    best = rest[np.argmin(predicted[rest])]
    return {
        "spearman": rank(predicted[rest], values[rest]),
        "spearman_query": rank(predicted[asked], values[asked]),
        # What the design that is predicted to be best costs, over the best of all.
        "best": values[best] / np.nanmin(values[rest]),
        "error": float(np.median(np.abs(predicted[rest] - values[rest]) / values[rest])),
    }


def rank(one: Floats, other: Floats) -> float:
    return 0.0 if np.ptp(one) == 0 or np.ptp(other) == 0 else float(spearmanr(one, other)[0])


def one_hot(designs: Designs) -> Floats:
    columns = [(codes == value).astype(float) for codes in designs.codes.T for value in np.unique(codes)]
    return np.column_stack(columns)


def ridge(columns: Floats, some: Rows, values: Floats) -> Floats:
    from sklearn.linear_model import RidgeCV

    scaled = (columns - columns.mean(axis=0)) / np.maximum(columns.std(axis=0), 1e-12)
    model = RidgeCV(alphas=np.logspace(-3, 3, 25)).fit(scaled[some], values)
    return np.asarray(model.predict(scaled))


def best_proxy(others: Floats, coded: Floats, some: Rows, values: Floats) -> Floats:
    ranks = [rank(column[some], values) for column in others.T]
    return others[:, int(np.argmax(ranks))]


def mlp(others: Floats, coded: Floats, some: Rows, values: Floats) -> Floats:
    from sklearn.neural_network import MLPRegressor

    columns = np.column_stack([(others - others.mean(axis=0)) / others.std(axis=0), coded])
    centre, spread = values.mean(), values.std() or 1.0
    model = MLPRegressor(hidden_layer_sizes=(64, 64), solver="lbfgs", alpha=1.0, max_iter=500, random_state=0)
    model.fit(columns[some], (values - centre) / spread)
    return np.asarray(model.predict(columns)) * spread + centre


PEERS: Mapping[str, Predictor] = {
    "ridge on other devices": lambda others, coded, some, values: ridge(others, some, values),
    "ridge on one-hot values": lambda others, coded, some, values: ridge(coded, some, values),
    "best proxy device": best_proxy,
    "MLP on both": mlp,
}
# How often each operation occurs in a cell.
COUNTED: Mapping[str, Predictor] = {
    "ridge on operation counts": lambda others, coded, some, values: ridge(
        coded.reshape(len(coded), len(EDGES), len(OPERATIONS)).sum(axis=1), some, values
    )
}


def report(frame: pd.DataFrame, networks: bool) -> None:
    devices = list(dict.fromkeys(frame["device"]))
    measures = {"spearman": "Spearman, all designs that were not measured"}
    if not frame["spearman"].equals(frame["spearman_query"]):
        measures["spearman_query"] = "Spearman, HELP's query networks"
    measures["error"] = "median relative error"
    if not networks:
        # Networks that are as good as empty are the fastest, and nobody's choice.
        measures["best"] = "time of the design predicted best, over the best"
    for measure, title in measures.items():
        print(f"\n{title}; mean (deviation over draws)")
        lines = []
        for (predictor, choice), part in frame.groupby(["predictor", "choice"], sort=False):
            by_device = part.groupby("device")[measure]
            means, spreads = by_device.mean(), by_device.std()
            line: dict[str, object] = {"predictor": predictor, "measured": choice}
            for device in devices:
                spread = "" if choice == "chosen" else f" ({spreads[device]:.3f})"
                line[device] = f"{means[device]:.3f}{spread}"
            line["mean"] = f"{means.mean():.4f}"
            if choice == "random":
                draw = part.groupby("device").cumcount()
                line["mean"] = f"{means.mean():.4f} ({part.groupby(draw)[measure].mean().std():.4f})"
            lines.append(line)
        if tuple(devices) == TARGETS and measure.startswith("spearman"):
            for label, figures in PUBLISHED.items():
                shown = dict(zip(devices, (f"{figure:.3f}" for figure in figures), strict=True))
                mean = f"{np.mean(figures):.4f}"
                lines.append({"predictor": label, "measured": "random", **shown, "mean": mean})
        print(pd.DataFrame(lines).to_string(index=False))
    print("\nCoverage of intervals")
    covered = frame[frame["predictor"] == "transfer"].filter(regex="device|choice|coverage")
    table = covered.groupby(["choice", "device"], sort=False).mean(numeric_only=True)
    means = table.groupby("choice", sort=False).mean()
    means.index = pd.MultiIndex.from_tuples([(choice, "mean") for choice in means.index])
    print(pd.concat([table, means]).sort_index(level=0, sort_remaining=False).round(3).to_string())


if __name__ == "__main__":
    main()
