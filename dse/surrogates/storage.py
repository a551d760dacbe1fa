"""A surrogate as bytes: a zip of a JSON manifest, arrays, and scikit-learn estimators by skops. No pickle.

skops builds objects of types that it is told to trust alone; `TRUSTED` lists those that these models are made
of, beside the ones that skops trusts by itself. What is in trees is checked (`dse.surrogates.trees`). Arrays
are read with ``allow_pickle=False``.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from dse.designs import Designs
from dse.errors import DseError, SurrogateError
from dse.space import Space
from dse.surrogates.conformal import Calibration
from dse.surrogates.encoding import Encoding
from dse.surrogates.feasibility import Classifier
from dse.surrogates.regressors.boosting import Boosting
from dse.surrogates.regressors.estimator import Estimator
from dse.surrogates.regressors.forest import Forest
from dse.surrogates.regressors.gaussian_process import GaussianProcess
from dse.surrogates.regressors.ridge import Ridge
from dse.surrogates.selection import Choice, Fitted
from dse.surrogates.targets import Target
from dse.surrogates.trees import check_trees

if TYPE_CHECKING:
    from dse.surrogates.surrogate import Surrogate

Kind = TypeVar("Kind", bound="Surrogate")

FORMAT = "dse-surrogate/1"
MANIFEST = "manifest.json"
ARRAYS = "arrays.npz"
# What scikit-learn's trees are made of.
TRUSTED = (
    "sklearn.tree._tree.Tree",
    "sklearn._loss.link.IdentityLink",
    "sklearn._loss.link.Interval",
    "sklearn._loss.loss.HalfSquaredError",
    "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
)
# Bytes of a part unpacked, and of all parts by those of the file: a small file must not fill the memory.
LARGEST, MOST_GROWTH = 1 << 30, 20
READERS: dict[str, Any] = {
    "forest": Forest,
    "boosting": Boosting,
    "gaussian_process": GaussianProcess,
    "ridge": Ridge,
    "estimator": Estimator,
}


def to_bytes(surrogate: Surrogate) -> bytes:
    """Return a surrogate as bytes."""
    from sklearn import __version__ as sklearn_version

    arrays: dict[str, Any] = {f"seen/{place}": seen for place, seen in enumerate(surrogate.seen)}
    estimators: dict[str, Any] = {}
    metrics = []
    for place, (name, item) in enumerate(surrogate.fitted.items()):
        arrays[f"scores/{place}"] = item.calibration.scores
        _keep(item.regressor.state(), f"metric/{place}", arrays, estimators)
        metrics.append({
            "name": name, "unit": surrogate.metrics[name], "choice": item.choice.to_dict(),
            "target": item.target.to_dict(), "floor": item.calibration.floor,
        })  # fmt: skip
    classifiers = {}
    for event, classifier in surrogate.classifiers.items():
        state = classifier.state()
        classifiers[event] = {"sizes": state.pop("sizes")}
        _keep(state, event, arrays, estimators)
    manifest = {
        "format": FORMAT,
        "sklearn": sklearn_version,
        "parameters": [parameter.to_dict() for parameter in surrogate.space.parameters],
        "metrics": metrics,
        "classifiers": classifiers,
        "report": surrogate.report,
    }
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, **arrays)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        _write(file, MANIFEST, json.dumps(manifest, allow_nan=False).encode())
        _write(file, ARRAYS, packed.getvalue())
        for key, estimator in estimators.items():
            _write(file, f"{key}.skops", _dump(estimator))
    return out.getvalue()


def _write(file: zipfile.ZipFile, name: str, data: bytes) -> None:
    # Without the time, which is no part of what was learned: the same surrogate is the same bytes.
    file.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED, 1)


def _keep(state: Mapping[str, Any], prefix: str, arrays: dict[str, Any], estimators: dict[str, Any]) -> None:
    for key, value in state.items():
        (arrays if isinstance(value, np.ndarray) else estimators)[f"{prefix}/{key}"] = value


def _dump(estimator: Any) -> bytes:
    import skops.io

    kind = type(estimator).__name__
    try:
        data = bytes(skops.io.dumps(estimator))
    except Exception as error:
        raise SurrogateError(f"{kind} cannot be stored: {error}: take another model") from error
    foreign = _foreign(data)
    if foreign:
        raise SurrogateError(
            f"{kind} cannot be stored: it holds {foreign[0]!r}, a type that skops does not trust by itself: "
            "use the surrogate without storing it, or take another model"
        )
    return data


def _foreign(data: bytes) -> list[str]:
    """Return the types within that are not trusted."""
    import skops.io

    return [item for item in skops.io.get_untrusted_types(data=data) if item not in TRUSTED]


def from_bytes(kind: type[Kind], data: bytes) -> Kind:
    """Read a surrogate.

    Raises
    ------
    SurrogateError
        If the bytes are no surrogate, are damaged, hold a type that is not trusted or trees that lead
        astray (see `dse.surrogates.trees`), or come from another version of scikit-learn.
    """
    try:
        return _read(kind, data)
    except DseError:
        raise
    except Exception as error:
        # A zip, JSON, arrays and skops fail in many ways; all mean the same to who reads it.
        raise SurrogateError(
            f"this is no surrogate, or it is damaged ({type(error).__name__}: {error}): train it again"
        ) from error


def _read(kind: type[Kind], data: bytes) -> Kind:
    from sklearn import __version__ as sklearn_version

    with zipfile.ZipFile(io.BytesIO(data)) as file:
        names = file.namelist()
        _check_sizes(file)
        if MANIFEST not in names:
            raise SurrogateError(f"this is no surrogate: it holds {', '.join(names[:3]) or 'nothing'}")
        manifest = json.loads(file.read(MANIFEST))
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
            found = manifest.get("format") if isinstance(manifest, dict) else type(manifest).__name__
            raise SurrogateError(f"this is no surrogate of format {FORMAT!r} but {found!r}: train it again")
        if manifest["sklearn"] != sklearn_version:
            # scikit-learn promises nothing of estimators of another version.
            raise SurrogateError(
                f"the surrogate was trained with scikit-learn {manifest['sklearn']}, this is "
                f"{sklearn_version}: retrain it"
            )
        packed = file.read(ARRAYS)
        with zipfile.ZipFile(io.BytesIO(packed)) as inner:
            _check_sizes(inner)
        with np.load(io.BytesIO(packed), allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in stored.files}
        estimators = {
            key.removesuffix(".skops"): _load(file.read(key)) for key in names if key.endswith(".skops")
        }
    space = Space.from_dict({"format": "dse-space/1", "parameters": manifest["parameters"]})
    _check_estimators(space, manifest, estimators)
    parts = {**arrays, **estimators}
    fitted = {}
    for place, item in enumerate(manifest["metrics"]):
        choice = Choice.from_dict(item["choice"])
        fitted[item["name"]] = Fitted(
            choice,
            Target.from_dict(item["target"]),
            READERS[choice.model].from_state(_of(parts, f"metric/{place}")),
            Calibration(arrays[f"scores/{place}"], float(item["floor"])),
        )
    classifiers = {
        event: Classifier.from_state(space, {**_of(parts, event), **held})
        for event, held in manifest["classifiers"].items()
    }
    made = kind(
        space,
        {item["name"]: item["unit"] for item in manifest["metrics"]},
        fitted,
        classifiers,
        [arrays[f"seen/{place}"] for place in range(len(space.parameters))],
        manifest["report"],
    )
    # Arrays of other shapes than each other's are found out now, and not in the middle of a study.
    made.predict(Designs(space, np.array([[seen[0] for seen in made.seen]])))
    return made


def _check_sizes(file: zipfile.ZipFile) -> None:
    """Raise `SurrogateError` for a file that would fill the memory: no more is read than a member says."""
    largest = max((item.file_size for item in file.infolist()), default=0)
    total = sum(item.file_size for item in file.infolist())
    packed = sum(item.compress_size for item in file.infolist())
    if largest > LARGEST or total > LARGEST + MOST_GROWTH * packed:
        raise SurrogateError(f"this is no surrogate: it would unpack to {total:,} bytes")


def _check_estimators(space: Space, manifest: Mapping[str, Any], estimators: Mapping[str, Any]) -> None:
    """Raise `SurrogateError` unless the trees in estimators can be asked for what a space is encoded as."""
    sizes = {event: held["sizes"] for event, held in manifest["classifiers"].items()}
    sizes |= {f"metric/{place}": item["choice"]["sizes"] for place, item in enumerate(manifest["metrics"])}
    for key, estimator in estimators.items():
        check_trees(estimator, len(Encoding(space, sizes[key.rpartition("/")[0]]).owners))


def _of(parts: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    start = f"{prefix}/"
    return {key.removeprefix(start): value for key, value in parts.items() if key.startswith(start)}


def _load(data: bytes) -> Any:
    import skops.io

    with zipfile.ZipFile(io.BytesIO(data)) as file:
        _check_sizes(file)
    foreign = _foreign(data)
    if foreign:
        raise SurrogateError(
            f"the surrogate holds {foreign[0]!r}, a type that is not trusted: this toolkit did not write it"
        )
    return skops.io.loads(data, trusted=list(TRUSTED))
