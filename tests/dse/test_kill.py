"""kill -9 at random moments: the archive is that of an uninterrupted run, byte for byte."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dse import StudyView

BUDGET = 1_500

RUN = """
import sys
from dse import Study
from tests.dse.problems import tiling_problem
Study("a", tiling_problem(delay=0.01, fail_every=11), sys.argv[2], seed=5, store=sys.argv[1], batch=25).run({budget})
"""


def start(url: str, searcher: str) -> subprocess.Popen[bytes]:
    root = Path(__file__).parents[2]
    return subprocess.Popen([sys.executable, "-c", RUN.format(budget=BUDGET), url, searcher], cwd=root)


def export(url: str) -> bytes:
    study = StudyView("a", url)
    frames = (study.evaluations(), study.front(), study.history().drop(columns="seconds"))
    return b"".join(frame.to_csv(lineterminator="\n").encode() for frame in frames)


def evaluated(url: str, path: Path) -> int:
    return len(StudyView("a", url)) if path.exists() else 0


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
    began = time.monotonic()
    assert start(whole, searcher).wait() == 0
    seconds = time.monotonic() - began

    moments = random.Random(f"{searcher} {kills}")
    interrupted = 0
    for _ in range(kills):
        run = start(killed, searcher)
        # Start-up and the whole run are fair game, so some kills fall before the first commit.
        time.sleep(moments.uniform(0.2, seconds * 2 / kills + 0.5))
        interrupted += run.poll() is None
        run.kill()
        run.wait()
    assert interrupted, "no kill came before the end of a run: the test shows nothing"
    assert start(killed, searcher).wait() == 0
    assert len(StudyView("a", killed)) == BUDGET
    assert export(killed) == export(whole)
