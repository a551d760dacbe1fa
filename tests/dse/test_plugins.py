"""Packages that add to the toolkit: found by name, installed for real, and refused with a reason."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from dse import Integer, Space, cost_model
from dse import plugins as installed
from dse.errors import ProblemError, SearcherError, SpaceError, StudyError
from dse.plugins import Plugin, plugins
from dse.searchers import make_searcher
from dse.searchers.random import Random

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "docs" / "plugin_template"


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the template installed by pip."""
    if find_spec("hatchling") is None:
        pytest.skip("hatchling, which builds the template, is not installed (extra dev)")
    folder = tmp_path_factory.mktemp("packages")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    done = subprocess.run([*pip, "--target", str(folder), str(TEMPLATE)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def run(packages: Path, cwd: Path, *command: str) -> str:
    """Run Python with the template's package beside those that are installed."""
    path = os.pathsep.join([str(packages), str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path, "DSE_STORE": f"sqlite:///{cwd}/dse.db"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_template_runs_by_name(packages: Path, tmp_path: Path) -> None:
    rows = json.loads(run(packages, tmp_path, "-m", "dse", "studies", "--json"))
    listed = {row["name"]: row["package"] for row in rows}
    assert listed["fir-filter"] == "dse-fir-filter"
    assert listed["lut-accelerator"] == "dse-toolkit"
    command = ("-m", "dse", "run", "fir-filter", "--searcher", "step-walk", "--set", "searcher.initial=10")
    found = json.loads(run(packages, tmp_path, *command, "--budget", "50", "--name", "mine", "--json"))
    assert found["evaluations"] == 50
    script = """
from dse import StudyView
from dse.plugins import GROUPS, plugins
from studies.compose import study

print(StudyView("mine", "sqlite:///dse.db").record.versions["dse-fir-filter"])
found = {kind: {item.package for item in plugins(kind).values()} for kind in GROUPS}
print(sorted(kind for kind, packages in found.items() if "dse-fir-filter" in packages))
given = {"space": "fir-filter", "model": "fir-filter", "minimize": "area_um2", "maximize": "snr_db",
         "limits": "energy_pj <= 50", "space_settings": '{"taps": 16}'}
print(int(study.build(given).space.count()))
"""
    version, kinds, count = run(packages, tmp_path, "-c", script).splitlines()
    assert version == "0.1.0"
    assert kinds == "['model', 'searcher', 'space', 'study']"
    # 5 numbers of multipliers, 5 widths, 4 clocks, 2 kinds of adders; a chain of 16 is too slow at 2 clocks.
    assert int(count) == 200 - 10


@pytest.mark.slow
def test_the_template_passes_its_own_tests(packages: Path, tmp_path: Path) -> None:
    run(packages, tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(TEMPLATE / "tests"))


def offered(kind: str, value: str, *, packages: tuple[str, ...] = ("theirs",)) -> Plugin:
    group = installed.GROUPS[kind]
    return Plugin(kind, "mine", packages, ("1.0",) * len(packages), EntryPoint("mine", value, group))


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Have a package offer something as ``mine``."""

    def set_up(kind: str, value: str, **more: Any) -> None:
        found = {kind: {"mine": offered(kind, value, **more)}}
        monkeypatch.setattr(installed, "plugins", lambda wanted: found.get(wanted, {}))

    return set_up


SPACE = Space([Integer("x", 0, 3)])


@cost_model(metrics={"cost": ""}, version="1")
def model(d: Any) -> dict[str, Any]:
    return {"cost": 1.0 * d["x"]}


def build_space(top: int = 3) -> Space:
    return Space([Integer("x", 0, top)])


def a_number() -> int:
    return 3


def test_searchers_of_other_packages(offer: Any) -> None:
    offer("searcher", "dse.searchers.random:Random")
    assert isinstance(make_searcher("mine", SPACE, 0), Random)
    with pytest.raises(SearcherError, match="there is no searcher 'mnie'; did you mean 'mine'"):
        make_searcher("mnie", SPACE, 0)
    for value, message in (
        ("no_such_module:Random", "searcher 'mine' of package 'theirs' cannot be imported: ModuleNotFound"),
        ("dse.version:__version__", "searcher 'mine' of package 'theirs' is no class"),
        (f"{__name__}:build_space", "'space'|takes|argument"),
    ):
        offer("searcher", value)
        with pytest.raises((SearcherError, TypeError), match=message):
            make_searcher("mine", SPACE, 0)
    offer("searcher", "dse.searchers.random:Random", packages=("one", "two"))
    with pytest.raises(SearcherError, match="is in packages one, two: uninstall all but one"):
        make_searcher("mine", SPACE, 0)


def test_a_built_in_searcher_keeps_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    other = {"random": offered("searcher", "dse.searchers.sobol:Sobol")}
    monkeypatch.setattr(installed, "plugins", lambda kind: other)
    assert isinstance(make_searcher("random", SPACE, 0), Random)


def test_spaces_and_models_by_name(offer: Any) -> None:
    offer("space", f"{__name__}:SPACE")
    assert installed.space("mine") is SPACE
    with pytest.raises(SpaceError, match="space 'mine' takes no settings"):
        installed.space("mine", {"top": 2})
    offer("space", f"{__name__}:build_space")
    assert installed.space("mine", {"top": 7}).count() == 8
    for settings, message in (
        ({"tpo": 7}, "cannot be built: TypeError"),
        ({"top": -1}, "low=0 is above high=-1"),
    ):
        with pytest.raises(SpaceError, match=message):
            installed.space("mine", settings)
    offer("space", f"{__name__}:a_number")
    with pytest.raises(SpaceError, match="space 'mine' made a int: a Space is needed"):
        installed.space("mine")
    offer("model", f"{__name__}:model")
    assert installed.model("mine") is model
    with pytest.raises(ProblemError, match="there is no model 'yours'; installed are mine"):
        installed.model("yours")


def test_composing_explains_what_is_missing(offer: Any) -> None:
    from studies.compose import study

    offer("model", f"{__name__}:model")
    mine = {"space": "mine", "model": "mine"}
    for settings, message in (
        ({}, "space is not set: name one"),
        (mine, "minimize and maximize are both empty: name a metric of mine, which has cost"),
        ({**mine, "minimize": "cost", "space_settings": "[1]"}, "must be arguments as JSON"),
    ):
        with pytest.raises((ProblemError, StudyError), match=message):
            study.build(settings)


def test_what_is_installed_has_its_package() -> None:
    for kind in installed.GROUPS:
        for item in plugins(kind).values():
            assert item.packages
            assert item.kind == kind
