"""The notebooks run from top to bottom, and are kept with their outputs."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import objectives.synthesis
from dse import Designs, Space, Study
from objectives.lut import Core
from objectives.lut.rtl import verilog
from tests import public_api

nbclient = pytest.importorskip("nbclient", reason="the extra 'notebooks' is not installed")
nbformat = pytest.importorskip("nbformat", reason="the extra 'notebooks' is not installed")

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def test_there_are_notebooks() -> None:
    assert [path.name for path in NOTEBOOKS][:1] == ["01_first_study.ipynb"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_only_public_names_are_imported(path: Path) -> None:
    code = "\n".join(
        cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"
    )
    private = []
    for node in ast.walk(ast.parse(code)):
        names = []
        if isinstance(node, ast.Import):
            names = [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [(str(node.module), alias.name) for alias in node.names]
        for module, name in names:
            ours = module.partition(".")[0] in ("dse", "spaces", "objectives", "studies")
            listed = module in public_api.PUBLIC and name in (None, *public_api.names(module))
            if ours and not listed and f"{module}.{name}" not in public_api.PUBLIC:
                private.append((module, name))
    assert private == []


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let runs, samples and walks be of a hundred designs or so, and synthesis of a core of one reader."""
    run, sample, walk, rows = Study.run, Space.sample, Space.enumerate, pd.DataFrame.sample
    synthesize, core = objectives.synthesis.synthesize, Core(group_size=2, tables=1, readers=1)

    def enumerated(space: Space, *arguments: Any, **named: Any) -> Iterator[Designs]:
        if space.count() > 2_000:
            yield sample(space, 2_000, 0)
        else:
            yield from walk(space, *arguments, **named)

    def ran(study: Study, budget: int = 100, **named: Any) -> Study:
        return run(study, min(budget, 100), **named)

    monkeypatch.setattr(Study, "run", ran)
    monkeypatch.setattr(Space, "sample", lambda space, n, rng=None: sample(space, min(n, 100), rng))
    monkeypatch.setattr(Space, "enumerate", enumerated)
    monkeypatch.setattr(pd.DataFrame, "sample", lambda of, n, **named: rows(of, min(n, len(of)), **named))
    monkeypatch.setattr(objectives.synthesis, "synthesize", lambda _, top: synthesize(verilog(core), top))


@pytest.mark.parametrize("path", NOTEBOOKS[1:], ids=lambda path: path.stem)
def test_cells_run_with_few_designs(path: Path, tmp_path: Path, small: None) -> None:
    """What the cells call is there, and takes and gives what they say; all of it is a slow test."""
    names: dict[str, Any] = {"__name__": "__main__"}
    with chdir(tmp_path):
        for number, cell in enumerate(nbformat.read(path, as_version=4).cells):
            if cell.cell_type == "code":
                exec(compile(cell.source, f"{path.stem}, cell {number}", "exec"), names)


@pytest.mark.parametrize(
    "path",
    [NOTEBOOKS[0], *(pytest.param(path, marks=pytest.mark.slow) for path in NOTEBOOKS[1:])],
    ids=lambda path: path.stem,
)
def test_notebook_runs(path: Path, tmp_path: Path) -> None:
    copy = shutil.copy(path, tmp_path)
    notebook = nbformat.read(copy, as_version=4)
    # A cell that raises fails the test with its traceback.
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_kept_executed(path: Path) -> None:
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    kinds = {output.output_type for cell in cells for output in cell.outputs}
    assert kinds, "no cell shows anything"
    assert "error" not in kinds
    data = [output.data for cell in cells for output in cell.outputs if "data" in output]
    assert any("application/vnd.plotly.v1+json" in item or "image/png" in item for item in data), "no picture"
