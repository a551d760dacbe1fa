"""A run of a study that is to be disturbed: ``python -m tests.dse.faults.program URL LOG [options]``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dse import Categorical, Integer, Minimize, Ordinal, Problem, Space, Study, cost_model
from dse.cli.run import drive
from dse.errors import DseError
from tests.dse.executors.models import UnpicklableError

NAME, SEARCHER, SEED, BATCH, BUDGET = "a", "nsga2", 5, 20, 240
GOES_ON, FAILED = 3, 2  # exit statuses: stopped by Ctrl-C, an error
KINDS = ("nan", "inf", "shape", "text", "missing", "huge", "unpicklable", "exit", "segfault")


def problem(log: Path | None = None, *, delay: float = 0.0, bad: bool = False) -> Problem:
    """Two objectives on 2,000 designs, evaluated one at a time, each noted in a log when it is done.

    Parameters
    ----------
    bad
        Whether one design in six does what a model should not do.
    """
    space = Space(
        [Integer("x", 0, 49), Ordinal("tile", [16, 32, 64, 128]), Categorical("kind", list("abcdefghij"))]
    )
    kinds = dict(zip("abcdefghij", (*KINDS, "fine"), strict=True))

    @cost_model(metrics={"ms": "ms", "mj": "mJ"}, per_design=True, version="1", settings={"bad": bad})
    def model(d: Mapping[str, Any]) -> Any:
        time.sleep(delay * (1 + d["x"] % 3))
        if log is not None:
            with log.open("a") as file:
                file.write(f"{d['x']} {d['tile']} {d['kind']}\n")
        if bad and (d["x"] + d["tile"] // 16) % 6 == 0:
            return misbehave(kinds[d["kind"]])
        return {"ms": 1e3 / d["tile"] + abs(d["x"] - 20), "mj": 0.1 * d["tile"] + d["x"] + ord(d["kind"]) % 7}

    return Problem(space, model, [Minimize("ms"), Minimize("mj")], ["mj <= 60"])


def misbehave(kind: str) -> Any:
    if kind == "exit":
        os._exit(7)
    if kind == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if kind == "huge":
        raise ValueError("x" * 1_000_000)
    if kind == "unpicklable":
        raise UnpicklableError
    wrong = {"nan": float("nan"), "inf": -float("inf"), "shape": np.ones((3, 2)), "text": "y" * 100_000}
    return {"ms": 1.0, "mj": wrong[kind]} if kind in wrong else {"ms": 1.0}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("log", type=Path)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--async", action="store_true", dest="asynchronous")
    parser.add_argument("--bad", action="store_true")
    parser.add_argument("--delay", type=float, default=0.004)
    parser.add_argument("--seed", type=int, default=SEED)
    given = parser.parse_args()
    warnings.showwarning = lambda message, *rest: print(f"warning: {message}", file=sys.stderr, flush=True)
    try:
        study = Study(
            NAME,
            problem(given.log, delay=given.delay, bad=given.bad),
            SEARCHER,
            given.seed,
            given.url,
            batch=BATCH,
        )
        stopped = drive(study, BUDGET, workers=given.workers, asynchronous=given.asynchronous)
    except DseError as error:
        print(f"error: {error}", file=sys.stderr)
        return FAILED
    return GOES_ON if stopped else 0


if __name__ == "__main__":
    sys.exit(main())
