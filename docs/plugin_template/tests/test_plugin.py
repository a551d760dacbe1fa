"""What dse promises its users, the package keeps: run by ``pytest``."""

from __future__ import annotations

import numpy as np
from fir_filter.model import fir_model
from fir_filter.searcher import StepWalk
from fir_filter.space import fir_space
from fir_filter.study import problem

from dse import Study
from dse.testing import check_cost_model, check_searcher, check_space


def test_space() -> None:
    check_space(fir_space())


def test_model() -> None:
    check_cost_model(fir_model(), fir_space())


def test_values_of_the_source() -> None:
    designs = fir_space().designs(
        {"fir.multipliers": [1, 64], "fir.word_bits": [8, 32], "fir.clock_mhz": [100, 100],
         "fir.adders": ["tree", "tree"]}
    )  # fmt: skip
    found = fir_model().evaluate(designs)
    np.testing.assert_allclose(found["area_um2"], [36 + 282, 64 * (137 + 3495)])
    np.testing.assert_allclose(found["msamples_s"], [100 / 64, 100])


def test_searcher() -> None:
    check_searcher(StepWalk)


def test_study(tmp_path) -> None:
    study = Study("fir", problem(), searcher=StepWalk, store=f"sqlite:///{tmp_path}/fir.db").run(budget=60)
    assert (study.front()["snr_db"] >= 60).all()
