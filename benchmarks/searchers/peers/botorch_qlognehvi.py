"""BoTorch's qLogNEHVI (qLogNEI where there is one objective) over a pool of feasible designs.

A Gaussian process (`SingleTaskGP` with its defaults) an objective and a limit, on one-hot categorical and
scaled ordered parameters; of the logarithm of objectives that are positive throughout, so that outliers do
not rule, with hypervolume measured in the objectives themselves up to the problem's reference point. Known
constraints never are a matter: proposals come from a pool of random members of the space and neighbours of
the front (`optimize_acqf_discrete`), ten at a time, each given those before it. It starts with the designs
that the problem starts with and as many random ones as make 20 in all, 10 at least. Candidates are compared
on a GPU where PyTorch finds one.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from botorch.acquisition.logei import qLogNoisyExpectedImprovement
from botorch.acquisition.multi_objective.logei import qLogNoisyExpectedHypervolumeImprovement
from botorch.acquisition.multi_objective.objective import GenericMCMultiOutputObjective
from botorch.acquisition.objective import GenericMCObjective
from botorch.fit import fit_gpytorch_mll
from botorch.models import ModelListGP, SingleTaskGP
from botorch.models.transforms import Standardize
from botorch.optim import optimize_acqf_discrete
from botorch.sampling.normal import SobolQMCNormalSampler
from gpytorch.mlls import SumMarginalLogLikelihood
from torch import Tensor

from benchmarks.searchers.bench import Array, Bench, Floats
from dse import Categorical
from dse.pareto import nondominated
from dse.searchers.local import neighbours
from dse.space import Space

BATCH = 10
POOL = 250  # random members, and as many neighbours of the front
SAMPLES = 32
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
STEPS = 75  # of a fit, which goes on for thousands where there is no noise


def run(bench: Bench, seed: int) -> None:
    """Propose until the budget is spent."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(seed)
    answer = bench.answer(bench.initial(max(20 - len(bench.start), 10)))
    codes, objectives, slack = answer.codes, answer.objectives, answer.slack
    while True:
        pool = _pool(bench, codes, objectives, slack, rng)
        chosen = _chosen(bench, codes, objectives, slack, pool, int(rng.integers(2**31)))
        answer = bench.answer(pool[chosen])
        codes = np.concatenate([codes, answer.codes])
        objectives = np.concatenate([objectives, answer.objectives])
        slack = np.concatenate([slack, answer.slack])


def _pool(bench: Bench, codes: Array, objectives: Floats, slack: Floats, rng: np.random.Generator) -> Array:
    """Return members of the space that were not evaluated: random ones, and neighbours of the front."""
    parts = [bench.fresh(POOL)]
    feasible = np.flatnonzero(np.isfinite(objectives).all(axis=1) & (slack <= 0).all(axis=1))
    if len(feasible):
        front = feasible[nondominated(objectives[feasible])]
        near = neighbours(bench.space, codes[front], rng)
        new = [row for row, key in enumerate(bench.space.keys(near)) if key not in bench.seen]
        parts.append(near[new][:POOL])
    return np.unique(np.concatenate(parts), axis=0)


def _features(space: Space, codes: Array) -> Tensor:
    columns = []
    for place, parameter in enumerate(space.parameters):
        if int(parameter.cardinality) == 1:
            continue
        if isinstance(parameter, Categorical):
            columns += [codes[:, place] == value for value in range(int(parameter.cardinality))]
        else:
            columns.append(parameter.scaled(codes[:, place]))
    return torch.tensor(np.column_stack(columns).astype(float))


def _chosen(
    bench: Bench, codes: Array, objectives: Floats, slack: Floats, pool: Array, seed: int
) -> list[int]:
    known = np.isfinite(objectives).all(axis=1)
    features, asked = _features(bench.space, codes[known]), _features(bench.space, pool)
    values, broken = objectives[known], slack[known]
    positive = (values > 0).all(axis=0)
    targets = np.where(positive, np.log(np.where(positive, values, 1.0)), values)
    outcomes = np.column_stack([targets, np.clip(broken, -1.0, 1.0)])
    models = [
        SingleTaskGP(features, torch.tensor(column[:, None]), outcome_transform=Standardize(m=1))
        for column in outcomes.T
    ]
    model = ModelListGP(*models)
    fit_gpytorch_mll(
        SumMarginalLogLikelihood(model.likelihood, model), optimizer_kwargs={"options": {"maxiter": STEPS}}
    )
    model.to(DEVICE)
    count = values.shape[1]

    def goals(samples: Tensor, X: Tensor | None = None) -> Tensor:  # noqa: N803
        parts = [samples[..., place] for place in range(count)]
        return -torch.stack(
            [part.exp() if up else part for part, up in zip(parts, positive, strict=True)], dim=-1
        )

    shared: dict[str, Any] = {
        "model": model,
        "X_baseline": features.to(DEVICE),
        "sampler": SobolQMCNormalSampler(torch.Size([SAMPLES]), seed=seed),
        "prune_baseline": True,
        "constraints": [
            lambda samples, place=place: samples[..., count + place] for place in range(broken.shape[1])
        ]
        or None,
    }

    def goal(samples: Tensor, X: Tensor | None = None) -> Tensor:  # noqa: N803
        return goals(samples)[..., 0]

    if count == 1:
        acquisition = qLogNoisyExpectedImprovement(objective=GenericMCObjective(goal), **shared)
    else:
        acquisition = qLogNoisyExpectedHypervolumeImprovement(
            ref_point=(-bench.corner).tolist(), objective=GenericMCMultiOutputObjective(goals), **shared
        )
    picked, _ = optimize_acqf_discrete(
        acquisition, q=min(BATCH, len(asked)), choices=asked.to(DEVICE), max_batch_size=256, unique=True
    )
    rows = {row.numpy().tobytes(): place for place, row in enumerate(asked)}
    return [rows[row.numpy().tobytes()] for row in picked.cpu()]
