"""Evaluations a second into SQLite, beside Optuna's RDB storage on the same rows in the same run.

Twelve parameters, three metrics. Optuna stores finished trials with `Study.add_trials`.

    python benchmarks/store_throughput.py [--rows 200000] [--optuna-rows 300] [--read-rows 1000000]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from dse import Integer, Space
from dse.store import BatchRow, EvaluationRows, Store, StudyRecord

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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--optuna-rows", type=int, default=300)
    parser.add_argument("--read-rows", type=int, default=1_000_000)
    options = parser.parse_args()
    space = Space([Integer(f"x{i}", 0, 63) for i in range(PARAMETERS)])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        peer = fill_optuna(f"sqlite:///{folder}/optuna.db", options.optuna_rows)
        print(f"optuna RDB, add_trials         {peer:12,.0f} rows/s")
        for batch in (1, 100, 10_000):
            rate = fill(f"sqlite:///{folder}/{batch}.db", space, min(options.rows, 5_000 * batch), batch)
            print(f"store, batches of {batch:6,}       {rate:12,.0f} rows/s  {rate / peer:9,.0f} x optuna")
        url = f"sqlite:///{folder}/read.db"
        fill(url, space, options.read_rows, 50_000)
        size = (folder / "read.db").stat().st_size / options.read_rows
        began = time.perf_counter()
        with Store(url, read_only=True) as store:
            read = store.evaluations(1)
        spent = time.perf_counter() - began
        print(f"reading {len(read):,} rows back: {spent:.2f} s; {size:.0f} bytes a row on disk")


if __name__ == "__main__":
    main()
