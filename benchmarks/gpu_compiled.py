"""Registers and shared memory that the model of tensor-core GEMM assumes, beside what Triton compiles.

    python -m benchmarks.gpu_compiled [--designs N] [--devices a100-sxm-80gb,h200] [-o FILE.csv]

Random legal designs are compiled for a GPU that need not be there (extra ``gpu``): registers a thread, stack
a thread (what did not fit registers) and shared memory a block come from the compiler's own report. Nothing
is run.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from objectives.devices import gpu
from objectives.gpu.shapes import GemmShape
from objectives.gpu.tensor_gemm import tensor_gemm_model
from spaces.gpu_tiling import Limits, tensor_gemm_space

SHAPE = GemmShape(1024, 1024, 1024)
FIELDS = ("block_m", "block_n", "block_k", "warps", "stages", "split_k", "group_m")


def compiled(task: tuple[int, dict[str, Any]]) -> dict[str, Any] | str:
    from objectives.gpu.triton import gemm
    from objectives.gpu.triton.jobs import JobError
    from objectives.gpu.triton.offline import compile_plan

    capability, design = task
    made = gemm.task({"m": SHAPE.m, "n": SHAPE.n, "k": SHAPE.k, "transposed_b": True}, "bf16", 0)
    try:
        return compile_plan(gemm.plan(made, design), capability)[0]
    except JobError as error:
        return str(error)


def compare(device: str, count: int, workers: int, seed: int) -> list[list[Any]]:
    target = gpu(device)
    unit = target.multiprocessor
    space = tensor_gemm_space(
        Limits(shared_bytes=int(unit.shared_block_kib * 1024)), operands=["bf16"], stream_k=False
    )
    rows = list(space.sample(count, seed).rows())
    columns = {name: np.array([row[name] for row in rows]) for name in space.names}
    if unit.cluster > 1:
        columns |= {f"gpu.cluster_{side}": np.ones(count) for side in "mn"}
        columns["gpu.specialised"] = np.zeros(count, dtype=bool)
    believed = tensor_gemm_model(target, [SHAPE])(columns)
    capability = int(float(unit.capability) * 10)
    designs = [{name.removeprefix("gpu."): value for name, value in row.items()} for row in rows]
    with ProcessPoolExecutor(workers) as pool:
        found = list(pool.map(compiled, [(capability, design) for design in designs]))
    table = []
    for place, (design, made) in enumerate(zip(designs, found, strict=True)):
        if isinstance(made, str):
            print(f"  not compiled: {design}: {made[:100]}")
            continue
        table.append(
            [
                device,
                *(design[name] for name in FIELDS),
                made["registers"],
                made["stack_bytes"],
                made["shared_bytes"],
                "+".join(made["instructions"]),
                round(float(np.asarray(believed["registers"])[place]), 1),
                int(1024 * float(np.asarray(believed["shared_kib"])[place])),
            ]
        )
    numbers = np.array([[row[8], row[9], row[10], row[12], row[13]] for row in table], float)
    registers, stack, shared, ours, ours_shared = numbers.T
    full = (registers >= 250) | (stack > 0)
    near = np.abs(ours - registers) / registers
    said = ours >= unit.registers_thread
    print(
        f"{device}: {len(table)} of {count} compiled; registers: Spearman "
        f"{spearmanr(ours, registers)[0]:.3f}, median error {100 * np.median(near):.0f} %, within a quarter "
        f"{100 * np.mean(near < 0.25):.0f} %; full or spilled {full.sum()}, of which the model says so "
        f"{int((full & said).sum())}"
    )
    ratio = shared / ours_shared
    print(
        f"  shared memory, compiled over model: median {np.median(ratio):.2f}, 5 to 95 % "
        f"{np.quantile(ratio, 0.05):.2f} to {np.quantile(ratio, 0.95):.2f}"
    )
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--designs", type=int, default=200)
    parser.add_argument("--devices", default="a100-sxm-80gb,h200")
    parser.add_argument("--seed", type=int, default=1, help="of the designs; the model was fitted on 0")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("-o", "--output", type=Path, help="CSV of all designs")
    options = parser.parse_args()
    try:
        import triton  # noqa: F401
    except ImportError as error:
        sys.exit(f"Triton is not installed ({error}): pip install 'dse-toolkit[gpu]'")
    table = []
    for device in options.devices.split(","):
        table += compare(device, options.designs, options.workers, options.seed)
    if options.output:
        with options.output.open("w", newline="") as file:
            writer = csv.writer(file)
            measured = ["registers", "stack_bytes", "shared_bytes", "instructions"]
            writer.writerow(["device", *FIELDS, *measured, "model_registers", "model_shared_bytes"])
            writer.writerows(table)


if __name__ == "__main__":
    main()
