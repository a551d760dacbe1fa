"""A problem as an environment of gymnasium (Towers et al., arXiv:2407.17032, 2024).

`DesignEnv` has one step a design, `ParameterEnv` one step a parameter, with the choices masked that no design
of the space has. That is how ArchGym (Krishnan et al., ISCA 2023, arXiv:2306.08888) puts a simulator before
an agent: parameters are actions, metrics are observations. Every evaluation is kept, in memory or in a store.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike, NDArray

from dse.designs import Designs
from dse.errors import ProblemError
from dse.interop.episodes import SAMPLE, Episodes
from dse.problem import Problem
from dse.space import Real, Space
from dse.space.choices import Choices
from dse.space.walk import Walk

if TYPE_CHECKING:
    import pandas as pd

    from dse.store import Store

Array = NDArray[Any]
Step = tuple[Any, float, bool, bool, dict[str, Any]]

ACTIONS = ("multidiscrete", "dict", "box")
OUTSIDE = ("nearest", "penalty")


class _ProblemEnv(gymnasium.Env[Any, Any]):  # type: ignore[misc]
    """What both environments share."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}

    def __init__(self, episodes: Episodes) -> None:
        self.episodes = episodes
        self.problem = episodes.problem
        self.ledger = episodes.ledger

    def front(self) -> pd.DataFrame:
        """Return the nondominated feasible designs of all episodes: parameters and metrics, by number."""
        return self.ledger.front()

    def close(self) -> None:
        """Mark the stored study as done, if there is one."""
        self.ledger.close()


class DesignEnv(_ProblemEnv):
    """One step a design: the action is a value for every parameter.

    Observations are a vector (`Episodes.observation`); the info of a step has ``design``, ``metrics``,
    ``state``, ``violation`` and ``moved``, whether the action was no member of the space.

    Parameters
    ----------
    problem
        What is searched.
    action
        "multidiscrete": for every parameter one of its choices (`dse.space.choices.Choices`): a value, or of
        more than 64 values, and of a real parameter, one of 16 bins, in which a value is drawn. "dict": by
        name of the parameter its position in the domain (`Discrete`), or of a real one the value scaled to
        [0, 1]. "box": all parameters scaled to [0, 1], discrete ones in equal parts.
    reward, steps, scale
        As of `Episodes`.
    outside
        What becomes of an action that is no member of the space: "nearest", a member near it is evaluated;
        "penalty", none is, and it earns less than any design that has a result.
    store, name
        Keep all evaluations as a study of that name; see `dse.interop.ledger.Ledger`.

    Raises
    ------
    ProblemError
        If a setting is not usable.
    StudyError, StoreError
        If the store is not.

    Examples
    --------
    >>> from dse.interop.gymnasium import DesignEnv
    >>> from dse.interop.pymoo import benchmark
    >>> env = DesignEnv(benchmark("re22").problem)
    >>> observation, info = env.reset(seed=0)
    >>> observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
    """

    def __init__(
        self,
        problem: Problem,
        *,
        action: str = "multidiscrete",
        reward: str = "hypervolume",
        steps: int | None = None,
        scale: ArrayLike | int = SAMPLE,
        outside: str = "nearest",
        store: Store | str | None = None,
        name: str | None = None,
    ) -> None:
        if action not in ACTIONS:
            raise ProblemError(f"action={action!r} is unknown; known are {', '.join(ACTIONS)}")
        if outside not in OUTSIDE:
            raise ProblemError(f"outside={outside!r} is unknown; known are {', '.join(OUTSIDE)}")
        super().__init__(
            Episodes(problem, reward=reward, steps=steps, scale=scale, store=store, name=name, by="gymnasium")
        )
        self.action = action
        self.outside = outside
        self.choices = Choices(problem.space)
        self.observation_space = spaces.Box(0.0, 1.0, (self.episodes.size,), np.float32)
        self.action_space = action_space(problem.space, self.choices, action)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode, under ``options={"preference": [0.7, 0.3]}`` or a random preference.

        Raises
        ------
        ProblemError
            If an option is not usable.
        """
        super().reset(seed=seed)
        self.episodes.begin(self.np_random, options)
        return self.episodes.observation(), {"preference": self.episodes.preference.tolist()}

    def step(self, action: Any) -> Step:
        """Evaluate a design."""
        designs, moved = self.design(action)
        reward, info = self.episodes.earn(designs)
        info["moved"] = moved
        return self.episodes.observation(), reward, self.episodes.done, False, info

    def design(self, action: Any) -> tuple[Designs | None, bool]:
        """Return the design of an action, and whether the action itself is none; None if it stays outside."""
        designs, moved = self.episodes.member(self._codes(action), self.np_random)
        return (None if moved and self.outside == "penalty" else designs), moved

    def _codes(self, action: Any) -> Array:
        """Return the codes (parameters,) that an action says."""
        found = np.empty(len(self.problem.space.names))
        for place, parameter in enumerate(self.problem.space.parameters):
            if self.action == "multidiscrete":
                chosen = np.array([int(action[place])])
                found[place] = self.choices.codes(place, chosen, self.np_random)[0]
                continue
            given = action[parameter.name] if self.action == "dict" else action[place]
            value = float(np.asarray(given).reshape(-1)[0])
            if isinstance(parameter, Real):
                found[place] = parameter.unscaled(np.array([value]))[0]
            elif self.action == "dict":
                found[place] = value
            else:
                found[place] = min(int(value * parameter.cardinality), int(parameter.cardinality) - 1)
        return found


class ParameterEnv(_ProblemEnv):
    """One step a parameter: the action is one of its choices, in the order of `Walk`.

    ``info["action_mask"]`` (int8, a 1 a choice), and `action_masks` as sb3-contrib asks for it, say which
    choices a design of the space may have, given those before. A choice that is masked becomes the nearest
    that is not, and ``info["moved"]`` says so. A parameter of a single choice takes no step. The reward comes
    with the last parameter of a design, where info is that of `DesignEnv`; a walk that comes to a dead end is
    no design.

    Observations are a vector: which parameter is next (one-hot); the choices so far, scaled to [0, 1], -1
    where there is none yet; and `Episodes.observation`.

    Parameters
    ----------
    problem, reward, steps, scale, store, name
        As of `DesignEnv`.

    Raises
    ------
    ProblemError, StudyError, StoreError
        As of `DesignEnv`.
    """

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
        super().__init__(
            Episodes(problem, reward=reward, steps=steps, scale=scale, store=store, name=name, by="gymnasium")
        )
        self.walk = Walk(problem.space)
        self._chosen: list[float] = []
        self._mask = np.zeros(self.walk.choices.width, dtype=bool)
        count = len(problem.space.names)
        low = np.concatenate([np.zeros(count), np.full(count, -1.0), np.zeros(self.episodes.size)])
        self.observation_space = spaces.Box(low.astype(np.float32), np.ones(len(low), np.float32))
        self.action_space = spaces.Discrete(self.walk.choices.width)

    def action_masks(self) -> NDArray[np.bool_]:
        """Return which choices the next parameter has (width,)."""
        return self._mask.copy()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode, as `DesignEnv.reset`."""
        super().reset(seed=seed)
        self.episodes.begin(self.np_random, options)
        self._restart()
        return self._observation(), {**self._info(), "preference": self.episodes.preference.tolist()}

    def step(self, action: Any) -> Step:
        """Choose a value of the next parameter; evaluate a design that is complete."""
        allowed = np.flatnonzero(self._mask)
        chosen = int(allowed[np.argmin(np.abs(allowed - int(action)))])
        self._choose(chosen)
        reward = 0.0
        info: dict[str, Any] = {}
        if self._complete or not self._mask.any():
            designs = None
            if self._complete:
                codes = self.walk.finished(self._chosen)[None]
                designs = Designs(self.problem.space, codes)
            reward, info = self.episodes.earn(designs)
            self._restart()
        info |= {"moved": chosen != int(action), **self._info()}
        return self._observation(), reward, self.episodes.done, False, info

    @property
    def _complete(self) -> bool:
        return len(self._chosen) == len(self.walk.order)

    def _restart(self) -> None:
        self._chosen = []
        self._look()

    def _choose(self, choice: int) -> None:
        self._chosen.append(self.walk.code(self._chosen, choice, self.np_random))
        self._look()

    def _look(self) -> None:
        """Find out what comes next, and choose what can be only one thing."""
        while not self._complete:
            self._mask = self.walk.mask(self._chosen)
            last = len(self._chosen) == len(self.walk.order) - 1
            # The last choice stays the agent's: a design ends with a step.
            if self._mask.sum() != 1 or last:
                return
            choice = int(self._mask.argmax())
            self._chosen.append(self.walk.code(self._chosen, choice, self.np_random))

    def _info(self) -> dict[str, Any]:
        place = len(self._chosen)
        name = self.problem.space.names[self.walk.order[min(place, len(self.walk.order) - 1)]]
        return {"parameter": name, "action_mask": self._mask.astype(np.int8)}

    def _observation(self) -> NDArray[np.float32]:
        count = len(self.walk.order)
        following, so_far = np.zeros(count), np.full(count, -1.0)
        following[self.walk.order[min(len(self._chosen), count - 1)]] = 1.0
        for position, code in zip(self.walk.order, self._chosen, strict=False):
            choices = self.walk.choices
            choice = choices.of_one(position, np.array([code]))[0]
            so_far[position] = choice / max(int(choices.counts[position]) - 1, 1)
        return np.concatenate([following, so_far, self.episodes.observation()]).astype(np.float32)


def action_space(space: Space, choices: Choices, action: str) -> spaces.Space[Any]:
    """Return the actions that are designs, in one of the forms of `ACTIONS`."""
    if action == "multidiscrete":
        return spaces.MultiDiscrete(choices.counts)
    if action == "box":
        return spaces.Box(0.0, 1.0, (len(space.names),), np.float32)
    parts: Mapping[str, spaces.Space[Any]] = {
        parameter.name: spaces.Box(0.0, 1.0, (1,), np.float32)
        if isinstance(parameter, Real)
        else spaces.Discrete(int(parameter.cardinality))
        for parameter in space.parameters
    }
    return spaces.Dict(dict(parts))
