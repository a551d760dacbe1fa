"""Optuna: studies written for it and read from it, and our searchers as one of its samplers.

T. Akiba, S. Sano, T. Yanase, T. Ohta, M. Koyama, "Optuna: a next-generation hyperparameter optimization
framework", KDD 2019. Its samplers as searchers of ours are in `dse.searchers.optuna_bridge`.
"""

from dse.interop.optuna.reading import import_study
from dse.interop.optuna.sampler import DseSampler, suggest
from dse.interop.optuna.values import distributions, space_of
from dse.interop.optuna.writing import export_study

__all__ = ["DseSampler", "distributions", "export_study", "import_study", "space_of", "suggest"]
