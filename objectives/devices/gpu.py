"""What a kernel's cost depends on in a GPU: its multiprocessors, their limits, memories and peaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from dse.errors import ProblemError

# Share of the board's power that flows while a context is held and nothing runs: arXiv:2605.23918 ("The Model
# Parking Tax") measured 26 to 50 W on boards with HBM and 66 W on an L40S before, and 26 to 66 W more with a
# context: about 15 % of 350 to 700 W.
IDLE_SHARE = 0.15


@dataclass(frozen=True)
class Multiprocessor:
    """A streaming multiprocessor (NVIDIA) or compute unit (AMD) of an architecture.

    Attributes
    ----------
    name
        Of the architecture.
    capability
        Compute capability (NVIDIA), as in "8.6", or the compiler's target (AMD), as in "gfx90a".
    warp
        Threads that execute together.
    fp32_lanes
        FP32 fused multiply-adds a clock.
    load_lanes
        Threads whose addresses the load/store units take a clock.
    shared_bytes_clock
        Bytes a clock from the banks of shared memory, or from L1.
    banks
        32-bit banks of shared memory.
    schedulers
        Instructions (of a warp) issued a clock.
    registers
        32-bit registers.
    register_unit
        Registers are given to a warp in multiples of so many.
    registers_thread
        Most registers of a thread.
    launch_registers
        Most registers of a thread that the compiler takes where no bound on the block is stated.
    shared_kib, shared_block_kib
        Shared memory, and as much of it as one block may have.
    static_shared_kib
        As much of it as a block may declare with a fixed size.
    shared_reserved_bytes, shared_unit_bytes
        Reserved by the system a block; granularity of what a block has.
    threads, warps, blocks
        Most that are resident.
    cluster
        Most blocks of a portable cluster; 1 where there are none.
    mma_k_bytes
        Bytes along K of the narrowest dense matrix instruction.
    mma_m, mma_n
        Rows and columns of a warp's (or warp group's) narrowest matrix instruction; 0 where there is none.
    warp_group
        Warps that issue one matrix instruction together: 4 from Hopper on.
    latency_shared, latency_l2, latency_dram
        Clocks until a load returns.
    asynchronous_copy
        Whether global memory is copied to shared memory past registers.
    source
        Where this is from.
    """

    name: str
    capability: str
    warp: int
    fp32_lanes: int
    load_lanes: int
    shared_bytes_clock: int
    banks: int
    schedulers: int
    registers: int
    register_unit: int
    registers_thread: int
    launch_registers: int
    shared_kib: float
    shared_block_kib: float
    static_shared_kib: float
    shared_reserved_bytes: int
    shared_unit_bytes: int
    threads: int
    warps: int
    blocks: int
    cluster: int
    mma_m: int
    mma_n: int
    mma_k_bytes: int
    warp_group: int
    latency_shared: float
    latency_l2: float
    latency_dram: float
    asynchronous_copy: bool
    source: str


@dataclass(frozen=True)
class GPU:
    """A product.

    Attributes
    ----------
    name
        As in the catalogue.
    multiprocessor
        Its architecture.
    multiprocessors
        How many are enabled.
    boost_mhz
        The clock at which the datasheet states peaks.
    l2_mib
        Level-2 cache.
    l2_bytes_clock
        Bytes a clock from it, all multiprocessors together.
    dram_gb_s, dram_gib
        Bandwidth in 10⁹ bytes a second, and capacity.
    dram_pj_per_bit
        Energy of reading it.
    board_w
        Total board power.
    tensor_tflops
        Dense peak in 10¹² operations a second of matrix instructions by operand format (tf32, fp16, bf16,
        fp8, fp6, fp4, int8, int4; with block scales mxfp8, mxfp6, mxfp4, nvfp4), with FP32 (INT32)
        accumulation.
    source
        Where this is from.
    """

    name: str
    multiprocessor: Multiprocessor
    multiprocessors: int
    boost_mhz: float
    l2_mib: float
    l2_bytes_clock: float
    dram_gb_s: float
    dram_gib: float
    dram_pj_per_bit: float
    board_w: float
    tensor_tflops: Mapping[str, float]
    source: str

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, int | float) and not value > 0:
                raise ProblemError(f"GPU {self.name!r}: {item.name}={value!r} must be positive")

    @property
    def clock_hz(self) -> float:
        """Clocks a second."""
        return self.boost_mhz * 1e6

    @property
    def fp32_tflops(self) -> float:
        """Peak of FP32 fused multiply-adds without matrix instructions, in 10¹² operations a second."""
        return 2e-12 * self.multiprocessors * self.multiprocessor.fp32_lanes * self.clock_hz

    def tflops(self, operands: str) -> float:
        """Return the dense peak of an operand format; raise `ProblemError` where the device has none."""
        if operands == "fp32":
            return self.fp32_tflops
        if operands not in self.tensor_tflops:
            raise ProblemError(
                f"{self.name} does not multiply {operands!r} natively; it knows fp32, "
                f"{', '.join(self.tensor_tflops)}"
            )
        return self.tensor_tflops[operands]
