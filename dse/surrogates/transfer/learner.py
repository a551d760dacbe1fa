"""Learning from the known devices how a new one may differ from them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dse.surrogates.transfer.basis import Basis
from dse.surrogates.transfer.choice import most_telling
from dse.surrogates.transfer.known import FamilyColumns, KnownDevices
from dse.surrogates.transfer.mixture import (
    Settings,
    all_settings,
    likely,
    log_evidence,
    posterior,
)
from dse.surrogates.transfer.scale import Scale
from dse.surrogates.transfer.smoothing import Landmarks

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

# Each known device is taken for new so often, with so many random measurements.
TASKS = 8
MEASURED = 10
LEAST_MEASURED = 3
# Designs that may be chosen, and those whose variance counts: drawn where there are more.
CANDIDATES = 2_048
OTHERS = 512
# Random choices, beside the chosen one, and designs by which predictions of a known device are judged.
TRIALS = 4
JUDGED = 1_000


@dataclass(frozen=True)
class Trial:
    """A known device that was taken for new.

    Attributes
    ----------
    device
        Its place.
    chosen
        Whether measurements were chosen, or random.
    rank_correlation
        Spearman's, of predicted and measured values that were not given.
    scores
        Measured less predicted values on the scale, over their deviations (k,).
    density
        The mean logarithm of the predictive density of the values.
    """

    device: int
    chosen: bool
    rank_correlation: float
    scores: Floats
    density: float


class Learner:
    """Known devices on one scale, and what they teach.

    Parameters
    ----------
    values
        Metrics (n, devices), NaN where a device has none.
    described
        The table's designs by their features, and their landmarks; None where nothing is known of them.
    groups
        A number by device (devices,): devices of one group are left out together.
    logarithmic
        The scale.
    seed
        Of random measurements.
    """

    def __init__(
        self,
        values: Floats,
        described: tuple[Basis, Landmarks] | None,
        groups: NDArray[np.intp],
        logarithmic: bool,
        seed: int,
    ) -> None:
        self.values = values
        self.groups = groups
        self.logarithmic = logarithmic
        self.seed = seed
        self.scales = [Scale.of(column, logarithmic) for column in values.T]
        self.scaled = np.column_stack(
            [scale.forward(column) for scale, column in zip(self.scales, values.T, strict=True)]
        )
        self._described = described
        if described is None:
            smooth = np.broadcast_to(np.nanmean(self.scaled, axis=0), values.shape)
        else:
            self._smooth = described[1].fit(self.scaled)
            smooth = self._smooth.table
        self.devices = KnownDevices(smooth, self.scaled)
        self._families: dict[bytes, tuple[FamilyColumns, Basis]] = {}
        self._likely: dict[bytes, Settings] = {}
        self._trials: dict[int, list[Trial]] = {}

    def family(self, members: Rows) -> tuple[FamilyColumns, Basis]:
        """Return the columns of some devices, and the table's designs by them."""
        key = members.tobytes()
        if key not in self._families:
            # Of families that lack a device, the last alone is kept: each is as large as the table.
            whole = self.everyone.tobytes()
            self._families = {kept: made for kept, made in self._families.items() if kept == whole}
            columns = self.devices.columns(members)
            unknown = np.where(columns.measured, 0.0, columns.unknown)
            if self._described is None:
                basis = Basis(columns.table, unknown)
            else:
                basis = replace(self._described[0], known=columns.table, unknown=unknown)
            self._families[key] = (columns, basis)
        return self._families[key]

    def outside(self, members: Rows, designs: Basis) -> Basis:
        """Return designs by their features as the family sees them, though no device measured them."""
        assert self._described is not None
        columns, _ = self.family(members)
        smooth = self._described[1].smooth(self._smooth, designs)[:, members]
        return replace(designs, known=columns.outside(smooth), unknown=np.full(len(designs), columns.unknown))

    @property
    def everyone(self) -> Rows:
        """All devices."""
        return np.arange(self.values.shape[1])

    def others(self, device: int) -> Rows:
        """Return the devices of other groups."""
        return np.flatnonzero(self.groups != self.groups[device])

    @cached_property
    def _settings(self) -> Settings:
        _, basis = self.family(self.everyone)
        return all_settings(len(basis.causes))

    @cached_property
    def _evidence(self) -> dict[int, Floats]:
        """Return by device how likely few of its measurements are given the others (tasks, settings)."""
        found = {}
        for device in self.everyone:
            others = self.others(device)
            rows = np.flatnonzero(~np.isnan(self.values[:, device]))
            if not len(others) or len(rows) <= LEAST_MEASURED:
                continue
            _, basis = self.family(others)
            rng = np.random.default_rng([self.seed, int(device)])
            tasks = []
            for _ in range(TASKS):
                some = rng.permutation(rows)[:MEASURED]
                measured = basis.take(some)
                each = log_evidence(self._settings, measured.between(measured), self.scaled[some, device])
                tasks.append(np.logaddexp.reduce(each, axis=1))
            found[int(device)] = np.stack(tasks)
        return found

    def settings(self, members: Rows) -> Settings:
        """Return hyperparameters as likely as some devices make them."""
        key = members.tobytes()
        if key not in self._likely:
            tasks = [tasks for device, tasks in self._evidence.items() if device in members]
            evidence = np.concatenate(tasks) if tasks else np.empty((0, 0))
            self._likely[key] = likely(self._settings, evidence, len(tasks))
        return self._likely[key]

    def choose(self, members: Rows, count: int, among: Rows, measured: Basis | None = None) -> Rows:
        """Return rows to measure for a new device of the family that some devices are."""
        _, basis = self.family(members)
        rng = np.random.default_rng(self.seed)
        if len(among) > CANDIDATES:
            among = np.sort(rng.permutation(among)[:CANDIDATES])
        others = np.sort(rng.permutation(len(basis))[:OTHERS])
        places = most_telling(self.settings(members), basis.take(among), basis.take(others), count, measured)
        return among[places]

    def trials(self, count: int) -> list[Trial]:
        """Return what comes out where each known device is taken for new, with so many measurements."""
        if count in self._trials:
            return self._trials[count]
        found = []
        for device in self.everyone:
            others = self.others(device)
            rows = np.flatnonzero(~np.isnan(self.values[:, device]))
            if not len(others) or len(rows) < count + LEAST_MEASURED:
                continue
            rng = np.random.default_rng([self.seed, int(device), count])
            choices = [self.choose(others, count, rows)]
            choices += [rng.permutation(rows)[:count] for _ in range(TRIALS)]
            found += [
                self._trial(int(device), some, place == 0, rng.permutation(np.setdiff1d(rows, some))[:JUDGED])
                for place, some in enumerate(choices)
            ]
        self._trials[count] = found
        return found

    def _trial(self, device: int, some: Rows, chosen: bool, judged: Rows) -> Trial:
        from scipy.stats import spearmanr, t

        others = self.others(device)
        _, basis = self.family(others)
        values = self.values[:, device]
        scale = Scale.of(values[some], self.logarithmic)
        measured = basis.take(some)
        after = posterior(self.settings(others), measured, scale.forward(values[some]))
        mean, deviation = after.predict(measured, basis.take(judged))
        scores = (scale.forward(values[judged]) - mean) / deviation
        density = t.logpdf(scores, len(some) - 1) - np.log(deviation) + scale.log_slope(values[judged])
        constant = np.ptp(mean) == 0.0 or np.ptp(values[judged]) == 0.0
        rank = 0.0 if constant else float(spearmanr(mean, values[judged])[0])
        return Trial(device, chosen, rank, scores, float(density.mean()))
