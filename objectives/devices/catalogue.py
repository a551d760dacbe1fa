"""GPUs by name, with the datasheets and measurements that their figures are from.

Architectures: limits of residency and of memory from the tables of compute capabilities in NVIDIA's CUDA C++
Programming Guide; load/store units and bandwidths from the whitepapers of the architectures; latencies from
microbenchmarks, named at each. Energies of DRAM: O'Connor et al., "Fine-Grained DRAM", MICRO 2017, put HBM2
at 3.92 pJ a bit; GDDR6 at 7.5 pJ a bit is Micron's figure for 14 Gb/s ("The Demand for Ultra-Bandwidth
Solutions", technical brief, 2020).
"""

from __future__ import annotations

from dataclasses import replace

from dse.errors import ProblemError
from objectives.devices.gpu import GPU, Multiprocessor

HBM_PJ_PER_BIT = 3.92
GDDR6_PJ_PER_BIT = 7.5

_GUIDE = "CUDA C++ Programming Guide, table of technical specifications by compute capability"

TURING = Multiprocessor(
    name="Turing",
    capability="7.5",
    warp=32,
    fp32_lanes=64,
    load_lanes=16,
    shared_bytes_clock=64,
    banks=32,
    schedulers=4,
    registers=65_536,
    register_unit=256,
    registers_thread=255,
    launch_registers=255,
    shared_kib=64,
    shared_block_kib=64,
    static_shared_kib=48,
    shared_reserved_bytes=0,
    shared_unit_bytes=256,
    threads=1024,
    warps=32,
    blocks=16,
    cluster=1,
    mma_m=16,
    mma_n=8,
    mma_k_bytes=16,
    warp_group=1,
    latency_shared=19,
    latency_l2=188,
    latency_dram=434,
    asynchronous_copy=False,
    source=f"{_GUIDE}; NVIDIA Turing GPU Architecture whitepaper (16 load/store units a multiprocessor); "
    "Z. Jia et al., 'Dissecting the NVidia Turing T4 GPU via Microbenchmarking', arXiv:1903.07486, table 3.1 "
    "(latencies; 64 bytes a clock from L1)",
)

AMPERE_GA100 = Multiprocessor(
    name="Ampere GA100",
    capability="8.0",
    warp=32,
    fp32_lanes=64,
    load_lanes=32,
    shared_bytes_clock=128,
    banks=32,
    schedulers=4,
    registers=65_536,
    register_unit=256,
    registers_thread=255,
    launch_registers=255,
    shared_kib=164,
    shared_block_kib=163,
    static_shared_kib=48,
    shared_reserved_bytes=1024,
    shared_unit_bytes=128,
    threads=2048,
    warps=64,
    blocks=32,
    cluster=1,
    mma_m=16,
    mma_n=8,
    mma_k_bytes=16,
    warp_group=1,
    latency_shared=23,
    latency_l2=200,
    latency_dram=466,
    asynchronous_copy=True,
    source=f"{_GUIDE}; NVIDIA A100 Tensor Core GPU Architecture whitepaper; H. Abdelkhalik et al., "
    "'Demystifying the NVIDIA Ampere Architecture through Microbenchmarking', arXiv:2208.11174 (latencies)",
)

AMPERE_GA10X = replace(
    AMPERE_GA100,
    name="Ampere GA10x",
    capability="8.6",
    fp32_lanes=128,
    load_lanes=16,
    shared_bytes_clock=128,
    shared_kib=100,
    shared_block_kib=99,
    threads=1536,
    warps=48,
    blocks=16,
    source=f"{_GUIDE}; NVIDIA Ampere GA102 GPU Architecture whitepaper (16 load/store units a "
    "multiprocessor, 128 bytes a clock from shared memory); latencies taken from GA100",
)

ADA = replace(
    AMPERE_GA10X,
    name="Ada",
    capability="8.9",
    blocks=24,
    source=f"{_GUIDE}; NVIDIA Ada GPU Architecture whitepaper; latencies taken from GA100",
)

HOPPER = replace(
    AMPERE_GA100,
    name="Hopper",
    capability="9.0",
    fp32_lanes=128,
    shared_kib=228,
    shared_block_kib=227,
    cluster=8,
    mma_m=64,
    mma_n=8,
    mma_k_bytes=32,
    warp_group=4,
    latency_shared=29,
    latency_l2=261,
    latency_dram=479,
    source=f"{_GUIDE}; NVIDIA H100 Tensor Core GPU Architecture whitepaper; W. Luo et al., 'Benchmarking and "
    "Dissecting the Nvidia Hopper GPU Architecture', arXiv:2402.13499 (latencies)",
)

BLACKWELL = replace(
    HOPPER,
    name="Blackwell",
    capability="10.0",
    mma_m=128,
    source=f"{_GUIDE}; NVIDIA Blackwell Architecture technical brief; latencies taken from Hopper",
)

CDNA2 = Multiprocessor(
    name="CDNA2",
    capability="gfx90a",
    warp=64,
    fp32_lanes=64,
    load_lanes=32,
    shared_bytes_clock=128,
    banks=32,
    schedulers=4,
    registers=131_072,
    register_unit=512,
    registers_thread=512,
    launch_registers=128,
    shared_kib=64,
    shared_block_kib=64,
    static_shared_kib=64,
    shared_reserved_bytes=0,
    shared_unit_bytes=512,
    threads=2048,
    warps=32,
    blocks=32,
    cluster=1,
    mma_m=16,
    mma_n=16,
    mma_k_bytes=32,
    warp_group=1,
    latency_shared=64,
    latency_l2=300,
    latency_dram=700,
    asynchronous_copy=False,
    source="AMD Instinct MI200 Instruction Set Architecture reference guide (registers, local data share of "
    "64 KiB with 32 banks); Introducing AMD CDNA 2 Architecture whitepaper; latencies in round figures after "
    "Chips and Cheese, 'Hot Chips 34: AMD's Instinct MI200 Architecture' (2022)",
)

RDNA2 = Multiprocessor(
    name="RDNA2",
    capability="gfx103x",
    warp=32,
    fp32_lanes=64,
    load_lanes=32,
    shared_bytes_clock=128,
    banks=32,
    schedulers=2,
    registers=65_536,
    register_unit=512,
    registers_thread=256,
    launch_registers=256,
    shared_kib=64,
    shared_block_kib=64,
    static_shared_kib=64,
    shared_reserved_bytes=0,
    shared_unit_bytes=512,
    threads=1024,
    warps=32,
    blocks=16,
    cluster=1,
    mma_m=0,
    mma_n=0,
    mma_k_bytes=0,
    warp_group=1,
    latency_shared=64,
    latency_l2=250,
    latency_dram=650,
    asynchronous_copy=False,
    source="AMD 'RDNA 2' Instruction Set Architecture reference guide; AMD RDNA whitepaper (128 KiB of "
    "local data share a pair of compute units); latencies in round figures",
)

RDNA3 = replace(
    RDNA2,
    name="RDNA3",
    capability="gfx110x",
    fp32_lanes=128,
    registers=98_304,
    mma_m=16,
    mma_n=16,
    mma_k_bytes=32,
    source="AMD 'RDNA3' Instruction Set Architecture reference guide (1,536 registers a lane and SIMD, "
    "dual issue of FP32); latencies taken from RDNA2",
)


def _a100(name: str, bandwidth: float, capacity: float, board_w: float) -> GPU:
    return GPU(
        name=name,
        multiprocessor=AMPERE_GA100,
        multiprocessors=108,
        boost_mhz=1410,
        l2_mib=40,
        l2_bytes_clock=5120,
        dram_gb_s=bandwidth,
        dram_gib=capacity,
        dram_pj_per_bit=HBM_PJ_PER_BIT,
        board_w=board_w,
        tensor_tflops={"tf32": 156, "fp16": 312, "bf16": 312, "int8": 624, "int4": 1248},
        source="NVIDIA A100 Tensor Core GPU datasheet; NVIDIA A100 Tensor Core GPU Architecture whitepaper "
        "(5,120 bytes a clock from L2)",
    )


def _hopper(name: str, bandwidth: float, capacity: float, source: str) -> GPU:
    return GPU(
        name=name,
        multiprocessor=HOPPER,
        multiprocessors=132,
        boost_mhz=1830,
        l2_mib=50,
        l2_bytes_clock=5120,
        dram_gb_s=bandwidth,
        dram_gib=capacity,
        dram_pj_per_bit=HBM_PJ_PER_BIT,
        board_w=700,
        tensor_tflops={"tf32": 494.7, "fp16": 989.4, "bf16": 989.4, "fp8": 1978.9, "int8": 1978.9},
        source=source,
    )


def _geforce_like(
    name: str,
    multiprocessor: Multiprocessor,
    multiprocessors: int,
    boost_mhz: float,
    memory: tuple[float, float, float],
    board_w: float,
    tensor_tflops: dict[str, float],
    source: str,
) -> GPU:
    """Return a GPU with GDDR6; ``memory`` is MiB of L2, GB/s and GiB of DRAM."""
    l2, bandwidth, capacity = memory
    return GPU(
        name=name,
        multiprocessor=multiprocessor,
        multiprocessors=multiprocessors,
        boost_mhz=boost_mhz,
        l2_mib=l2,
        l2_bytes_clock=64 * _SLICES[name],
        dram_gb_s=bandwidth,
        dram_gib=capacity,
        dram_pj_per_bit=GDDR6_PJ_PER_BIT,
        board_w=board_w,
        tensor_tflops=tensor_tflops,
        source=source,
    )


# Slices of L2, two to each 32-bit channel of GDDR6 (whitepapers' block diagrams); of 64 bytes a clock.
_SLICES = {
    "rtx-2080-ti": 22,
    "titan-rtx": 24,
    "rtx-3090": 24,
    "rtx-3060-laptop": 12,
    "rtx-a4000": 16,
    "rtx-a6000": 24,
    "l4": 12,
    "l40s": 24,
}

_RTX_A = "datasheet; GA102 whitepaper"

CATALOGUE = {
    gpu.name: gpu
    for gpu in (
        _a100("a100-sxm-80gb", 2039, 80, 400),
        _a100("a100-pcie-40gb", 1555, 40, 250),
        _hopper(
            "h100-sxm",
            3352,
            80,
            "NVIDIA H100 Tensor Core GPU Architecture whitepaper, table of the SXM5 product; L2 as A100's, "
            "which Chips and Cheese ('Nvidia's H100: Funny L2, and Tons of Bandwidth', 2023) found near",
        ),
        _hopper(
            "h200",
            4800,
            141,
            "NVIDIA H200 Tensor Core GPU datasheet; the compute of the H100 SXM5",
        ),
        GPU(
            name="b200",
            multiprocessor=BLACKWELL,
            multiprocessors=148,
            boost_mhz=1965,
            l2_mib=126,
            l2_bytes_clock=10_240,
            dram_gb_s=8000,
            dram_gib=180,
            dram_pj_per_bit=HBM_PJ_PER_BIT,
            board_w=1000,
            tensor_tflops={
                "tf32": 1125,
                "fp16": 2250,
                "bf16": 2250,
                "fp8": 4500,
                "int8": 4500,
                # PTX ISA, tcgen05.mma: kinds f8f6f4 and mxf8f6f4 take narrower floats at the rate of FP8.
                "fp6": 4500,
                "fp4": 4500,
                "mxfp8": 4500,
                "mxfp6": 4500,
                "mxfp4": 9000,
                "nvfp4": 9000,
            },
            source="NVIDIA DGX B200 datasheet, an eighth of it; L2 taken as two dies of H100's",
        ),
        _geforce_like(
            "rtx-2080-ti",
            TURING,
            68,
            1545,
            (5.5, 616, 11),
            250,
            {"fp16": 53.8, "int8": 215.2},
            "NVIDIA Turing GPU Architecture whitepaper, table of the GeForce RTX 2080 Ti (reference)",
        ),
        _geforce_like(
            "titan-rtx",
            TURING,
            72,
            1770,
            (6, 672, 24),
            280,
            {"fp16": 130.5, "int8": 261},
            "NVIDIA TITAN RTX product page; NVIDIA Turing GPU Architecture whitepaper",
        ),
        _geforce_like(
            "rtx-3090",
            AMPERE_GA10X,
            82,
            1695,
            (6, 936, 24),
            350,
            {"tf32": 35.6, "fp16": 71.2, "bf16": 71.2, "int8": 284.7},
            "NVIDIA Ampere GA102 GPU Architecture whitepaper, table of the GeForce RTX 3090",
        ),
        _geforce_like(
            "rtx-3060-laptop",
            AMPERE_GA10X,
            30,
            1425,
            (3, 336, 6),
            80,
            {"tf32": 10.9, "fp16": 21.9, "bf16": 21.9, "int8": 87.6},
            "NVIDIA GeForce RTX 30 laptop GPUs, product comparison (clock and power depend on the laptop)",
        ),
        _geforce_like(
            "rtx-a4000",
            AMPERE_GA10X,
            48,
            1560,
            (4, 448, 16),
            140,
            {"tf32": 38.3, "fp16": 76.7, "bf16": 76.7, "int8": 153.4},
            f"NVIDIA RTX A4000 {_RTX_A}",
        ),
        _geforce_like(
            "rtx-a6000",
            AMPERE_GA10X,
            84,
            1800,
            (6, 768, 48),
            300,
            {"tf32": 77.4, "fp16": 154.8, "bf16": 154.8, "int8": 309.7},
            f"NVIDIA RTX A6000 {_RTX_A}",
        ),
        _geforce_like(
            "l4",
            ADA,
            58,
            2040,
            (48, 300, 24),
            72,
            {"tf32": 60, "fp16": 121, "bf16": 121, "fp8": 242.5, "int8": 242.5},
            "NVIDIA L4 Tensor Core GPU datasheet; Ada whitepaper",
        ),
        _geforce_like(
            "l40s",
            ADA,
            142,
            2520,
            (96, 864, 48),
            350,
            {"tf32": 183, "fp16": 362, "bf16": 362, "fp8": 733, "int8": 733},
            "NVIDIA L40S datasheet; Ada whitepaper",
        ),
        GPU(
            name="mi250x",
            multiprocessor=CDNA2,
            multiprocessors=110,
            boost_mhz=1700,
            l2_mib=8,
            l2_bytes_clock=4096,
            dram_gb_s=1638.4,
            dram_gib=64,
            dram_pj_per_bit=HBM_PJ_PER_BIT,
            board_w=280,
            tensor_tflops={"fp16": 191.5, "bf16": 191.5, "int8": 191.5},
            source="AMD Instinct MI250X datasheet, one of its two dies; Introducing AMD CDNA 2 Architecture "
            "whitepaper (4,096 bytes a clock from L2)",
        ),
        GPU(
            name="w6600",
            multiprocessor=RDNA2,
            multiprocessors=28,
            boost_mhz=2903,
            l2_mib=2,
            l2_bytes_clock=1024,
            dram_gb_s=224,
            dram_gib=8,
            dram_pj_per_bit=GDDR6_PJ_PER_BIT,
            board_w=100,
            tensor_tflops={},
            source="AMD Radeon PRO W6600 product page; RDNA whitepaper",
        ),
        GPU(
            name="w7800",
            multiprocessor=RDNA3,
            multiprocessors=70,
            boost_mhz=2525,
            l2_mib=6,
            l2_bytes_clock=2048,
            dram_gb_s=576,
            dram_gib=32,
            dram_pj_per_bit=GDDR6_PJ_PER_BIT,
            board_w=260,
            tensor_tflops={"fp16": 90.5, "bf16": 90.5, "int8": 90.5},
            source="AMD Radeon PRO W7800 product page; RDNA 3 ISA reference guide",
        ),
    )
}


def gpu(name: str) -> GPU:
    """Return a GPU by name; raise `ProblemError`, naming those known, if there is none."""
    if name not in CATALOGUE:
        raise ProblemError(f"there is no device {name!r}; known are {', '.join(CATALOGUE)}")
    return CATALOGUE[name]
