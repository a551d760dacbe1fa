"""README, CI and packaging agree."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import dse

ROOT = Path(__file__).parents[1]


def commands() -> list[str]:
    """README's set-up commands: the single-line shell blocks that make a virtual environment."""
    blocks = re.findall(r"```(?:bash|sh|shell)\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return [block.strip() for block in blocks if "python3 -m venv" in block]


def test_readme_has_two_single_line_setup_commands() -> None:
    run, test = commands()
    assert "\n" not in run
    assert "\n" not in test
    assert "dse run lut-accelerator" in run
    assert "dse report lut-accelerator" in run
    assert "pytest" in test


def test_the_example_of_the_readme_runs(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    done = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "latency_ms" in done.stdout


def test_ci_runs_the_test_command_of_the_readme() -> None:
    assert commands()[1] in (ROOT / ".ci/run").read_text().splitlines()


def test_version_is_stated_once() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == dse.__version__ == version("dse-toolkit")


def test_engine_knows_nothing_of_the_domains() -> None:
    for folder, forbidden in (
        ("dse", "spaces|objectives|studies"),
        ("spaces", "objectives|studies"),
        ("objectives", "spaces|studies"),
    ):
        for file in (ROOT / folder).rglob("*.py"):
            found = re.search(rf"^\s*(?:from|import) (?:{forbidden})\b", file.read_text(), re.MULTILINE)
            assert found is None, (
                f"{file.relative_to(ROOT)} imports {found.group().split()[-1] if found else ''}"
            )
