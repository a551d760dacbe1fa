"""Designs as what a device may charge for: what they hold in all, and the effect of each parameter."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dse.designs import Designs
from dse.errors import SurrogateError
from dse.features import Features
from dse.gaussian import effects
from dse.scales import suits_logarithm
from dse.space import Space

Floats = NDArray[np.float64]
Descriptors = Callable[[Designs], Mapping[str, ArrayLike]]

# Of parameters with the same domain: up to so many values are counted one by one.
MOST_COUNTED = 32


class DesignFeatures:
    """Turns designs into totals (n, t) and effects (n, p), centred over the designs that it was made of.

    Totals are sums over the parameters of one domain: how often each value is chosen, wherever that is. Six
    edges that each hold one of five operations have five totals. A device that charges every operation its
    price, which is most of what latency is, is linear in them. Descriptors are totals that the user knows.
    Effects are those of single parameters, as `dse.gaussian.effects` has them.

    Parameters
    ----------
    designs
        Those of the table.
    descriptors
        Numbers (n,) by name, of designs: multiply-accumulates, bytes, a roofline's estimate. By their
        logarithm where that spreads them more evenly.

    Raises
    ------
    SurrogateError
        If a descriptor is no number for every design.

    Attributes
    ----------
    square
        The mean of the squared effects' variances.
    """

    def __init__(self, designs: Designs, descriptors: Descriptors | None = None) -> None:
        self.space = designs.space
        self._descriptors = descriptors
        self._features = Features(self.space)
        self._sets = _alike(self.space)
        self._conditional = [
            place for place, parameter in enumerate(self.space.parameters) if parameter.condition is not None
        ]
        described = self._described(designs)
        self._logarithm = [suits_logarithm(column) for column in described.T]
        counted, described, single = self._columns(designs)
        self._centres = (counted.mean(axis=0), described.mean(axis=0), single.mean(axis=0))
        # Counts keep their proportions; descriptors have units of their own.
        self._units = (
            _size(counted - self._centres[0]),
            np.maximum(described.std(axis=0), 1e-12) * described.shape[1] ** 0.5,
            _size(single - self._centres[2]),
        )
        lengths = (((single - self._centres[2]) / self._units[2]) ** 2).sum(axis=1)
        self.square = float((lengths**2).mean()) or 1.0

    def __call__(self, designs: Designs) -> tuple[Floats, Floats]:
        """Return totals (n, t) and effects (n, p); raise `SurrogateError` for designs of another space."""
        if designs.space.names != self.space.names:
            raise SurrogateError(
                f"these designs have the parameters {', '.join(designs.names)}; the family's have "
                f"{', '.join(self.space.names)}"
            )
        columns = self._columns(designs)
        counted, described, single = (
            (block - centre) / unit
            for block, centre, unit in zip(columns, self._centres, self._units, strict=True)
        )
        return np.column_stack([counted, described]), single

    def _columns(self, designs: Designs) -> tuple[Floats, Floats, Floats]:
        active = designs.active
        counted = [self._counts(designs, places, active) for places in self._sets]
        described = self._described(designs)
        for place, logarithm in enumerate(self._logarithm):
            if logarithm:
                described[:, place] = np.log(np.maximum(described[:, place], np.finfo(float).tiny))
        single = np.column_stack([self._features(designs.codes), active[:, self._conditional].astype(float)])
        return (
            np.column_stack(counted) if counted else np.empty((len(designs), 0)),
            described,
            effects(single),
        )

    def _counts(self, designs: Designs, places: list[int], active: NDArray[np.bool_]) -> Floats:
        parameter = self.space.parameters[places[0]]
        codes, used = designs.codes[:, places], active[:, places]
        if parameter.cardinality <= MOST_COUNTED:
            values = range(int(parameter.cardinality))
            return np.column_stack([((codes == value) & used).sum(axis=1) for value in values]).astype(float)
        scaled = np.column_stack([parameter.scaled(column) for column in codes.T]) * used
        return np.column_stack([scaled.sum(axis=1), (scaled**2).sum(axis=1), used.sum(axis=1)])

    def _described(self, designs: Designs) -> Floats:
        if self._descriptors is None:
            return np.empty((len(designs), 0))
        columns = []
        for name, values in self._descriptors(designs).items():
            column = np.asarray(values, float)
            if column.shape != (len(designs),) or not np.isfinite(column).all():
                raise SurrogateError(
                    f"descriptor {name!r} must be {len(designs)} finite numbers, one a design; it has shape "
                    f"{column.shape}" + ("" if np.isfinite(column).all() else " and holes")
                )
            columns.append(column)
        return np.column_stack(columns) if columns else np.empty((len(designs), 0))


def _alike(space: Space) -> list[list[int]]:
    """Return the positions of parameters that have the same domain, where there are two or more."""
    found: dict[str, list[int]] = {}
    for place, parameter in enumerate(space.parameters):
        domain = {
            key: value
            for key, value in parameter.to_dict().items()
            if key not in ("name", "active_if", "inactive")
        }
        found.setdefault(json.dumps(domain, sort_keys=True), []).append(place)
    return [places for places in found.values() if len(places) > 1]


def _size(block: Floats) -> float:
    """Return the root of the mean squared length of rows, 1 where all are zero."""
    return float(np.sqrt((block**2).sum(axis=1).mean())) or 1.0 if block.size else 1.0
