"""``dse store info``, ``migrate``, ``vacuum``, ``copy`` and ``salvage``."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from dse.cli.options import DEFAULT_STORE, JsonOption, StoreOption
from dse.errors import StoreError


def info(store: StoreOption = DEFAULT_STORE, as_json: JsonOption = False) -> None:
    """Say what a store holds: its kind, schema and size, and its studies."""
    from dse.store import Store

    with Store(store, read_only=True) as opened:
        studies = [
            {
                "name": record.name,
                "state": record.state,
                "searcher": record.searcher["name"],
                "evaluations": sum(opened.count(record.id or 0).values()),
                "created_at": record.created_at,
            }
            for record in opened.studies()
        ]
        shown, facts = opened.shown, opened.facts()
    if as_json:
        print(json.dumps({"store": shown, **facts, "studies": studies}, indent=2))
        return
    from rich.text import Text

    from dse.cli.output import console, table

    out = console()
    size = f"{int(facts['bytes']) / 1e6:,.1f} MB"
    out.print(f"{shown}: {facts['kind']}, schema {facts['schema']}, {size}", markup=False)
    made = table(["study", "state", "searcher", "evaluations", "created"], numeric=["evaluations"])
    for study in studies:
        made.add_row(
            Text(study["name"]), study["state"], Text(study["searcher"]), f"{study['evaluations']:,}",
            study["created_at"][:16].replace("T", " "),
        )  # fmt: skip
    out.print(made)


def migrate(store: StoreOption = DEFAULT_STORE) -> None:
    """Bring a store to this version's schema, as the first run that writes to it does."""
    from dse.store import Store

    with Store(store, read_only=True) as old:
        before = old.facts()["schema"]
    with Store(store) as new:
        after = new.facts()["schema"]
        print(f"{new.shown}: schema {before}" + (f" -> {after}" if after != before else ", as it should be"))


def vacuum(store: StoreOption = DEFAULT_STORE) -> None:
    """Give back the room of what was deleted."""
    from dse.store import Store

    with Store(store, must_exist=True) as opened:
        before = int(opened.facts()["bytes"])
        opened.vacuum()
        after = int(opened.facts()["bytes"])
        print(f"{opened.shown}: {before / 1e6:,.1f} -> {after / 1e6:,.1f} MB")


def copy(
    target: Annotated[str, typer.Argument(help="The URL of the store to copy to.", metavar="TARGET")],
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Studies; by default all.", metavar="[STUDY]...", show_default=False),
    ] = None,
    new_name: Annotated[
        str | None, typer.Option("--as", help="What to call the one study there.", metavar="NAME")
    ] = None,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Copy studies to another store, of either kind; a study that is there already gets what it lacks."""
    from dse.store import Store
    from dse.store.transfer import copy_study

    with Store(store, read_only=True) as source:
        listed = names or [record.name for record in source.studies()]
        if new_name is not None and len(listed) != 1:
            raise StoreError(f"--as {new_name} names one study, and {len(listed)} are copied: name one")
        with Store(target) as opened:
            if opened.shown == source.shown:
                raise StoreError(f"{target!r} is the store itself: name another to copy to")
            for name in listed:
                done = copy_study(source, opened, name, new_name)
                known = f", {done.known:,} were there" if done.known else ""
                print(f"{name} -> {opened.shown}#{done.name}: {done.evaluations:,} evaluations{known}")


def salvage(
    file: Annotated[str, typer.Argument(help="The damaged SQLite file.", metavar="FILE")],
    target: Annotated[
        str, typer.Argument(help="The URL of a new store for what is saved.", metavar="TARGET")
    ],
) -> None:
    """Save what can still be read of a damaged store: the studies up to the damage, and the rest beside."""
    from pathlib import Path

    from dse.store import Store
    from dse.store.salvage import REST
    from dse.store.salvage import salvage as save

    path = Path(file.removeprefix("sqlite:///"))
    with Store(target) as opened:
        found = save(path, opened)
        for item in found:
            rest = f"; {item.rest:,} behind the damage as {item.name}{REST}" if item.rest else ""
            lost = f"; at least {item.lost:,} are lost" if item.lost else ""
            print(f"{item.name}: {item.whole:,} evaluations, to be resumed{rest}{lost}")
        if not found:
            print(f"{path} holds no study")
