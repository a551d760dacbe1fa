"""``dse surrogate transfer`` as a person uses it: a table, a choice, measurements, predictions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from scipy.stats import spearmanr
from typer.testing import CliRunner, Result

from dse.cli.transfer import transfer
from dse.errors import SurrogateError
from tests.dse.surrogates.transfer.devices import DESIGNS, latency, table

ROWS = 200
NEW = latency(100)[:ROWS]
KNOWN = "device_0,device_1,device_2"
PARAMETERS = ",".join(DESIGNS.names)

app = typer.Typer()
app.command()(transfer)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of designs and known devices."""
    path = tmp_path_factory.mktemp("transfer") / "table.csv"
    # The device to predict is there as well: it must not be taken for a parameter.
    frame = pd.concat([DESIGNS.to_frame(), table(3)], axis=1).iloc[:ROWS].assign(new=NEW)
    frame.to_csv(path, index=False)
    return path


def run(*arguments: str | Path) -> Result:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def common(file: Path) -> tuple[str | Path, ...]:
    return ("--table", file, "--known", KNOWN, "--parameters", PARAMETERS, "--scale", "linear")


def test_choose_measure_predict(file: Path, tmp_path: Path) -> None:
    todo, predicted = tmp_path / "todo.csv", tmp_path / "predicted.csv"
    run(*common(file), "--choose", "10", "-o", todo)
    frame = pd.read_csv(todo)
    assert list(frame.columns) == ["row", *DESIGNS.names, "measured"]
    assert frame["measured"].isna().all()
    np.testing.assert_array_equal(frame["edge0"], DESIGNS["edge0"][frame["row"]])
    frame["measured"] = NEW[frame["row"]]
    frame.to_csv(todo, index=False)
    done = run(*common(file), "--measured", todo, "-o", predicted, "--level", "0.8")
    assert "10 measurements; what explains them: family" in done.stderr
    assert "each known device from the others" in done.stderr
    found = pd.read_csv(predicted)
    assert list(found.columns) == ["row", *DESIGNS.names, "mean", "lower", "upper", "measured"]
    rest = found["measured"].isna()
    assert rest.sum() == ROWS - 10
    assert spearmanr(found["mean"][rest], NEW[rest])[0] > 0.95
    assert (found["lower"] <= found["upper"]).all()


def test_measurements_may_be_given_by_their_parameters(file: Path, tmp_path: Path) -> None:
    rows = [3, 50, 77, 120, 199]
    by_row, by_design = tmp_path / "row.csv", tmp_path / "design.csv"
    pd.DataFrame({"row": rows, "ms": NEW[rows]}).to_csv(by_row, index=False)
    DESIGNS.take(rows).to_frame().assign(ms=NEW[rows]).to_csv(by_design, index=False)
    results = [run(*common(file), "--measured", path, "--value", "ms") for path in (by_row, by_design)]
    assert results[0].stdout == results[1].stdout
    assert results[0].stdout.startswith("row,edge0")


def test_a_choice_goes_on_after_measurements(file: Path, tmp_path: Path) -> None:
    first = json.loads(run(*common(file), "--choose", "6", "--json").stdout)
    path = tmp_path / "measured.csv"
    rows = [design["row"] for design in first[:4]]
    # One failed: its cell is empty, and it can be chosen again.
    pd.DataFrame({"row": rows, "measured": [*NEW[rows[:3]], np.nan]}).to_csv(path, index=False)
    done = run(*common(file), "--choose", "3", "--measured", path, "--json")
    assert "1 rows without a value are left out" in done.stderr
    assert [design["row"] for design in json.loads(done.stdout)] == [design["row"] for design in first[3:6]]


def test_designs_outside_the_table_are_predicted(file: Path, tmp_path: Path) -> None:
    measured, others = tmp_path / "measured.csv", tmp_path / "others.csv"
    pd.DataFrame({"row": range(0, ROWS, 10), "measured": NEW[::10]}).to_csv(measured, index=False)
    which = np.arange(ROWS, 256)
    DESIGNS.take(which).to_frame().to_csv(others, index=False)
    done = run(*common(file), "--measured", measured, "--designs", others, "--json")
    found = pd.DataFrame(json.loads(done.stdout))
    assert list(found.columns) == [*DESIGNS.names, "mean", "lower", "upper"]
    assert spearmanr(found["mean"], latency(100)[which])[0] > 0.9


def test_the_known_devices_alone_can_be_asked(file: Path) -> None:
    done = run("--table", file, "--known", KNOWN, "--check", "--json", "--scale", "linear")
    rows = json.loads(done.stdout)
    assert {row["device"] for row in rows} == set(KNOWN.split(","))
    assert "no --parameters" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--choose 10, --measured FILE, or --check"),
        (["--check", "--choose", "3"], "leave --choose and --measured out"),
        (["--choose", "3", "--designs", "x.csv"], "--designs says what to predict"),
        (["--measured", "none.csv"], "there is no file 'none.csv'"),
        (["--measured", "{folder}/text.csv"], "row 1: 'fast' is no number"),
        (["--measured", "{folder}/text.csv", "--value", "ms"], "has no column 'ms'"),
        (["--measured", "{folder}/nothing.csv"], "neither a column 'row' nor all parameters"),
        (["--choose", "3", "--level", "90"], "between 0 and 1"),
        (["--choose", "3", "--related", "device_0"], "must be DEVICE=NAME"),
        (["--choose", "3", "--known", "missing"], "--known: table.csv has no column 'missing'"),
        (["--choose", "3", "--parameters", "edge0,device_0"], "a known device and a parameter"),
        (["--choose", "3", "--categorical", "tile"], "'tile' is called categorical"),
        (["--choose", "3", "--table", "{folder}/table.txt"], "is no table"),
    ],
)
def test_bad_usage_is_explained(file: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    pd.DataFrame({"row": [0, 1], "measured": ["1.5", "fast"]}).to_csv(tmp_path / "text.csv", index=False)
    pd.DataFrame({"measured": [1.5, 2.0]}).to_csv(tmp_path / "nothing.csv", index=False)
    (tmp_path / "table.txt").write_text("x")
    given = [argument.replace("{folder}", str(tmp_path)) for argument in arguments]
    with pytest.raises(SurrogateError, match=message):
        run(*common(file), *given)
