"""The Triton kernels: a matrix product and fused attention, each with the step that joins split results."""

import triton
import triton.language as tl

from objectives.gpu.triton.jobs import INTERPRETED

# Annotations must stay objects here, so there is no `from __future__ import annotations`: the compiler
# reads them.

# NumPy has no bfloat16, and the interpreter would multiply its bits; 32-bit floats hold it exactly.
WIDEN = tl.constexpr(INTERPRETED)


@triton.jit
def multiply(left, right, total, precision: tl.constexpr):
    """Return `total` + `left` @ `right`."""
    if WIDEN and left.dtype == tl.bfloat16:
        left = left.to(tl.float32)
        right = right.to(tl.float32)
    return tl.dot(left, right, total, input_precision=precision, out_dtype=total.dtype)


@triton.jit
def load_tile(pointers, rows, columns, height, width, whole_rows: tl.constexpr, whole_columns: tl.constexpr):
    """Load a matrix tile, zero outside; a direction known to be whole needs no mask."""
    if whole_rows and whole_columns:
        tile = tl.load(pointers)
    elif whole_rows:
        tile = tl.load(pointers, mask=columns[None, :] < width, other=0.0)
    elif whole_columns:
        tile = tl.load(pointers, mask=rows[:, None] < height, other=0.0)
    else:
        tile = tl.load(pointers, mask=(rows[:, None] < height) & (columns[None, :] < width), other=0.0)
    return tile


@triton.jit
def gemm_kernel(
    a,
    b,
    c,
    m,
    n,
    k,
    stride_am,
    stride_ak,
    stride_bk,
    stride_bn,
    block_m: tl.constexpr,
    block_n: tl.constexpr,
    block_k: tl.constexpr,
    group_m: tl.constexpr,
    split_k: tl.constexpr,
    whole_m: tl.constexpr,
    whole_n: tl.constexpr,
    whole_k: tl.constexpr,
    sums: tl.constexpr,
    precision: tl.constexpr,
):
    """Write one tile of C, or of the partial sums of one share of K: C is (split_k, m, n), contiguous.

    Programs walk the tiles in bands of `group_m` rows, down each column of a band, so that those that run
    together share their operands in the L2 cache.
    """
    tiles_m = tl.cdiv(m, block_m)
    tiles_n = tl.cdiv(n, block_n)
    tile = tl.program_id(0)
    share = tl.program_id(1)
    band = tile // (group_m * tiles_n)
    inside = tile % (group_m * tiles_n)
    height = tl.minimum(tiles_m - band * group_m, group_m)
    row = (band * group_m + inside % height) * block_m
    column = (inside // height) * block_n

    # Shares are whole blocks of K; the last ones may be empty and then write zeros.
    depth = tl.cdiv(tl.cdiv(k, block_k), split_k) * block_k
    first = share * depth
    last = tl.minimum(first + depth, k)

    rows = tl.arange(0, block_m)
    columns = tl.arange(0, block_n)
    steps = tl.arange(0, block_k)
    # Where a tile begins may lie beyond 2^31 elements; inside a tile 32 bits do.
    a += row.to(tl.int64) * stride_am + first.to(tl.int64) * stride_ak
    b += column.to(tl.int64) * stride_bn + first.to(tl.int64) * stride_bk
    a_tile = a + rows[:, None] * stride_am + steps[None, :] * stride_ak
    b_tile = b + steps[:, None] * stride_bk + columns[None, :] * stride_bn
    total = tl.zeros((block_m, block_n), dtype=sums)
    for at in range(first, last, block_k):
        left = load_tile(a_tile, row + rows, at + steps, m, k, whole_m, whole_k)
        right = load_tile(b_tile, at + steps, column + columns, k, n, whole_k, whole_n)
        total = multiply(left, right, total, precision)
        a_tile += block_k * stride_ak
        b_tile += block_k * stride_bk

    start = share.to(tl.int64) * m * n + row.to(tl.int64) * n + column
    inside_c = (row + rows[:, None] < m) & (column + columns[None, :] < n)
    tl.store(c + start + rows[:, None] * n + columns[None, :], total.to(c.dtype.element_ty), mask=inside_c)


@triton.jit
def sum_kernel(parts, c, size, split_k: tl.constexpr, block: tl.constexpr, sums: tl.constexpr):
    """Add the partial sums (split_k, size) in a fixed order, so that the result is the same every time."""
    places = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    total = tl.zeros((block,), dtype=sums)
    for _ in tl.static_range(split_k):  # unrolled: loads need not wait for each other
        total += tl.load(parts + places, mask=places < size, other=0.0)
        parts += size
    tl.store(c + places, total.to(c.dtype.element_ty), mask=places < size)


@triton.jit
def attend(
    mean,
    peak,
    weight,
    q_tile,
    k,
    v,
    first,
    last,
    limit,
    keys,
    scale,
    head: tl.constexpr,
    block_kv: tl.constexpr,
    causal: tl.constexpr,
    masked: tl.constexpr,
    precision: tl.constexpr,
):
    """Take the keys from `first` to `last` into a running softmax: weighted sum, peak and sum of weights."""
    columns = tl.arange(0, block_kv)
    dims = tl.arange(0, head)
    for at in range(first, last, block_kv):
        here = at + columns
        k_tile = k + here[None, :] * head + dims[:, None]
        v_tile = v + here[:, None] * head + dims[None, :]
        k_tile = load_tile(k_tile, dims, here, head, keys, True, not masked)
        scores = (
            multiply(q_tile, k_tile, tl.zeros((q_tile.shape[0], block_kv), tl.float32), precision) * scale
        )
        if masked:
            seen = here[None, :] < keys
            if causal:
                seen = seen & (here[None, :] <= limit[:, None])
            scores = tl.where(seen, scores, float("-inf"))
        top = tl.maximum(peak, tl.max(scores, 1))
        # A row that has seen no key yet has a peak of minus infinity, whose difference would be no number.
        base = tl.where(top == float("-inf"), 0.0, top)
        shares = tl.exp2(scores - base[:, None])
        shrink = tl.exp2(peak - base)
        weight = weight * shrink + tl.sum(shares, 1)
        v_tile = load_tile(v_tile, here, dims, keys, head, not masked, True)
        mean = multiply(shares.to(v_tile.dtype), v_tile, mean * shrink[:, None], precision)
        peak = top
    return mean, peak, weight


@triton.jit
def attention_kernel(
    q,
    k,
    v,
    out,
    peaks,
    scale,
    heads,
    kv_heads,
    queries,
    keys,
    all_rows,
    head: tl.constexpr,
    block_q: tl.constexpr,
    block_kv: tl.constexpr,
    pack: tl.constexpr,
    split_kv: tl.constexpr,
    causal: tl.constexpr,
    whole_kv: tl.constexpr,
    precision: tl.constexpr,
):
    """Write the attention of a block of rows over one share of the keys that they see.

    A row is a query of one head; with `pack` > 1 the rows of a block are the queries of `pack` heads that
    share their keys, position by position. `scale` includes log2(e), since powers of two are what the
    hardware has. Tensors are contiguous: q (batch, heads, queries, head), k and v (batch, kv_heads, keys,
    head), out like q or with the shares in front; `peaks` are the base-2 logarithms of the weights' sums
    (split_kv, all_rows), written only where split_kv > 1. Under `causal` the last query sees all keys.
    """
    block = tl.program_id(0)
    if causal:
        block = tl.num_programs(0) - 1 - block  # the longest first
    which = tl.program_id(1)
    share = tl.program_id(2)
    programs = heads // pack
    batch = which // programs
    first_head = which % programs * pack
    kv_row = (batch * kv_heads + first_head // (heads // kv_heads)).to(tl.int64) * keys

    rows = block * block_q + tl.arange(0, block_q)
    dims = tl.arange(0, head)
    position = rows // pack
    inside = position < queries
    place = (batch * heads + first_head + rows % pack).to(tl.int64) * queries + position
    q_tile = tl.load(q + place[:, None] * head + dims[None, :], mask=inside[:, None], other=0.0)

    limit = position + keys - queries
    end = keys
    free = keys  # keys below are seen by every row of the block
    if causal:
        newest = tl.minimum((block * block_q + block_q - 1) // pack, queries - 1)
        end = tl.minimum(keys, newest + keys - queries + 1)
        free = tl.minimum(keys, block * block_q // pack + keys - queries + 1)
    depth = tl.cdiv(tl.cdiv(end, block_kv), split_kv) * block_kv
    first = share * depth
    last = tl.minimum(first + depth, end)
    middle = first + tl.maximum(tl.minimum(free, last) - first, 0) // block_kv * block_kv

    mean = tl.zeros((block_q, head), dtype=tl.float32)
    peak = tl.full((block_q,), float("-inf"), dtype=tl.float32)
    weight = tl.zeros((block_q,), dtype=tl.float32)
    k += kv_row * head
    v += kv_row * head
    mean, peak, weight = attend(
        mean, peak, weight, q_tile, k, v, first, middle, limit, keys, scale,
        head, block_kv, causal, False, precision,
    )  # fmt: skip
    if causal or not whole_kv:
        mean, peak, weight = attend(
            mean, peak, weight, q_tile, k, v, middle, last, limit, keys, scale,
            head, block_kv, causal, True, precision,
        )  # fmt: skip

    mean = mean / tl.where(weight == 0.0, 1.0, weight)[:, None]
    if split_kv > 1:
        place += share.to(tl.int64) * all_rows
        tl.store(peaks + place, peak + tl.log2(weight), mask=inside)
    target = out + place[:, None] * head + dims[None, :]
    tl.store(target, mean.to(out.dtype.element_ty), mask=inside[:, None])


@triton.jit
def combine_kernel(
    parts, peaks, out, all_rows, head: tl.constexpr, split_kv: tl.constexpr, block: tl.constexpr
):
    """Join the attention of all shares (split_kv, all_rows, head), each weighted by its sum of weights."""
    rows = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    dims = tl.arange(0, head)
    inside = rows < all_rows
    first = rows
    top = tl.full((block,), float("-inf"), dtype=tl.float32)
    for _ in range(split_kv):
        top = tl.maximum(top, tl.load(peaks + rows, mask=inside, other=0.0))
        rows += all_rows
    rows = first
    total = tl.zeros((block,), dtype=tl.float32)
    mean = tl.zeros((block, head), dtype=tl.float32)
    for _ in range(split_kv):
        weight = tl.exp2(tl.load(peaks + rows, mask=inside, other=0.0) - top)
        part = tl.load(parts + rows[:, None] * head + dims[None, :], mask=inside[:, None], other=0.0)
        total += weight
        mean += weight[:, None] * part
        rows += all_rows
    target = out + first[:, None] * head + dims[None, :]
    tl.store(target, (mean / total[:, None]).to(out.dtype.element_ty), mask=inside[:, None])
