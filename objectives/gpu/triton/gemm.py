"""The matrix product: inputs, expected result, and the launches of a design."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
import triton.language as tl

from objectives.gpu.triton.jobs import JobError
from objectives.gpu.triton.kernels import gemm_kernel, sum_kernel
from objectives.gpu.triton.operators import Call, Launch, Numbers, Plan, Task, device, random

# Sums are kept in 32 bits, so that 1e-3 is ample for the 16-bit types. TF32 has 11 bits of mantissa, and
# hardware truncates to them. Hopper adds FP8 products in fewer bits than 32.
NUMBERS = {
    "fp16": Numbers(torch.float16, torch.float16, "tf32", 2**-10, 1e-3),
    "bf16": Numbers(torch.bfloat16, torch.bfloat16, "tf32", 2**-7, 1e-3),
    "fp32": Numbers(torch.float32, torch.float32, "ieee", 1e-5, 1e-4),
    "tf32": Numbers(torch.float32, torch.float32, "tf32", 4e-3, 8e-3),
    "fp8": Numbers(torch.float8_e4m3fn, torch.float16, "tf32", 2e-2, 2e-2),
    "int8": Numbers(torch.int8, torch.int32, "tf32", 0.0, 0.0),
}
# Elements that a program adds up: few where there are few, so that all multiprocessors have some.
SUM_BLOCKS = (256, 1024)


def task(shape: Mapping[str, Any], operands: str, seed: int) -> Task:
    """Return random operands and their product in 64-bit floats, in which sums of int8 are exact.

    B is stored by rows (k, n), or with ``transposed_b`` by columns, as the weights of a linear layer are.
    """
    numbers = NUMBERS[operands]
    m, n, k = shape["m"], shape["n"], shape["k"]
    generator = torch.Generator(device()).manual_seed(seed)
    a = random((m, k), numbers.operand, generator)
    b = _stored(random((n, k), numbers.operand, generator), shape)
    expected = torch.matmul(a.double(), b.double())
    return Task((a, b), expected, math.sqrt(k), numbers, {"m": m, "n": n, "k": k})


def outline(shape: Mapping[str, Any], operands: str) -> Task:
    """Return a task without its data: enough to compile a plan."""
    numbers = NUMBERS[operands]
    m, n, k = shape["m"], shape["n"], shape["k"]
    a = torch.empty((m, k), dtype=numbers.operand, device="meta")
    b = _stored(torch.empty((n, k), dtype=numbers.operand, device="meta"), shape)
    expected = torch.empty((m, n), dtype=torch.float64, device="meta")
    return Task((a, b), expected, math.sqrt(k), numbers, {"m": m, "n": n, "k": k})


def _stored(b: torch.Tensor, shape: Mapping[str, Any]) -> torch.Tensor:
    return b.T if shape.get("transposed_b", False) else b.T.contiguous()


def plan(task: Task, design: Mapping[str, Any]) -> Plan:
    """Return the launches of a design."""
    a, b = task.inputs
    m, n, k = (task.sizes[name] for name in "mnk")
    match design["decomposition"]:
        case "data_parallel":
            split = 1
        case "split_k":
            split = int(design["split_k"])
        case other:
            raise JobError("unsupported", f"decomposition {other!r}: data_parallel or split_k")
    block_m, block_n, block_k = (int(design[f"block_{name}"]) for name in "mnk")
    whole = task.numbers.output == torch.int32
    sums = tl.int32 if whole else tl.float32
    output = torch.empty((m, n), dtype=task.numbers.output, device=a.device)
    parts = output
    if split > 1:
        parts = torch.empty((split, m, n), dtype=torch.int32 if whole else torch.float32, device=a.device)
    product = Launch(
        gemm_kernel,
        (math.ceil(m / block_m) * math.ceil(n / block_n), split),
        (a, b, parts, m, n, k, a.stride(0), a.stride(1), b.stride(0), b.stride(1)),
        {
            "block_m": block_m,
            "block_n": block_n,
            "block_k": block_k,
            "group_m": int(design["group_m"]),
            "split_k": split,
            "whole_m": m % block_m == 0,
            "whole_n": n % block_n == 0,
            "whole_k": k % block_k == 0,
            "sums": sums,
            "precision": task.numbers.precision,
            "num_warps": int(design["warps"]),
            "num_stages": int(design["stages"]),
        },
    )
    if split == 1:
        return Plan((product,), output)
    block = SUM_BLOCKS[m * n >= 2**20]
    total = Launch(
        sum_kernel,
        (math.ceil(m * n / block),),
        (parts, output, m * n),
        {"split_k": split, "block": block, "sums": sums},
    )
    return Plan((product, total), output, (parts,))


def library(task: Task, operands: str) -> Plan:
    """Return torch's own product of a task's operands: cuBLAS on a GPU of NVIDIA.

    Raises
    ------
    JobError
        Of kind `unsupported`, for types and sizes that torch does not multiply.
    """
    a, b = task.inputs
    output = torch.empty((a.shape[0], b.shape[1]), dtype=task.numbers.output, device=a.device)
    if operands in ("fp8", "int8") and not a.is_cuda:
        raise JobError("unsupported", f"torch has no product of {operands} on a processor")
    if operands == "fp8":
        if b.stride(0) != 1:
            raise JobError("unsupported", "torch's product of fp8 wants transposed_b=True")
        one = torch.ones((), device=a.device)

        def run() -> None:
            torch._scaled_mm(a, b, scale_a=one, scale_b=one, out_dtype=output.dtype, out=output)

        return Plan((Call("torch._scaled_mm", run),), output)
    if operands == "int8":
        return Plan((Call("torch._int_mm", lambda: torch._int_mm(a, b, out=output)),), output)
    if operands in ("fp32", "tf32"):
        torch.backends.cuda.matmul.fp32_precision = "tf32" if operands == "tf32" else "ieee"
    return Plan((Call("torch.matmul", lambda: torch.matmul(a, b, out=output)),), output)
