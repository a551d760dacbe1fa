"""Compile a plan for a GPU that is not here: whether it compiles, and what it takes."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Mapping
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from objectives.gpu.triton.jobs import JobError, reason
from objectives.gpu.triton.operators import PINNED, Launch, Plan

TYPES = {
    "float16": "fp16",
    "bfloat16": "bf16",
    "float32": "fp32",
    "float8_e4m3fn": "fp8e4nv",
    "int8": "i8",
    "int32": "i32",
}
OPTIONS = ("num_warps", "num_stages")
ALIGNED = 16
MATRIX_INSTRUCTIONS = ("wgmma.mma_async", "tcgen05.mma", "mma.sync")


def compile_plan(plan: Plan, capability: int) -> list[dict[str, Any]]:
    """Compile all kernels of a plan, with no GPU needed; not in a process that interprets kernels.

    Parameters
    ----------
    plan
        Of any device; only types, sizes and strides are read.
    capability
        Of the GPU, times ten: 80 for an A100, 90 for an H100, 100 for a B200.

    Returns
    -------
    A dictionary a kernel: `kernel`, `registers` and `stack_bytes` a thread, `shared_bytes` a block, and the
    matrix `instructions` used.

    Raises
    ------
    JobError
        Of kind `compile`. That a GPU has less shared memory than a kernel takes is seen only there.
    """
    return [_compile(launch, capability) for launch in plan.launches if isinstance(launch, Launch)]


def _compile(launch: Launch, capability: int) -> dict[str, Any]:
    signature: dict[str, str] = {}
    constants: dict[tuple[int, ...], Any] = {}
    hints: dict[tuple[int, ...], Any] = {}
    named = dict(zip(launch.kernel.arg_names, launch.arguments, strict=False))
    named |= {name: value for name, value in launch.options.items() if name not in OPTIONS}
    for place, name in enumerate(launch.kernel.arg_names):
        value = named[name]
        # As when a kernel is launched: ones are constants, and multiples of 16 are known to be.
        if name in launch.options or (isinstance(value, int) and value == 1):
            signature[name], constants[(place,)] = "constexpr", value
        elif isinstance(value, float):
            signature[name] = "fp32"
        elif isinstance(value, int):
            signature[name] = "i32" if value < 2**31 else "i64"
            if value % ALIGNED == 0:
                hints[(place,)] = [["tt.divisibility", ALIGNED]]
        else:
            signature[name] = "*" + TYPES[str(value.dtype).removeprefix("torch.")]
            hints[(place,)] = [["tt.divisibility", ALIGNED]]
    source = ASTSource(launch.kernel, signature, constexprs=constants, attrs=hints)
    options = PINNED | {name: launch.options[name] for name in OPTIONS if name in launch.options}
    try:
        made = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)
    except Exception as error:
        raise JobError("compile", reason(error)) from error
    ptx = made.asm["ptx"]
    return {
        "kernel": launch.name,
        "shared_bytes": made.metadata.shared,
        "instructions": [name for name in MATRIX_INSTRUCTIONS if name in ptx],
        **_usage(made.asm["cubin"]),
    }


def _usage(binary: bytes) -> Mapping[str, int | None]:
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(binary)
        file.flush()
        command = [triton.knobs.nvidia.cuobjdump.path, "-res-usage", file.name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    found = re.search(r"REG:(\d+) STACK:(\d+)", done.stdout + done.stderr)
    registers, stack = (int(found[1]), int(found[2])) if found else (None, None)
    return {"registers": registers, "stack_bytes": stack}
