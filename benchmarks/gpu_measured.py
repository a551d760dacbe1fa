"""The models of tensor-core GEMM and attention beside what Triton kernels took on a GPU.

    python -m benchmarks.gpu_measured [FILE.csv] [--run N] [--figure FILE.png]

The file is made by `benchmarks/gpu_measure.py`; by default it is docs/models/gpu_measured.csv.gz. A shape a
line: the rank correlation over random designs, measured over estimated time, the best design found and its
rank in the model, how much slower the model's first choice and the best of its ten best are, how much slower
a random design is, the best over torch's own kernel, and the median change of what was measured twice.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import spearmanr

from dse import Designs, Space
from dse.models import FunctionModel
from objectives.devices import gpu
from objectives.gpu.attention import attention_model
from objectives.gpu.shapes import AttentionShape, GemmShape
from objectives.gpu.tensor_gemm import tensor_gemm_model
from objectives.gpu.triton import TritonAttention, TritonGemm
from objectives.workloads import language_model
from spaces.gpu_tiling import attention_space, tensor_gemm_space
from studies.gpu_tiling import limits, plain

FILE = Path(__file__).resolve().parents[1] / "docs/models/gpu_measured.csv.gz"
# The catalogue's name of a GPU, by the driver's.
CATALOGUE = {
    "NVIDIA A100-SXM4-80GB": "a100-sxm-80gb",
    "NVIDIA H100 80GB HBM3": "h100-sxm",
    "NVIDIA H200": "h200",
}
HEAD = (
    "case", "random", "Spearman", "measured over estimated (5 to 95 %)", "best, us", "its rank in the model",
    "model's first over best", "best of its ten", "random, median", "best over torch", "measured again",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One kernel on one shape: its space, and both models of it."""

    kernel: str
    layer: str
    tokens: int
    context: int
    space: Space
    model: FunctionModel
    measured: TritonGemm | TritonAttention

    @property
    def label(self) -> str:
        context = f", {self.context:,} keys" if self.context else ""
        return f"{self.layer}, {self.tokens:,} tokens{context}"

    def estimate(self, designs: Designs) -> NDArray[np.float64]:
        return np.asarray(self.model(designs)["time_ms"])


def cases(device: str, layers: Sequence[str], tokens: Sequence[int], **timing: Any) -> list[Case]:
    target = plain(gpu(device))
    workload = language_model("llama-3.1-8b")
    found = []
    for layer in layers:
        matrix = next(item for item in workload.matrices if item.name == layer)
        for rows in tokens:
            shape = GemmShape(rows, matrix.outputs, matrix.inputs)
            found.append(
                Case(
                    "gemm", layer, rows, 0,
                    tensor_gemm_space(limits(target), operands=["bf16"], stream_k=False),
                    tensor_gemm_model(target, [shape]),
                    TritonGemm(shapes=(shape,), transposed_b=True, **timing),
                )
            )  # fmt: skip
    return found


def attention_cases(device: str, calls: Sequence[str], **timing: Any) -> list[Case]:
    """Calls are given as decode:BATCH:KEYS or prefill:BATCH:TOKENS."""
    target = plain(gpu(device))
    heads = language_model("llama-3.1-8b").heads
    assert heads is not None
    query_heads, kv_heads, size = heads
    space = attention_space(limits(target), head_size=size, group=query_heads // kv_heads)
    found = []
    for call in calls:
        kind, batch, keys = call.split(":")[0], *map(int, call.split(":")[1:])
        queries = 1 if kind == "decode" else keys
        shape = AttentionShape(batch, query_heads, kv_heads, queries, keys, size)
        found.append(
            Case(
                "attention", kind, batch * queries, keys, space,
                attention_model(target, shape), TritonAttention(shapes=(shape,), **timing),
            )
        )  # fmt: skip
    return found


def read(file: Path, run: int) -> pd.DataFrame:
    frame = pd.read_csv(file)
    if "run" in frame:
        frame = frame[frame["run"] == (run or frame["run"].max())]
    return frame


def found_cases(frame: pd.DataFrame) -> Iterator[tuple[Case, pd.DataFrame]]:
    """Yield the cases of a file, each with what was measured of it."""
    device = CATALOGUE[frame["gpu"].iloc[0]]
    for (kernel, layer, tokens, context), rows in frame.groupby(
        ["kernel", "layer", "tokens", "context"], sort=False
    ):
        if kernel == "gemm":
            (case,) = cases(device, [layer], [tokens])
        else:
            batch = tokens if layer == "decode" else tokens // context
            (case,) = attention_cases(device, [f"{layer}:{batch}:{context}"])
        yield case, rows


def designs_of(case: Case, rows: pd.DataFrame) -> Designs:
    names = case.space.names
    plain_values = {
        name: rows[name].astype(bool if name == "gpu.pack_queries" else int)
        for name in names
        if pd.api.types.is_numeric_dtype(rows[name]) or name == "gpu.pack_queries"
    }
    return Designs.from_columns(
        case.space, {name: plain_values.get(name, rows[name]).to_numpy() for name in names}
    )


def summary(case: Case, rows: pd.DataFrame) -> dict[str, Any]:
    """Return how the model ranks a case, by random designs; and what its best are worth."""
    ran = rows[rows["time_ms"].notna()]
    random = ran[ran["set"] == "random"]
    estimate = case.estimate(designs_of(case, random))
    times = random["time_ms"].to_numpy()
    ratio = times / estimate
    once = ran[ran["set"].isin(["model", "random", "search"])]
    best = once["time_ms"].min()
    fastest = once.loc[[once["time_ms"].idxmin()]]
    everything = case.estimate(Designs.concat(list(case.space.enumerate())))
    rank = int((everything < case.estimate(designs_of(case, fastest))[0]).sum()) + 1
    chosen = rows[rows["set"] == "model"]["time_ms"].to_numpy()
    library = ran[ran["set"] == "library"]["time_ms"]
    again = ran[ran["set"] == "again"].merge(
        once.drop_duplicates(list(case.space.names)), on=list(case.space.names)
    )
    change = np.abs(again["time_ms_x"] / again["time_ms_y"] - 1)
    return {
        "case": case.label,
        "n": len(random),
        "spearman": float(spearmanr(estimate, times)[0]),
        "low": float(np.quantile(ratio, 0.05)),
        "median": float(np.median(ratio)),
        "high": float(np.quantile(ratio, 0.95)),
        "best_us": 1e3 * best,
        "rank": rank,
        "of": len(everything),
        "first": chosen[0] / best if len(chosen) else np.nan,
        "ten": np.nanmin(chosen[:10]) / best if len(chosen) else np.nan,
        "median_over_best": float(np.median(times)) / best,
        "library": best / library.iloc[0] if len(library) else np.nan,
        "again": f"{change.median():.1%}" if len(again) else "",
    }


def report(options: argparse.Namespace) -> None:
    frame = read(options.file, options.run)
    one = frame.iloc[0]
    print(f"{one['gpu']}, driver {one['driver']}, torch {one['torch']}, triton {one['triton']}")
    print(f"{len(frame)} measurements, {frame['failure'].notna().sum()} failed")
    print(f"| {' | '.join(HEAD)} |")
    print("|" + "---|" * len(HEAD))
    for case, rows in found_cases(frame):
        found = summary(case, rows)
        print(
            "| {case} | {n} | {spearman:.3f} | {median:.2f} ({low:.2f} to {high:.2f}) | {best_us:.1f} | "
            "{rank:,} of {of:,} | {first:.2f} | {ten:.2f} | {median_over_best:.1f} | {library:.2f} | "
            "{again} |".format(**found)
        )
    if options.figure:
        draw(frame, options.figure)


def draw(frame: pd.DataFrame, path: Path) -> None:
    """Draw measured against estimated times of random designs; needs kaleido and a browser."""
    from plotly.subplots import make_subplots

    parts = list(found_cases(frame))
    across = 3
    down = -(-len(parts) // across)
    figure = make_subplots(down, across, subplot_titles=[case.label for case, _ in parts])
    for place, (case, rows) in enumerate(parts):
        random = rows[(rows["set"] == "random") & rows["time_ms"].notna()]
        estimate, times = case.estimate(designs_of(case, random)), random["time_ms"]
        where = {"row": place // across + 1, "col": place % across + 1}
        figure.add_scatter(
            x=estimate,
            y=times,
            mode="markers",
            marker={"size": 4, "opacity": 0.5, "color": "#1f77b4"},
            **where,
        )
        ends = [min(estimate.min(), times.min()), max(estimate.max(), times.max())]
        figure.add_scatter(x=ends, y=ends, mode="lines", line={"color": "#888", "width": 1}, **where)
        figure.update_xaxes(
            type="log", title="estimated, ms" if place >= len(parts) - across else "", **where
        )
        figure.update_yaxes(
            type="log", dtick="D2", title="measured, ms" if place % across == 0 else "", **where
        )
    figure.update_layout(
        template="plotly_white", showlegend=False, width=1000, height=260 * down, margin={"t": 40, "r": 30}
    )
    figure.write_image(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path, nargs="?", default=FILE)
    parser.add_argument("--run", type=int, default=0, help="of a file with several; by default the last")
    parser.add_argument("--figure", type=Path, help="PNG of measured against estimated times")
    report(parser.parse_args())


if __name__ == "__main__":
    main()
