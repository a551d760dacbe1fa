"""Synthesis: areas known by hand, failures with a message, time limits that kill, a cache that is used."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from objectives.lut import Core
from objectives.lut.rtl import TOP, verilog
from objectives.synthesis import (
    NANGATE_45NM,
    Synthesis,
    SynthesisError,
    SynthesisTimeout,
    default_cache,
    find_yosys,
    liberty,
    synthesize,
    synthesize_many,
    yosys,
)

try:
    find_yosys()
    MISSING = False
except SynthesisError:
    MISSING = True
needs_yosys = pytest.mark.skipif(MISSING, reason="Yosys is not installed: pip install 'dse-toolkit[synth]'")

AREA = {cell.name: cell.area_um2 for cell in NANGATE_45NM}
REGISTERS = (
    "module top(input clk, input [4:0] d, output reg [4:0] q); always @(posedge clk) q <= d; endmodule"
)
XORS = "module top(input [3:0] a, output y); assign y = ^a; endmodule"


def test_the_library_is_written_as_liberty() -> None:
    text = liberty(NANGATE_45NM)
    assert text.count("cell(") == len(NANGATE_45NM)
    assert "cell(MUX2_X1) {\n    area : 1.862;" in text
    assert text.count("clocked_on") == 1
    # All areas are whole numbers of sites.
    assert all(abs(cell.area_um2 / 0.266 - round(cell.area_um2 / 0.266)) < 1e-9 for cell in NANGATE_45NM)


@needs_yosys
def test_areas_known_by_hand() -> None:
    made = synthesize(REGISTERS, "top")
    assert made.cells == {"DFF_X1": 5}
    assert made.area_um2 == made.sequential_um2 == pytest.approx(5 * AREA["DFF_X1"])
    assert made.depth == 0
    made = synthesize(XORS, "top")
    assert set(made.cells) <= {"XOR2_X1", "XNOR2_X1"}
    assert made.area_um2 == pytest.approx(3 * AREA["XOR2_X1"])
    assert made.depth in (2, 3)
    assert made.sequential_um2 == 0


@needs_yosys
def test_area_is_the_sum_of_its_cells_and_the_same_each_time() -> None:
    text = verilog(Core(tables=2, readers=2))
    first, second = synthesize_many([(text, TOP)] * 2, workers=2)
    assert isinstance(first, Synthesis)
    assert isinstance(second, Synthesis)
    assert first.area_um2 == pytest.approx(sum(AREA[name] * count for name, count in first.cells.items()))
    assert (first.cells, first.depth) == (second.cells, second.depth)


@needs_yosys
def test_failures_have_one_clear_line() -> None:
    with pytest.raises(SynthesisError, match=r"Yosys failed: design.v:1: ERROR: syntax error") as caught:
        synthesize("module top(; endmodule", "top")
    assert "\n" not in str(caught.value)
    with pytest.raises(SynthesisError, match="other"):
        synthesize(XORS, "other")
    loop = "module top(input a, output y); wire b; assign b = a & ~y; assign y = b; endmodule"
    with pytest.raises(SynthesisError):
        synthesize(loop, "top")
    bad, good = synthesize_many([("module top(;", "top"), (XORS, "top")])
    assert isinstance(bad, SynthesisError)
    assert isinstance(good, Synthesis)


def test_a_top_that_is_no_name_is_refused(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    with pytest.raises(SynthesisError, match="is not a plain Verilog name"):
        synthesize(XORS, f"top\n! touch {mark}\n#")
    assert not mark.exists()


def _alive(group: int) -> list[str]:
    """Return the processes of a group that still run; zombies do not."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, itsgroup = entry.read_text().rpartition(")")[2].split()[:3]
        except (OSError, ValueError):
            continue
        if int(itsgroup) == group and state != "Z":
            found.append(entry.parent.name)
    return found


@needs_yosys
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are read from /proc")
def test_a_time_limit_kills_the_whole_group(monkeypatch: pytest.MonkeyPatch) -> None:
    yosys.yosys_version(find_yosys())
    groups = []
    real = subprocess.Popen

    def started(*args: Any, **settings: Any) -> Any:
        process = real(*args, **settings)
        groups.append(process.pid)
        return process

    monkeypatch.setattr(subprocess, "Popen", started)
    with pytest.raises(SynthesisTimeout, match=r"took more than 0.5 s: raise the time limit"):
        synthesize(verilog(Core(group_size=4, tables=8, readers=32)), TOP, timeout_s=0.5)
    (group,) = groups
    for _ in range(100):  # A killed process needs a moment to go.
        if not _alive(group):
            break
        time.sleep(0.1)
    assert not _alive(group)


@needs_yosys
def test_the_cache_answers_without_yosys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = synthesize(XORS, "top", cache=tmp_path)
    (kept,) = tmp_path.iterdir()
    calls = []
    real = yosys._run
    monkeypatch.setattr(yosys, "_run", lambda *args: calls.append(args) or real(*args))
    assert synthesize(XORS, "top", cache=tmp_path) == first
    assert not calls
    for damage in (b"{", b"[]", b"\xff\xfe"):
        calls.clear()
        kept.write_bytes(damage)
        with pytest.warns(UserWarning, match="damaged"):
            again = synthesize(XORS, "top", cache=tmp_path)
        assert calls
    assert again.cells == first.cells
    assert json.loads(kept.read_text())["cells"] == first.cells
    synthesize(REGISTERS, "top", cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_the_cache_is_where_the_user_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "dse" / "synthesis"
    monkeypatch.setenv("DSE_SYNTHESIS_CACHE", str(tmp_path / "mine"))
    assert default_cache() == tmp_path / "mine"


def test_a_missing_tool_names_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"PATH": ""})
    with pytest.raises(
        SynthesisError, match=r"'no-such-yosys' is not there: pip install 'dse-toolkit\[synth\]'"
    ):
        find_yosys("no-such-yosys")
