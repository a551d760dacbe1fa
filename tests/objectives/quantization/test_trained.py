"""A real network in real formats: what sensitivities predict of it, and what it does."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from dse.errors import ProblemError
from objectives.devices.processor import processor
from objectives.quantization import (
    AnalyticalQuality,
    CalibratedQuality,
    Choice,
    Dense,
    Network,
    QuantizationModel,
    TrainedModel,
    digits,
    grouped,
    quantize,
)
from objectives.quantization.network import accuracy, cross_entropy
from spaces.quantization import quantization_space

WEIGHTS = ["int2", "int3", "int4", "int6", "int8", "mxfp4", "nvfp4", "mxfp6_e2m3", "ternary"]
ACTIVATIONS = ["int3", "int4", "int6", "int8", "mxfp4", "nvfp4", "fp8_e4m3"]


@pytest.fixture(scope="module")
def parts() -> tuple[QuantizationModel, TrainedModel]:
    trained = digits(3)
    workload = trained.network.workload
    groups = grouped(workload, "layer")
    quality = CalibratedQuality(trained.network, trained.calibration.images, trained.calibration.digits)
    cost = QuantizationModel(workload, processor("l4"), groups, quality)
    return cost, TrainedModel(trained.network, trained.validation, trained.test, cost)


def test_the_network_is_worth_quantizing() -> None:
    trained = digits(3)
    for split in (trained.validation, trained.test):
        assert accuracy(trained.network.logits(split.images), split.digits) > 0.93
    assert len(trained.validation.digits) == len(trained.test.digits) == 549
    assert trained.network.workload.parameters == 64 * 64 + 64 * 48 + 48 * 48 + 48 * 32 + 32 * 32 + 320 + 234


def test_training_is_the_same_each_time() -> None:
    first = digits(3)
    digits.cache_clear()
    assert digits(3).network.fingerprint == first.network.fingerprint
    assert digits(4).network.fingerprint != first.network.fingerprint


def test_the_parts_of_the_data_do_not_meet() -> None:
    trained = digits(3)
    seen = [
        {row.tobytes() for row in part.images}
        for part in (trained.calibration, trained.validation, trained.test)
    ]
    # Of 1,797 images none is another's copy but by chance.
    assert len(seen[0] & seen[1]) + len(seen[0] & seen[2]) + len(seen[1] & seen[2]) <= 2


def test_a_layer_is_quantized_as_by_hand() -> None:
    rng = np.random.default_rng(0)
    layers = [
        Dense("one", rng.normal(size=(5, 8)), rng.normal(size=5)),
        Dense("two", rng.normal(size=(3, 5)), np.zeros(3)),
    ]
    network = Network("tiny", layers, "made up")
    inputs = rng.normal(size=(7, 8))
    found = network.logits(inputs, {"one": Choice("int4", "int8"), "two": Choice(None, "mxfp4")})
    hidden = quantize(inputs, "int8") @ quantize(layers[0].weights, "int4").T + layers[0].biases
    expected = quantize(np.maximum(hidden, 0), "mxfp4") @ layers[1].weights.T
    np.testing.assert_allclose(found, expected)


def test_rotation_alone_changes_nothing() -> None:
    trained = digits(3)
    names = [layer.name for layer in trained.network.layers]
    rotated = trained.network.logits(trained.test.images, dict.fromkeys(names, Choice(rotation=True)))
    np.testing.assert_allclose(rotated, trained.network.logits(trained.test.images), atol=1e-9)


def test_layers_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ProblemError, match=r"'a' has 2 outputs, 'b' takes 3"):
        Network(
            "n",
            [Dense("a", np.zeros((2, 4)), np.zeros(2)), Dense("b", np.zeros((1, 3)), np.zeros(1))],
            "made up",
        )
    with pytest.raises(ProblemError, match="layer 'a': weights have shape"):
        Dense("a", np.zeros((2, 4)), np.zeros(3))


def test_sensitivities_are_what_one_layer_does(parts: tuple[QuantizationModel, TrainedModel]) -> None:
    quality = parts[0].quality
    assert isinstance(quality, CalibratedQuality)
    choice = Choice("int3", "int4")
    found = quality.sensitivity("layer1", choice)
    logits = quality.network.logits(quality.images, {"layer1": choice})
    change = float(cross_entropy(logits, quality.labels) - cross_entropy(quality.plain, quality.labels))
    assert found.loss_change == pytest.approx(change)
    # The error is small enough for two terms to tell most of it, and the second is never negative.
    fine = quality.sensitivity("layer1", Choice("int6", "int8"))
    assert fine.first + fine.second == pytest.approx(fine.loss_change, rel=0.2, abs=1e-5)
    assert found.second >= 0
    # Superposing one layer's error is that layer.
    drop, loss = quality.superposed({"layer1": [choice]})
    assert loss[0] == pytest.approx(found.loss_change)
    assert drop[0] == pytest.approx(found.accuracy_drop)


def test_taylor_orders_are_chosen() -> None:
    trained = digits(3)
    data = (trained.calibration.images, trained.calibration.digits)
    layer = trained.network.workload.layers[2]
    change = [
        CalibratedQuality(trained.network, *data, order=order).layer(
            layer, "int4", "int8", rotation=False, clipping=False
        )["loss_change"]
        for order in (0, 1, 2)
    ]
    assert len(set(change)) == 3
    with pytest.raises(ProblemError, match="order=3 is unknown"):
        CalibratedQuality(trained.network, *data, order=3)


def test_predictions_rank_measured_accuracy(parts: tuple[QuantizationModel, TrainedModel]) -> None:
    """At 60 configurations of a network that no choice was made on; the benchmark has 300 of five."""
    cost, measured = parts
    groups = [group.name for group in cost.groups]
    space = quantization_space(groups, weights=WEIGHTS, activations=ACTIVATIONS)
    designs = space.sample(60, 0)
    drop = np.asarray(measured.evaluate(designs).metrics["accuracy_drop"])
    assert drop.std() > 3
    predicted = cost.evaluate(designs).metrics
    assert spearmanr(predicted["loss_change"], drop).statistic > 0.8
    workload = cost.workload
    analytical = QuantizationModel(workload, cost.device, cost.groups, AnalyticalQuality(workload))
    assert spearmanr(analytical.evaluate(designs).metrics["noise"], drop).statistic > 0.7


def test_measured_metrics_are_those_of_the_network(parts: tuple[QuantizationModel, TrainedModel]) -> None:
    cost, measured = parts
    groups = [group.name for group in cost.groups]
    space = quantization_space(groups, weights=WEIGHTS, activations=ACTIVATIONS)
    designs = space.sample(3, 1)
    found = measured.evaluate(designs).metrics
    trained = digits(3)
    row = next(designs.take([1]).rows())
    choices = {
        name: Choice(row[f"weights.{name}"], row[f"activations.{name}"], False, False) for name in groups
    }
    for metric, split in (("accuracy_drop", trained.validation), ("test_accuracy_drop", trained.test)):
        plain = accuracy(trained.network.logits(split.images), split.digits)
        now = accuracy(trained.network.logits(split.images, choices), split.digits)
        assert np.asarray(found[metric])[1] == pytest.approx(100 * (plain - now))
    np.testing.assert_allclose(
        np.asarray(found["gbops"]), np.asarray(cost.evaluate(designs).metrics["gbops"])
    )
