"""`tpe`: Optuna's tree-structured Parzen estimator, for one objective or several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from dse.errors import SearcherError
from dse.searchers.optuna_bridge import OptunaSearcher
from dse.searchers.ranges import Choice, Number, Range
from dse.searchers.settings import whole
from dse.space import Space


class TPE(OptunaSearcher):
    """Tree-structured Parzen estimators: one of the good designs, one of the others, and the best ratio.

    J. Bergstra, R. Bardenet, Y. Bengio, B. Kégl, "Algorithms for hyper-parameter optimization", NeurIPS 2011;
    several objectives after Y. Ozaki, Y. Tanigaki, S. Watanabe, M. Nomura, M. Onishi, "Multiobjective
    tree-structured Parzen estimator", JAIR 73, 2022. By Optuna's `TPESampler`; proposals are mended as in
    `dse.searchers.optuna_bridge`.

    The cost of a proposal grows with what was told: 11 ms after 100 evaluations, 13 after 500, 35 after 2,000
    (two objectives, seven parameters, one core; with an estimator for each parameter 17, 30 and 104). It is
    meant for some hundreds.

    Parameters
    ----------
    space
        The search space.
    seed
        Same seed and history, same designs.
    initial
        Random members of the space at the start.
    candidates
        Drawn from the good designs' estimator, of which the best is proposed (24 in Optuna).
    multivariate
        One estimator of all parameters together, which draws near a good design; else one for each parameter,
        as Optuna does by default where there are several objectives. Together is several times faster, and
        what it draws in a constrained space is far more often in it.
    redraws
        How often a proposal outside the space, or that was told, is drawn anew before it is mended.
    batch
        Designs at once.

    Raises
    ------
    SearcherError
        If a setting is out of range.
    """

    name = "tpe"
    ranges: ClassVar[Mapping[str, Range]] = {
        "initial": Number(5, 50, log=True, whole=True),
        "candidates": Number(8, 100, log=True, whole=True),
        "multivariate": Choice((True, False)),
    }

    def __init__(
        self,
        space: Space,
        *,
        seed: int = 0,
        initial: int = 10,
        candidates: int = 24,
        multivariate: bool = True,
        redraws: int = 0,
        batch: int = 1,
    ) -> None:
        whole(self.name, 1, candidates=candidates)
        if not isinstance(multivariate, bool):
            raise SearcherError(f"tpe: multivariate={multivariate!r} must be True or False")
        self.candidates = candidates
        self.multivariate = multivariate
        super().__init__(
            space,
            sampler=self._sampler,
            seed=seed,
            initial=initial,
            redraws=redraws,
            batch=batch,
            notes=False,
        )

    def _sampler(self, seed: int) -> TPESampler:
        kind = _Together if self.multivariate else TPESampler
        return kind(
            seed=seed,
            n_startup_trials=1,  # the searcher has its own
            n_ei_candidates=self.candidates,
            multivariate=self.multivariate,
        )


class _Together(TPESampler):
    """Knows that all trials have the same parameters; Optuna's looks at each of them to find out."""

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        first = study.get_trials(deepcopy=False)[0].distributions
        return {name: item for name, item in sorted(first.items()) if not item.single()}
