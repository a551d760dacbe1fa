"""What a wheel holds and brings, and that it is the same each time; the list of public names."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from email.message import Message
from email.parser import Parser
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests import public_api

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES: list[str] = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


def build(sources: Path, into: Path, **environment: str) -> Path:
    """Build the wheel of a copy of the project."""
    if find_spec("hatchling") is None:
        pytest.skip("hatchling, which builds wheels, is not installed (extra dev)")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(into)],
        cwd=sources, capture_output=True, text=True, env={**os.environ, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (wheel,) = into.glob("*.whl")
    return wheel


def copied(folder: Path, *, mode: int, seconds: int) -> Path:
    """Copy what a wheel is built from, with other times and permissions."""
    for name in (*PACKAGES, "pyproject.toml", "README.md", "LICENSE"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            folder.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(mode)
            os.utime(path, (seconds, seconds))
    return folder


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    return build(copied(folder / "sources", mode=0o644, seconds=1_600_000_000), folder / "made")


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as file:
        (name,) = [name for name in file.namelist() if name.endswith(".dist-info/METADATA")]
        return Parser().parsestr(file.read(name).decode())


def test_the_same_sources_are_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    again = build(copied(tmp_path / "sources", mode=0o600, seconds=1_700_000_000), tmp_path / "made")
    assert again.read_bytes() == wheel.read_bytes()
    assert again.name == wheel.name
    dated = build(tmp_path / "sources", tmp_path / "dated", SOURCE_DATE_EPOCH="1700000000")
    assert dated.read_bytes() != wheel.read_bytes()
    once_more = build(tmp_path / "sources", tmp_path / "once", SOURCE_DATE_EPOCH="1700000000")
    assert once_more.read_bytes() == dated.read_bytes()


def test_each_package_is_there_and_typed(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        names = file.namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {name for name in tops if not name.endswith(".dist-info")} == set(PACKAGES)
    for package in PACKAGES:
        assert f"{package}/py.typed" in names
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            assert str(path.relative_to(ROOT)) in names


def test_installing_brings_the_core_dependencies_alone(metadata: Message) -> None:
    needed = metadata.get_all("Requires-Dist")
    always = {re.match(r"[\w.-]+", line)[0].lower() for line in needed if "extra ==" not in line}  # type: ignore[index]
    assert always == {
        "cloudpickle", "moocore", "numpy", "optuna", "pandas", "plotly", "pyarrow", "pymoo", "pyyaml", "rich",
        "scikit-learn", "scipy", "skops", "sqlalchemy", "typer",
    }  # fmt: skip
    extras = set(metadata.get_all("Provides-Extra"))
    assert extras == set(PROJECT["project"]["optional-dependencies"])
    assert metadata["Version"] == PROJECT["project"]["version"]


@pytest.mark.slow
def test_a_wheel_runs_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    """In an environment of its own, which borrows the dependencies of this one."""
    venv.create(tmp_path / "venv", with_pip=False)
    home = tmp_path / "venv"
    (site,) = home.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(site)
    borrowed = tmp_path / "dependencies"
    borrowed.mkdir()
    import numpy

    for path in Path(numpy.__file__).parents[1].iterdir():
        # Not the toolkit itself, which may be installed from this checkout.
        if not path.name.startswith(("dse", "_dse", "__editable__")) and path.name not in PACKAGES:
            (borrowed / path.name).symlink_to(path)
    work = tmp_path / "work"
    work.mkdir()

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [str(home / "bin" / "python"), "-m", "dse", *arguments], cwd=work, capture_output=True, text=True,
            env={"PYTHONPATH": str(borrowed), "PATH": os.environ["PATH"], "HOME": str(tmp_path)}, timeout=280,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    listed = {row["name"]: row["package"] for row in json.loads(run("studies", "--json"))}
    assert set(listed) == set(PROJECT["project"]["entry-points"]["dse.studies"])
    found = json.loads(run("run", "lut-accelerator", "--budget", "200", "--json"))
    assert found["evaluations"] == 200


def test_the_page_of_public_names_is_what_the_sources_say() -> None:
    assert public_api.PAGE.read_text(encoding="utf-8") == public_api.page(), (
        "public names changed: say so in CHANGELOG.md, keep the old ones for a release (docs/stability.md), "
        "and run python -m tests.public_api"
    )


def test_public_names_are_there() -> None:
    from importlib import import_module

    optional = {"dse.interop.gymnasium": "gymnasium", "dse.interop.pettingzoo": "pettingzoo"}
    for module, names in public_api.PUBLIC.items():
        if module in optional and find_spec(optional[module]) is None:
            continue
        loaded = import_module(module)
        for name in names if names is not None else loaded.__all__:
            assert hasattr(loaded, name), f"{module} has no {name}"
