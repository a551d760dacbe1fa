"""Predictions and searches against the real accuracy of small quantized networks.

Five networks for scikit-learn's digits (seeds 3 to 7; what is predicted, and how, was chosen on others). For
each: rank correlation of predictions with the measured drop of accuracy over 300 random designs; and fronts
of accuracy against bit operations at 300 measured evaluations.

    python -m benchmarks.quantization_digits [--seeds 3,4,5,6,7] [--budget 300] [--what ranks,fronts]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from dse import Problem, Study
from dse.pareto import hypervolume
from objectives.quantization import (
    AnalyticalQuality,
    CalibratedQuality,
    QuantizationModel,
    TrainedModel,
    digits,
)
from objectives.quantization.trained import choices
from studies.quantization import problem

WEIGHTS = "int2,int3,int4,int6,int8,mxfp4,nvfp4,mxfp6_e2m3"
ACTIVATIONS = "int3,int4,int6,int8,mxfp4,nvfp4,mxfp6_e2m3"
RANDOM = 300


def stated(seed: int) -> Problem:
    return problem(
        "digits",
        groups="layer",
        weights=WEIGHTS,
        activations=ACTIVATIONS,
        clipping=True,
        evaluate="measure",
        seed=seed,
    )


def ranks(seed: int) -> None:
    of = stated(seed)
    designs = of.space.sample(RANDOM, seed)
    model, cost = of.model, of.prior
    assert isinstance(model, TrainedModel)
    assert isinstance(cost, QuantizationModel)
    quality = cost.quality
    assert isinstance(quality, CalibratedQuality)
    drop = np.asarray(model.evaluate(designs).metrics["accuracy_drop"])
    test = np.asarray(model.evaluate(designs).metrics["test_accuracy_drop"])
    alone = cost.evaluate(designs).metrics
    workload, data = cost.workload, (quality.images, quality.labels)
    analytical = QuantizationModel(
        workload, cost.device, cost.groups, AnalyticalQuality(workload), clipping=True
    )
    found = {
        "1: noise by definition": analytical.evaluate(designs).metrics["noise"],
        "2: noise of logits, summed": alone["noise"],
        "2: loss change, summed": alone["loss_change"],
    }
    for order in (1, 2):
        taylor = CalibratedQuality(quality.network, *data, order=order)
        by_order = QuantizationModel(workload, cost.device, cost.groups, taylor, clipping=True)
        found[f"2: Taylor to order {order}, summed"] = by_order.evaluate(designs).metrics["loss_change"]
    by_layer = choices(cost.groups, designs, {})
    found["2: errors superposed"] = np.concatenate(
        [
            quality.superposed({name: column[start : start + 50] for name, column in by_layer.items()})[1]
            for start in range(0, RANDOM, 50)
        ]
    )
    print(
        f"seed {seed}: drop from {drop.min():.1f} to {drop.max():.1f} points, median {np.median(drop):.1f}; "
        f"validation against test {spearmanr(drop, test).statistic:.3f}",
        flush=True,
    )
    for name, values in found.items():
        print(f"  {name:32s} Spearman {spearmanr(values, drop).statistic:.3f}", flush=True)


def fronts(seed: int, budget: int, folder: Path) -> None:
    of = stated(seed)
    assert of.start is not None
    alone = Problem(of.space, of.model, of.objectives, of.limits, name=of.name, prior=of.prior)
    judged = of.evaluate(of.start)
    uniform = judged.objectives[judged.violation == 0]
    reference = np.array([20.0, (of.objectives[1].reference or 0.0) / 4])
    for label, what, searcher, settings in (
        ("uniform precision", of, "random", {}),
        ("ilp", alone, "ilp", {}),
        ("uniform, then ilp", of, "ilp", {}),
        ("uniform, then random", of, "random", {}),
        ("uniform, then nsga2", of, "nsga2", {}),
        ("uniform, then bayesian", of, "bayesian", {"pool": 5_000}),
    ):
        study = Study(
            "s", what, searcher=searcher, settings=settings, store=f"sqlite:///{folder}/{seed}-{label}.db"
        )
        study.run(budget=len(of.start) if label == "uniform precision" else budget)
        frame = study.front()
        points = frame[["accuracy_drop", "gbops"]].to_numpy()
        beaten = sum(bool((points <= row + 1e-12).all(1).any()) for row in uniform)
        shares = [
            hypervolume(values[(values < reference).all(1)], reference) / reference.prod()
            for values in (points, frame[["test_accuracy_drop", "gbops"]].to_numpy())
        ]
        print(
            f"  seed {seed} {label:24s} {len(study):4d} measured, front {len(frame):3d}, hypervolume "
            f"{shares[0]:.4f} (test {shares[1]:.4f}), uniform met {beaten}/{len(uniform)}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", default="3,4,5,6,7")
    parser.add_argument("--budget", type=int, default=300)
    parser.add_argument("--what", default="ranks,fronts")
    given = parser.parse_args()
    for seed in map(int, given.seeds.split(",")):
        digits.cache_clear()
        if "ranks" in given.what:
            ranks(seed)
        if "fronts" in given.what:
            with tempfile.TemporaryDirectory() as folder:
                fronts(seed, given.budget, Path(folder))


if __name__ == "__main__":
    main()
