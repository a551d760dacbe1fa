"""kill -9 at random moments: the archive is that of an uninterrupted run, byte for byte."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dse import Study, StudyView
from dse.errors import StoreError
from tests.dse.problems import tiling_problem

BUDGET = 1_500
DELAY = 0.03  # a batch
SECONDS = BUDGET / 25 * DELAY

RUN = """
import sys
from dse import Study
from tests.dse.problems import tiling_problem
problem = tiling_problem(delay={delay}, fail_every=11)
Study("a", problem, sys.argv[2], seed=5, store=sys.argv[1], batch=25).run({budget})
"""


def start(url: str, searcher: str) -> subprocess.Popen[bytes]:
    root = Path(__file__).parents[2]
    return subprocess.Popen(
        [sys.executable, "-c", RUN.format(budget=BUDGET, delay=DELAY), url, searcher], cwd=root
    )


def export(url: str) -> bytes:
    study = StudyView("a", url)
    frames = (study.evaluations(), study.front(), study.history().drop(columns="seconds"))
    return b"".join(frame.to_csv(lineterminator="\n").encode() for frame in frames)


def evaluated(url: str) -> int:
    try:
        return len(StudyView("a", url))
    except StoreError:  # not made yet
        return 0


@pytest.mark.parametrize(
    ("searcher", "kills"),
    [
        ("nsga2", 3),
        pytest.param("nsga2", 20, marks=pytest.mark.slow),
        pytest.param("random", 20, marks=pytest.mark.slow),
    ],
)
def test_kill_and_resume_gives_the_same_archive(searcher: str, kills: int, tmp_path: Path) -> None:
    whole, killed = (f"sqlite:///{tmp_path}/{name}.db" for name in ("whole", "killed"))
    Study("a", tiling_problem(fail_every=11), searcher, seed=5, store=whole, batch=25).run(BUDGET)

    moments = random.Random(f"{searcher} {kills}")
    interrupted = 0
    for _ in range(kills):
        run = start(killed, searcher)
        if moments.random() < 0.75:
            # In the midst of evaluating and committing; else anywhere, start-up and replay included.
            before = evaluated(killed)
            while run.poll() is None and evaluated(killed) == before:
                time.sleep(0.005)
            time.sleep(moments.uniform(0.0, 2 * SECONDS / kills))
        else:
            time.sleep(moments.uniform(0.0, 1.0))
        interrupted += run.poll() is None
        run.kill()
        run.wait()
    assert interrupted > kills / 2, "too few kills came before the end of the run: the test shows little"
    assert start(killed, searcher).wait() == 0
    assert evaluated(killed) == BUDGET
    assert export(killed) == export(whole)
