"""Programs that run in groups end with what started them."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from dse import processes


def test_a_kill_does_not_miss_what_has_just_been_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Popen(subprocess.Popen[str]):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            processes.kill_running()  # as Ctrl-C at this moment does

    monkeypatch.setattr(processes.subprocess, "Popen", Popen)
    began = time.monotonic()
    done = processes.run_in_group(["sleep", "20"], tmp_path, None)
    assert done.returncode == -signal.SIGKILL
    assert time.monotonic() - began < 10
