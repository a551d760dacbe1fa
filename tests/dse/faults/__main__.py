"""The table of faults: ``python -m tests.dse.faults [--share 1.0] [--only TEXT]``."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from pathlib import Path

import pytest

from tests.dse.faults.faults import FAULTS
from tests.dse.faults.table import run
from tests.postgres import Server


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--share", type=float, default=1.0, help="of the trials of each fault")
    parser.add_argument("--only", default="", help="faults whose name has this")
    given = parser.parse_args()
    server = Server()
    total = [0, 0, 0]
    print("| fault | trials | evaluations lost | evaluations doubled | seconds |\n|---|---|---|---|---|")
    try:
        for fault in FAULTS:
            if given.only not in fault.name:
                continue
            began = time.monotonic()
            trials = max(1, round(fault.trials * given.share))
            with tempfile.TemporaryDirectory() as folder:
                try:
                    counts = run(fault, trials, Path(folder), server)
                except pytest.skip.Exception as error:
                    print(f"| {fault.name} | 0: {error} | | | |", flush=True)
                    continue
                except AssertionError as error:
                    traceback.print_exc()
                    print(f"| {fault.name} | failed: {error} {error.__notes__} | | | |", flush=True)
                    total[1] += 1
                    continue
            spent = time.monotonic() - began
            print(
                f"| {fault.name} | {trials} | {counts.losses} | {counts.duplicates} | {spent:.0f} |",
                flush=True,
            )
            total = [total[0] + trials, total[1] + counts.losses, total[2] + counts.duplicates]
    finally:
        server.close()
    print(f"| **all** | **{total[0]}** | **{total[1]}** | **{total[2]}** | |")
    sys.exit(total[1] + total[2] > 0)


if __name__ == "__main__":
    main()
