"""`rl`: one agent that chooses whole designs, for the preference at hand.

The single-agent counterpart of `dse.searchers.marl`, and the part that both share. An episode draws a
preference, starts from a stored design that is good under it, and plays one joint action: a value for every
parameter. Its reward is the scalarised result. The policy is a softmax over each parameter's values (a joint
action distribution that factorises, as of every policy gradient library over several discrete actions) and is
a function of the preference, so that one policy covers the front.

It is learnt by advantage-weighted regression (Peng et al., "Advantage-weighted regression: simple and
scalable off-policy reinforcement learning", arXiv:1910.00177, 2019; before it, reward-weighted regression:
Peters and Schaal, ICML 2007): a policy is fitted to stored actions, each weighted by the exponential of its
advantage. Weights are at most 1, and no ratio of probabilities enters, so that designs which others proposed
are as good to learn from as its own. Every stored evaluation is relabelled under the preference of the
episode (`dse.searchers.replay`), and since the policy is a table, the fit is in closed form: weighted shares
of the values. There is no learning rate, no network, and nothing to keep but the evaluations.

What makes it single-agent is the credit: a stored design has one advantage, its reward over a baseline of the
preference alone, and one weight, which all parameters share, whatever each of them did for it. Krishnan et
al., "Multi-Agent Reinforcement Learning for Microprocessor Design Space Exploration", arXiv:2211.16385, 2022,
compare with PPO and SAC that choose all parameters at once by one network from one reward. Off-policy reuse
makes this agent stronger than those: `docs/searchers/marl.md` has both.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.designs import Designs
from dse.evaluations import Evaluations
from dse.searchers.batch import Batch
from dse.searchers.draws import Draw
from dse.searchers.fresh import fresh
from dse.searchers.replay import REWARDS, Replay, preferences
from dse.searchers.settings import choice, share, whole
from dse.space import Space
from dse.space.choices import Choices

Array = NDArray[Any]
Floats = NDArray[Any]
Wholes = NDArray[np.int64]

# Episodes for each design that is wanted: some repeat what is stored.
EXTRA = 1.5
LEAST_EPISODES = 8
MOST_EPISODES = 256
# Times that episodes are played again, each time with more changes and a flatter policy.
ATTEMPTS = 3
# Best stored designs under a preference, among which an episode starts: each half as likely as the last.
STARTS = 5
# At least so many parameters change in an episode, on average.
LEAST_CHANGES = 2.0
# Counts that every value has before anything is stored.
PSEUDOCOUNT = 0.5
# The weight of the last of the elite is e to minus this.
ELITE_DEPTH = 2.0
# By how much the values an episode starts from may be favoured, as logits in equal steps.
FAVOURS = np.linspace(0.0, 12.0, 25)


class RL:
    """One policy over whole designs, by advantage-weighted regression on everything stored.

    Parameters
    ----------
    space
        The search space.
    seed
        Same seed and history, same designs.
    initial
        Random designs at the start.
    changes
        Entropy control: the share of the parameters that leave the design an episode starts from, on average
        (at least two parameters do).
    elite
        The share of the stored designs that the policy is fitted to, in the main.
    reward
        "chebyshev" or "hypervolume": how a preference makes one reward of several objectives
        (`dse.searchers.replay.scalarised`).
    memory
        Most designs that are learnt from.

    Raises
    ------
    SearcherError
        If a setting is out of range.
    """

    name = "rl"
    batch = 20
    distinct = True

    def __init__(
        self,
        space: Space,
        *,
        seed: int = 0,
        initial: int = 32,
        changes: float = 0.2,
        elite: float = 0.1,
        reward: str = "chebyshev",
        memory: int = 512,
    ) -> None:
        whole(self.name, 1, initial=initial)
        whole(self.name, 16, memory=memory)
        share(self.name, changes=changes, elite=elite)
        choice(self.name, REWARDS, reward=reward)
        self.space = space
        self.seed = seed
        self.initial = initial
        self.changes = changes
        self.elite = elite
        self.reward = reward
        self.memory = memory
        self._choices = Choices(space)
        self._several = self._choices.counts > 1
        self._draw: Draw | None = None
        self._replay = Replay(self._choices, memory, reward)
        self._seen: set[bytes] = set()
        self._told = 0

    def ask(self, n: int) -> Designs:
        """Return n designs: random ones at first, then one an episode."""
        if self._told < self.initial or not self._replay.usable:
            return Designs(self.space, fresh(self.space, n, self.seed, self._told, self._seen))
        rng = np.random.default_rng([self.seed, self._told])
        batch = Batch(self.space, n, self._seen)
        for attempt in range(ATTEMPTS):
            wanted = int(EXTRA * batch.missing)
            for done in range(0, wanted, MOST_EPISODES):
                episodes = max(min(wanted - done, MOST_EPISODES), LEAST_EPISODES)
                batch.add(self._played(episodes, attempt, rng))
            if not batch.missing:
                break
        return batch.filled(self.seed, self._told)

    def tell(self, evaluations: Evaluations) -> None:
        """Store evaluations."""
        self._seen.update(self.space.keys(evaluations.designs.codes))
        self._told += len(evaluations)
        if len(evaluations):
            self._replay.add(evaluations)

    def _played(self, episodes: int, attempt: int, rng: np.random.Generator) -> Array:
        """Play episodes and return the codes of those that ended in a design."""
        if self._draw is None:
            self._draw = Draw(self._choices)
        replay = self._replay
        wishes = preferences(episodes, len(replay.objectives), rng)
        earned = replay.rewards(wishes)
        start = _starts(earned, rng)
        logits = self._logits(wishes, earned, start, attempt, rng)
        logits = self._held(logits, replay.chosen[start], attempt)
        codes, _ = self._draw(logits, rng, replay.codes[start])
        return codes

    def _logits(
        self, wishes: Floats, earned: Floats, start: Wholes, attempt: int, rng: np.random.Generator
    ) -> Floats:
        """Return the policy's logits (episodes, parameters, width), before entropy control.

        Parameters
        ----------
        wishes
            Preferences (episodes, objectives).
        earned
            Rewards of what is stored (episodes, n).
        start
            The stored design that each episode starts from (episodes,).
        attempt
            0, or how often too few new designs came of it.
        rng
            The random stream.
        """
        return self._regressed(earned)

    def _regressed(self, earned: Floats) -> Floats:
        """Return logarithms of the weighted shares of values: the closed-form regression."""
        choices = self._choices
        count = earned.shape[1]
        best = earned.max(axis=1)
        last = count - max(int(self.elite * count), min(count, 4))
        depth = np.maximum(best - np.partition(earned, last, axis=1)[:, last], 1e-9)
        weights = np.exp((ELITE_DEPTH / depth)[:, None] * (earned - best[:, None])).astype(np.float32)
        total = weights.sum(axis=1)
        # Weights of one size count for what they are; a few great ones for about as many designs.
        effective = total**2 / (weights**2).sum(axis=1)
        shares = (weights @ self._replay.taken) * (effective / total)[:, None]
        sizes = choices.counts[choices.entry_parameter]
        shares = (shares + PSEUDOCOUNT) / (effective[:, None] + PSEUDOCOUNT * sizes)
        logits = np.zeros((len(earned), choices.usable.size))
        logits[:, choices.entry] = np.log(shares)
        return logits.reshape(len(earned), *choices.usable.shape)

    def _held(self, logits: Floats, chosen: Wholes, attempt: int) -> Floats:
        """Favour the values an episode starts from until as few parameters change as are to.

        One number an episode is added to the logits of those values: that with which the expected number of
        changes is what `changes` asks for, between the nearest of a grid. Where fewer change anyway, none is.
        """
        target = max(LEAST_CHANGES, self.changes * int(self._several.sum())) * (1 + attempt)
        rows, columns = np.arange(len(logits))[:, None], np.arange(logits.shape[1])
        odds = np.exp(logits - logits.max(axis=2, keepdims=True)) * self._choices.usable
        stay = odds[rows, columns, chosen]
        leave = (odds.sum(axis=2) - stay) * self._several
        favour = np.exp(FAVOURS)[:, None, None]
        moved = (leave / (leave + stay * favour + 1e-12)).sum(axis=2)
        after = np.clip((moved > target).sum(axis=0), 1, len(FAVOURS) - 1)
        episode = np.arange(len(logits))
        more, fewer = moved[after - 1, episode], moved[after, episode]
        part = np.clip((more - target) / np.maximum(more - fewer, 1e-12), 0.0, 1.0)
        held = logits.copy()
        held[rows, columns, chosen] += (FAVOURS[after - 1] + part * FAVOURS[1])[:, None]
        return held


def _starts(earned: Floats, rng: np.random.Generator) -> Wholes:
    """Return for each episode a stored design that is among the best under its preference."""
    count = min(STARTS, earned.shape[1])
    rows = np.arange(len(earned))
    best = np.argpartition(-earned, count - 1, axis=1)[:, :count]
    best = np.take_along_axis(best, np.argsort(-np.take_along_axis(earned, best, axis=1), axis=1), axis=1)
    place = np.minimum(rng.geometric(0.5, len(earned)) - 1, count - 1)
    return np.asarray(best[rows, place])
