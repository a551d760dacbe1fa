"""``dse export``: a stored study's evaluations, or one design, for other programs."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dse.cli.options import DEFAULT_STORE, NameArgument, StoreOption
from dse.cli.read import OutputOption, as_text, write
from dse.errors import StudyError

if TYPE_CHECKING:
    from dse.study import StudyView


class Target(StrEnum):
    """What to export to."""

    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"


def export(
    name: NameArgument,
    store: StoreOption = DEFAULT_STORE,
    to: Annotated[Target, typer.Option("--to", help="How to write it.")] = Target.JSON,
    design: Annotated[
        int | None,
        typer.Option(help="One evaluation's number, from 'dse front'; by default all.", metavar="K"),
    ] = None,
    output_file: OutputOption = None,
) -> None:
    """Write a study's evaluations; or one design, as its study's users apply it."""
    from dse.study import StudyView

    study = StudyView(name, store)
    if design is not None:
        if to is not Target.JSON:
            raise StudyError(f"one design is written as JSON: --to json, not {to}")
        text = json.dumps(_design(study, design), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        _put(text, output_file)
        return
    frame = study.evaluations().set_index("number")
    if to is Target.PARQUET:
        if output_file is None:
            raise StudyError("parquet is no text: give a file, -o evaluations.parquet")
        write(output_file, lambda path: frame.to_parquet(path))
        return
    _put(as_text(frame, to.value), output_file)


def _put(text: str, path: Path | None) -> None:
    if path is None:
        sys.stdout.write(text)
    else:
        write(path, lambda place: place.write_text(text, encoding="utf-8"))


def _design(study: StudyView, number: int) -> dict[str, Any]:
    """Return a design's parameters and metrics, and its recipe where its study has one."""
    from dse.cli.designs import chosen_design, ready_name
    from dse.definitions import available, find

    number, parameters = chosen_design(study, number)
    row = study.evaluations().set_index("number").loc[number]
    metrics = {metric: _finite(row[metric]) for metric in study.metrics}
    found = {"study": study.name, "number": number, "state": str(row["state"]), "metrics": metrics}
    kind = ready_name(study)
    definition = find(kind) if kind in available() else None
    if definition is not None and definition.recipe is not None:
        found |= definition.recipe(study.record.problem, parameters)
    return {**found, "parameters": parameters}


def _finite(value: Any) -> float | None:
    return None if value != value else float(value)
