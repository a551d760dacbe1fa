"""What both sides of the pipe know: types of numbers, kinds of failure, whether kernels are interpreted."""

from __future__ import annotations

import os

# Triton reads the variable when a kernel is defined, so it holds for the life of a process.
INTERPRETED = os.environ.get("TRITON_INTERPRET", "").lower() in {"1", "true", "on", "yes", "y"}

REASON_CHARACTERS = 400

GEMM_OPERANDS = ("fp16", "bf16", "fp32", "tf32", "fp8", "int8")
ATTENTION_OPERANDS = ("fp16", "bf16", "fp32", "tf32")


class JobError(Exception):
    """A job failed: `kind` says where, and is the first word of the reason that a study stores.

    ``unsupported``: the kernels do not do this. ``compile``: the compiler refused the kernel, or the GPU
    lacks what it needs. ``incorrect``: the result is wrong. ``runtime``: it failed while it ran.
    ``crash``: the worker died of it.
    """

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(f"{kind}: {reason}")
        self.kind = kind
        self.reason = reason


class JobTimeout(JobError):  # noqa: N818 -- as TimeoutExpired
    """A job took longer than it was given, and was killed."""

    def __init__(self, seconds: float) -> None:
        super().__init__("timeout", f"more than {seconds:g} s")


def reason(error: BaseException) -> str:
    """Return one line on what went wrong: the first cause, since compilers quote their source around it."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(str(error).split())
    if len(text) > REASON_CHARACTERS:
        text = f"{text[: REASON_CHARACTERS // 2]} ... {text[-REASON_CHARACTERS // 2 :]}"
    return f"{type(error).__name__}: {text}"
