"""The model of tensor-core GEMM beside nvidia-matmul-heuristics, kernel by kernel.

    python -m benchmarks.gpu_heuristics [--devices a100-sxm-80gb,h200] [--designs N]

Both estimate the time of the same random legal kernels (16-bit types, FP32 accumulation) over the shapes of
language models, none of which were measured: agreement of two models, not truth. Nothing is fitted to
either. Printed, a shape a line: the rank correlation of times, how many of the ten best designs are among
the other's best tenth, how much slower than its best the peer holds our best to be, the ratio of times, and
by how much its own times differ (95 over 5 %): where it holds all kernels equal, ranks mean little. Needs
the extra ``peers``.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import sys
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from objectives.devices import gpu
from objectives.gpu.shapes import GemmShape
from objectives.gpu.tensor_gemm import tensor_gemm_model
from spaces.gpu_tiling import Limits, tensor_gemm_space

# (n, k) of the linear layers: Llama 3.1 8B and 70B, Llama 3.2 1B, Qwen 2.5 7B.
LAYERS = [
    (6144, 4096),
    (4096, 4096),
    (28_672, 4096),
    (4096, 14_336),
    (10_240, 8192),
    (57_344, 8192),
    (8192, 28_672),
    (3072, 2048),
    (8192, 2048),
    (2048, 8192),
    (18_944, 3584),
    (3584, 18_944),
]
TOKENS = (16, 256, 4096)
# Name; and backends with types (fp16 or bf16, FP32 sums): one with measured profiles, and the generic one.
PEER = {
    "a100-sxm-80gb": ("A100_SXM_80GB", (("TRITON", "TST"), ("GENERIC", "HSH"))),
    "h100-sxm": ("H100_SXM", (("CUTLASS3", "HSH"), ("GENERIC", "HSH"))),
    "h200": ("H200_SXM", (("CUTLASS3", "HSH"), ("GENERIC", "HSH"))),
}

# Its objects crash the interpreter when they are destroyed.
_kept: list[Any] = []


class Peer:
    """Estimates of nvidia-matmul-heuristics for given kernels, by a backend that it has profiles for."""

    def __init__(self, device: str, backend: str, precision: str) -> None:
        import nvMatmulHeuristics

        peer = nvMatmulHeuristics
        name, self.precision = PEER[device][0], precision
        self.target = peer.NvMatmulHeuristicsTarget[backend]
        self.layout = peer.NvMatmulHeuristicsMatmulLayout.NT_ROW_MAJOR
        self.interface = peer.NvMatmulHeuristicsInterface(self.target, self.precision)
        library = self.interface.lib
        pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
        # The wrapper's own calls for this crash, or do not say whether there is a profile.
        library.nvMatmulHeuristicsEstimateRuntime.argtypes = [pointer, text, number, *3 * [pointer]]
        library.nvMatmulHeuristicsEstimateRuntime.restype = ctypes.c_double
        library.nvMatmulHeuristicsLoadInternalDiscoverySet.argtypes = [pointer, text, number, number, pointer]
        self.hardware = self.interface.createHardwareDescriptor()
        self.interface.setHardwarePredefinedGpu(self.hardware, peer.NvMatmulHeuristicsNvidiaGpu[name])
        loaded = library.nvMatmulHeuristicsLoadInternalDiscoverySet(
            self.interface.handle, self.precision.encode(), self.target, self.layout, self.hardware
        )
        self.profiled = loaded == 1
        self.hopper = not device.startswith("a100")

    def seconds(self, shape: GemmShape, design: dict[str, Any]) -> float:
        """Its estimate; 0 where it refuses the kernel."""
        block_m, block_n, block_k = (int(design[f"gpu.block_{axis}"]) for axis in "mnk")
        warps = int(design["gpu.warps"])
        down = min(warps, max(1, block_m // 16))
        while down > 1 and block_m // down < block_n // (warps // down):
            down //= 2
        kernel = self.interface.nvmmhKernelConfiguration()
        kernel.cta[:] = (block_m, block_n, block_k)
        kernel.warp[:] = (block_m // down, max(8, block_n // (warps // down)), block_k)
        grouped = self.hopper and block_m >= 64 and warps >= 4
        kernel.instr[:] = (64 if grouped else 16, 8, 16)
        kernel.splitK = int(design["gpu.split_k"])
        kernel.loadStages = int(design["gpu.stages"])
        kernel.gridSwizzle = int(design["gpu.group_m"])
        kernel.ctaOrder = 0
        kernel.cluster[:] = (int(design.get("gpu.cluster_m", 1)), int(design.get("gpu.cluster_n", 1)))
        problem = self.interface.makeNvMatmulHeuristicsProblem(shape.m, shape.n, shape.k, self.layout)
        return float(
            self.interface.lib.nvMatmulHeuristicsEstimateRuntime(
                self.interface.handle,
                self.precision.encode(),
                self.target,
                ctypes.byref(problem),
                ctypes.byref(kernel),
                self.hardware,
            )
        )


def compare(device: str, backend: str, precision: str, designs: int) -> None:
    peer = Peer(device, backend, precision)
    _kept.append(peer)
    operands = "bf16" if peer.precision == "TST" else "fp16"
    target = gpu(device)
    unit = target.multiprocessor
    space = tensor_gemm_space(
        Limits(
            shared_bytes=int(unit.shared_block_kib * 1024),
            cluster=min(unit.cluster, 2),
            specialisation=unit.cluster > 1,
        ),
        operands=[operands],
        # What its backend knows: tiles of warp groups on Hopper.
        blocks=(64, 128, 256) if backend == "CUTLASS3" else (16, 32, 64, 128, 256),
        blocks_k=(64, 128) if backend == "CUTLASS3" else (32, 64, 128),
        warps=(4, 8) if backend == "CUTLASS3" else (2, 4, 8),
        stages=5,
        stream_k=False,
    )
    batch = space.sample(4 * designs, 0)
    rows = [row for row in batch.rows() if not row.get("gpu.specialised")][:designs]
    columns = {name: np.array([row[name] for row in rows]) for name in space.names}
    print(f"{device}: {len(rows)} designs in {operands}; {backend}, profiled: {peer.profiled}")
    print(
        "   tokens       n       k   Spearman   best 10 in best tenth   our best there   ratio of times"
        "   its spread"
    )
    found = []
    for tokens in TOKENS:
        for n, k in LAYERS:
            shape = GemmShape(tokens, n, k)
            ours = np.asarray(tensor_gemm_model(target, [shape], operands=[operands])(columns)["time_ms"])
            theirs = 1e3 * np.array([peer.seconds(shape, row) for row in rows])
            known = theirs > 0
            one, other = ours[known], theirs[known]
            tenth = max(10, len(one) // 10)
            order, peer_order = np.argsort(one, kind="stable"), np.argsort(other, kind="stable")
            shared = len(set(order[:10]) & set(peer_order[:tenth]))
            loss = other[order[:10]].min() / other.min()
            rank = float(spearmanr(one, other)[0])
            ratio = float(np.median(other / one))
            spread = float(np.quantile(other, 0.95) / np.quantile(other, 0.05))
            found.append((rank, shared, loss, ratio, len(one), spread))
            print(
                f"  {tokens:7d} {n:7d} {k:7d}   {rank:8.3f}   {shared:21d}   {loss:14.3f}   {ratio:14.2f}"
                f"   {spread:10.2f}"
            )
    middle = np.median(np.array(found), axis=0)
    print(
        f"  median of {len(found)} shapes: Spearman {middle[0]:.3f}, {middle[1]:.0f} of 10, "
        f"{middle[2]:.3f}, {middle[3]:.2f}; lowest Spearman {min(item[0] for item in found):.3f}; "
        f"{middle[4]:.0f} designs that it does not refuse"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--devices", default="a100-sxm-80gb,h200")
    parser.add_argument("--designs", type=int, default=400)
    options = parser.parse_args()
    try:
        import nvMatmulHeuristics  # noqa: F401
    except ImportError as error:
        sys.exit(f"nvidia-matmul-heuristics is not installed ({error}): pip install 'dse-toolkit[peers]'")
    for device in options.devices.split(","):
        for backend, precision in PEER[device][1]:
            compare(device, backend, precision, options.designs)
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
