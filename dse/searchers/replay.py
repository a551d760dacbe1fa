"""Every stored evaluation as an episode of any preference: what a policy learns from, again and again.

A reward is a scalarisation under a preference, so that an episode which was played for one preference has a
reward under every other: hindsight relabelling (Andrychowicz et al., "Hindsight experience replay", NeurIPS
30, 2017), with preferences for goals as in Abels et al., "Dynamic weights in multi-objective deep
reinforcement learning", ICML 2019.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.evaluations import Evaluations
from dse.pareto import nondominated
from dse.space.choices import Choices

Array = NDArray[Any]
Floats = NDArray[Any]
Wholes = NDArray[np.int64]

# Weight of the sum beside the greatest of the weighted objectives (Knowles, "ParEGO", IEEE Trans. Evol.
# Comput. 10(1), 2006).
AUGMENTATION = 0.05
# Normalised objectives are cut here: how bad a bad design is tells nothing of good ones.
WORST = 2.0
# What all infeasible designs together span in the reward, by the rank of their violations.
PENALTY = 0.1
# Where the hypervolume's reference point is, in normalised objectives: a tenth beyond the front.
CORNER = 1.1
# A direction's least part: by less than this nothing is divided.
LEAST_DIRECTION = 0.05
# Preferences under any of which a stored design may be among the best, and so is kept.
JUDGES = 32
# Designs beyond the most that are kept, before some are forgotten.
SLACK = 128

REWARDS = ("chebyshev", "hypervolume")


class Replay:
    """Stored designs with their objectives, normalised by the front's range.

    Objectives are taken by their logarithm where all are positive; 0 is the least of any feasible design and
    1 the greatest on the front (with one objective: the median).

    Parameters
    ----------
    choices
        Those of the space.
    most
        Designs that are kept. Of more, half are the newest, the others those that are best under one of 32
        preferences.
    reward
        The scalarisation, of `REWARDS`.

    Attributes
    ----------
    codes, chosen
        The designs (n, parameters), as codes and as choices.
    taken
        The same with one column an entry of the choices' table (n, entries), 1 where it was chosen.
    objectives
        Normalised (objectives, n), at most 2; 2 where there is no result.
    feasible
        Mask (n,).
    broken
        Graded violations (n,): -0.5 where feasible, 1 for the middle of what breaks a limit, at most 2; 2
        where there is no result.
    """

    def __init__(self, choices: Choices, most: int, reward: str = "chebyshev") -> None:
        self.choices = choices
        self.most = most
        self.reward = reward
        parameters = len(choices.counts)
        self.codes: Array = np.empty((0, parameters), dtype=choices.space.code_dtype)
        self.chosen: Wholes = np.empty((0, parameters), np.int64)
        self.taken: Floats = np.empty((0, choices.entries), np.float32)
        self.objectives: Floats = np.empty((0, 0))
        self.feasible: NDArray[np.bool_] = np.empty(0, dtype=bool)
        self.broken: Floats = np.empty(0)
        self._raw: Floats = np.empty((0, 0))
        self._violation: Floats = np.empty(0)

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def usable(self) -> bool:
        """Whether anything came of any design."""
        return bool(np.isfinite(self._violation).any())

    def add(self, evaluations: Evaluations) -> None:
        """Store evaluations and look at all again."""
        codes = evaluations.designs.codes
        chosen = self.choices.of(codes)
        known = evaluations.evaluated & np.isfinite(evaluations.objectives).all(axis=1)
        violation = np.where(known, evaluations.violation, np.inf)
        raw = evaluations.objectives
        self.codes = np.concatenate([self.codes, codes])
        self.chosen = np.concatenate([self.chosen, chosen])
        self.taken = np.concatenate([self.taken, self.choices.one_hot(chosen)])
        self._raw = np.concatenate([self._raw, raw]) if len(self._raw) else raw
        self._violation = np.concatenate([self._violation, violation])
        self._normalise()
        if len(self) > self.most + SLACK and self.usable:
            self._forget()

    def _normalise(self) -> None:
        known = np.isfinite(self._violation)
        self.feasible = self._violation == 0
        self.objectives = np.full(self._raw.shape[::-1], WORST)
        self.broken = np.full(len(self), 2.0)
        if not known.any():
            return
        judged = self.feasible if self.feasible.any() else known
        front = np.flatnonzero(judged)[nondominated(self._raw[judged])]
        for column, out in zip(self._raw.T, self.objectives, strict=True):
            values = column[known]
            if (values > 0).all():
                values = np.log(values)
            full = np.full(len(column), np.nan)
            full[known] = values
            low = full[judged].min()
            high = full[front].max() if self._raw.shape[1] > 1 else np.median(full[judged])
            out[known] = np.minimum((values - low) / max(high - low, 1e-12), WORST)
        over = known & ~self.feasible
        self.broken[self.feasible] = -0.5
        if over.any():
            middle = float(np.median(self._violation[over]))
            self.broken[over] = np.minimum(self._violation[over] / middle, 2.0)

    def _forget(self) -> None:
        rng = np.random.default_rng(len(self))
        rewards = self.rewards(preferences(JUDGES, len(self.objectives), rng))
        place = rewards.argsort(axis=1)[:, ::-1].argsort(axis=1).min(axis=0)
        newest = np.arange(len(self) - self.most // 2, len(self))
        place[newest] = -1
        kept = np.sort(np.argsort(place, kind="stable")[: self.most])
        self.codes, self.chosen, self.taken = self.codes[kept], self.chosen[kept], self.taken[kept]
        self._raw, self._violation = self._raw[kept], self._violation[kept]
        self._normalise()

    def rewards(self, weights: Floats) -> Floats:
        """Return what every stored episode earns under each preference.

        Parameters
        ----------
        weights
            Preferences (k, objectives).

        Returns
        -------
        Rewards (k, n). An infeasible design earns no more than the median of the feasible ones, and less the
        more it violates; where nothing is feasible, the violation is all that counts.
        """
        order = np.argsort(np.argsort(np.where(self.feasible, -1.0, self._violation), kind="stable"))
        place = order / max(len(order) - 1, 1)
        if not self.feasible.any():
            return np.repeat(-place[None], len(weights), axis=0)
        earned = scalarised(self.objectives[:, None, :], weights, self.reward)
        if not self.feasible.all():
            middle = np.median(earned[:, self.feasible], axis=1)[:, None]
            over = ~self.feasible
            earned[:, over] = np.minimum(earned[:, over], middle) - PENALTY * place[over]
        return earned


def preferences(n: int, objectives: int, rng: np.random.Generator) -> Floats:
    """Return n random preferences (n, objectives), uniform over those that sum to 1."""
    return rng.dirichlet(np.ones(objectives), n)


def scalarised(objectives: Floats, weights: Floats, reward: str) -> Floats:
    """Return rewards of normalised objectives under preferences.

    Parameters
    ----------
    objectives
        Array (objectives, k or 1, ...), to be minimised.
    weights
        Preferences (k, objectives), positive, summing to 1.
    reward
        "chebyshev": minus the augmented weighted Chebyshev norm. "hypervolume": the hypervolume
        scalarisation, whose expectation over directions is the hypervolume (Golovin and Zhang, "Random
        hypervolume scalarizations for provable multi-objective black box optimization", ICML 2020, section
        3): the least distance from the reference point in units of the direction; negative beyond it.

    Returns
    -------
    Array (k, ...).
    """
    parts = weights.T.reshape(*weights.T.shape, *(1,) * (objectives.ndim - 2)).astype(objectives.dtype)
    if reward == "hypervolume":
        direction = np.maximum(parts / np.sqrt((parts**2).sum(axis=0)), LEAST_DIRECTION)
        return np.asarray(((CORNER - objectives) / direction).min(axis=0))
    greatest: Floats | None = None
    total: Floats | None = None
    for objective, part in zip(objectives, parts, strict=True):
        weighted = objective * part
        greatest = weighted if greatest is None else np.maximum(greatest, weighted)
        total = weighted if total is None else total + weighted
    assert greatest is not None
    assert total is not None
    return np.asarray(-(greatest + AUGMENTATION * total))
