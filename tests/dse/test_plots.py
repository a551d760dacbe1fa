"""Figures: they show the study's own numbers, whole, labelled, and text as text."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse import Designs, Integer, Minimize, Problem, Space, StudyView, cost_model, plots
from dse.errors import StudyError
from dse.pareto import knee_points, nondominated
from dse.plots import fronts
from dse.plots.points import CLOUD, split, staircase, thinned
from dse.plots.style import CONFIG, light, number, plain
from tests.dse.problems import mixed_problem, tiling_problem
from tests.dse.studies import HOSTILE, failing, hostile, stored, trade_off, with_none

FIGURES: list[Callable[[Any], go.Figure]] = [
    plots.front_2d, plots.front_3d, plots.front_matrix, plots.hypervolume_history, plots.objective_history,
    plots.parallel_coordinates, plots.parameter_importance, plots.failures,
]  # fmt: skip


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StudyView:
    """Three objectives, a limit that binds, failures."""
    return stored(tmp_path_factory.mktemp("plots"), tiling_problem(fail_every=7), 300, batch=50)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> StudyView:
    return stored(tmp_path_factory.mktemp("large"), trade_off(2), 26_000, batch=2_000)


def named(figure: go.Figure, start: str) -> Any:
    """The one trace whose name starts so."""
    (found,) = [trace for trace in figure.data if trace.name.startswith(start)]
    return found


def test_front_2d_shows_every_design_where_it_is(study: StudyView) -> None:
    figure = plots.front_2d(study)
    front, counts = study.front(), study.counts()
    assert list(named(figure, "front").customdata) == list(front.index)
    assert list(named(figure, "front").x) == list(front["latency_ms"])
    assert list(named(figure, "front").y) == list(front["energy_mj"])
    assert len(named(figure, "infeasible").x) == counts["infeasible"] > 0
    assert len(named(figure, "dominated").x) == counts["complete"] - len(front) > 0
    rows = study.evaluations().set_index("number").loc[list(named(figure, "infeasible").customdata)]
    assert set(rows["state"]) == {"infeasible"}
    assert named(figure, "infeasible").x == pytest.approx(rows["latency_ms"].to_numpy(), rel=1e-6)


def test_looks_tell_the_states_apart_without_colour(study: StudyView) -> None:
    figure = plots.front_2d(study)
    symbols = {name: named(figure, name).marker.symbol for name in ("infeasible", "dominated", "knee")}
    assert len(set(symbols.values())) == 3
    assert named(figure, "dominated").opacity < 0.5
    assert named(figure, "dominated").marker.size < named(figure, "front").marker.size


def test_axes_name_unit_and_direction(study: StudyView) -> None:
    figure = plots.front_2d(study, y="quality")
    assert figure.layout.xaxis.title.text == "latency_ms [ms] (← less is better)"
    assert figure.layout.yaxis.title.text == "quality (more is better →)"
    assert named(figure, "front").marker.colorbar.title.text == "energy_mj [mJ] ↓"


def test_knees_are_labelled_by_number(study: StudyView) -> None:
    front = study.front()
    values = front[["latency_ms", "energy_mj", "quality"]]
    knees = front.index[knee_points(values, count=3, maximize=[False, False, True])]
    figure = plots.front_2d(study)
    assert {label.text for label in figure.layout.annotations} == {f"#{index}" for index in knees}
    assert set(plots.front_3d(study).data[-1].text) == {f"#{index}" for index in knees}


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=30),
    st.tuples(st.booleans(), st.booleans()),
)
def test_staircase_is_the_front_of_two(points: list[tuple[int, int]], maximize: tuple[bool, bool]) -> None:
    values = np.array(points, float)
    corners = values[staircase(values[:, 0], values[:, 1], maximize)]
    expected = np.unique(values[nondominated(values, maximize)], axis=0)
    assert corners.tolist() == sorted(expected.tolist(), reverse=maximize[0])


def test_stairs_bound_all_that_is_reached(study: StudyView) -> None:
    figure = plots.front_2d(study, "latency_ms", "quality")
    stairs, front = named(figure, "best"), study.front()
    assert stairs.line.shape == "hv"
    for x, y in front[["latency_ms", "quality"]].to_numpy():
        assert y <= max(b for a, b in zip(stairs.x, stairs.y, strict=True) if a <= x)
    assert {(front["latency_ms"].min(), stairs.y[1]), (stairs.x[-2], front["quality"].max())} <= set(
        zip(stairs.x, stairs.y, strict=True)
    )


def test_infeasible_designs_do_not_stretch_the_axes(study: StudyView) -> None:
    figure = plots.front_2d(study)
    feasible = study.evaluations().query("state == 'complete'")["energy_mj"].max()
    axis = figure.layout.yaxis
    top = 10 ** axis.range[1] if axis.type == "log" else axis.range[1]
    assert feasible <= top < named(figure, "infeasible").y.max()


def test_many_designs_are_thinned_but_the_front_is_whole(large: StudyView) -> None:
    figure = plots.front_2d(large)
    cloud, total = named(figure, "dominated"), large.counts()["complete"] - len(large.front())
    assert len(cloud.x) == CLOUD < total
    assert cloud.type == "scattergl"
    assert f"{CLOUD:,} of {total:,}" in cloud.name
    assert f"Of {total:,} designs behind the front {CLOUD:,} are drawn" in plots.caption(figure)
    assert list(named(figure, "front").customdata) == list(large.front().index)
    assert figure.to_json() == plots.front_2d(large).to_json()
    assert len(figure.to_json()) < 2_000_000


def test_nothing_is_thinned_silently(study: StudyView) -> None:
    assert split(study).thinning == ""
    assert "drawn" not in plots.caption(plots.front_2d(study))
    frame = study.evaluations()
    assert list(thinned(frame, 7)["number"])[:: len(frame) - 1 or 1][0] == 0
    assert thinned(frame, 7)["number"].iloc[-1] == frame["number"].iloc[-1]
    assert len(thinned(frame, 7)) == 7


def test_colour_by_a_parameter(study: StudyView) -> None:
    figure = plots.front_2d(study, color="dtype")
    front = study.front()
    for value in front["dtype"].unique():
        assert list(named(figure, f"dtype = {value}").customdata) == list(
            front.index[front["dtype"] == value]
        )
    by_number = named(plots.front_2d(study, color="stages"), "front")
    assert list(by_number.marker.color) == list(front["stages"])


def test_none_is_a_value_like_any_other(tmp_path: Path) -> None:
    study = stored(tmp_path, with_none(), 80)
    designs = Designs.from_frame(study.space, study.front())
    figure = plots.front_2d(study, color="mode")
    for value in (None, "a"):
        numbers = study.front().index[[mode == value for mode in designs["mode"]]]
        assert list(named(figure, f"mode = {value}").customdata) == list(numbers) != []
    parallel = plots.parallel_coordinates(study)
    assert [axis.label for axis in parallel.data[0].dimensions][:2] == ["mode", "n"]
    assert "The same in all: same = None." in plots.caption(parallel)
    pointed = " ".join(named(plots.front_2d(study), "front").text)
    assert "mode None" in pointed
    assert "nan" not in pointed


def test_values_that_differ_little_for_their_size_stay_apart(tmp_path: Path) -> None:
    study = stored(tmp_path, with_none(), 80)
    expected = study.front()["cycles"].nunique()
    axes = {axis.label: axis for axis in plots.parallel_coordinates(study).data[0].dimensions}
    assert len(set(axes["cycles ↓"]["values"])) == expected == 80
    matrix = named(plots.front_matrix(study), "front")
    assert len(set(matrix.dimensions[0]["values"])) == expected


@given(
    st.lists(
        st.floats(allow_nan=False, allow_infinity=False) | st.floats(1e9, 1e9 + 100) | st.floats(0, 1),
        max_size=20,
    )
)
def test_values_are_lightened_only_where_nobody_sees_it(values: list[float]) -> None:
    made = light(values)
    for given_, drawn in zip(values, made.astype(float).tolist(), strict=True):
        assert abs(drawn - given_) <= 2e-6 * abs(given_)
        assert abs(drawn / 4 - given_ / 4) <= 2e-6 * (max(values) / 4 - min(values) / 4)
    assert light(np.linspace(0.1, 7, 50)).dtype == np.float32


def test_outlines_do_not_cover_a_dense_front(study: StudyView, monkeypatch: pytest.MonkeyPatch) -> None:
    assert named(plots.front_2d(study), "front").marker.line.width > 0
    monkeypatch.setattr(fronts, "SVG_POINTS", len(study.front()) - 1)
    dense = named(plots.front_2d(study), "front")
    assert (dense.type, dense.marker.line.width) == ("scattergl", 0)


def test_pointing_at_a_design_shows_all_of_it(study: StudyView) -> None:
    text = named(plots.front_2d(study), "front").text[0]
    first = study.front().iloc[0]
    assert f"design #{study.front().index[0]}" in text
    for name in (*study.space.names, *study.metrics):
        assert f"{name} {number(first[name])}" in text


def test_front_3d_and_matrix_hold_all_objectives(study: StudyView) -> None:
    front = study.front()
    trace = named(plots.front_3d(study), "front")
    assert [list(trace.x), list(trace.y), list(trace.z)] == [list(front[o.metric]) for o in study.objectives]
    matrix = named(plots.front_matrix(study), "front")
    assert [d.label for d in matrix.dimensions] == ["latency_ms [ms] ↓", "energy_mj [mJ] ↓", "quality ↑"]
    assert matrix.dimensions[1]["values"] == pytest.approx(front["energy_mj"].to_numpy(), rel=1e-6)


def test_hypervolume_history_ends_at_the_hypervolume(study: StudyView) -> None:
    figure = plots.hypervolume_history(study)
    trace = named(figure, "hypervolume")
    assert list(trace.x) == list(study.history()["evaluations"])
    assert trace.y[-1] == pytest.approx(study.hypervolume())
    assert "ms·mJ·1" in figure.layout.yaxis.title.text
    assert study.reference is not None
    for value in study.reference:
        assert number(value) in plots.caption(figure)


def test_a_run_within_its_first_batch_has_its_hypervolume(tmp_path: Path) -> None:
    study = stored(tmp_path, trade_off(2), 60, batch=500)  # stored before the reference point was set
    figure = plots.hypervolume_history(study)
    assert not figure.data
    assert f"60 evaluations are one batch: {len(study.front())} on the front" in plots.caption(figure)
    assert f"hypervolume {number(float(f'{study.hypervolume():.5g}'))}." in plots.caption(figure)


def test_a_run_without_early_results_ends_at_its_hypervolume(tmp_path: Path) -> None:
    @cost_model(metrics={"f": "ms", "g": ""}, version="1")
    def model(d: Any) -> dict[str, Any]:
        return {"f": d["n"], "g": -d["n"]}

    problem = Problem(Space([Integer("n", 1, 99)]), model, [Minimize("f"), Minimize("g")], ["f >= 60"])
    study = stored(tmp_path, problem, 80, searcher="exhaustive", batch=50)
    assert study.history()["hypervolume"].isna().tolist() == [True, True]
    volume = named(plots.hypervolume_history(study), "hypervolume")
    assert volume.y[-1] == study.hypervolume() > 0
    assert "markers" in volume.mode  # a line of one point is not seen


def test_hypervolume_history_without_hypervolumes_shows_the_size(tmp_path: Path) -> None:
    figure = plots.hypervolume_history(stored(tmp_path, trade_off(6), 40, batch=10))
    assert [trace.name for trace in figure.data] == ["designs on the front"]


def test_objective_history_keeps_the_best(tmp_path: Path) -> None:
    study = stored(tmp_path, mixed_problem(), 80)
    figure = plots.objective_history(study)
    costs = study.evaluations()["cost"]
    steps = named(figure, "best so far")
    assert (steps.y[0], steps.y[-1], steps.x[-1]) == (costs[0], costs.min(), 79)
    assert list(steps.y) == sorted(steps.y, reverse=True)
    assert list(figure.data[-1].x) == [costs.idxmin()]


def test_objective_history_of_a_maximum_rises(study: StudyView) -> None:
    steps = named(plots.objective_history(study, "quality"), "best so far")
    assert list(steps.y) == sorted(steps.y)


def test_parallel_coordinates_label_values_and_leave_out_what_is_the_same(study: StudyView) -> None:
    front = study.front()
    figure = plots.parallel_coordinates(study)
    axes = {axis.label: axis for axis in figure.data[0].dimensions}
    varying = [name for name in study.space.names if front[name].nunique() > 1]
    assert list(axes) == [*varying, "latency_ms [ms] ↓", "energy_mj [mJ] ↓", "quality ↑"]
    dtype = axes["dtype"]
    labels = dict(zip(dtype.tickvals, dtype.ticktext, strict=True))
    assert [labels[code] for code in dtype["values"]] == list(front["dtype"])
    for name in set(study.space.names) - set(varying):
        assert f"{name} = {front[name].iloc[0]}" in plots.caption(figure)


def test_parallel_coordinates_of_a_logarithmic_parameter(tmp_path: Path) -> None:
    from dse.plots.parameters import _parameter_axis

    study = stored(tmp_path, mixed_problem(), 50)
    column = study.evaluations()["x"]
    axis = _parameter_axis(study.space["x"], column)
    assert axis["values"] == pytest.approx(np.log10(column), abs=1e-6)
    assert dict(zip(axis["ticktext"], axis["tickvals"], strict=True))["0.1"] == pytest.approx(-1)


def test_importance_states_the_models_quality(study: StudyView) -> None:
    figure = plots.parameter_importance(study)
    assert [trace.name.split(" (")[0] for trace in figure.data] == [
        "log latency_ms",
        "log energy_mj",
        "quality",
    ]
    assert all("held-out R² " in trace.name for trace in figure.data)
    assert "not fitted to" in plots.caption(figure)


def test_importance_warns_of_a_weak_model(study: StudyView, monkeypatch: pytest.MonkeyPatch) -> None:
    from dse import importance
    from dse.plots import parameters

    frame = importance.parameter_importance(study)
    frame.loc[frame["objective"] == "quality", "r2"] = 0.2
    monkeypatch.setattr(parameters, "importances", lambda study: frame)
    assert "weak for quality:" in plots.caption(plots.parameter_importance(study))


def test_failures_by_cause(study: StudyView) -> None:
    figure = plots.failures(study)
    assert sum(figure.data[0].x) == study.counts()["failed"] > 0
    assert f"{study.counts()['failed']:,} of 300" in figure.layout.title.text


@pytest.mark.parametrize("draw", FIGURES)
def test_without_results_a_figure_says_so(draw: Any, tmp_path: Path) -> None:
    figure = draw(stored(tmp_path, failing(), 60))
    if draw is plots.failures:
        assert list(figure.data[0].x) == [60]
    else:
        assert not figure.data
        assert plots.caption(figure)
        assert figure.layout.annotations[0].text


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda study: plots.front_2d(study, x="latency"), "x='latency' is no metric .* latency_ms"),
        (lambda study: plots.front_2d(study, color="tile"), "color='tile' is no metric"),
        (lambda study: plots.objective_history(study, "tile_m"), "objective='tile_m' is no metric"),
        (lambda study: plots.parallel_coordinates(study, color="tile_m"), "color='tile_m' is no metric"),
    ],
)
def test_unknown_names_are_refused(draw: Any, message: str, study: StudyView) -> None:
    with pytest.raises(StudyError, match=message):
        draw(study)


def test_one_objective_has_no_front_to_draw(tmp_path: Path) -> None:
    study = stored(tmp_path, mixed_problem(), 20)
    for draw in (plots.front_2d, plots.front_3d, plots.front_matrix):
        with pytest.raises(StudyError, match="objective"):
            draw(study)


def test_stored_text_is_shown_as_text(tmp_path: Path) -> None:
    study = stored(tmp_path, hostile(), 200)
    for draw in FIGURES:
        figure = json.loads(draw(study).to_json())
        if draw is plots.parallel_coordinates:  # its ticks are taken literally by plotly
            for axis in figure["data"][0]["dimensions"]:
                axis.pop("ticktext", None)
        figure["layout"].pop("meta")
        for text in strings(figure):
            left = text
            for own in ("<b>design", "</b>", "<br>", "<extra></extra>"):
                left = left.replace(own, "")
            assert "<" not in left, (draw.__name__, text)
            assert "onerror=alert(2)>" not in left


def strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for item in items for text in strings(item)]


def test_plain_text_survives_plotly() -> None:
    assert plain("a <b> & %{x}") == "a &lt;b&gt; &amp; &#37;{x}"
    assert plain("two\nlines") == "two lines"
    assert plain(HOSTILE).count("<") == 0
    assert len(plain("x" * 500, 20)) == 20


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.123456, "0.1235"), (1234.56, "1,235"), (12345.6, "12,346"), (0.0, "0"), (-0.5, "-0.5"),
        (1e-7, "1e-07"), (2.5e9, "2.5e+09"), (float("nan"), "–"),
        (3, "3"), (25_000, "25,000"), (True, "True"), ("int8", "int8"), (None, "None"),
    ],
)  # fmt: skip
def test_numbers_have_sensible_digits(value: Any, text: str) -> None:
    assert number(value) == text


def test_no_chart_is_offered_for_upload() -> None:
    assert CONFIG["showSendToCloud"] is False
    assert "sendChartToCloud" in CONFIG["modeBarButtonsToRemove"]
    assert CONFIG["plotlyServerURL"] == ""


def test_figures_by_themselves_offer_no_upload_either(study: StudyView) -> None:
    assert "sendChartToCloud" in plots.front_2d(study).layout.template.layout.modebar.remove
