"""Names and paths find the reader that they need."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dse.errors import ProblemError
from objectives.workloads import network, read_workload

CONFIG = {
    "model_type": "llama",
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "vocab_size": 10,
}


def test_names_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "resnet-18").mkdir()
    assert read_workload("resnet-18") is network("resnet-18")


def test_files_are_read_by_their_ending(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    for path in (tmp_path, str(tmp_path), tmp_path / "config.json"):
        assert read_workload(path).blocks == 1
    for name in ("net.yaml", "net.yml", "net.YML"):
        (tmp_path / name).write_text("layers: [{name: a, kind: linear, inputs: 2, outputs: 3}]")
        assert read_workload(tmp_path / name).macs() == 6


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "resnet18",
            "workload 'resnet18' is no name, no folder and no path that ends in .*resnet-18.* is meant",
        ),
        ("zzz", r"known are bitnet-b1\.58-2b4t"),
        ("", "known are|has no config"),
        ("a\0b", "is no name"),
        ("none.onnx", r"none\.onnx: this cannot be read"),
        ("none.yaml", r"none\.yaml: this cannot be read"),
        ("a\0b.json", "this cannot be read"),
    ],
)
def test_what_is_not_there_is_named(
    name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pytest.importorskip("onnx")
    with pytest.raises(ProblemError, match=message):
        read_workload(name)


def test_a_folder_without_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match=r"this folder has no config\.json"):
        read_workload(tmp_path)
