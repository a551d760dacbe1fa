"""``dse front``, ``dse show`` and ``dse report``: read a stored study."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dse.cli.options import DEFAULT_STORE, FiguresOption, JsonOption, NameArgument, StoreOption
from dse.errors import StudyError

if TYPE_CHECKING:
    import pandas as pd


class Format(StrEnum):
    """How to write a front."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


OutputOption = Annotated[Path | None, typer.Option("-o", "--output", help="A file to write.", metavar="FILE")]


def front(
    name: NameArgument,
    store: StoreOption = DEFAULT_STORE,
    format_: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.TABLE,
    output_file: OutputOption = None,
) -> None:
    """Write a study's front: parameters and metrics of its nondominated feasible designs."""
    from dse.study import StudyView

    study = StudyView(name, store)
    frame = study.front()
    if format_ is Format.TABLE and output_file is None:
        from dse.cli import output

        output.print_front(study, frame)
        return
    if format_ is Format.PARQUET:
        if output_file is None:
            raise StudyError("parquet is no text: give a file, -o front.parquet")
        write(output_file, lambda path: frame.to_parquet(path))
        return
    text = as_text(frame, format_.value)
    if output_file is None:
        sys.stdout.write(text)
    else:
        write(output_file, lambda path: path.write_text(text, encoding="utf-8"))


def as_text(frame: pd.DataFrame, format_: str) -> str:
    """Return a frame as CSV, JSON or a table."""
    if format_ == "csv":
        return frame.to_csv(lineterminator="\n")
    if format_ == "json":
        rows = json.loads(frame.reset_index().to_json(orient="records", double_precision=15))
        return json.dumps(rows, indent=2, ensure_ascii=False) + "\n"
    return frame.to_string() + "\n"


def write(path: Path, write: object) -> None:
    """Write a file whole or not at all."""
    assert callable(write)
    if not path.parent.is_dir():
        raise StudyError(f"there is no folder {str(path.parent)!r}: make it, or choose another file")
    temporary = path.with_name(f".{path.name}.part")
    try:
        write(temporary)
        temporary.replace(path)
    except OSError as error:
        raise StudyError(f"{str(path)!r} cannot be written: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def show(name: NameArgument, store: StoreOption = DEFAULT_STORE, as_json: JsonOption = False) -> None:
    """Show a study's state, progress, hypervolume, failures and timing."""
    from dse.cli import output
    from dse.study import StudyView

    study = StudyView(name, store)
    if as_json:
        print(json.dumps(output.summary(study), indent=2))
    else:
        output.print_summary(study)


def report(
    name: NameArgument,
    store: StoreOption = DEFAULT_STORE,
    output_file: OutputOption = None,
    figures: FiguresOption = None,
) -> None:
    """Write a study's report: one self-contained HTML file, and its figures as images if asked."""
    from dse.report import write_figures, write_report
    from dse.study import StudyView

    study = StudyView(name, store)
    print(write_report(study, output_file or Path(f"{name.replace('/', '_')}.html")))
    if figures is not None:
        for path in write_figures(study, figures):
            print(path)
