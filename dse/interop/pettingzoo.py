"""A problem as a parallel environment of PettingZoo (Terry et al., NeurIPS 2021): one agent a parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from gymnasium import spaces
from gymnasium.utils import seeding
from numpy.typing import ArrayLike, NDArray
from pettingzoo import ParallelEnv

from dse.designs import Designs
from dse.errors import ProblemError
from dse.interop.episodes import SAMPLE, Episodes
from dse.problem import Problem
from dse.space.choices import Choices

if TYPE_CHECKING:
    import pandas as pd

    from dse.store import Store


class DesignParallelEnv(ParallelEnv[str, Any, Any]):  # type: ignore[misc]
    """One agent a parameter: together their choices are a design, and all earn what it earns.

    An agent is called as its parameter and chooses among its choices (`dse.space.choices.Choices`): a value,
    or a bin in which a value is drawn. All see the same (`Episodes.observation`). A joint action that is no
    member of the space becomes one near it; infos have ``design``, ``metrics``, ``state``, ``violation`` and
    ``moved``, the same for all.

    Parameters
    ----------
    problem
        What is searched.
    reward, steps, scale
        As of `dse.interop.episodes.Episodes`.
    store, name
        Keep all evaluations as a study of that name; see `dse.interop.ledger.Ledger`.

    Raises
    ------
    ProblemError
        If a setting is not usable, or an agent's action is missing.
    StudyError, StoreError
        If the store is not.
    """

    metadata: ClassVar[dict[str, Any]] = {"name": "dse_design", "render_modes": []}

    def __init__(
        self,
        problem: Problem,
        *,
        reward: str = "hypervolume",
        steps: int | None = None,
        scale: ArrayLike | int = SAMPLE,
        store: Store | str | None = None,
        name: str | None = None,
    ) -> None:
        self.episodes = Episodes(
            problem, reward=reward, steps=steps, scale=scale, store=store, name=name, by="pettingzoo"
        )
        self.problem = problem
        self.ledger = self.episodes.ledger
        self.choices = Choices(problem.space)
        self.possible_agents = list(problem.space.names)
        self.agents: list[str] = []
        self._random, _ = seeding.np_random()
        self.observation_spaces = {
            agent: spaces.Box(0.0, 1.0, (self.episodes.size,), np.float32) for agent in self.possible_agents
        }
        self.action_spaces = {
            agent: spaces.Discrete(int(count))
            for agent, count in zip(self.possible_agents, self.choices.counts, strict=True)
        }

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """Return what an agent sees: the same space each time."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """Return what an agent chooses among: the same space each time."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Begin an episode, under ``options={"preference": [0.7, 0.3]}`` or a random preference."""
        if seed is not None:
            self._random, _ = seeding.np_random(seed)
        self.episodes.begin(self._random, options)
        self.agents = list(self.possible_agents)
        preference = self.episodes.preference.tolist()
        return self._seen(), {agent: {"preference": preference} for agent in self.agents}

    def step(
        self, actions: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Evaluate the design that the agents' choices are."""
        if not self.agents:
            return {}, {}, {}, {}, {}
        designs, moved = self._design(actions)
        reward, info = self.episodes.earn(designs)
        info["moved"] = moved
        acted, over = self.agents, self.episodes.done
        seen = self._seen()
        if over:
            self.agents = []
        return (
            seen,
            dict.fromkeys(acted, reward),
            dict.fromkeys(acted, over),
            dict.fromkeys(acted, False),
            {agent: dict(info) for agent in acted},
        )

    def state(self) -> NDArray[np.float32]:
        """Return what all agents see."""
        return self.episodes.observation()

    def front(self) -> pd.DataFrame:
        """Return the nondominated feasible designs of all episodes: parameters and metrics, by number."""
        return self.ledger.front()

    def close(self) -> None:
        """Mark the stored study as done, if there is one."""
        self.ledger.close()

    def _seen(self) -> dict[str, Any]:
        return {agent: self.episodes.observation() for agent in self.agents}

    def _design(self, actions: dict[str, Any]) -> tuple[Designs, bool]:
        missing = [agent for agent in self.agents if agent not in actions]
        if missing:
            raise ProblemError(f"agent {missing[0]!r} has no action: all parameters are chosen at once")
        codes = np.array(
            [
                self.choices.codes(place, np.array([int(actions[agent])]), self._random)[0]
                for place, agent in enumerate(self.possible_agents)
            ]
        )
        return self.episodes.member(codes, self._random)
