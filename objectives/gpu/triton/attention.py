"""Fused attention: inputs, expected result, and the launches of a design."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from objectives.gpu.triton.kernels import attention_kernel, combine_kernel
from objectives.gpu.triton.operators import Call, Launch, Numbers, Plan, Task, device, random

# The weights of the softmax are rounded to the type of the operands before they meet the values: some
# units of that type, of the size of the row's results.
NUMBERS = {
    "fp16": Numbers(torch.float16, torch.float16, "tf32", 2**-10, 2**-9),
    "bf16": Numbers(torch.bfloat16, torch.bfloat16, "tf32", 2**-7, 2**-6),
    "fp32": Numbers(torch.float32, torch.float32, "ieee", 1e-5, 5e-5),
    "tf32": Numbers(torch.float32, torch.float32, "tf32", 4e-3, 8e-3),
}
COMBINED = 4096  # elements that a program of the combining kernel holds at most
PROGRAMS = 256  # of the combining kernel, if there are rows for so many
SCORES = 2**26  # scores that the expected result is computed from at a time


def task(shape: Mapping[str, Any], operands: str, seed: int) -> Task:
    """Return random queries, keys and values, and their attention by torch in 64-bit floats."""
    numbers = NUMBERS[operands]
    batch, heads, kv_heads = shape["batch"], shape["heads"], shape["kv_heads"]
    queries, keys, head, causal = shape["queries"], shape["keys"], shape["head_size"], shape["causal"]
    generator = torch.Generator(device()).manual_seed(seed)
    q = random((batch, heads, queries, head), numbers.operand, generator)
    k = random((batch, kv_heads, keys, head), numbers.operand, generator)
    v = random((batch, kv_heads, keys, head), numbers.operand, generator)
    expected = torch.empty(q.shape, dtype=torch.float64, device=q.device)
    step = max(1, SCORES // keys)
    places = torch.arange(keys, device=q.device)
    for sample in range(batch):
        for number in range(heads):
            shared = number // (heads // kv_heads)
            for start in range(0, queries, step):
                some = slice(start, min(start + step, queries))
                seen = None
                if causal:
                    last = torch.arange(some.start, some.stop, device=q.device) + keys - queries
                    seen = places[None, :] <= last[:, None]
                expected[sample, number, some] = torch.nn.functional.scaled_dot_product_attention(
                    q[sample, number, some].double()[None],
                    k[sample, shared].double()[None],
                    v[sample, shared].double()[None],
                    attn_mask=seen,
                )[0]
    scale = expected.square().mean(-1, keepdim=True).sqrt()
    return Task((q, k, v), expected, scale, numbers, dict(shape))


def outline(shape: Mapping[str, Any], operands: str) -> Task:
    """Return a task without its data: enough to compile a plan."""
    numbers = NUMBERS[operands]
    batch, head = shape["batch"], shape["head_size"]
    q = torch.empty((batch, shape["heads"], shape["queries"], head), dtype=numbers.operand, device="meta")
    k = torch.empty((batch, shape["kv_heads"], shape["keys"], head), dtype=numbers.operand, device="meta")
    expected = torch.empty(q.shape, dtype=torch.float64, device="meta")
    return Task((q, k, torch.empty_like(k)), expected, 1.0, numbers, dict(shape))


def plan(task: Task, design: Mapping[str, Any]) -> Plan:
    """Return the launches of a design."""
    q, k, v = task.inputs
    sizes = task.sizes
    batch, heads, kv_heads = sizes["batch"], sizes["heads"], sizes["kv_heads"]
    queries, keys, head = sizes["queries"], sizes["keys"], sizes["head_size"]
    block_q, block_kv = int(design["block_q"]), int(design["block_kv"])
    split = int(design["split_kv"])
    pack = heads // kv_heads if design["pack_queries"] else 1
    rows = batch * heads * queries
    output = torch.empty_like(q)
    workspace: tuple[torch.Tensor, ...] = ()
    target, peaks = output, output  # nothing is written to `peaks` without a split
    if split > 1:
        target = torch.empty((split, *q.shape), dtype=torch.float32, device=q.device)
        peaks = torch.empty((split, rows), dtype=torch.float32, device=q.device)
        workspace = (target, peaks)
    main = Launch(
        attention_kernel,
        (math.ceil(queries * pack / block_q), batch * heads // pack, split),
        (q, k, v, target, peaks, math.log2(math.e) / math.sqrt(head), heads, kv_heads, queries, keys, rows),
        {
            "head": head,
            "block_q": block_q,
            "block_kv": block_kv,
            "pack": pack,
            "split_kv": split,
            "causal": bool(sizes["causal"]),
            "whole_kv": keys % block_kv == 0,
            "precision": task.numbers.precision,
            "num_warps": int(design["warps"]),
            "num_stages": int(design["stages"]),
        },
    )
    if split == 1:
        return Plan((main,), output)
    block = min(max(1, COMBINED // head), 2 ** (max(rows // PROGRAMS, 1).bit_length() - 1))
    join = Launch(
        combine_kernel,
        (math.ceil(rows / block),),
        (target, peaks, output, rows),
        {"head": head, "split_kv": split, "block": block},
    )
    return Plan((main, join), output, workspace)


def library(task: Task, operands: str) -> Plan:
    """Return torch's own attention over a task's inputs."""
    q, k, v = task.inputs
    queries, keys = task.sizes["queries"], task.sizes["keys"]
    causal = task.sizes["causal"] and queries > 1  # a last query alone sees all keys
    mask = None
    if causal and queries != keys:
        # Torch's own causal mask lets the first query see the first key alone.
        mask = torch.ones((queries, keys), dtype=torch.bool, device=q.device).tril(keys - queries)
    output = torch.empty_like(q)
    written = False

    def run() -> None:
        nonlocal written
        found = torch.nn.functional.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, is_causal=causal and mask is None, enable_gqa=q.shape[1] != k.shape[1]
        )
        if not written:  # to be checked, once: later calls are timed without the copy
            output.copy_(found)
            written = True

    if operands in ("fp32", "tf32"):
        torch.backends.cuda.matmul.fp32_precision = "tf32" if operands == "tf32" else "ieee"
    return Plan((Call("scaled_dot_product_attention", run),), output)
