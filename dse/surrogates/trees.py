"""Trees from a file, checked before they are asked: compiled code follows their numbers without looking.

skops builds objects of trusted types, and says nothing of what is in them. scikit-learn's trees are arrays of
nodes that hold the places of their children and of the feature they look at, and neither reading nor
predicting compares these with the arrays' lengths: a crafted file reads foreign memory, or never ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.errors import SurrogateError

TREES = (
    "sklearn.tree._tree.Tree",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
)
DEEPEST = 20
Integers = NDArray[np.integer[Any]]


def check_trees(estimator: Any, features: int) -> None:
    """Raise `SurrogateError` unless every tree within an estimator is one for so many features.

    Every node's children come after it, so that a way down ends; they, and the features asked for, exist.
    """
    for tree, known in _trees(estimator, features):
        check = _check_histogram if hasattr(tree, "nodes") else _check_tree
        check(tree, known)


def _check_tree(tree: Any, features: int) -> None:
    """Check a ``sklearn.tree._tree.Tree``."""
    left, right = tree.children_left, tree.children_right
    inner = left != -1
    values = tree.value
    if tree.node_count != len(left) or values.shape[0] != len(left) or tree.n_features > features:
        raise _foreign("has other nodes, or features, than it says")
    _check_nodes(inner, left, right, tree.feature, features)


def _check_histogram(tree: Any, features: int) -> None:
    """Check a tree of scikit-learn's histogram gradient boosting."""
    nodes = tree.nodes
    if not isinstance(nodes, np.ndarray) or nodes.dtype.names is None or nodes.ndim != 1:
        raise _foreign("has no nodes")
    if nodes["is_categorical"].any():
        raise _foreign("splits by categories, of which there are none here")
    _check_nodes(nodes["is_leaf"] == 0, nodes["left"], nodes["right"], nodes["feature_idx"], features)


def _check_nodes(
    inner: NDArray[np.bool_], left: Integers, right: Integers, asked: Integers, features: int
) -> None:
    count = len(inner)
    places = np.arange(count)
    if not count:
        raise _foreign("has no nodes")
    for children in (left, right):
        # In the order in which trees are grown a child comes after its parent.
        if not ((children > places) & (children < count))[inner].all():
            raise _foreign("has a node whose child is not behind it")
    if not ((asked >= 0) & (asked < features))[inner].all():
        raise _foreign(f"asks for a feature that is none of {features}")


def _foreign(what: str) -> SurrogateError:
    return SurrogateError(f"the surrogate holds a tree that {what}: this toolkit did not write it")


def _trees(item: Any, features: int, name: str = "", depth: int = 0) -> Iterator[tuple[Any, int]]:
    """Yield the trees within an object, each with how many features it may ask for."""
    if depth > DEEPEST:
        raise _foreign("lies too deep")
    kind = type(item)
    if f"{kind.__module__}.{kind.__name__}" in TREES:
        yield item, features
    elif isinstance(item, Mapping):
        for key, value in item.items():
            yield from _trees(value, features, str(key), depth + 1)
    elif isinstance(item, list | tuple) or (isinstance(item, np.ndarray) and item.dtype == object):
        for value in np.ravel(item) if isinstance(item, np.ndarray) else item:
            yield from _trees(value, features, name, depth + 1)
    elif kind.__module__.startswith("sklearn.") and hasattr(item, "__dict__"):
        own = vars(item).get("n_features_in_")
        if isinstance(own, int | np.integer):
            # An ensemble hands on what it is given, itself having counted it; others transform it.
            features = min(int(own), features) if name == "estimators_" or depth == 0 else int(own)
        for key, value in vars(item).items():
            yield from _trees(value, features, key, depth + 1)
