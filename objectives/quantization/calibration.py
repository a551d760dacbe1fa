"""Sensitivities measured on a real network, a layer at a time, and what they predict for all together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.errors import ProblemError
from objectives.quantization.network import Choice, Network, cross_entropy, probabilities
from objectives.workloads import AttentionLayer, Layer

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Sensitivity:
    """What quantizing one layer alone does to a network on calibration data.

    Attributes
    ----------
    noise
        Squared error of the logits over their squares.
    first, second
        Terms of the Taylor expansion of the cross-entropy (nats) in the logits' error d, averaged over
        images: (p - y) d and d H d / 2, with the probabilities p, the labels y and H = diag(p) - p p'.
    loss_change
        The measured change of the cross-entropy.
    accuracy_drop
        Points by which the probability of the right label falls on average: a smooth accuracy.
    """

    noise: float
    first: float
    second: float
    loss_change: float
    accuracy_drop: float


class CalibratedQuality:
    """Sensitivities of layers to formats, each measured with the other layers left as they are.

    Parameters
    ----------
    network
        The network.
    images, labels
        Calibration data: (n, features) and (n,).
    order
        What ``loss_change`` of a layer is: measured (0), or of the Taylor expansion to the first or the
        second order, as HAWQ has it.

    Notes
    -----
    Additive metrics: the sums over layers of ``noise``, ``loss_change`` and ``accuracy_drop`` of
    `Sensitivity`. What adds up better are the logits' errors themselves (`superposed`), which keeps what
    layers do to one another up to the nonlinearity of the layers that follow.
    """

    metrics = {"noise": "", "loss_change": "nats", "accuracy_drop": "points"}  # noqa: RUF012

    def __init__(
        self, network: Network, images: Floats, labels: NDArray[np.int64], *, order: int = 0
    ) -> None:
        if order not in (0, 1, 2):
            raise ProblemError(f"order={order!r} is unknown; known are 0, 1, 2")
        self.network = network
        self.images = images
        self.labels = labels
        self.order = order
        self.plain = network.logits(images)
        self._errors: dict[tuple[str, Choice], Floats] = {}
        self._found: dict[tuple[str, Choice], Sensitivity] = {}
        self._probabilities = probabilities(self.plain)
        self._loss = float(cross_entropy(self.plain, labels))

    @property
    def identity(self) -> Mapping[str, Any]:
        """What results depend on."""
        return {"kind": "calibrated", "order": self.order, "network": self.network.fingerprint}

    def error(self, layer: str, choice: Choice) -> Floats:
        """Return the error of the logits (images, classes) where one layer is quantized."""
        key = (layer, choice)
        if key not in self._errors:
            self._errors[key] = self.network.logits(self.images, {layer: choice}) - self.plain
        return self._errors[key]

    def sensitivity(self, layer: str, choice: Choice) -> Sensitivity:
        """Return what quantizing one layer does."""
        key = (layer, choice)
        if key not in self._found:
            error = self.error(layer, choice)
            likely = self._probabilities
            truth = np.eye(likely.shape[1])[self.labels]
            mean = (likely * error).sum(-1)
            self._found[key] = Sensitivity(
                noise=float((error**2).sum() / (self.plain**2).sum()),
                first=float(((likely - truth) * error).sum(-1).mean()),
                second=float(0.5 * ((likely * error**2).sum(-1) - mean**2).mean()),
                loss_change=float(cross_entropy(self.plain + error, self.labels)) - self._loss,
                accuracy_drop=float(self._drop(self.plain + error)),
            )
        return self._found[key]

    def superposed(self, choices: Mapping[str, Sequence[Choice]]) -> tuple[Floats, Floats]:
        """Return smooth accuracy drop (points) and loss change (nats) of n configurations, arrays (n,).

        Parameters
        ----------
        choices
            By layer, n choices. Errors of the logits that the layers make alone are added.
        """
        n = max(len(column) for column in choices.values())
        logits = np.tile(self.plain, (n, 1, 1))
        for layer, column in choices.items():
            rows: dict[Choice, list[int]] = {}
            for row, choice in enumerate(column):
                rows.setdefault(choice, []).append(row)
            for choice, where in rows.items():
                logits[where] += self.error(layer, choice)
        return self._drop(logits), cross_entropy(logits, self.labels) - self._loss

    def _drop(self, logits: Floats) -> Floats:
        at = np.arange(len(self.labels))
        right = probabilities(logits)[..., at, self.labels]
        return np.asarray(100 * (self._probabilities[at, self.labels].mean() - right.mean(-1)))

    def layer(
        self, layer: Layer, weights: str, activations: str | None, *, rotation: bool, clipping: bool
    ) -> Mapping[str, float]:
        found = self.sensitivity(layer.name, Choice(weights, activations, rotation, clipping))
        change = (found.loss_change, found.first, found.first + found.second)[self.order]
        return {"noise": found.noise, "loss_change": change, "accuracy_drop": found.accuracy_drop}

    def cache(self, layer: AttentionLayer, form: str) -> Mapping[str, float]:
        return dict.fromkeys(self.metrics, 0.0)  # there is no attention
