"""Trees from a file: those that would lead out of their arrays, or never end, are not asked."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor, StackingRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures
from sklearn.tree._tree import Tree

from dse.errors import SurrogateError
from dse.surrogates import Surrogate, fit
from dse.surrogates.storage import TRUSTED
from dse.surrogates.trees import check_trees

from .test_storage import rewritten
from .test_surrogate import measured

Nodes = Any
MODELS = {
    "latency": {"model": "ridge", "scale": "linear"},
    "power": {"model": "forest", "scale": "linear"},
    "units": {"model": "ridge", "scale": "linear"},
}
POINTS = np.random.default_rng(0).random((60, 3))


@pytest.fixture(scope="module")
def file() -> bytes:
    return fit(measured(60), model=MODELS).to_bytes()


def changed(tree: Tree, change: Callable[[Nodes], None]) -> Tree:
    """The same tree, but for some of its numbers."""
    state = tree.__getstate__()
    nodes = state["nodes"].copy()
    change(nodes)
    made = Tree(tree.n_features, np.array([tree.max_n_classes]), 1)
    made.__setstate__({**state, "nodes": nodes})
    return made


def parent(nodes: Nodes) -> int:
    """The last node that has children."""
    return int(np.flatnonzero(nodes["left_child"] > 0)[-1])


def beyond(nodes: Nodes) -> None:
    nodes["right_child"][parent(nodes)] = len(nodes)


def negative(nodes: Nodes) -> None:
    nodes["left_child"][parent(nodes)] = -5


def circle(nodes: Nodes) -> None:
    nodes["left_child"][parent(nodes)] = 0


def itself(nodes: Nodes) -> None:
    place = parent(nodes)
    nodes["left_child"][place] = place


def feature(nodes: Nodes) -> None:
    nodes["feature"][parent(nodes)] = 10_000


def no_feature(nodes: Nodes) -> None:
    nodes["feature"][parent(nodes)] = -2


CHANGES = [beyond, negative, circle, itself, feature, no_feature]


@pytest.mark.parametrize("change", CHANGES)
def test_a_tree_that_leads_astray_is_refused(change: Callable[[Nodes], None]) -> None:
    forest = ExtraTreesRegressor(2, random_state=0).fit(POINTS, POINTS[:, 0])
    check_trees(forest, 3)
    forest.estimators_[-1].tree_ = changed(forest.estimators_[-1].tree_, change)
    with pytest.raises(SurrogateError, match=r"holds a tree that .* did not write it"):
        check_trees(forest, 3)


@pytest.mark.parametrize("member", ["metric/1/forest.skops", "failed/forest.skops"])
def test_a_file_with_such_a_tree_is_not_read(file: bytes, member: str) -> None:
    Surrogate.from_bytes(file)
    with zipfile.ZipFile(io.BytesIO(file)) as parts:
        forest = skops.io.loads(parts.read(member), trusted=list(TRUSTED))
    forest.estimators_[-1].tree_ = changed(forest.estimators_[-1].tree_, beyond)
    with pytest.raises(SurrogateError, match="not behind it"):
        Surrogate.from_bytes(rewritten(file, {member: skops.io.dumps(forest)}))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("left", 10**6, "not behind it"),
        ("right", 0, "not behind it"),
        ("feature_idx", 3, "feature that is none of 3"),
        ("feature_idx", -1, "feature that is none of 3"),
        ("is_categorical", 1, "splits by categories"),
    ],
)
def test_boosted_trees_are_checked_too(field: str, value: int, message: str) -> None:
    boosting = HistGradientBoostingRegressor(max_iter=3).fit(POINTS, POINTS[:, 0])
    check_trees(boosting, 3)
    nodes = boosting._predictors[-1][0].nodes
    nodes[field][int(np.flatnonzero(nodes["is_leaf"] == 0)[-1])] = value
    with pytest.raises(SurrogateError, match=message):
        check_trees(boosting, 3)


def test_trees_of_more_features_than_there_are_are_refused() -> None:
    forest = ExtraTreesRegressor(3, random_state=0).fit(POINTS, POINTS[:, 2])
    check_trees(forest, 3)
    with pytest.raises(SurrogateError, match=r"other nodes, or features"):
        check_trees(forest, 2)


def test_trees_within_a_user_s_estimator_are_found_and_fair_ones_pass() -> None:
    target = POINTS[:, 0] * POINTS[:, 1]
    made = make_pipeline(PolynomialFeatures(2), ExtraTreesRegressor(3, random_state=0)).fit(POINTS, target)
    first = [("a", ExtraTreesRegressor(2)), ("b", LinearRegression())]
    stacked = StackingRegressor(first, ExtraTreesRegressor(3), cv=2).fit(POINTS, target)
    for whole, part in ((made, made[-1]), (stacked, stacked.final_estimator_)):
        check_trees(whole, 3)
        part.estimators_[0].tree_ = changed(part.estimators_[0].tree_, beyond)
        with pytest.raises(SurrogateError, match="not behind it"):
            check_trees(whole, 3)


def test_a_file_within_a_file_cannot_fill_the_memory(file: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as inner:
        inner.writestr("seen/0.npy", bytes(40_000_000))
    monkeypatch.setattr("dse.surrogates.storage.LARGEST", 20_000_000)
    Surrogate.from_bytes(file)
    for member in ("arrays.npz", "failed/forest.skops"):
        with pytest.raises(SurrogateError, match="would unpack to 40,000,"):
            Surrogate.from_bytes(rewritten(file, {member: bomb.getvalue()}))


def test_arrays_that_do_not_fit_each_other_are_found_when_the_file_is_read(file: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(file)) as parts, np.load(io.BytesIO(parts.read("arrays.npz"))) as stored:
        arrays = dict(stored)
    arrays["metric/0/weights"] = arrays["metric/0/weights"][:-3]
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, **arrays)
    with pytest.raises(SurrogateError, match="damaged"):
        Surrogate.from_bytes(rewritten(file, {"arrays.npz": packed.getvalue()}))
