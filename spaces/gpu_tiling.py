"""Spaces of GPU kernels: what is tiled how, and which combinations a device can run.

Limits of a device are plain arguments, so that a space needs no catalogue: see `Limits`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dse import Categorical, Integer, Ordinal, Space
from dse.errors import SpaceError

# Bits of an element of the left and of the right operand. Weight-only formats are multiplied as the first.
OPERAND_BITS = {
    "fp32": (32, 32),
    "tf32": (32, 32),
    "fp16": (16, 16),
    "bf16": (16, 16),
    "fp8": (8, 8),
    "int8": (8, 8),
    "fp16_int6": (16, 6),
    "fp16_int4": (16, 4),
    "bf16_int6": (16, 6),
    "bf16_int4": (16, 4),
}


@dataclass(frozen=True)
class Limits:
    """What a device can run; by default an Ampere GA100.

    Attributes
    ----------
    shared_bytes
        Shared memory of a block.
    registers
        32-bit registers of a multiprocessor.
    registers_thread
        Of a thread.
    threads
        Of a block.
    warp
        Threads that execute together.
    mma_m, mma_n
        Rows and columns of a warp's narrowest matrix instruction.
    mma_k_bytes
        Bytes along K of it.
    cluster
        Most blocks of a cluster; 1 where there are none.
    specialisation
        Whether warps may be told to copy for the others (asynchronous copies with barriers: Hopper on).
    asynchronous_copy
        Whether copies to shared memory pass registers by, so that more than two stages are of use.
    """

    shared_bytes: int = 163 * 1024
    registers: int = 65_536
    registers_thread: int = 255
    threads: int = 1024
    warp: int = 32
    mma_m: int = 16
    mma_n: int = 8
    mma_k_bytes: int = 16
    cluster: int = 1
    specialisation: bool = False
    asynchronous_copy: bool = True

    def __post_init__(self) -> None:
        for name in ("shared_bytes", "registers", "registers_thread", "threads", "warp", "cluster"):
            if getattr(self, name) < 1:
                raise SpaceError(f"Limits: {name}={getattr(self, name)!r} must be 1 or more")


def tensor_gemm_space(
    limits: Limits | None = None,
    *,
    operands: Sequence[str] = ("bf16",),
    blocks: Sequence[int] = (16, 32, 64, 128, 256),
    blocks_k: Sequence[int] = (16, 32, 64, 128, 256),
    warps: Sequence[int] = (1, 2, 4, 8, 16),
    stages: int = 6,
    splits: Sequence[int] = (2, 4, 8, 16),
    groups: Sequence[int] = (1, 2, 4, 8, 16),
    stream_k: bool = True,
) -> Space:
    """Return the space of a matrix multiplication on matrix units.

    Parameters
    ----------
    limits
        Of the device.
    operands
        Formats to choose from; see `OPERAND_BITS`.
    blocks, blocks_k
        Sizes of a block's tile along M and N, and along K.
    warps
        Warps of a block.
    stages
        Most tiles of operands in flight.
    splits
        Parts into which sums may be split.
    groups
        Rows of tiles that are walked together, so that L2 holds their operands.
    stream_k
        Whether the work may be dealt out evenly by products, whatever the tiles.

    Returns
    -------
    Parameters ``gpu.*``: ``operands``; ``block_m``, ``block_n``, ``block_k``; ``warps``; ``stages``;
    ``decomposition`` (data_parallel, split_k, stream_k) and ``split_k``; ``group_m``; where the device has
    them ``specialised`` (warps that only copy), ``cluster_m`` and ``cluster_n``.

    Raises
    ------
    SpaceError
        If a format is unknown, or nothing fits the limits.

    Notes
    -----
    Legal is what fits shared memory with its stages, has no more accumulators and operands than a thread
    and a multiprocessor have registers, gives every warp a matrix instruction at least, and is aligned to
    16 bytes.
    """
    device = limits or Limits()
    for item in operands:
        if item not in OPERAND_BITS:
            raise SpaceError(f"operands: {item!r} is unknown; known are {', '.join(OPERAND_BITS)}")
    parameters = [
        Categorical("gpu.operands", operands),
        Ordinal("gpu.block_m", blocks),
        Ordinal("gpu.block_n", blocks),
        Ordinal("gpu.block_k", blocks_k),
        Ordinal("gpu.warps", warps),
        Integer("gpu.stages", 1, stages if device.asynchronous_copy else min(stages, 2)),
        Categorical("gpu.decomposition", ["data_parallel", "split_k", *(["stream_k"] if stream_k else [])]),
        Ordinal("gpu.split_k", [1, *splits], active_if="gpu.decomposition == 'split_k'", inactive=1),
        Ordinal("gpu.group_m", groups),
    ]
    rules = [
        "gpu.decomposition != 'split_k' or gpu.split_k > 1",
        f"gpu.warps * {device.warp} <= {device.threads}",
        # Every warp has an instruction to do.
        f"gpu.block_m * gpu.block_n >= {device.mma_m * device.mma_n} * gpu.warps",
        # Sums of a thread, and operands for them; and of all threads.
        f"gpu.block_m * gpu.block_n + (gpu.block_m + gpu.block_n) * 16 "
        f"<= {device.registers_thread * device.warp} * gpu.warps",
        f"gpu.block_m * gpu.block_n + (gpu.block_m + gpu.block_n) * 16 <= {device.registers}",
    ]
    for item in dict.fromkeys(operands):
        left, right = OPERAND_BITS[item]
        other = f"gpu.operands != '{item}' or " if len(operands) > 1 else ""
        narrow = min(left, right)
        rules += [
            f"{other}gpu.stages * gpu.block_k * (gpu.block_m * {left} + gpu.block_n * {right}) "
            f"<= {8 * device.shared_bytes}",
            f"{other}gpu.block_k * {left} >= {8 * device.mma_k_bytes}",
            f"{other}gpu.block_k * {narrow} % 128 == 0",
        ]
    if device.specialisation:
        parameters.append(Categorical("gpu.specialised", [False, True]))
        rules.append("gpu.specialised == False or (gpu.warps >= 4 and gpu.stages >= 2)")
    if device.cluster > 1:
        sides = [side for side in (1, 2, 4, 8, 16) if side <= device.cluster]
        parameters += [Ordinal("gpu.cluster_m", sides), Ordinal("gpu.cluster_n", sides)]
        rules.append(f"gpu.cluster_m * gpu.cluster_n <= {device.cluster}")
    return Space(parameters, rules)


def attention_space(
    limits: Limits | None = None,
    *,
    head_size: int = 128,
    group: int = 1,
    element_bytes: int = 2,
    blocks: Sequence[int] = (16, 32, 64, 128, 256),
    warps: Sequence[int] = (1, 2, 4, 8, 16),
    stages: int = 4,
    splits: Sequence[int] = (1, 2, 4, 8, 16, 32),
) -> Space:
    """Return the space of a fused attention (the softmax of blocks of scores is rescaled on the way).

    Parameters
    ----------
    limits
        Of the device.
    head_size
        Elements of a head.
    group
        Query heads that share a head of keys and values.
    element_bytes
        Of queries, keys and values.
    blocks, warps, stages, splits
        What to choose from: rows of a block along queries and along keys, warps of a block, most tiles of
        keys and values in flight, parts into which the keys are split.

    Returns
    -------
    Parameters ``gpu.*``: ``block_q``, ``block_kv``, ``warps``, ``stages``, ``split_kv``,
    ``pack_queries`` (the query heads of a group share a block, where there is a group), and where the
    device has it ``specialised``.

    Raises
    ------
    SpaceError
        If a size is not positive, or nothing fits the limits.
    """
    device = limits or Limits()
    for name, value in (("head_size", head_size), ("group", group), ("element_bytes", element_bytes)):
        if value < 1:
            raise SpaceError(f"{name}={value!r} must be 1 or more")
    parameters = [
        Ordinal("gpu.block_q", blocks),
        Ordinal("gpu.block_kv", blocks),
        Ordinal("gpu.warps", warps),
        Integer("gpu.stages", 1, stages if device.asynchronous_copy else min(stages, 2)),
        Ordinal("gpu.split_kv", splits),
        Categorical("gpu.pack_queries", [False, True] if group > 1 else [False]),
    ]
    rules = [
        f"gpu.warps * {device.warp} <= {device.threads}",
        # Every warp has an instruction to do.
        f"gpu.block_q * gpu.block_kv >= {device.mma_m * device.mma_n} * gpu.warps",
        f"gpu.block_q >= {device.mma_m}",
        f"gpu.block_kv >= {max(device.mma_n, device.mma_k_bytes // element_bytes)}",
        # Outputs, scores and a row of queries for each thread.
        f"gpu.block_q * ({head_size} + gpu.block_kv) + gpu.block_q * 16 "
        f"<= {device.registers_thread * device.warp} * gpu.warps",
        f"gpu.block_q * ({head_size} + gpu.block_kv) + gpu.block_q * 16 <= {device.registers}",
        f"(gpu.block_q + 2 * gpu.stages * gpu.block_kv) * {head_size * element_bytes} "
        f"<= {device.shared_bytes}",
    ]
    if device.specialisation:
        parameters.append(Categorical("gpu.specialised", [False, True]))
        rules.append("gpu.specialised == False or (gpu.warps >= 4 and gpu.stages >= 2)")
    return Space(parameters, rules)


def simt_gemm_space(
    *, shared_bytes: int | None = None, threads: int | None = None, sums_fit: bool = True
) -> Space:
    """Return the space of a matrix multiplication without matrix units, in the style of CLBlast's Xgemm.

    Parameters
    ----------
    shared_bytes
        Local memory of a work group; not bounded by default, as in the public file.
    threads
        Work items of a group; not bounded by default.
    sums_fit
        Whether to leave out, as the public file does, 128 x 128 results by 8 x 8 work items, whose 256 sums
        a work item cannot hold.

    Returns
    -------
    The 17 parameters of the T1 file ``gemm_milo`` of the auto-tuning community's benchmark hub, under their
    names: 116,928 members of 663,552 combinations without bounds.
    """
    rules = [
        "KWG % KWI == 0",
        "MWG % (MDIMC * VWM) == 0",
        "NWG % (NDIMC * VWN) == 0",
        "MWG % (MDIMA * VWM) == 0",
        "NWG % (NDIMB * VWN) == 0",
        "KWG % ((MDIMC * NDIMC) / MDIMA) == 0",
        "KWG % ((MDIMC * NDIMC) / NDIMB) == 0",
    ]
    if sums_fit:
        rules.append("not (MWG == 128 and NWG == 128 and MDIMC == 8 and NDIMC == 8)")
    if threads is not None:
        rules.append(f"MDIMC * NDIMC <= {threads}")
    if shared_bytes is not None:
        rules.append(f"4 * KWG * (SA * MWG + SB * NWG) <= {shared_bytes}")
    return Space(
        [
            Ordinal("GEMMK", [0]),
            Ordinal("MWG", [16, 32, 64, 128]),
            Ordinal("NWG", [16, 32, 64, 128]),
            Ordinal("KWG", [16, 32]),
            Ordinal("MDIMC", [8, 16, 32]),
            Ordinal("NDIMC", [8, 16, 32]),
            Ordinal("MDIMA", [8, 16, 32]),
            Ordinal("NDIMB", [8, 16, 32]),
            Ordinal("KWI", [2]),
            Ordinal("VWM", [1, 2, 4, 8]),
            Ordinal("VWN", [1, 2, 4, 8]),
            Ordinal("STRM", [0, 1]),
            Ordinal("STRN", [0, 1]),
            Ordinal("SA", [0, 1]),
            Ordinal("SB", [0, 1]),
            Ordinal("KREG", [1]),
            Ordinal("PRECISION", [32]),
        ],
        rules,
    )


def convolution_space(
    *, kernel: tuple[int, int] = (15, 15), shared_words: int = 12 * 1024, threads: int = 1024
) -> Space:
    """Return the space of a direct two-dimensional convolution with shared-memory tiling.

    Parameters
    ----------
    kernel
        The filter's width and height.
    shared_words
        32-bit words of shared memory that a block may declare; 48 KiB by default.
    threads
        Of a block.

    Returns
    -------
    The parameters of the T1 file ``convolution_milo`` of the auto-tuning community's benchmark hub, under
    their names: 4,362 members by default.

    Raises
    ------
    SpaceError
        If the filter is not positive.
    """
    width, height = kernel
    if min(kernel) < 1:
        raise SpaceError(f"kernel={kernel!r} must be positive")
    return Space(
        [
            Ordinal("block_size_x", [16 * count for count in range(1, 17)]),
            Ordinal("block_size_y", [1, 2, 4, 8, 16]),
            Ordinal("tile_size_x", [1, 2, 3, 4]),
            Ordinal("tile_size_y", [1, 2, 3, 4]),
            Ordinal("read_only", [0, 1]),
            Ordinal("use_padding", [0, 1]),
            Ordinal("use_shmem", [0, 1]),
            Ordinal("use_cmem", [1]),
            Ordinal("filter_height", [height]),
            Ordinal("filter_width", [width]),
        ],
        [
            "use_padding == 0 or block_size_x % 32 != 0",
            f"block_size_x * block_size_y <= {threads}",
            "use_padding == 0 or use_shmem != 0",
            "use_shmem == 0 or (block_size_x * tile_size_x + filter_width - 1) * "
            f"(block_size_y * tile_size_y + filter_height - 1) < {shared_words}",
        ],
    )
