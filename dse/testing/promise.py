"""How a broken promise is told."""

from __future__ import annotations

from dse.designs import Designs


def promise(kept: object, text: str) -> None:
    """Raise `AssertionError` with the broken promise, also under ``python -O``."""
    if not kept:
        raise AssertionError(text)


def shown(designs: Designs, row: int) -> str:
    """Return one design as text: its values, or its codes where they stand for none."""
    try:
        return str(next(designs.take([row]).rows()))
    except Exception:
        return f"codes {designs.codes[row].tolist()}"
