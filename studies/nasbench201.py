"""Networks of NAS-Bench-201 on a measured device: error against latency, from a table."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dse import Minimize, Problem
from dse.definitions import StudyDefinition
from dse.errors import ProblemError
from objectives.networks.nasbench201_table import COLUMNS, architecture, nasbench201_table
from spaces.nas import nasbench201_space
from studies.settings import some_metrics

FILE = Path("nas", "nasbench201_hw.csv.gz")
SOURCES = (
    "latencies of github.com/HayeonLee/HELP or HW-NAS-Bench, accuracies of NATS-Bench; see "
    "docs/models/nasbench201.md"
)

# The reference point lies a tenth of the table's range beyond its worst value.
BEYOND = 1.1


def problem(
    data: str = "",
    device: str = "raspi4",
    dataset: str = "cifar100",
    minimize: str = "error_percent,latency_ms",
    unique: bool = False,
    connected: bool = False,
) -> Problem:
    """Return the problem of finding the networks of NAS-Bench-201 that are accurate and fast on a device.

    Parameters
    ----------
    data
        A CSV (.csv, .csv.gz) or Parquet file with a row a network; by default nas/nasbench201_hw.csv.gz in
        the folder that the environment's DSE_DATA names. Its columns are listed at
        objectives.networks.nasbench201_table.nasbench201_table.
    device
        Whose latency, and energy where the file has it: raspi4, pixel3, samsung_s7, eyeriss, fpga, gold_6226,
        1080ti_1, titan_rtx_256 (with the batch behind) and others; an unknown one lists all.
    dataset
        Of the accuracy after 200 epochs: cifar100, imagenet16.
    minimize
        Metrics, with commas between: error_percent, latency_ms, energy_mj (of fpga and eyeriss), macs_m,
        parameters_m, error_12_epochs_percent (cheap: accuracy after 12 epochs).
    unique
        One network of each class of equal graphs, 6,466 of 15,625: that of fewest weights.
    connected
        Without the 341 networks whose output does not depend on the image.

    Notes
    -----
    The hypervolume's reference point is, for each metric, the table's least value and 1.1 times its range, so
    that the hypervolume over the ranges is that of objectives scaled to 0 to 1 with reference 1.1; `unique`
    and `connected` do not move it. Latencies are the file's whatever the data set.
    """
    table = nasbench201_table(_path(data), device=device, dataset=dataset)
    objectives = []
    falling = [name for name in table.metrics if not name.startswith("accuracy")]
    for name in some_metrics("minimize", minimize, falling):
        least, worst = float(table.metrics[name].min()), float(table.metrics[name].max())
        objectives.append(Minimize(name, reference=least + BEYOND * (worst - least)))
    space = nasbench201_space(canonical=unique, connected=connected)
    return Problem(space, table.model, objectives, name="nasbench201")


def recipe(stored: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return a design as NAS-Bench-201 writes it, to be built by its own tools.

    Parameters
    ----------
    stored
        The stored problem's JSON form.
    parameters
        The design's.
    """
    return {"arch_str": architecture(parameters), "table": stored["model"]["name"]}


def _path(data: str) -> Path:
    if data:
        return Path(data)
    folder = os.environ.get("DSE_DATA")
    if folder and (Path(folder) / FILE).is_file():
        return Path(folder) / FILE
    where = f"there is no {FILE} in DSE_DATA={folder!r}" if folder else "DSE_DATA is not set"
    raise ProblemError(
        f"data is not set and {where}: give your copy, as in --set data=nasbench201.csv, with columns "
        f"{COLUMNS} ({SOURCES})"
    )


study = StudyDefinition(
    "nasbench201",
    "networks of NAS-Bench-201 on a measured device: error, latency, energy (table: --set data=FILE)",
    problem,
    budget=200,
    recipe=recipe,
)

if __name__ == "__main__":
    study.main()
