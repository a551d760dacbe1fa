"""Many designs at once are predicted as few are."""

from __future__ import annotations

import numpy as np
import pytest

from dse import Designs, Real, Space
from dse.surrogates import Surrogate, TrainingData, blocks, fit
from dse.surrogates.regressors.boosting import Boosting

from .test_surrogate import SPACE, measured

MODELS = {
    "latency": {"model": "ridge", "scale": "logarithm", "sizes": ["size", "depth"]},
    "power": {"model": "gaussian_process", "scale": "linear"},
    "units": {"model": "forest", "scale": "linear", "sizes": ["size", "depth"]},
}


@pytest.fixture(scope="module")
def surrogate() -> Surrogate:
    return fit(measured(40), model=MODELS)


@pytest.mark.parametrize(("block", "chunk"), [(1_000, 1 << 14), (700, 64), (1 << 17, 100)])
def test_neither_order_nor_blocks_change_a_prediction(
    surrogate: Surrogate, monkeypatch: pytest.MonkeyPatch, block: int, chunk: int
) -> None:
    designs = SPACE.sample(3_300, 1)
    plain = surrogate.predict(designs)
    monkeypatch.setattr(blocks, "BLOCK", block)
    monkeypatch.setattr(blocks, "CHUNK", chunk)
    monkeypatch.setattr(blocks, "SORTED_FROM", 10)
    many = surrogate.predict(designs)
    for name in surrogate.metrics:
        for part in ("mean", "lower", "upper"):
            # Sums of a Gaussian process may differ in the last digit, by how many rows are summed at once.
            np.testing.assert_allclose(getattr(many, part)[name], getattr(plain, part)[name], rtol=1e-9)
    np.testing.assert_array_equal(many.failure, plain.failure)
    np.testing.assert_array_equal(many.outside, plain.outside)


def test_no_designs_no_predictions(surrogate: Surrogate) -> None:
    assert len(Boosting().predict(np.empty((0, 3), np.float32))[0]) == 0
    said = surrogate.predict(Designs(SPACE, np.empty((0, len(SPACE.names)))))
    assert said.mean["latency"].shape == said.outside.shape == (0,)


def test_a_parameter_that_never_varies_does_not_matter_to_the_order() -> None:
    space = Space([Real("x", 0.0, 1.0), Real("y", 0.0, 1.0)])
    codes = np.column_stack([np.random.default_rng(0).random(50), np.full(50, 0.5)])
    order = blocks._order(codes, np.array([0.1, 0.9]))
    assert sorted(order.tolist()) == list(range(50))
    assert (np.diff((codes[order, 0] * 15).astype(int)) >= 0).mean() > 0.9
    none = np.zeros(50, dtype=bool)
    data = TrainingData(space, {"z": ""}, Designs(space, codes), {"z": codes[:, 0]}, none, none)
    assert fit(data, model="forest").report["metrics"]["z"]["r2"] > 0.9
