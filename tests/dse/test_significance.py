"""Ranks and tests: values from the literature, and what a user reads off a comparison."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dse import plots
from dse.cli.comparison import significance
from dse.compare import Comparison, Reference
from dse.errors import StudyError
from dse.report import write_comparison
from dse.significance import average_ranks, friedman, holm, nemenyi, pairs

# Demšar, JMLR 7 (2006), table 6: accuracies of C4.5 and three variants on fourteen data sets; table 6 states
# the average ranks 3.143, 2.000, 2.893 and 1.964, section 3.2.2 Friedman's statistic of 9.28.
DEMSAR = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975],
        [0.957, 0.978, 0.946, 0.970],
    ]
)


def test_ranks_are_those_of_the_literature() -> None:
    assert average_ranks(DEMSAR) == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)


def test_friedman_is_that_of_the_literature() -> None:
    blocks, treatments = DEMSAR.shape
    spread = (average_ranks(DEMSAR) ** 2).sum() - treatments * (treatments + 1) ** 2 / 4
    assert 12 * blocks / (treatments * (treatments + 1)) * spread == pytest.approx(9.28, abs=0.01)
    # This is stated without a correction for ties, which makes it less likely still.
    assert 0.01 < friedman(DEMSAR) < stats.chi2.sf(9.28, 3)
    assert friedman(DEMSAR[:, :2]) == 1
    assert friedman(np.ones((5, 3))) == 1


def test_nemenyi_is_that_of_the_literature() -> None:
    # Demšar 2006, table 5 a: critical values of two to ten classifiers.
    values = {
        0.05: [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164],
        0.10: [1.645, 2.052, 2.291, 2.459, 2.589, 2.693, 2.780, 2.855, 2.920],
    }
    for level, row in values.items():
        for treatments, value in enumerate(row, 2):
            scale = (treatments * (treatments + 1) / (6 * 14)) ** 0.5
            assert nemenyi(14, treatments, level) == pytest.approx(value * scale, abs=1.1e-3 * scale)
    assert nemenyi(14, 4, 0.10) == pytest.approx(1.12, abs=0.005)  # his example, section 3.2.2
    assert nemenyi(14, 1) == float("inf")


def test_holm_raises_by_how_many_are_left() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=8))
def test_corrected_probabilities_keep_their_order_and_are_no_smaller(p: list[float]) -> None:
    corrected = holm(p)
    assert all(1 >= after >= before for before, after in zip(p, corrected, strict=True))
    order = np.argsort(p, kind="stable")
    assert (np.diff(np.array(corrected)[order]) >= 0).all()


def test_pairs_say_which_is_better() -> None:
    base = np.linspace(0.8, 0.9, 10)
    values = np.column_stack([base, base + 0.01 + 1e-4 * np.arange(10), base])
    found = {(pair.better, pair.worse): pair for pair in pairs(values)}
    assert set(found) == {(1, 0), (0, 2), (1, 2)}
    # All ten differences of one sign: 2 / 2^10, three times for three pairs.
    assert found[1, 0].p == pytest.approx(3 * 2 / 2**10)
    assert found[1, 0].difference == pytest.approx(0.01045)
    assert found[0, 2].p == 1


def comparison(seeds: int) -> Comparison:
    rows = [
        {
            "searcher": searcher,
            "seed": seed,
            "budget": budget,
            "evaluations": budget,
            "hypervolume": value,
            "fraction": value,
            "gap": 1 - value,
            "front_share": 0.0,
            "searcher_seconds": 0.1,
        }
        for seed in range(seeds)
        for budget in (100, 500)
        for searcher, value in (("good", 0.9 + 0.001 * seed), ("bad", 0.8), ("<b>ad", 0.8))
    ]
    reference = Reference(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([2.0, 2.0]), True, 10)
    return Comparison(pd.DataFrame(rows), reference, "mine")


def test_a_comparison_states_ranks_and_differences(tmp_path: Path) -> None:
    found = comparison(8)
    ranks = found.ranks()
    assert ranks[ranks["budget"] == 500]["searcher"].tolist() == ["good", "<b>ad", "bad"]
    assert ranks["rank"].tolist() == [1, 2.5, 2.5] * 2
    sure = found.differences().query("p < 0.05 and budget == 500")
    assert set(zip(sure["better"], sure["worse"], strict=True)) == {("good", "bad"), ("good", "<b>ad")}
    made = plots.average_ranks(ranks, 100)
    assert list(made.data[0].y) == ["bad", "&lt;b&gt;ad", "good"]
    assert f"critical difference of {nemenyi(8, 3):.2f}" in plots.caption(made)
    with pytest.raises(StudyError, match="budget=7 has no ranks; known are 100, 500"):
        plots.average_ranks(ranks, 7)
    lines = significance(found)
    assert lines[0].startswith("average ranks over seeds at 500: good 1.00, <b>ad 2.50, bad 2.50")
    assert "good over bad" in lines[1]
    page = tmp_path / "page.html"
    write_comparison(found, page)
    assert "More than chance?" in page.read_text()
    assert "<td><b>ad" not in page.read_text()
    assert json.loads(found.differences().to_json(orient="records"))[0]["budget"] == 100


def test_few_seeds_show_nothing_and_it_is_said() -> None:
    assert significance(comparison(5))[1] == (
        "more than chance (Wilcoxon, Holm, 5 %): no difference; fewer than six seeds can show none"
    )


def test_one_searcher_has_nothing_to_be_compared_with() -> None:
    whole = comparison(6)
    alone = Comparison(whole.table[whole.table["searcher"] == "good"], whole.reference, "mine")
    assert alone.differences().empty
    assert alone.ranks()["rank"].tolist() == [1, 1]
    assert not plots.average_ranks(alone.ranks()).data
    assert significance(alone) == []
