"""The dashboard as a person uses it, in a real browser: every page, its choices, its links."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from dse import Study, StudyView
from dse.dashboard.state import design_path, study_path
from tests.dse.dashboard.conftest import ROOT, drawn, served, until
from tests.dse.problems import tiling_problem
from tests.dse.studies import HOSTILE

RUN = """
import sys
from dse import Study
from tests.dse.problems import tiling_problem
Study("live", tiling_problem(delay=1.0), "nsga2", seed=3, store=sys.argv[1], batch=25).run(1_000)
"""


def chosen(page: Any) -> dict[str, list[str]]:
    """Return what the address chooses."""
    return parse_qs(urlsplit(page.evaluate("location.href")).query)


def designs(page: Any) -> int:
    """Return how many designs the picture of the front has."""
    return sum(count for name, count in drawn(page, "front") if name.startswith(("front", "domi", "infe")))


def test_from_the_list_of_studies_to_a_design(page: Any, address: str, url: str) -> None:
    page.goto(address)
    page.wait_for_selector("#studies table")
    row = page.locator("#studies tr", has_text="tiles0")
    assert "300 of 300" in row.inner_text()
    assert "done" in row.inner_text()
    row.get_by_role("link", name="tiles0").click()
    page.wait_for_selector("h1:has-text('tiles0')")
    view = StudyView("tiles0", url)
    counts, front = view.counts(), view.front()
    traces = dict(drawn(page, "front"))
    assert traces[f"front ({len(front)})"] == len(front)
    assert traces[f"infeasible ({counts['infeasible']})"] == counts["infeasible"]
    assert f"{counts['failed']:,} failed" in page.inner_text("#strip")
    first = int(front.index[0])
    page.locator("#front-table").get_by_role("link", name=f"#{first}", exact=True).click()
    page.wait_for_selector(f"h1:has-text('Design #{first}')")
    page.wait_for_selector("#design table")
    assert f"{front.loc[first, 'latency_ms']:.4g}"[:5] in page.inner_text("#design")
    assert page.locator("main h2", has_text="Nearest on the front").count() == 1
    parameters = json.loads(page.inner_text("#copy-json"))
    assert parameters["tile_m"] == front.loc[first, "tile_m"]
    assert "No installed package builds this problem" in page.inner_text("main")


def test_filters_hold_everywhere_and_are_in_the_link(page: Any, address: str, url: str, browser: Any) -> None:
    page.goto(address + study_path("tiles0"))
    drawn(page, "front")
    whole = StudyView("tiles0", url).evaluations()
    page.locator("[id*='choice'][id*='dtype']").first.click()
    page.get_by_role("option", name="int8").click()
    page.keyboard.press("Escape")
    kept = whole[(whole["dtype"] == "int8") & whole["state"].isin(["complete", "infeasible"])]
    until(lambda: "c.dtype" in chosen(page))
    page.wait_for_selector("#strip >> text=Kept by filters")
    until(lambda: designs(page) == len(kept))
    assert chosen(page)["c.dtype"] == ["1"]
    link = page.evaluate("location.href")
    page.locator(".tabs").get_by_role("link", name="Decide").click()
    page.wait_for_selector("#ranking table")
    dtypes = page.locator("#ranking tbody tr").all_inner_texts()
    assert dtypes
    assert all("int8" in row for row in dtypes)
    # The link says it all: another browser shows the same.
    other = browser.new_context().new_page()
    other.goto(link)
    until(lambda: designs(other) == len(kept))
    other.close()
    page.get_by_role("button", name="Clear filters").click()
    until(lambda: "c.dtype" not in chosen(page))
    # Back in the browser: what the address says is kept again, and its control shows it.
    page.go_back()
    until(lambda: chosen(page).get("c.dtype") == ["1"])
    page.locator("button[id*='choice'][id*='dtype'] >> text=int8").wait_for()
    page.go_forward()
    page.locator("button[id*='choice'][id*='dtype'] >> text=any").wait_for()


def test_all_evaluations_in_an_order_and_a_page_at_a_time(page: Any, address: str, url: str) -> None:
    whole = StudyView("tiles0", url).evaluations().set_index("number")
    page.goto(address + study_path("tiles0", "evaluations") + "?order=greatest+latency_ms&page=2")
    page.wait_for_selector("#evaluations tbody tr")
    expected = (-whole["latency_ms"]).sort_values(kind="stable").index[100:200]
    shown = [f"#{number}" for number in expected]
    until(lambda: page.locator("#evaluations tbody td:first-child").all_inner_texts() == shown)
    page.locator("button[id*='states']").click()
    page.get_by_role("option", name="failed").click()
    page.keyboard.press("Escape")
    failed = whole[whole["state"] == "failed"]
    page.wait_for_selector(f"#evaluations >> text=of {len(failed)} evaluations; page 1 of 1.")
    assert page.locator("#evaluations tbody tr").count() == len(failed)


@pytest.mark.slow
def test_a_slider_keeps_a_range_by_keyboard(page: Any, address: str, url: str) -> None:
    page.goto(address + study_path("tiles0"))
    drawn(page, "front")
    slider = page.get_by_role("slider").nth(1)  # the upper end of the first objective
    slider.focus()
    for _ in range(30):
        page.keyboard.press("ArrowLeft")
    page.wait_for_timeout(2_000)
    until(lambda: "r.latency_ms" in chosen(page))
    low, high = chosen(page)["r.latency_ms"][0].split("..")
    assert low == ""
    whole = StudyView("tiles0", url).evaluations()
    assert float(high) < whole["latency_ms"].max()
    kept = int((whole["latency_ms"] <= float(high)).sum())
    until(lambda: f"{kept:,}" in page.inner_text("#strip"))
    assert "at most" in page.inner_text(".filters")


@pytest.mark.slow
def test_brushing_an_axis_filters_the_table(page: Any, address: str, url: str) -> None:
    page.goto(address + study_path("tiles0", "designs"))
    drawn(page, "parallel")
    page.wait_for_selector("#front-table table")
    before = page.locator("#front-table tbody tr").count()
    axis = page.evaluate(
        """() => {
            const boxes = [...document.querySelectorAll('#fig-parallel .axis-brush')];
            const box = boxes[boxes.length - 1].getBoundingClientRect();
            return [box.x + box.width / 2, box.y, box.height];
        }"""
    )
    page.mouse.move(axis[0], axis[1] + 0.75 * axis[2])
    page.mouse.down()
    page.mouse.move(axis[0], axis[1] + 0.95 * axis[2], steps=8)
    page.mouse.up()
    until(lambda: "r.quality" in chosen(page))
    until(lambda: page.locator("#front-table tbody tr").count() < before)
    low, high = (float(end) for end in chosen(page)["r.quality"][0].split(".."))
    front = StudyView("tiles0", url).front()
    kept = front[front["quality"].between(low, high)]
    until(lambda: page.locator("#front-table tbody tr").count() == len(kept))


@pytest.mark.slow
def test_picking_a_design_and_the_views(page: Any, address: str) -> None:
    page.goto(address + study_path("tiles0"))
    drawn(page, "front")
    page.locator("#picked").scroll_into_view_if_needed()
    place = page.evaluate(
        """() => {
            const plot = document.querySelector('#fig-front .js-plotly-plot');
            const trace = plot.data.find(trace => (trace.name || '').startsWith('front'));
            const box = plot.getBoundingClientRect(), layout = plot._fullLayout;
            const at = (axis, value) => axis._offset + axis.d2p(value);
            const full = plot._fullData.find(trace => (trace.name || '').startsWith('front'));
            const k = full._length >> 1;
            return [box.x + at(layout.xaxis, full.x[k]), box.y + at(layout.yaxis, full.y[k])];
        }"""
    )
    page.mouse.move(*place)
    page.mouse.click(*place)
    page.wait_for_selector("#picked >> text=Design #")
    number = chosen(page)["design"][0]
    assert f"Design #{number}" in page.inner_text("#picked")
    until(lambda: any(name == f"design #{number}" for name, _ in drawn(page, "front")))
    for view in ("3d", "matrix"):
        page.goto(address + study_path("tiles0") + f"?view={view}")
        drawn(page, "front")


def test_ranking_short_list_and_export(page: Any, address: str, url: str) -> None:
    page.goto(address + study_path("tiles1", "decide"))
    page.wait_for_selector("#ranking table")
    page.locator("input[id*='aim'][id*='latency_ms']").fill("3")
    page.keyboard.press("Enter")
    until(lambda: chosen(page).get("a.latency_ms") == ["3"])
    best = until(lambda: page.locator("#ranking tbody tr").first.inner_text().split()[0])
    page.locator("#ranking tbody tr").first.get_by_role("button").click()
    page.wait_for_selector(f"#shortlist >> text={best}")
    assert "on the short list" in page.inner_text("#said")
    assert StudyView("tiles1", url).shortlist().index.tolist() == [int(best.removeprefix("#"))]
    with page.expect_download() as caught:
        page.get_by_role("button", name="Download as CSV").click()
    text = Path(caught.value.path()).read_text()
    assert caught.value.suggested_filename == "tiles1-shortlist.csv"
    assert text.splitlines()[1].startswith(best.removeprefix("#") + ",")
    page.locator("#shortlist").get_by_role("button", name="off the short list").first.click()
    page.wait_for_selector("#shortlist >> text=Empty")
    assert StudyView("tiles1", url).shortlist().empty


def test_what_if_asks_the_model(page: Any, address: str, url: str) -> None:
    front = StudyView("lut-accelerator", url).front()
    number = int(front.index[0])
    page.goto(address + design_path("lut-accelerator", number))
    page.wait_for_selector("#answer table")
    cells = page.locator("#answer tbody tr").first.locator("td").all_inner_texts()
    assert cells[1] == cells[2], "nothing was changed, and the model answers otherwise than it did"
    page.locator("[id*='what'][id*='clock']").first.click()
    page.get_by_role("option").first.click()
    until(lambda: "-" in page.inner_text("#answer") or "+" in page.inner_text("#answer"))
    assert len(StudyView("lut-accelerator", url)) == 200  # nothing was stored


@pytest.mark.parametrize("tab", ["progress", "parameters", "surrogates", "failures"])
def test_the_other_tabs_draw(tab: str, page: Any, address: str) -> None:
    # The surrogate has learned from all of tiles0.
    page.goto(address + study_path("tiles1" if tab == "surrogates" else "tiles0", tab))
    figures = {
        "progress": ["hypervolume", "objective"], "parameters": ["importance", "effects"],
        "surrogates": ["predicted", "coverage"], "failures": ["failures"],
    }[tab]  # fmt: skip
    for key in figures:
        until(lambda key=key: len(drawn(page, key)) > 0, 60)  # type: ignore[misc]
    if tab == "failures":
        assert page.locator("#causes tbody tr").count() > 0
    if tab == "surrogates":
        assert "tiles@1" in page.inner_text("#surrogates")


def test_studies_side_by_side(page: Any, address: str) -> None:
    page.goto(address + "/compare")
    page.locator("[id*='studies'][id*='plain']").first.click()
    for name in ("tiles0", "tiles1"):
        page.get_by_role("option", name=name).click()
    page.keyboard.press("Escape")
    until(
        lambda: [n.split()[0] for n, _ in drawn(page, "fronts") if n[:5] == "tiles"] == ["tiles0", "tiles1"]
    )
    assert [name for name, _ in drawn(page, "volumes")] == ["tiles0", "tiles1"]
    assert [name for name, _ in drawn(page, "attained")] == ["every run (2 of 2)", "some run (1 of 2)"]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[str]:
    """A store with a study that runs for the better part of a minute."""
    url = f"sqlite:///{tmp_path}/live.db"
    Study("live", tiling_problem(delay=1.0), "nsga2", seed=3, store=url, batch=25)
    run = subprocess.Popen([sys.executable, "-c", RUN, url], cwd=ROOT)
    yield from served(url)
    run.kill()
    run.wait()


def test_a_run_is_watched(running: str, browser: Any) -> None:
    page = browser.new_page()
    page.goto(running + study_path("live"))
    page.wait_for_selector("#strip >> text=Evaluations")

    def evaluations() -> int:
        text = page.locator("#strip div", has_text="Evaluations").first.locator("strong").inner_text()
        return int(text.split()[0].replace(",", ""))

    first = until(lambda: evaluations() or None)
    until(lambda: evaluations() > first + 25)
    assert designs(page) > 0
    until(lambda: "Rate" in page.inner_text("#strip"))
    page.goto(running)
    row = page.locator("#studies tr", has_text="live")
    until(lambda: "/s" in row.inner_text())
    assert "running" in row.inner_text()
    assert row.locator("progress").get_attribute("max") == "1000"
    page.close()


def test_hostile_text_is_text(page: Any, address: str, url: str) -> None:
    page.on("dialog", lambda dialog: pytest.fail("a stored text ran as a script"))
    for tab in ("front", "designs", "failures", "decide", "evaluations"):
        page.goto(address + study_path(HOSTILE, tab))
        page.wait_for_selector("h1")
        assert page.inner_text("h1") == HOSTILE
        time.sleep(1.0)
        assert page.locator("main b", has_text="bold").count() == 0
        assert page.locator("main s, main i, main u").count() == 0
        assert (
            page.evaluate("document.querySelectorAll('main script, main img, main a[href*=example]').length")
            == 0
        )
    number = int(StudyView(HOSTILE, url).front().index[0])
    page.goto(address + design_path(HOSTILE, number))
    page.wait_for_selector("#design table")
    assert HOSTILE in page.inner_text("main")


@pytest.mark.parametrize(
    ("width", "theme"),
    [
        pytest.param(1280, "light", id="laptop"),
        pytest.param(390, "dark", id="phone", marks=pytest.mark.slow),
    ],
)
def test_nothing_is_cut_off_and_nobody_is_shut_out(
    width: int, theme: str, browser: Any, address: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    context = browser.new_context(
        viewport={"width": width, "height": 850}, color_scheme=theme, bypass_csp=True
    )
    page = context.new_page()
    for path in (
        "/",
        study_path("tiles0"),
        study_path("tiles0", "decide"),
        study_path("tiles0", "evaluations"),
        design_path("lut-accelerator", 3),
        "/compare",
    ):
        page.goto(address + path)
        page.wait_for_selector("h1")
        page.wait_for_timeout(1_500)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (
            f"{path} is wider than the screen"
        )
        assert page.evaluate("document.documentElement.dataset.theme") == theme
        found = axe.run(page, options={"runOnly": ["wcag2a", "wcag2aa"]}).response["violations"]
        serious = [
            (item["id"], [node["html"][:160] for node in item["nodes"][:3]])
            for item in found
            if item["impact"] in ("serious", "critical")
        ]
        assert not serious, f"{path}: {serious}"
    context.close()
