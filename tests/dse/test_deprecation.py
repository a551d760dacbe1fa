"""How a public name goes."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from dse.deprecation import DseDeprecationWarning, deprecate


def old_name(value: int) -> int:
    deprecate("dse.old_name", instead="dse.new_name", removed_in="0.3")
    return value


def test_a_name_that_goes_still_works_and_points_at_its_user() -> None:
    with pytest.warns(DseDeprecationWarning) as caught:
        assert old_name(3) == 3
    (warning,) = caught
    assert str(warning.message) == "dse.old_name will be removed in 0.3: use dse.new_name"
    assert warning.filename == __file__


def test_users_see_it_without_asking(capsys: Any) -> None:
    with warnings.catch_warnings():
        warnings.resetwarnings()
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        with pytest.warns(FutureWarning, match=r"use dse\.new_name"):
            old_name(1)
