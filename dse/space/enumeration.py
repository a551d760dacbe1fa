"""Build feasible designs parameter by parameter, pruning as soon as a constraint cannot hold any more.

A constraint applies once its columns are known; before that, bounds of wide ones do (`dse.space.bounds`).

A *block* holds partial designs as codes, a matrix (assigned parameters, n): row i holds the codes of the
i-th step's parameter.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dse.errors import SpaceError
from dse.space.bounds import Bound
from dse.space.constraints import Constraint
from dse.space.plan import Step

if TYPE_CHECKING:
    from dse.space.space import Space

Array = NDArray[Any]

BLOCK = 1 << 16  # partial designs extended at once: the working set stays within the caches


class BlockColumns:
    """The columns of a block, decoded on demand; `parents` selects and repeats its designs.

    `new` holds codes of the parameter after those of the block.
    """

    def __init__(
        self,
        space: Space,
        steps: Sequence[Step],
        block: Array,
        parents: Array | None = None,
        new: Array | None = None,
    ) -> None:
        self._space = space
        self._rows = {space.names[step.position]: row for row, step in enumerate(steps)}
        self._block, self._parents, self._new = block, parents, new
        self._known: dict[str, Array] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._rows

    def __getitem__(self, name: str) -> Array:
        if name not in self._known:
            row = self._rows[name]
            parameter = self._space.parameters[self._space.positions[name]]
            if row == len(self._block):
                assert self._new is not None
                self._known[name] = parameter.decode(self._new)
            else:
                values = parameter.decode(self._block[row])
                self._known[name] = values if self._parents is None else values[self._parents]
        return self._known[name]


def code_type(space: Space, steps: Sequence[Step]) -> np.dtype[Any]:
    """Return the smallest type that holds the codes of all steps."""
    if not all(space.parameters[step.position].discrete for step in steps):
        return np.dtype(np.float64)
    return np.result_type(np.uint8, *(space.parameters[step.position].code_dtype for step in steps))


def root(space: Space, steps: Sequence[Step]) -> Array:
    """Return the block of one empty design."""
    return np.empty((0, 1), dtype=code_type(space, steps))


def extend(
    space: Space, steps: Sequence[Step], block: Array, start: int = 0, stop: int | None = None
) -> tuple[Array, Array]:
    """Extend a block by the values of its next step's parameter.

    Parameters
    ----------
    steps
        The plan; the block has assigned the first ``len(block)`` of them.
    start, stop
        The range of codes to try; all by default. Where the parameter is not active it takes its
        canonical value, once, in the range that starts at 0.

    Returns
    -------
    parents, codes
        Arrays (k,): the design in the block that each survivor extends, and its new code.
    """
    step = steps[len(block)]
    parameter = space.parameters[step.position]
    if not parameter.discrete:
        raise SpaceError(f"the space cannot be enumerated: {parameter.name!r} is real; make it Ordinal")
    n = block.shape[1]
    codes = np.arange(start, parameter.cardinality if stop is None else stop)
    if parameter.condition is None:
        # Texts over a grid (n, codes): what only earlier parameters enter is computed once a design.
        grid = BlockColumns(space, steps[: len(block) + 1], block[..., None], None, codes)
        texts = [rule for rule in step.constraints if rule.expression is not None]
        keep = obeyed(step.bounds, texts, grid, (n, len(codes)))
        if keep is None:
            parents = np.repeat(np.arange(n), len(codes))
            codes = np.tile(codes, n)
        else:
            parents, chosen = np.divmod(np.flatnonzero(keep), len(codes))
            codes = codes[chosen]
        others = [rule for rule in step.constraints if rule.expression is None]
        columns = BlockColumns(space, steps[: len(block) + 1], block, parents, codes)
        keep = obeyed((), others, columns, len(codes))
    else:
        idle = space.idle(parameter.name, BlockColumns(space, steps[: len(block)], block), n)
        counts = np.where(idle, int(start == 0), len(codes))
        parents = np.repeat(np.arange(n), counts)
        first = np.cumsum(counts) - counts
        codes = np.arange(start, start + len(parents)) - first[parents]
        codes[idle[parents]] = parameter.inactive_code
        keep = satisfied(space, steps, block, parents, codes)
    return (parents, codes) if keep is None else (parents[keep], codes[keep])


def satisfied(
    space: Space, steps: Sequence[Step], block: Array, parents: Array | None, new: Array
) -> NDArray[np.bool_] | None:
    """Return which extended designs satisfy the next step's constraints and bounds; None if it has none."""
    step = steps[len(block)]
    columns = BlockColumns(space, steps[: len(block) + 1], block, parents, new)
    return obeyed(step.bounds, step.constraints, columns, len(new))


def obeyed(
    bounds: Sequence[Bound],
    constraints: Sequence[Constraint],
    columns: BlockColumns,
    n: int | tuple[int, ...],
) -> NDArray[np.bool_] | None:
    """Return the mask, of shape n, of the designs that nothing rules out; None if nothing could."""
    masks = [np.broadcast_to(bound.may_hold(columns), n) for bound in bounds]
    masks += [constraint.holds(columns, n) for constraint in constraints]
    return reduce(np.logical_and, masks) if masks else None


def append(block: Array, parents: Array | slice, codes: Array) -> Array:
    """Return the block of the designs `parents`, extended by `codes`."""
    extended = np.empty((len(block) + 1, len(codes)), dtype=block.dtype)
    extended[:-1] = block[:, parents]
    extended[-1] = codes
    return extended


class WorkExceededError(Exception):
    """More partial designs were tried than allowed."""


def walk(space: Space, steps: Sequence[Step], work: float = math.inf) -> Iterator[Array]:
    """Yield blocks of complete designs in the plan's lexicographic order, in constant memory.

    Raises
    ------
    WorkExceededError
        After `work` partial designs.
    """
    stack: list[tuple[Array, int]] = [(root(space, steps), 0)]
    while stack:
        block, start = stack.pop()
        if len(block) == len(steps):
            yield block
            continue
        cardinality = space.parameters[steps[len(block)].position].cardinality
        most = max(1, int(BLOCK // cardinality))
        if block.shape[1] > most:
            stack.append((block[:, most:], 0))
            block = block[:, :most]
        stop = None
        if cardinality > BLOCK and start + BLOCK < cardinality:
            stop = start + BLOCK
            stack.append((block, stop))
        work -= block.shape[1] * ((cardinality if stop is None else stop) - start)
        if work < 0:
            raise WorkExceededError
        parents, codes = extend(space, steps, block, start, stop)
        if len(codes):
            stack.append((append(block, parents, codes), 0))


def count(space: Space, steps: Sequence[Step], work: int) -> int | None:
    """Count complete designs exactly, or return None after `work` partial designs."""
    try:
        return sum(int(block.shape[1]) for block in walk(space, steps, work))
    except WorkExceededError:
        return None
