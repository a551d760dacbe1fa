"""Spaces as files: our own JSON, ConfigSpace's, and T1 of the auto-tuning community."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dse.errors import SpaceError
from dse.space import Space
from dse.space.space import FORMAT

MAX_BYTES = 1 << 26


def read_space(path: Path, *, kind: str | None = None, lost: list[str] | None = None) -> Space:
    """Read a space from a file, of whatever kind its keys say.

    Parameters
    ----------
    path
        The file.
    kind
        ``configspace`` or ``t1`` where it must be that.
    lost
        Where to put what has no place in our spaces; None to refuse it.

    Raises
    ------
    SpaceError
        If there is no such file, it is of no known kind, or something has no place and `lost` is None.
    """
    data = _json(path)
    if "ConfigurationSpace" in data and kind in (None, "t1"):
        from dse.interop.kernel_tuner import from_t1

        return from_t1(data, lost=lost)
    if "hyperparameters" in data and kind in (None, "configspace"):
        from dse.interop.configspace import from_json

        return from_json(data, lost=lost)
    if data.get("format") == FORMAT and kind is None:
        return Space.from_dict(data)
    wanted = {
        "t1": "'ConfigurationSpace' (T1)",
        "configspace": "'hyperparameters' (ConfigSpace)",
        None: f"'ConfigurationSpace' (T1), 'hyperparameters' (ConfigSpace) or 'format': {FORMAT!r} (ours)",
    }
    raise SpaceError(f"{path.name} is no such space: it lacks {wanted[kind]}")


def space_text(space: Space, kind: str, *, lost: list[str] | None = None) -> str:
    """Return a space as a file's text; `kind` is ``configspace`` or ``t1``. See `read_space` for `lost`."""
    if kind == "t1":
        from dse.interop.kernel_tuner import to_t1

        return json.dumps(to_t1(space, lost=lost), indent=2, ensure_ascii=False) + "\n"
    from dse.interop.configspace import to_json

    return json.dumps(to_json(space, lost=lost), indent=2, ensure_ascii=False) + "\n"


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise SpaceError(f"there is no file {str(path)!r}")
    if path.stat().st_size > MAX_BYTES:
        raise SpaceError(f"{path.name} is larger than {MAX_BYTES >> 20} MiB: that is no space")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SpaceError(f"{path.name} cannot be read as JSON: {error}") from None
    if not isinstance(data, dict):
        raise SpaceError(f"{path.name} holds a {type(data).__name__}, not an object with keys")
    return data
