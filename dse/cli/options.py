"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dse.study import DEFAULT_STORE

StoreOption = Annotated[
    str,
    typer.Option(
        "--store",
        envvar="DSE_STORE",
        help="Where studies are kept: sqlite:///FILE or postgresql://...",
        metavar="URL",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON, for a machine to read.")]
NameArgument = Annotated[str, typer.Argument(help="The name of a stored study.", metavar="NAME")]

FiguresOption = Annotated[
    Path | None,
    typer.Option(help="A folder for the figures as PNG and SVG (extra 'images').", metavar="FOLDER"),
]

__all__ = ["DEFAULT_STORE", "FiguresOption", "JsonOption", "NameArgument", "StoreOption"]
