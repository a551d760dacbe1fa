"""Ridge regression on features and their products, two by two.

A. E. Hoerl, R. W. Kennard, "Ridge regression: biased estimation for nonorthogonal problems", Technometrics
12(1), 1970; the penalty by generalised cross-validation: G. H. Golub, M. Heath, G. Wahba, Technometrics
21(2), 1979.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from dse.surrogates.regressors.regressor import Features, Floats

# Products of more features would outnumber most data.
MOST_INTERACTING = 40
MOST_ROWS = 20_000
PENALTIES = np.logspace(-6, 4, 21)
CHUNK = 1 << 15


class Ridge:
    """Ridge regression with pairwise interactions; doubt is the same everywhere."""

    name: ClassVar[str] = "ridge"

    def __init__(self) -> None:
        self._pairs = np.empty((2, 0), np.int64)
        self._shift = self._size = self._weights = np.empty(0)
        self._constant = 0.0
        self._penalty = 0.0  # known after learning, and no part of the state

    def fit(self, features: Features, learned: Floats, seed: int) -> Self:
        rows = np.random.default_rng(seed).permutation(len(features))[:MOST_ROWS]
        features, learned = features[rows], learned[rows]
        count = features.shape[1]
        if count <= MOST_INTERACTING:
            # The square of a feature is among them: an effect need not be linear.
            self._pairs = np.array(np.triu_indices(count))
        terms = self._terms(features)
        self._shift, self._size = _standard(terms)
        terms = (terms - self._shift) / self._size
        self._constant = float(learned.mean())
        self._weights, self._penalty = _weights(terms, learned - self._constant)
        return self

    def _terms(self, features: Features) -> Floats:
        plain = features.astype(float)
        return np.hstack([plain, plain[:, self._pairs[0]] * plain[:, self._pairs[1]]])

    def predict(self, features: Features) -> tuple[Floats, Floats]:
        weights = self._weights / self._size
        count = features.shape[1]
        # The weights of products as a matrix: products of a million designs are then never written down.
        square = np.zeros((count, count))
        square[self._pairs[0], self._pairs[1]] = weights[count:]
        mean = np.empty(len(features))
        for start in range(0, len(features), CHUNK):
            plain = features[start : start + CHUNK].astype(float)
            mean[start : start + CHUNK] = plain @ weights[:count] + ((plain @ square) * plain).sum(axis=1)
        return mean + (self._constant - float(self._shift @ weights)), np.ones(len(mean))

    def left_out(self, features: Features, learned: Floats) -> tuple[Floats, Floats] | None:
        # A residual over one less the leverage: D. M. Allen, "The relationship between variable selection and
        # data augmentation and a method for prediction", Technometrics 16(1), 1974.
        n = len(features)
        if n > MOST_ROWS:
            return None
        terms = self._terms(features)
        shift, size = _standard(terms)
        terms = (terms - shift) / size
        centred = learned - learned.mean()
        count = terms.shape[1]
        gram = terms @ terms.T if n < count else terms.T @ terms
        values, vectors = np.linalg.eigh(gram)
        values = np.maximum(values, 0.0)
        shrunk = values / (values + self._penalty * n)
        if n >= count:
            positive = values > values.max() * 1e-12
            vectors = terms @ vectors[:, positive] / np.sqrt(values[positive])
            shrunk = shrunk[positive]
        residual = centred - vectors @ (shrunk * (vectors.T @ centred))
        leverage = (vectors**2) @ shrunk + 1.0 / n
        return learned - residual / np.maximum(1.0 - leverage, 1e-9), np.ones(n)

    @property
    def importance(self) -> None:
        return None

    def state(self) -> dict[str, Any]:
        return {
            "pairs": self._pairs,
            "shift": self._shift,
            "size": self._size,
            "weights": self._weights,
            "constant": np.array(self._constant),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        made = cls()
        made._pairs, made._shift, made._size = state["pairs"], state["shift"], state["size"]
        made._weights, made._constant = state["weights"], float(state["constant"])
        return made


def _standard(terms: Floats) -> tuple[Floats, Floats]:
    """Return the mean and the deviation (terms,) of each term; the latter infinite where it is constant."""
    deviation = terms.std(axis=0)
    return terms.mean(axis=0), np.where(deviation > 1e-7, deviation, np.inf)


def _weights(terms: Floats, centred: Floats) -> tuple[Floats, float]:
    """Return the weights (terms,) of the least generalised cross-validation error, and the penalty a row."""
    n, count = terms.shape
    gram = terms @ terms.T if n < count else terms.T @ terms
    values, vectors = np.linalg.eigh(gram)
    values = np.maximum(values, 0.0)
    along = vectors.T @ (centred if n < count else terms.T @ centred)
    best, weights, chosen = np.inf, np.zeros(count), PENALTIES[-1]
    for penalty in PENALTIES * n:
        found = vectors @ (along / (values + penalty))
        candidate = terms.T @ found if n < count else found
        freedom = float((values / (values + penalty)).sum()) + 1.0
        if freedom >= n - 0.5:
            continue
        residual = centred - terms @ candidate
        error = float(residual @ residual) / (n - freedom) ** 2
        if error < best:
            best, weights, chosen = error, candidate, penalty / n
    return weights, float(chosen)
