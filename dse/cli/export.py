"""``dse export``: a stored study's evaluations, or one design, for other programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
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
    OPTUNA = "optuna"
    KERNEL_TUNER = "kernel-tuner"
    T4 = "t4"
    T1 = "t1"
    CONFIGSPACE = "configspace"


# Rows from which it is worth saying that a database of Optuna's is slow.
MANY = 1_000


def export(
    name: NameArgument,
    target: Annotated[
        str | None,
        typer.Argument(help="Of Optuna: a storage's URL, or a journal's file.", metavar="[TARGET]"),
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            help=f"How to write it: {', '.join(Target)}; one design also as its study names, as in zigzag.",
            metavar="FORMAT",
        ),
    ] = Target.JSON.value,
    design: Annotated[
        int | None,
        typer.Option(help="One evaluation's number, from 'dse front'; by default all.", metavar="K"),
    ] = None,
    study_name: Annotated[
        str | None, typer.Option("--study", help="What Optuna is to call it.", metavar="NAME")
    ] = None,
    front: Annotated[bool, typer.Option("--front", help="Of evaluations, the front alone.")] = False,
    lossy: Annotated[bool, typer.Option("--lossy", help="Leave out what has no place there.")] = False,
    output_file: OutputOption = None,
) -> None:
    """Write a study's evaluations or its space; or one design, as its study's users apply it."""
    from dse.cli.designs import chosen_design
    from dse.study import StudyView

    study = StudyView(name, store)
    writers = {} if to in list(Target) else _writers(study)
    if to not in [*Target, *writers]:
        raise StudyError(
            f"--to {to!r} is unknown to study {name!r}; known are {', '.join([*Target, *writers])}"
        )
    if target is not None and to != Target.OPTUNA:
        raise StudyError(f"{target!r} is given to --to {to}, which writes to a file: -o {target}")
    if study_name is not None and to != Target.OPTUNA:
        raise StudyError(f"--study is the name of Optuna's study, and means nothing to --to {to}")
    if to in writers:
        if design is None or front:
            raise StudyError(f"--to {to} writes one design: --design K, a number of 'dse front {name}'")
        put(writers[to](study.record.problem, chosen_design(study, design)[1]), output_file)
        return
    if design is not None:
        if to != Target.JSON:
            raise StudyError(f"one design is written as JSON: --to json, not {to}")
        put(
            json.dumps(_design(study, design), indent=2, ensure_ascii=False, allow_nan=False) + "\n",
            output_file,
        )
        return
    if to in (Target.JSON, Target.CSV, Target.PARQUET):
        _frame(study, Target(to), output_file, front=front)
        return
    lost: list[str] | None = [] if lossy else None
    if to == Target.OPTUNA:
        _optuna(study, target, study_name, lost, front=front)
    elif to in (Target.KERNEL_TUNER, Target.T4):
        from dse.interop.kernel_tuner import to_kernel_tuner, to_t4

        convert = to_kernel_tuner if to == Target.KERNEL_TUNER else to_t4
        put(convert(study, front=front, lost=lost), output_file)
    else:
        from dse.interop.space_files import space_text

        put(space_text(study.space, to, lost=lost), output_file)
    for line in lost or ():
        print(f"left out: {line}", file=sys.stderr)


def _frame(study: StudyView, to: Target, path: Path | None, *, front: bool) -> None:
    frame = study.front() if front else study.evaluations().set_index("number")
    if to is Target.PARQUET:
        if path is None:
            raise StudyError("parquet is no text: give a file, -o evaluations.parquet")
        if front:
            write(path, lambda place: frame.to_parquet(place))
        else:
            from dse.interop.parquet import to_parquet

            write(path, lambda place: to_parquet(study, place))
        return
    put(as_text(frame, to.value), path)


def _optuna(
    study: StudyView, target: str | None, name: str | None, lost: list[str] | None, *, front: bool
) -> None:
    if target is None:
        raise StudyError("where to? dse export NAME --to optuna sqlite:///FILE, or a journal's file")
    from dse.cli import output
    from dse.interop.optuna import export_study
    from dse.interop.optuna.storages import is_url

    if is_url(target) and len(study) >= MANY and not front:
        print(
            f"{len(study):,} trials into a database of Optuna's, a few dozen a second; into a journal "
            f"(dse export {study.name} --to optuna FILE.log) some thousand a second",
            file=sys.stderr,
        )
    with output.counter("trials", len(study)) as show:
        made = export_study(study, target, name=name, front=front, lost=lost, progress=show)
    print(f"study {made!r} in {target}: optuna-dashboard {target}")


def _writers(study: StudyView) -> Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any]], str]]:
    """Return how the ready study that a stored one is of writes a design for other tools."""
    from dse.cli.designs import ready_name
    from dse.definitions import available, find

    kind = ready_name(study)
    return find(kind).writers if kind in available() else {}


def put(text: str, path: Path | None) -> None:
    """Write text to a file, or to standard output without one."""
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
