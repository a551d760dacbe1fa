"""Surrogates: learned models of a problem's metrics, with intervals; imported when they are first used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dse.surrogates.data import TrainingData, training_data
    from dse.surrogates.registry import Registry
    from dse.surrogates.scoring import scores
    from dse.surrogates.surrogate import Prediction, Surrogate, fit

__all__ = ["Prediction", "Registry", "Surrogate", "TrainingData", "fit", "scores", "training_data"]

_HOMES = {
    "Prediction": "surrogate",
    "Registry": "registry",
    "Surrogate": "surrogate",
    "TrainingData": "data",
    "fit": "surrogate",
    "scores": "scoring",
    "training_data": "data",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
