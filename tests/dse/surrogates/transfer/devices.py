"""Devices that charge every operation a price, wherever it is, and are measured with noise."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dse import Categorical, Space

Floats = NDArray[np.float64]

OPERATIONS = ("none", "skip", "conv1", "conv3")
SPACE = Space([Categorical(f"edge{place}", OPERATIONS) for place in range(5)])
DESIGNS = next(SPACE.enumerate())
# How often each operation occurs (n, 4).
COUNTS = np.stack([(DESIGNS.codes == code).sum(axis=1) for code in range(len(OPERATIONS))], axis=1)


def latency(seed: int, noise: float = 0.03) -> Floats:
    """Return what a device takes for every design (n,): prices of its own, and noise."""
    rng = np.random.default_rng(seed)
    prices = np.array([0.05, 0.2, 1.0, 3.0]) * rng.lognormal(0.0, 0.5, 4)
    clean = 1.0 + COUNTS @ prices
    return np.asarray(clean * rng.lognormal(0.0, noise, len(clean)))


def table(devices: int, noise: float = 0.03) -> pd.DataFrame:
    """Return known devices as columns."""
    return pd.DataFrame({f"device_{seed}": latency(seed, noise) for seed in range(devices)})
