"""``dse shortlist``: designs to come back to."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from dse.cli.options import DEFAULT_STORE, NameArgument, StoreOption
from dse.cli.read import Format, OutputOption, as_text, write
from dse.errors import StudyError


def shortlist(
    name: NameArgument,
    add: Annotated[
        str | None, typer.Option(help="Evaluation numbers to add, with commas between.", metavar="K,...")
    ] = None,
    note: Annotated[str, typer.Option(help="Why they are there.", metavar="TEXT")] = "",
    remove: Annotated[str | None, typer.Option(help="Numbers to take off.", metavar="K,...")] = None,
    store: StoreOption = DEFAULT_STORE,
    format_: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.TABLE,
    output_file: OutputOption = None,
) -> None:
    """Show a study's short list, as the dashboard has it too; or add designs to it and take some off."""
    from dse.cli import output
    from dse.store import Store
    from dse.study import StudyView

    if note and add is None:
        raise StudyError("--note is of designs that are added: name them too, --add K")
    if add is not None or remove is not None:
        with Store(store, must_exist=True) as opened:
            study_id = opened.study(name).id or 0
            opened.shortlist.remove(study_id, _numbers(remove, "--remove"))
            if add is not None:
                opened.shortlist.add(study_id, _numbers(add, "--add"), note)
    study = StudyView(name, store)
    frame = study.shortlist()
    if format_ is Format.TABLE and output_file is None:
        output.print_front(study, frame.drop(columns=["state", "note"]))
        for number, text in frame["note"].items():
            if text:
                shown = "".join(letter if letter.isprintable() else " " for letter in text)
                print(f"#{number}: {shown}")
    elif format_ is Format.PARQUET:
        if output_file is None:
            raise StudyError("parquet is no text: give a file, -o shortlist.parquet")
        write(output_file, lambda path: frame.to_parquet(path))
    elif output_file is None:
        sys.stdout.write(as_text(frame, format_.value))
    else:
        text = as_text(frame, format_.value)
        write(output_file, lambda path: path.write_text(text, encoding="utf-8"))


def _numbers(text: str | None, option: str) -> list[int]:
    try:
        return [int(item) for item in (text or "").replace("#", "").split(",") if item.strip()]
    except ValueError:
        raise StudyError(f"{option} {text!r} must be evaluation numbers, as in {option} 12,40") from None
