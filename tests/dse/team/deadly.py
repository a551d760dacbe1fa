"""A study one of whose designs ends the process: ``python -m tests.dse.team.deadly URL``."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import Any

from dse import Integer, Minimize, Problem, Space, Study, cost_model


def study(url: str) -> Study:
    @cost_model(metrics={"ms": "ms"}, per_design=True, version="1")
    def model(d: Mapping[str, Any]) -> dict[str, float]:
        time.sleep(0.3)
        if d["x"] == 7:
            os._exit(9)
        return {"ms": float(d["x"])}

    return Study("a", Problem(Space([Integer("x", 0, 11)]), model, [Minimize("ms")]), "exhaustive", store=url)


if __name__ == "__main__":
    study(sys.argv[1]).run(12)
