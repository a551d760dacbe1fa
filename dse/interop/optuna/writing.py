"""A stored study as a study of Optuna's, which optuna-dashboard opens and Optuna goes on with."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from dse.errors import StudyError
from dse.evaluations import Evaluations, State
from dse.interop.optuna.storages import study_names, to_write
from dse.interop.optuna.values import Translation, decoded, of_space

if TYPE_CHECKING:
    from dse.store import EvaluationRows
    from dse.study import StudyView

# A study's own facts, by which it is read back as it was.
PROBLEM, FACTS = "dse:problem", "dse:study"
# Trials' user attributes beside the metrics.
NUMBER, STATE, SECONDS, ERROR, VIOLATION = (
    "dse:number", "dse:state", "dse:seconds", "dse:error", "dse:violation"
)  # fmt: skip
ROWS_AT_ONCE = 5_000


def export_study(
    study: StudyView,
    target: str,
    *,
    name: str | None = None,
    front: bool = False,
    lost: list[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> str:
    """Write a stored study into a storage of Optuna's.

    Every evaluation is a trial of the same number. Parameters that are not active are left out, as a
    define-by-run objective leaves them out. Infeasible designs are complete trials that break a constraint,
    one for each limit by its text; failed designs and timeouts are failed trials, with the reason. Metrics
    that are no objective, the number, the state, the violation and the seconds are user attributes of trials;
    units, limits, the problem and where it comes from are user attributes of the study.

    Parameters
    ----------
    study
        The stored study.
    target
        The URL of a database (``sqlite:///FILE``), or the path of a journal file.
    name
        Of Optuna's study; the stored study's by default.
    front
        Whether only the front is written, whose trials are numbered from 0; ``dse:number`` has ours.
    lost
        Where to put what Optuna has no place for; None to refuse it.
    progress
        Called with the number of trials written, and of all.

    Returns
    -------
    The name of Optuna's study.

    Raises
    ------
    StudyError
        If the storage cannot be written, or has a study of that name.
    SpaceError
        If something has no place and `lost` is None.

    Notes
    -----
    Optuna writes trials one by one. In a database each takes a few dozen statements; a journal takes the
    same trials some hundred times as fast (`docs/interop/optuna.md` has the figures). If writing is stopped,
    Optuna's study is deleted again.
    """
    name = name or study.name
    translations = of_space(study.space, lost)
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with to_write(target) as storage:
            if name in study_names(storage):
                raise StudyError(
                    f"{target!r} has a study {name!r} already: name another (--study), or delete it"
                )
            directions = [
                StudyDirection.MAXIMIZE if goal.maximize else StudyDirection.MINIMIZE
                for goal in study.objectives
            ]
            made = optuna.create_study(storage=storage, study_name=name, directions=directions)
            try:
                _describe(made, study)
                parts = _parts(study, front)
                total = len(study.store.front_numbers(study.id)) if front else len(study)
                for done, trial in enumerate(_trials(study, parts, translations), start=1):
                    made.add_trial(trial)
                    if progress is not None:
                        progress(done, total)
            except BaseException:
                optuna.delete_study(study_name=name, storage=storage)
                raise
    finally:
        optuna.logging.set_verbosity(verbosity)
    return name


def _describe(made: optuna.Study, study: StudyView) -> None:
    record = study.record
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        made.set_metric_names([goal.metric for goal in study.objectives])
    units = {metric.name: metric.unit for metric in study.metrics.values() if metric.unit}
    facts = {
        "name": study.name,
        "fingerprint": record.fingerprint,
        "searcher": record.searcher,
        "seed": record.seed,
        "versions": record.versions,
        "created_at": record.created_at,
        "reference": record.reference,
    }
    if units:
        made.set_user_attr("units", units)
    if study.limits:
        made.set_user_attr("limits", [limit.text for limit in study.limits])
    made.set_user_attr(FACTS, facts)
    made.set_user_attr(PROBLEM, record.problem)


def _parts(study: StudyView, front: bool) -> Iterable[EvaluationRows]:
    if front:
        return [study.store.evaluations(study.id, numbers=study.store.front_numbers(study.id))]
    return study.store.iter_evaluations(study.id, ROWS_AT_ONCE)


def _trials(
    study: StudyView, parts: Iterable[EvaluationRows], translations: Sequence[Translation]
) -> Iterator[FrozenTrial]:
    known = {item.label: item.distribution for item in translations}
    started, complete = _times(study)
    for rows in parts:
        part = study.restore(rows)
        parameters = decoded(translations, part.designs)
        broken = _constraints(study, part)
        for row, number in enumerate(rows.number.tolist()):
            state = str(part.state[row])
            has_result = state in (State.COMPLETE, State.INFEASIBLE)
            constraints = {text: float(column[row]) for text, column in broken.items()} if has_result else {}
            trial = optuna.trial.create_trial(
                state=TrialState.COMPLETE if has_result else TrialState.FAIL,
                values=_values(study, part, row) if has_result else None,
                params=parameters[row],
                distributions={label: known[label] for label in parameters[row]},
                user_attrs=_attributes(study, part, row, number),
                # optuna-dashboard 0.21 reads the list alone, Optuna 5 both.
                system_attrs={"constraints": list(constraints.values())} if constraints else None,
                constraints=constraints or None,
            )
            trial.datetime_start, trial.datetime_complete = started[number], complete[number]
            yield trial


def _values(study: StudyView, part: Evaluations, row: int) -> list[float]:
    return [float(part.metrics[goal.metric][row]) for goal in study.objectives]


def _attributes(study: StudyView, part: Evaluations, row: int, number: int) -> dict[str, Any]:
    goals = {goal.metric for goal in study.objectives}
    found: dict[str, Any] = {
        metric: float(column[row])
        for metric, column in part.metrics.items()
        if metric not in goals and np.isfinite(column[row])
    }
    found |= {NUMBER: number, STATE: str(part.state[row])}
    if np.isfinite(part.seconds[row]):
        found[SECONDS] = float(part.seconds[row])
    if part.violation[row] > 0:
        found[VIOLATION] = float(part.violation[row])
    if row in part.errors:
        found[ERROR] = part.errors[row]
    return found


def _constraints(study: StudyView, part: Evaluations) -> dict[str, NDArray[np.float64]]:
    """Return by how much each limit is broken (n,), at most 0 where it holds."""
    found = {}
    for limit in study.limits:
        margins = [np.broadcast_to(margin, (len(part),)) for margin in limit.margins(part.metrics)]
        found[limit.text] = np.max(margins, axis=0)
    return found


def _times(study: StudyView) -> tuple[list[datetime], list[datetime]]:
    """Return when each evaluation started and ended, in local time as Optuna has it."""
    started: list[datetime] = []
    complete: list[datetime] = []
    seconds = np.concatenate(
        [np.empty(0), *(rows.seconds for rows in study.store.iter_evaluations(study.id))]
    )
    for batch in study.store.batches(study.id):
        begin = datetime.fromisoformat(batch.started_at).astimezone().replace(tzinfo=None)
        begin += timedelta(seconds=batch.ask_seconds)
        spent = np.nan_to_num(seconds[batch.first : batch.first + batch.count])
        ends = np.cumsum(spent)
        started += [begin + timedelta(seconds=float(end - own)) for end, own in zip(ends, spent, strict=True)]
        complete += [begin + timedelta(seconds=float(end)) for end in ends]
    return started, complete
