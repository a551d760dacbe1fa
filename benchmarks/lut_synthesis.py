"""The LUT model's areas and depths against synthesis, over random integer cores.

``python -m benchmarks.lut_synthesis run`` synthesises random cores (about half an hour on two
processors) into ``docs/models/lut_synthesis.csv``; ``python -m benchmarks.lut_synthesis fit`` fits the area
factors to the even rows of that file, reports errors on the odd ones, and draws the picture of
docs/models/lut.md.
"""

from __future__ import annotations

import random
import sys
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import pandas as pd

from dse.errors import ProblemError
from objectives.lut import AREA_FACTORS, CMOS_45NM, Core
from objectives.lut.rtl import TOP, verilog
from objectives.lut.structure import COMPONENTS, structure
from objectives.synthesis import Synthesis, synthesize_many

HERE = Path(__file__).parent.parent / "docs"
TABLE = HERE / "models" / "lut_synthesis.csv"
PICTURE = HERE / "images" / "lut_synthesis.png"
NUMBER, SEED, LARGEST_UM2 = 240, 7, 60_000


def draw(source: random.Random) -> Core:
    """Return a random core that is not too large to synthesise in seconds."""
    while True:
        group = source.randint(1, 6)
        weight = source.choice(["ternary", "ternary", "int2", "int3", "int4"])
        values = {
            "activation": source.choice(["int4", "int8"]),
            "weight": weight,
            "group_size": group,
            "unit": "lookup" if group > 1 else source.choice(["add_subtract", "multiplier"]),
            "storage": source.choice(["half", "full"]) if group > 1 else "half",
            "zero": source.choice(["entry", "gate"]) if group > 1 and weight == "ternary" else "entry",
            "construction": source.choice(["parallel", "serial", "shared"]) if group > 1 else "parallel",
            "double_buffer": source.random() < 0.5,
            "tables": source.choice([1, 2, 4, 8, 16, 32]),
            "readers": source.choice([1, 2, 4, 8, 16, 32, 64]),
            "rows": source.choice([1, 2, 4]),
            "dataflow": source.choice(["output_stationary", "output_stationary", "table_stationary"]),
            "accumulators": source.choice([1, 2, 4, 8, 16]),
            "accumulator_bits": source.choice([16, 20, 24, 32]),
            "reduction": source.choice(["tree", "chain"]),
            "pipeline": source.choice([0, 1, 2]),
        }
        if values["dataflow"] == "table_stationary":
            values["accumulators"] = 1
        if values["tables"] == 1:
            values["reduction"] = "tree"
        try:
            core = Core(**values)  # type: ignore[arg-type]
        except ProblemError:
            continue
        bits = core.entries * core.entry_bits
        table = core.tables * core.rows * bits * (7 + 7 * core.double_buffer) * (1 if group > 1 else 0.7)
        lane = core.tables * (2 * bits + 7 * core.value_bits) + 8 * core.accumulators * core.accumulator_bits
        if table + core.rows * core.readers * lane <= LARGEST_UM2:
            return core


def run() -> None:
    """Synthesise the cores and write the table."""
    source = random.Random(SEED)
    cores = [draw(source) for _ in range(NUMBER)]
    made = synthesize_many([(verilog(core), TOP) for core in cores], timeout_s=600)
    rows = [
        {
            **asdict(core),
            "area_um2": round(result.area_um2, 3),
            "sequential_um2": round(result.sequential_um2, 3),
            "depth": result.depth,
            "tool": result.tool,
        }
        for core, result in zip(cores, made, strict=True)
        if isinstance(result, Synthesis)
    ]
    print(f"{len(rows)} of {len(cores)} synthesised")
    pd.DataFrame(rows).to_csv(TABLE, index=False)


def components(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return areas by component (n, components), levels (n,) and register bits (n,) by the model."""
    columns = {f"lut.{field.name}": table[field.name].to_numpy() for field in fields(Core)}
    counted = structure(columns, CMOS_45NM)
    names = [name for name in COMPONENTS if name != "float_units"]
    shape = (len(table),)
    areas = np.stack([np.broadcast_to(counted.component(name), shape) for name in names], axis=1)
    return areas, np.broadcast_to(counted.levels, shape), np.broadcast_to(counted.register_bits, shape)


def report(label: str, predicted: np.ndarray, measured: np.ndarray) -> None:
    """Print the errors of a prediction."""
    from scipy.stats import spearmanr

    error = np.abs(predicted / measured - 1)
    print(
        f"{label:44s} MAPE {100 * error.mean():5.2f} %  worst {100 * error.max():5.1f} %  "
        f"bias {100 * (predicted / measured - 1).mean():+5.2f} %  "
        f"Spearman {spearmanr(predicted, measured).statistic:.4f}"
    )


def fit() -> None:
    """Fit the factors to the even rows, report on the odd ones, draw."""
    from scipy.optimize import nnls

    table = pd.read_csv(TABLE)
    areas, levels, _ = components(table)
    measured = table["area_um2"].to_numpy()
    train = np.arange(len(table)) % 2 == 0
    names = [name for name in COMPONENTS if name != "float_units"]
    # A register is a cell of known area, and its number is counted: what is fitted is the logic around it.
    known = names.index("registers")
    logic = [place for place in range(len(names)) if place != known]
    wanted = 1 - areas[train, known] / measured[train]
    factors = np.ones(len(names))
    factors[logic], _ = nnls(areas[train][:, logic] / measured[train, None], wanted)
    print(f"{len(table)} cores, {train.sum()} to fit; factors:")
    print({name: round(float(value), 3) for name, value in zip(names, factors, strict=True)})
    rounded = np.array([round(float(value), 3) for value in factors])
    report("area, unit costs as published, held out", areas.sum(axis=1)[~train], measured[~train])
    report("area, fitted, on the cores of the fit", (areas @ rounded)[train], measured[train])
    report("area, fitted, held out", (areas @ rounded)[~train], measured[~train])
    for label, chosen in (
        ("  with tables, held out", table["unit"] == "lookup"),
        ("  without tables, held out", table["unit"] != "lookup"),
        ("  ternary, held out", table["weight"] == "ternary"),
        ("  bit planes, held out", table["weight"] != "ternary"),
        ("  less than 5,000 um2, held out", table["area_um2"] < 5_000),
    ):
        some = chosen.to_numpy() & ~train
        report(f"{label} ({some.sum()})", (areas @ rounded)[some], measured[some])
    report("logic depth, nothing fitted, all", levels, table["depth"].to_numpy())
    in_use = np.array([AREA_FACTORS.get(name, 1.0) for name in names])
    print("the factors in use are", "these" if np.allclose(in_use, rounded) else f"others: {in_use}")
    _draw(table, areas @ rounded, levels, train)


def _draw(table: pd.DataFrame, area: np.ndarray, levels: np.ndarray, train: np.ndarray) -> None:
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    figure = make_subplots(1, 2, subplot_titles=("Area of a core [um2]", "Logic depth [cells]"))
    for column, (predicted, measured) in enumerate(
        ((area, table["area_um2"]), (levels, table["depth"])), start=1
    ):
        # Nothing is fitted to depths.
        groups = [(train, "fitted", "#999999"), (~train, "held out", "#0072B2")]
        for shown, name, color in groups if column == 1 else [(train | ~train, "all", "#0072B2")]:
            figure.add_trace(
                go.Scatter(
                    x=measured[shown],
                    y=predicted[shown], mode="markers", name=name,
                    marker={"color": color, "size": 6}, showlegend=column == 1,
                ),
                1, column,
            )  # fmt: skip
        ends = [float(measured.min()), float(measured.max())]
        line = go.Scatter(x=ends, y=ends, mode="lines", line={"color": "#444444"}, showlegend=False)
        figure.add_trace(line, 1, column)
        scale = "log" if column == 1 else "linear"
        figure.update_xaxes(title="synthesised", type=scale, row=1, col=column)
        figure.update_yaxes(title="model", type=scale, row=1, col=column)
    figure.update_layout(template="plotly_white", width=1000, height=460, margin={"t": 40})
    try:
        figure.write_image(PICTURE, scale=2)
    except (ValueError, RuntimeError) as error:
        page = Path(PICTURE.with_suffix(".html").name)
        figure.write_html(page, include_plotlyjs=True, config={"displayModeBar": False})
        print(f"{PICTURE.name} needs kaleido and a browser ({type(error).__name__}); a page instead: {page}")


if __name__ == "__main__":
    {"run": run, "fit": fit}[sys.argv[1] if len(sys.argv) > 1 else "fit"]()
