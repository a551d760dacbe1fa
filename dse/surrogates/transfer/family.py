"""`DeviceFamily`: devices whose metrics are known for the same designs, and a new one of ten measurements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dse.designs import Designs
from dse.errors import SurrogateError
from dse.surrogates.transfer.basis import Basis
from dse.surrogates.transfer.calibration import Calibration
from dse.surrogates.transfer.features import Descriptors, DesignFeatures
from dse.surrogates.transfer.learner import LEAST_MEASURED, MEASURED, Learner, Rows, Trial
from dse.surrogates.transfer.mixture import Posterior, posterior
from dse.surrogates.transfer.scale import Scale
from dse.surrogates.transfer.smoothing import Landmarks

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
ScaleName = Literal["auto", "linear", "log"]

SCALES = ("auto", "linear", "log")
# Settings are compared on all measurements at once: beyond these, train a surrogate of the device alone.
MOST_MEASURED = 100


class DeviceFamily:
    """Devices whose metric is known for the same designs, from which a new device is predicted.

    The new device's metric is taken for a Gaussian process over the designs, whose covariance is a sum of
    causes: designs that cost alike on the known devices, that hold alike in all, that have the same values in
    the same parameters (see `dse.surrogates.transfer.basis`). How much of each there is, and of noise, is
    learned by taking each known device for new, with the others as its family; so are the intervals' widths.

    Parameters
    ----------
    designs
        The table's designs (n,). None where nothing is known of them but the table: then only they can be
        predicted, and less well.
    table
        The metric, a row a design and a column a known device, in the designs' order; NaN where a device has
        no value.
    descriptors
        More about designs: a function from `Designs` to arrays (n,) by name, such as multiply-accumulates or
        an analytical model's estimate for the new device.
    related
        By device, a name for what is nearly the same: one chip at several batch sizes. Such devices are left
        out together when the family learns from itself. By default each stands alone.
    scale
        Whether devices are compared by the metric or by its logarithm; by default by what predicts left-out
        devices better.
    seed
        Of the random measurements of known devices.

    Raises
    ------
    SurrogateError
        If the table has another length than the designs, a column is no number or empty, `related` names no
        device of the table, or the logarithm of values that are not positive is asked for.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from dse import Designs, Ordinal, Space
    >>> space = Space([Ordinal("tile", [8, 16, 32, 64]), Ordinal("unroll", [1, 2, 4, 8])])
    >>> designs = next(space.enumerate())
    >>> work = 64 / designs["tile"] + 4 / designs["unroll"]
    >>> table = pd.DataFrame({"small": 2 * work, "large": work + 1, "wide": work + 64 / designs["tile"]})
    >>> family = DeviceFamily(designs, table)
    >>> rows = family.choose(6)
    >>> model = family.fit(rows, 3 * work[rows] + 2)
    >>> bool(np.abs(model.predict().mean - (3 * work + 2)).max() < 0.5)
    True
    """

    def __init__(
        self,
        designs: Designs | None,
        table: pd.DataFrame,
        *,
        descriptors: Descriptors | None = None,
        related: Mapping[str, str] | None = None,
        scale: ScaleName = "auto",
        seed: int = 0,
    ) -> None:
        self.designs = designs
        self.devices = tuple(str(name) for name in table.columns)
        self._values = _numbers(table)
        self.seed = seed
        n = len(self._values)
        if designs is not None and len(designs) != n:
            raise SurrogateError(
                f"there are {len(designs)} designs and {n} rows in the table: give a row each"
            )
        if descriptors is not None and designs is None:
            raise SurrogateError("descriptors describe designs: give the designs too")
        for name in related or {}:
            if name not in self.devices:
                raise SurrogateError(
                    f"related names {name!r}, which is no device of the table: {', '.join(self.devices)}"
                )
        names = [(related or {}).get(name, name) for name in self.devices]
        self._groups = np.array([names.index(name) for name in names], np.intp)
        if scale not in SCALES:
            raise SurrogateError(f"scale={scale!r} is none of {', '.join(SCALES)}")
        if scale == "log" and not np.nanmin(self._values) > 0:
            raise SurrogateError("scale='log' needs positive values: use 'linear' or 'auto'")
        self._asked = scale
        self._features = None if designs is None else DesignFeatures(designs, descriptors)

    def __repr__(self) -> str:
        return f"<family of {len(self.devices)} devices, {len(self._values):,} designs>"

    @property
    def scale(self) -> Literal["linear", "log"]:
        """The scale on which devices are compared."""
        return "log" if self._learner.logarithmic else "linear"

    @cached_property
    def _learner(self) -> Learner:
        if self._asked != "auto" or not np.nanmin(self._values) > 0:
            return self._on(self._asked == "log")
        count = min(MEASURED, max(LEAST_MEASURED, len(self._values) // 2))
        linear, logarithmic = self._on(False), self._on(True)
        if _density(logarithmic.trials(count)) > _density(linear.trials(count)):
            return logarithmic
        return linear

    def _on(self, logarithmic: bool) -> Learner:
        return Learner(self._values, self._described, self._groups, logarithmic, self.seed)

    @cached_property
    def _described(self) -> tuple[Basis, Landmarks] | None:
        """Return the table's designs by their features, with landmarks among them."""
        if self.designs is None:
            return None
        basis = self._featured(self.designs)
        return basis, Landmarks(basis, np.random.default_rng(self.seed))

    def _featured(self, designs: Designs) -> Basis:
        """Return designs by their features alone."""
        if self._features is None:
            raise SurrogateError("this family knows no designs but by their row: make it with designs")
        totals, effects = self._features(designs)
        n = len(designs)
        return Basis(np.empty((n, 0)), np.zeros(n), totals, effects, self._features.square)

    def choose(
        self, count: int = MEASURED, *, among: ArrayLike | None = None, measured: ArrayLike | None = None
    ) -> Rows:
        """Return which designs of the table to measure on the new device, the most telling first.

        Parameters
        ----------
        count
            How many.
        among
            Rows that may be measured, or a mask (n,): by default those that some known device has.
        measured
            Rows that are measured already: the choice adds to them.

        Returns
        -------
        Positions (count,) of the table's rows; the same for the same family.

        Raises
        ------
        SurrogateError
            If there are fewer rows than asked for, or a position is not in the table.
        """
        done = self._rows("measured", [] if measured is None else measured)
        known = np.flatnonzero(~np.isnan(self._values).all(axis=1))
        rows = np.setdiff1d(known if among is None else self._rows("among", among), done)
        if not 1 <= count <= len(rows):
            raise SurrogateError(f"count={count}: there are {len(rows):,} designs to choose from")
        learner = self._learner
        _, basis = learner.family(learner.everyone)
        return learner.choose(learner.everyone, count, rows, basis.take(done) if len(done) else None)

    def fit(self, designs: ArrayLike | Designs, values: ArrayLike) -> TransferModel:
        """Return what measurements of a new device say of it.

        Parameters
        ----------
        designs
            Rows of the table (m,), or designs, which need not be in it.
        values
            The metric, measured on the new device (m,). A row may occur twice: it was measured twice.

        Raises
        ------
        SurrogateError
            If there are fewer than 3 measurements or more than 100, one is no finite number, or a row is not
            in the table.
        """
        measured = np.asarray(values, float)
        count = len(designs) if isinstance(designs, Designs) else np.size(np.asarray(designs))
        if measured.ndim != 1 or len(measured) != count:
            raise SurrogateError(f"values have shape {measured.shape}: ({count},) is needed, one a design")
        if not LEAST_MEASURED <= len(measured) <= MOST_MEASURED:
            raise SurrogateError(
                f"{len(measured)} measurements: {LEAST_MEASURED} are needed, and {MOST_MEASURED} can be used"
            )
        holes = np.flatnonzero(~np.isfinite(measured))
        if len(holes):
            raise SurrogateError(f"measurement {holes[0]} is {measured[holes[0]]}: leave failed ones out")
        learner = self._learner
        if learner.logarithmic and measured.min() <= 0:
            raise SurrogateError(
                f"measurement {measured.argmin()} is {measured.min()}, and devices are compared by their "
                "logarithm: give scale='linear'"
            )
        if isinstance(designs, Designs):
            basis = self._basis(designs)
        else:
            rows = np.asarray(designs)
            if rows.dtype.kind not in "iu":
                raise SurrogateError(f"designs are given by positions in the table, not {rows.dtype}")
            basis = learner.family(learner.everyone)[1].take(self._rows("designs", rows, keep=True))
        scale = Scale.of(measured, learner.logarithmic)
        after = posterior(learner.settings(learner.everyone), basis, scale.forward(measured))
        positive = bool(np.nanmin(self._values) >= 0 and measured.min() >= 0)
        return TransferModel(self, basis, measured, after, scale, positive)

    def check(self, count: int = MEASURED, *, level: float = 0.9) -> pd.DataFrame:
        """Return how well each known device is predicted from the others: what to expect of a new one.

        Parameters
        ----------
        count
            Measurements of the device that is left out.
        level
            Of the intervals.

        Returns
        -------
        A row a device and way of choosing: ``device``, ``choice`` (``chosen``, ``random``),
        ``rank_correlation`` (Spearman's, of values that were not given) and ``coverage``: how often intervals
        held that were calibrated on the devices of other groups.
        """
        import pandas as pd

        trials = self._learner.trials(count)
        rows = []
        for trial in trials:
            group = self._groups[trial.device]
            calibration = Calibration.of([other for other in trials if self._groups[other.device] != group])
            coverage = np.nan
            if calibration is not None:
                low, high = calibration.bounds(level)
                coverage = float(((trial.scores >= low) & (trial.scores <= high)).mean())
            rows.append(
                {
                    "device": self.devices[trial.device],
                    "choice": "chosen" if trial.chosen else "random",
                    "rank_correlation": trial.rank_correlation,
                    "coverage": coverage,
                }
            )
        columns = ["device", "choice", "rank_correlation", "coverage"]
        frame = pd.DataFrame(rows, columns=columns)
        return frame.groupby(["device", "choice"], sort=False, as_index=False).mean()

    def calibration(self, count: int = MEASURED) -> Calibration | None:
        """Return how far left-out devices were from predictions after so many measurements.

        None where no device can be left out: there is one alone, or all are related.
        """
        return Calibration.of(self._learner.trials(count))

    def _basis(self, designs: Designs) -> Basis:
        """Return designs as the family sees them: those of the table by their row."""
        learner = self._learner
        basis = self._featured(designs)
        rows = self._places(designs)
        inside, outside = rows >= 0, np.flatnonzero(rows < 0)
        table = learner.family(learner.everyone)[1]
        known, unknown = np.empty((len(designs), table.known.shape[1])), np.empty(len(designs))
        known[inside], unknown[inside] = table.known[rows[inside]], table.unknown[rows[inside]]
        if len(outside):
            new = learner.outside(learner.everyone, basis.take(outside))
            known[outside], unknown[outside] = new.known, new.unknown
        return replace(basis, known=known, unknown=unknown)

    @cached_property
    def _index(self) -> tuple[NDArray[np.void], NDArray[np.intp]]:
        assert self.designs is not None
        keys, first = np.unique(_keys(self.designs), return_index=True)
        return keys, first

    def _places(self, designs: Designs) -> Rows:
        """Return the rows (n,) of designs in the table, -1 where they are not."""
        keys, first = self._index
        wanted = _keys(designs)
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return np.where(keys[place] == wanted, first[place], -1)

    def _rows(self, what: str, given: ArrayLike, keep: bool = False) -> Rows:
        rows = np.asarray(given)
        n = len(self._values)
        if rows.dtype == bool and rows.shape == (n,):
            rows = np.flatnonzero(rows)
        rows = rows.astype(np.intp) if rows.size else np.empty(0, np.intp)
        bad = rows[(rows < 0) | (rows >= n)]
        if len(bad):
            raise SurrogateError(f"{what}: row {bad[0]} is not in the table, which has rows 0 to {n - 1}")
        return rows if keep else np.unique(rows)


@dataclass(frozen=True)
class TransferPrediction:
    """A new device's metric, predicted.

    Attributes
    ----------
    mean
        Expected (n,); by logarithm, the median.
    lower, upper
        What a measurement lies between (n,), at `level`.
    level
        How often it should.
    calibrated
        Whether intervals were widened or narrowed to what left-out devices showed; else they are the
        model's own.
    """

    mean: Floats
    lower: Floats
    upper: Floats
    level: float
    calibrated: bool

    def to_frame(self) -> pd.DataFrame:
        """Return ``mean``, ``lower`` and ``upper`` as columns."""
        import pandas as pd

        return pd.DataFrame({"mean": self.mean, "lower": self.lower, "upper": self.upper})


class TransferModel:
    """A new device after a few measurements; made by `DeviceFamily.fit`."""

    def __init__(
        self,
        family: DeviceFamily,
        measured: Basis,
        values: Floats,
        after: Posterior,
        scale: Scale,
        positive: bool,
    ) -> None:
        self.family = family
        self.values = values
        self._measured = measured
        self._after = after
        self._scale = scale
        self._positive = positive

    @property
    def shares(self) -> dict[str, float]:
        """How much each cause explains, as far as the measurements tell, and ``noise``; their sum is 1."""
        after = self._after
        total = 1.0 + after.noise
        shares = after.probability @ (after.weights / total[:, None])
        found = dict(zip(self._measured.causes, shares.tolist(), strict=True))
        return {**found, "noise": float(after.probability @ (after.noise / total))}

    @property
    def suspect(self) -> Floats:
        """How likely each measurement went wrong (m,): measure those above one half again."""
        return self._after.wrong

    def predict(self, designs: Designs | None = None, *, level: float = 0.9) -> TransferPrediction:
        """Predict what a measurement on the new device would give.

        Parameters
        ----------
        designs
            Designs (n,) of the family's space; those that are not in the table are predicted by their
            features alone. By default the table's.
        level
            Of the intervals, between 0 and 1.

        Raises
        ------
        SurrogateError
            If the level is not between 0 and 1, the designs are of another space, or the family knows none.
        """
        if not 0.0 < level < 1.0:
            raise SurrogateError(f"level={level!r} must lie between 0 and 1, as in 0.9")
        learner = self.family._learner
        table = learner.family(learner.everyone)[1]
        basis = table if designs is None else self.family._basis(designs)
        mean, deviation = self._after.predict(self._measured, basis)
        calibration = self.family.calibration(len(self.values))
        if calibration is None:
            from scipy.stats import t

            high = float(t.ppf(0.5 + level / 2.0, len(self.values) - 1))
            low = -high
        else:
            low, high = calibration.bounds(level)
        bounds = [self._scale.backward(mean + side * deviation) for side in (low, high)]
        if self._positive:
            bounds = [np.maximum(bound, 0.0) for bound in bounds]
            if not self._scale.logarithmic:
                mean = _positive_part(mean, deviation)
        centre = self._scale.backward(mean)
        lower, upper = np.minimum(bounds[0], centre), np.maximum(bounds[1], centre)
        return TransferPrediction(centre, lower, upper, level, calibration is not None)


def _positive_part(mean: Floats, deviation: Floats) -> Floats:
    """Return the mean of a normal variable's positive part, of what cannot be negative."""
    from scipy.special import ndtr

    ratio = mean / deviation
    density = np.exp(-0.5 * ratio**2) / np.sqrt(2.0 * np.pi)
    return np.asarray(np.maximum(mean * ndtr(ratio) + deviation * density, 0.0))


def _density(trials: Sequence[Trial]) -> float:
    """Return the mean over devices of their trials' mean densities; minus infinity where there are none."""
    by_device: dict[int, list[float]] = {}
    for trial in trials:
        by_device.setdefault(trial.device, []).append(trial.density)
    return float(np.mean([np.mean(some) for some in by_device.values()])) if by_device else -np.inf


def _keys(designs: Designs) -> NDArray[np.void]:
    packed = np.ascontiguousarray(designs.space.pack(designs.codes))
    return packed.view([("", np.void, packed.shape[1])])[:, 0]["f0"]


def _numbers(table: pd.DataFrame) -> Floats:
    if table.shape[1] < 1 or len(table) < LEAST_MEASURED + 1:
        raise SurrogateError(
            f"the table has {len(table)} rows and {table.shape[1]} columns: give at least "
            f"{LEAST_MEASURED + 1} designs and one known device"
        )
    if not table.columns.is_unique:
        twice = table.columns[table.columns.duplicated()][0]
        raise SurrogateError(f"the table has two columns {twice!r}: rename one")
    columns = []
    for name in table.columns:
        try:
            column = table[name].to_numpy(float, na_value=np.nan)
        except (TypeError, ValueError):
            raise SurrogateError(f"column {name!r} of the table holds something that is no number") from None
        if np.isinf(column).any():
            raise SurrogateError(f"column {name!r} of the table has an infinite value: use NaN for failures")
        if not np.isfinite(column).any():
            raise SurrogateError(f"column {name!r} of the table is empty: drop it")
        columns.append(column)
    return np.column_stack(columns)
