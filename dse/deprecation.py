"""How a public name goes: it warns for a release, with what to use instead and when it will be gone."""

from __future__ import annotations

import warnings


class DseDeprecationWarning(FutureWarning):
    """A public name that a coming version will not have; shown to users, unlike `DeprecationWarning`."""


def deprecate(what: str, *, instead: str, removed_in: str, stacklevel: int = 3) -> None:
    """Warn that something is on its way out.

    Parameters
    ----------
    what
        As its users write it, ``"dse.old_name"``.
    instead
        What to write in its place.
    removed_in
        The version that will not have it.
    stacklevel
        Whose line is shown: 3 for the caller of the function that calls this.
    """
    warnings.warn(
        f"{what} will be removed in {removed_in}: use {instead}", DseDeprecationWarning, stacklevel=stacklevel
    )
