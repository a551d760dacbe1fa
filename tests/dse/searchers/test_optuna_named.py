"""Any sampler of Optuna by name: in a stored study, and again after it was stopped."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from dse import Study
from dse.errors import SearcherError, StudyError
from dse.searchers import make_searcher
from dse.searchers.optuna_bridge import OptunaSearcher
from dse.searchers.optuna_named import NamedSampler
from dse.testing import check_searcher
from tests.dse.problems import tiling_problem, tiling_space


@pytest.mark.slow
def test_promises_of_a_searcher() -> None:
    check_searcher(partial(NamedSampler, initial=5, options={"population_size": 8}), reals=False)


@pytest.mark.parametrize(
    ("sampler", "options"),
    [
        ("NSGAIIISampler", {"population_size": 8}),
        ("QMCSampler", {"seed": 1, "scramble": True}),
        ("RandomSampler", {}),
    ],
)
def test_a_study_names_it_and_goes_on(sampler: str, options: dict[str, int], tmp_path: Path) -> None:
    settings = {"sampler": sampler, "options": options, "initial": 5}

    def study(name: str) -> Study:
        store = f"sqlite:///{tmp_path}/dse.db"
        return Study(
            name, tiling_problem(fail_every=7), searcher="optuna", seed=2, settings=settings, store=store
        )

    whole = study("whole").run(20).evaluations()
    study("parts").run(9)
    pd.testing.assert_frame_equal(study("parts").run(20).evaluations(), whole)


def test_what_does_not_fit_says_so(tmp_path: Path) -> None:
    for settings, words in [
        ({"sampler": "NSGA"}, "'NSGA' is unknown; with a seed are"),
        ({"sampler": "PartialFixedSampler"}, "is unknown"),
        ({"options": {"size": 3}}, r"NSGAIISampler refuses options={\"size\": 3}"),
        ({"sampler": "GridSampler"}, "GridSampler refuses options"),
    ]:
        with pytest.raises(SearcherError, match=words):
            make_searcher("optuna", tiling_space(), 0, settings)
    with pytest.raises(
        StudyError, match=r"cannot be stored .*give JSON values, or a searcher that is a class"
    ):
        Study(
            "x", tiling_problem(), searcher=OptunaSearcher, settings={"sampler": lambda seed: None},
            store=f"sqlite:///{tmp_path}/dse.db",
        )  # fmt: skip
