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
        print(f"{'':30}{'rows/s':>12}{'ms a commit':>14}{'x optuna':>12}")
        print(f"{'optuna RDB, add_trials':30}{peer:12,.0f}{1e3 / peer:14.2f}{1:12,}")
        for batch in (1, 100, 10_000):
            rate = fill(f"sqlite:///{folder}/{batch}.db", space, min(options.rows, 5_000 * batch), batch)
            label = f"store, batches of {batch:,}"
            print(f"{label:30}{rate:12,.0f}{1e3 * batch / rate:14.2f}{rate / peer:12,.0f}")
        url = f"sqlite:///{folder}/read.db"
        fill(url, space, options.read_rows, 50_000)
        size = (folder / "read.db").stat().st_size / options.read_rows
        with Store(url, read_only=True) as store:
            began = time.perf_counter()
            walked = sum(len(part) for part in store.iter_evaluations(1))
            in_chunks = time.perf_counter() - began
            began = time.perf_counter()
            read = store.evaluations(1)
            at_once = time.perf_counter() - began
        print(f"reading {len(read):,} rows back: {at_once:.2f} s; {size:.0f} bytes a row on disk")
        print(f"walking {walked:,} rows in chunks of 50,000: {in_chunks:.2f} s")


if __name__ == "__main__":
    main()
