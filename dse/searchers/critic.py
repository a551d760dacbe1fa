"""A centralised critic of joint actions, which tells what each agent's choice is worth.

Foerster et al., "Counterfactual multi-agent policy gradients", AAAI 32, 2018 (COMA): a critic that sees all
actions is asked what one agent's other choices would have earned, those of the rest unchanged; an agent's
credit is the difference. Here the critic is a kernel ridge regression of each objective, with a product of
one kernel a parameter, so that all counterfactuals of all agents cost one matrix product (see
`Critic.counterfactuals`): no network is trained, and none is asked for each choice in turn.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.searchers.replay import Replay, scalarised
from dse.space import Categorical
from dse.space.choices import Choices

Floats = NDArray[Any]
Wholes = NDArray[np.int64]

# Exponent of the similarity of designs that agree in no parameter: e^-4 of that of equal ones.
REACH = 4.0
# Length of the kernel of an ordered parameter, in shares of its range.
LENGTH = 0.4
# Variance of what the critic takes for noise, in units of the targets' variance.
NOISE = 0.01
# What a graded violation takes off the reward, from a quarter below the limit.
LIMIT_WEIGHT = 0.3
LIMIT_MARGIN = 0.25


class Critic:
    """Predicts normalised objectives, and how far limits are broken, from joint choices.

    The kernel of two designs is ``exp(4 (s - 1))``, with s the mean over the parameters of how alike their
    choices are: 1 for equal ones, 0 for other values of a categorical parameter, and by squared exponential
    of the distance for an ordered one. It holds interactions of every order, and at few evaluations mostly
    the main effects.

    Parameters
    ----------
    choices
        Those of the space.
    """

    def __init__(self, choices: Choices) -> None:
        self.choices = choices
        count, width = choices.usable.shape
        several = choices.counts > 1
        self._parameters = max(int(several.sum()), 1)
        alike = np.zeros((count, width, width))
        for position, parameter in enumerate(choices.space.parameters):
            if not several[position]:
                continue
            size = int(choices.counts[position])
            if isinstance(parameter, Categorical):
                alike[position, :size, :size] = np.eye(size)
            else:
                steps = np.subtract.outer(np.arange(size), np.arange(size)) / (size - 1)
                alike[position, :size, :size] = np.exp(-((steps / LENGTH) ** 2))
        self._factor = np.exp(REACH / self._parameters * alike).astype(np.float32)
        self._alike = alike.astype(np.float32)
        self._taken: Floats = np.empty((0, choices.entries), np.float32)
        self._compared: Floats = self._taken
        self._weights: Floats = np.empty((0, 0), np.float32)
        self._centre: Floats = np.empty(0, np.float32)
        self._limited = False

    def fit(self, replay: Replay) -> None:
        """Learn from what is stored."""
        from scipy.linalg import cho_solve, cholesky

        targets = replay.objectives
        self._limited = not replay.feasible.all()
        if self._limited:
            targets = np.concatenate([targets, replay.broken[None]])
        self._centre = targets.mean(axis=1).astype(np.float32)
        self._taken = replay.taken
        count = len(self._alike)
        alike = self._alike[np.arange(count), replay.chosen].reshape(len(replay), -1)
        self._compared = alike[:, self.choices.entry]
        kernel = self._kernel(self._compared @ replay.taken.T).astype(float)
        kernel[np.diag_indices(len(kernel))] += NOISE
        lower = cholesky(kernel, lower=True, overwrite_a=True, check_finite=False)
        solved = cho_solve((lower, True), (targets - targets.mean(axis=1)[:, None]).T, check_finite=False)
        self._weights = solved.T.astype(np.float32)

    def _kernel(self, common: Floats) -> Floats:
        return np.asarray(np.exp(REACH * (common / self._parameters - 1.0)))

    def counterfactuals(self, chosen: Wholes, preferences: Floats, reward: str) -> Floats:
        """Return what each choice would change in the reward, all other parameters unchanged.

        Parameters
        ----------
        chosen
            Joint choices (k, parameters).
        preferences
            One a joint choice (k, objectives).
        reward
            The scalarisation (`dse.searchers.replay.scalarised`).

        Returns
        -------
        Differences of rewards (k, parameters, width); 0 for the choices made.

        Notes
        -----
        The prediction is a sum over stored designs e of w_e k(x, e), and k a product over parameters. With
        x_i replaced by a, only the factor f_i(x_i, e_i) becomes f_i(a, e_i). So what is stored is added up by
        e_i first, C_i(b) = sum of w_e k(x, e) over the e with e_i = b, and the prediction is the sum over b
        of C_i(b) f_i(a, b) / f_i(x_i, b).
        """
        count, width = self.choices.usable.shape
        near = self._kernel(self.choices.one_hot(chosen) @ self._compared.T)
        here = self._factor[np.arange(count), chosen]
        shares = near * self._weights[:, None]
        stay = shares.sum(axis=2) + self._centre[:, None]
        # An output and a joint choice are one row, so that there is one product for all.
        rows = len(self._weights) * len(chosen)
        added = np.zeros((rows, count * width), np.float32)
        added[:, self.choices.entry] = shares.reshape(rows, -1) @ self._taken
        added = added.reshape(len(self._weights), len(chosen), count, width) / here
        summed = np.matmul(added.reshape(rows, count, width).transpose(1, 0, 2), self._factor)
        reached = summed.transpose(1, 0, 2).reshape(added.shape) + self._centre[:, None, None, None]
        objectives = preferences.shape[1]
        gain = scalarised(reached[:objectives], preferences, reward)
        gain = gain - scalarised(stay[:objectives], preferences, reward)[:, None, None]
        if self._limited:
            over = np.maximum(reached[-1] + LIMIT_MARGIN, 0.0)
            over -= np.maximum(stay[-1] + LIMIT_MARGIN, 0.0)[:, None, None]
            gain = gain - LIMIT_WEIGHT * over
        return np.asarray(gain)
