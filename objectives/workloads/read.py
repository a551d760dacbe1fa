"""A network by name or from a file."""

from __future__ import annotations

import difflib
from pathlib import Path

from dse.errors import ProblemError
from objectives.workloads.hugging_face import read_config
from objectives.workloads.networks import NETWORKS, network
from objectives.workloads.onnx_file import read_onnx
from objectives.workloads.workload import Workload
from objectives.workloads.yaml_file import read_yaml

_READERS = {".json": read_config, ".onnx": read_onnx, ".yaml": read_yaml, ".yml": read_yaml}


def read_workload(name_or_path: str | Path) -> Workload:
    """Return a bundled network, or one from a file.

    Parameters
    ----------
    name_or_path
        A name of `NETWORKS`; or a path: of a Hugging Face ``config.json`` (or of a folder that has one), of
        an ONNX file, of a list of layers in YAML. `read_onnx` itself takes the sizes that an ONNX file leaves
        open.

    Raises
    ------
    ProblemError
        If there is no such network or file, or its reader refuses it.
    """
    if str(name_or_path) in NETWORKS:
        return NETWORKS[str(name_or_path)]
    path = Path(name_or_path)
    reader = _READERS.get(path.suffix.lower())
    if reader is not None:
        return reader(path)
    if _is_folder(path):
        if not (path / "config.json").is_file():
            raise ProblemError(f"workload {str(path)!r}: this folder has no config.json: give a file")
        return read_config(path)
    near = difflib.get_close_matches(str(name_or_path), NETWORKS, n=3)
    meant = f"{' or '.join(near)} is meant?" if near else f"known are {', '.join(NETWORKS)}"
    raise ProblemError(
        f"workload {str(name_or_path)!r} is no name, no folder and no path that ends in "
        f"{', '.join(_READERS)}; {meant}"
    )


def language_model(name_or_path: str | Path) -> Workload:
    """Return a language model by name or from a file; see `read_workload`.

    Raises
    ------
    ProblemError
        If there is none, or it is for images.
    """
    path = Path(name_or_path)
    file = path.suffix.lower() in _READERS or _is_folder(path)
    found = read_workload(path) if file else network(str(name_or_path))
    if found.unit != "token":
        known = ", ".join(item.name for item in NETWORKS.values() if item.unit == "token")
        raise ProblemError(
            f"workload {str(name_or_path)!r} is no language model: give a config.json or one of {known}"
        )
    return found


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False
