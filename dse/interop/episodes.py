"""What designs earn and what an agent sees of them: the part that all environments share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dse.designs import Designs
from dse.errors import ProblemError
from dse.evaluations import Evaluations, State
from dse.interop.ledger import Ledger
from dse.pareto import hypervolume, nondominated
from dse.problem import Problem
from dse.searchers.mending import nearest_members
from dse.searchers.replay import AUGMENTATION, preferences, scalarised

if TYPE_CHECKING:
    from dse.store import Store

Array = NDArray[Any]
Floats = NDArray[np.float64]

REWARDS = ("hypervolume", "preference")
# Designs of an episode, by its reward.
STEPS = {"hypervolume": 32, "preference": 1}
# Random designs that say between what objectives lie.
SAMPLE = 64
# What the worst design that keeps all limits earns: infeasible ones earn less.
FLOOR = {"hypervolume": 0.0, "preference": -(1.0 + AUGMENTATION)}
# Random members of the space from which actions outside of it are moved.
POOL = 256
LEAST = 1e-300  # of an objective whose logarithm is taken


class Episodes:
    """Evaluates the designs of an agent and says what each earns.

    Objectives are scaled so that 0 is the best and 1 the worst of `scale`, by logarithm where both are
    positive, and are cut at 1.

    Parameters
    ----------
    problem
        What is searched.
    reward
        "hypervolume": by how much a design raises the hypervolume of its episode's designs, in scaled
        objectives, from the corner (1, ..., 1). "preference": minus the augmented weighted Chebyshev norm of
        the scaled objectives under the episode's preference (`dse.searchers.replay.scalarised`). A design
        that breaks a limit earns less than any that does not, by its violation, at most 1; one that fails, or
        is none, by 1.
    steps
        Designs of an episode; by default 32 for the hypervolume and 1 for a preference.
    scale
        The best and the worst value of each objective, a matrix (2, objectives) in their own units and
        directions; or of how many random designs the best and worst are taken. These are evaluated first.
    store, name
        Keep all evaluations as a study of that name; see `dse.interop.ledger.Ledger`.
    by
        Who chooses the designs.

    Attributes
    ----------
    ledger
        What was evaluated, in all episodes.
    size
        Of an observation.

    Raises
    ------
    ProblemError
        If a setting is not usable, or none of the random designs has a result.
    """

    def __init__(
        self,
        problem: Problem,
        *,
        reward: str,
        steps: int | None,
        scale: ArrayLike | int,
        store: Store | str | None,
        name: str | None,
        by: str,
    ) -> None:
        if not isinstance(problem, Problem):
            raise ProblemError(f"problem must be a Problem, not {type(problem).__name__}")
        if reward not in REWARDS:
            raise ProblemError(f"reward={reward!r} is unknown; known are {', '.join(REWARDS)}")
        steps = STEPS[reward] if steps is None else steps
        if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
            raise ProblemError(f"steps={steps!r} must be a whole number, 1 or more")
        self.problem = problem
        self.reward = reward
        self.steps = steps
        self.ledger = Ledger(problem, store=store, name=name, by=by)
        self._objectives = len(problem.objectives)
        self._pool: Array | None = None
        self._best, self._worst, self._log = self._ends(scale)
        self.size = self._objectives + 1 + (self._objectives if reward == "preference" else 1) + 1
        self.preference: Floats = np.full(self._objectives, 1.0 / self._objectives)
        self._begin()

    def _ends(self, scale: ArrayLike | int) -> tuple[Floats, Floats, NDArray[np.bool_]]:
        """Return the scaled 0 and 1 of minimised objectives, and which are scaled by logarithm."""
        if isinstance(scale, int) and not isinstance(scale, bool):
            if scale < 2:
                raise ProblemError(f"scale={scale!r} must be 2 random designs or more, or a best and a worst")
            found = self.ledger.evaluate(self.problem.space.sample(scale, 0))
            kept = found.feasible if found.feasible.any() else found.evaluated
            if not kept.any():
                raise ProblemError(f"none of {scale} random designs has a result: give scale=[best, worst]")
            ends = np.array([found.objectives[kept].min(axis=0), found.objectives[kept].max(axis=0)])
        else:
            try:
                given = np.asarray(scale, float)
            except (TypeError, ValueError):
                given = np.empty(0)
            if given.shape != (2, self._objectives) or not np.isfinite(given).all():
                raise ProblemError(
                    f"scale={scale!r} must be the best and the worst of {self._objectives} objectives, or a "
                    "number of random designs"
                )
            ends = given * self.problem.signs
            if (ends[0] >= ends[1]).any():
                raise ProblemError(f"scale={scale!r}: the first row must be better than the second")
        logs = np.asarray((ends > 0).all(axis=0))
        best, worst = np.where(logs, np.log(np.where(logs, ends, 1.0)), ends)
        return best, np.where(worst > best, worst, best + 1.0), logs

    def scaled(self, objectives: Floats) -> Floats:
        """Return minimised objectives (n, m) as agents see them, at most 1; below 0 beats `scale`."""
        logs = np.log(np.maximum(np.where(self._log, objectives, 1.0), LEAST))
        found = (np.where(self._log, logs, objectives) - self._best) / (self._worst - self._best)
        return np.minimum(found, 1.0)

    @property
    def done(self) -> bool:
        """Whether the episode has made all its designs."""
        return self._made >= self.steps

    def begin(self, rng: np.random.Generator, options: Mapping[str, Any] | None) -> None:
        """Begin an episode: under ``options={"preference": [0.7, 0.3]}``, or a random preference.

        Options of other names are left to wrappers.

        Raises
        ------
        ProblemError
            If the preference is no weight, 0 or more, for each objective.
        """
        wish = (options or {}).get("preference")
        drawn = preferences(1, self._objectives, rng)[0]
        if wish is not None:
            try:
                weights = np.asarray(wish, float)
            except (TypeError, ValueError):
                weights = np.empty(0)
            if weights.shape != (self._objectives,) or not (weights >= 0).all() or not weights.sum() > 0:
                raise ProblemError(
                    f"preference={wish!r} must be {self._objectives} weights, 0 or more, one an objective"
                )
            drawn = weights / weights.sum()
        self.preference = drawn
        self._begin()

    def _begin(self) -> None:
        self._made = 0
        self._front: Floats = np.empty((0, self._objectives))
        self._volume = 0.0
        self._last: Floats = np.ones(self._objectives)
        self._broken = 0.0

    def observation(self) -> NDArray[np.float32]:
        """Return what an agent sees (size,), all from 0 to 1.

        The last design's objectives, its violation, the preference or the hypervolume so far, and the share
        of the episode that is over.
        """
        seen = self.preference if self.reward == "preference" else [self._volume]
        parts = np.concatenate([self._last, [self._broken], seen, [self._made / self.steps]])
        return np.asarray(np.clip(parts, 0.0, 1.0), np.float32)

    def member(self, codes: Array, rng: np.random.Generator) -> tuple[Designs, bool]:
        """Return the member of the space that codes (parameters,) are or are near, and whether it is another.

        From the nearest of 256 random members, as many parameters as may be become what was asked for.
        """
        space = self.problem.space
        wanted = space.canonical(codes[None].astype(space.code_dtype))
        if space.contains(wanted)[0]:
            return Designs(space, wanted), False
        if self._pool is None:
            self._pool = space.sample(POOL, 0).codes
        return Designs(space, nearest_members(space, wanted, self._pool, rng)), True

    def earn(self, designs: Designs | None) -> tuple[float, dict[str, Any]]:
        """Return what a design earns, and what is known of it.

        Parameters
        ----------
        designs
            One design of the space; None where an action led to none.

        Returns
        -------
        The reward, and ``design``, ``metrics``, ``state``, ``violation``; of a design that failed ``error``.
        The state of no design is "outside".
        """
        self._made += 1
        if designs is None:
            self._last, self._broken = np.ones(self._objectives), 1.0
            info = {"design": {}, "metrics": {}, "state": "outside", "violation": 1.0}
            return FLOOR[self.reward] - 1.0, info
        found = self.ledger.evaluate(designs)
        return self._judged(found), self._described(found)

    def _judged(self, found: Evaluations) -> float:
        known = bool(found.evaluated[0])
        self._broken = min(float(found.violation[0]), 1.0) if known else 1.0
        self._last = self.scaled(found.objectives)[0] if known else np.ones(self._objectives)
        if self._broken > 0:
            return FLOOR[self.reward] - self._broken
        if self.reward == "preference":
            return float(scalarised(self._last[:, None], self.preference[None], "chebyshev")[0])
        front = np.concatenate([self._front, self._last[None]])
        self._front = front[nondominated(front)]
        before = self._volume
        self._volume = hypervolume(self._front, np.ones(self._objectives))
        return self._volume - before

    def _described(self, found: Evaluations) -> dict[str, Any]:
        known = bool(found.evaluated[0])
        info: dict[str, Any] = {
            "design": next(found.designs.rows()),
            "metrics": {name: float(column[0]) for name, column in found.metrics.items()} if known else {},
            "state": str(State(found.state[0])),
            "violation": float(found.violation[0]) if known else 1.0,
        }
        if not known:
            info["error"] = found.errors.get(0, info["state"])
        return info
