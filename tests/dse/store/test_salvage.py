"""A damaged file: what was committed and can be read is saved, and goes on."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from dse import Study, StudyView
from dse.errors import StoreError
from dse.store import Store
from dse.store.salvage import salvage
from tests.commands import dse
from tests.dse.problems import tiling_problem

BUDGET, PAGE = 900, 4096


def run(url: str, budget: int = BUDGET) -> Study:
    return Study("a", tiling_problem(fail_every=11), "nsga2", seed=5, store=url, batch=25).run(budget)


def damage(path: Path, pages: list[int]) -> None:
    data = bytearray(path.read_bytes())
    for page in pages:
        data[page * PAGE : (page + 1) * PAGE] = random.Random(page).randbytes(PAGE)
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    "seed", [0, 1, 2, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 40))]
)
def test_what_can_be_read_is_saved_as_it_was(seed: int, tmp_path: Path) -> None:
    path = tmp_path / "bad.db"
    study = run(f"sqlite:///{path}")
    whole = study.evaluations()
    study.store.close()
    pages = path.stat().st_size // PAGE
    # The first pages, where the studies' own table lies, are left alone: without it nothing can be read.
    damage(path, random.Random(seed).sample(range(12, pages), 2))
    with Store(f"sqlite:///{tmp_path}/good.db") as target:
        try:
            (saved,) = salvage(path, target)
        except StoreError as error:
            pytest.skip(f"the studies themselves were hit: {error}")
        first = StudyView("a", target).evaluations()
        assert len(first) == saved.whole
        assert first.equals(whole.iloc[: saved.whole])
        assert saved.whole + saved.rest + saved.lost <= BUDGET
        if saved.rest:
            rest = StudyView("a-rest", target).evaluations()
            keys = [column for column in whole if column not in ("number", "error")]
            expected = whole.merge(rest[keys].drop_duplicates(), on=keys)
            assert len(expected) >= len(rest), "something was saved that was never stored"
        if saved.lost == 0 and saved.rest == 0:
            assert saved.whole <= BUDGET
        again = run(target.url)
    assert len(again) == BUDGET
    assert again.evaluations().drop(columns="number").equals(whole.drop(columns="number"))


def test_a_sound_file_is_saved_whole_with_its_front(tmp_path: Path) -> None:
    study = run(f"sqlite:///{tmp_path}/a.db", 300)
    study.store.close()
    with Store(f"sqlite:///{tmp_path}/b.db") as target:
        (saved,) = salvage(tmp_path / "a.db", target)
        assert (saved.whole, saved.rest, saved.lost) == (300, 0, 0)
        view = StudyView("a", target)
        assert view.evaluations().equals(study.evaluations())
        assert view.front().equals(study.front())
        assert np.isclose(view.hypervolume(), study.hypervolume())


def test_the_command_and_what_it_says(tmp_path: Path) -> None:
    path = tmp_path / "bad.db"
    run(f"sqlite:///{path}").store.close()
    damage(path, [path.stat().st_size // PAGE // 2])
    told = dse("store", "salvage", str(path), f"sqlite:///{tmp_path}/good.db", cwd=tmp_path).stdout
    assert told.startswith("a: ")
    assert "to be resumed" in told
    for file, reason in (
        ("none.db", "there is no file 'none.db'"),
        ("text.db", "the studies cannot be read"),
    ):
        (tmp_path / "text.db").write_text("no database at all, whatever it is called" * 50)
        done = dse("store", "salvage", file, f"sqlite:///{tmp_path}/x.db", cwd=tmp_path, check=2)
        assert reason in done.stderr
