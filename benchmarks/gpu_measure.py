"""Triton kernels measured on this machine's GPU: the file that `benchmarks/gpu_measured.py` reports.

    python -m benchmarks.gpu_measure -o FILE.csv [--minutes M] [--designs N] [--layers ...] [--tokens ...]

For layers of Llama 3.1 8B at several numbers of tokens, and for attention, in BF16, the space of ``dse run
gpu-tiling --set evaluate=measure`` is measured: torch's own kernel, the designs that the model holds best,
random ones, then the neighbours of the best so far. A share of them is measured again at the end, which tells
how well a ranking could do at all, and some with their energy. Needs a GPU and the extra ``gpu``.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gpu_measured import CATALOGUE, Case, attention_cases, cases
from dse import Designs
from dse.searchers.local import neighbours
from objectives.gpu.shapes import GemmShape
from objectives.gpu.triton import JobError, TritonGemm

LAYERS = ("feed_forward.down", "attention.query", "feed_forward.gate_up")
TOKENS = (16, 256, 4096)
ATTENTION = "decode:16:4096,decode:4:16384,prefill:1:4096,prefill:2:2048"
CHUNK = 48  # designs compiled at a time
CASE = ("gpu", "driver", "torch", "triton", "kernel", "layer", "tokens", "context")
DESIGN = (
    "gpu.operands", "gpu.block_m", "gpu.block_n", "gpu.block_k", "gpu.group_m", "gpu.decomposition",
    "gpu.split_k", "gpu.block_q", "gpu.block_kv", "gpu.split_kv", "gpu.pack_queries", "gpu.warps",
    "gpu.stages",
)  # fmt: skip
FOUND = (
    "set", "time_ms", "iqr_ms", "clock_mhz", "energy_mj", "sustained_ms", "of_allowed", "registers", "spills",
    "shared_bytes", "failure",
)  # fmt: skip


class Recorder:
    """Measures designs of a case, and writes a line for each as it comes."""

    def __init__(self, path: Path, machine: Mapping[str, str]) -> None:
        self.file = path.open("w", newline="")
        self.writer = csv.DictWriter(self.file, (*CASE, *DESIGN, *FOUND), restval="")
        self.writer.writeheader()
        self.machine = machine

    def line(self, case: Case, kind: str, design: Mapping[str, Any], results: Any) -> float:
        """Write what was found of a design; return its time, infinity where it failed."""
        row: dict[str, Any] = {
            **self.machine, "kernel": case.kernel, "layer": case.layer, "tokens": case.tokens,
            "context": case.context, "set": kind, **design,
        }  # fmt: skip
        if isinstance(results, JobError):
            row["failure"] = str(results)
            time_ms = np.inf
        else:
            (result,) = results
            made = result["kernels"][0]
            time_ms = float(result["median_ms"])
            row |= {
                "time_ms": f"{time_ms:.6g}",
                "iqr_ms": f"{result['iqr_ms']:.3g}",
                "clock_mhz": result["clock_mhz"],
                "energy_mj": result["energy_mj"],
                "sustained_ms": result["sustained_ms"],
                "of_allowed": f"{result['error']['of_allowed']:.3g}",
                "registers": made["registers"],
                "spills": made["spills"],
                "shared_bytes": made["shared_bytes"],
            }
        self.writer.writerow(row)
        self.file.flush()
        return time_ms

    def library(self, case: Case) -> None:
        try:
            self.line(case, "library", {}, case.measured.library())
        except JobError as error:
            self.line(case, "library", {}, error)

    def measure(self, case: Case, kind: str, designs: Designs, until: float) -> tuple[Designs, list[float]]:
        """Measure designs till a time; return those that came to it, and their times.

        While some are timed the next are compiled, in other processes.
        """
        model = replace(case.measured, energy=True) if kind == "energy" else case.measured
        times: list[float] = []
        chunks = [designs.take(slice(at, at + CHUNK)) for at in range(0, len(designs), CHUNK)]
        with ThreadPoolExecutor(1) as ahead:
            waiting = ahead.submit(model.compile, chunks[0])
            for place, chunk in enumerate(chunks):
                refused = waiting.result()
                if place + 1 < len(chunks):
                    waiting = ahead.submit(model.compile, chunks[place + 1])
                for row, design in enumerate(chunk.rows()):
                    if time.monotonic() > until:
                        return designs.take(slice(len(times))), times
                    try:
                        if row in refused:
                            raise JobError(*refused[row].split(": ", 1))
                        times.append(self.line(case, kind, design, model.measure(design)))
                    except JobError as error:
                        times.append(self.line(case, kind, design, error))
        return designs, times


class Known:
    """What has been measured of a case, each design once."""

    def __init__(self, recorder: Recorder, case: Case) -> None:
        self.recorder, self.case = recorder, case
        self.designs = Designs(case.space, np.empty((0, len(case.space.names)), case.space.code_dtype))
        self.times: list[float] = []

    def measure(self, kind: str, designs: Designs, until: float, most: int | None = None) -> None:
        known = set(self.case.space.keys(self.designs.codes))
        keys = self.case.space.keys(designs.codes)
        fresh = [row for row, key in enumerate(keys) if key not in known]
        if fresh:
            measured, times = self.recorder.measure(self.case, kind, designs.take(fresh[:most]), until)
            self.designs = Designs.concat([self.designs, measured])
            self.times += times

    def ranked(self) -> Designs:
        """Designs that ran, the fastest first."""
        ran = int(np.isfinite(self.times).sum())
        return self.designs.take(np.argsort(self.times, kind="stable")[:ran])


def measure(options: argparse.Namespace) -> None:
    began = time.monotonic()
    timing: dict[str, Any] = {
        "warmup_ms": options.warmup_ms, "repeats": options.repeats, "energy_ms": options.energy_ms,
        "timeout_s": 60.0, "compilers": options.compilers,
    }  # fmt: skip
    machine = TritonGemm(shapes=(GemmShape(64, 64, 64),)).settings
    device = options.device or CATALOGUE.get(machine["gpu"], "")
    if not device:
        sys.exit(f"{machine['gpu']} is not in the catalogue: name the nearest with --device, as in h100-sxm")
    work = cases(device, options.layers.split(","), [int(n) for n in options.tokens.split(",")], **timing)
    work += attention_cases(device, options.attention.split(",") if options.attention else [], **timing)
    recorder = Recorder(
        options.output, {"driver": driver(), **{name: machine[name] for name in ("gpu", "torch", "triton")}}
    )
    rng = np.random.default_rng(options.seed)
    end = began + 60 * options.minutes
    found = [Known(recorder, case) for case in work]
    work[0].measured.compile(work[0].space.sample(2 * options.compilers, options.seed))  # starts them
    for place, known in enumerate(found):
        case = known.case
        # Equal parts of the time that is left, and one for what is measured at the end.
        share = 0.85 if options.energy else 0.95
        until = time.monotonic() + (end - time.monotonic()) * share / (len(work) - place)
        recorder.library(case)
        everything = Designs.concat(list(case.space.enumerate()))
        believed = np.argsort(case.estimate(everything), kind="stable")
        known.measure("model", everything.take(believed[: options.best]), until)
        part = until - 0.2 * (until - time.monotonic())
        known.measure("random", case.space.sample(options.designs, options.seed), part)
        for _ in range(options.rounds):
            near = neighbours(case.space, known.ranked().take(slice(4)).codes, rng)
            known.measure("search", Designs(case.space, near), until, options.near)
        times = np.array(known.times)
        print(
            f"{time.monotonic() - began:5.0f} s  {case.kernel}, {case.label}: {len(times)} measured, "
            f"{np.isinf(times).sum()} failed, best {1e3 * times.min():.1f} us, median "
            f"{1e3 * np.median(times):.1f} us",
            flush=True,
        )
    for place, known in enumerate(found):
        until = time.monotonic() + (end - time.monotonic()) / (len(work) - place)
        ranked = known.ranked()
        recorder.library(known.case)
        some = np.unique(np.linspace(0, len(ranked) - 1, options.again).astype(int))
        recorder.measure(known.case, "again", ranked.take(some), until)
        if options.energy:
            some = np.unique(np.linspace(0, len(ranked) - 1, options.energy).astype(int))
            recorder.measure(known.case, "energy", ranked.take(some), until)
    print(f"{time.monotonic() - began:5.0f} s  done")


def driver() -> str:
    import pynvml

    pynvml.nvmlInit()
    return str(pynvml.nvmlSystemGetDriverVersion())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, required=True, help="CSV")
    parser.add_argument(
        "--device", default="", help="the catalogue's name of this GPU, where it is not known"
    )
    parser.add_argument("--layers", default=",".join(LAYERS))
    parser.add_argument("--tokens", default=",".join(map(str, TOKENS)))
    parser.add_argument("--attention", default=ATTENTION, help="decode:BATCH:KEYS or prefill:BATCH:TOKENS")
    parser.add_argument("--minutes", type=float, default=10.0, help="in all; random designs are fewer then")
    parser.add_argument("--designs", type=int, default=400, help="random ones of a case")
    parser.add_argument("--best", type=int, default=30, help="of the model, of a case")
    parser.add_argument("--rounds", type=int, default=3, help="of neighbours of the best four")
    parser.add_argument("--near", type=int, default=24, help="of them in a round")
    parser.add_argument("--again", type=int, default=16, help="measured again, of a case")
    parser.add_argument("--energy", type=int, default=12, help="measured with energy, of a case")
    parser.add_argument("--energy-ms", type=float, default=300.0)
    parser.add_argument("--warmup-ms", type=float, default=10.0)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--compilers", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    measure(parser.parse_args())


if __name__ == "__main__":
    main()
