"""``dse surrogate transfer``: a new device from a few measurements and a table of known devices."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from dse.cli.options import JsonOption
from dse.cli.read import OutputOption, write
from dse.errors import SurrogateError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from dse.surrogates.transfer import DeviceFamily, TransferModel

MEASURED = "measured"
# Of the file's columns, beside parameters: the table's row, from 0, and what was measured there.
ROW = "row"
SUSPICIOUS = 0.5


class ScaleOption(StrEnum):
    """How devices are compared."""

    AUTO = "auto"
    LINEAR = "linear"
    LOG = "log"


def transfer(
    table: Annotated[
        Path,
        typer.Option(
            help="Designs and known devices: .csv, .csv.gz or .parquet, a row a design.", metavar="FILE"
        ),
    ],
    known: Annotated[
        str,
        typer.Option(help="The table's columns that are known devices, with commas between.", metavar="A,B"),
    ],
    parameters: Annotated[
        str,
        typer.Option(
            help="The table's columns that describe designs; without them, less is known.", metavar="P,Q"
        ),
    ] = "",
    categorical: Annotated[
        str, typer.Option(help="Those of the parameters whose numbers are mere names.", metavar="P,Q")
    ] = "",
    choose: Annotated[
        int | None, typer.Option(help="Say which designs to measure, so many.", min=1, metavar="N")
    ] = None,
    measured: Annotated[
        Path | None,
        typer.Option(
            help="Measurements of the new device: 'row' or the parameters, and the value; predict all.",
            metavar="FILE",
        ),
    ] = None,
    value: Annotated[
        str, typer.Option(help="The column of the measurements that holds the value.", metavar="COLUMN")
    ] = MEASURED,
    designs: Annotated[
        Path | None, typer.Option(help="Predict these designs in place of the table's.", metavar="FILE")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Predict each known device from the others: what to expect.")
    ] = False,
    level: Annotated[float, typer.Option(help="How often intervals hold.", metavar="SHARE")] = 0.9,
    related: Annotated[
        str,
        typer.Option(
            help="Devices that are nearly the same, as in a_1=a,a_32=a: left out together.", metavar="A=X"
        ),
    ] = "",
    scale: Annotated[ScaleOption, typer.Option(help="Compare devices by the value, or by its logarithm.")] = (
        ScaleOption.AUTO
    ),
    seed: Annotated[int, typer.Option(help="Same seed, same answer.", min=0, metavar="N")] = 0,
    output_file: OutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """Choose what to measure on a new device, and predict the rest from devices that are known."""
    if check and (choose is not None or measured is not None):
        raise SurrogateError("--check asks the known devices alone: leave --choose and --measured out")
    if choose is None and measured is None and not check:
        raise SurrogateError("say what to do: --choose 10, --measured FILE, or --check")
    if designs is not None and (measured is None or choose is not None):
        raise SurrogateError("--designs says what to predict: give --measured FILE, and no --choose")
    if not 0.0 < level < 1.0:
        raise SurrogateError(f"--level {level} must lie between 0 and 1, as in 0.9")
    given = _given(table, known, parameters, categorical, related, scale.value, seed)
    if check:
        _print_check(given.family, level, as_json)
        return
    done = None if measured is None else _measured(measured, given, value)
    if choose is not None:
        _choose(given, choose, done, output_file, as_json)
        return
    assert done is not None
    _predict(given, done, designs, level, output_file, as_json)


@dataclass(frozen=True)
class _Given:
    """The table, and the family that it makes."""

    frame: pd.DataFrame
    parameters: list[str]
    family: DeviceFamily


@dataclass(frozen=True)
class _Done:
    """Rows of the table, and what was measured there."""

    rows: NDArray[np.intp]
    values: NDArray[np.float64]


def _given(
    path: Path, known: str, parameters: str, categorical: str, related: str, scale: str, seed: int
) -> _Given:
    from dse.surrogates.transfer import DeviceFamily, designs_from_frame

    frame = _read(path)
    devices, described = _names(known), _names(parameters)
    if not devices:
        raise SurrogateError("--known is empty: name the table's columns that are known devices")
    for option, names in (("--known", devices), ("--parameters", described)):
        for name in names:
            if name not in frame.columns:
                some = ", ".join(map(str, frame.columns[:20]))
                raise SurrogateError(f"{option}: {path.name} has no column {name!r}; it has {some}")
    both = [name for name in described if name in devices]
    if both:
        raise SurrogateError(f"column {both[0]!r} is a known device and a parameter: drop it from one")
    pairs = [pair.partition("=") for pair in _names(related)]
    for name, sign, other in pairs:
        if not sign or not other:
            raise SurrogateError(f"--related {name!r} must be DEVICE=NAME, with commas between")
    designs = designs_from_frame(frame[described], categorical=_names(categorical)) if described else None
    if designs is None:
        if categorical:
            raise SurrogateError("--categorical names parameters: give --parameters")
        print("no --parameters: designs are told apart by the known devices alone", file=sys.stderr)
    family = DeviceFamily(
        designs,
        frame[devices],
        related={name: other for name, _, other in pairs},
        scale=scale,  # type: ignore[arg-type]
        seed=seed,
    )
    return _Given(frame, described, family)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd

    if not path.is_file():
        raise SurrogateError(f"there is no file {str(path)!r}: name another")
    if not path.name.endswith((".csv", ".csv.gz", ".parquet")):
        raise SurrogateError(f"{str(path)!r} is no table: give one that ends in .csv, .csv.gz or .parquet")
    try:
        return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise SurrogateError(f"{str(path)!r} cannot be read: {' '.join(str(error).split())}") from error


def _measured(path: Path, given: _Given, value: str) -> _Done:
    frame = _read(path)
    if value not in frame.columns:
        there = ", ".join(map(str, frame.columns))
        raise SurrogateError(
            f"{path.name} has no column {value!r}; it has {there}: name that of the values, by --value"
        )
    import pandas as pd

    values = pd.to_numeric(frame[value], errors="coerce").to_numpy(float)
    text = np.flatnonzero(np.isnan(values) & frame[value].notna().to_numpy())
    if len(text):
        raise SurrogateError(f"{path.name}, row {text[0]}: {frame[value].iloc[text[0]]!r} is no number")
    rows = _rows(path, frame, given)
    there = np.isfinite(values)
    if not there.all():
        print(f"{path.name}: {np.count_nonzero(~there)} rows without a value are left out", file=sys.stderr)
    return _Done(rows[there], values[there])


def _rows(path: Path, frame: pd.DataFrame, given: _Given) -> NDArray[np.intp]:
    """Return the table's rows that measurements are of: by number, or by parameters."""
    if ROW in frame.columns:
        numbers = frame[ROW].to_numpy()
        if numbers.dtype.kind not in "iu":
            raise SurrogateError(f"{path.name}: column {ROW!r} must hold whole numbers, from 0")
        return np.asarray(numbers, np.intp)
    missing = [name for name in given.parameters if name not in frame.columns]
    if missing or not given.parameters:
        parameters = ", ".join(given.parameters) or "none"
        raise SurrogateError(f"{path.name} has neither a column {ROW!r} nor all parameters ({parameters})")
    place = {
        key: row for row, key in enumerate(given.frame[given.parameters].itertuples(index=False, name=None))
    }
    found = []
    for row, key in enumerate(frame[given.parameters].itertuples(index=False, name=None)):
        if key not in place:
            design = ", ".join(f"{name}={one}" for name, one in zip(given.parameters, key, strict=True))
            raise SurrogateError(f"{path.name}, row {row}: the table has no design {design}")
        found.append(place[key])
    return np.array(found, np.intp)


def _choose(given: _Given, count: int, done: _Done | None, path: Path | None, as_json: bool) -> None:
    rows = given.family.choose(count, measured=None if done is None else done.rows)
    frame = given.frame.loc[rows, given.parameters].reset_index(drop=True)
    frame.insert(0, ROW, rows)
    if path is not None:
        empty = frame.assign(**{MEASURED: ""})
        write(path, lambda place: empty.to_csv(place, index=False, lineterminator="\n"))
        print(f"{path}: {count} designs; fill in {MEASURED!r}, then --measured {path}", file=sys.stderr)
    if as_json:
        print(json.dumps(_records(frame), indent=2))
    elif path is None:
        from dse.cli import output

        output.print_rows(f"measure these {count} on the new device", _records(frame))


def _predict(
    given: _Given, done: _Done, designs: Path | None, level: float, path: Path | None, as_json: bool
) -> None:
    model = given.family.fit(done.rows, done.values)
    if designs is None:
        frame = given.frame[given.parameters].copy()
        frame.insert(0, ROW, np.arange(len(frame)))
        predicted = model.predict(level=level)
    else:
        frame, predicted = _others(given, model, designs, level)
    for name, column in predicted.to_frame().items():
        frame[name] = column.to_numpy()
    if designs is None:
        frame[MEASURED] = np.nan
        frame.loc[done.rows, MEASURED] = done.values
    _explain(given.family, model, done, level, predicted.calibrated)
    if as_json:
        text = json.dumps(_records(frame), indent=2) + "\n"
    else:
        text = frame.to_csv(index=False, lineterminator="\n")
    if path is None:
        sys.stdout.write(text)
    else:
        write(path, lambda place: place.write_text(text, encoding="utf-8"))


def _others(given: _Given, model: TransferModel, path: Path, level: float) -> Any:
    """Return designs of a file, and what is predicted of them."""
    from dse.designs import Designs

    if given.family.designs is None:
        raise SurrogateError("--designs are known by their parameters: give --parameters")
    frame = _read(path)
    missing = [name for name in given.parameters if name not in frame.columns]
    if missing:
        raise SurrogateError(f"{path.name} has no column {missing[0]!r}, which is a parameter")
    frame = frame[given.parameters].copy()
    space = given.family.designs.space
    columns = dict(zip(space.names, (frame[name].tolist() for name in given.parameters), strict=True))
    return frame, model.predict(Designs.from_columns(space, columns), level=level)


def _explain(family: DeviceFamily, model: TransferModel, done: _Done, level: float, calibrated: bool) -> None:
    """Say on stderr what the prediction rests on."""
    shares = ", ".join(f"{cause} {share:.0%}" for cause, share in model.shares.items())
    print(f"{len(done.rows)} measurements; what explains them: {shares}", file=sys.stderr)
    for place in np.flatnonzero(model.suspect > SUSPICIOUS):
        print(
            f"row {done.rows[place]}: {done.values[place]:g} does not fit the others: measure it again",
            file=sys.stderr,
        )
    if not calibrated:
        print(
            f"intervals of {level:.0%} are the model's own: no known device can be left out", file=sys.stderr
        )
        return
    check = family.check(len(done.rows), level=level)
    ranks = check.groupby("device")["rank_correlation"].mean()
    print(
        f"each known device from the others, with as many measurements: rank correlation {ranks.min():.2f} "
        f"to {ranks.max():.2f}, intervals of {level:.0%} held {check['coverage'].mean():.0%}",
        file=sys.stderr,
    )


def _print_check(family: DeviceFamily, level: float, as_json: bool) -> None:
    frame = family.check(level=level)
    if frame.empty:
        raise SurrogateError("no known device can be left out: --known has one, or all are related")
    if as_json:
        print(json.dumps(_records(frame), indent=2))
        return
    from dse.cli import output

    output.print_rows(f"each known device from the others, intervals of {level:.0%}", _records(frame))


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows as JSON values, None for what is missing."""
    columns = {
        str(name): [None if value != value else value for value in column.tolist()]
        for name, column in frame.items()
    }
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
