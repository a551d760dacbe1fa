"""The models of GPU kernels: how they rank what was measured, and how many designs a second they evaluate.

    python -m benchmarks.gpu_model [--data FOLDER] [--repeats N]

1. Ranking of measured spaces, with nothing fitted to the GPU under test: rank correlation of estimate and
time
   (designs that ran), the best measured time among the model's best hundredth and of its first choice, over
   the true optimum, and measured over estimated time. One constant was fitted, to the convolution on the RTX
   A4000; the structure was worked out on that and on GEMM on the RTX 2080 Ti.
2. How far times of designs differ that differ only in an option without effect (the read-only path, where
   inputs come through shared memory): what no model can rank.
3. Designs a second on one core, at batches of 100,000.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from dse import Space
from dse.models import FunctionModel
from objectives.devices import GPU, gpu
from objectives.gpu.attention import attention_model
from objectives.gpu.convolution import convolution_model
from objectives.gpu.shapes import AttentionShape, GemmShape
from objectives.gpu.simt_gemm import simt_gemm_model
from objectives.gpu.tensor_gemm import tensor_gemm_model
from objectives.measured import Table, read_table
from spaces.gpu_tiling import (
    Limits,
    attention_space,
    convolution_space,
    simt_gemm_space,
    tensor_gemm_space,
)

ROOT = Path(__file__).resolve().parents[1]
SPACES: dict[str, tuple[str, Callable[[GPU], FunctionModel], str]] = {
    "gemm_RTX_3090": ("rtx-3090", simt_gemm_model, "held out"),
    "gemm_RTX_2080_Ti": ("rtx-2080-ti", simt_gemm_model, "developed on"),
    "convolution_milo_A100": ("a100-pcie-40gb", convolution_model, "held out"),
    "convolution_milo_A4000": ("rtx-a4000", convolution_model, "fitted"),
    "convolution_milo_MI250X": ("mi250x", convolution_model, "held out"),
}
BATCH = 100_000


def ranking(table: Table, name: str) -> None:
    device, model, role = SPACES[name]
    measured = table.metrics["time"]
    estimate = np.asarray(model(gpu(device))(table.parameters)["time_ms"])
    ran = np.isfinite(measured)
    order = np.argsort(estimate, kind="stable")
    best = order[: int(np.ceil(len(order) / 100))]
    optimum = np.nanmin(measured)
    low, middle, high = np.quantile(measured[ran] / estimate[ran], [0.05, 0.5, 0.95])
    first = measured[order[0]] / optimum
    print(
        f"  {name:26s} {role:13s} Spearman {spearmanr(estimate[ran], measured[ran])[0]:.3f}   best of 1 % "
        f"{np.nanmin(measured[best]) / optimum:.3f}   first {first:.3f}   measured over estimate "
        f"{middle:.2f} (5 to 95 %: {low:.2f} to {high:.2f})"
    )


def twins(table: Table, name: str) -> None:
    columns = table.parameters
    shared = columns["use_shmem"] == 1
    other = table.find({**columns, "read_only": 1 - columns["read_only"]})
    both = shared & (other >= 0) & (columns["read_only"] == 0)
    ratio = table.metrics["time"][both] / table.metrics["time"][other[both]]
    ratio = ratio[np.isfinite(ratio)]
    low, middle, high = np.quantile(ratio, [0.05, 0.5, 0.95])
    print(
        f"  {name:26s} {len(ratio)} pairs: median {middle:.3f}, 5 to 95 % {low:.2f} to {high:.2f}, "
        f"{ratio.min():.2f} to {ratio.max():.2f} in all"
    )


def throughput(label: str, space: Space, model: FunctionModel, repeats: int) -> None:
    designs = space.sample(BATCH, 0)
    columns = {name: designs[name] for name in model.columns}
    model(columns)
    taken = []
    for _ in range(repeats):
        started = time.perf_counter()
        model(columns)
        taken.append(time.perf_counter() - started)
    print(
        f"  {label:34s} {BATCH / statistics.median(taken):>12,.0f} designs/s (slowest of {repeats}: "
        f"{BATCH / max(taken):,.0f})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    default = Path(os.environ.get("DSE_DATA", ROOT.parent / "shared" / "data"))
    parser.add_argument("--data", type=Path, default=default, help="folder of the reference data ($DSE_DATA)")
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    folder = options.data / "gpu"
    if folder.is_dir():
        tables = {name: read_table(folder / f"{name}.json.gz", metrics=["time"]) for name in SPACES}
        print("Ranking of measured spaces")
        for name, table in tables.items():
            ranking(table, name)
        print("Designs that differ in an option without effect: time without over time with it")
        for name, table in tables.items():
            if name.startswith("convolution"):
                twins(table, name)
    else:
        print(f"ranking skipped: there is no {folder}; set --data or DSE_DATA")
    print(f"Designs a second on one core, batches of {BATCH:,}")
    a100, h200 = gpu("a100-sxm-80gb"), gpu("h200")
    square = [GemmShape(4096, 4096, 4096)]
    hopper = Limits(shared_bytes=227 * 1024, cluster=8, specialisation=True)
    attended = AttentionShape(1, 32, 8, 4096, 4096, 128)
    throughput("tensor GEMM, A100", tensor_gemm_space(), tensor_gemm_model(a100, square), options.repeats)
    throughput(
        "tensor GEMM, H200", tensor_gemm_space(hopper), tensor_gemm_model(h200, square), options.repeats
    )
    throughput("attention, A100", attention_space(group=4), attention_model(a100, attended), options.repeats)
    throughput("SIMT GEMM, RTX 3090", simt_gemm_space(), simt_gemm_model(gpu("rtx-3090")), options.repeats)
    throughput("convolution, A100", convolution_space(), convolution_model(a100), options.repeats)


if __name__ == "__main__":
    main()
