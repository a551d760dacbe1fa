"""Random designs that were not seen before, as a function of a seed and a position."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.space import Space

Array = NDArray[Any]

INDEXABLE = 1 << 62
ROUNDS = 16
SCAN = 1 << 14


def permuted(index: NDArray[np.uint64], size: int, seed: int) -> NDArray[np.uint64]:
    """Return where a seeded random permutation of ``range(size)`` sends each index, without a table.

    A balanced Feistel network over the next even power of two, walked until inside the range
    (Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002, method 2 and 3), with the
    mixing function of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014) as round function.
    """
    half = np.uint64(max(1, ((size - 1).bit_length() + 1) // 2))
    mask = np.uint64((1 << int(half)) - 1)
    keys = np.random.SeedSequence([seed, 0x5EED]).generate_state(6, np.uint64)
    out = np.array(index, dtype=np.uint64)
    outside = np.ones(len(out), dtype=bool)
    while outside.any():
        left, right = out[outside] >> half, out[outside] & mask
        for key in keys:
            mixed = right + key
            mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            left, right = right, left ^ ((mixed ^ (mixed >> np.uint64(31))) & mask)
        out[outside] = (left << half) | right
        outside[outside] = out[outside] >= size
    return out


def fresh(space: Space, n: int, seed: int, position: int, seen: Set[bytes]) -> Array:
    """Return up to n random feasible designs that are not in `seen`.

    Parameters
    ----------
    space
        The search space.
    n
        How many.
    seed, position
        The random stream, and how far into it: successive positions give other designs.
    seen
        Keys of designs to leave out (`Space.keys`).

    Returns
    -------
    Codes (n, parameters), distinct, uniform over what is left. Fewer than n only when the space is exhausted,
    or, in a space whose designs cannot be indexed, when many samples in a row brought nothing new.
    """
    chosen: dict[bytes, None] = {}
    parts: list[Array] = []

    def keep(codes: Array) -> None:
        rows = []
        for row, key in enumerate(space.keys(codes)):
            if len(chosen) < n and key not in seen and key not in chosen:
                chosen[key] = None
                rows.append(row)
        parts.append(codes[rows])

    if space.sampler.tabulated and space.sampler.size < INDEXABLE:
        size = int(space.sampler.size)
        done = 0
        block = n
        while done < size and len(chosen) < n:
            steps = np.arange(done, min(done + block, size), dtype=np.uint64)
            index = (steps + np.uint64(position % size)) % np.uint64(size)
            keep(space.sampler.at(permuted(index, size, seed)))
            done += block
            block = min(2 * block, SCAN)
    else:
        rng = np.random.default_rng([seed, position])
        for _ in range(ROUNDS):
            keep(space.sampler.sample(max(n - len(chosen), 16), rng))
            if len(chosen) == n:
                break
    return np.concatenate(parts) if parts else np.empty((0, len(space.names)), dtype=space.code_dtype)
