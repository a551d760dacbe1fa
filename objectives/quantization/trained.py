"""A trained network as a cost model: its real accuracy in any formats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dse.designs import Designs
from dse.models import Outcome
from objectives.quantization.digits import Split
from objectives.quantization.groups import Group
from objectives.quantization.model import QuantizationModel
from objectives.quantization.network import Choice, Network, accuracy, cross_entropy


def choices(
    groups: Sequence[Group], designs: Designs, pinned: Mapping[str, tuple[str, str]]
) -> dict[str, list[Choice]]:
    """Return a choice a design (n,) by layer, from the columns of its group."""
    found = {}
    n = len(designs)

    def column(name: str, default: Any) -> list[Any]:
        return designs[name].tolist() if name in designs else [default] * n

    for group in groups:
        together = zip(
            column(f"weights.{group.name}", None),
            column(f"activations.{group.name}", None),
            column(f"rotation.{group.name}", False),
            column(f"clipping.{group.name}", False),
            strict=True,
        )
        listed = [Choice(*item) for item in together]
        found.update(dict.fromkeys(group.layers, listed))
    found.update({name: [Choice(*formats)] * n for name, formats in pinned.items()})
    return found


@dataclass(frozen=True)
class TrainedModel:
    """A quantized network's real accuracy, beside its cost.

    Attributes
    ----------
    network
        The network.
    validation
        The data by which designs are judged.
    test
        Data that is only reported on.
    cost
        Of formats; its own quality is left out.

    Notes
    -----
    Metrics: ``accuracy_drop``, points of validation accuracy lost against FP64; ``loss_change``, of the
    cross-entropy; ``test_accuracy_drop``, of the test data; and those of `cost`.
    """

    network: Network
    validation: Split
    test: Split
    cost: QuantizationModel

    name = "quantization-measured"
    version = "1"

    @property
    def columns(self) -> tuple[str, ...]:
        """Those of the cost."""
        return self.cost.columns

    @property
    def settings(self) -> Mapping[str, Any]:
        """What results depend on."""
        sizes = [len(self.validation.digits), len(self.test.digits)]
        return {**self.cost.settings, "quality": {"network": self.network.fingerprint, "images": sizes}}

    @property
    def metrics(self) -> Mapping[str, str]:
        """Unit by metric."""
        return {
            "accuracy_drop": "points",
            "loss_change": "nats",
            "test_accuracy_drop": "points",
            **self.cost.cost_metrics,
        }

    def evaluate(self, designs: Designs) -> Outcome:
        """Run the network once for every design."""
        found = self.cost.evaluate(designs)
        metrics = {name: found.metrics[name] for name in self.cost.cost_metrics}
        by_layer = choices(self.cost.groups, designs, self.cost.pinned)
        rows = [dict(zip(by_layer, row, strict=True)) for row in zip(*by_layer.values(), strict=True)]
        held = {"validation": self.validation, "test": self.test}
        scores = {
            name: np.array([self._scores(split, row) for row in [{}, *rows]]) for name, split in held.items()
        }
        drop = {name: 100 * (score[0, 0] - score[1:, 0]) for name, score in scores.items()}
        change = scores["validation"][1:, 1] - scores["validation"][0, 1]
        metrics |= {"accuracy_drop": drop["validation"], "test_accuracy_drop": drop["test"]}
        return Outcome({**metrics, "loss_change": change}, found.errors)

    def _scores(self, split: Split, row: Mapping[str, Choice]) -> tuple[float, float]:
        logits = self.network.logits(split.images, row)
        return float(accuracy(logits, split.digits)), float(cross_entropy(logits, split.digits))
