"""What a study can be started from, how it is told apart, and how it is shown."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

from dse.designs import Designs
from dse.errors import StoreError, StudyError
from dse.warm.tables import FILES, Table, read_table

if TYPE_CHECKING:
    import pandas as pd

    from dse.store import Store
    from dse.study import StudyView

Source = Union[str, Path, "StudyView", Designs, "pd.DataFrame", Sequence[Mapping[str, Any]]]
Sources = Source | Sequence[Source]


@dataclass(frozen=True)
class StudySource:
    """A stored study.

    Attributes
    ----------
    name
        Of the study.
    url
        Its store; None for that of the new study.
    view
        The study, where it is open already.
    """

    name: str
    url: str | None
    view: StudyView | None = None

    @property
    def label(self) -> str:
        return f"study {self.name!r}"

    @property
    def identity(self) -> dict[str, Any]:
        """What the stored study keeps, to know its sources again."""
        return {"study": self.name, "store": self.url and _without_password(self.url)}

    def open(self, store: Store) -> tuple[StudyView, bool]:
        """Return the study, and whether its store was opened for it."""
        from dse.study import StudyView

        if self.view is not None:
            return self.view, False
        try:
            return StudyView(self.name, self.url or store), self.url is not None
        except StoreError as error:
            raise StudyError(f"warm start: {error}; a file of designs ends in {', '.join(FILES)}") from None


@dataclass(frozen=True)
class TableSource:
    """A file, or designs that were handed in.

    Attributes
    ----------
    table
        Its designs, where they are at hand.
    path
        The file.
    """

    table: Table | None
    path: Path | None = None

    @property
    def label(self) -> str:
        return self.path.name if self.path is not None else "designs"

    @property
    def identity(self) -> dict[str, Any]:
        """What the stored study keeps; of a file that is gone, its name alone."""
        if self.path is not None:
            digest = None
            with suppress(OSError):
                digest = hashlib.sha256(self.path.read_bytes()).hexdigest()[:16]
            return {"file": self.path.name, "digest": digest}
        assert self.table is not None
        text = json.dumps(self.table.columns, sort_keys=True, default=str)
        return {"file": None, "digest": hashlib.sha256(text.encode()).hexdigest()[:16]}

    def read(self) -> Table:
        """Return its designs."""
        if self.table is not None:
            return self.table
        assert self.path is not None
        return read_table(self.path)


def as_sources(warm: Sources | None, name: str, store: Store) -> list[StudySource | TableSource]:
    """Return what a study is to be started from.

    Parameters
    ----------
    warm
        A source or several: a stored study, as its name in the same store, ``URL#NAME`` or a `StudyView`; a
        file of designs, as a path, or as text that ends in .csv, .json or .parquet; designs, as `Designs`, a
        data frame or a list of mappings of parameter to value.
    name, store
        Of the new study.

    Raises
    ------
    StudyError
        If something is no source, or the study itself.
    """
    if warm is None:
        return []
    several = isinstance(warm, list | tuple) and not _are_rows(warm)
    listed: Sequence[Any] = warm if several else [warm]  # type: ignore[assignment]
    sources = [_source(item, store) for item in listed]
    for source in sources:
        if isinstance(source, StudySource) and source.url is None and source.name == name:
            raise StudyError(f"study {name!r} cannot be started from itself: take another name")
    return sources


def _are_rows(warm: Sequence[Any]) -> bool:
    return bool(warm) and all(isinstance(item, Mapping) for item in warm)


def _source(item: Any, store: Store) -> StudySource | TableSource:
    from dse.study import StudyView

    if isinstance(item, StudyView):
        same = item.store is store or item.store.shown == store.shown
        return StudySource(item.name, None if same else item.store.url, item)
    if isinstance(item, Path):
        return TableSource(None, item)
    if isinstance(item, str):
        if item.lower().endswith(FILES):
            return TableSource(None, Path(item))
        url, mark, name = item.rpartition("#")
        if mark and "://" in url:
            return StudySource(name, None if url in (store.url, store.shown) else url)
        return StudySource(item, None)
    if isinstance(item, Designs):
        return TableSource(Table.of_designs("designs", item))
    if hasattr(item, "columns") and hasattr(item, "iloc"):
        return TableSource(Table.of_frame("designs", item))
    if isinstance(item, Sequence) and _are_rows(item):
        return TableSource(Table.of_rows("designs", item))
    raise StudyError(
        f"warm start from {type(item).__name__}: give a study's name, a StudyView, a file that ends in "
        f"{', '.join(FILES)}, Designs, a data frame or a list of designs"
    )


def _without_password(url: str) -> str:
    from sqlalchemy.engine import make_url

    return str(make_url(url))


def differs(
    stored: Mapping[str, Any] | None, sources: Sequence[StudySource | TableSource], nearest: bool
) -> str | None:
    """Return how what is given is not what a stored study was started from; None where it is.

    A study is known by its name and store, a file by its name and, as long as it is there, what it holds.
    """
    if stored is None:
        return "was not started from another study or designs"
    given = [source.identity for source in sources]
    kept = stored["sources"]
    if len(given) != len(kept) or not all(map(_is_same, kept, given)) or stored["nearest"] != nearest:
        return f"was started from {'; '.join(described(stored))}"
    return None


def _is_same(kept: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    known = {key: value for key, value in given.items() if key != "digest" or value is not None}
    return all(key in kept and kept[key] == value for key, value in known.items())


def described(warm: Mapping[str, Any]) -> list[str]:
    """Return what a stored study was started from, a line a source."""
    return [_described(source) for source in warm["sources"]]


def _described(source: Mapping[str, Any]) -> str:
    if "study" not in source:
        kind = source["file"] or "a list of designs"
        return f"{kind}: {_first(source)}, from {source['rows']:,} rows{_moved(source)}"
    where = f" in {source['store']}" if source["store"] else ""
    name = f"study {source['study']!r}{where}"
    if "adopted" in source:
        of = "all" if source["adopted"] == source["evaluations"] else f"{source['adopted']:,} of"
        return f"{name}: {of} {source['evaluations']:,} evaluations taken over"
    some = f"{source['taken']:,} of " if source["taken"] < source["front"] else ""
    return f"{name}: {_first(source)}, from {some}its front of {source['front']:,}{_moved(source)}"


def _first(source: Mapping[str, Any]) -> str:
    return f"{source['designs']:,} designs evaluated first"


def _moved(source: Mapping[str, Any]) -> str:
    return f", {source['moved']:,} of which had to be moved into this space" if source["moved"] else ""
