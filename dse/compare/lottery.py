"""How much a searcher depends on its settings: the same search under settings drawn at random.

Krishnan et al., "ArchGym: an open-source gymnasium for machine learning assisted architecture design", ISCA
2023 (arXiv:2306.08888), call it the hyperparameter lottery: by luck of its settings nearly every
searcher can win a comparison, and lose it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dse.compare.entries import Entry
from dse.searchers.ranges import declared, draw_settings

if TYPE_CHECKING:
    import pandas as pd

DEFAULT = "default"
COLUMNS = [
    "searcher", "settings", "seeds", "least", "lower", "median", "upper", "most", "default", "place", "best",
]  # fmt: skip


@dataclass(frozen=True)
class Ticket:
    """A searcher's settings drawn at random.

    Attributes
    ----------
    of
        The label of the searcher that takes part.
    entry
        The searcher with the drawn settings; its label is their text.
    """

    of: str
    entry: Entry


def tickets(entries: Sequence[Entry], count: int) -> list[Ticket]:
    """Return `count` random settings of each searcher, none for those that declare no ranges.

    Settings that a searcher was given stay as they are; the same searcher draws the same settings anywhere.
    """
    return [
        Ticket(entry.label, Entry(settings_text(settings), entry.searcher, settings))
        for entry in entries
        for settings in draw_settings(declared(entry.searcher), count, fixed=entry.settings)
    ]


def settings_text(settings: object) -> str:
    """Return settings as they are written in a table."""
    return json.dumps(settings, sort_keys=True)


def distribution(lottery: pd.DataFrame) -> pd.DataFrame:
    """Return how the fraction is spread over the settings of each searcher, the best median first.

    Parameters
    ----------
    lottery
        A row a searcher, setting and seed: columns ``searcher, setting, seed, fraction``; the setting
        ``default`` is that of the comparison.

    Returns
    -------
    Columns ``searcher``; ``settings``, how many, the default's among them; ``seeds``; ``least, lower,
    median, upper, most``, the ends and quartiles over settings of the median fraction over seeds;
    ``default``, that of the default; its ``place``, 1 where no setting was better; and ``best``, the settings
    that were.
    """
    import pandas as pd

    rows = []
    for searcher, part in lottery.groupby("searcher", sort=False):
        medians = part.groupby("setting", sort=False)["fraction"].median()
        default = float(medians[DEFAULT])
        rows.append(
            {
                "searcher": searcher,
                "settings": len(medians),
                "seeds": part["seed"].nunique(),
                "least": float(medians.min()),
                "lower": float(medians.quantile(0.25)),
                "median": float(medians.median()),
                "upper": float(medians.quantile(0.75)),
                "most": float(medians.max()),
                "default": default,
                "place": 1 + int((medians > default).sum()),
                "best": str(medians.idxmax()),
            }
        )
    frame = pd.DataFrame(rows, columns=COLUMNS)
    return frame.sort_values("median", ascending=False, kind="stable").reset_index(drop=True)
