"""`pgsam`: Pareto-guided simulated annealing with momentum, in parallel chains.

The name and the idea, annealing of several objectives at once that is guided by the front and gathers
momentum, are those of S. Kumar, S. Jha, "QEIL v2: heterogeneous computing for edge intelligence via
roofline-derived Pareto-optimal energy modeling and multi-objective orchestration", arXiv:2602.06057, 2026, of
which only the abstract was at hand: it names the method and says no more. Moves, momentum, restarts and
cooling below are this project's own. Acceptance by the amount of domination over an archive is after S.
Bandyopadhyay, S. Saha, U. Maulik, K. Deb, "A simulated annealing-based multiobjective optimization algorithm:
AMOSA", IEEE Trans. Evol. Comput. 12(3), 2008.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dse.designs import Designs
from dse.evaluations import Evaluations
from dse.pareto import dominates, nondominated
from dse.searchers.batch import Batch
from dse.searchers.held import Held
from dse.searchers.moves import Moves
from dse.searchers.nsga2 import survivors
from dse.searchers.ranges import Number, Range
from dse.searchers.settings import positive, probability, whole
from dse.space import Space

Array = NDArray[Any]
Floats = NDArray[np.float64]
Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]

# Designs that a chain is compared with and restarts from.
ARCHIVE = 100
# Candidates of a chain in a batch.
CANDIDATES = 3
# Parameters that are changed at once, by attempt: more where fewer bring nothing new.
CHANGES = (1, 1, 2, 4)
# Candidates that are drawn for each that is wanted: others are outside the space, or known.
DRAWN = 4
# Share of its momentum that a chain keeps where a candidate did not bring it on.
KEPT = 0.5
# Evaluations told at once beyond which the first only enter the archive: nobody proposed so many.
RECENT = 1_000


class PGSAM:
    """Simulated annealing in several chains, each of which goes on from its own current design.

    A candidate differs from its chain's design in one parameter (`dse.searchers.moves`). A chain takes the
    best of its candidates if no design of the archive nor its own dominates it, or if it dominates its own;
    else with probability 1 / (1 + exp(amount / temperature)), where the amount is the mean over those that
    dominate it of how far they do: AMOSA's product of differences over the ranges of the objectives, here its
    geometric mean, so that a temperature means the same for any number of objectives. Less violation is
    always taken, more with the same probability of the difference.

    Momentum: moves, that is parameters and directions, that lately brought a chain on are drawn again.
    Guidance: a chain that stays behind the front for long starts anew from a design of the archive, those of
    the front's least crowded parts before others. Where a chain's neighbours are all known, it changes
    several parameters at once, and then random designs fill the batch.

    How long the search will be is not known: after t designs the temperature is
    `temperature` / (1 + t / `cooling`), as in H. Szu, R. Hartley, "Fast simulated annealing", Phys. Lett. A
    122(3-4), 1987. Which chain a design was made for is told by the design: it goes to the chain from which
    it differs in the fewest parameters.

    Parameters
    ----------
    space
        The search space.
    seed
        Same seed and history, same designs.
    initial
        Random designs at the start.
    chains
        How many; a batch is `CANDIDATES` of each.
    temperature
        At the start, in ranges of the front.
    cooling
        Designs after which it is half of that.
    momentum
        Probability that a chain's move is one of those that lately brought it on.
    patience
        Turns without getting on after which a chain starts anew.

    Raises
    ------
    SearcherError
        If a setting is out of range.
    """

    distinct = True

    ranges: ClassVar[Mapping[str, Range]] = {
        "initial": Number(5, 200, log=True, whole=True),
        "chains": Number(2, 32, log=True, whole=True),
        "temperature": Number(0.002, 0.2, log=True),
        "cooling": Number(20, 1000, log=True),
        "momentum": Number(0.0, 0.9),
        "patience": Number(1, 10, log=True, whole=True),
    }

    def __init__(
        self,
        space: Space,
        *,
        seed: int = 0,
        initial: int = 50,
        chains: int = 8,
        temperature: float = 0.02,
        cooling: float = 100.0,
        momentum: float = 0.5,
        patience: int = 3,
    ) -> None:
        whole("pgsam", 1, initial=initial, chains=chains, patience=patience)
        positive("pgsam", temperature=temperature, cooling=cooling)
        probability("pgsam", momentum=momentum)
        self.space = space
        self.seed = seed
        self.initial = initial
        self.chains = chains
        self.temperature = temperature
        self.cooling = cooling
        self.momentum = momentum
        self.patience = patience
        self.batch = CANDIDATES * chains
        self._moves = Moves(space)
        self._seen: set[bytes] = set()
        self._told = 0
        # The archive, best first, and the chains' designs.
        self._archive = Held.none(space)
        self._current = Held.none(space)
        self._stalled: Ids = np.zeros(chains, np.int64)
        self._speed: Floats = np.zeros((chains, len(self._moves)))

    def ask(self, n: int) -> Designs:
        """Return n designs: random ones at first, then neighbours of the chains' designs."""
        batch = Batch(self.space, n, self._seen)
        if len(self._current) and len(self._moves):
            rng = np.random.default_rng([self.seed, self._told])
            wanted = np.bincount(np.resize(rng.permutation(self.chains), n), minlength=self.chains)
            for changes in CHANGES:
                left = np.repeat(np.arange(self.chains), wanted)
                if not len(left):
                    break
                self._keep(np.tile(left, DRAWN), changes, rng, wanted, batch)
        return batch.filled(self.seed, self._told)

    def _keep(self, chain: Ids, changes: int, rng: np.random.Generator, wanted: Ids, batch: Batch) -> None:
        """Draw a candidate for each chain named; choose new ones, as many of a chain as are wanted."""
        speed = self._speed.sum(axis=1, keepdims=True)
        again = np.divide(self._speed, speed, out=np.zeros_like(self._speed), where=speed > 0)
        share = np.where(speed > 0, self.momentum, 0.0)
        chances = share * again + (1 - share) * self._moves.chance
        codes = self._current.codes[chain]
        for _ in range(changes):
            codes = self._moves.applied(codes, self._moves.drawn(chances[chain], rng), rng)
        codes = self.space.canonical(codes)
        inside = np.flatnonzero(self.space.satisfies(codes))
        codes, owners = codes[inside], chain[inside].tolist()
        for key, row, owner in zip(self.space.keys(codes), codes, owners, strict=True):
            if wanted[owner] and batch.offer(key, row):
                wanted[owner] -= 1

    def tell(self, evaluations: Evaluations) -> None:
        """Merge evaluations into the archive, and let the chains go on."""
        self._seen.update(self.space.keys(evaluations.designs.codes))
        self._told += len(evaluations)
        new = Held.of(evaluations)
        if not len(new):
            return
        rng = np.random.default_rng([self.seed, self._told])
        merged = self._archive.joined(new)
        count = max(ARCHIVE, self.chains)
        self._archive = merged.take(survivors(merged.objectives, merged.violation, count, rng))
        if len(self._current):
            self._anneal(new.take(slice(-RECENT, None)), rng)
        elif self._told >= self.initial:
            self._current = self._archive.take(np.resize(np.arange(len(self._archive)), self.chains))

    def _anneal(self, new: Held, rng: np.random.Generator) -> None:
        """Let each chain consider the best of the new designs that are nearer to it than to other chains."""
        front = self._archive.take(self._archive.violation == 0)
        front = front.take(nondominated(front.objectives))
        ranged = (front if len(front) > 1 else self._current.joined(new)).objectives
        low, high = ranged.min(axis=0), ranged.max(axis=0)
        spread = np.where(high > low, high - low, 1.0)

        behind = domination(front.objectives, new.objectives, spread) * (new.violation == 0)
        apart = (new.codes[:, None] != self._current.codes).sum(axis=2)
        owner = (apart + 0.5 * rng.random(apart.shape)).argmin(axis=1)
        order = np.lexsort((rng.random(len(new)), behind.sum(axis=0), new.violation))
        chain, first = np.unique(owner[order], return_index=True)
        candidate, current = new.take(order[first]), self._current.take(chain)
        behind = behind[:, order[first]]

        equal = candidate.violation == current.violation
        own = equal * np.diagonal(domination(current.objectives, candidate.objectives, spread))
        gained = equal & dominates(candidate.objectives, current.objectives)
        better = (candidate.violation < current.violation) | gained
        rivals = np.count_nonzero(behind, axis=0) + (own > 0)
        amount = (behind.sum(axis=0) + own) / np.maximum(rivals, 1)
        worse = np.maximum(candidate.violation - current.violation, 0.0)
        free = equal & (rivals == 0)
        temperature = self.temperature / (1 + self._told / self.cooling)
        with np.errstate(over="ignore"):
            chance = 1 / (1 + np.exp(np.where(worse > 0, worse, amount) / temperature))
        accepted = better | free | (rng.random(len(chain)) < chance)
        self._go_on(chain, candidate, accepted, better | free, rng)

    def _go_on(
        self, chain: Ids, candidate: Held, accepted: Mask, improved: Mask, rng: np.random.Generator
    ) -> None:
        """Move chains to accepted candidates, learn what brought them on, and start stalled ones anew."""
        used = self._moves.between(self._current.codes[chain], candidate.codes)
        self._speed[chain] = np.where(improved[:, None], self._speed[chain] + used, KEPT * self._speed[chain])
        self._stalled[chain] = np.where(improved, 0, self._stalled[chain] + 1)
        self._current = self._current.put(chain[accepted], candidate.take(accepted))
        stalled = np.flatnonzero(self._stalled >= self.patience)
        if len(stalled):
            # The archive is sorted best first, so the lower of two positions wins.
            from_ = rng.integers(len(self._archive), size=(2, len(stalled))).min(axis=0)
            self._current = self._current.put(stalled, self._archive.take(from_))
            self._stalled[stalled] = 0
            self._speed[stalled] = 0.0


def domination(points: Floats, others: Floats, spread: Floats) -> Floats:
    """Return by how much each point dominates each of the others (n, k); 0 where it does not.

    The geometric mean of the differences in units of `spread` (m,), over the objectives that differ: AMOSA
    takes their product (Bandyopadhyay et al. 2008).
    """
    no_worse = np.ones((len(points), len(others)), dtype=bool)
    for mine, theirs in zip(points.T, others.T, strict=True):
        no_worse &= mine[:, None] <= theirs
    first, second = np.nonzero(no_worse)
    gaps = (others[second] - points[first]) / spread
    differ = gaps > 0
    count = differ.sum(axis=1)
    logs = np.log(np.where(differ, gaps, 1.0)).sum(axis=1)
    amount = np.zeros(no_worse.shape)
    amount[first, second] = np.where(count > 0, np.exp(logs / np.maximum(count, 1)), 0.0)
    return amount
