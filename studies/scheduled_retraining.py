"""Scheduled retraining: evaluate a batch for real, retrain the surrogate, let the better one serve, report.

One call is one round, for cron or any other scheduler::

    0 2 * * *  python -m studies.scheduled_retraining lut-accelerator --set evaluate=synthesis --batch 50

Wherever a round was interrupted, the next one goes on: the study resumes, and evaluations that the surrogate
was not trained on are new until it is.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from dse.cli.options import DEFAULT_STORE, StoreOption
from dse.cli.run import default_name, split_settings
from dse.definitions import StudyDefinition, find
from dse.errors import DseError
from dse.study import Study


def round_of(
    definition: StudyDefinition,
    name: str,
    batch: int,
    *,
    settings: Mapping[str, Any] | None = None,
    searcher: str | None = None,
    surrogate: str | None = None,
    store: str = DEFAULT_STORE,
    model: str = "auto",
    seconds: float = 60.0,
    keep: int = 3,
) -> dict[str, Any]:
    """Evaluate more designs of a study, and retrain its surrogate.

    Parameters
    ----------
    definition
        The study.
    name
        What it is stored as.
    batch
        Designs that are evaluated in this round, fewer where the space has no more.
    settings, searcher
        Of the study.
    surrogate
        The surrogate's name; by default that of the stored study.
    store
        Of both.
    model, seconds
        As for `dse.surrogates.fit`, when the surrogate is first trained.
    keep
        The newest versions that keep their models, beside the one that serves.

    Returns
    -------
    JSON values: time, study, evaluations, what the retraining did (`Retraining.to_dict`; of the first
    training reason and version) and the versions that were pruned.
    """
    from dse.surrogates.registry import Registry

    study = Study(name, definition.build(settings), searcher or definition.searcher, store=store)
    study.run(len(study) - study.adopted + batch)
    registry = Registry(study.store)
    name = surrogate or study.name
    if registry.store.surrogates.versions(name):
        done = registry.retrain(name, [study]).to_dict()
    else:
        first = registry.train(name, [study], model=model, seconds=seconds)
        done = {
            "name": name,
            "version": first.version,
            "reason": f"{first.reference} is the first",
            "drift": None,
        }
    pruned = registry.prune(name, keep)
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "study": study.name,
        "evaluations": len(study),
        **done,
        "pruned": [record.version for record in pruned],
    }


def line(done: Mapping[str, Any]) -> str:
    """Return a round in words."""
    drift = done["drift"]
    moved = f"; drift in {', '.join(drift['drifted'])}" if drift and drift["drifted"] else ""
    return f"{done['time']} {done['study']}, {done['evaluations']:,} evaluations: {done['reason']}{moved}"


def main(
    study: Annotated[str, typer.Argument(help="A study's name, from 'dse studies'.", metavar="STUDY")],
    batch: Annotated[int, typer.Option(help="Designs evaluated in a round.", min=1, metavar="N")] = 100,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of the study.", metavar="KEY=VALUE")
    ] = None,
    searcher: Annotated[
        str | None, typer.Option(help="By default the study's own.", metavar="S", show_default=False)
    ] = None,
    surrogate: Annotated[
        str | None, typer.Option(help="By default as the study.", metavar="NAME", show_default=False)
    ] = None,
    rounds: Annotated[int, typer.Option(help="Rounds, one after the other.", min=1, metavar="N")] = 1,
    keep: Annotated[int, typer.Option(help="Newest versions that keep their model.", min=0, metavar="N")] = 3,
    model: Annotated[str, typer.Option(help="How it is first trained.")] = "auto",
    seconds: Annotated[float, typer.Option(help="What comparing models may cost.", metavar="S")] = 60.0,
    log: Annotated[
        Path | None,
        typer.Option(help="Append each round as a line of JSON.", metavar="FILE", show_default=False),
    ] = None,
    fail_on_drift: Annotated[
        bool, typer.Option("--fail-on-drift", help="Exit with status 1 on drift.")
    ] = False,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Evaluate a batch of designs for real, retrain the study's surrogate, let the better one serve."""
    definition = find(study)
    of_study, _ = split_settings(settings or [])
    chosen = searcher or definition.searcher
    drifted = False
    for _ in range(rounds):
        done = round_of(
            definition,
            default_name(definition, chosen, 0, settings or []),
            batch,
            settings=of_study,
            searcher=chosen,
            surrogate=surrogate,
            store=store,
            model=model,
            seconds=seconds,
            keep=keep,
        )
        print(line(done), flush=True)
        drifted |= bool(done["drift"] and done["drift"]["drifted"])
        if log is not None:
            with log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(done) + "\n")
    if drifted and fail_on_drift:
        raise typer.Exit(1)


if __name__ == "__main__":
    try:
        typer.run(main)
    except DseError as error:
        sys.exit(f"error: {error}")
