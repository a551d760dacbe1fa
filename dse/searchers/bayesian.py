"""`bayesian`: Gaussian processes, and the hypervolume that designs are expected to add.

Jones, Schonlau and Welch, "Efficient global optimization of expensive black-box functions", J. Global Optim.
13, 1998 (expected improvement); several objectives by the expected improvement of the hypervolume
(`dse.searchers.improvement`); limits by the chance that they hold, as in M. Schonlau, W. J. Welch, D. R.
Jones, "Global versus local search in constrained optimization of computer models", IMS Lecture Notes 34,
1998.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dse import gaussian
from dse.designs import Designs
from dse.evaluations import Evaluations
from dse.features import Features
from dse.gaussian import Kernel
from dse.linear import LinearProblem
from dse.pareto import nondominated
from dse.searchers.batch import Batch
from dse.searchers.candidates import crossed, everything, near, unseen
from dse.searchers.fresh import fresh
from dse.searchers.history import History
from dse.searchers.ilp import ILP
from dse.searchers.models import Models, graded, learned_objective, said
from dse.searchers.nsga2 import survivors
from dse.searchers.outputs import scale
from dse.searchers.ranges import Number, Range
from dse.searchers.settings import whole
from dse.searchers.sobol import Sobol
from dse.space import Space

Array = NDArray[Any]
Floats = NDArray[np.float64]
Prior = Callable[[Designs], Floats]
Margins = Callable[[Mapping[str, Floats]], Floats]

# Kernels are fitted anew when so many more are told, as a share, and at least so many.
REFIT, REFIT_LEAST = 0.1, 16
# To so many at most: the cost of fitting grows with their cube.
FITTED = 200
# From so many points a feature on, columns of a categorical parameter have lengths of their own.
FREE = 5
# How many times as many candidates are compared where there is one objective.
SINGLE = 3
# Beyond, numbers are not told apart: their products must stay finite.
LARGEST = 1e60
# Designs that the prior is asked of, where there is one, for the best of them.
BELIEVED = 20_000
# Designs a batch, and while a model learns most from each of few: before so many are told.
BATCH, BATCH_EARLY, EARLY = 4, 2, 100
# Designs of the front whose neighbours are candidates.
PARENTS = 40
# Candidates that moves lead to from the best of the others, and how often.
TOP, ROUNDS = 8, 3
# Candidates of which a batch is chosen.
FINALISTS = 200
# Points of the front that improvement is measured by, with few objectives and with as many as are taken.
FRONT, FRONT_MANY = 100, 40
# Beyond so many objectives the boxes are too many: so many are taken, others for every batch.
OBJECTIVES = 4


class Bayesian:
    """Proposes the designs by which the hypervolume is expected to grow most, under Gaussian processes.

    Candidates are members of the space that were not evaluated: all of them in a small space, else random
    ones, neighbours and children of the front, and moves from the best of these. A process for each objective
    learns it, or its logarithm where that is predicted better; others learn by how much limits are broken,
    and where evaluations fail. The designs of a batch are chosen one after another, each as if the ones
    before it had come out as expected; every other one with little doubt about what the models say. Of more
    than four objectives four are taken for a batch, at random.

    Parameters
    ----------
    space
        The search space.
    seed
        Same seed and history, same designs.
    initial
        Designs before the first model: those of a Sobol' sequence, and half of them the prior's best where
        there is one.
    pool
        Candidates that are compared, about; three times as many where there is one objective.
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
    reference
        Where hypervolumes are measured from (m,), minimised, NaN where it is not declared: there it is
        the worst of the front and a tenth of its range.
    margins
        Returns for metrics by how much limits are broken (`Problem.margins`). Without, their sum is learned.

    Raises
    ------
    SearcherError
        If a setting is out of range.
    """

    distinct = True
    ranges: ClassVar[Mapping[str, Range]] = {
        "initial": Number(5, 100, log=True, whole=True),
        "pool": Number(200, 5_000, log=True, whole=True),
        "trained": Number(100, 800, log=True, whole=True),
    }

    def __init__(
        self,
        space: Space,
        *,
        seed: int = 0,
        initial: int = 20,
        pool: int = 2_000,
        trained: int = 400,
        use_prior: bool = True,
        programs: int = 100,
        prior: Prior | None = None,
        linear: LinearProblem | None = None,
        reference: Floats | None = None,
        margins: Margins | None = None,
    ) -> None:
        whole("bayesian", 2, initial=initial)
        whole("bayesian", 10, pool=pool, trained=trained)
        whole("bayesian", 0, programs=programs)
        self.space = space
        self.seed = seed
        self.initial = initial
        self.pool = pool
        self.trained = trained
        self.prior = prior if use_prior else None
        self.programs = programs
        self.reference = reference
        self.margins = margins
        self._exact: ILP | None = None
        if linear is not None and self.prior is not None and programs:
            self._exact = ILP(space, linear=linear)
        self._features = Features(space)
        self._spread_out = Sobol(space, seed=seed)
        self._seen: set[bytes] = set()
        self._told = 0
        self._history: History | None = None
        # What kernels are fitted to, when they are needed, and when that was told.
        self._basis: History | None = None
        self._basis_told = 0
        self._kernels: dict[str, tuple[float, Kernel]] = {}
        self._spread: tuple[Floats, Floats] | None = None

    @property
    def batch(self) -> int:
        """How many designs it likes to be asked for."""
        return BATCH_EARLY if self.initial <= self._told < EARLY else BATCH

    def tell(self, evaluations: Evaluations) -> None:
        """Remember evaluations; failed ones as well."""
        if not len(evaluations):
            return
        self._seen.update(self.space.keys(evaluations.designs.codes))
        if self._exact is not None:
            self._exact.tell(evaluations)
        if self._told < self.initial or self._history is None or not self._history.known.any():
            self._spread_out.tell(evaluations)
        rng = np.random.default_rng([self.seed, self._told, 2])
        told = self._recorded(evaluations, rng)
        self._told += len(evaluations)
        history = told if self._history is None else self._history.joined(told)
        self._history = history.reduced(self.trained, rng)
        if self._told < self.initial:
            return
        due = self._basis_told + max(REFIT_LEAST, REFIT * self._basis_told)
        if self._basis is None or not self._basis.known.any() or self._told >= due:
            self._basis, self._basis_told = self._history.reduced(FITTED, rng), self._told
            self._kernels, self._spread = {}, None

    def _recorded(self, evaluations: Evaluations, rng: np.random.Generator) -> History:
        known = evaluations.evaluated
        violation = np.where(known, evaluations.violation, np.inf)
        if self.margins is not None:
            margins = np.where(known[:, None], self.margins(evaluations.metrics), np.nan)
        else:
            margins = np.where(known, evaluations.violation, np.nan)[:, None]
        return History(
            evaluations.designs.codes,
            np.clip(np.where(known[:, None], evaluations.objectives, np.nan), -LARGEST, LARGEST),
            np.clip(margins, -LARGEST, LARGEST),
            violation,
            rng.random(len(evaluations)),
        )

    def ask(self, n: int) -> Designs:
        """Return n designs: the prior's best and evenly spread ones first, then by expected improvement."""
        rng = np.random.default_rng([self.seed, self._told])
        if self._exact is not None:
            best = self._exact.untold(n, self.programs)
            if len(best):
                return best
        batch = Batch(self.space, n, self._seen)
        history = self._history
        if self._told < self.initial or history is None or not history.known.any():
            batch.add(self._first(n, rng))
        else:
            batch.add(self._proposed(history, n, rng))
        return batch.filled(self.seed, self._told)

    def _first(self, n: int, rng: np.random.Generator) -> Array:
        """Return up to n designs: of the prior's best half of the initial ones, then of a Sobol' sequence."""
        wanted = min(n, self.initial // 2 - self._told)
        if self.prior is None or wanted < 1:
            return self._spread_out.ask(n).codes
        return self._best_believed(wanted)

    def _best_believed(self, count: int) -> Array:
        """Return up to `count` members that were not told, the prior's best of many."""
        every = everything(self.space, BELIEVED)
        if every is None:
            every = fresh(self.space, BELIEVED, self.seed, self._told, self._seen)
        codes = unseen(self.space, every, self._seen)
        if not len(codes):
            return codes
        believed = self._believed(codes)
        return codes[survivors(believed, np.zeros(len(codes)), count, np.random.default_rng(self.seed))]

    def _pool(self, history: History, rng: np.random.Generator) -> Array:
        """Return members of the space that were not told: all, or random ones and moves from the best."""
        most = self._most(history)
        every = everything(self.space, most)
        if every is not None:
            return unseen(self.space, every, self._seen)
        parts = [fresh(self.space, most // 2, self.seed, self._told, self._seen)]
        parents = history.codes[self._parents(history, rng)]
        parts.append(near(self.space, parents, most // 4, rng))
        parts.append(crossed(self.space, parents, most // 4, rng, self.seed, self._told + 1))
        if self.prior is not None:
            parts.append(self._best_believed(most // 4))
        return unseen(self.space, np.concatenate(parts), self._seen)

    def _most(self, history: History) -> int:
        """Return how many candidates there are, about: of one objective as many as of three cost."""
        return SINGLE * self.pool if history.objectives.shape[1] == 1 else self.pool

    def _parents(self, history: History, rng: np.random.Generator) -> NDArray[np.int64]:
        known = np.flatnonzero(history.known)
        return known[survivors(history.objectives[known], history.violation[known], PARENTS, rng)]

    def _believed(self, codes: Array) -> Floats:
        """Return the prior's objectives (n, m), the greatest in place of what it does not know."""
        assert self.prior is not None
        believed = np.asarray(self.prior(Designs(self.space, codes)), float)
        for column in believed.T:
            known = np.isfinite(column)
            column[~known] = column[known].max() if known.any() else 0.0
        return believed

    def _inputs(self, codes: Array) -> Floats:
        """Return what the models see of designs; beliefs in units of their spread."""
        features = self._features(codes)
        if self.prior is None:
            return features
        if self._spread is None:
            assert self._basis is not None
            believed = _compressed(self._believed(self._basis.codes))
            width = believed.std(axis=0)
            self._spread = believed.mean(axis=0), np.where(width > 0, width, 1.0)
        centre, width = self._spread
        return np.column_stack([features, (_compressed(self._believed(codes)) - centre) / width])

    def _proposed(self, history: History, n: int, rng: np.random.Generator) -> Array:
        from threadpoolctl import threadpool_limits

        # One thread: the order of additions, and with it the result, does not depend on the machine.
        with threadpool_limits(1):
            models = self._models(history, rng)
            codes = self._pool(history, rng)
            if not len(codes):
                return codes
            gain = models.gain(self._inputs(codes))
            if everything(self.space, self._most(history)) is None:
                codes, gain = self._climbed(models, codes, gain, rng)
            best = np.argsort(-gain, axis=0, kind="stable")[: max(FINALISTS, n)]
            codes = codes[np.unique(best)]
            return codes[models.batch(self._inputs(codes), n)]

    def _climbed(
        self, models: Models, codes: Array, gain: Floats, rng: np.random.Generator
    ) -> tuple[Array, Floats]:
        """Return candidates and their gains with neighbours of the best, and neighbours of those."""
        seen = self._seen | set(self.space.keys(codes))
        for _ in range(ROUNDS):
            best = np.unique(np.argsort(-gain, axis=0, kind="stable")[:TOP])
            more = unseen(self.space, near(self.space, codes[best], self.pool // 8, rng), seen)
            if not len(more):
                break
            seen.update(self.space.keys(more))
            codes = np.concatenate([codes, more])
            gain = np.concatenate([gain, models.gain(self._inputs(more))])
        return codes, gain

    def _models(self, history: History, rng: np.random.Generator) -> Models:
        """Return the processes after all that is learned from, with kernels that are fitted now and then."""
        known = history.known
        points = self._inputs(history.codes)
        front, reference = self._front(history)
        which = np.arange(len(reference))
        if len(which) > OBJECTIVES:
            which = np.sort(rng.choice(which, OBJECTIVES, replace=False))
        objectives, scales = [], []
        for index in which.tolist() if history.feasible.any() else ():
            values = history.objectives[known, index]
            above, kernel = self._learned(f"objective {index}")
            made = scale(values, above, reference[index])
            objectives.append(gaussian.fitted(kernel, points[known], made.learned(values)))
            scales.append(made)
        limits = []
        for index in range(history.margins.shape[1]):
            margins = history.margins[known, index]
            if (margins > 0).any() and not said(margins, history.objectives[known], reference):
                _, kernel = self._learned(f"limit {index}")
                limits.append(gaussian.fitted(kernel, points[known], graded(margins)))
        if not known.all():
            _, kernel = self._learned("failure")
            limits.append(gaussian.fitted(kernel, points, np.where(known, -1.0, 1.0)))
        front = front[:, which]
        front = front[nondominated(front)]
        most = FRONT if len(which) < OBJECTIVES else FRONT_MANY
        front = front[survivors(front, np.zeros(len(front)), most, rng)]
        return Models(objectives, scales, limits, front, reference[which])

    def _learned(self, name: str) -> tuple[float, Kernel]:
        """Return the kernel that fits the basis, and for an objective how it is transformed."""
        if name not in self._kernels:
            self._kernels[name] = self._fit(name)
        return self._kernels[name]

    def _fit(self, name: str) -> tuple[float, Kernel]:
        assert self._basis is not None
        basis = self._basis
        known = basis.known
        points = self._inputs(basis.codes)
        groups = self._groups(points) if known.sum() < FREE * points.shape[1] else None
        kind, _, index = name.partition(" ")
        if kind == "failure":
            return np.inf, gaussian.learned(points, np.where(known, -1.0, 1.0), groups)
        if kind == "limit":
            margins = graded(basis.margins[known, int(index)])
            return np.inf, gaussian.learned(points[known], margins, groups)
        reference = self._front(basis)[1][int(index)]
        values = basis.objectives[known, int(index)]
        order = np.argsort(basis.priority[known], kind="stable")
        return learned_objective(points[known][order], values[order], reference, groups)

    def _groups(self, points: Floats) -> NDArray[np.int64]:
        groups = self._features.groups
        beside = points.shape[1] - len(groups)
        return np.append(groups, groups.max(initial=-1) + 1 + np.arange(beside))

    def _front(self, history: History) -> tuple[Floats, Floats]:
        """Return the front (n, m) and the reference point (m,)."""
        points = history.objectives[history.feasible]
        front = points[nondominated(points)] if len(points) else points
        if not len(points):
            points = history.objectives[history.known]
        base = front if len(front) > 1 else points
        worst, width = base.max(axis=0), np.ptp(base, axis=0)
        reference = worst + np.where(width > 0, 0.1 * width, np.where(worst == 0, 1.0, 0.1 * np.abs(worst)))
        if self.reference is not None:
            reference = np.where(np.isfinite(self.reference), self.reference, reference)
        return front, reference


def _compressed(values: Floats) -> Floats:
    """Return columns by logarithm where all of a column are positive."""
    out = values.copy()
    for column in out.T:
        if (column > 0).all():
            np.log(column, out=column)
    return out
