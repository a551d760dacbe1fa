"""Any installed space with any installed cost model: they meet by column names."""

from __future__ import annotations

import json
from typing import Any

from dse import Maximize, Minimize, Problem
from dse.definitions import StudyDefinition
from dse.errors import ProblemError
from dse.plugins import model as installed_model
from dse.plugins import plugins
from dse.plugins import space as installed_space
from dse.problem import Objective
from studies.settings import names


def problem(
    space: str = "",
    model: str = "",
    minimize: str = "",
    maximize: str = "",
    limits: str = "",
    space_settings: str = "",
    model_settings: str = "",
) -> Problem:
    """Return the problem of an installed space and an installed cost model.

    Parameters
    ----------
    space, model
        Their names, as ``dse plugins`` lists them. There is no default.
    minimize, maximize
        Metrics of the model, with commas between.
    limits
        Bounds on metrics, with commas between, as in ``"power_w <= 5, area_mm2 <= 2"``.
    space_settings, model_settings
        Arguments by name, as JSON: ``{"taps": 32}``.
    """
    for kind, name in (("space", space), ("model", model)):
        if not name:
            known = ", ".join(plugins(kind)) or "none: 'dse plugins' lists them"
            raise ProblemError(f"{kind} is not set: name one, as in --set {kind}=NAME; installed are {known}")
    goals: list[Objective] = [Minimize(metric) for metric in names(minimize)]
    goals += [Maximize(metric) for metric in names(maximize)]
    chosen = installed_model(model, _settings("model_settings", model_settings))
    if not goals:
        raise ProblemError(
            f"minimize and maximize are both empty: name a metric of {model}, which has "
            f"{', '.join(chosen.metrics)}"
        )
    searched = installed_space(space, _settings("space_settings", space_settings))
    return Problem(searched, chosen, goals, names(limits), name=f"{model} on {space}")


def _settings(label: str, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except json.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise ProblemError(f'{label}={text!r} must be arguments as JSON, as in {label}={{"taps": 32}}')
    return found


study = StudyDefinition(
    "compose", "an installed space and an installed cost model: --set space=NAME --set model=NAME", problem
)

if __name__ == "__main__":
    study.main()
