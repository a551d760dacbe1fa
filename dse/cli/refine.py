"""``dse surrogate refine``: a front by many predictions and few real evaluations."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from dse.cli.options import DEFAULT_STORE, JsonOption, StoreOption
from dse.cli.run import build, drive, split_settings
from dse.definitions import find

SEARCHER = "surrogate"


def refine(
    study: Annotated[str, typer.Argument(help="A study's name, from 'dse studies'.", metavar="STUDY")],
    budget: Annotated[int, typer.Option(help="Real evaluations that may be made.", min=1, metavar="N")],
    surrogate: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Start from the evaluations that a surrogate was trained on: NAME or NAME@VERSION.",
            metavar="SURROGATE",
        ),
    ] = None,
    warm: Annotated[
        list[str] | None,
        typer.Option("--warm", help="Start from a stored study or a file of designs.", metavar="SOURCE"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same designs.", min=0, metavar="N")] = 0,
    name: Annotated[
        str | None,
        typer.Option(help="What to call it; a stored name goes on where it stopped.", metavar="NAME"),
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting of the study or of its searcher.", metavar="KEY=VALUE"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find a front with few real evaluations, and end when nothing that models are asked of promises more.

    Models are learned from all evaluations and searched; what promises most is evaluated for real, and
    learned from. Every design of the front was evaluated. A stored run is resumed.
    """
    from dse.cli import output
    from dse.study import Study

    definition = find(study)
    of_study, of_searcher = split_settings(settings or [])
    sources = [*(warm or []), *(_studies(surrogate, store) if surrogate else [])]
    opened = Study(
        name
        or "-".join(
            [definition.name, "refined", *sorted(settings or []), *([f"seed{seed}"] if seed else [])]
        ),
        build(definition, of_study, store),
        searcher=SEARCHER,
        seed=seed,
        store=store,
        settings={"until_verified": True, **of_searcher},
        warm=sources or None,
    )
    for line in opened.started_from:
        print(f"started from {line}", file=sys.stderr)
    stopped = drive(opened, budget)
    made = len(opened) - opened.adopted
    verified = not stopped and made < budget
    if as_json:
        print(
            json.dumps({**output.summary(opened), "verified": verified, "real_evaluations": made}, indent=2)
        )
    else:
        output.print_result(opened, store)
        print(
            f"verified after {made:,} real evaluations: nothing that the models were asked of promises to go "
            "beyond the front"
            if verified
            else f"not verified within {made:,} real evaluations: give a larger --budget to go on"
        )
    if stopped:
        raise typer.Exit(1)


def _studies(surrogate: str, store: str) -> list[str]:
    """Return the studies that a surrogate was trained on, as warm starts."""
    from dse.surrogates.registry import Registry

    provenance = Registry(store, read_only=True).version(surrogate).provenance
    return [
        item["study"] if item["store"] is None else f"{item['store']}#{item['study']}"
        for item in provenance["studies"]
    ]
