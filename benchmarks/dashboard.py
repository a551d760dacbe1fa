"""The dashboard with very many evaluations, in a browser: ``python -m benchmarks.dashboard``.

Prints, for a study of random designs of ``lut-accelerator``: how soon something is painted and the front is
there in a server that has just started, how long it takes until the cloud behind it is loaded, and how long a
choice takes until the figure is drawn anew. Exits with 1 where the targets are missed.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import statistics
import tempfile
import threading
import time
from typing import Any

from dse import Study
from dse.dashboard import make_app
from dse.dashboard.state import study_path
from dse.definitions import find

REPEATS = 15
PAINTED, ANSWERED = 1.5, 0.3  # seconds
DRAWN = "!!document.querySelector('#fig-front .js-plotly-plot .main-svg')"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--evaluations", type=int, default=1_000_000)
    parser.add_argument("--store", help="a store that has the study already")
    given = parser.parse_args()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    from playwright.sync_api import sync_playwright
    from werkzeug.serving import make_server

    with tempfile.TemporaryDirectory() as folder:
        url = given.store or f"sqlite:///{folder}/dse.db"
        if given.store is None:
            problem = find("lut-accelerator").build({})
            Study("big", problem, "random", store=url, batch=1_000).run(given.evaluations)
        server = make_server("127.0.0.1", 0, make_app(url).server, threaded=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.port}{study_path('big')}"
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"),
                args=["--no-sandbox", "--use-gl=swiftshader", "--enable-unsafe-swiftshader"],
            )
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            began = time.perf_counter()
            page.goto(address)
            page.wait_for_function(DRAWN)
            drawn = time.perf_counter() - began
            paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime") / 1e3
            while "read so far" in page.inner_text("#strip"):
                time.sleep(0.2)
            loaded = time.perf_counter() - began
            page.wait_for_timeout(3_000)
            print(f"evaluations                       {given.evaluations:,}")
            print(f"first paint                       {paint:.2f} s")
            print(f"front drawn                       {drawn:.2f} s")
            print(f"all evaluations read              {loaded:.1f} s")
            slowest = 0.0
            for what, searches in CHOICES.items():
                spent = [choice(page, searches[k % len(searches)]) for k in range(REPEATS)]
                slowest = max(slowest, statistics.median(spent))
                print(f"{what:33} {statistics.median(spent):.2f} s (slowest {max(spent):.2f})")
            browser.close()
        server.shutdown()
    if paint > PAINTED or slowest > ANSWERED:
        raise SystemExit(
            f"missed: first paint within {PAINTED} s, choices drawn within {ANSWERED} s (median)"
        )


CHOICES = {
    "another axis": ["?x=area_mm2&y=latency_per_token_ms", "?x=area_mm2&y=power_mw"],
    "another limit": ["?r.area_mm2=..0.4", "?r.area_mm2=..0.2", "?r.area_mm2=..0.3"],
    "another choice of a parameter": ["?c.lut.weight=0", "?c.lut.weight=1"],
}


def choice(page: Any, search: str) -> float:
    """Return how long it takes from an address' change until the figure is drawn anew."""
    spent: float = page.evaluate(
        """search => new Promise(done => {
            const plot = document.querySelector('#fig-front .js-plotly-plot');
            const began = performance.now();
            plot.once('plotly_afterplot', () => done((performance.now() - began) / 1000));
            history.pushState({}, '', location.pathname + search);
            window.dispatchEvent(new CustomEvent('_dashprivate_pushstate'));
        })""",
        search,
    )
    time.sleep(1.0)  # the tables
    return spent


if __name__ == "__main__":
    main()
