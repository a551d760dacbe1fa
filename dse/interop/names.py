"""Names from outside as names that can stand in an expression, and what a format cannot say."""

from __future__ import annotations

import keyword
import re
from collections.abc import Container, Iterable

from dse.errors import DseError, SpaceError


def identifier(label: str, taken: Container[str] = ()) -> str:
    """Return a name like `label` that is a parameter's or a metric's, and not in `taken`.

    Examples
    --------
    >>> identifier("GFLOP/s"), identifier("2nd"), identifier("lambda"), identifier("x", {"x"})
    ('GFLOP_s', '_2nd', 'lambda_', 'x_2')
    """
    parts = []
    for part in label.split("."):
        clean = re.sub(r"\W", "_", part, flags=re.ASCII) or "_"
        clean = f"_{clean}" if clean[0].isdigit() else clean
        parts.append(f"{clean}_" if keyword.iskeyword(clean) else clean)
    name = ".".join(parts)
    found, count = name, 1
    while found in taken:
        count += 1
        found = f"{name}_{count}"
    return found


def identifiers(labels: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """Return `identifier` by label, each another."""
    names: dict[str, str] = {}
    used = set(taken)
    for label in labels:
        names[label] = identifier(label, used)
        used.add(names[label])
    return names


def settle(
    found: Iterable[str], lost: list[str] | None, what: str, *, kind: type[DseError] = SpaceError
) -> None:
    """Hand over what cannot be said: into a list, or as an error where the caller keeps none.

    Parameters
    ----------
    found
        What is lost, a line each.
    lost
        The caller's list; None to refuse.
    what
        What has no place for it, as in ``"ConfigSpace"``.
    kind
        Of the error.

    Raises
    ------
    DseError
        If something is lost and there is no list.
    """
    listed = list(found)
    if lost is not None:
        lost += listed
    elif listed:
        more = f"; and {len(listed) - 3} more" if len(listed) > 3 else ""
        raise kind(
            f"{what} has no place for: {'; '.join(listed[:3])}{more}. "
            "Hand in a list, lost=[] (--lossy), to go on without"
        )
