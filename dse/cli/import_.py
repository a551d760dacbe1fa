"""``dse import``: studies, results and spaces of other programs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dse.cli.export import put
from dse.cli.options import DEFAULT_STORE, StoreOption
from dse.cli.read import OutputOption
from dse.definitions import find
from dse.errors import StudyError

if TYPE_CHECKING:
    from dse.problem import Problem


class Source(StrEnum):
    """What to import from."""

    OPTUNA = "optuna"
    KERNEL_TUNER = "kernel-tuner"
    T4 = "t4"
    T1 = "t1"
    CONFIGSPACE = "configspace"
    PARQUET = "parquet"


def import_(
    source: Annotated[
        str, typer.Argument(help="A file; of Optuna, a storage's URL or its journal.", metavar="SOURCE")
    ],
    from_: Annotated[Source, typer.Option("--from", help="What wrote it.")],
    store: StoreOption = DEFAULT_STORE,
    name: Annotated[
        str | None, typer.Option(help="What to call the study; by default as it was called.", metavar="NAME")
    ] = None,
    study: Annotated[str | None, typer.Option(help="Which of Optuna's studies.", metavar="NAME")] = None,
    as_: Annotated[
        str | None,
        typer.Option(
            "--as", help="The ready study that was evaluated: its space and metrics.", metavar="STUDY"
        ),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of that study.", metavar="KEY=VALUE")
    ] = None,
    space: Annotated[
        Path | None,
        typer.Option(help="The space, as JSON: ours, of ConfigSpace, or T1.", metavar="FILE"),
    ] = None,
    objectives: Annotated[
        str | None,
        typer.Option(help="Names for Optuna's objectives, with commas between.", metavar="A,B"),
    ] = None,
    minimize: Annotated[
        str | None, typer.Option(help="Metrics of a file of results, with commas between.", metavar="A,B")
    ] = None,
    maximize: Annotated[str | None, typer.Option(help="The same, to be maximised.", metavar="A,B")] = None,
    lossy: Annotated[bool, typer.Option("--lossy", help="Leave out of a space what has no place.")] = False,
    output_file: OutputOption = None,
) -> None:
    """Read a study of Optuna's or a file of results into a stored study; or a space, written as our JSON."""
    from dse.interop.space_files import read_space

    _check_options(
        from_,
        {
            "name": name, "study": study, "as": as_, "set": settings, "space": space,
            "objectives": objectives, "minimize": minimize, "maximize": maximize, "lossy": lossy,
            "output": output_file,
        },
    )  # fmt: skip
    lost: list[str] | None = [] if lossy else None
    if from_ in (Source.T1, Source.CONFIGSPACE):
        put(read_space(Path(source), kind=from_, lost=lost).to_json() + "\n", output_file)
        report_lost(lost)
        return
    if from_ is Source.PARQUET:
        from dse.cli import output
        from dse.interop.parquet import from_parquet

        output.print_result(from_parquet(Path(source), store, name), store)
        return
    given = None if space is None else read_space(space, lost=lost)
    report_lost(lost)
    if from_ is Source.OPTUNA:
        from dse.interop.optuna import import_study

        made = import_study(
            source, store, study=study, name=name, problem=_problem(as_, settings), space=given,
            objectives=_names(objectives) or None,
        )  # fmt: skip
    else:
        from dse.interop.kernel_tuner import import_results

        made = import_results(
            Path(source), store, name=name, space=given,
            minimize=_names(minimize), maximize=_names(maximize),
        )  # fmt: skip
    from dse.cli import output

    report_lost(made.lost)
    output.print_result(made.study, store)


_OF_RESULTS = {"name", "space", "minimize", "maximize", "lossy"}
_OPTIONS = {
    Source.OPTUNA: {"name", "study", "as", "set", "space", "objectives", "lossy"},
    Source.KERNEL_TUNER: _OF_RESULTS,
    Source.T4: _OF_RESULTS,
    Source.T1: {"lossy", "output"},
    Source.CONFIGSPACE: {"lossy", "output"},
    Source.PARQUET: {"name"},
}


def _check_options(source: Source, given: dict[str, Any]) -> None:
    for option, value in given.items():
        if value and option not in _OPTIONS[source]:
            raise StudyError(f"--{option} means nothing to --from {source}: leave it out")
    if given["as"] and given["space"]:
        raise StudyError("--as has a space, and --space gives one: leave one of them out")


def _problem(name: str | None, settings: Sequence[str] | None) -> Problem | None:
    from dse.cli.run import split_settings

    if name is None:
        if settings:
            raise StudyError("--set is a setting of the study of --as: name that too")
        return None
    return find(name).build(split_settings(list(settings or ()))[0])


def _names(text: str | None) -> list[str]:
    return [item.strip() for item in (text or "").split(",") if item.strip()]


def report_lost(lost: Sequence[str] | None) -> None:
    """Say what was left out, on the terminal's side channel."""
    for line in lost or ():
        print(f"left out: {line}", file=sys.stderr)
