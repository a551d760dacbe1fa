"""Reports: one file, complete, that asks for nothing and runs nothing but its own scripts."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dse import StudyView
from dse.errors import StudyError
from dse.pareto import knee_points
from dse.report import write_report
from dse.report.html import Figures, embedded
from dse.report.snapshot import Snapshot
from tests.dse.problems import mixed_problem, tiling_problem
from tests.dse.studies import HOSTILE, failing, hostile, stored, trade_off, with_none


class Page(HTMLParser):
    """A page as a browser reads it: elements with attributes, text, scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.style = ""
        self.rows: list[list[str]] = []
        self._open = ""
        self._cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._open = tag
        if tag == "script":
            self.scripts.append((dict(attrs), ""))
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self._cell = True

    def handle_endtag(self, tag: str) -> None:
        self._open = ""
        if tag in ("td", "th"):
            self._cell = False

    def handle_data(self, data: str) -> None:
        if self._open == "script":
            attributes, text = self.scripts[-1]
            self.scripts[-1] = attributes, text + data
        elif self._open == "style":
            self.style += data
        else:
            self.texts.append(data)
            if self._cell:
                self.rows[-1][-1] += data

    @property
    def text(self) -> str:
        return "".join(self.texts)

    @property
    def data(self) -> dict[str, Any]:
        (found,) = [text for attributes, text in self.scripts if attributes.get("id") == "data"]
        data: dict[str, Any] = json.loads(found)
        return data


def page_of(study: Any, folder: Path) -> Page:
    return Page(write_report(study, folder / "report.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StudyView:
    return stored(tmp_path_factory.mktemp("report"), tiling_problem(fail_every=7), 300, batch=50)


@pytest.fixture(scope="module")
def page(study: StudyView, tmp_path_factory: pytest.TempPathFactory) -> Page:
    return page_of(study, tmp_path_factory.mktemp("page"))


def test_the_page_asks_for_nothing(page: Page) -> None:
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"link", "img", "iframe", "object", "embed", "base", "form", "video", "audio", "source"}
    for tag, attributes in page.elements:
        assert "src" not in attributes, tag
        assert not [name for name in attributes if name.startswith("on")], tag
        assert (attributes.get("href") or "#").startswith("#")
    assert not re.search(r"@import|url\(", page.style)


def policy_of(page: Page) -> dict[str, list[str]]:
    (text,) = [
        attributes["content"] or "" for tag, attributes in page.elements
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]  # fmt: skip
    return {part.split()[0]: part.split()[1:] for part in text.split(";")}


def test_the_browser_is_told_to_run_only_our_scripts(page: Page) -> None:
    policy = policy_of(page)
    assert policy["default-src"] == ["'none'"]
    assert "connect-src" not in policy  # so that of default-src holds
    assert "'unsafe-inline'" not in policy["script-src"]
    code = [text for attributes, text in page.scripts if "type" not in attributes]
    assert len(code) == 2
    hashes = {
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in code
    }
    assert hashes == {source for source in policy["script-src"] if source.startswith("'sha256")}


def test_plotly_is_there_once(page: Page) -> None:
    assert sum("plotly.js v" in text for _, text in page.scripts) == 1


def test_it_opens_with_the_summary(page: Page, study: StudyView) -> None:
    counts, front = study.counts(), study.front()
    start = page.text[: page.text.index("Progress")]
    assert "demo" in start
    for state in ("complete", "infeasible", "failed"):
        assert f"{counts[state]} {state}" in start
    assert f"Front{len(front)}" in start
    assert float(f"{study.hypervolume():.5g}") == float(
        re.search(r"Hypervolume([\d.,e+]+)ref", start)[1].replace(",", "")  # type: ignore[index]
    )
    assert "random" in start
    assert "seed 0, batch 50" in start
    assert "energy_mj <= 60" in start


def test_every_section_has_its_figure(page: Page) -> None:
    assert set(page.data["figures"]) == {
        "front-latency_ms-energy_mj", "front-latency_ms-quality", "front-energy_mj-quality", "front-3d",
        "hypervolume", "parallel", "importance",
    }  # fmt: skip
    places = [a for _, a in page.elements if "data-figure" in a]
    assert {a["data-figure"] for a in places} == set(page.data["figures"])
    assert all(a["role"] == "img" and a["aria-label"] for a in places)
    headings = [tag for tag, _ in page.elements if tag in ("h1", "h2")]
    assert headings.count("h1") == 1
    assert headings.count("h2") == 7


def test_tabs_and_panels_belong_together(page: Page) -> None:
    tabs = [a for _, a in page.elements if a.get("role") == "tab"]
    panels = {a["id"]: a for _, a in page.elements if a.get("role") == "tabpanel"}
    assert [tab["aria-controls"] for tab in tabs] == list(panels)
    assert [tab["aria-selected"] for tab in tabs] == ["true", "false", "false", "false"]
    assert ["hidden" in panel for panel in panels.values()] == [False, True, True, True]


def test_figures_come_back_from_the_pool(study: StudyView, page: Page) -> None:
    from dse import plots

    def resolved(value: Any) -> Any:
        if isinstance(value, dict):
            if "$pool" in value:
                return page.data["pool"][value["$pool"]]
            return {name: resolved(item) for name, item in value.items()}
        return [resolved(item) for item in value] if isinstance(value, list) else value

    whole = json.loads(plots.front_2d(study, "latency_ms", "quality").to_json())["data"]
    assert resolved(page.data["figures"]["front-latency_ms-quality"]["data"]) == whole


def test_shared_arrays_are_kept_once(study: StudyView) -> None:
    from dse import plots

    figures = Figures()
    figures.place("one", plots.front_2d(study))
    before = len(figures.data()["pool"])
    figures.place("two", plots.front_2d(study))
    assert len(figures.data()["pool"]) == before > 0


def test_the_table_is_the_front(study: StudyView, page: Page) -> None:
    front = study.front()
    rows = [a for tag, a in page.elements if tag == "tr" and (a.get("id") or "").startswith("design-")]
    assert [row["id"] for row in rows] == [f"design-{index}" for index in front.index]
    values = front[[o.metric for o in study.objectives]]
    knees = front.index[knee_points(values, count=3, maximize=[False, False, True])]
    assert {row["id"] for row in rows if row.get("class") == "knee"} == {f"design-{index}" for index in knees}
    cells = [a["data-v"] for tag, a in page.elements if tag == "td" and "data-v" in a]
    assert float(cells[0] or "") == front["latency_ms"].iloc[0]
    ids = {a.get("id") for _, a in page.elements}
    links = [a["href"] or "" for tag, a in page.elements if tag == "a"]
    assert {link[1:] for link in links} <= ids


def test_none_stands_in_the_table_as_such(tmp_path: Path) -> None:
    study = stored(tmp_path, with_none(), 80)
    page = page_of(study, tmp_path)
    (column,) = [row.index("mode") for row in page.rows if row[:1] == ["#"]]
    cells = [row[column] for row in page.rows if re.match(r"\d+( knee)?$", row[0]) and len(row) == column + 2]
    assert sorted(cells) == ["None"] * 40 + ["a"] * 40
    assert "the same in all: same = None" in page.text


def test_the_csv_is_the_whole_front(study: StudyView, page: Page) -> None:
    assert page.data["csv"] == study.front().to_csv(lineterminator="\n")


def test_limits_and_failures_are_counted(study: StudyView, page: Page) -> None:
    counts = study.counts()
    assert ["energy_mj <= 60", str(counts["infeasible"])] in [row[:2] for row in page.rows]
    failure = study.failures().iloc[0]
    assert [str(failure["count"]), f"#{failure['example']}", failure["error"]] in page.rows
    assert f"{counts['failed']} of 300 evaluations have no result" in page.text


def test_provenance_is_complete(study: StudyView, page: Page) -> None:
    record = study.record
    after = page.text[page.text.rindex("Provenance") :]
    for fact in (record.fingerprint, record.created_at, "random", *record.versions.values(), "model 1"):
        assert fact in after
    for parameter in study.space.parameters:
        assert parameter.name in after
    for constraint in study.space.constraints:
        assert constraint.name in after
    assert ["splits", "integer", "2 to 9", "split == True"] in page.rows


def test_markup_in_stored_text_stays_text(tmp_path: Path) -> None:
    study = stored(tmp_path, hostile(), 150, name=HOSTILE)
    page, harmless = page_of(study, tmp_path), page_of(stored(tmp_path, trade_off(3), 60), tmp_path)
    assert {tag for tag, _ in page.elements} <= {tag for tag, _ in harmless.elements} | {
        "ul",
        "li",
        "h4",
        "b",
    }
    assert len(page.scripts) == 3
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")], tag
        assert (attributes.get("href") or "#").startswith("#")
    assert page.text.count(HOSTILE) >= 4  # title, heading, settings, values of a parameter
    assert page.data["name"] == HOSTILE
    assert "<b>bold</b>" in page.data["csv"]


def test_markup_in_errors_stays_text(tmp_path: Path) -> None:
    page = page_of(stored(tmp_path, failing(), 60), tmp_path)
    assert ["60", "#0", f"RuntimeError: {HOSTILE}"] in page.rows
    assert len(page.scripts) == 3
    assert "No design has a result: 60 of 60 evaluations failed." in page.text
    assert page.data["figures"] == {}
    assert page.data["csv"] is None


def test_embedded_json_cannot_end_its_element() -> None:
    value = {"</script>": ["<!--", "\u2028&", HOSTILE, 1.5, None]}
    text = embedded(value)
    assert not set(text) & set("<>&\u2028\u2029")
    assert json.loads(text) == value


@pytest.mark.parametrize(
    ("objectives", "expected"),
    [
        (2, {"front"}),
        (4, {"front-matrix", "front-3d", "front-f0-f1", "front-f2-f3"}),
        (6, {"front-matrix", "front-3d"}),
    ],
)
def test_any_number_of_objectives(objectives: int, expected: set[str], tmp_path: Path) -> None:
    page = page_of(stored(tmp_path, trade_off(objectives), 60), tmp_path)
    found = {key for key in page.data["figures"] if key.startswith("front")}
    assert expected <= found
    assert len(found) == {2: 1, 4: 8, 6: 2}[objectives]


def test_one_objective(tmp_path: Path) -> None:
    page = page_of(stored(tmp_path, mixed_problem(), 60), tmp_path)
    assert "objective" in page.data["figures"]
    assert "best cost" in page.text


def test_a_single_design(tmp_path: Path) -> None:
    study = stored(tmp_path, trade_off(2), 1)
    page = page_of(study, tmp_path)
    assert [row["id"] for tag, row in page.elements if tag == "tr" and "id" in row] == ["design-0"]
    assert "1 evaluations with metrics are too few" in page.text


def test_many_evaluations_stay_a_small_page(tmp_path: Path) -> None:
    study = stored(tmp_path, trade_off(3), 30_000, batch=5_000)
    path = write_report(study, tmp_path / "large.html")
    page, front = Page(path.read_text(encoding="utf-8")), study.front()
    assert path.stat().st_size < 9_000_000
    assert page.data["csv"].count("\n") == len(front) + 1
    shown = [a for tag, a in page.elements if tag == "tr" and "id" in a]
    assert len(shown) <= len(front)
    assert f"{len(front):,}" in page.text


def test_the_same_study_gives_the_same_file(study: StudyView, tmp_path: Path) -> None:
    first, second = (write_report(study, tmp_path / f"{n}.html").read_bytes() for n in "ab")
    assert first == second


def test_a_snapshot_agrees_with_the_study(study: StudyView) -> None:
    shown = Snapshot(study)
    pd.testing.assert_frame_equal(shown.front(), study.front(), check_exact=True)
    pd.testing.assert_frame_equal(shown.evaluations(), study.evaluations(), check_exact=True)
    assert shown.failures().to_dict("list") == study.failures().to_dict("list")
    assert shown.counts() == study.counts()
    assert shown.hypervolume() == pytest.approx(study.hypervolume(), rel=1e-12)


def test_a_snapshot_leaves_out_what_came_after_its_history(study: StudyView) -> None:
    class Running:
        """A study that is written to while it is read."""

        def __getattr__(self, name: str) -> Any:
            return getattr(study, name)

        def history(self) -> pd.DataFrame:
            return study.history().iloc[:2]

    shown = Snapshot(Running())
    assert len(shown.evaluations()) == sum(shown.counts().values()) == 100
    assert shown.front().index.max() < 100


def test_paths_that_cannot_be_written_are_refused(study: StudyView, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"there is no folder .*missing"):
        write_report(study, tmp_path / "missing" / "report.html")
    with pytest.raises(StudyError, match=r"is a folder: name a file"):
        write_report(study, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_report_is_replaced_whole_or_not_at_all(
    study: StudyView, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "report.html"
    target.write_text("old")

    def full(self: Path, target: Any) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(StudyError, match="cannot be written: No space left"):
        write_report(study, target)
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    monkeypatch.undo()
    assert write_report(study, str(target)) == target
    assert target.read_text().startswith("<!doctype html>")
