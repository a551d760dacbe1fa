"""A surrogate as a file: nothing in it is trusted that this toolkit did not write."""

from __future__ import annotations

import io
import json
import pickle
import zipfile

import numpy as np
import pytest
import skops.io

from dse.errors import SurrogateError
from dse.surrogates import Surrogate, fit

from .test_surrogate import MODELS, SPACE, measured


@pytest.fixture(scope="module", params=MODELS)
def surrogate(request: pytest.FixtureRequest) -> Surrogate:
    return fit(measured(60), model=request.param)


@pytest.fixture(scope="module")
def forest() -> bytes:
    return fit(measured(60), model="forest").to_bytes()


def rewritten(data: bytes, changes: dict[str, bytes | None]) -> bytes:
    """Return the zip with members replaced, or left out."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            content = changes.get(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
    return out.getvalue()


def manifest(data: bytes, **changes: object) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        found = json.loads(file.read("manifest.json"))
    return rewritten(data, {"manifest.json": json.dumps({**found, **changes}).encode()})


def test_a_round_trip_predicts_the_same_to_the_last_bit(surrogate: Surrogate) -> None:
    again = Surrogate.from_bytes(surrogate.to_bytes())
    designs = SPACE.sample(200, 1)
    one, other = surrogate.predict(designs, 0.8), again.predict(designs, 0.8)
    for name in surrogate.metrics:
        for part in ("mean", "lower", "upper"):
            np.testing.assert_array_equal(getattr(one, part)[name], getattr(other, part)[name])
    np.testing.assert_array_equal(one.failure, other.failure)
    np.testing.assert_array_equal(one.outside, other.outside)
    assert again.report == surrogate.report
    assert again.choice == surrogate.choice


@pytest.mark.parametrize(
    "data",
    [b"", b"no zip at all", pickle.dumps({"a": 1}), b"PK\x03\x04" + bytes(100)],
    ids=["empty", "text", "pickle", "half a zip"],
)
def test_a_foreign_file_is_no_surrogate(data: bytes) -> None:
    with pytest.raises(SurrogateError, match="no surrogate, or it is damaged"):
        Surrogate.from_bytes(data)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_cut_off_file_is_damaged(forest: bytes, share: float) -> None:
    with pytest.raises(SurrogateError, match="damaged"):
        Surrogate.from_bytes(forest[: int(len(forest) * share)])


def test_changed_bytes_are_noticed_or_harmless(forest: bytes) -> None:
    """The zip's own checksums cover what its members hold; some bytes beside them say nothing."""
    rng = np.random.default_rng(0)
    designs = SPACE.sample(50, 0)
    expected = Surrogate.from_bytes(forest).predict(designs).upper["latency"]
    noticed = 0
    for place in rng.integers(200, len(forest) - 2_000, 12):
        data = bytearray(forest)
        data[place] ^= 0xFF
        try:
            found = Surrogate.from_bytes(bytes(data)).predict(designs).upper["latency"]
        except SurrogateError:
            noticed += 1
        else:
            np.testing.assert_array_equal(found, expected)
    assert noticed >= 10


def test_a_type_that_is_not_trusted_is_not_built(forest: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(forest)) as file:
        member = next(name for name in file.namelist() if name.endswith(".skops"))
    from sklearn.preprocessing import FunctionTransformer

    foreign = skops.io.dumps(FunctionTransformer(func=np.testing.assert_equal))
    with pytest.raises(SurrogateError, match="not trusted"):
        Surrogate.from_bytes(rewritten(forest, {member: foreign}))


def test_arrays_of_objects_are_refused(forest: bytes) -> None:
    packed = io.BytesIO()
    np.savez(packed, **{"seen/0": np.array([{"a": 1}], object)})
    with pytest.raises(SurrogateError):
        Surrogate.from_bytes(rewritten(forest, {"arrays.npz": packed.getvalue()}))


def test_another_format_and_another_scikit_learn_are_named(forest: bytes) -> None:
    with pytest.raises(SurrogateError, match=r"format 'dse-surrogate/1' but 'dse-surrogate/9'"):
        Surrogate.from_bytes(manifest(forest, format="dse-surrogate/9"))
    with pytest.raises(SurrogateError, match=r"scikit-learn 0\.1, this is .*retrain it"):
        Surrogate.from_bytes(manifest(forest, sklearn="0.1"))


def test_a_file_that_would_fill_the_memory_is_refused(forest: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dse.surrogates.storage.LARGEST", 10_000)
    with pytest.raises(SurrogateError, match="no surrogate"):
        Surrogate.from_bytes(forest)
