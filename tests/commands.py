"""The ``dse`` command in tests: in this process, or as it is installed."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import traceback
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

from dse.cli import main

INSTALLED = str(Path(sys.executable).with_name("dse"))


def dse(*arguments: str, cwd: Path, check: int = 0, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder, in this process: to start another takes longer than most commands.

    What it ends with is what a process would: an exception that reaches the top is status 1 and a traceback.
    """
    out, err, status = io.StringIO(), io.StringIO(), 0
    with chdir(cwd), mock.patch.dict(os.environ, variables), redirect_stdout(out), redirect_stderr(err):
        try:
            main(list(arguments))
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
        except Exception:
            traceback.print_exc()
            status = 1
    return checked(
        subprocess.CompletedProcess(["dse", *arguments], status, out.getvalue(), err.getvalue()), check
    )


def installed(
    *arguments: str, cwd: Path, check: int = 0, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the installed command in a folder, as a process of its own."""
    done = subprocess.run(
        [INSTALLED, *arguments],
        cwd=cwd, capture_output=True, text=True, env={**os.environ, **variables}, timeout=120,
    )  # fmt: skip
    return checked(done, check)


def checked(done: subprocess.CompletedProcess[str], status: int) -> subprocess.CompletedProcess[str]:
    """Return what was done if it ended with the status."""
    assert done.returncode == status, f"{done.args} -> {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done
