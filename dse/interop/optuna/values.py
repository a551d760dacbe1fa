"""Parameters as Optuna's distributions, and back: `Translation` maps values to codes and codes to values."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from dse.designs import Designs
from dse.errors import SpaceError
from dse.interop.names import identifiers, settle
from dse.space import Categorical, Integer, Ordinal, Parameter, Real, Space

Array = NDArray[Any]

# Values of a float with a step that are listed one by one; beyond, the step is lost.
MOST_STEPS = 10_000


@dataclass(frozen=True)
class Translation:
    """A parameter and the distribution that says the same.

    Attributes
    ----------
    parameter
        Ours.
    label, distribution
        Optuna's.
    """

    parameter: Parameter
    label: str
    distribution: BaseDistribution

    def values(self, codes: Array) -> list[Any]:
        """Return the values (n,) that Optuna has for codes (n,) of the parameter."""
        if isinstance(self.distribution, CategoricalDistribution):
            return [self.distribution.choices[code] for code in codes.astype(np.int64).tolist()]
        values: list[Any] = self.parameter.decode(codes).tolist()
        return values

    def code(self, value: Any) -> int | float:
        """Return the code of one of Optuna's values; raise ValueError for one that there is not."""
        if isinstance(self.distribution, CategoricalDistribution):
            return int(self.distribution.to_internal_repr(value))
        if isinstance(self.parameter, Ordinal):  # a float with a step: as it was computed
            listed = np.array(self.parameter.listed, float)
            return int(np.argmin(np.abs(listed - float(value))))
        code: int | float = self.parameter.encode([value])[0].item()
        return code


def of_space(space: Space, lost: list[str] | None = None) -> tuple[Translation, ...]:
    """Return the distributions of a space's parameters.

    A `Categorical` or an `Ordinal` is categorical to Optuna, an `Integer` an int, a `Real` a float. Optuna
    knows no constraints, no conditions and no order of choices: those of the space hold of its designs all
    the same.

    Parameters
    ----------
    space
        Any.
    lost
        Where to put what Optuna has no place for; None to refuse it.

    Raises
    ------
    SpaceError
        If an integer has both a step and the logarithm, and `lost` is None.
    """
    found, missing = [], []
    for parameter in space.parameters:
        if isinstance(parameter, Integer) and parameter.log and parameter.step > 1:
            missing.append(f"the logarithm of {parameter.name!r}, which has a step")
        found.append(Translation(parameter, parameter.name, _distribution(parameter)))
    settle(missing, lost, "Optuna")
    return tuple(found)


def distributions(space: Space, lost: list[str] | None = None) -> dict[str, BaseDistribution]:
    """Return a space's parameters as Optuna's distributions by name; see `of_space`."""
    return {item.label: item.distribution for item in of_space(space, lost)}


def _distribution(parameter: Parameter) -> BaseDistribution:
    if isinstance(parameter, Real):
        return FloatDistribution(parameter.low, parameter.high, log=parameter.log)
    if isinstance(parameter, Integer):
        log = parameter.log and parameter.step == 1
        return IntDistribution(parameter.low, parameter.high, step=parameter.step, log=log)
    assert isinstance(parameter, Categorical | Ordinal)
    return CategoricalDistribution(parameter.listed)


def of_distributions(
    given: Mapping[str, BaseDistribution], lost: list[str] | None = None
) -> tuple[Translation, ...]:
    """Return parameters that say what distributions say.

    An int becomes an `Integer`, a float a `Real`, a float with a step (or with one value) an `Ordinal`, and
    choices a `Categorical`: as text where they are no plain values, or not distinct to Python (1 and True).

    Parameters
    ----------
    given
        Distributions by Optuna's name.
    lost
        Where to put what is not kept; None to refuse it.

    Raises
    ------
    SpaceError
        If there is none; or if something is not kept and `lost` is None: a name that is changed, choices that
        become text, a step of more than ten thousand values.
    """
    if not given:
        raise SpaceError("no parameter is given: name at least one distribution")
    missing: list[str] = []
    names = identifiers(given)
    found = []
    for label, distribution in given.items():
        if names[label] != label:
            missing.append(f"the name {label!r}, which becomes {names[label]!r}")
        parameter = _parameter(names[label], distribution, missing)
        found.append(Translation(parameter, label, distribution))
    settle(missing, lost, "a space")
    return tuple(found)


def space_of(given: Mapping[str, BaseDistribution], lost: list[str] | None = None) -> Space:
    """Return the space of distributions, without constraints; see `of_distributions`."""
    return Space([item.parameter for item in of_distributions(given, lost)])


def _parameter(name: str, distribution: BaseDistribution, missing: list[str]) -> Parameter:
    if isinstance(distribution, IntDistribution):
        low, step = distribution.low, distribution.step
        high = low + (distribution.high - low) // step * step
        return Integer(name, low, high, step=step, log=distribution.log)
    if isinstance(distribution, CategoricalDistribution):
        return Categorical(name, _choices(name, distribution.choices, missing))
    if not isinstance(distribution, FloatDistribution):
        raise SpaceError(
            f"{name}: {type(distribution).__name__} is no distribution of Optuna's that is known"
        )
    low_, high_ = float(distribution.low), float(distribution.high)
    if low_ == high_:
        return Ordinal(name, [low_])
    if distribution.step is not None:
        count = math.floor((high_ - low_) / distribution.step + 1e-9) + 1
        if count <= MOST_STEPS:
            return Ordinal(name, (low_ + distribution.step * np.arange(count)).tolist())
        missing.append(f"the step of {name!r}, which has {count:,} values")
    return Real(name, low_, high_, log=distribution.log)


def _choices(name: str, choices: Sequence[Any], missing: list[str]) -> list[Any]:
    plain = all(
        isinstance(item, str | int | float | None)
        and not (isinstance(item, float) and not math.isfinite(item))
        for item in choices
    )
    if plain and len(set(choices)) == len(choices):
        return list(choices)
    texts = [item if isinstance(item, str) else json.dumps(item, default=repr) for item in choices]
    if len(set(texts)) < len(texts):
        texts = [f"{place}: {text}" for place, text in enumerate(texts)]
    missing.append(f"the choices of {name!r} as values, which become text ({texts[0]!r})")
    return texts


def encoded(
    translations: Sequence[Translation], rows: Iterable[Mapping[str, Any]]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the codes of parameters by Optuna's names, NaN where they are missing or not in the domain.

    Parameters
    ----------
    translations
        Of p parameters.
    rows
        Optuna's values (n) by name.

    Returns
    -------
    Codes (n, p) and the mask (n, p) of those that are given.
    """
    listed = list(rows)
    codes = np.full((len(listed), len(translations)), np.nan)
    given = np.zeros(codes.shape, dtype=bool)
    for position, item in enumerate(translations):
        known: dict[Any, float] = {}
        for row, values in enumerate(listed):
            if item.label not in values:
                continue
            given[row, position] = True
            value = values[item.label]
            try:
                key = (type(value), value)
                if key not in known:
                    known[key] = _code(item, value)
                codes[row, position] = known[key]
            except TypeError:  # a choice that cannot be a key
                codes[row, position] = _code(item, value)
    return codes, given


def _code(item: Translation, value: Any) -> float:
    try:
        return float(item.code(value))
    except ValueError:  # DesignError is one
        return math.nan


def decoded(translations: Sequence[Translation], designs: Designs) -> list[dict[str, Any]]:
    """Return designs as Optuna's values by name, parameters that are not active left out."""
    active = designs.active
    columns = [item.values(designs.codes[:, position]) for position, item in enumerate(translations)]
    return [
        {
            item.label: columns[position][row]
            for position, item in enumerate(translations)
            if active[row, position]
        }
        for row in range(len(designs))
    ]
