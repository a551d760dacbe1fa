"""The changes of one parameter that lead from a design to its neighbours, as a table to draw from."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.space import Categorical, Real, Space

Array = NDArray[Any]
Floats = NDArray[np.float64]
Ids = NDArray[np.int64]

# Most values of a categorical parameter that are moves of their own; of more, one move draws any of them.
MOST_VALUES = 16
# The shortest step of a real parameter, in its scaled range.
LEAST_STEP = 1e-3


class Moves:
    """Up and down in each ordered parameter, and to each value of a categorical one.

    Steps have no length that is preferred: their logarithm is uniform, from one value to the whole domain, of
    a real parameter from `LEAST_STEP` of its scaled range.

    Parameters
    ----------
    space
        The space of the designs.

    Attributes
    ----------
    position
        The parameter of each move (moves,). A parameter of one value has none.
    chance
        Probability of each move (moves,) where every parameter is as likely, and so is each of its moves.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        table: list[tuple[int, int, int]] = []  # position; sign, or 0; value, or -1 for any
        for position, parameter in enumerate(space.parameters):
            count = parameter.cardinality
            if isinstance(parameter, Categorical):
                if count > MOST_VALUES:
                    table.append((position, 0, -1))
                elif count > 1:
                    table += [(position, 0, value) for value in range(int(count))]
            elif count > 1:
                table += [(position, -1, 0), (position, 1, 0)]
        self.position, self._sign, self._value = np.array(table, np.int64).reshape(-1, 3).T
        moves = np.bincount(self.position, minlength=len(space.names))
        self.chance: Floats = 1.0 / (moves[self.position] * np.count_nonzero(moves))
        self._real = [p for p, parameter in enumerate(space.parameters) if isinstance(parameter, Real)]
        self._top = np.array([min(parameter.cardinality, 2.0**53) - 1.0 for parameter in space.parameters])

    def __len__(self) -> int:
        return len(self.position)

    def drawn(self, chances: Floats, rng: np.random.Generator) -> Ids:
        """Return a move for each row of probabilities (n, moves)."""
        steps = chances.cumsum(axis=1)
        below = steps <= rng.random((len(chances), 1)) * steps[:, -1:]
        return np.asarray(np.minimum(below.sum(axis=1), len(self) - 1))

    def applied(self, codes: Array, moves: Ids, rng: np.random.Generator) -> Array:
        """Return designs (n, parameters), each changed by its move (n,), within their domains."""
        rows = np.arange(len(codes))
        where, sign, value = self.position[moves], self._sign[moves], self._value[moves]
        top, length = self._top[where], rng.random(len(codes))
        stepped = codes[rows, where] + sign * np.floor((top + 1.0) ** length)
        drawn = np.floor(rng.random(len(codes)) * (top + 1.0))
        new = np.where(sign == 0, np.where(value < 0, drawn, value), np.clip(stepped, 0.0, top))
        for position in self._real:
            mine = where == position
            parameter = self.space.parameters[position]
            assert isinstance(parameter, Real)
            unit = parameter.scaled(codes[mine, position].astype(float))
            new[mine] = parameter.unscaled(unit + sign[mine] * LEAST_STEP ** length[mine])
        changed = codes.copy()
        changed[rows, where] = new
        return changed

    def between(self, old: Array, new: Array) -> NDArray[np.bool_]:
        """Return which moves (n, moves) lead from old designs towards new ones (n, parameters)."""
        ahead = np.sign(new - old)[:, self.position]
        reached = (self._value < 0) | (new[:, self.position] == self._value)
        return np.asarray((ahead != 0) & np.where(self._sign == 0, reached, ahead == self._sign))
