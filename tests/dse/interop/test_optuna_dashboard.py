"""optuna-dashboard opens an exported study: its data, and what a person sees in a browser."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen
from wsgiref.simple_server import WSGIRequestHandler, make_server

import optuna
import pytest

from dse import StudyView
from dse.interop.optuna import export_study

dashboard = pytest.importorskip("optuna_dashboard", reason="optuna-dashboard is not installed")


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@pytest.fixture(scope="module")
def address(chip: StudyView, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A dashboard over an exported study."""
    path = tmp_path_factory.mktemp("dashboard") / "chip.log"
    export_study(chip, str(path))
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
    server = make_server("127.0.0.1", 0, dashboard.wsgi(storage), handler_class=Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_the_dashboard_has_all_of_it(address: str, chip: StudyView) -> None:
    listed = json.load(urlopen(f"{address}/api/studies"))["study_summaries"]
    assert [item["study_name"] for item in listed] == ["chip"]
    assert listed[0]["directions"] == ["minimize", "minimize"]
    detail = json.load(urlopen(f"{address}/api/studies/{listed[0]['study_id']}?after=0"))
    assert detail["objective_names"] == ["latency_ms", "power_w"]
    assert len(detail["trials"]) == len(chip)
    counts = chip.counts()
    states = [trial["state"] for trial in detail["trials"]]
    assert states.count("Complete") == counts["complete"] + counts["infeasible"]
    assert states.count("Fail") == counts["failed"] + counts["timeout"]
    # By these the dashboard draws infeasible trials grey.
    broken = [trial for trial in detail["trials"] if any(value > 0 for value in trial["constraints"])]
    assert len(broken) == counts["infeasible"]
    assert {item["name"] for item in detail["union_search_space"]} == set(chip.space.names)
    assert {"gflops", "dse:number", "dse:seconds"} <= {item["key"] for item in detail["union_user_attrs"]}


def test_a_browser_shows_it(address: str, tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no Chromium to open the dashboard in")
    errors: list[str] = []
    with playwright.sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{address}/dashboard/studies/0")
        page.get_by_text("Pareto Front").first.wait_for(timeout=60_000)
        page.locator(".plotly .scatterlayer .point").first.wait_for(state="attached", timeout=60_000)
        assert "chip" in page.inner_text("body")
        assert page.get_by_text("latency_ms").count()
        points = page.locator(".plotly .scatterlayer .point").count()
        page.screenshot(path=tmp_path / "dashboard.png")
        page.goto(f"{address}/dashboard/studies/0/trials?numbers=20")
        page.get_by_text("core.tile").first.wait_for(timeout=60_000)
        assert "gflops" in page.inner_text("body")
        page.screenshot(path=tmp_path / "trial.png")
        browser.close()
    assert errors == []
    assert points > 50
    assert (tmp_path / "dashboard.png").stat().st_size > 10_000
