"""`gp`: Optuna's Gaussian processes with expected hypervolume improvement; needs PyTorch."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from dse.errors import SearcherError
from dse.searchers.optuna_bridge import OptunaSearcher
from dse.space import Space


class GP(OptunaSearcher):
    """A Gaussian process for each objective, and the design of greatest expected improvement under them.

    Expected improvement of one objective (S. Ament, S. Daulton, D. Eriksson, M. Balandat, E. Bakshy,
    "Unexpected improvements to expected improvement for Bayesian optimization", NeurIPS 2023), of the
    hypervolume of several (S. Daulton, M. Balandat, E. Bakshy, "Differentiable expected hypervolume
    improvement for parallel multi-objective Bayesian optimization", NeurIPS 2020), times the chance that the
    limits hold. By Optuna's `GPSampler`; proposals are mended as in `dse.searchers.optuna_bridge`.

    Parameters of all kinds, conditional ones too, and limits. A proposal takes seconds: 1.5 after 20
    evaluations, 2.0 after 100 (two objectives, seven parameters, one core). It is meant for tens of costly
    evaluations.

    Parameters
    ----------
    space
        The search space.
    seed
        Same seed and history, same designs.
    initial
        Random members of the space at the start.
    redraws
        How often a proposal outside the space, or that was told, is drawn anew before it is mended.
    batch
        Designs at once.

    Raises
    ------
    SearcherError
        If PyTorch is not there, or a setting is out of range.
    """

    name = "gp"

    def __init__(
        self, space: Space, *, seed: int = 0, initial: int = 10, redraws: int = 0, batch: int = 1
    ) -> None:
        if find_spec("torch") is None:
            raise SearcherError("gp: Optuna's Gaussian processes need PyTorch: pip install 'dse-toolkit[gp]'")
        super().__init__(
            space,
            sampler=_sampler,
            seed=seed,
            initial=initial,
            redraws=redraws,
            batch=batch,
            notes=False,
        )


def _sampler(seed: int) -> Any:
    from optuna.samplers import GPSampler

    return GPSampler(seed=seed, n_startup_trials=1, warn_independent_sampling=False)
