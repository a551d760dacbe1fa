"""What the operators share: types of numbers, kernel launches, and the comparison with torch's result."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from objectives.gpu.triton.jobs import INTERPRETED, JobError

# Triton's default is about to change, and with it what is measured.
PINNED = {"enable_fp_fusion": True}


@dataclass(frozen=True)
class Numbers:
    """A type of operands.

    Attributes
    ----------
    operand, output
        Torch's types.
    precision
        What the kernel asks of the multiplication of 32-bit floats.
    relative, absolute
        A result may differ from the exact one by ``relative * |exact| + absolute * scale``, where the scale
        is the size that a result of such inputs has. `relative` is two or more units of the rounding of the
        output; `absolute` covers the rounding of operands and of sums.
    """

    operand: torch.dtype
    output: torch.dtype
    precision: str
    relative: float
    absolute: float


def device() -> str:
    """Return where tensors live."""
    return "cuda" if torch.cuda.is_available() and not INTERPRETED else "cpu"


def random(shape: tuple[int, ...], dtype: torch.dtype, generator: torch.Generator) -> torch.Tensor:
    """Return standard normal numbers, or uniform ones over all of int8."""
    place = generator.device
    if dtype == torch.int8:
        return torch.randint(-128, 128, shape, dtype=dtype, device=place, generator=generator)
    return torch.randn(shape, device=place, generator=generator).to(dtype)


@dataclass(frozen=True)
class Launch:
    """One kernel with all that it is called with."""

    kernel: Any
    grid: tuple[int, ...]
    arguments: tuple[Any, ...]
    options: dict[str, Any]

    @property
    def name(self) -> str:
        """The kernel's."""
        return str(self.kernel.__name__)

    def run(self) -> Any:
        """Start the kernel; on a GPU it returns what was compiled."""
        return self.kernel[self.grid](*self.arguments, **self.options, **PINNED)

    def compile(self) -> None:
        """Compile the kernel for these arguments without running it."""
        self.kernel.warmup(*self.arguments, grid=self.grid, **self.options, **PINNED)


@dataclass(frozen=True)
class Call:
    """A function of torch in a kernel's place, already compiled."""

    name: str
    run: Callable[[], Any]

    def compile(self) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class Plan:
    """The launches that compute a design's result, in order, and where it is written."""

    launches: tuple[Launch | Call, ...]
    output: torch.Tensor
    workspace: tuple[torch.Tensor, ...] = ()

    @property
    def workspace_mib(self) -> float:
        """Memory beside inputs and output."""
        return float(sum(part.nbytes for part in self.workspace)) / 2**20

    def run(self) -> None:
        """Start all kernels."""
        for launch in self.launches:
            launch.run()

    def poison(self) -> None:
        """Overwrite results with what no kernel writes: memory that is reused may hold the right ones."""
        for tensor in (self.output, *self.workspace):
            tensor.fill_(math.nan if tensor.is_floating_point() else torch.iinfo(tensor.dtype).min)


@dataclass(frozen=True)
class Task:
    """Inputs, and what an operator must make of them."""

    inputs: tuple[torch.Tensor, ...]
    expected: torch.Tensor
    scale: torch.Tensor | float
    numbers: Numbers
    sizes: dict[str, Any] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Memory that it holds."""
        return sum(int(tensor.nbytes) for tensor in (*self.inputs, self.expected))

    def check(self, output: torch.Tensor, tolerance: float) -> dict[str, float]:
        """Compare with the expected result.

        Parameters
        ----------
        output
            What the kernels wrote.
        tolerance
            A factor on what the type of numbers allows; 0 asks for equality.

        Returns
        -------
        The largest error, and the largest as a share of what is allowed.

        Raises
        ------
        JobError
            Of kind `incorrect`, with the number of wrong elements and the first of them.
        """
        exact = self.expected
        found = output.to(exact.dtype)
        error = (found - exact).abs()
        allowed = tolerance * (self.numbers.relative * exact.abs() + self.numbers.absolute * self.scale)
        wrong = ~(error <= allowed)  # a NaN is wrong as well
        count = int(wrong.sum())
        if count:
            place = tuple(wrong.nonzero()[0].tolist())
            raise JobError(
                "incorrect",
                f"{count} of {wrong.numel()} elements; at {list(place)} {found[place].item():.6g} instead of "
                f"{exact[place].item():.6g}, where {allowed[place].item():.2g} is allowed",
            )
        share = torch.where(error > 0, error / allowed, torch.zeros_like(error))
        return {"largest": float(error.max()), "of_allowed": float(share.max())}
