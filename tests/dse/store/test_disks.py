"""SQLite on a network file system is refused before anything is written."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from dse.errors import StoreError
from dse.store import Store, disks
from dse.testing import check_store

LINES = """22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 22 0:35 / {mount} rw,relatime shared:20 - nfs4 server:/export rw,vers=4.2
41 40 0:36 / {mount}/here rw - tmpfs tmpfs rw
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "my home"
    (home / "here").mkdir(parents=True)
    mounts = tmp_path / "mountinfo"
    mounts.write_text(LINES.format(mount=str(home).replace(" ", r"\040")))
    monkeypatch.setattr(disks, "MOUNTS", mounts)
    return home


def test_the_kind_is_that_of_the_nearest_mount(folder: Path) -> None:
    assert disks.file_system(folder / "a.db") == "nfs4"
    assert disks.file_system(folder / "here" / "a.db") == "tmpfs"
    assert disks.file_system(folder.parent / "my home2" / "a.db") == "ext4"


def test_it_is_refused_with_the_mend(folder: Path) -> None:
    with pytest.raises(StoreError, match=r"network file system \(nfs4\).*local disk, or postgresql://"):
        Store(f"sqlite:///{folder}/a.db")
    assert not (folder / "a.db").exists()
    Store(f"sqlite:///{folder}/here/a.db").close()


def test_who_answers_for_it_gets_it_without_a_log(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(disks.ALLOWED, "1")
    check_store(lambda: Store(f"sqlite:///{folder}/a.db"))
    with sqlite3.connect(folder / "a.db") as raw:
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_without_a_table_of_mounts_nothing_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disks, "MOUNTS", folder / "none")
    Store(f"sqlite:///{folder}/a.db").close()
