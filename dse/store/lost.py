"""Connections to a database server that are lost, and made again."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from dse.errors import StoreError

if TYPE_CHECKING:
    from dse.store.store import Store

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R", bound="HasStore")


class HasStore(Protocol):
    """A part of a store."""

    store: Store


FIRST_WAIT, LONGEST_WAIT = 0.1, 5.0  # seconds between attempts, doubled each time


def is_lost(error: BaseException | None) -> bool:
    """Return whether an error is that of a connection to a server, rather than of what was asked for."""
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    # Class 57P: the server is stopped, or is starting; class 08: the connection failed. Without a state the
    # server was not reached.
    state = getattr(error.orig, "sqlstate", None)
    return state is None or state.startswith(("57P", "08"))


def retried(
    method: Callable[Concatenate[Store, P], T],
) -> Callable[Concatenate[Store, P], T]:
    """Try a store's method again while a server cannot be reached, as long as the store is patient.

    The method must be one that may be called again: it reads, or sees for itself what it has done already.
    """
    return _trying(method, lambda store: store)


def retried_of(
    method: Callable[Concatenate[R, P], T],
) -> Callable[Concatenate[R, P], T]:
    """Do what `retried` does for a method of a part of a store."""
    return _trying(method, lambda part: part.store)


def _trying(
    method: Callable[Concatenate[Any, P], T], store_of: Callable[[Any], Store]
) -> Callable[Concatenate[Any, P], T]:
    def attempt(owner: Any, /, *arguments: P.args, **named: P.kwargs) -> T:
        store = store_of(owner)
        wait, until, warned = FIRST_WAIT, time.monotonic() + store.patience, False
        while True:
            try:
                return method(owner, *arguments, **named)
            except StoreError as error:
                if not store.remote or not is_lost(error.__cause__) or time.monotonic() >= until:
                    raise
                if not warned:
                    warnings.warn(f"{error}; trying again for {store.patience:g} s", stacklevel=2)
                    warned = True
            time.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT)

    attempt.__doc__, attempt.__name__, attempt.__qualname__ = (
        method.__doc__, method.__name__, method.__qualname__,
    )  # fmt: skip
    attempt.__wrapped__ = method  # type: ignore[attr-defined]
    return attempt


def explained(shown: str, error: DBAPIError) -> str:
    """Return what a server said, or why it did not, as one line with the mend."""
    reason = " ".join(str(error.orig).split())
    state = getattr(error.orig, "sqlstate", None) or ""
    for signs, mend in (
        (("28",), "check the user and the password"),
        (("3D000",), "make the database first: createdb"),
        (("42501",), "the user may not do that: grant it the rights on the database"),
        (("53100",), "make room: what was committed is safe, and the same command goes on"),
        (("53300",), "too many connections: end some, or raise the server's max_connections"),
        (("25006",), "the server is read-only: name the one that may be written"),
        (("57P", "08"), "the server ended the connection: is it running?"),
    ):
        if state.startswith(signs):
            return f"store {shown!r}: {reason}; {mend}"
    for sign, mend in (
        ("authentication failed", "check the user and the password"),
        ("does not exist", "make the database, or the user, first: createdb, createuser"),
        ("too many", "end some connections, or raise the server's max_connections"),
    ):
        if sign in reason and not state:  # the server was reached, and refused
            return f"store {shown!r}: {reason}; {mend}"
    if not state and isinstance(error, OperationalError | InterfaceError):
        return f"store {shown!r}: {reason}; is the server running, and is its address right?"
    return f"store {shown!r}: {reason}"


def check_arguments(patience: Any) -> None:
    """Raise `StoreError` for a patience that is no number of seconds."""
    if isinstance(patience, bool) or not isinstance(patience, int | float) or not patience >= 0:
        raise StoreError(f"patience={patience!r} must be a number of seconds, 0 or more")
