"""Evaluations held as columns: what a filter keeps of a million, and the front of that, in a moment."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dse.designs import Designs
from dse.evaluations import State
from dse.pareto import nondominated

if TYPE_CHECKING:
    from dse.space import Space

Array = NDArray[Any]

SCREENED = 50_000  # designs from which on a front is found after a screening
SAMPLED = 4_000
SCREENS = 24
STATES = [state.value for state in State]
COMPLETE, INFEASIBLE = STATES.index("complete"), STATES.index("infeasible")


@dataclass(frozen=True)
class Filters:
    """What a reader keeps of the designs.

    Attributes
    ----------
    ranges
        Least and greatest value by metric or numeric parameter; None is open.
    choices
        Positions among the listed values, by parameter.
    """

    ranges: Mapping[str, tuple[float | None, float | None]]
    choices: Mapping[str, tuple[int, ...]]

    def __bool__(self) -> bool:
        return bool(self.ranges or self.choices)

    @property
    def key(self) -> Any:
        """What tells them from others."""
        return tuple(sorted(self.ranges.items())), tuple(sorted(self.choices.items()))


NO_FILTERS = Filters({}, {})


class Columns:
    """The first n evaluations of a study. More of them are other columns: whoever holds these sees no change.

    Parameters
    ----------
    space
        The study's.
    objectives
        Metrics, and 1 or -1 for each: to be minimised after multiplying.
    names
        Metrics, in the order of their values.
    state
        Positions in `STATES` (n,).
    values
        Metrics (n, metrics), column by column in memory: what is asked for is one of them, of all designs.
    codes
        Designs (n, parameters), likewise.
    """

    def __init__(
        self,
        space: Space,
        objectives: Sequence[tuple[str, float]],
        names: Sequence[str],
        state: Array,
        values: Array,
        codes: Array,
    ) -> None:
        self.space = space
        self.objectives = objectives
        self.state = state
        self._place = {name: place for place, name in enumerate(names)}
        self._values = values
        self._codes = codes
        self._masks: dict[Any, Array] = {}
        self._fronts: dict[Any, Array] = {}
        self._work = threading.RLock()  # what several parts of a page wait for is made once

    def __len__(self) -> int:
        return len(self.state)

    def metric(self, name: str) -> Array:
        """Return a metric's values (n,); NaN without a result."""
        return self._values[:, self._place[name]]

    def codes(self, name: str) -> Array:
        """Return the numbers that stand for a parameter's values (n,)."""
        return self._codes[:, self.space.position(name)]

    def designs(self, numbers: Array) -> Designs:
        """Return the designs of some evaluations."""
        return Designs(self.space, self._codes[numbers])

    def frame(self, numbers: Array) -> pd.DataFrame:
        """Return some evaluations, indexed by number: state, parameters, metrics."""
        columns: dict[str, Any] = {"state": np.array(STATES, object)[self.state[numbers]]}
        columns |= self.designs(numbers).series()
        columns |= {name: self.metric(name)[numbers] for name in self._place}
        return pd.DataFrame(columns).set_axis(pd.Index(numbers, name="number"))

    def mask(self, filters: Filters) -> Array:
        """Return which designs are kept (n,)."""
        with self._work:
            found = self._masks.get(filters.key)
            if found is None:
                found = self._masks[filters.key] = self._kept(filters)
                found.flags.writeable = False
            return found

    def _kept(self, filters: Filters) -> Array:
        found = np.ones(len(self), bool)
        for name, (low, high) in filters.ranges.items():
            values = self.metric(name) if name in self._place else self._numeric(name)
            if low is not None:
                found &= values >= low
            if high is not None:
                found &= values <= high
        for name, positions in filters.choices.items():
            codes = self.codes(name)
            found &= np.logical_or.reduce([codes == position for position in positions])
        return found

    def _numeric(self, name: str) -> Array:
        return np.asarray(self.space[name].decode(self.codes(name)), float)

    def front_numbers(self, filters: Filters) -> Array:
        """Return the numbers of the nondominated designs among those kept."""
        with self._work:
            found = self._fronts.get(filters.key)
            if found is None:
                kept = np.flatnonzero(self.mask(filters) & (self.state == COMPLETE))
                found = self._fronts[filters.key] = front_of(self.minimised(kept), kept)
            return found

    def minimised(self, numbers: Array) -> Array:
        """Return objectives of some evaluations (k, objectives), each to be minimised."""
        made = np.empty((len(numbers), len(self.objectives)), order="F")
        for k, (name, sign) in enumerate(self.objectives):
            np.multiply(self.metric(name)[numbers], sign, out=made[:, k])
        return made


def front_of(values: Array, numbers: Array) -> Array:
    """Return the numbers of the nondominated among minimised values (n, objectives)."""
    if len(values) > SCREENED:
        # What a few good designs dominate need not be compared with each other.
        for screen in _screens(values[np.linspace(0, len(values) - 1, SAMPLED).astype(int)]):
            alive = ~_dominated(values, screen)
            columns = [column[alive] for column in values.T]
            values, numbers = np.array(columns).T, numbers[alive]
    if len(values):
        numbers = numbers[nondominated(values)]
    return numbers


def _screens(sample: Array) -> Array:
    """Return a few of a sample that dominate much of it, the one that dominates most of the rest first."""
    good = sample[nondominated(sample)]
    beats = np.array([_dominated(sample, one) for one in good])
    chosen: list[int] = []
    left = np.ones(len(sample), bool)
    while len(chosen) < SCREENS:
        gain = (beats & left).sum(axis=1)
        best = int(gain.argmax())
        if gain[best] < len(sample) / 1_000:
            break
        chosen.append(best)
        left &= ~beats[best]
    return good[chosen]


def _dominated(values: Array, one: Array) -> Array:
    """Return which rows of minimised values a point dominates."""
    no_better = np.ones(len(values), bool)
    same = np.ones(len(values), bool)
    for column, value in zip(values.T, one, strict=True):
        no_better &= column >= value
        same &= column == value
    return no_better & ~same


def thinned(numbers: Array, most: int) -> Array:
    """Return at most so many, evenly chosen."""
    if len(numbers) <= most:
        return numbers
    return np.asarray(numbers[np.linspace(0, len(numbers) - 1, most).round().astype(int)])
