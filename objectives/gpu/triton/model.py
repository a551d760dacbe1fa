"""Measured cost models: Triton kernels, compiled, checked and timed on this machine's GPU."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar

import numpy as np

from dse.designs import Designs
from dse.errors import ProblemError
from dse.models import Outcome
from objectives.gpu import attention, tensor_gemm
from objectives.gpu.shapes import AttentionShape, GemmShape, check_count
from objectives.gpu.triton.ahead import Compiled, compile_ahead, default_compilers
from objectives.gpu.triton.harness import WORKER, Worker, shared_worker
from objectives.gpu.triton.jobs import ATTENTION_OPERANDS, GEMM_OPERANDS, JobError, JobTimeout

GEMM_COLUMNS = tuple(name for name in tensor_gemm.COLUMNS if name != "gpu.operands")
ATTENTION_COLUMNS = attention.COLUMNS
METRICS = {"time_ms": "ms", "spread": "", "tflops": "TFLOP/s", "workspace_mib": "MiB"}
HEAD_SIZES = (16, 32, 64, 128, 256)


@dataclass(frozen=True, kw_only=True)
class MeasuredKernel(ABC):
    """How kernels are measured: what the models of this module share.

    Parameters
    ----------
    warmup_ms, repeats
        Calls before, for at least that time, and calls timed.
    flush
        Empty the L2 cache before each call.
    energy
        Measure `energy_mj` as well, over calls for `energy_ms`; needs a GPU whose driver counts energy.
    tolerance
        A factor on the error that the type of numbers allows; 0 asks for equality.
    seed
        Of the inputs.
    timeout_s
        For each design; beyond it the kernel is killed.
    compilers
        Processes that compile a batch before its designs are timed one after the other; 0 compiles each
        when its turn comes. By default half of the processors, eight at most.
    command
        The worker's program, where it is another.
    """

    warmup_ms: float = 100.0
    repeats: int = 30
    flush: bool = True
    energy: bool = False
    energy_ms: float = 1000.0
    tolerance: float = 1.0
    seed: int = 0
    timeout_s: float = 120.0
    compilers: int = field(default_factory=default_compilers)
    command: tuple[str, ...] = WORKER
    version: str = "2"

    operator: ClassVar[str]
    allowed_operands: ClassVar[tuple[str, ...]]

    def _check(self, shapes: Sequence[object], kind: type, operands: str) -> None:
        if not shapes:
            raise ProblemError("shapes=() has nothing to measure: give at least one")
        for shape in shapes:
            if not isinstance(shape, kind):
                raise ProblemError(f"shape {shape!r} is no {kind.__name__}")
        if operands not in self.allowed_operands:
            raise ProblemError(f"operands={operands!r}: one of {', '.join(self.allowed_operands)}")
        check_count("", "repeats", self.repeats)
        for name, least in (("timeout_s", 1e-3), ("energy_ms", 1.0), ("warmup_ms", 0.0), ("tolerance", 0.0)):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and math.isfinite(value) and value >= least):
                raise ProblemError(f"{name}={value!r} must be a number of at least {least:g}")
        if isinstance(self.compilers, bool) or not isinstance(self.compilers, int) or self.compilers < 0:
            raise ProblemError(f"compilers={self.compilers!r} must be a whole number, 0 or more")

    @property
    def workers(self) -> int:
        """How many designs it is to be handed at a time, at least."""
        return max(self.compilers, 1)

    @property
    def metrics(self) -> Mapping[str, str]:
        """Unit by metric; `energy_mj` only where it is measured."""
        return {**METRICS, "energy_mj": "mJ"} if self.energy else METRICS

    @property
    def settings(self) -> Mapping[str, Any]:
        """What results depend on, the GPU and the versions of torch and triton among it.

        Raises
        ------
        ProblemError
            If torch, triton or a GPU is missing.
        """
        chosen = {item.name: getattr(self, item.name) for item in fields(self)}
        for name in ("command", "compilers", "name", "version"):
            del chosen[name]
        chosen["shapes"] = self._shapes()
        hello = self._worker().hello()
        return chosen | {
            "gpu": hello["name"],
            "capability": hello.get("capability"),
            "torch": hello["torch"],
            "triton": hello["triton"],
        }

    def evaluate(self, designs: Designs) -> Outcome:
        """Measure a batch: compile all designs, then time one after the other.

        Raises
        ------
        ProblemError
            If torch, triton or a GPU is missing, or energy is asked for and not counted.
        """
        worker = self._worker()
        n = len(designs)
        values = {name: np.full(n, np.nan) for name in self.metrics}
        errors: dict[int, str] = {}
        timeouts = set()
        seconds = np.zeros(n)
        rows = list(designs.rows())
        compiled = self._compile(worker, rows)
        for place, (design, ahead) in enumerate(zip(rows, compiled, strict=True)):
            began = time.monotonic()
            try:
                if ahead.failure is not None:
                    raise ahead.failure
                for name, value in self._measure(worker, design).items():
                    values[name][place] = value
            except JobTimeout:
                timeouts.add(place)
            except JobError as error:
                errors[place] = str(error)
            seconds[place] = ahead.seconds + time.monotonic() - began
        return Outcome(values, errors, frozenset(timeouts), seconds)

    def compile(self, designs: Designs) -> dict[int, str]:
        """Compile a batch in parallel, for what is measured later; return why designs failed, by position.

        Raises
        ------
        ProblemError
            As `evaluate`.
        """
        compiled = self._compile(self._worker(), list(designs.rows()))
        return {place: str(made.failure) for place, made in enumerate(compiled) if made.failure is not None}

    def measure(self, design: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return all that was measured of a design, a result a shape.

        Each has `median_ms`, `iqr_ms`, `times_ms`, `repeats`, `clock_mhz`, `energy_mj` and `sustained_ms`
        (a call's while energy is measured), `workspace_mib`, `compile_s`, `error`, `device` and `kernels`,
        with the registers, spills and shared memory of each.

        Raises
        ------
        JobError
            If the design fails.
        """
        return self._results(self._worker(), self._jobs(design))

    def library(self) -> list[dict[str, Any]]:
        """Measure torch's own kernels alike: `torch.matmul` (cuBLAS), `scaled_dot_product_attention`.

        Returns
        -------
        A result a shape, as `measure` does.

        Raises
        ------
        JobError
            If torch does not do this, or its result is off by more than a design's may be.
        """
        jobs = [job | {"library": True} for job in self._jobs(dict.fromkeys(self.columns))]
        return self._results(self._worker(), jobs)

    def _measure(self, worker: Worker, design: Mapping[str, Any]) -> dict[str, float]:
        results = self._results(worker, self._jobs(design))
        counts = [int(shape["count"]) for shape in self._shapes()]

        def total(name: str) -> float:
            return sum(count * float(result[name]) for count, result in zip(counts, results, strict=True))

        time_ms = total("median_ms")
        values = {
            "time_ms": time_ms,
            "spread": total("iqr_ms") / time_ms,
            "tflops": self.flops / time_ms * 1e-9,
            "workspace_mib": max(result["workspace_mib"] for result in results),
        }
        if self.energy:
            if any(result["energy_mj"] is None for result in results):
                raise JobError("runtime", "the GPU's energy counter stood still: raise energy_ms")
            values["energy_mj"] = total("energy_mj")
        return values

    def _compile(self, worker: Worker, designs: list[dict[str, Any]]) -> list[Compiled]:
        if self.compilers < 2 or len(designs) < 2 or worker.hello()["device"] != "cuda":
            return [Compiled(0.0, None)] * len(designs)
        return compile_ahead(
            tuple(self.command), [self._jobs(design) for design in designs], self.compilers, self.timeout_s
        )

    def _jobs(self, design: Mapping[str, Any]) -> list[dict[str, Any]]:
        chosen = {name.removeprefix("gpu."): design[name] for name in self.columns}
        return [
            {
                "operator": self.operator,
                "shape": shape,
                "operands": self._operands(),
                "design": chosen,
                "seed": self.seed,
                "tolerance": self.tolerance,
                "warmup_ms": self.warmup_ms,
                "repeats": self.repeats,
                "flush": self.flush,
                "energy_ms": self.energy_ms if self.energy else 0.0,
            }
            for shape in self._shapes()
        ]

    def _results(self, worker: Worker, jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        results: list[dict[str, Any]] = []
        left = self.timeout_s
        for job in jobs:
            began = time.monotonic()
            results.append(worker.run(job, left))
            left -= time.monotonic() - began
        return results

    def _worker(self) -> Worker:
        worker = shared_worker(tuple(self.command))
        hello = worker.hello()
        if self.energy and not hello["energy"]:
            raise ProblemError(
                f"energy=True, but NVML counts no energy on {hello['name']}: "
                "pip install 'dse-toolkit[gpu]' for nvidia-ml-py, or energy=False"
            )
        return worker

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]: ...

    @property
    @abstractmethod
    def flops(self) -> float: ...

    @abstractmethod
    def _shapes(self) -> list[dict[str, Any]]: ...

    @abstractmethod
    def _operands(self) -> str: ...


@dataclass(frozen=True)
class TritonGemm(MeasuredKernel):
    """A matrix product C = A B by a Triton kernel, measured.

    Parameters
    ----------
    shapes
        The products; times are summed over them, each as often as it occurs.
    operands
        ``fp16``, ``bf16``, ``fp32``, ``tf32``, ``fp8`` (e4m3, C in fp16) or ``int8`` (C in int32). Sums are
        kept in 32 bits.
    transposed_b
        B is stored by columns, as the weights of a linear layer are.

    Notes
    -----
    The other parameters are those of `MeasuredKernel`, by keyword.
    """

    shapes: tuple[GemmShape, ...]
    operands: str = "bf16"
    transposed_b: bool = False
    name: str = "triton-gemm"

    operator: ClassVar[str] = "gemm"
    allowed_operands: ClassVar[tuple[str, ...]] = GEMM_OPERANDS

    def __post_init__(self) -> None:
        self._check(self.shapes, GemmShape, self.operands)

    @property
    def columns(self) -> tuple[str, ...]:
        """The parameters that it reads."""
        return GEMM_COLUMNS

    @property
    def flops(self) -> float:
        """Operations of all shapes, a multiplication and an addition being two."""
        return sum(shape.flops for shape in self.shapes)

    def _shapes(self) -> list[dict[str, Any]]:
        return [asdict(shape) | {"transposed_b": self.transposed_b} for shape in self.shapes]

    def _operands(self) -> str:
        return self.operands


@dataclass(frozen=True)
class TritonAttention(MeasuredKernel):
    """Fused attention by a Triton kernel, measured.

    Parameters
    ----------
    shapes
        The calls; times are summed over them, each as often as it occurs. Heads of 16 to 256 elements, a
        power of two.
    operands
        ``fp16``, ``bf16``, ``fp32`` or ``tf32``.

    Notes
    -----
    The other parameters are those of `MeasuredKernel`, by keyword.
    """

    shapes: tuple[AttentionShape, ...]
    operands: str = "bf16"
    name: str = "triton-attention"

    operator: ClassVar[str] = "attention"
    allowed_operands: ClassVar[tuple[str, ...]] = ATTENTION_OPERANDS

    def __post_init__(self) -> None:
        self._check(self.shapes, AttentionShape, self.operands)
        for shape in self.shapes:
            if shape.head_size not in HEAD_SIZES:
                raise ProblemError(f"head_size={shape.head_size!r}: one of {', '.join(map(str, HEAD_SIZES))}")

    @property
    def columns(self) -> tuple[str, ...]:
        """The parameters that it reads."""
        return ATTENTION_COLUMNS

    @property
    def flops(self) -> float:
        """Operations of all shapes."""
        return sum(shape.flops for shape in self.shapes)

    def _shapes(self) -> list[dict[str, Any]]:
        return [asdict(shape) for shape in self.shapes]

    def _operands(self) -> str:
        return self.operands
