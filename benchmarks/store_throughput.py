"""Evaluations a second into SQLite and PostgreSQL, beside Optuna's RDB storage on the same database.

Twelve parameters, three metrics. Optuna stores finished trials with `Study.add_trials`. PostgreSQL is a
server of its own on this machine, with its durable defaults. Then a whole study: random designs of
`lut-accelerator`, evaluated and stored, and in another process opened, counted and its front read.

    python -m benchmarks.store_throughput [--rows 200000] [--optuna-rows 300] [--study-rows 1000000]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np

from dse import Integer, Space
from dse.store import BatchRow, EvaluationRows, Store, StudyRecord
from tests.postgres import Server

PARAMETERS, METRICS = 12, 3


def rows(space: Space, start: int, count: int, rng: np.random.Generator) -> EvaluationRows:
    codes = rng.integers(0, 64, size=(count, PARAMETERS))
    return EvaluationRows(
        number=np.arange(start, start + count),
        batch=np.full(count, start),
        state=np.full(count, "complete"),
        violation=np.zeros(count),
        seconds=np.full(count, 1e-6),
        designs=space.pack(codes),
        metrics=rng.random((count, METRICS)),
        errors={},
    )


def commit(start: int, count: int) -> BatchRow:
    none = np.empty(0, np.int64)
    return BatchRow(start, start, count, None, "2026-01-01T00:00:00+00:00", 0.0, 0.0, 1, 1.0, none, none)


def fill(url: str, space: Space, total: int, batch: int) -> float:
    rng = np.random.default_rng(0)
    with Store(url) as store:
        record = store.create_study(
            StudyRecord("bench", "0" * 64, {}, {}, 0, {}, "2026-01-01T00:00:00+00:00", "running")
        )
        assert record.id is not None
        spent = 0.0
        for start in range(0, total, batch):
            given = rows(space, start, min(batch, total - start), rng)
            began = time.perf_counter()
            store.append(record.id, commit(start, len(given)), given)
            spent += time.perf_counter() - began
    return total / spent


def fill_optuna(url: str, total: int) -> float:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    rng = np.random.default_rng(0)
    distributions = {f"x{i}": optuna.distributions.IntDistribution(0, 63) for i in range(PARAMETERS)}
    study = optuna.create_study(storage=url, directions=["minimize"] * METRICS)
    trials = [
        optuna.trial.create_trial(
            params={name: int(rng.integers(64)) for name in distributions},
            distributions=distributions,
            values=rng.random(METRICS).tolist(),
        )
        for _ in range(total)
    ]
    began = time.perf_counter()
    study.add_trials(trials)
    return total / (time.perf_counter() - began)


def study_of(url: str, total: int) -> None:
    """Print what a whole study costs: its run, and reading its front in a process that starts anew."""
    script = f"""
import resource, sys, time
from dse.definitions import find
from dse import Study, StudyView
if sys.argv[1] == "run":
    study = Study("big", find("lut-accelerator").build(), "random", store={url!r}, batch=20_000)
    began = time.perf_counter()
    study.run({total})
else:
    import pandas, moocore
    began = time.perf_counter()
    view = StudyView("big", {url!r})
    rows = len(view), len(view.front())
print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, flush=True)
"""
    for what in ("run", "front"):
        done = subprocess.run(
            [sys.executable, "-c", script, what], capture_output=True, text=True, check=True
        )
        seconds, memory = map(float, done.stdout.split())
        label = "run, committed" if what == "run" else "opened, counted, front read"
        print(f"  {total:,} evaluations {label}: {seconds:.2f} s, at most {memory:,.0f} MiB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--optuna-rows", type=int, default=300)
    parser.add_argument("--study-rows", type=int, default=1_000_000, help="of a whole study; 0 for none")
    parser.add_argument("--only", choices=["sqlite", "postgresql"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.only != "postgresql":
            measure("SQLite", lambda: f"sqlite:///{folder}/{next(COUNT)}.db", options)
            files = {file: file.stat().st_size for file in folder.glob("*.db")}
            if options.study_rows:
                print(f"  {max(files.values()) / options.study_rows:.0f} bytes an evaluation on disk")
    if options.only != "sqlite":
        server = Server(durable=True)
        try:
            measure("PostgreSQL", server.database, options)
        finally:
            server.close()


COUNT = count()


def measure(name: str, new: Callable[[], str], options: argparse.Namespace) -> None:
    """Print the figures of one database, of which `new` makes empty ones."""
    space = Space([Integer(f"x{i}", 0, 63) for i in range(PARAMETERS)])
    peer = fill_optuna(new().replace("postgresql:", "postgresql+psycopg:"), options.optuna_rows)
    print(f"{name:30}{'rows/s':>12}{'ms a commit':>14}{'x optuna':>12}")
    print(f"{'optuna RDB, add_trials':30}{peer:12,.0f}{1e3 / peer:14.2f}{1:12,}")
    for batch in (1, 100, 10_000):
        url = new()
        rate = fill(url, space, min(options.rows, 5_000 * batch), batch)
        label = f"store, batches of {batch:,}"
        print(f"{label:30}{rate:12,.0f}{1e3 * batch / rate:14.2f}{rate / peer:12,.0f}", flush=True)
    with Store(url, read_only=True) as store:
        began = time.perf_counter()
        read = store.evaluations(1)
        at_once = time.perf_counter() - began
    print(f"  reading {len(read):,} rows back: {at_once:.2f} s")
    if options.study_rows:
        study_of(new(), options.study_rows)


if __name__ == "__main__":
    main()
