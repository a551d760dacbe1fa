"""The documentation's site: built strictly, whole, and asking nothing of anybody."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests import public_api

ROOT = Path(__file__).parents[1]
# What a browser fetches by itself; links are for people.
_FETCHED = re.compile(
    r"""<(?:script|img|iframe|source|link)\b[^>]*?\b(?:src|href)=["']?(?P<url>(?:https?:)?//[^"'\s>]+)""",
    re.I,
)
_STYLED = re.compile(r"""(?:url\(|@import)\s*["']?(?P<url>(?:https?:)?//[^"')\s]+)""", re.I)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if any(find_spec(name) is None for name in ("mkdocs", "material", "mkdocstrings", "nbconvert")):
        pytest.skip("mkdocs-material, mkdocstrings or nbconvert is not installed (extra docs)")
    folder = tmp_path_factory.mktemp("site") / "made"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", str(folder)],
        cwd=ROOT, capture_output=True, text=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 80
    found = {
        (str(path.relative_to(site)), match["url"])
        for path in [*pages, *site.rglob("*.css")]
        for pattern in (_FETCHED, _STYLED)
        for match in pattern.finditer(path.read_text(encoding="utf-8"))
    }
    assert not found


def test_every_public_name_is_described(site: Path) -> None:
    missing = []
    for module in public_api.PUBLIC:
        page = (site / "reference" / f"{module}.html").read_text(encoding="utf-8")
        for name in public_api.names(module):
            path = f"{public_api.home(module, name)}.{name}"
            if name != "__version__" and f'id="{path}"' not in page and f"#{path}" not in page:
                missing.append(f"{module}.{name}")
    assert not missing


def test_notebooks_are_pages_with_their_figures(site: Path) -> None:
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        page = (site / "tutorials" / f"{path.stem}.html").read_text(encoding="utf-8")
        figures = path.read_text(encoding="utf-8").count('"application/vnd.plotly.v1+json": {')
        assert page.count("Plotly.newPlot(") == figures, path.name


def test_links_of_the_readme_lead_somewhere() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!https?:)([^)#\s]+)", text)
    assert len(targets) > 30
    assert [target for target in targets if not (ROOT / target).exists()] == []


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served(site: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_a_reader_finds_a_page_and_sees_a_figure(served: str) -> None:
    program = shutil.which("chromium")
    if program is None or find_spec("playwright") is None:
        pytest.skip("chromium or playwright is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        errors: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{served}/index.html")
        page.get_by_role("textbox", name="Search").click()
        page.get_by_role("textbox", name="Search").fill("shortlist")
        page.locator(".md-search-result__link").first.wait_for()
        page.locator(".md-search-result__link").first.click()
        assert "shortlist" in page.locator("article").inner_text().lower()
        page.goto(f"{served}/tutorials/01_first_study.html")
        page.locator(".plotly-graph-div .main-svg").first.wait_for()
        browser.close()
    assert errors == []
    assert [url for url in asked if not url.startswith((served, "data:", "blob:"))] == []
