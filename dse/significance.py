"""Whether differences between treatments that were paired by seed are more than chance.

As J. Demšar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7, 2006, recommends:
average ranks with Friedman's test, then Nemenyi's critical difference, or pairs by Wilcoxon's signed-rank
test; and S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6, 1979, for
having looked at several.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pair:
    """Two treatments.

    Attributes
    ----------
    better, worse
        Positions; by the median of the differences, then by their mean.
    difference
        That median, 0 or more.
    p
        Of no difference, two-sided, after Holm's correction over all pairs.
    """

    better: int
    worse: int
    difference: float
    p: float


def average_ranks(values: Floats) -> Floats:
    """Return the mean rank of each treatment (k,), 1 for the best.

    Parameters
    ----------
    values
        Matrix (blocks, k), more being better; equal values of a block share their ranks.
    """
    from scipy.stats import rankdata

    return np.asarray(rankdata(-values, axis=1).mean(axis=0))


def friedman(values: Floats) -> float:
    """Return the probability of ranks as unlike as these if all treatments were the same.

    Parameters
    ----------
    values
        Matrix (blocks, k). Fewer than three treatments, or two blocks, or all equal: 1, nothing can be said.
    """
    from scipy.stats import friedmanchisquare

    if values.shape[1] < 3 or len(values) < 2 or (values == values[:, :1]).all():
        return 1.0
    return float(friedmanchisquare(*values.T).pvalue)


def nemenyi(blocks: int, treatments: int, level: float = 0.05) -> float:
    """Return by how much two average ranks differ at least that do so by more than chance.

    Parameters
    ----------
    blocks, treatments
        How many were ranked, and of how many treatments each. Of fewer than two treatments nothing can be
        said: infinity.
    level
        The probability of finding any difference where there is none, between 0 and 1.

    Notes
    -----
    Demšar 2006, section 3.2.2: ``q sqrt(k (k + 1) / (6 n))``, q being the quantile of the studentised range
    of k treatments, with infinite degrees of freedom, over the square root of 2 (his table 5 a).
    """
    from scipy.stats import studentized_range

    if treatments < 2 or blocks < 1:
        return math.inf
    quantile = float(studentized_range.ppf(1 - level, treatments, math.inf)) / math.sqrt(2)
    return quantile * math.sqrt(treatments * (treatments + 1) / (6 * blocks))


def pairs(values: Floats) -> list[Pair]:
    """Return every pair of treatments, with Wilcoxon's test of their differences.

    Parameters
    ----------
    values
        Matrix (blocks, k), more being better.

    Notes
    -----
    Blocks in which both are equal are left out, as Wilcoxon (1945) does. With five of them and less no
    two-sided difference reaches 5 %, however large it is.
    """
    from scipy.stats import wilcoxon

    found = []
    for one, other in combinations(range(values.shape[1]), 2):
        differences = values[:, one] - values[:, other]
        unlike = differences[differences != 0]
        p = float(wilcoxon(unlike).pvalue) if len(unlike) else 1.0
        middle = float(np.median(differences))
        ahead = middle if middle else float(differences.mean())
        better, worse = (one, other) if ahead >= 0 else (other, one)
        found.append(Pair(better, worse, abs(middle), p))
    corrected = holm([pair.p for pair in found])
    return [
        Pair(pair.better, pair.worse, pair.difference, p) for pair, p in zip(found, corrected, strict=True)
    ]


def holm(p: Sequence[float]) -> list[float]:
    """Return probabilities corrected for their number, in the order given."""
    order = np.argsort(p, kind="stable")
    raised = np.asarray(p, float)[order] * np.arange(len(p), 0, -1)
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(raised))
    return [float(value) for value in corrected]
