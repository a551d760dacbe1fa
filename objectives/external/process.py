"""One call of a tool: in a process and an environment of its own, timed, and remembered by its input."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from dse.errors import DseError
from dse.processes import run_in_group

_Result = TypeVar("_Result")


class ExternalError(DseError):
    """A tool is missing, or failed."""


class ExternalTimeout(ExternalError):  # noqa: N818 -- as TimeoutExpired
    """A tool took longer than it was given."""


@dataclass(frozen=True)
class Tool:
    """A tool as a Python package.

    Attributes
    ----------
    name, package
        As users say, and as it is imported.
    variable
        The environment variable that names the Python which has it.
    requirements
        What ``pip install`` is given.
    worker
        The script beside this module that runs it.
    """

    name: str
    package: str
    variable: str
    requirements: str
    worker: str

    @property
    def distribution(self) -> str:
        """What it is called where it is installed from."""
        return self.requirements.split("==")[0]

    @property
    def script(self) -> Path:
        """The path of the worker."""
        return Path(__file__).with_name(self.worker)

    def interpreter(self) -> str:
        """Return the Python that has the tool.

        Raises
        ------
        ExternalError
            If there is none; with the lines that make one.
        """
        chosen = os.environ.get(self.variable)
        if chosen:
            if not (os.path.isfile(chosen) and os.access(chosen, os.X_OK)):
                raise ExternalError(
                    f"{self.variable}={chosen!r} is no program: name a Python with {self.name}"
                )
            return chosen
        if find_spec(self.package) is not None:
            return sys.executable
        folder = f"~/{self.package}-venv"
        raise ExternalError(
            f"{self.name} is not installed: python -m venv {folder} && {folder}/bin/pip install "
            f"{self.requirements} && export {self.variable}={folder}/bin/python"
        )


def default_cache() -> Path:
    """Return where results are kept between runs: ``$DSE_EXTERNAL_CACHE``, else the user's own cache."""
    chosen = os.environ.get("DSE_EXTERNAL_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dse" / "external"


def run(
    tool: Tool,
    job: Mapping[str, Any],
    fields: Sequence[str],
    *,
    timeout_s: float | None,
    cache: Path | None,
) -> dict[str, Any]:
    """Return what a tool finds, and which it is, as ``tool``.

    Parameters
    ----------
    tool
        Which.
    job
        Its input, JSON values.
    fields
        What a result must have, at least.
    timeout_s
        After which it is killed, with whatever it started; None waits for ever.
    cache
        A folder of earlier results, by hash of the input, the worker and the tool's version. It is made.
        None remembers nothing.

    Raises
    ------
    ExternalError
        If the tool is missing or fails; with the last line that it said.
    ExternalTimeout
        If it takes too long.
    """
    interpreter = tool.interpreter()
    version = _version(tool, interpreter)
    # Keys are not sorted: the order of an accelerator's memories has a meaning.
    asked = json.dumps(job)
    kept = None
    if cache is not None:
        known = "\0".join((asked, tool.script.read_text(), version))
        kept = Path(cache) / f"{hashlib.sha256(known.encode()).hexdigest()}.json"
        found = _read(kept, fields)
        if found is not None:
            return {**found, "tool": version}
    with tempfile.TemporaryDirectory(prefix=f"dse-{tool.package}-") as name:
        folder = Path(name)
        (folder / "job.json").write_text(asked)
        # Beside the worker nothing of this project is found in place of the tool.
        (folder / "worker.py").write_text(tool.script.read_text())
        said = _call([interpreter, "worker.py", "job.json", "found.json"], folder, timeout_s, tool)
        try:
            result = json.loads((folder / "found.json").read_text())
        except (OSError, ValueError):
            result = None
        if not isinstance(result, dict):
            raise ExternalError(f"{tool.name} gave no result{_last(said)}")
        lacking = [field for field in fields if field not in result]
        if lacking:
            wanted = tool.requirements.split()[0].partition("==")[2]
            raise ExternalError(f"{tool.name}'s report has no {lacking[0]!r}: is it version {wanted}?")
    if kept is not None:
        _write(kept, result)
    return {**result, "tool": version}


def run_many(
    call: Callable[..., _Result], jobs: Sequence[tuple[Any, ...]], *, workers: int = 2, **settings: Any
) -> list[_Result | ExternalError]:
    """Return the result of each call, several at a time; a failure stands in its place."""

    def one(job: tuple[Any, ...]) -> _Result | ExternalError:
        try:
            return call(*job, **settings)
        except ExternalError as error:
            return error

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(one, jobs))


@lru_cache
def _version(tool: Tool, interpreter: str) -> str:
    """Return the tool's name and version, as its Python knows them."""
    code = f"from importlib.metadata import version; print(version({tool.distribution!r}))"
    with tempfile.TemporaryDirectory() as folder:
        try:
            said = _call([interpreter, "-c", code], Path(folder), 60.0, tool)
        except ExternalTimeout:
            raise
        except ExternalError:
            raise ExternalError(
                f"{interpreter} has no {tool.name}: {interpreter} -m pip install {tool.requirements}"
            ) from None
    return f"{tool.distribution} {said.split()[-1] if said.split() else 'of no version'}"


def _call(command: list[str], folder: Path, timeout_s: float | None, tool: Tool) -> str:
    """Run a command; return what it printed."""
    plain = {"MPLBACKEND": "Agg", "PYTHONPATH": ""}
    try:
        done = run_in_group(command, folder, timeout_s, environment=plain)
    except subprocess.TimeoutExpired:
        raise ExternalTimeout(f"{tool.name} took more than {timeout_s:g} s: raise the time limit") from None
    if done.returncode:
        raise ExternalError(f"{tool.name} failed{_last(done.stdout + done.stderr)}")
    return done.stdout


def _last(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return f": {lines[-1][:300]}" if lines else ""


def _read(path: Path, fields: Sequence[str]) -> dict[str, Any] | None:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        found = json.loads(data)
    except ValueError:
        found = None
    if not isinstance(found, dict) or any(field not in found for field in fields):
        warnings.warn(f"{path} is damaged and made anew", stacklevel=3)
        return None
    return found


def _write(path: Path, result: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".part", delete=False) as file:
        json.dump(result, file)
    os.replace(file.name, path)
