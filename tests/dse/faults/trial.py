"""One run that a fault is injected into, and what it cost."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import pandas as pd

from dse import Study, StudyView
from dse.errors import StoreError
from tests.dse.faults.program import BATCH, BUDGET, GOES_ON, NAME, SEARCHER, SEED, problem

ROOT = Path(__file__).parents[3]
DESIGN = ["x", "tile", "kind"]
PATIENCE = 90.0  # seconds for what should take two


@lru_cache
def undisturbed(seed: int, folder: Path) -> pd.DataFrame:
    """Return the evaluations of a run that nothing happens to."""
    url = f"sqlite:///{folder}/whole{seed}.db"
    return Study(NAME, problem(), SEARCHER, seed, url, batch=BATCH).run(BUDGET).evaluations()


@dataclass
class Trial:
    """A study in a folder of its own.

    Attributes
    ----------
    ordered
        Whether the archive is to be that of an undisturbed run.
    options
        Of the program, for every process.
    losses
        Committed evaluations that are gone or changed, and such as an undisturbed run would have.
    duplicates
        Designs that are stored twice, or were evaluated again after their evaluation was committed.
    """

    folder: Path
    url: str
    moments: random.Random
    ordered: bool = True
    seed: int = SEED
    options: list[str] = field(default_factory=list)
    losses: int = 0
    duplicates: int = 0
    committed: pd.DataFrame | None = None
    logged: int = 0
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def start(self, **environment: str) -> subprocess.Popen[str]:
        """Start a process that runs the study."""
        command = [
            sys.executable,
            "-m",
            "tests.dse.faults.program",
            self.url,
            str(self.log),
            "--seed",
            str(self.seed),
        ]
        with (self.folder / f"told{len(self.processes)}").open("w") as told:
            run = subprocess.Popen(
                [*command, *self.options], cwd=ROOT, stderr=told, stdout=told, text=True,
                env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            )  # fmt: skip
        self.processes.append(run)
        return run

    def told(self, run: subprocess.Popen[str]) -> str:
        """Return what a process printed."""
        return (self.folder / f"told{self.processes.index(run)}").read_text()

    def evaluations(self) -> pd.DataFrame:
        return StudyView(NAME, self.url).evaluations()

    def stored(self) -> int:
        try:
            return len(StudyView(NAME, self.url))
        except StoreError:
            return 0

    def wait_until_under_way(self, *, most: float = 0.7) -> None:
        """Wait for a random moment of the run."""
        least, until = self.moments.uniform(0.05, most) * BUDGET, time.monotonic() + PATIENCE
        while self.stored() < least:
            assert time.monotonic() < until, "the run does not go on"
            assert any(run.poll() is None for run in self.processes), self.told(self.processes[-1])
            time.sleep(0.01)
        time.sleep(self.moments.uniform(0.0, 0.1))

    def note(self) -> None:
        """Note what is committed now."""
        self.committed = self.evaluations()
        self.logged = len(self.lines())

    def lines(self) -> list[str]:
        return self.log.read_text().splitlines()

    def finish(self, *, status: int = 0) -> None:
        """Wait for the processes that are left."""
        for run in self.processes:
            if run.poll() is None:
                assert run.wait(PATIENCE) == status, self.told(run)

    def resume(self) -> None:
        """Run the study to its end as a user would, in a new process."""
        run = self.start()
        assert run.wait(PATIENCE) == 0, self.told(run)

    def judge(self) -> None:
        """Count what was lost and what is double."""
        final = self.evaluations()
        self.duplicates += int(final.duplicated(DESIGN).sum()) + int(final["number"].duplicated().sum())
        self.losses += max(BUDGET - len(final), 0)
        if self.ordered:
            self.losses += differing(undisturbed(self.seed, self.folder.parent), final)
        if self.committed is not None:
            self.losses += differing(self.committed, final)
            known = {" ".join(map(str, row)) for row in self.committed[DESIGN].itertuples(index=False)}
            self.duplicates += sum(line in known for line in self.lines()[self.logged :])

    def close(self) -> None:
        for run in self.processes:
            if run.poll() is None:
                run.kill()
            run.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def differing(before: pd.DataFrame, after: pd.DataFrame) -> int:
    """Return how many evaluations of one table are not, bit for bit, in another under the same number."""
    both = after.set_index("number").reindex(before["number"])
    first = before.set_index("number")
    same = (both == first) | (both.isna() & first.isna())
    return int((~same.all(axis=1)).sum())


def stopped(run: subprocess.Popen[str]) -> bool:
    """Wait for a process that was asked to stop; return whether it did so, rather than ended."""
    return run.wait(PATIENCE) == GOES_ON
