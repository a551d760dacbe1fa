"""Triton kernels on a real GPU: results, times, energy, and what happens when a kernel fails there."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dse import Designs, Space
from dse.errors import ProblemError
from dse.models import run_model
from dse.space import Categorical, Ordinal
from objectives.gpu.shapes import AttentionShape, GemmShape
from objectives.gpu.triton import JobError, TritonAttention, TritonGemm, close_shared_workers
from objectives.gpu.triton.harness import shared_worker

GEMM_SPACE = Space(
    [
        Ordinal("gpu.block_m", [16, 32, 64, 128, 256]),
        Ordinal("gpu.block_n", [16, 32, 64, 128, 256]),
        Ordinal("gpu.block_k", [16, 32, 64, 128]),
        Ordinal("gpu.warps", [1, 4, 8]),
        Ordinal("gpu.stages", [1, 2, 3, 4, 6]),
        Categorical("gpu.decomposition", ["data_parallel", "split_k"]),
        Ordinal("gpu.split_k", [1, 3, 4, 16]),
        Ordinal("gpu.group_m", [1, 2, 8]),
    ]
)
GEMM = {
    "gpu.block_m": 64,
    "gpu.block_n": 64,
    "gpu.block_k": 32,
    "gpu.warps": 4,
    "gpu.stages": 3,
    "gpu.decomposition": "data_parallel",
    "gpu.split_k": 1,
    "gpu.group_m": 8,
}
SPLIT = GEMM | {"gpu.decomposition": "split_k", "gpu.split_k": 3, "gpu.group_m": 2}
LARGE = GEMM | {"gpu.block_m": 128, "gpu.block_n": 128, "gpu.block_k": 64}
ATTENTION = {
    "gpu.block_q": 64,
    "gpu.block_kv": 64,
    "gpu.warps": 4,
    "gpu.stages": 2,
    "gpu.split_kv": 1,
    "gpu.pack_queries": False,
}
QUICK: dict[str, Any] = {"repeats": 5, "warmup_ms": 1.0}
pytestmark = pytest.mark.slow
OPERANDS = ("fp16", "bf16", "fp32", "tf32", "fp8", "int8")


@pytest.fixture(autouse=True, scope="module")
def machine() -> Iterator[dict[str, Any]]:
    """What the worker runs on; without a GPU these tests are skipped."""
    missing = [name for name in ("torch", "triton") if find_spec(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (pip install 'dse-toolkit[gpu]')")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("TRITON_INTERPRET", raising=False)
        try:
            hello = shared_worker().hello()
        except ProblemError as error:
            pytest.skip(str(error))
        yield hello
    close_shared_workers()


def needs(machine: dict[str, Any], operands: str) -> None:
    if operands == "fp8" and float(machine["capability"]) < 8.9:
        pytest.skip(f"{machine['name']} does not multiply fp8")


@pytest.mark.parametrize("operands", OPERANDS)
@pytest.mark.parametrize(
    ("design", "shape"),
    [(GEMM, (70, 112, 528)), (SPLIT, (256, 512, 384)), (SPLIT, (1, 256, 4096)), (LARGE, (256, 512, 384))],
    ids=["masked", "split", "vector", "large"],
)
def test_products_are_right(
    machine: dict[str, Any], operands: str, design: dict[str, Any], shape: tuple[int, int, int]
) -> None:
    needs(machine, operands)
    if operands in ("fp32", "tf32") and design is LARGE:
        design = LARGE | {"gpu.block_k": 32, "gpu.warps": 8}
    model = TritonGemm((GemmShape(*shape),), operands, transposed_b=design is not SPLIT, **QUICK)
    (result,) = model.measure(design)
    assert result["device"] == "cuda"
    assert result["error"]["of_allowed"] <= 1
    assert result["median_ms"] > 0
    kernel = result["kernels"][0]
    assert kernel["kernel"] == "gemm_kernel"
    assert 16 <= kernel["registers"] <= 255
    assert kernel["shared_bytes"] > 0


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    ("operands", "queries", "keys", "changes"),
    [
        ("fp16", 256, 256, {}),
        ("bf16", 256, 256, {}),
        ("bf16", 100, 333, {"gpu.split_kv": 3}),
        ("fp16", 1, 1000, {"gpu.block_q": 16, "gpu.split_kv": 8, "gpu.pack_queries": True}),
        ("tf32", 77, 77, {"gpu.block_kv": 32, "gpu.pack_queries": True}),
        ("fp32", 77, 77, {"gpu.block_q": 16, "gpu.block_kv": 32}),
    ],
)
def test_attention_is_right(
    operands: str, causal: bool, queries: int, keys: int, changes: dict[str, Any]
) -> None:
    shape = AttentionShape(2, 8, 2, queries, keys, 64, causal=causal)
    (result,) = TritonAttention((shape,), operands, **QUICK).measure(ATTENTION | changes)
    assert result["error"]["of_allowed"] <= 1


@pytest.mark.parametrize("operands", OPERANDS)
def test_torch_is_measured_beside(machine: dict[str, Any], operands: str) -> None:
    needs(machine, operands)
    (result,) = TritonGemm((GemmShape(256, 512, 384),), operands, transposed_b=True, **QUICK).library()
    assert result["error"]["of_allowed"] <= 1
    assert result["median_ms"] > 0


@pytest.mark.parametrize(("queries", "keys"), [(128, 128), (1, 512), (64, 256)])
def test_torchs_attention_is_measured_beside(queries: int, keys: int) -> None:
    shape = AttentionShape(2, 8, 2, queries, keys, 64)
    (result,) = TritonAttention((shape,), "bf16", **QUICK).library()
    assert result["error"]["of_allowed"] <= 1


def test_times_are_those_of_a_gpu(machine: dict[str, Any]) -> None:
    model = TritonGemm((GemmShape(4096, 4096, 4096),), "fp16", transposed_b=True)
    (once,), (again,), (library,) = model.measure(LARGE), model.measure(LARGE), model.library()
    # 1.4e11 operations: between 5,000 TFLOP/s and 5.
    assert 0.027 < once["median_ms"] < 27
    assert 0.027 < library["median_ms"] < 27
    # Power limits may take a third of the clock in between.
    assert again["median_ms"] == pytest.approx(once["median_ms"], rel=0.4)
    assert again["iqr_ms"] < again["median_ms"]
    assert again["compile_s"] < 1.0  # kept
    if machine["energy"]:
        assert once["clock_mhz"] > 100


def test_energy_is_that_of_a_board(machine: dict[str, Any]) -> None:
    if not machine["energy"]:
        pytest.skip(f"NVML counts no energy on {machine['name']}")
    model = TritonGemm(
        (GemmShape(4096, 4096, 4096),), "fp16", transposed_b=True, energy=True, energy_ms=400.0
    )
    (result,) = model.measure(LARGE)
    assert 20 < result["energy_mj"] / result["sustained_ms"] < 1500
    assert 0.5 < result["sustained_ms"] / result["median_ms"] < 3


def test_a_kernel_that_does_not_fit_fails_alone() -> None:
    wide = GEMM | {
        "gpu.block_m": 256,
        "gpu.block_n": 256,
        "gpu.block_k": 128,
        "gpu.stages": 6,
        "gpu.warps": 8,
    }
    model = TritonGemm((GemmShape(512, 512, 512),), "fp16", **QUICK, compilers=2)
    found = run_model(model, Designs.from_rows(GEMM_SPACE, [GEMM, wide, SPLIT]))
    assert list(found.errors) == [1]
    assert found.errors[1].startswith("compile: OutOfResources: out of resource: shared memory")
    time_ms = np.asarray(found.metrics["time_ms"])
    assert (time_ms[[0, 2]] > 0).all()
    with pytest.raises(JobError, match=r"^compile: "):  # instructions for 8 bits are 32 deep
        TritonGemm((GemmShape(512, 512, 512),), "int8", **QUICK).measure(GEMM | {"gpu.block_k": 16})


def test_a_batch_compiled_by_several_gives_the_same_metrics() -> None:
    rows = [GEMM, SPLIT, LARGE, GEMM | {"gpu.block_n": 32}]
    designs = Designs.from_rows(GEMM_SPACE, rows)
    for compilers in (0, 3):
        model = TritonGemm((GemmShape(512, 512, 512),), "bf16", **QUICK, compilers=compilers)
        found = run_model(model, designs)
        assert not found.errors
        assert (np.asarray(found.metrics["time_ms"]) > 0).all()
    # Compiled by others, found on disk here.
    fresh = GEMM | {"gpu.stages": 4, "gpu.group_m": 1}
    assert model.compile(Designs.from_rows(GEMM_SPACE, [fresh, fresh | {"gpu.group_m": 2}])) == {}
    (result,) = model.measure(fresh)
    assert result["compile_s"] < 0.3


FAULTY = """
import sys
from dataclasses import replace
import triton
import triton.language as tl
from objectives.gpu.triton import gemm, worker

@triton.jit
def wait_kernel(flag, rounds):
    at = 0
    while (tl.atomic_add(flag, 0) == 0) & (at < rounds):
        at += 1

right = gemm.plan

def plan(task, design):
    made = right(task, design)
    first = made.launches[0]
    if design["group_m"] == 2:  # reads far outside
        a, b, c, *rest = first.arguments
        rest[-1] = 2**29
        made = replace(made, launches=(replace(first, arguments=(a, b, c, *rest)),))
    if design["group_m"] == 1:  # takes a minute or more
        import torch
        flag = torch.zeros(1, dtype=torch.int32, device="cuda")
        hang = replace(first, kernel=wait_kernel, grid=(1,), arguments=(flag, 2**27), options={})
        made = replace(made, launches=(hang, first))
    return made

gemm.plan = plan
sys.exit(worker.main())
"""


def test_a_fault_and_a_hang_on_the_gpu_fail_alone(tmp_path: Path) -> None:
    program = tmp_path / "faulty.py"
    program.write_text(FAULTY)
    model = TritonGemm(
        (GemmShape(512, 512, 512),), "fp16", command=(sys.executable, str(program)), timeout_s=10.0, **QUICK
    )
    rows = [GEMM | {"gpu.group_m": group} for group in (8, 2, 8, 1, 8)]
    found = run_model(model, Designs.from_rows(GEMM_SPACE, rows))
    assert list(found.errors) == [1]
    assert found.errors[1].startswith("runtime: ")
    assert "CUDA error" in found.errors[1]
    assert found.timeouts == {3}
    assert (np.asarray(found.metrics["time_ms"])[[0, 2, 4]] > 0).all()
