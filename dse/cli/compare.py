"""``dse compare``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dse.cli.options import DEFAULT_STORE, FiguresOption, JsonOption, StoreOption
from dse.errors import StudyError

if TYPE_CHECKING:
    import pandas as pd

    from dse.compare import Comparison


def compare(
    study: Annotated[str, typer.Argument(help="A study's name, from 'dse studies'.", metavar="STUDY")],
    searchers: Annotated[
        str,
        typer.Option(
            help="Names with commas between; settings as in 'nsga2:population=50;mutation=2'.",
            metavar="A,B,C",
        ),
    ] = "random,nsga2",
    budget: Annotated[
        str, typer.Option(help="Unique evaluations; several with commas between.", metavar="N[,N...]")
    ] = "100,200,500",
    seeds: Annotated[int, typer.Option(help="How many, from 0.", min=1, metavar="K")] = 5,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of the study.", metavar="KEY=VALUE")
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    workers: Annotated[int, typer.Option(help="Processes.", min=1, metavar="N")] = 1,
    exact: Annotated[
        bool | None,
        typer.Option(
            "--exact/--best-known",
            help="Measure by the exact front, from a walk through the space, or by the best known; by "
            "default exact up to 50 million designs.",
            show_default=False,
        ),
    ] = None,
    front: Annotated[
        str | None,
        typer.Option(
            help="A front from elsewhere, for the best known: a table with the objectives' columns, or a "
            "stored study.",
            metavar="FILE.csv|NAME",
        ),
    ] = None,
    lottery: Annotated[
        int,
        typer.Option(help="Random settings that each searcher is also run with.", min=0, metavar="N"),
    ] = 0,
    lottery_seeds: Annotated[int, typer.Option(help="Seeds at most of these runs.", min=1, metavar="K")] = 3,
    output_file: Annotated[
        Path | None, typer.Option("-o", "--output", help="A report, one HTML file.", metavar="FILE")
    ] = None,
    figures: FiguresOption = None,
    table_file: Annotated[
        Path | None, typer.Option("--table", help="Every run, as CSV or Parquet.", metavar="FILE")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare searchers by the hypervolume of the exact or best known front, over paired seeds."""
    from dse import compare as comparing
    from dse.cli.run import split_settings
    from dse.compare.entries import split_names

    of_study, of_searcher = split_settings(settings or [])
    if of_searcher:
        raise StudyError(
            "--set takes settings of the study; those of a searcher stand behind its name, as in "
            "--searchers 'random,nsga2:population=50'"
        )
    try:
        budgets = [int(part) for part in budget.split(",")]
    except ValueError:
        raise StudyError(f"--budget {budget!r} must be whole numbers with commas between") from None
    if table_file is not None and table_file.suffix not in (".csv", ".parquet"):
        raise StudyError(f"--table {str(table_file)!r} must end in .csv or .parquet")
    for file in (table_file, output_file):
        if file is not None and not file.parent.is_dir():
            raise StudyError(f"there is no folder {str(file.parent)!r}: make it, or choose another file")
    try:
        found = comparing.compare(
            study,
            split_names(searchers),
            budgets=budgets,
            seeds=seeds,
            store=store,
            settings=of_study,
            workers=workers,
            exact=exact,
            front=front,
            lottery=lottery,
            lottery_seeds=lottery_seeds,
            progress=lambda line: print(f"done {line}", file=sys.stderr, flush=True),
        )
    except KeyboardInterrupt:
        print("stopped; the same command goes on with what is stored", file=sys.stderr)
        raise typer.Exit(1) from None
    if table_file is not None:
        _write_table(found.tidy(), table_file)
    if output_file is not None:
        from dse.report import write_comparison

        write_comparison(found, output_file)
    images = []
    if figures is not None:
        from dse.report import write_figures

        images = write_figures(found, figures)
    if as_json:
        print(json.dumps(_as_json(found), indent=2))
        return
    from dse.cli import comparison

    comparison.print_comparison(found)
    for path in (*([output_file] if output_file else []), *images):
        print(path)


def _write_table(frame: pd.DataFrame, path: Path) -> None:
    write = frame.to_csv if path.suffix == ".csv" else frame.to_parquet
    try:
        write(path, index=False)
    except OSError as error:
        raise StudyError(f"{str(path)!r} cannot be written: {error.strerror or error}") from error


def _as_json(found: Comparison) -> dict[str, Any]:
    """Return a comparison's tables as JSON values."""
    reference, lottery = found.reference, found.distribution()
    tables = {
        "summary": found.summary(),
        "ranks": found.ranks(),
        "differences": found.differences(),
        "anytime": found.anytime(),
        "overhead": found.overhead(),
    }
    if lottery is not None:
        tables["lottery"] = lottery
    shown = {
        name: json.loads(frame.to_json(orient="records", double_precision=15))
        for name, frame in tables.items()
    }
    of = {
        "points": len(reference.points), "designs": reference.designs, "source": reference.source,
        "corner": reference.corner.tolist(),
    }  # fmt: skip
    return {"problem": found.problem, "exact": reference.exact, "reference": of, **shown}
