"""`marl`: an agent for each parameter, each with a credit of its own.

After Krishnan et al., "Multi-Agent Reinforcement Learning for Microprocessor Design Space Exploration",
arXiv:2211.16385, 2022: parameters of different subsystems are nearly independent, so that agents who choose
one parameter each, and earn one shared reward, learn faster than one agent who chooses all. In the
environment published with it (ArchGym's DRAM controller) each agent has a discrete action and a network of
its own, and all see the same measurements and earn the same; the single agent has one network, one action
over all parameters and the same reward; episodes have one step.

`marl` shares with its single-agent counterpart (`dse.searchers.rl`, which describes it) the episodes, that
draw a preference and start from a stored design which is good under it; the masks; the scalarised reward; the
reuse of everything stored, under any preference; entropy control; budget, random start and batches. What it
does not share is the credit. There, a stored design has one advantage, and all of its values weigh the
exponential of it. Here a centralised critic, trained on the same stored evaluations, tells each agent what
each of its choices would change in the reward if all others kept theirs: the counterfactual credit of COMA
(`dse.searchers.critic`); and an agent's policy is a softmax of its own credits, one step of policy
improvement by the exponential of an advantage (Abdolmaleki et al., "Maximum a posteriori policy
optimisation", ICLR 2018). Training is centralised, decisions are not: no agent sees what another chooses,
save where constraints tie them, and there a choice is masked by those made before.

With ``credit="shared"`` there is no critic, and agents learn as `rl` does. With subsystems as agents, only
some of them act in an episode, each on all of its parameters, and the others keep theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.errors import SearcherError
from dse.searchers.critic import Critic
from dse.searchers.rl import RL
from dse.searchers.settings import choice
from dse.space import Space

Floats = NDArray[Any]
Wholes = NDArray[np.int64]

# The critic learns anew when there is this much more to learn from.
GROWTH = 1.25
# Logits of an agent's credit, in units of the root mean square over all choices of all agents.
CREDIT = 3.0
# A subsystem acts in an episode with this probability, and at least one does.
ACTS = 0.5
# Logit of the values that an agent which does not act keeps.
IDLE = 50.0

CREDITS = ("counterfactual", "shared")


class MARL(RL):
    """Agents that choose a parameter or a subsystem each, by counterfactual credit.

    Parameters
    ----------
    space
        The search space.
    seed
        Same seed and history, same designs.
    agents
        "parameter": one agent a parameter. "subsystem": one agent for all parameters whose names begin alike,
        up to the first dot. Or lists of names, one an agent; parameters in none of them have their own.
    credit
        "counterfactual": what an agent's choice changes, by the critic. "shared": the reward, as in `rl`.
    initial, changes, elite, reward, memory
        As for `dse.searchers.rl.RL`.

    Raises
    ------
    SearcherError
        If a setting is out of range, or agents name what is no parameter, or one twice.
    """

    name = "marl"

    def __init__(
        self,
        space: Space,
        *,
        seed: int = 0,
        agents: str | Sequence[Sequence[str]] = "parameter",
        credit: str = "counterfactual",
        initial: int = 32,
        changes: float = 0.2,
        elite: float = 0.1,
        reward: str = "chebyshev",
        memory: int = 512,
    ) -> None:
        super().__init__(
            space, seed=seed, initial=initial, changes=changes, elite=elite, reward=reward, memory=memory
        )
        choice(self.name, CREDITS, credit=credit)
        self.agents = agents
        self.credit = credit
        self._agent = _agents(space, agents)
        self._grouped = len(set(self._agent.tolist())) < len(space.names)
        self._critic: Critic | None = None
        self._learnt = 0

    def tell(self, evaluations: Any) -> None:
        """Store evaluations; the critic learns anew from time to time."""
        super().tell(evaluations)
        if self.credit == "counterfactual" and self._replay.usable and self._told >= GROWTH * self._learnt:
            if self._critic is None:
                self._critic = Critic(self._choices)
            self._critic.fit(self._replay)
            self._learnt = self._told

    def _logits(
        self, wishes: Floats, earned: Floats, start: Wholes, attempt: int, rng: np.random.Generator
    ) -> Floats:
        chosen = self._replay.chosen[start]
        if self._critic is None:
            logits = self._regressed(earned)
        else:
            credit = self._critic.counterfactuals(chosen, wishes, self.reward)
            usable = self._choices.usable
            spread = np.sqrt((credit**2 * usable).sum(axis=(1, 2)) / usable.sum()) + 1e-9
            logits = (CREDIT / (1 + attempt) / spread)[:, None, None] * credit
        if self._grouped:
            rows, columns = np.arange(len(logits))[:, None], np.arange(logits.shape[1])
            logits[rows, columns, chosen] += IDLE * ~self._acting(len(logits), rng)[:, self._agent]
        return logits

    def _acting(self, episodes: int, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Return which agents act in which episode (episodes, agents)."""
        count = int(self._agent.max()) + 1
        acting = rng.random((episodes, count)) < ACTS
        acting[np.arange(episodes), rng.integers(count, size=episodes)] = True
        return acting


def _agents(space: Space, agents: str | Sequence[Sequence[str]]) -> Wholes:
    """Return the agent of each parameter (parameters,)."""
    if isinstance(agents, str):
        if agents == "parameter":
            return np.arange(len(space.names))
        if agents == "subsystem":
            prefixes = [name.partition(".")[0] for name in space.names]
            order = {prefix: place for place, prefix in enumerate(dict.fromkeys(prefixes))}
            return np.array([order[prefix] for prefix in prefixes])
        raise SearcherError(
            f"marl: agents={agents!r} is unknown: write 'parameter', 'subsystem', or lists of names"
        )
    groups = [list(group) if not isinstance(group, str) else [group] for group in agents]
    named = [name for group in groups for name in group]
    for name in named:
        if name not in space.names:
            raise SearcherError(
                f"marl: agents names {name!r}, which is no parameter; known are {', '.join(space.names)}"
            )
        if named.count(name) > 1:
            raise SearcherError(f"marl: agents names {name!r} twice: give it to one agent")
    groups += [[name] for name in space.names if name not in named]
    found = np.empty(len(space.names), np.int64)
    for agent, group in enumerate(group for group in groups if group):
        for name in group:
            found[space.positions[name]] = agent
    return found
