"""The pages' examples run as they stand."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import optuna
import pytest

from dse.cli import main

PAGES = Path(__file__).parents[3] / "docs" / "interop"
BLOCK = re.compile(r"^```(python|bash|yaml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

CACHE: dict[str, Any] = {
    "device_name": "a GPU",
    "kernel_name": "vector_add",
    "problem_size": 1000,
    "tune_params_keys": ["block_size_x", "vector"],
    "tune_params": {"block_size_x": [32, 64, 128], "vector": [1, 2]},
    "objective": "time",
    "cache": {
        f"{block},{vector}": {"block_size_x": block, "vector": vector, "time": 1 + 64 / block + vector}
        for block in (32, 64, 128)
        for vector in (1, 2)
    },
}


def run(line: str) -> None:
    """Run a line of a shell that calls the command, in this process."""
    command, *arguments = shlex.split(line)
    assert command == "dse"
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert not ended.value.code, line


@pytest.mark.parametrize(
    "page",
    [
        "optuna", "configspace", "kernel_tuner", "pymoo", "gymnasium", "accelerators", "pandas",
        "../stability",
    ],
)  # fmt: skip
def test_the_examples_of_a_page_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for needed in {"configspace": ["ConfigSpace"], "gymnasium": ["gymnasium", "pettingzoo"]}.get(page, []):
        pytest.importorskip(needed)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cache.json").write_text(json.dumps(CACHE))
    names: dict[str, Any] = {}
    verbosity = optuna.logging.get_verbosity()
    blocks = BLOCK.findall((PAGES / f"{page}.md").read_text(encoding="utf-8"))
    assert len(blocks) >= 2
    try:
        for kind, text in blocks:
            if kind == "python":
                exec(compile(text, f"{page}.md", "exec"), names)
                continue
            if kind == "yaml":
                # A file by its first line: "# chip.yaml: what it is".
                (tmp_path / text[2:].partition(":")[0]).write_text(text)
                continue
            for line in text.replace("cache.json.gz", "cache.json").splitlines():
                run(line)
    finally:
        optuna.logging.set_verbosity(verbosity)
