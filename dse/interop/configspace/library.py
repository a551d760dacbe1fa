"""The library, imported when it is needed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from dse.errors import SpaceError


def library(module: str = "") -> Any:
    """Return ConfigSpace, or a module of it; raise `SpaceError` where it is not installed."""
    try:
        return import_module(f"ConfigSpace{module}")
    except ImportError as error:
        raise SpaceError(f"ConfigSpace is needed: pip install 'dse-toolkit[interop]' ({error})") from None
