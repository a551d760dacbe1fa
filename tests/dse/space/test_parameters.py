"""Parameters: values to codes and back, domains, and what they refuse."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse import Categorical, Integer, Ordinal, Parameter, Real
from dse.errors import DesignError, DseError, SpaceError
from dse.space.parameters import parameter_from_dict
from tests.strategies import any_parameter, values_of


def some_codes(parameter: Parameter, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    if isinstance(parameter, Real):
        inner = parameter.unscaled(rng.random(20))
        return np.concatenate([[parameter.low, parameter.high], inner])
    top = int(parameter.cardinality) - 1
    return np.concatenate([[0, top], rng.integers(top + 1, size=20)])


@given(any_parameter(), st.integers(0, 2**32 - 1))
def test_codes_to_values_to_codes_is_exact(parameter: Parameter, seed: int) -> None:
    codes = some_codes(parameter, np.random.default_rng(seed))
    values = parameter.decode(codes)
    for given_values in (values, values.tolist(), list(values)):
        again = parameter.encode(given_values)
        assert again.dtype == (np.float64 if isinstance(parameter, Real) else np.int64)
        assert np.array_equal(again, codes)


@given(any_parameter())
def test_values_to_codes_to_values_is_exact(parameter: Parameter) -> None:
    if isinstance(parameter, Real):
        values = [parameter.low, parameter.high, (parameter.low / 2 + parameter.high / 2)]
    elif isinstance(parameter, Integer):
        values = [
            parameter.low,
            parameter.low + parameter.step * (int(parameter.cardinality) // 2),
            parameter.high,
        ]
    else:
        values = values_of(parameter)
    decoded = parameter.decode(parameter.encode(values))
    assert decoded.tolist() == values
    if not isinstance(parameter, Ordinal):
        # An ordinal of whole numbers and fractions decodes to floats of equal value.
        kinds = {type(value) for value in values}
        assert len(kinds) > 1 or {type(value) for value in decoded.tolist()} == kinds


@given(any_parameter(), st.integers(0, 2**32 - 1))
def test_codes_fit_their_stored_type(parameter: Parameter, seed: int) -> None:
    codes = some_codes(parameter, np.random.default_rng(seed))
    stored = codes.astype(parameter.code_dtype)
    assert np.array_equal(stored.astype(codes.dtype), codes)
    assert parameter.code_dtype.byteorder in "<|="
    assert parameter.code_dtype.newbyteorder("<") == parameter.code_dtype


@pytest.mark.parametrize(("count", "width"), [(1, 1), (256, 1), (257, 2), (65_536, 2), (65_537, 4)])
def test_the_stored_type_is_the_smallest(count: int, width: int) -> None:
    assert Integer("p", 5, 4 + count).code_dtype.itemsize == width


@given(any_parameter(), st.integers(0, 2**32 - 1))
def test_scaled_is_monotonic_within_the_unit_interval(parameter: Parameter, seed: int) -> None:
    codes = np.sort(some_codes(parameter, np.random.default_rng(seed)))
    unit = parameter.scaled(codes)
    assert np.all((unit >= -1e-9) & (unit <= 1 + 1e-9))
    assert np.all(np.diff(unit) >= -1e-9)


@given(any_parameter().filter(lambda parameter: isinstance(parameter, Real)), st.integers(0, 2**32 - 1))
def test_reals_scale_there_and_back(parameter: Real, seed: int) -> None:
    unit = np.random.default_rng(seed).random(50)
    values = parameter.unscaled(unit)
    assert np.all((values >= parameter.low) & (values <= parameter.high))
    ends = parameter.unscaled(np.array([-0.5, 0.0, 1.0, 1.5]))
    assert np.all(np.isfinite(ends))
    assert np.all(ends[:2] <= ends[2:])


def test_log_reals_scale_by_ratio() -> None:
    parameter = Real("p", 1e-4, 1e4, log=True)
    assert parameter.unscaled(np.array([0.0, 0.5, 1.0])) == pytest.approx([1e-4, 1.0, 1e4])
    assert parameter.scaled(np.array([1e-4, 1.0, 1e4])) == pytest.approx([0.0, 0.5, 1.0])


def test_log_reals_of_a_ratio_beyond_floats() -> None:
    parameter = Real("p", 1e-300, 1e300, log=True)
    assert parameter.unscaled(np.array([0.0, 0.5, 1.0])) == pytest.approx([1e-300, 1.0, 1e300])


def test_log_integers_scale_by_ratio() -> None:
    parameter = Integer("p", 1, 100, log=True)
    assert parameter.scaled(np.array([0, 9, 99])) == pytest.approx([0.0, 0.5, 1.0])


def test_zero_has_one_form() -> None:
    parameter = Real("p", -0.0, 1.0)
    assert math.copysign(1, parameter.low) == 1
    assert math.copysign(1, parameter.encode([-0.0])[0]) == 1
    assert math.copysign(1, Real("p", -1.0, 1.0).encode(np.array([-0.0]))[0]) == 1


def test_large_whole_numbers_beside_fractions_are_kept() -> None:
    values = [0.5, 2**53 + 1]
    assert Ordinal("p", values).decode(np.array([0, 1])).tolist() == values


def test_large_neighbours_are_in_order() -> None:
    assert Ordinal("p", [2**60, 2**60 + 1]).cardinality == 2


def test_text_that_ends_in_nul_is_kept() -> None:
    parameter = Categorical("p", ["b", "b\0"])
    assert parameter.decode(parameter.encode(["b\0", "b"])).tolist() == ["b\0", "b"]


def test_numpy_values_are_accepted_as_domain() -> None:
    parameter = Ordinal("p", np.array([16, 32, 64]))
    assert parameter.values == (16, 32, 64)
    assert type(parameter.values[0]) is int
    assert Integer("p", np.int64(1), np.int32(5)).cardinality == 5


def test_empty_columns_encode_to_nothing() -> None:
    for parameter in (Categorical("p", ["x"]), Ordinal("p", [1]), Integer("p", 1, 2), Real("p", 0, 1)):
        assert parameter.encode([]).shape == (0,)
        assert parameter.encode(np.array([])).shape == (0,)


@pytest.mark.parametrize(
    ("make", "fragments"),
    [
        (lambda: Integer("2x", 1, 2), ["'2x'", "digit"]),
        (lambda: Integer("a b", 1, 2), ["'a b'"]),
        (lambda: Integer("a..b", 1, 2), ["'a..b'"]),
        (lambda: Integer("größe", 1, 2), ["größe"]),
        (lambda: Integer("net.lambda", 1, 2), ["net.lambda", "reserved", "underscore"]),
        (lambda: Integer("p", 1.5, 2), ["p", "low=1.5", "Real"]),
        (lambda: Integer("p", True, 2), ["low=True"]),
        (lambda: Integer("p", 5, 1), ["low=5", "high=1", "swap"]),
        (lambda: Integer("p", 1, 5, step=0), ["step=0"]),
        (lambda: Integer("p", 1, 6, step=2), ["high=6", "use high=5"]),
        (lambda: Integer("p", 0, 6, log=True), ["log", "low >= 1"]),
        (lambda: Integer("p", 0, 2**60), ["2**53", "Real"]),
        (lambda: Integer("p", -(2**62), 2**62, step=2**40), ["64 bits"]),
        (lambda: Integer("p", 2**63, 2**63 + 1), ["64 bits"]),
        (lambda: Real("p", 1, 1), ["low=1.0", "high=1.0"]),
        (lambda: Real("p", 0, math.inf), ["high=inf", "finite"]),
        (lambda: Real("p", "0", 1), ["low='0'"]),
        (lambda: Real("p", 0, 1, log=True), ["log", "low > 0"]),
        (lambda: Real("p", -1e308, 1e308), ["p", "overflows", "log"]),
        (lambda: Categorical("p", []), ["p", "choices", "empty"]),
        (lambda: Categorical("p", "abc"), ["choices", "list", "'abc'"]),
        (lambda: Categorical("p", 5), ["choices", "list", "5"]),
        (lambda: Categorical("p", ["x", "y", "x"]), ["'x'", "twice"]),
        (lambda: Categorical("p", [1, True]), ["True", "twice"]),
        (lambda: Categorical("p", [(1, 2)]), ["(1, 2)", "tuple"]),
        (lambda: Categorical("p", [math.nan]), ["nan", "finite"]),
        (lambda: Ordinal("p", [1, 3, 2]), ["[1, 3, 2]", "order", "sort"]),
        (lambda: Integer("p", 1, 2, inactive=1), ["inactive", "active_if"]),
        (lambda: Integer("p", 1, 2, active_if="q > 1", inactive=9), ["p", "9", "1..2", "inactive"]),
        (lambda: Integer("p", 1, 2, active_if="q + 1"), ["active_if='q + 1'", "condition"]),
        (lambda: Integer("p", 1, 2, active_if=5), ["active_if=5"]),
    ],
)
def test_bad_parameters_are_refused_with_field_value_and_mend(
    make: Callable[[], Parameter], fragments: list[str]
) -> None:
    with pytest.raises(SpaceError) as caught:
        make()
    message = str(caught.value)
    assert "\n" not in message
    for fragment in fragments:
        assert fragment in message


@pytest.mark.parametrize(
    ("parameter", "values", "shown"),
    [
        (Integer("p", 1, 9, step=2), [1, 2], ["2", "1..9 step 2"]),
        (Integer("p", 1, 9), np.array([10]), ["value 10", "1..9"]),
        (Integer("p", 1, 9), [2.5], ["2.5"]),
        (Integer("p", 1, 9), [math.inf], ["inf"]),
        (Integer("p", 1, 9), [math.nan], ["nan"]),
        (Integer("p", 1, 9), [10**30], [str(10**30)]),
        (Integer("p", 1, 9), ["3"], ["'3'"]),
        (Integer("p", 1, 9), [True], ["True"]),
        (Integer("p", 0, 1), np.array([True]), ["True"]),
        (Integer("p", 1, 9), [None], ["None"]),
        (Real("p", 0, 1), [0.5, 1.5], ["value 1.5", "[0.0, 1.0]"]),
        (Real("p", 0, 1), [math.nan], ["nan"]),
        (Real("p", 0, 1), ["0.5"], ["'0.5'"]),
        (Real("p", 0, 1), [0.25, "x"], ["value 'x'"]),
        (Real("p", 0, 1), [True], ["True"]),
        (Real("p", 0, 1), [10**400], ["outside its domain"]),
        (Ordinal("p", [1, 2, 4]), [3], ["3", "[1, 2, 4]"]),
        (Ordinal("p", list(range(100))), [100], ["100", "... 100 values]"]),
        (Categorical("p", ["x", "y"]), ["x", "z"], ["'z'", "['x', 'y']"]),
        (Categorical("p", ["x", "y"]), [["x"]], ["['x']"]),
        (Categorical("p", ["x", "y"]), np.array(["z"]), ["'z'"]),
    ],
)
def test_values_outside_the_domain_are_refused(parameter: Parameter, values: Any, shown: list[str]) -> None:
    with pytest.raises(DesignError) as caught:
        parameter.encode(values)
    message = str(caught.value)
    assert message.startswith("p: ")
    assert "np." not in message
    for fragment in shown:
        assert fragment in message


def test_whole_floats_are_integers() -> None:
    """A data frame turns a column with a gap into floats."""
    assert Integer("p", 1, 9).encode([1.0, 9.0]).tolist() == [0, 8]
    assert Ordinal("p", [16, 32]).encode(np.array([32.0, 16.0])).tolist() == [1, 0]


@given(any_parameter())
def test_json_form_gives_the_same_parameter(parameter: Parameter) -> None:
    assert parameter_from_dict(parameter.to_dict()) == parameter


def test_json_form_keeps_conditions() -> None:
    parameter = Ordinal("p", [1, 2], active_if="q=='x'", inactive=2)
    data = parameter.to_dict()
    assert data == {"kind": "ordinal", "name": "p", "values": [1, 2], "active_if": "q == 'x'", "inactive": 2}
    again = parameter_from_dict(data)
    assert again.inactive_code == 1
    assert again.to_dict() == data


@pytest.mark.parametrize(
    ("data", "fragment"),
    [
        ({"kind": "float", "name": "p"}, "categorical, ordinal, integer, real"),
        ({"name": "p"}, "kind"),
        (5, "kind"),
        ({"kind": ["integer"], "name": "p"}, "kind"),
        ({"kind": "integer", "name": "p", "low": 1, "high": 2, "steps": 3}, "'steps'"),
        ({"kind": "integer", "name": "p", "low": 1}, "high"),
    ],
)
def test_bad_json_forms_are_refused(data: Any, fragment: str) -> None:
    with pytest.raises(DseError, match=fragment):
        parameter_from_dict(data)


def test_prefix_renames_parameter_and_condition() -> None:
    parameter = Integer("rows", 1, 2, active_if="kind == 'rows' and max(rows_min, 1) < 2").prefixed("core")
    assert parameter.name == "core.rows"
    assert parameter.active_if == "core.kind == 'rows' and max(core.rows_min, 1) < 2"
