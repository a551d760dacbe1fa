"""All evaluations that filters keep, in an order, a page at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dse.dashboard.columns import STATES

if TYPE_CHECKING:
    from dse.dashboard.live import FilteredStudy
    from dse.dashboard.state import View

PAGE = 100  # evaluations
ORDERS = {"newest": "newest first", "oldest": "oldest first"}
LEAST, GREATEST = "least ", "greatest "


def orders(metrics: list[str]) -> list[dict[str, str]]:
    """Return the orders that a reader can choose from, as options of a dropdown."""
    options = [{"label": label, "value": key} for key, label in ORDERS.items()]
    for name in metrics:
        options += [{"label": f"{way}{name} first", "value": way + name} for way in (LEAST, GREATEST)]
    return options


def listing(study: FilteredStudy, chosen: View) -> tuple[NDArray[Any], str]:
    """Return the evaluations of a page by number, and which of how many they are."""
    columns = study.columns
    kept = columns.mask(study.filters)
    states = [STATES.index(name) for name in chosen.plain.get("states", "").split("\n") if name in STATES]
    if states:
        kept = kept & np.isin(columns.state, states)
    numbers = _ordered(study, np.flatnonzero(kept), chosen.plain.get("order", ""))
    pages = max(1, -(-len(numbers) // PAGE))
    asked = chosen.plain.get("page", "1")
    page = min(max(int(asked) if asked.isdecimal() else 1, 1), pages)
    shown = numbers[(page - 1) * PAGE : page * PAGE]
    if not len(shown):
        return shown, "No evaluation is left: loosen the filters."
    first = (page - 1) * PAGE + 1
    which = f"{first:,} to {first + len(shown) - 1:,} of {len(numbers):,} evaluations"
    return shown, f"{which}; page {page:,} of {pages:,}."


def _ordered(study: FilteredStudy, numbers: NDArray[Any], order: str) -> NDArray[Any]:
    for way, sign in ((LEAST, 1.0), (GREATEST, -1.0)):
        name = order.removeprefix(way)
        if order.startswith(way) and name in study.metrics:
            # Those without a value come last, whatever the order.
            return numbers[np.argsort(sign * study.columns.metric(name)[numbers], kind="stable")]
    return numbers if order == "oldest" else numbers[::-1]
