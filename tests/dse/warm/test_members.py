"""Starts from files and lists: every row a member of the space, or a message with its mend."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse import Designs, Integer, Space, Study
from dse.errors import StudyError
from dse.store import Store
from dse.warm import Table, exact_members, nearest_members, read_table
from tests.dse.warm.problems import SPACE, problem_of


def forms(designs: Designs, folder: Path) -> dict[str, Any]:
    """Return designs in all the forms in which they may be given."""
    frame = designs.to_frame()
    frame["published_error"] = 0.5
    frame.to_csv(folder / "d.csv", index_label="number")
    (folder / "rows.json").write_text(json.dumps(list(designs.rows())))
    (folder / "columns.json").write_text(json.dumps({name: designs[name].tolist() for name in designs.names}))
    plain = frame.drop(columns="mode")  # a column of mixed types is none to Parquet
    plain["mode"] = frame["mode"].map(lambda value: None if value is None else str(value))
    plain.to_parquet(folder / "d.parquet")
    return {
        "csv": folder / "d.csv",
        "rows": str(folder / "rows.json"),
        "columns": folder / "columns.json",
        "parquet": str(folder / "d.parquet"),
        "frame": frame,
        "list": list(designs.rows()),
        "designs": designs,
    }


def test_designs_are_the_same_in_whatever_form(tmp_path: Path, url: str) -> None:
    designs = SPACE.sample(200, 0)
    distinct = dict.fromkeys(SPACE.keys(designs.codes))
    for name, form in forms(designs, tmp_path).items():
        study = Study(name, problem_of(SPACE), "random", store=url, warm=form)
        assert study.start is not None
        assert SPACE.keys(study.start.codes) == list(distinct), name
    study.run(7)
    assert study.evaluations()[list(SPACE.names)].to_dict("records") == list(designs.take(slice(7)).rows())


def test_one_design_as_it_is_exported(tmp_path: Path) -> None:
    design = next(iter(SPACE.sample(1, 3).rows()))
    path = tmp_path / "design.json"
    path.write_text(json.dumps({"study": "a", "metrics": {"f": 1.0}, "parameters": design}))
    assert list(exact_members(SPACE, read_table(path)).rows()) == [design]


def test_cells_of_inactive_parameters_may_be_empty(tmp_path: Path) -> None:
    path = tmp_path / "published.csv"
    path.write_text(
        "paper,tile,stages,dtype,mode,split,splits,volts\n"
        "A,16,1.0,fp16,,FALSE,,\n"
        "B,128,2, 8 ,2.5,true,4, 0.75\n"
    )
    rows = list(exact_members(SPACE, read_table(path)).rows())
    assert rows[0] == {
        "tile": 16, "stages": 1, "dtype": "fp16", "mode": None, "split": False, "splits": 2, "volts": 1.0,
    }  # fmt: skip
    assert rows[1] == {
        "tile": 128, "stages": 2, "dtype": "8", "mode": 2.5, "split": True, "splits": 4, "volts": 0.75,
    }  # fmt: skip


HEAD = "tile,stages,dtype,mode,split,splits,volts\n16,1,fp16,on,True,2,1.0\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + "48,1,fp16,on,True,2,1.0", r"published.csv, row 2: tile: value 48 is outside its"),
        (HEAD + "16,9,fp16,on,True,2,1.0", r"row 2: stages: value 9 is outside its domain 1..5"),
        (HEAD + "16,1,bf16,on,True,2,1.0", r"row 2: dtype: value 'bf16' is outside.*or take the nearest"),
        (HEAD + "16,1,fp16,on,1,2,1.0", r"row 2: split: value '1' is outside"),
        (HEAD + "16,1,fp16,on,True,3,1.0", r"row 2: splits: value 3 is outside its domain 2..8 step 2"),
        (HEAD + "16,1,fp16,on,True,2,1.0V", r"row 2: volts: value '1.0V' is outside its domain \[0.5, 1.5\]"),
        (HEAD + "16,1,fp16,on,True,,1.0", r"row 2: 'splits' has no value"),
        (HEAD + "128,5,fp16,on,True,2,1.0", r"row 2 breaks the constraint 'tile .*' \(tile=128, stages=5\)"),
        (HEAD + "16,1,fp16,on,True,2", r"row 2: 6 cells under a head of 7"),
        ("tile_m,stages\n16,1", r"has no column 'tile': add it, or take the nearest.*--warm-nearest"),
        ("a,b\n1,2", r"has none of the parameters \(tile, .*\), only a, b: name the columns"),
        ("tile,stages,dtype,mode,split\n", r"holds no design"),
        ("", r"is empty: write a head"),
        ('tile,stages\n"16,1', r"is no CSV"),
    ],
)  # fmt: skip
def test_bad_rows_are_named_with_their_mend_and_no_study_is_made(
    text: str, message: str, tmp_path: Path, url: str
) -> None:
    (tmp_path / "published.csv").write_text(text)
    with pytest.raises(StudyError, match=message):
        Study("a", problem_of(SPACE), "random", store=url, warm=tmp_path / "published.csv")
    with Store(url) as store:
        assert not store.studies()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.csv", None, "there is no file"),
        ("a.json", b"{", "is no JSON"),
        ("a.json", b"[1, 2]", "a list of objects"),
        ("a.json", b'{"tile": [1], "stages": [1, 2]}', "columns differ in length"),
        ("a.parquet", b"PAR0", "a.parquet"),
        ("a.csv", b"tile\n\xff", "is no CSV"),
    ],
)
def test_files_that_cannot_be_read_are_said_to_be(
    name: str, content: bytes | None, message: str, tmp_path: Path, url: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(StudyError, match=message):
        Study("a", problem_of(SPACE), "random", store=url, warm=str(tmp_path / name))
    with pytest.raises(StudyError, match=r"is no file of designs: give one that ends in .csv, .json"):
        Study("a", problem_of(SPACE), "random", store=url, warm=Path("designs.xlsx"))


def test_rows_outside_become_the_nearest_members_on_request(tmp_path: Path, url: str) -> None:
    rows = [
        {"tile": 48, "stages": 9, "dtype": "fp16", "mode": "on", "split": True, "splits": 5, "volts": 9.0},
        {"tile": 128, "stages": 5, "dtype": "bf16", "mode": None, "split": False},
        {"tile": 64, "stages": 2, "dtype": "8", "mode": 3, "split": True, "splits": 8, "volts": 1.25},
    ]
    study = Study("a", problem_of(SPACE), "random", store=url, warm=rows, warm_nearest=True)
    assert study.start is not None
    assert SPACE.contains(study.start).all()
    found = list(study.start.rows())
    assert found[0] == {**rows[0], "tile": 32, "stages": 5, "splits": 4, "volts": 1.5}
    assert found[1]["tile"] * found[1]["stages"] <= 256
    assert (found[1]["mode"], found[1]["split"]) == (None, False)
    assert (found[1]["tile"], found[1]["stages"]) in {(128, 2), (32, 5), (64, 4)}
    assert found[2] == rows[2]
    assert study.started_from == [
        "a list of designs: 3 designs evaluated first, from 3 rows, "
        "2 of which had to be moved into this space"
    ]
    with pytest.raises(StudyError, match=r"designs, row 1: tile: value 48"):
        Study("b", problem_of(SPACE), "random", store=url, warm=rows)


numbers = st.one_of(st.integers(-500, 500), st.floats(allow_nan=True, allow_infinity=True), st.none())


@settings(max_examples=30, deadline=None)
@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {"tile": numbers},
            optional={
                "stages": numbers, "splits": numbers, "volts": numbers, "foreign": numbers,
                "dtype": st.sampled_from(["fp16", "bf16", "", "8", 8]),
                "mode": st.sampled_from([None, "on", "off", 3, "2.5"]),
                "split": st.sampled_from([True, False, "no"]),
            },
        ),
        min_size=1, max_size=5,
    ),
    seed=st.integers(0, 3),
)  # fmt: skip
def test_the_nearest_are_members_and_a_function_of_the_seed(rows: list[dict[str, Any]], seed: int) -> None:
    found = nearest_members(SPACE, Table.of_rows("designs", rows), seed)
    assert len(found.designs) == len(rows) == len(found.distance)
    assert SPACE.contains(found.designs).all()
    again = nearest_members(SPACE, Table.of_rows("designs", rows), seed)
    assert again.designs == found.designs
    # A member is nearest to itself.
    same = nearest_members(SPACE, Table.of_designs("designs", found.designs), seed + 1)
    assert same.designs == found.designs
    assert (same.distance == 0).all()


def test_the_nearest_in_a_space_that_is_hardly_feasible() -> None:
    space = Space([Integer(f"x{i}", 0, 40) for i in range(6)], ["x0 + x1 + x2 + x3 + x4 + x5 == 40"])
    wanted = [{f"x{i}": 10 for i in range(6)}]
    found = nearest_members(space, Table.of_rows("designs", wanted))
    assert space.contains(found.designs).all()
