"""A small simulator, as people have them: arguments, a configuration file, a report."""

import argparse
import json
import os
import sys
import time
from pathlib import Path


def main() -> None:
    """Simulate."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tile", type=int, default=16)
    parser.add_argument("--mode", default="fast")
    parser.add_argument("--config")
    parser.add_argument("--version", action="store_true")
    parser.add_argument("--report", default="text")
    given = parser.parse_args()
    if given.version:
        print("sim 1.4.2\nbuilt by hand")
        sys.exit()
    stages = int(json.loads(Path(given.config).read_text())["stages"]) if given.config else 1
    latency, energy = 1000 / given.tile + stages, 0.1 * given.tile * stages
    if given.mode == "crash":
        print("warming up\nTraceback: register file\nassertion failed: banks > 0", file=sys.stderr)
        sys.exit(2)
    if given.mode == "unfit":
        sys.exit(3)
    if given.mode == "hang":
        os.system(f"sleep 600.{os.getppid()}")
    if given.mode == "mute":
        sys.exit()
    if given.mode == "eat":
        bytearray(4 << 30)
    if given.mode == "slow":
        time.sleep(0.3)
    if given.report == "json":
        print("loading...")
        print(json.dumps({"timing": {"total": latency}, "energy_mj": energy, "layers": [{"cycles": 7}]}))
    elif given.report == "csv":
        Path("out.csv").write_text(f"layer, latency, energy\n0, 1, 2\nall, {latency}, {energy}\n")
    else:
        print(f"layer 0: total time: 1.0 ms\ntotal time:  {latency:.6f} ms\nenergy {energy:.6f} mJ")


if __name__ == "__main__":
    main()
