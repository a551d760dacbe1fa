"""A study read once: all of a report speaks of the same evaluations, even while the study runs."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from dse.pareto import hypervolume, nondominated

if TYPE_CHECKING:
    import pandas as pd

    from dse.plots.points import StudyLike

CAUSES = 20


class Snapshot:
    """What a study holds at one moment, with the study's own reading methods."""

    def __init__(self, study: StudyLike) -> None:
        self.name = study.name
        self.space = study.space
        self.objectives = study.objectives
        self.metrics = study.metrics
        self.limits = study.limits
        self.record = study.record
        self.reference = study.reference
        # History and evaluations are committed together: rows read later than the history are left out.
        self._history = study.history()
        total = int(self._history["evaluations"].iloc[-1]) if len(self._history) else 0
        evaluations = study.evaluations()
        self._evaluations = evaluations[evaluations["number"] < total]

    def evaluations(self) -> pd.DataFrame:
        return self._evaluations

    def history(self) -> pd.DataFrame:
        return self._history

    def front(self) -> pd.DataFrame:
        return self._front

    @cached_property
    def _front(self) -> pd.DataFrame:
        frame = self._evaluations
        frame = frame[frame["state"] == "complete"].drop(columns=["state", "error"]).set_index("number")
        signs = np.array([objective.sign for objective in self.objectives])
        values = frame[[objective.metric for objective in self.objectives]].to_numpy(float) * signs
        keep = nondominated(values)
        order = np.lexsort([frame.index.to_numpy()[keep], *reversed(values[keep].T)])
        return frame[keep].iloc[order]

    def counts(self) -> dict[str, int]:
        found = self._evaluations["state"].value_counts()
        return {
            str(state): int(found.get(state, 0)) for state in ("complete", "infeasible", "failed", "timeout")
        }

    def failures(self) -> pd.DataFrame:
        """Return the most frequent errors: columns error, count, example."""
        frame = self._evaluations[self._evaluations["error"].notna()]
        groups = frame.groupby("error", sort=False)["number"].agg(count="size", example="min").reset_index()
        return groups.sort_values(["count", "example"], ascending=[False, True]).head(CAUSES)

    def hypervolume(self) -> float:
        if self.reference is None:
            return 0.0
        return hypervolume(
            self.front()[[objective.metric for objective in self.objectives]],
            self.reference,
            [objective.maximize for objective in self.objectives],
        )
