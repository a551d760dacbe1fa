"""Figures as PNG and SVG files, drawn by plotly.js in a browser that kaleido starts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import plotly.graph_objects as go

from dse.errors import StudyError

FORMATS = ("png", "svg")
_WIDTH, _HEIGHT = 900, 560
_SCALE = 2  # pixels of a PNG for each of the layout's
_INSTALL = "pip install 'dse-toolkit[images]', and have Chrome or Chromium installed"


def write_images(
    figures: Mapping[str, go.Figure], folder: str | Path, formats: Sequence[str] = FORMATS
) -> list[Path]:
    """Write figures as images, one file for each figure and format.

    Nothing is loaded from elsewhere. What is drawn by WebGL (3-D, clouds of many designs) is a picture within
    an SVG; all else is lines and text.

    Parameters
    ----------
    figures
        By the name of their files, without the ending.
    folder
        Made if it does not exist; files of these names are replaced.
    formats
        Of png and svg.

    Returns
    -------
    The files, in the order of the figures.

    Raises
    ------
    StudyError
        If a format is unknown, kaleido or a browser is not installed, or a file cannot be written.
    """
    for name in formats:
        if name not in FORMATS:
            raise StudyError(f"format {name!r} is unknown; known are {', '.join(FORMATS)}")
    try:
        import kaleido
        from choreographer.errors import ChromeNotFoundError
    except ImportError as error:
        raise StudyError(f"images need kaleido, which is not installed: {_INSTALL}") from error
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StudyError(f"{str(target)!r} cannot be made: {error.strerror or error}") from error
    asked = []
    for key, figure in figures.items():
        drawn = json.loads(figure.to_json())
        drawn["layout"] |= {"paper_bgcolor": "white", "plot_bgcolor": "white"}  # pages have their own
        size = {"width": _width(figure), "height": int(figure.layout.height or _HEIGHT), "scale": _SCALE}
        for name in formats:
            path = target / f"{key}.{name}"
            asked.append({"fig": drawn, "path": str(path), "opts": {**size, "format": name}})
    try:
        kaleido.write_fig_from_object_sync(asked, kopts={"mathjax": False})
    except ChromeNotFoundError as error:
        raise StudyError(f"images are drawn by a browser, and none was found: {_INSTALL}") from error
    except OSError as error:
        raise StudyError(f"{str(target)!r} cannot be written: {error.strerror or error}") from error
    return [Path(item["path"]) for item in asked]


def _width(figure: go.Figure) -> int:
    meta = figure.layout.meta or {}
    return max(_WIDTH, int(meta.get("min_width") or 0))
