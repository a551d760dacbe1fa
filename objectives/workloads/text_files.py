"""Text from a file of bounded size."""

from __future__ import annotations

from pathlib import Path

from dse.errors import ProblemError

# A description of layers is kilobytes; what is larger is another file.
MOST_BYTES = 4 * 2**20


def read_text(path: Path, most_bytes: int = MOST_BYTES) -> str:
    """Return the text of a file; raise `ProblemError` if it is missing, larger than that or not UTF-8."""
    try:
        with path.open("rb") as file:
            data = file.read(most_bytes + 1)
    except (OSError, ValueError) as error:
        raise ProblemError(f"{path}: this cannot be read ({error}): give another path") from error
    if len(data) > most_bytes:
        raise ProblemError(f"{path}: this has more than {most_bytes} bytes: give a description of layers")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProblemError(f"{path}: this is no UTF-8 text ({error}): save it as UTF-8") from error
