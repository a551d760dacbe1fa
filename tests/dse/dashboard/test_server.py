"""What the dashboard lets in, and what its pages may load."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from dse import Study
from dse.dashboard.server import LOCAL_NAMES, is_local, make_app
from dse.dashboard.state import View, design_path, known, place, study_path, view
from dse.errors import StoreError
from dse.store import Store
from tests.commands import dse
from tests.dse.problems import tiling_problem
from tests.dse.studies import HOSTILE


@pytest.fixture
def store(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/a.db"
    Study("a", tiling_problem(), "random", store=url).run(60)
    return url


def test_beyond_this_machine_a_token_is_asked_for(store: str) -> None:
    client = make_app(store, token="secret").server.test_client()
    assert client.get("/").status_code == 401
    assert client.get("/?token=wrong").status_code == 401
    assert client.post("/_dash-update-component", json={}).status_code == 401
    shown = client.get("/study/a/front?token=secret&x=energy_mj")
    assert shown.status_code == 302
    assert shown.headers["Location"] == "/study/a/front?x=energy_mj", "the token stays in the address"
    cookie = shown.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert client.get("/").status_code == 200


def test_other_names_and_other_sites_are_not_answered(store: str) -> None:
    client = make_app(store, hosts=LOCAL_NAMES).server.test_client()
    assert client.get("/", headers={"Host": "127.0.0.1:8050"}).status_code == 200
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 403
    assert client.get("/", headers={"Host": "localhost", "Origin": "http://localhost"}).status_code == 200
    assert client.get("/", headers={"Host": "localhost", "Origin": "http://evil.example"}).status_code == 403


def test_pages_load_nothing_from_elsewhere(store: str) -> None:
    answer = make_app(store).server.test_client().get("/")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy
    assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', answer.text)


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("10.0.0.3", False),
        ("me", False),
    ],
)
def test_what_is_this_machine_alone(host: str, local: bool) -> None:
    assert is_local(host) is local


def test_the_command_serves_and_says_where(store: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dse", "dashboard", "--store", store, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        told = run.stdout.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+/", told)
        assert address is not None, told
        assert b"_dash-config" in urlopen(address[0]).read()
        run.terminate()


def test_a_store_that_is_not_there_is_told_before_anything_is_served(tmp_path: Path) -> None:
    assert "run a study first" in dse("dashboard", "--store", "sqlite:///no.db", cwd=tmp_path, check=2).stderr
    with pytest.raises(StoreError):
        make_app(f"sqlite:///{tmp_path}/no.db")


def test_a_store_is_only_read(store: str) -> None:
    path = Path(store.removeprefix("sqlite:///"))
    before = path.read_bytes()
    client = make_app(store).server.test_client()
    assert client.get("/study/a/front").status_code == 200
    assert client.get("/_dash-layout").status_code == 200
    assert path.read_bytes() == before
    with Store(store) as opened:
        assert opened.team.members(1) == []


def test_addresses_say_all_and_come_back() -> None:
    chosen = View(
        {"x": "a b", "design": "7"}, {"lat&ency": (None, 2.5), "e": (1e-9, None)}, {"kind": (0, 3)},
        {"e": 2.0}, {"lat&ency": -1.0},
    )  # fmt: skip
    assert view(chosen.search()) == chosen
    assert view("?r.e=x..nan&c.kind=1,-2,z&w.e=inf&odd") == View(
        {}, {"e": (None, None)}, {"kind": (1,)}, {}, {}
    )
    for name in ("a", HOSTILE, "a/b c"):
        assert place(study_path(name, "decide")) == place(study_path(name, "decide"))
        assert place(study_path(name, "decide")).name == name
        assert place(design_path(name, 4)).part == "4"
    assert place("/elsewhere/x").page is None
    assert place("/").page == "studies"


def test_what_a_study_does_not_have_is_left_out(store: str) -> None:
    from dse import StudyView

    study = StudyView("a", store)
    given = View(
        {}, {"latency_ms": (1.0, 2.0), "old": (1.0, None)}, {"dtype": (1,), "latency_ms": (0,)}, {"old": 1.0}
    )
    assert known(given, study) == View({}, {"latency_ms": (1.0, 2.0)}, {"dtype": (1,)}, {}, {})
