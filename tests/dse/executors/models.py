"""Problems whose models behave badly, importable by other processes."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dse import Categorical, Integer, Minimize, Problem, Space, cost_model

KINDS = ("fine", "sleep", "spin", "segfault", "exit", "memory", "unpicklable", "nan", "child")


class UnpicklableError(Exception):
    def __init__(self) -> None:
        super().__init__("held a lock")
        self.lock = threading.Lock()


def misbehave(kind: str) -> None:
    if kind == "sleep":
        time.sleep(600)
    elif kind == "spin":  # in compiled code, which never gives the interpreter's lock
        re.match(r"(a+)+$", "a" * 40 + "b")
    elif kind == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif kind == "exit":
        os._exit(3)
    elif kind == "memory":
        np.ones(1 << 33)
    elif kind == "unpicklable":
        raise UnpicklableError
    elif kind == "child":
        import subprocess

        # Told apart, by the test's process, from those of other tests.
        subprocess.run(["sleep", f"600.{os.getppid()}"], check=True)


def mixed(*kinds: str, log: Path | None = None, delay: float = 0.0) -> Problem:
    """A design's kind says how its evaluation goes; each is written to a log."""
    space = Space([Integer("x", 0, 11), Categorical("kind", list(kinds))])

    @cost_model(metrics={"a": "ms", "b": "mJ"}, per_design=True, version="1")
    def model(d: Mapping[str, Any]) -> dict[str, float]:
        if log is not None:
            with log.open("a") as file:
                file.write(f"{d['x']} {d['kind']}\n")
        # The designs take unlike times, so that they end in another order than they begin.
        time.sleep(delay * (1 + (7 * d["x"]) % 5))
        misbehave(d["kind"])
        return {"a": float("nan") if d["kind"] == "nan" else d["x"] * 1.5, "b": 30.0 - d["x"]}

    return Problem(space, model, [Minimize("a"), Minimize("b")], name="mixed")


def vectorised() -> Problem:
    space = Space([Integer("x", 0, 400), Integer("y", 0, 400)], constraints=["x + y <= 700"])

    @cost_model(metrics={"a": "ms", "b": "mJ"}, version="1")
    def model(d: Any) -> dict[str, Any]:
        x, y = d["x"].astype(float), d["y"].astype(float)
        if (d["x"] == 7).any():
            raise ValueError("seven")
        return {"a": np.sqrt(x) + np.exp(-y / 50), "b": (400 - x) / (y + 1.0)}

    return Problem(space, model, [Minimize("a"), Minimize("b")], name="vectorised")
