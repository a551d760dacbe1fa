"""All designs behind a front as a density, where single points would be too many."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from dse.plots.points import CLOUD

CELLS = 120  # along each axis
_GREY = 140
_FAINT, _STRONG = 0.10, 0.85  # opacity of the cell with fewest and with most designs
_PAD, _ROOM = 0.04, 0.14  # of an axis' range: at the worse end, and at the better, where knees are labelled


def with_density(made: go.Figure, study: Any, most: int = CLOUD) -> go.Figure:
    """Return a front over two metrics with the dominated designs as a density, if there are very many.

    The density is an image behind the traces: a browser draws it at once, and takes a tenth of a second for a
    heat map of as many cells.

    Parameters
    ----------
    made
        From `dse.plots.front_2d`.
    most
        Dominated designs up to which they stay points.
    study
        What it was made of, if that has a method ``cloud(x, y)``: all dominated designs' values, two arrays.
    """
    meta = made.layout.meta or {}
    if "x" not in meta or meta.get("dominated", 0) <= most:
        return made
    axes = made.layout.xaxis, made.layout.yaxis
    cloud = [
        np.log10(values.astype(np.float32)) if axis.type == "log" else values
        for axis, values in zip(axes, study.cloud(meta["x"], meta["y"]), strict=True)
    ]
    spans = [(float(values.min()), float(values.max())) for values in cloud]
    cells = counts(cloud[0], cloud[1], spans)
    kept = [trace for trace in made.data if not (trace.name or "").startswith("dominated")]
    made.data = ()
    name = f"dominated ({len(cloud[0]):,}), as density"
    looks = {"symbol": "square", "size": 9, "color": f"rgba({_GREY},{_GREY},{_GREY},0.6)"}
    made.add_traces([go.Scatter(x=[None], y=[None], mode="markers", name=name, marker=looks), *kept])
    (left, right), (low, high) = (_wide(span) for span in spans)
    made.add_layout_image(
        source=image(cells), xref="x", yref="y", x=left, y=high, sizex=right - left, sizey=high - low,
        sizing="stretch", layer="below",
    )  # fmt: skip
    better = {objective.metric: objective.maximize for objective in study.objectives}
    for axis, span, name in zip(axes, spans, "xy", strict=True):
        ends = [*span, *_ends(kept, name, logarithm=axis.type == "log")]
        wide = max(ends) - min(ends)
        up = better.get(meta[name], False)
        axis.range = [min(ends) - (_PAD if up else _ROOM) * wide, max(ends) + (_ROOM if up else _PAD) * wide]
    return made


def counts(x: NDArray[Any], y: NDArray[Any], spans: list[tuple[float, float]]) -> NDArray[np.int64]:
    """Return how many designs are in each cell (CELLS, CELLS), by x and y."""
    places = []
    for values, (low, high) in zip((x, y), spans, strict=True):
        scale = CELLS / (high - low) if high > low else 0.0
        # Cells are even: none need be looked for.
        places.append(np.minimum(((values - low) * scale).astype(np.int32), CELLS - 1))
    flat = np.bincount(places[0] * CELLS + places[1], minlength=CELLS * CELLS)
    return flat.reshape(CELLS, CELLS)


def image(cells: NDArray[np.int64]) -> str:
    """Return counts (x, y) as a PNG, a pixel a cell, in a data address: the more designs the less clear."""
    most = np.log(max(int(cells.max()), 2))
    with np.errstate(divide="ignore"):
        strength = _FAINT + (_STRONG - _FAINT) * np.log(cells) / most
    opacity = np.where(cells > 0, 255 * strength, 0).round().astype(np.uint8)
    pixels = np.stack([np.full_like(opacity, _GREY), opacity], axis=-1).transpose(1, 0, 2)[::-1]
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)  # each row begins with its filter: none
    head = struct.pack(">IIBBBBB", *opacity.shape, 8, 4, 0, 0, 0)  # eight bits of grey, eight of opacity
    parts = _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + parts).decode()


def _chunk(kind: bytes, content: bytes) -> bytes:
    """Return a part of a PNG file: https://www.w3.org/TR/png-3/, section 5.3."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _wide(span: tuple[float, float]) -> tuple[float, float]:
    """Return a span that is wider than nothing."""
    low, high = span
    pad = 0.0 if high > low else abs(low) * 0.01 or 0.01
    return low - pad, high + pad


def _ends(traces: list[Any], axis: str, *, logarithm: bool) -> list[float]:
    """Return the least and greatest value of the front's own traces on an axis."""
    values = np.concatenate(
        [
            np.asarray(trace[axis], float)
            for trace in traces
            if (trace.name or "").startswith("front") or " = " in (trace.name or "")
        ]
        or [np.empty(0)]
    )
    if not len(values):
        return []
    ends = [float(values.min()), float(values.max())]
    return np.log10(ends).tolist() if logarithm else ends
