"""One design of a stored study, by the number that ``dse front`` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dse.definitions import StudyDefinition, find
from dse.errors import StudyError

if TYPE_CHECKING:
    from dse.study import StudyView


def ready_name(study: StudyView) -> str:
    """Return the name of the ready study that a stored one is of."""
    # Studies that were stored before problems' names were are called after them.
    return study.record.problem.get("name") or study.name


def ready_study(study: StudyView) -> StudyDefinition:
    """Return the ready study that a stored one is of; raise `StudyError` if there is none."""
    return find(ready_name(study))


def chosen_design(study: StudyView, number: int | None) -> tuple[int, dict[str, Any]]:
    """Return a design's number, by default that of the knee, and its parameters by name."""
    from dse.cli import output

    front = study.front()
    if front.empty:
        raise StudyError(f"study {study.name!r} has no feasible design yet: run it further")
    if number is None:
        knees = output.knees(study, front)
        number = int((knees if len(knees) else front).index[0])
    if number in front.index:
        row = front.loc[number]
    else:
        frame = study.evaluations().set_index("number")
        if number not in frame.index:
            some = ", ".join(map(str, front.index[:5]))
            raise StudyError(
                f"--design {number} is not in study {study.name!r}: on its front are {some}, ..."
            )
        row = frame.loc[number]
    return number, {
        name: getattr(row[name], "item", lambda name=name: row[name])() for name in study.space.names
    }
