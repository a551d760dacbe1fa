"""A dashboard that is served, and a browser that looks at it."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server

from dse import Study
from dse.dashboard import make_app
from dse.surrogates import Registry
from tests.dse.problems import tiling_problem
from tests.dse.studies import HOSTILE, hostile

logging.getLogger("werkzeug").setLevel(logging.ERROR)

ROOT = Path(__file__).parents[3]
# What browsers say of drawing without a graphics card.
DRAWING = ("GPU stall", "GL Driver", "GroupMarkerNotSet", "willReadFrequently", "WebGL")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store with two seeds of a study, a surrogate, a ready study and one of hostile texts."""
    folder = tmp_path_factory.mktemp("dashboard")
    url = f"sqlite:///{folder}/dse.db"
    for seed in (0, 1):
        problem = tiling_problem(fail_every=7)
        Study(f"tiles{seed}", problem, "nsga2", seed=seed, store=url, batch=50).run(300)
    Registry(url).train("tiles", ["tiles0"], model="ridge")
    done = subprocess.run(
        [sys.executable, "-m", "dse", "run", "lut-accelerator", "--budget", "200", "--store", url],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    Study(HOSTILE, hostile(), "random", store=url).run(80)
    return url


@pytest.fixture(scope="module")
def address(url: str) -> Iterator[str]:
    yield from served(url)


def served(url: str, **how: Any) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, make_app(url, **how).server, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("no Chromium is installed")
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(
            executable_path=program,
            args=["--no-sandbox", "--use-gl=swiftshader", "--enable-unsafe-swiftshader"],
        )
        yield found
        found.close()


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """A page whose console stays free of errors, and that asks nobody else."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    made = context.new_page()
    said: list[str] = []

    def note(message: Any) -> None:
        if message.type in ("error", "warning") and not any(part in message.text for part in DRAWING):
            said.append(message.text)

    made.on("console", note)
    made.on("pageerror", lambda error: said.append(str(error)))
    made.on("request", lambda request: said.append(request.url) if elsewhere(request.url, address) else None)
    yield made
    context.close()
    assert not said


def elsewhere(url: str, address: str) -> bool:
    return not url.startswith((address, "data:", "blob:"))


def drawn(page: Any, key: str, seconds: float = 20.0) -> Any:
    """Wait until a figure is drawn; return its traces' names and lengths."""
    page.wait_for_selector(f"#fig-{key} .js-plotly-plot .main-svg", timeout=seconds * 1000)
    return page.evaluate(
        """key => document.querySelector(`#fig-${key} .js-plotly-plot`)._fullData.map(
            trace => [trace.name || '', trace._length ?? 0])""",
        key,
    )


def until(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Wait for something to become true; return it."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.1)
    return found
