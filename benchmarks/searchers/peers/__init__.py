"""Peers by name, each a function of a bench and a seed that proposes until the budget is spent.

All begin with the designs that a problem starts with, and then with as many random members of the space as
their own default has random designs, so that none loses its start to designs outside of the space. What each
knows of constraints and limits is said in its file.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

from benchmarks.searchers.bench import Bench

Proposer = Callable[[Bench, int], None]

PEERS: dict[str, tuple[str, dict[str, Any]]] = {
    "pymoo-nsga2": ("pymoo_nsga2", {}),
    "pymoo-nsga2-pop20": ("pymoo_nsga2", {"population": 20}),
    "pymoo-nsga2-mixed-pop20": ("pymoo_nsga2", {"population": 20, "mixed": True}),
    "optuna-nsga2": ("optuna_samplers", {"sampler": "nsga2"}),
    "optuna-tpe": ("optuna_samplers", {"sampler": "tpe"}),
    "optuna-gp": ("optuna_samplers", {"sampler": "gp"}),
    "botorch-qlognehvi": ("botorch_qlognehvi", {}),
    "smac-parego": ("smac_parego", {}),
}

# Decide by the designs they were told and hardly ever repeat one: a stored run of theirs can be gone on from.
GO_ON = {"optuna-gp", "botorch-qlognehvi", "smac-parego"}


def find(name: str) -> Proposer | None:
    """Return a peer by name; None if there is none of that name."""
    if name not in PEERS:
        return None
    module, settings = PEERS[name]
    run = import_module(f"benchmarks.searchers.peers.{module}").run
    return partial(run, **settings)
