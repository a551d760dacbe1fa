"""Where Optuna keeps studies: a database's URL, or the path of a journal file."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import BaseJournalBackend, JournalFileBackend

from dse.errors import StudyError

Opened = TypeVar("Opened")

SQLITE = b"SQLite format 3\x00"  # https://www.sqlite.org/fileformat.html, section 1.3


class Buffer(BaseJournalBackend):
    """A journal file whose new entries are kept back until `flush`, which writes them all at once."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._new: list[dict[str, Any]] = []
        self._old: list[dict[str, Any]] = []
        if Path(path).exists():
            self._old += JournalFileBackend(path).read_logs(0)
            if Path(path).read_bytes().count(b"\n") != len(self._old):
                raise StudyError(f"{path!r} is no journal of Optuna's, or ends in the middle of a line")

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """Yield the entries from a number on."""
        old = len(self._old)
        yield from self._old[log_number_from:]
        yield from self._new[max(0, log_number_from - old) :]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Keep entries."""
        self._new += logs

    def flush(self) -> None:
        """Write what was kept."""
        file = JournalFileBackend(self._path)
        if sum(1 for _ in file.read_logs(0)) != len(self._old):
            raise StudyError(f"{self._path!r} was written to meanwhile: try again, or take another file")
        file.append_logs(self._new)
        self._old += self._new
        self._new = []


def is_url(target: str) -> bool:
    """Return whether a target is a database's URL rather than a journal's path."""
    return "://" in target


@contextmanager
def to_write(target: str) -> Generator[BaseStorage, None, None]:
    """Open a storage; what is written into a journal is in its file at the end, or not at all.

    Raises
    ------
    StudyError
        If it cannot be opened, or holds something else.
    """
    _check_file(target, needed=False)
    if is_url(target):
        with _explained(target):
            yield _opened(target, lambda: RDBStorage(target))
        return
    folder = Path(target).parent
    if not folder.is_dir():
        raise StudyError(f"there is no folder {str(folder)!r}: make it, or choose another file")
    buffer = _opened(target, lambda: Buffer(target))
    yield _opened(target, lambda: JournalStorage(buffer))
    buffer.flush()


def to_read(target: str) -> BaseStorage:
    """Open a storage that there is; raise `StudyError` if there is none, or it cannot be read."""
    _check_file(target, needed=True)
    if is_url(target):
        return _opened(target, lambda: RDBStorage(target, skip_table_creation=True))
    return _opened(target, lambda: JournalStorage(JournalFileBackend(target)))


def study_names(storage: BaseStorage) -> list[str]:
    """Return the names of its studies."""
    return [item.study_name for item in storage.get_all_studies()]


def _opened(target: str, make: Callable[[], Opened]) -> Opened:
    """Open a storage; raise `StudyError` with the reason where Optuna cannot."""
    try:
        with _explained(target):
            return make()
    except (ImportError, RuntimeError, OSError) as error:
        raise StudyError(f"Optuna's storage {_shown(target)!r} cannot be opened: {_line(error)}") from error
    except (ValueError, LookupError, TypeError) as error:
        if isinstance(error, StudyError) or is_url(target):
            raise
        raise StudyError(f"{target!r} is no journal of Optuna's: {_line(error)}") from error


@contextmanager
def _explained(target: str) -> Generator[None, None, None]:
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise StudyError(f"Optuna's storage {_shown(target)!r} cannot be used: {_line(error)}") from error


def _line(error: BaseException) -> str:
    return " ".join(str(error.__cause__ or error).split())[:300]


def _check_file(target: str, *, needed: bool) -> None:
    """Refuse a file that is something else, before Optuna adds its tables to it."""
    from sqlalchemy import create_engine, inspect
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError

    if not is_url(target):
        path = Path(target)
        if needed and not path.is_file():
            raise StudyError(
                f"there is no file {target!r}: give a URL as sqlite:///FILE, or a journal's path"
            )
        if path.is_file() and path.read_bytes()[: len(SQLITE)] == SQLITE:
            raise StudyError(f"{target!r} is a database: write sqlite:///{target}")
        return
    try:
        url = make_url(target)
    except ArgumentError:
        raise StudyError(f"{target!r} is no URL of a database: write sqlite:///FILE") from None
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return
    path = Path(url.database)
    if not path.is_file():
        if needed:
            raise StudyError(f"there is no file {str(path)!r}: name one that Optuna wrote")
        if not path.parent.is_dir():
            raise StudyError(f"there is no folder {str(path.parent)!r}: make it, or choose another file")
        return
    engine = create_engine(url)
    try:
        tables = inspect(engine).get_table_names()
    except SQLAlchemyError as error:
        reason = str(error.__cause__ or error)
        raise StudyError(f"{str(path)!r} is no database: {reason}; choose another file") from error
    finally:
        engine.dispose()
    if "dse_schema" in tables:
        raise StudyError(
            f"{str(path)!r} is a store of this toolkit: Optuna's studies need a file of their own"
        )
    if (tables or needed) and "version_info" not in tables:
        raise StudyError(f"{str(path)!r} holds no studies of Optuna's: choose another file")


def _shown(target: str) -> str:
    from sqlalchemy.engine import make_url

    return str(make_url(target)) if is_url(target) else target
