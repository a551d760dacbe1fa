"""A Gaussian process that may keep only some of what it learns from keeps what says most."""

from __future__ import annotations

import numpy as np
import pytest

from dse.surrogates.regressors import gaussian_process as module
from dse.surrogates.regressors.gaussian_process import GaussianProcess


def steep_in_a_corner(points: np.ndarray) -> np.ndarray:
    """Smooth but for a corner of a fiftieth of the space."""
    corner = np.clip(points[:, :2].sum(axis=1) - 1.8, 0, None)
    return np.asarray(points.sum(axis=1) + 60 * corner * np.sin(40 * points[:, 0]))


@pytest.mark.parametrize("seed", range(4))
def test_what_is_predicted_worst_is_kept(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_POINTS", 200)
    rng = np.random.default_rng(seed)
    points = rng.random((4_000, 3)).astype(np.float32)
    values = steep_in_a_corner(points.astype(float))
    known, unseen = slice(0, 2_000), slice(2_000, None)

    def error() -> float:
        made = GaussianProcess().fit(points[known], values[known], seed)
        assert made._process is not None
        assert len(made._process.known) == 200
        assert len(np.unique(made._process.known, axis=0)) == 200
        return float(np.sqrt(np.mean((made.predict(points[unseen])[0] - values[unseen]) ** 2)))

    chosen = error()
    monkeypatch.setattr(module, "_informative", lambda kernel, points, values: np.arange(200))
    assert chosen < 0.8 * error()


def test_few_are_all_kept_and_the_same_seed_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.random.default_rng(0).random((900, 3)).astype(np.float32)
    values = steep_in_a_corner(points.astype(float))
    whole = GaussianProcess().fit(points, values, 0)._process
    assert whole is not None
    assert len(whole.known) == 900
    monkeypatch.setattr(module, "MOST_POINTS", 300)
    one, two = (GaussianProcess().fit(points, values, 0).predict(points)[0] for _ in range(2))
    assert np.array_equal(one, two)
