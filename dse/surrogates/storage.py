"""A surrogate as bytes: a zip of a JSON manifest, arrays, and scikit-learn estimators by skops. No pickle.

skops builds objects of types that it is told to trust alone; `TRUSTED` lists those that these models are made
of, beside the ones that skops trusts by itself. Arrays are read with ``allow_pickle=False``.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from dse.errors import DseError, SurrogateError
from dse.space import Space
from dse.surrogates.conformal import Calibration
from dse.surrogates.feasibility import Classifier
from dse.surrogates.regressors.boosting import Boosting
from dse.surrogates.regressors.estimator import Estimator
from dse.surrogates.regressors.forest import Forest
from dse.surrogates.regressors.gaussian_process import GaussianProcess
from dse.surrogates.regressors.ridge import Ridge
from dse.surrogates.selection import Choice, Fitted
from dse.surrogates.targets import Target

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
LARGEST = 1 << 30  # bytes of a part, unpacked: a small file must not fill the memory
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
        If the bytes are no surrogate, are damaged, hold a type that is not trusted, or come from another
        version of scikit-learn.
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
        sizes = {item.filename: item.file_size for item in file.infolist()}
        if MANIFEST not in sizes or max(sizes.values()) > LARGEST:
            raise SurrogateError(f"this is no surrogate: it holds {', '.join(list(sizes)[:3]) or 'nothing'}")
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
        with np.load(io.BytesIO(file.read(ARRAYS)), allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in stored.files}
        estimators = {
            key.removesuffix(".skops"): _load(file.read(key)) for key in sizes if key.endswith(".skops")
        }
    space = Space.from_dict({"format": "dse-space/1", "parameters": manifest["parameters"]})
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
    return kind(
        space,
        {item["name"]: item["unit"] for item in manifest["metrics"]},
        fitted,
        classifiers,
        [arrays[f"seen/{place}"] for place in range(len(space.parameters))],
        manifest["report"],
    )


def _of(parts: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    start = f"{prefix}/"
    return {key.removeprefix(start): value for key, value in parts.items() if key.startswith(start)}


def _load(data: bytes) -> Any:
    import skops.io

    foreign = _foreign(data)
    if foreign:
        raise SurrogateError(
            f"the surrogate holds {foreign[0]!r}, a type that is not trusted: this toolkit did not write it"
        )
    return skops.io.loads(data, trusted=list(TRUSTED))
