"""A user's weights and calibration inputs, read safely and a few rows at a time."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.errors import ProblemError
from objectives.workloads import Layer

Floats = NDArray[np.float64]

MOST_ELEMENTS = 1 << 33  # of one tensor: beyond, a file is taken to be broken

# Names under which Hugging Face's decoders keep the layers of a block, several where we count them as one.
_HUGGING_FACE = {
    "attention.query": (("self_attn.q_proj",),),
    "attention.key_value": (("self_attn.k_proj", "self_attn.v_proj"),),
    "attention.output": (("self_attn.o_proj",), ("self_attn.dense",)),
    "feed_forward.gate_up": (("mlp.gate_proj", "mlp.up_proj"), ("mlp.gate_up_proj",)),
    "feed_forward.up": (("mlp.fc1",), ("mlp.up_proj",)),
    "feed_forward.down": (("mlp.down_proj",), ("mlp.fc2",)),
}
_OUTSIDE = {"embedding": (("model.embed_tokens",),), "head": (("lm_head",), ("model.embed_tokens",))}


class Tensors:
    """Tensors by name, of which rows can be read.

    Parameters
    ----------
    shapes
        By name.
    read
        Returns the given rows (sorted positions) of a tensor.
    source
        The path, for messages.
    fingerprint
        Of the contents.
    """

    def __init__(
        self,
        shapes: Mapping[str, tuple[int, ...]],
        read: Callable[[str, NDArray[np.int64]], NDArray[Any]],
        source: str,
        fingerprint: str = "",
    ) -> None:
        self.shapes = dict(shapes)
        self.source = source
        self.fingerprint = fingerprint
        self._read = read

    def __contains__(self, name: object) -> bool:
        return name in self.shapes

    def rows(self, name: str, most: int) -> Floats:
        """Return at most so many rows of a tensor, evenly spread, as a matrix (rows, the rest).

        Raises
        ------
        ProblemError
            If there is no such tensor, it is a scalar or empty, or a value is not finite.
        """
        if name not in self.shapes:
            raise ProblemError(f"{self.source}: there is no tensor {name!r}")
        shape = self.shapes[name]
        if not shape or 0 in shape:
            raise ProblemError(f"{self.source}: tensor {name!r} has shape {shape}: a matrix is needed")
        chosen = np.unique(np.linspace(0, shape[0] - 1, min(most, shape[0])).astype(np.int64))
        try:
            values = np.asarray(self._read(name, chosen)).astype(np.float64)
        except (OSError, ValueError, TypeError, zipfile.BadZipFile) as error:
            raise ProblemError(f"{self.source}: tensor {name!r} cannot be read: {error}") from error
        if not np.isfinite(values).all():
            raise ProblemError(f"{self.source}: tensor {name!r} holds a value that is not finite")
        return values.reshape(len(values), -1)


def open_tensors(path: str | Path) -> Tensors:
    """Open a file of tensors; nothing is unpickled.

    Parameters
    ----------
    path
        A ``.safetensors`` file, a folder of them, an ``.npz``, or an ``.onnx`` with its initialisers.

    Raises
    ------
    ProblemError
        If it does not exist, is of another kind, or is malformed.
    """
    place = Path(path)
    if place.is_dir():
        parts = sorted(place.glob("*.safetensors"))
        if not parts:
            raise ProblemError(f"{place}: the folder has no .safetensors")
        return _joined([_safetensors(part) for part in parts], str(place))
    if not place.is_file():
        raise ProblemError(f"{place}: there is no such file")
    readers = {".safetensors": _safetensors, ".npz": _npz, ".onnx": _onnx}
    if place.suffix not in readers:
        raise ProblemError(f"{place}: tensors are read from {', '.join(readers)}")
    return readers[place.suffix](place)


def tensor_names(layer: Layer, tensors: Tensors) -> tuple[str, ...]:
    """Return the tensors that hold a layer's weights: of its own name, or as Hugging Face names them.

    Raises
    ------
    ProblemError
        If there are none.
    """
    tried = []
    for name in (layer.name, f"{layer.name}.weight"):
        tried.append(name)
        if name in tensors:
            return (name,)
    prefix = "" if layer.block is None else f"model.layers.{layer.block}."
    table = _OUTSIDE if layer.block is None else _HUGGING_FACE
    for modules in table.get(layer.kind, ()):
        names = tuple(f"{prefix}{module}.weight" for module in modules)
        tried += names
        if all(name in tensors for name in names):
            return names
    raise ProblemError(f"{tensors.source}: no tensor for layer {layer.name!r}; looked for {', '.join(tried)}")


def _safetensors(path: Path) -> Tensors:
    try:
        import ml_dtypes  # noqa: F401  (makes BF16 and FP8 known to NumPy)
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise ProblemError(
            f"{path}: reading .safetensors needs a package: pip install 'dse-toolkit[onnx]'"
        ) from error
    try:
        file: Any = safe_open(path, framework="np")
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise ProblemError(f"{path}: not a safetensors file: {error}") from error

    def read(name: str, rows: NDArray[np.int64]) -> NDArray[Any]:
        try:
            held = file.get_slice(name)
            return np.stack([np.asarray(held[row : row + 1], np.float64)[0] for row in rows.tolist()])
        except SafetensorError as error:
            raise ValueError(str(error)) from error

    return Tensors(shapes, read, str(path), _fingerprint(path))


def _npz(path: Path) -> Tensors:
    try:
        with zipfile.ZipFile(path) as archive:
            shapes = {
                item.filename.removesuffix(".npy"): _npy_shape(archive, item.filename)
                for item in archive.infolist()
            }
    # NotImplementedError: compressed in a way that zipfile does not know.
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, NotImplementedError) as error:
        raise ProblemError(f"{path}: not an .npz of arrays: {error}") from error

    def read(name: str, rows: NDArray[np.int64]) -> NDArray[Any]:
        with np.load(path, allow_pickle=False) as held:
            return np.asarray(held[name])[rows]

    return Tensors(shapes, read, str(path), _fingerprint(path))


def _npy_shape(archive: zipfile.ZipFile, name: str) -> tuple[int, ...]:
    """Return the shape in the header of an array, which is refused if it holds objects or is too large."""
    from numpy.lib import format as npy

    with archive.open(name) as file:
        version = npy.read_magic(file)
        if version == (1, 0):
            shape, _, kind = npy.read_array_header_1_0(file)
        elif version == (2, 0):
            shape, _, kind = npy.read_array_header_2_0(file)
        else:
            raise ValueError(f"{name} is of an unknown version {version}")
    if kind.hasobject:
        raise ValueError(f"{name} holds Python objects")
    if int(np.prod(shape, dtype=object)) > MOST_ELEMENTS:
        raise ValueError(f"{name} has {shape} elements, too many")
    return tuple(int(size) for size in shape)


def _onnx(path: Path) -> Tensors:
    from objectives.workloads.onnx_file import read_initialisers

    arrays = read_initialisers(path)
    return Tensors(
        {name: tuple(array.shape) for name, array in arrays.items()},
        lambda name, rows: arrays[name][rows],
        str(path),
        _fingerprint(path),
    )


def _joined(parts: list[Tensors], source: str) -> Tensors:
    owner = {name: part for part in parts for name in part.shapes}
    shapes = {name: part.shapes[name] for name, part in owner.items()}
    together = "+".join(part.fingerprint for part in parts)
    return Tensors(shapes, lambda name, rows: owner[name]._read(name, rows), source, together)


def _fingerprint(path: Path) -> str:
    """Return a hash of a file's size and of 64 pieces of 4 KiB, evenly spread: files may be of many GiB."""
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        for start in np.unique(np.linspace(0, max(0, size - 4096), 64).astype(np.int64)).tolist():
            file.seek(start)
            digest.update(file.read(4096))
    return digest.hexdigest()[:16]
