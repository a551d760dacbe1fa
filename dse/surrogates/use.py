"""Surrogates in ready studies: ``--set evaluate=surrogate:NAME`` and ``--set evaluate=screened:NAME``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dse.definitions import StudyDefinition
from dse.errors import SurrogateError
from dse.problem import Problem

if TYPE_CHECKING:
    from dse.store import Store

SETTING = "evaluate"
IN_PLACE, BEFORE = "surrogate:", "screened:"
CONFIDENCE = "surrogate.confidence"
DEFAULT_CONFIDENCE = 0.9


def names_surrogate(settings: Mapping[str, Any]) -> bool:
    """Return whether settings of a study ask for a surrogate."""
    return str(settings.get(SETTING, "")).startswith((IN_PLACE, BEFORE))


def build(definition: StudyDefinition, settings: Mapping[str, Any], store: Store | str) -> Problem:
    """Build a study's problem with a stored surrogate in place of its model, or before it.

    Parameters
    ----------
    definition
        The study.
    settings
        Its settings, of which ``evaluate`` is ``surrogate:NAME``, ``surrogate:NAME@VERSION``, or the same
        with ``screened:``; and, if it is there, ``surrogate.confidence``, with which limits have to hold
        (0.9).
    store
        Where the surrogate is kept.

    Raises
    ------
    SurrogateError
        If there is no such surrogate or it does not fit the problem.
    StudyError
        If another setting is wrong.
    """
    from dse.surrogates.model import SurrogateModel, SurrogateProblem, screened_problem
    from dse.surrogates.registry import Registry

    rest = {key: value for key, value in settings.items() if key not in (SETTING, CONFIDENCE)}
    asked = str(settings[SETTING])
    kind = BEFORE if asked.startswith(BEFORE) else IN_PLACE
    problem = definition.build(rest)
    registry = Registry(store)
    record = registry.version(asked.removeprefix(kind))
    model = SurrogateModel(
        registry.load(record), record.reference, record.digest, _confidence(settings.get(CONFIDENCE))
    )
    return screened_problem(problem, model) if kind == BEFORE else SurrogateProblem(problem, model)


def _confidence(text: Any) -> float:
    if text is None:
        return DEFAULT_CONFIDENCE
    try:
        return float(text)
    except (TypeError, ValueError):
        raise SurrogateError(f"{CONFIDENCE}={text!r} is no number, as in {CONFIDENCE}=0.9") from None
