"""Designs chosen parameter by parameter: what is masked, and what is drawn."""

from __future__ import annotations

import numpy as np

from dse import Categorical, Integer, Real, Space
from dse.space.walk import Walk
from tests.dse.problems import tiling_space


def test_masks_are_exact_where_combinations_are_listed() -> None:
    space = tiling_space()
    walk = Walk(space)
    every = next(space.enumerate(1_000_000)).codes
    rng = np.random.default_rng(0)
    for _ in range(40):
        codes: list[float] = []
        for place, position in enumerate(walk.order):
            matching = (every[:, walk.order[:place]] == codes).all(axis=1)
            wanted = np.zeros(walk.choices.width, dtype=bool)
            wanted[np.unique(every[matching, position])] = True
            mask = walk.mask(codes)
            assert mask.tolist() == wanted.tolist()
            codes.append(walk.code(codes, int(rng.choice(np.flatnonzero(mask))), rng))
        assert space.contains(walk.finished(codes)[None])[0]


def test_masks_of_reals_bins_and_conditions() -> None:
    space = Space(
        [
            Real("volt", 0.5, 1.0),
            Real("rate", 1e-3, 1e3, log=True, active_if="kind == 'x'"),
            Categorical("kind", ["x", "y"]),
            Integer("n", 1, 4),
            Integer("wide", 0, 100_000),
        ],
        ["volt * n <= 1.6", "wide % n == 0"],
    )
    walk = Walk(space)
    rng = np.random.default_rng(1)
    seen = []
    for _ in range(200):
        codes: list[float] = []
        for _ in walk.order:
            mask = walk.mask(codes)
            if not mask.any():
                break  # a dead end: four times any voltage is too much
            codes.append(walk.code(codes, int(rng.choice(np.flatnonzero(mask))), rng))
        else:
            seen.append(walk.finished(codes))
    assert len(seen) > 100
    found = np.array(seen)
    assert space.contains(found).all()
    # Values of a bin are drawn; of one that is ruled out in part, some come again.
    assert len(set(found[:, 0].tolist())) > 0.9 * len(found)
    assert len(set(found[:, 4].tolist())) > 0.9 * len(found)
