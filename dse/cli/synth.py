"""``dse synth``: the hardware of a design of a stored study."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from dse.cli.designs import chosen_design, ready_study
from dse.cli.options import DEFAULT_STORE, JsonOption, NameArgument, StoreOption
from dse.cli.run import RunError
from dse.errors import DseError, StudyError


def synth(
    name: NameArgument,
    design: Annotated[
        int | None,
        typer.Option(help="An evaluation's number, from 'dse front'; by default the knee.", metavar="K"),
    ] = None,
    output_folder: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="A folder; by default NAME-K.", metavar="FOLDER"),
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    timeout: Annotated[
        float, typer.Option(help="Seconds after which synthesis is given up.", min=1, metavar="SECONDS")
    ] = 300.0,
    as_json: JsonOption = False,
) -> None:
    """Write the hardware of a design, and the summary of its synthesis."""
    from dse.study import StudyView

    study = StudyView(name, store)
    definition = ready_study(study)
    if definition.synthesize is None:
        raise StudyError(f"study {definition.name!r} has no hardware to write")
    number, parameters = chosen_design(study, design)
    folder = output_folder or Path(f"{name.replace('/', '_')}-{number}")
    try:
        summary = definition.synthesize(parameters, folder, timeout)
    except (DseError, OSError) as error:
        raise RunError(f"design {number}: {error}") from error
    if as_json:
        shown = {"number": number, "design": parameters, "summary": dict(summary), "folder": str(folder)}
        print(json.dumps(shown, indent=2))
        return
    from dse.cli import output

    output.print_pairs(f"design {number} of {name}", parameters)
    output.print_pairs("synthesis", summary)
    print(f"written to {folder}")
