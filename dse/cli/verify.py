"""``dse verify``: predictions of a stored study's front beside what another tool finds."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from dse.cli.designs import chosen_design, ready_study
from dse.cli.options import DEFAULT_STORE, JsonOption, NameArgument, StoreOption
from dse.cli.run import RunError, split_settings
from dse.errors import DseError, StudyError

if TYPE_CHECKING:
    from dse.study import StudyView


def verify(
    name: NameArgument,
    tool: Annotated[str, typer.Option("--with", help="The tool: scalesim or zigzag.", metavar="TOOL")],
    top: Annotated[
        int, typer.Option(help="Designs of the front, spread along its first objective.", min=1, metavar="K")
    ] = 3,
    design: Annotated[
        int | None, typer.Option(help="One evaluation's number instead, from 'dse front'.", metavar="N")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="The settings that the study was run with.", metavar="KEY=VALUE"),
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    workers: Annotated[int, typer.Option(help="Runs of the tool at a time.", min=1, metavar="N")] = 2,
    timeout: Annotated[
        float, typer.Option(help="Seconds for one run of the tool.", min=1, metavar="SECONDS")
    ] = 600.0,
    as_json: JsonOption = False,
) -> None:
    """Check designs in a tool that others trust: predicted against simulated."""
    from dse.problem import differences
    from dse.study import StudyView

    study = StudyView(name, store)
    definition = ready_study(study)
    if definition.verify is None:
        raise StudyError(f"study {definition.name!r} has no tool to be verified with")
    of_study, of_searcher = split_settings(settings or [])
    if of_searcher:
        raise StudyError("settings of a searcher are not for a verification: --set takes those of the study")
    problem = definition.build(of_study)
    if problem.fingerprint != study.record.fingerprint:
        stored = {key: value for key, value in study.record.problem.items() if key != "name"}
        unlike = differences(stored, problem.to_dict())
        raise StudyError(
            f"study {name!r} was run with other settings ({'; '.join(unlike[:3])}): give them by --set"
        )
    rows = []
    for number, parameters in _chosen(study, design, top):
        print(f"design {number}: running {tool}", file=sys.stderr)
        try:
            found = definition.verify(problem, problem.space.designs([parameters]), tool, timeout, workers)
        except (DseError, OSError) as error:
            raise RunError(f"design {number}: {error}") from error
        rows += [
            {
                "number": number,
                "metric": metric,
                "predicted": predicted,
                "simulated": simulated,
                "ratio": predicted / simulated if simulated else float("nan"),
            }
            for metric, (predicted, simulated) in found.items()
        ]
    if as_json:
        print(json.dumps({"tool": tool, "designs": rows}, indent=2))
        return
    from dse.cli import output

    output.print_rows(f"{name}, verified with {tool}", rows)


def _chosen(study: StudyView, design: int | None, top: int) -> list[tuple[int, dict[str, Any]]]:
    """Return a design, or as many as asked for, spread along the front's first objective."""
    if design is not None:
        return [chosen_design(study, design)]
    front = study.front()
    if front.empty:
        return [chosen_design(study, None)]
    first = study.record.problem["objectives"][0]["metric"]
    ordered = front.sort_values(first, kind="stable").index
    places = np.unique(np.linspace(0, len(ordered) - 1, min(top, len(ordered))).round().astype(int))
    return [chosen_design(study, int(ordered[place])) for place in places]
