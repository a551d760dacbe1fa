"""Figures of a report as image files."""

from __future__ import annotations

import shutil
import struct
import sys
import xml.etree.ElementTree as ElementTree
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from dse import Categorical, Integer, Minimize, Problem, Space, Study, cost_model
from dse.cli import app
from dse.errors import StudyError
from dse.plots import front_2d
from dse.report import write_figures
from dse.report.images import write_images

needs_browser = pytest.mark.skipif(
    find_spec("kaleido") is None or shutil.which("chromium") is None,
    reason="kaleido (extra images) or chromium is not installed",
)


@cost_model(metrics={"latency_ms": "ms", "area_mm2": "mm2"})
def model(d):  # type: ignore[no-untyped-def]
    return {"latency_ms": 64 / d["lanes"] + (d["kind"] == "<slow>"), "area_mm2": 0.1 * d["lanes"]}


@pytest.fixture
def study(tmp_path: Path) -> Study:
    problem = Problem(
        Space([Integer("lanes", 1, 16), Categorical("kind", ["fast", "<slow>"])]),
        model,
        [Minimize("latency_ms"), Minimize("area_mm2")],
    )
    return Study("chips", problem, searcher="random", store=f"sqlite:///{tmp_path / 'dse.db'}").run(budget=20)


@needs_browser
def test_a_figure_becomes_png_and_svg_with_its_units(study: Study, tmp_path: Path) -> None:
    png, svg = write_images({"front": front_2d(study, "latency_ms", "area_mm2")}, tmp_path / "made" / "here")
    assert (png.name, svg.name) == ("front.png", "front.svg")
    head = png.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", head[16:24])[0] == 1800
    tree = ElementTree.parse(svg)
    said = "".join(tree.getroot().itertext())
    assert "latency_ms [ms]" in said
    assert "area_mm2 [mm2]" in said
    names = {name for element in tree.iter() for name, value in element.items() if value.startswith("http")}
    assert not names  # nothing is loaded from elsewhere


@needs_browser
@pytest.mark.slow
def test_the_command_writes_each_figure_of_the_report(study: Study, tmp_path: Path) -> None:
    store = ["--store", f"sqlite:///{tmp_path / 'dse.db'}"]
    figures = tmp_path / "figures"
    done = CliRunner().invoke(
        app, ["report", "chips", *store, "-o", str(tmp_path / "r.html"), "--figures", str(figures)]
    )
    assert done.exit_code == 0, done.output
    written = sorted(path.name for path in figures.iterdir())
    assert {"front.png", "front.svg", "parallel.png", "parallel.svg"} <= set(written)
    assert all(str(figures / name) in done.output.replace("\n", "") for name in written)


def test_what_is_missing_is_said(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StudyError, match="format 'pdf' is unknown; known are png, svg"):
        write_figures(study, tmp_path, ["pdf"])
    monkeypatch.setitem(sys.modules, "kaleido", None)
    with pytest.raises(
        StudyError, match=r"kaleido, which is not installed: pip install 'dse-toolkit\[images\]'"
    ):
        write_figures(study, tmp_path)


@pytest.mark.skipif(find_spec("kaleido") is None, reason="kaleido (extra images) is not installed")
def test_a_missing_browser_is_said(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import kaleido
    from choreographer.errors import ChromeNotFoundError

    def missing(*_: object, **__: object) -> None:
        raise ChromeNotFoundError

    monkeypatch.setattr(kaleido, "write_fig_from_object_sync", missing)
    with pytest.raises(StudyError, match="drawn by a browser, and none was found"):
        write_images({"front": front_2d(study, "latency_ms", "area_mm2")}, tmp_path / "figures")


def test_a_folder_that_cannot_be_made_is_said(study: Study, tmp_path: Path) -> None:
    if find_spec("kaleido") is None:
        pytest.skip("kaleido (extra images) is not installed")
    (tmp_path / "file").write_text("")
    with pytest.raises(StudyError, match="cannot be made"):
        write_figures(study, tmp_path / "file")


def test_long_first_axes_have_room(tmp_path: Path) -> None:
    from dse.plots import parallel_coordinates

    def margin(choices: list[str]) -> float:
        problem = Problem(
            Space([Categorical("kind", choices), Integer("lanes", 1, 9)]),
            cost_model(metrics={"a": "", "b": ""})(
                lambda d: {"a": d["lanes"], "b": 1 / d["lanes"] + np.zeros(len(d["lanes"]))}
            ),
            [Minimize("a"), Minimize("b")],
        )
        study = Study("s", problem, searcher="exhaustive", store=f"sqlite:///{tmp_path / choices[0]}.db")
        return float(parallel_coordinates(study.run(budget=18)).layout.margin.l)

    assert margin(["x", "y"]) < margin(["weights_of_four_bits", "weights_of_two_bits"])
