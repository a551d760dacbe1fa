"""What a version was made of, as JSON values."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.problem import differences
from dse.surrogates.pool import Pool
from dse.surrogates.surrogate import Surrogate, fit
from dse.version import __version__

Mask = NDArray[np.bool_]


def fitted(
    pool: Pool,
    rows: Mask,
    settings: Mapping[str, Any],
    *,
    choice: Mapping[str, Any] | None = None,
    before: Mapping[str, Any] | None = None,
) -> tuple[Surrogate, dict[str, Any]]:
    """Train a surrogate, and say of what.

    Parameters
    ----------
    pool
        The evaluations that there are.
    rows
        Those to train on, a mask (n,) of the pool.
    settings
        model, seconds and seed, as for `fit`; metrics, the names of those that are learned (None for all).
    choice
        Of the models, where it is made already.
    before
        An earlier choice, to be compared too.

    Returns
    -------
    The surrogate, and the part of its provenance that says how it was trained (see `Registry`).
    """
    began = time.perf_counter()
    asked = dict(settings) if choice is None else {**settings, "model": choice}
    names = asked.pop("metrics", None)
    data = pool.data if names is None else pool.data.of_metrics(names)
    surrogate = fit(data.take(rows), **asked, before=before)
    return surrogate, {
        "problem": dict(pool.problem),
        "studies": pool.records(rows),
        "settings": dict(settings),
        "choice": surrogate.choice,
        "seconds": time.perf_counter() - began,
        "versions": versions(),
    }


def changes(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return what differs between two provenances, a line each."""
    lines = []
    before, after = (
        {(item["store"], item["study"]): item["count"] for item in made["studies"]} for made in (one, other)
    )
    for study in dict.fromkeys((*before, *after)):
        counts = before.get(study, 0), after.get(study, 0)
        if counts[0] != counts[1]:
            lines.append(f"evaluations of {study[1]}: {counts[0]:,} -> {counts[1]:,}")
    if one["problem"]["limits"] != other["problem"]["limits"]:
        lines += differences(one["problem"]["limits"], other["problem"]["limits"], "limits")
    lines += differences(one["settings"], other["settings"], "settings")
    models = [{name: _described(item) for name, item in made["choice"].items()} for made in (one, other)]
    names = dict.fromkeys((*models[0], *models[1]))
    pairs = {name: [known.get(name, "not learned") for known in models] for name in names}
    lines += [f"{name}: {model} -> {now}" for name, (model, now) in pairs.items() if model != now]
    return lines + differences(one["versions"], other["versions"], "versions")


def _described(choice: Mapping[str, Any]) -> str:
    sizes = choice["sizes"]
    products = f", products of {len(sizes)} parameters" if sizes else ""
    return f"{choice['model']}, {choice['scale']}{products}"


def versions() -> dict[str, str]:
    """Return the versions that a surrogate may depend on."""
    packages = ("numpy", "scipy", "scikit-learn", "skops")
    return {
        "dse": __version__,
        "python": platform.python_version(),
        **{package: metadata.version(package) for package in packages},
    }


def plain(value: Any) -> Any:
    """Return JSON values: numbers of Python instead of NumPy's, None for what is no number."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
