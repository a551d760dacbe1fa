"""Small stored studies to draw and report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from dse import Categorical, Integer, Maximize, Minimize, Ordinal, Problem, Real, Space, StudyView, cost_model
from dse.study import Study

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&%{x}"


def stored(
    folder: Path,
    problem: Problem,
    budget: int,
    *,
    name: str = "demo",
    searcher: str = "random",
    batch: int = 500,
) -> StudyView:
    """Run a study and return it as read from its store."""
    url = f"sqlite:///{folder}/{len(list(folder.iterdir()))}.db"
    Study(name, problem, searcher, seed=0, store=url, batch=batch).run(budget=budget)
    return StudyView(name, url)


def trade_off(objectives: int) -> Problem:
    """Conflicting objectives of one shape, the second to be maximised; the last parameter is useless."""
    names = [f"f{index}" for index in range(objectives)]
    space = Space([*(Real(f"x{index}", 0, 1) for index in range(max(objectives, 2))), Integer("idle", 1, 4)])

    @cost_model(metrics=dict.fromkeys(names, "ms"), version="1")
    def model(d: Any) -> dict[str, Any]:
        total = sum(d[f"x{index}"] for index in range(max(objectives, 2)))
        made = {name: 1.5 * d[f"x{index}"] ** 2 - total + 10 for index, name in enumerate(names)}
        return made | ({"f1": -made["f1"]} if objectives > 1 else {})

    goals = [Maximize(name) if name == "f1" else Minimize(name) for name in names]
    return Problem(space, model, goals)


def with_none() -> Problem:
    """With None among the values of a parameter, and cycle counts that differ little for their size."""

    @cost_model(metrics={"cycles": "", "area": "mm2"}, version="1")
    def model(d: Any) -> dict[str, Any]:
        off = np.array([mode is None for mode in d["mode"]])
        return {"cycles": 1e9 + 4.0 * d["n"] + off, "area": 1e3 - d["n"] - 0.3 * off}

    space = Space([Categorical("mode", [None, "a"]), Categorical("same", [None]), Integer("n", 1, 40)])
    return Problem(space, model, [Minimize("cycles"), Minimize("area")])


def failing() -> Problem:
    """Of which no design can be evaluated."""

    @cost_model(metrics={"f": "ms", "g": "", "h": ""}, version="1")
    def model(d: Any) -> dict[str, Any]:
        raise RuntimeError(HOSTILE)

    return Problem(Space([Integer("n", 1, 60)]), model, [Minimize("f"), Maximize("g"), Minimize("h")])


def hostile() -> Problem:
    """With markup wherever a user may put text."""
    kinds = [HOSTILE, "<b>bold</b>", '<a href="https://example.org">link</a>']

    @cost_model(
        metrics={"f": "<i>ms</i>", "g": HOSTILE, "h": "&lt;"},
        version="<u>1</u>",
        settings={"note": HOSTILE},
    )
    def model(d: Any) -> dict[str, Any]:
        n, plain = d["n"], d["kind"] == "<b>bold</b>"
        f = np.where(n % 7 == 0, np.nan, n * 1.0)
        return {"f": f, "g": -n + 20.0 * plain, "h": (n - 100.0) ** 2}

    space = Space([Integer("n", 1, 200), Categorical("kind", kinds), Ordinal("order", ["<s>", "</table>"])])
    return Problem(space, model, [Minimize("f"), Minimize("g"), Minimize("h")], ["f <= 150"])
