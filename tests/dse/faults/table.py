"""Trials of a fault, counted."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from tests.dse.faults.faults import Fault
from tests.dse.faults.trial import Trial
from tests.postgres import Server


@dataclass(frozen=True)
class Counts:
    """Evaluations lost and doubled in all trials of a fault."""

    losses: int
    duplicates: int


def run(fault: Fault, trials: int, folder: Path, server: Server | None) -> Counts:
    """Inject a fault into as many studies."""
    losses = duplicates = 0
    for number in range(trials):
        home = folder / f"{number}"
        home.mkdir()
        if fault.server:
            assert server is not None
            url = server.database()
        else:
            url = f"sqlite:///{home}/a.db"
        trial = Trial(home, url, random.Random(f"{fault.name} {number}"))
        try:
            fault.inject(trial)
            if trial.url == url and fault.judged:
                trial.judge()
        except AssertionError as error:
            error.add_note(f"{fault.name}, trial {number}")
            raise
        finally:
            trial.close()
        losses, duplicates = losses + trial.losses, duplicates + trial.duplicates
    return Counts(losses, duplicates)
