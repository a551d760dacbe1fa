"""What a surrogate sees of a design."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse import Categorical, Integer, Ordinal, Real, Space
from dse.features import Features
from dse.surrogates.encoding import MOST_TABLED, Encoding, sizes_of

SPACE = Space([
    Ordinal("inputs", [16, 24, 32, 64, 256]), Integer("reuse", 1, 640), Real("clock", 0.5, 2.0, log=True),
    Categorical("kind", ["a", "b", "c"]), Integer("offset", -3, 3), Ordinal("level", ["low", "high"]),
    Integer("huge", 1, 10 * MOST_TABLED), Integer("extra", 4, 9, active_if="kind == 'c'"),
])  # fmt: skip


def test_what_has_a_product_is_positive_and_spans_an_octave() -> None:
    assert sizes_of(SPACE) == ("inputs", "reuse", "clock", "huge", "extra")
    narrow = Space([Integer("a", 0, 9), Integer("b", 10, 19), Ordinal("c", [True, False]), Real("d", -1, 1)])
    assert sizes_of(narrow) == ()


def test_parameters_come_first_as_searchers_see_them() -> None:
    codes = SPACE.sample(500, 0).codes
    plain = Features(SPACE)(codes)
    for sizes in ((), ("inputs", "reuse")):
        found = Encoding(SPACE, sizes)(codes)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found[:, : plain.shape[1]], plain.astype(np.float32))


@settings(max_examples=20)
@given(st.integers(0, 2**31), st.integers(2, 5))
def test_products_and_quotients_lie_between_nought_and_one_and_order_as_values_do(
    seed: int, count: int
) -> None:
    sizes = sizes_of(SPACE)[:count]
    designs = SPACE.sample(60, seed)
    encoding = Encoding(SPACE, sizes)
    derived = encoding(designs.codes)[:, Features(SPACE)(designs.codes[:1]).shape[1] :]
    assert derived.shape == (60, count + count * (count - 1))
    assert (derived >= -1e-6).all()
    assert (derived <= 1 + 1e-6).all()
    values = [np.asarray(designs[name], float) for name in sizes]
    for column, value in ((0, values[0]), (count, values[0] * values[1]), (count + 1, values[0] / values[1])):
        order = np.argsort(value)
        assert (np.diff(derived[order, column]) >= -1e-6).all()


def test_equal_products_are_equal_features() -> None:
    space = Space([Ordinal("a", [16, 32, 64]), Ordinal("b", [16, 32, 64])])
    found = Encoding(space, ("a", "b"))(np.array([[0, 2], [2, 0], [1, 1]]))
    assert len(np.unique(found[:, -2])) == 1
    assert len(np.unique(found[:, -1])) == 3


def test_weights_of_features_become_those_of_their_parameters() -> None:
    encoding = Encoding(SPACE, ("inputs", "clock"))
    assert len(encoding.owners) == encoding(SPACE.sample(1, 0).codes).shape[1]
    weights = np.zeros(len(encoding.owners))
    weights[-1] = 1.0  # the quotient
    shares = encoding.by_parameter(weights)
    assert shares.tolist() == [0.5, 0, 0.5, 0, 0, 0, 0, 0]
    assert encoding.by_parameter(np.ones(len(weights))).sum() == pytest.approx(len(weights))
