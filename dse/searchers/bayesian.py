"""`bayesian`: Gaussian processes and expected improvement over a pool of feasible designs.

Jones, Schonlau and Welch, "Efficient global optimization of expensive black-box functions", J. Global Optim.
13, 1998 (expected improvement); several objectives by augmented Chebyshev scalarisation under random
weights, as in Knowles, "ParEGO", IEEE Trans. Evol. Comput. 10(1), 2006, with a process for each objective.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dse.designs import Designs
from dse.errors import SearcherError
from dse.evaluations import Evaluations
from dse.linear import LinearProblem
from dse.searchers.features import Features
from dse.searchers.fresh import fresh
from dse.searchers.ilp import ILP
from dse.searchers.nsga2 import survivors
from dse.searchers.ranges import Number, Range
from dse.space import Space

Array = NDArray[Any]
Floats = NDArray[np.float64]
Prior = Callable[[Designs], Floats]

# Of the weighted sum beside the greatest weighted objective: Knowles 2006, section III.
AUGMENTATION = 0.05
# Joint samples of the objectives by which improvement is averaged.
SAMPLES = 16
# Kernels are fitted anew after so many evaluations.
REFIT = 20
# To so many at most: the cost of fitting grows with their cube.
FITTED = 200
# A model of feasibility rules nothing out.
LEAST_CHANCE = 1e-6
# Designs whose neighbours are candidates.
ELITE = 10
# The same with several objectives, where the best are a front.
FRONT = 50


class Bayesian:
    """Proposes the designs that promise the greatest improvement under Gaussian processes.

    Candidates are members of the space that were not evaluated: all of them in a small space, else random
    ones and neighbours of the best. Objectives are learned by logarithm where all are positive, and cut off
    above their median as far as the best lies below it: how bad the bad ones are does not matter. Failed
    designs count as bad, and a process of their own learns which are feasible.

    Parameters
    ----------
    space
        The search space.
    seed
        Same seed and history, same designs.
    initial
        Designs before the first model: random ones, and the best half by the prior where there is one.
    pool
        Candidates that are compared.
    trained
        Evaluations at most that a model is fitted to: the best of all, and others at random.
    use_prior
        Whether the problem's prior, where it has one, is used.
    programs
        Where the prior's objectives are sums of tables: designs of its exact front, found by mixed-integer
        programs as `dse.searchers.ilp` does, that come before all others.
    prior
        Returns for designs what is believed of their objectives, a matrix (n, m) to be minimised; its
        logarithm is a feature of the models. Given by a study whose problem has a prior.
    linear
        The prior's objectives as sums of tables, where they are.

    Raises
    ------
    SearcherError
        If a setting is out of range.
    """

    batch = 4
    distinct = True
    ranges: ClassVar[Mapping[str, Range]] = {
        "initial": Number(5, 100, log=True, whole=True),
        "pool": Number(500, 50_000, log=True, whole=True),
        "trained": Number(100, 1_000, log=True, whole=True),
    }

    def __init__(
        self,
        space: Space,
        *,
        seed: int = 0,
        initial: int = 20,
        pool: int = 20_000,
        trained: int = 500,
        use_prior: bool = True,
        programs: int = 100,
        prior: Prior | None = None,
        linear: LinearProblem | None = None,
    ) -> None:
        numbers = (
            ("initial", initial, 2),
            ("pool", pool, 10),
            ("trained", trained, 10),
            ("programs", programs, 0),
        )
        for label, value, least in numbers:
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise SearcherError(f"bayesian: {label}={value!r} must be a whole number, {least} or more")
        self.space = space
        self.seed = seed
        self.initial = initial
        self.pool = pool
        self.trained = trained
        self.prior = prior if use_prior else None
        self.programs = programs
        self._exact: ILP | None = None
        if linear is not None and self.prior is not None and programs:
            self._exact = ILP(space, linear=linear)
        self._features = Features(space)
        self._seen: set[bytes] = set()
        self._codes: Array = np.empty((0, len(space.names)), dtype=space.code_dtype)
        self._objectives: Floats = np.empty((0, 0))
        self._violation: Floats = np.empty(0)
        self._kernels: dict[tuple[int, int], Any] = {}
        self._spreads: dict[int, tuple[Floats, Floats]] = {}

    @property
    def _told(self) -> int:
        return len(self._codes)

    def tell(self, evaluations: Evaluations) -> None:
        """Remember evaluations; failed ones as well."""
        if not len(evaluations):
            return
        self._seen.update(self.space.keys(evaluations.designs.codes))
        if self._exact is not None:
            self._exact.tell(evaluations)
        known = evaluations.evaluated
        objectives = np.where(known[:, None], evaluations.objectives, np.nan)
        violation = np.where(known, evaluations.violation, np.inf)
        if not self._told:
            self._objectives = objectives[:0]
        self._codes = np.concatenate([self._codes, evaluations.designs.codes])
        self._objectives = np.concatenate([self._objectives, objectives])
        self._violation = np.concatenate([self._violation, violation])

    def ask(self, n: int) -> Designs:
        """Return n designs: the prior's best and random ones first, then by expected improvement."""
        rng = np.random.default_rng([self.seed, self._told])
        if self._exact is not None:
            best = self._exact.untold(n, self.programs)
            if len(best):
                return best
        if self._told < self.initial or not np.isfinite(self._violation).any():
            codes = self._first(n)
        else:
            codes = self._proposed(n, rng)
        if len(codes) < n:
            seen = self._seen | set(self.space.keys(codes))
            codes = np.concatenate([codes, fresh(self.space, n - len(codes), self.seed, self._told, seen)])
        return Designs(self.space, codes)

    def _first(self, n: int) -> Array:
        """Return up to n of the prior's best, while half of the initial designs are not told yet."""
        wanted = min(n, self.initial // 2 - self._told)
        if self.prior is None or wanted < 1:
            return self._codes[:0]
        codes = self._candidates()
        believed = self._believed(codes)
        if not len(codes):
            return codes
        rng = np.random.default_rng(self.seed)
        return codes[survivors(believed, np.zeros(len(codes)), wanted, rng)]

    def _candidates(self) -> Array:
        """Return members of the space that were not told: all, or random ones and neighbours of the best."""
        sampler = self.space.sampler
        if sampler.tabulated and sampler.size <= self.pool:
            codes = sampler.at(np.arange(int(sampler.size), dtype=np.uint64))
        else:
            codes = fresh(self.space, self.pool, self.seed, self._told, self._seen)
            near = self._neighbours()
            if len(near):
                codes = np.unique(np.concatenate([near, codes]), axis=0)
        keys = self.space.keys(codes)
        return codes[[row for row, key in enumerate(keys) if key not in self._seen]]

    def _neighbours(self) -> Array:
        """Return the members that differ from one of the best designs in one or two parameters."""
        known = np.flatnonzero(np.isfinite(self._violation))
        if not len(known):
            return self._codes[:0]
        rng = np.random.default_rng([self.seed, self._told, 1])
        elite = ELITE if self._objectives.shape[1] == 1 else FRONT
        best = survivors(self._objectives[known], self._violation[known], elite, rng)
        parents = self._codes[known[best]]
        count = max(1, self.pool // (4 * len(parents)))
        other = fresh(self.space, count * len(parents), self.seed, self._told + 1, set())
        if not len(other):
            return other
        children = np.repeat(parents, count, axis=0)
        donors = other[np.arange(len(children)) % len(other)]
        changed = rng.integers(len(self.space.names), size=(2, len(children)))
        for positions in changed:
            rows = np.arange(len(children))
            children[rows, positions] = donors[rows, positions]
        children = self.space.canonical(children)
        return children[self.space.satisfies(children)]

    def _believed(self, codes: Array) -> Floats:
        """Return the prior's objectives (n, m), the greatest in place of what it does not know."""
        assert self.prior is not None
        believed = np.asarray(self.prior(Designs(self.space, codes)), float)
        for column in believed.T:
            known = np.isfinite(column)
            column[~known] = column[known].max() if known.any() else 0.0
        return believed

    def _inputs(self, codes: Array, count: int) -> Floats:
        """Return what the models see of designs; beliefs in units of their spread over the first `count`."""
        features = self._features(codes)
        if self.prior is None:
            return features
        centre, width = self._spread_of_beliefs(count)
        return np.column_stack([features, (_compressed(self._believed(codes)) - centre) / width])

    def _spread_of_beliefs(self, count: int) -> tuple[Floats, Floats]:
        if count not in self._spreads:
            believed = _compressed(self._believed(self._codes[:count]))
            width = believed.std(axis=0)
            self._spreads = {count: (believed.mean(axis=0), np.where(width > 0, width, 1.0))}
        return self._spreads[count]

    def _proposed(self, n: int, rng: np.random.Generator) -> Array:
        from threadpoolctl import threadpool_limits

        candidates = self._candidates()
        if not len(candidates):
            return candidates
        # One thread: the order of additions, and with it the result, does not depend on the machine.
        with threadpool_limits(1):
            return candidates[self._best_of(candidates, n, rng)]

    def _best_of(self, candidates: Array, n: int, rng: np.random.Generator) -> Array:
        """Return the positions of n candidates."""
        # Kernels are those of the last multiple of REFIT, whatever the batches were, so that a resumed run
        # has the same.
        count = max(self._told // REFIT * REFIT, min(self.initial, self._told))
        rows = self._training(self._told, self.trained)
        known, asked = self._inputs(self._codes[rows], count), self._inputs(candidates, count)
        feasible = self._violation[rows] == 0
        chance = np.ones(len(asked))
        if not feasible.all():
            from scipy.stats import norm

            graded = _graded(self._violation[rows])
            mean, deviation = self._predicted(known, graded, asked, self._kernel(-1, count))
            chance = np.clip(norm.cdf(-mean / deviation), LEAST_CHANCE, 1.0)
        if not feasible.any():
            return np.argsort(-chance, kind="stable")[:n]

        targets = _targets(self._objectives[rows])
        parts = [
            self._predicted(known, target, asked, self._kernel(index, count))
            for index, target in enumerate(targets.T)
        ]
        means, deviations = (np.column_stack(part) for part in zip(*parts, strict=True))
        if targets.shape[1] == 1:
            gain = _expected_improvement(means[:, 0], deviations[:, 0], targets[feasible, 0].min())
            return self._apart(gain * chance, asked, n, self._kernel(0, count))
        return _scalarised(targets[feasible], means, deviations, chance, n, rng)

    def _apart(self, gain: Floats, asked: Floats, n: int, kernel: Any) -> NDArray[np.int64]:
        """Return the positions of n candidates of great gain that do not tell the same."""
        chosen: list[int] = []
        score = gain.copy()
        for _ in range(min(n, len(asked))):
            place = int(np.argmax(score))
            chosen.append(place)
            alike = kernel(asked, asked[place : place + 1])[:, 0] / kernel.k1.k1.constant_value
            score = score * np.clip(1.0 - alike**4, 0.0, 1.0)
            score[chosen] = -np.inf
        return np.array(chosen, np.int64)

    def _training(self, told: int, most: int) -> NDArray[np.int64]:
        """Return `most` rows to learn from among the first `told`: the best, and others at random."""
        if told <= most:
            return np.arange(told)
        rng = np.random.default_rng([self.seed, told, 2])
        known = np.flatnonzero(np.isfinite(self._violation[:told]))
        best = survivors(self._objectives[known], self._violation[known], most // 2, rng)
        kept = known[best]
        rest = np.setdiff1d(np.arange(told), kept)
        return np.sort(np.concatenate([kept, rng.permutation(rest)[: most - len(kept)]]))

    def _predicted(self, known: Floats, target: Floats, asked: Floats, kernel: Any) -> tuple[Floats, Floats]:
        """Return mean and deviation (n,) of the target at `asked`."""
        from sklearn.gaussian_process import GaussianProcessRegressor

        centre, scale = target.mean(), target.std() or 1.0
        process = GaussianProcessRegressor(kernel, optimizer=None).fit(known, (target - centre) / scale)
        mean, deviation = process.predict(asked, return_std=True)
        return mean * scale + centre, np.maximum(deviation * scale, 1e-9)

    def _kernel(self, index: int, count: int) -> Any:
        """Return the kernel of an objective (of feasibility: -1), fitted to the first `count` evaluations."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

        if (index, count) not in self._kernels:
            rows = self._training(count, FITTED)
            known = self._inputs(self._codes[rows], count)
            if index < 0:
                target = _graded(self._violation[rows])
            else:
                target = _targets(self._objectives[rows])[:, index]
            lengths = Matern(np.full(known.shape[1], 0.5), (0.05, 20.0), nu=2.5)
            start = ConstantKernel(1.0) * lengths + WhiteKernel(1e-3, (1e-6, 1e-1))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                process = GaussianProcessRegressor(start).fit(
                    known, (target - target.mean()) / (target.std() or 1.0)
                )
            self._kernels = {key: kept for key, kept in self._kernels.items() if key[1] == count}
            self._kernels[index, count] = process.kernel_
        return self._kernels[index, count]


def _compressed(values: Floats) -> Floats:
    """Return columns by logarithm where all of a column are positive."""
    out = values.copy()
    for column in out.T:
        if (column > 0).all():
            np.log(column, out=column)
    return out


def _graded(violation: Floats) -> Floats:
    """Return what is learned of violations (n,): below zero where feasible, twice the middle where failed."""
    broken = violation[(violation > 0) & np.isfinite(violation)]
    middle = float(np.median(broken)) if len(broken) else 1.0
    return np.where(violation > 0, np.minimum(violation, 2 * middle), -middle / 2)


def _targets(objectives: Floats) -> Floats:
    """Return what is learned of objectives (n, m): compressed, the worse half cut off, no holes."""
    known = np.isfinite(objectives).all(axis=1)
    out = np.empty_like(objectives)
    out[known] = _compressed(objectives[known])
    for column in out.T:
        middle, least = np.median(column[known]), column[known].min()
        most = max(2 * middle - least, least)
        column[known] = np.minimum(column[known], most)
        column[~known] = most
    return out


def _expected_improvement(mean: Floats, deviation: Floats, best: float) -> Floats:
    from scipy.stats import norm

    z = (best - mean) / deviation
    return np.asarray(deviation * (z * norm.cdf(z) + norm.pdf(z)), float)


def _scalarised(
    told: Floats, mean: Floats, deviation: Floats, chance: Floats, n: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return the positions of n candidates, each the best under weights of its own."""
    ideal, width = told.min(axis=0), np.ptp(told, axis=0)
    width = np.where(width > 0, width, 1.0)
    mean, deviation, told = (mean - ideal) / width, deviation / width, (told - ideal) / width
    noise = rng.standard_normal((SAMPLES, told.shape[1]))
    chosen: list[int] = []
    free = np.ones(len(mean), dtype=bool)
    for _ in range(min(n, len(mean))):
        weights = rng.dirichlet(np.ones(told.shape[1]))
        best = _chebyshev(told, weights).min()
        gain = np.zeros(len(mean))
        for draw in noise:
            gain += np.maximum(best - _chebyshev(mean + deviation * draw, weights), 0.0)
        # Where no candidate promises anything, the one whose mean is best.
        score = gain * chance - 1e-9 * _chebyshev(mean, weights)
        place = int(np.argmax(np.where(free, score, -np.inf)))
        chosen.append(place)
        free[place] = False
    return np.array(chosen, np.int64)


def _chebyshev(objectives: Floats, weights: Floats) -> Floats:
    weighted = objectives * weights
    return np.asarray(weighted.max(axis=1) + AUGMENTATION * weighted.sum(axis=1), float)
