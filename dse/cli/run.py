"""``dse studies`` and ``dse run``."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dse.cli.options import DEFAULT_STORE, JsonOption, StoreOption
from dse.definitions import StudyDefinition, available, find
from dse.errors import DseError, StudyError
from dse.searchers import BUILT_IN

if TYPE_CHECKING:
    from dse.problem import Problem
    from dse.study import Study

SEARCHER_PREFIX = "searcher."


class RunError(DseError):
    """A run that started and failed."""


def studies(as_json: JsonOption = False) -> None:
    """List what can be run, a line each."""
    rows = []
    for found in available().values():
        try:
            definition = found.load()
        except StudyError as error:
            rows.append(
                {
                    "name": found.name,
                    "summary": f"not available: {error}",
                    "package": found.package,
                    "settings": {},
                }
            )
            continue
        settings = {name: setting.default for name, setting in definition.settings.items()}
        rows.append(
            {
                "name": found.name,
                "summary": definition.summary,
                "package": found.package,
                "settings": settings,
            }
        )
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    from dse.cli import output

    output.print_studies(rows)


def run(
    study: Annotated[str, typer.Argument(help="A study's name, from 'dse studies'.", metavar="STUDY")],
    searcher: Annotated[
        str | None,
        typer.Option(help=f"{', '.join(BUILT_IN)}, or one of 'dse plugins'.", metavar="S"),
    ] = None,
    budget: Annotated[
        int | None,
        typer.Option(
            help="Evaluations made at the end, earlier runs counted in; by default the study's own.",
            min=1,
            metavar="N",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same designs.", min=0, metavar="N")] = 0,
    name: Annotated[
        str | None,
        typer.Option(
            "--name", help="What to call it; a stored name goes on where it stopped.", metavar="NAME"
        ),
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    batch: Annotated[
        int | None,
        typer.Option(
            help="Designs proposed at once; by default what the searcher likes.", min=1, metavar="N"
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="A setting of the study, or of its searcher (searcher.population=50); a surrogate in the "
            "model's place, or before it: evaluate=surrogate:NAME, evaluate=screened:NAME.",
            metavar="KEY=VALUE",
        ),
    ] = None,
    warm: Annotated[
        list[str] | None,
        typer.Option(
            "--warm",
            help="Start from a stored study (NAME, URL#NAME) or a file of designs (CSV, JSON, Parquet).",
            metavar="SOURCE",
        ),
    ] = None,
    warm_nearest: Annotated[
        bool,
        typer.Option("--warm-nearest", help="Take the nearest designs of the space for those outside of it."),
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(help="Processes that evaluate; by default this one does.", min=1, metavar="N"),
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(help="Evaluate on the Dask cluster of this scheduler.", metavar="ADDRESS"),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(help="What an evaluation may take; it is killed then.", metavar="SECONDS"),
    ] = None,
    memory: Annotated[
        float | None, typer.Option(help="What a worker may take, beside what it starts with.", metavar="GIB")
    ] = None,
    asynchronous: Annotated[
        bool, typer.Option("--async", help="A free worker gets the next design at once; order may vary.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Run a study to its front; a stored one is resumed up to the budget."""
    if asynchronous and workers is None and dask is None:
        raise StudyError("--async needs workers: add --workers N or --dask ADDRESS")
    definition = find(study)
    chosen = searcher or definition.searcher
    of_study, of_searcher = split_settings(settings or [])
    problem = build(definition, of_study, store)
    from dse.study import Study

    opened = Study(
        name or default_name(definition, chosen, seed, settings or [], warm=bool(warm)),
        problem,
        searcher=chosen,
        seed=seed,
        store=store,
        settings=of_searcher,
        batch=batch,
        warm=warm or None,
        warm_nearest=warm_nearest,
    )
    if budget is None and chosen != "exhaustive":
        budget = definition.budget
    from dse.cli import output

    for line in opened.started_from:
        print(f"started from {line}", file=sys.stderr)
    executor = None
    if dask is not None:
        from dse.executors import DaskExecutor

        executor = DaskExecutor(dask, workers, timeout=timeout, memory=memory)
        workers = timeout = memory = None
    stopped = drive(
        opened, budget, workers=workers, timeout=timeout, memory=memory, executor=executor,
        asynchronous=asynchronous,
    )  # fmt: skip
    counts = opened.counts()
    if as_json:
        print(json.dumps(output.summary(opened), indent=2))
    else:
        output.print_result(opened, store)
    if stopped:
        print(
            f"stopped; the same command goes on after {sum(counts.values()):,} evaluations", file=sys.stderr
        )
        raise typer.Exit(1)
    if counts["failed"] + counts["timeout"] == sum(counts.values()) > 0:
        reason = opened.failures(1)["error"].iloc[0]
        raise RunError(f"every evaluation failed, most often with {reason!r}")


def build(definition: StudyDefinition, settings: dict[str, Any], store: str) -> Problem:
    """Build a study's problem, with a surrogate of the store where the settings name one."""
    from dse.surrogates import use

    if use.names_surrogate(settings):
        return use.build(definition, settings, store)
    return definition.build(settings)


def drive(study: Study, budget: int | None, **how: Any) -> bool:
    """Run with progress shown, as `Study.run` is told how; return whether Ctrl-C ended it."""
    from dse.cli import output

    with _finish_batch_on_interrupt() as interrupted, output.progress(study, budget) as show:
        try:
            study.run(budget, progress=show, stop=lambda: bool(interrupted), **how)
        except KeyboardInterrupt:
            return True
        except Exception as error:
            raise RunError(
                str(error) if isinstance(error, DseError) else f"{type(error).__name__}: {error}"
            ) from error
    return study.record.state == "interrupted"


@contextmanager
def _finish_batch_on_interrupt() -> Iterator[list[int]]:
    """Stop after the commit under way at the first Ctrl-C, at once at the second."""
    asked: list[int] = []

    def ask(number: int, frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        print("\nstopping after this batch; Ctrl-C again to stop now", file=sys.stderr)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


def split_settings(settings: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the settings of the study, as text, and those of the searcher, as JSON values."""
    of_study: dict[str, Any] = {}
    of_searcher: dict[str, Any] = {}
    for item in settings:
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise StudyError(f"--set {item!r} is no setting: write --set KEY=VALUE")
        if key.startswith(SEARCHER_PREFIX):
            try:
                of_searcher[key.removeprefix(SEARCHER_PREFIX)] = json.loads(value)
            except json.JSONDecodeError:
                of_searcher[key.removeprefix(SEARCHER_PREFIX)] = value
        else:
            of_study[key] = value
    return of_study, of_searcher


def default_name(
    definition: StudyDefinition, searcher: str, seed: int, settings: list[str], *, warm: bool = False
) -> str:
    """Return the study's name, with what differs from its defaults."""
    parts = [definition.name]
    if searcher != definition.searcher:
        parts.append(searcher)
    parts += sorted(settings)
    if seed:
        parts.append(f"seed{seed}")
    if warm:
        parts.append("warm")
    return "-".join(parts)
