"""`CommandModel`: a program that is run for every design."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from dse.command.outputs import Json, Output
from dse.command.template import Template
from dse.designs import Designs
from dse.errors import ProblemError
from dse.models import Outcome, check_metrics, describe
from dse.processes import kill_running, run_in_group

DIRECTORY, START = "directory", "start"  # names in templates beside the parameters
KEEP = ("none", "failed", "all")
LONGEST_TAIL = 1_000  # characters of standard error that a failure keeps
GIB = 1 << 30
LOOK_SECONDS = 0.2  # between looks at whether to stop


class CommandModel:
    """A command-line program as a cost model: a simulator, a synthesis script, a benchmark.

    For each design a working directory is made, input files are written there, the program is run in it, and
    metrics are read from what it wrote. Nothing passes through a shell.

    Parameters
    ----------
    command
        The program and its arguments, in which ``{tile_m}`` stands for a parameter's value, ``{tile_m:04d}``
        for it in a format, ``{directory}`` for the working directory, ``{start}`` for the directory of this
        process, ``{{`` for a brace. The program is looked for there, and on the path.
    metrics
        Unit by name, as in ``{"latency_ms": "ms"}``.
    output
        Where metrics are: `Json` (of standard output by default), `Csv`, `Regex`, or an object of your own.
    files
        Input files by name: text with places as in the command; a `pathlib.Path`, of a file with such text;
        or None for all parameters as a JSON object.
    marks
        What places in `files` begin and end with; ``("<<", ">>")``, say, where files are full of braces.
    version
        Of the program; part of the fingerprint. Or a command that prints it, as in ``["sim", "--version"]``,
        of which the first line counts.
    timeout
        Seconds that a run may take; it is killed then, with all that it started, and its state is
        ``timeout``.
    memory
        GiB of address space.
    failures
        What exit statuses mean, as in ``{3: "does not fit"}``: the reason that such a design fails with.
    environment
        Variables beside those of this process; part of the fingerprint.
    workers
        Runs at a time.
    directory
        Where working directories are made, as ``DESIGN-HASH``; by default where temporary files are.
    keep
        Which working directories stay: those of ``failed`` designs, where a `directory` is given; ``all`` or
        ``none``.
    name
        By default the program's.

    Raises
    ------
    ProblemError
        If the program is not found, a template is none, or an argument is wrong: it says which.

    Notes
    -----
    An exit status other than 0, output without a metric, or a value that is not finite fails the design; the
    end of standard error is kept with the reason. A parameter that is inactive has its canonical value. Time
    limit, memory, workers and directories are no part of the fingerprint.

    Examples
    --------
    >>> from dse import CommandModel
    >>> model = CommandModel(["echo", '{{"area": {width}}}'], metrics={"area": "mm2"}, version="1")
    """

    per_design = False

    def __init__(
        self,
        command: Sequence[str],
        metrics: Mapping[str, str],
        *,
        output: Output | None = None,
        files: Mapping[str, str | Path | None] | None = None,
        marks: tuple[str, str] = ("{", "}"),
        version: str | Sequence[str] = "",
        timeout: float | None = None,
        memory: float | None = None,
        failures: Mapping[int, str] | None = None,
        environment: Mapping[str, str] | None = None,
        workers: int = 1,
        directory: str | Path | None = None,
        keep: str | None = None,
        name: str | None = None,
    ) -> None:
        if isinstance(command, str) or not command:
            raise ProblemError(f"command={command!r} must be a list: the program, then its arguments")
        self._command = [Template(text, f"command[{place}]") for place, text in enumerate(command)]
        if self._command[0].names:
            raise ProblemError(f"command[0]={command[0]!r} is the program: it cannot depend on parameters")
        self.metrics = check_metrics(metrics)
        self._output: Output = Json() if output is None else output
        if not isinstance(self._output, Output):
            raise ProblemError(f"output={output!r} reads nothing: give Json(), Csv() or Regex()")
        self._output.check(self.metrics)
        self._files = {
            name: None if text is None else Template(_text(name, text), f"files[{name!r}]", marks)
            for name, text in (files or {}).items()
        }
        for file in self._files:
            if Path(file).is_absolute() or ".." in Path(file).parts:
                raise ProblemError(f"files[{file!r}] must lie in the working directory")
        for label, value in (("timeout", timeout), ("memory", memory)):
            if value is not None and not value > 0:
                raise ProblemError(f"{label}={value!r} must be a number above 0")
        if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
            raise ProblemError(f"workers={workers!r} must be a whole number, 1 or more")
        self._keep = keep if keep is not None else "none" if directory is None else "failed"
        if self._keep not in KEEP:
            raise ProblemError(f"keep={keep!r} is unknown; known are {', '.join(KEEP)}")
        if self._keep != "none" and directory is None:
            raise ProblemError(f"keep={keep!r} needs a directory to keep them in")
        self._directory = None if directory is None else Path(directory).absolute()
        self.workers = workers
        self._timeout = timeout
        self._memory = None if memory is None else int(memory * GIB)
        self._failures = dict(failures or {})
        self._environment = dict(environment or {})
        self._start = os.getcwd()
        self._program = _found(self._command[0].fill({}))
        self.name = name or Path(self._program).name
        self.version = version if isinstance(version, str) else self._asked(version)
        self.settings = {
            "command": [item.text for item in self._command],
            "files": {
                file: None if item is None else hashlib.sha256(item.text.encode()).hexdigest()
                for file, item in self._files.items()
            },
            "output": self._output.settings(),
            "failures": {str(status): reason for status, reason in self._failures.items()},
            "environment": self._environment,
        }
        templates = [*self._command, *(item for item in self._files.values() if item is not None)]
        self.columns = tuple(
            dict.fromkeys(name for item in templates for name in item.names if name not in (DIRECTORY, START))
        )

    def evaluate(self, designs: Designs) -> Outcome:
        """Run the program for each design."""
        values = {name: np.full(len(designs), np.nan) for name in self.metrics}
        errors: dict[int, str] = {}
        timeouts: set[int] = set()
        seconds = np.zeros(len(designs))
        keys = designs.space.keys(designs.codes)
        pool = ThreadPoolExecutor(min(self.workers, max(len(designs), 1)))
        try:
            runs = [
                pool.submit(self._run, dict(row), key) for row, key in zip(designs.rows(), keys, strict=True)
            ]
            while wait(runs, timeout=LOOK_SECONDS).not_done:
                pass  # a signal that comes just before a wait without end would not end it
            for row, run in enumerate(runs):
                found, reason, late, seconds[row] = run.result()
                for name, value in found.items():
                    values[name][row] = value
                if reason is not None:
                    errors[row] = reason
                if late:
                    timeouts.add(row)
        except BaseException:  # Ctrl-C: the threads wait for programs
            pool.shutdown(wait=False, cancel_futures=True)
            kill_running()
            raise
        pool.shutdown()
        return Outcome(values, errors, frozenset(timeouts), seconds)

    def _run(self, design: Mapping[str, Any], key: bytes) -> tuple[dict[str, float], str | None, bool, float]:
        """Return metrics, why there are none, whether time was up, and the seconds that it took."""
        began = time.perf_counter()
        late, reason, found = False, None, {}
        try:
            folder = self._folder(key)
        except OSError as error:
            return {}, f"no working directory could be made: {describe(error)}", False, 0.0
        try:
            found = self._metrics(design, folder)
        except subprocess.TimeoutExpired:
            late, reason = True, f"{self.name} took more than {self._timeout:g} s"
        except Exception as error:
            reason = str(error) if isinstance(error, ValueError) else describe(error)
        if self._keep == "none" or (self._keep == "failed" and reason is None):
            shutil.rmtree(folder, ignore_errors=True)
        return found, reason, late, time.perf_counter() - began

    def _folder(self, key: bytes) -> Path:
        if self._directory is None:
            return Path(tempfile.mkdtemp(prefix=f"dse-{self.name}-"))
        folder = self._directory / hashlib.blake2b(key, digest_size=8).hexdigest()
        shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
        folder.mkdir(parents=True)
        return folder

    def _metrics(self, design: Mapping[str, Any], folder: Path) -> dict[str, float]:
        known = {**design, DIRECTORY: str(folder), START: self._start}
        for file, template in self._files.items():
            path = folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(dict(design)) if template is None else template.fill(known))
        arguments = [item.fill(known) for item in self._command[1:]]
        done = run_in_group(
            [self._program, *arguments], folder, self._timeout,
            environment=self._environment, memory=self._memory,
        )  # fmt: skip
        if done.returncode:
            raise ValueError(self._failure(done))
        try:
            return self._output.read(folder, done.stdout, self.metrics)
        except ValueError as error:
            raise ValueError(f"{error}{_tail(done.stderr)}") from error

    def _failure(self, done: subprocess.CompletedProcess[str]) -> str:
        status = done.returncode
        if status in self._failures:
            return self._failures[status]
        how = f"died of signal {-status}" if status < 0 else f"ended with exit status {status}"
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        last = f": {lines[-1][:LONGEST_TAIL]}" if lines else ""
        return f"{self.name} {how}{last}" + (_tail(done.stderr) if len(lines) > 1 else "")

    def _asked(self, command: Sequence[str]) -> str:
        what = f"version={list(command)!r}"
        if not command or not all(isinstance(text, str) for text in command):
            raise ProblemError(f"{what} must be text, or a command: a list of texts")
        try:
            done = run_in_group([_found(command[0]), *command[1:]], Path.cwd(), 60.0)
        except subprocess.TimeoutExpired:
            raise ProblemError(f"{what} took more than 60 s") from None
        lines = (done.stdout + done.stderr).split("\n")
        if done.returncode or not lines[0].strip():
            raise ProblemError(f"{what} ended with exit status {done.returncode} and said {lines[0]!r}")
        return lines[0].strip()

    def __repr__(self) -> str:
        return f"<CommandModel {' '.join(item.text for item in self._command)}>"


def _found(program: str) -> str:
    """Return the path of a program; raise `ProblemError` if there is none."""
    # A file of this folder needs no "./", unlike in a shell.
    near = os.path.isfile(program) and os.access(program, os.X_OK)
    path = shutil.which(program) or (program if near else None)
    if path is None:
        why = "it may not be executed" if os.path.isfile(program) else "there is none of that name"
        raise ProblemError(f"command[0]={program!r} is no program: {why}")
    return os.path.abspath(path)


def _text(name: str, given: Any) -> str:
    if not isinstance(given, Path):
        return given  # type: ignore[no-any-return]
    try:
        return given.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ProblemError(f"files[{name!r}]: {given} cannot be read ({describe(error)})") from None


def _tail(said: str) -> str:
    said = said.strip()
    if not said:
        return ""
    with suppress(ValueError):
        if len(said) > LONGEST_TAIL:
            said = "..." + said[said.index("\n", len(said) - LONGEST_TAIL) + 1 :]
    return f"\nstandard error:\n{said[-LONGEST_TAIL:]}"
