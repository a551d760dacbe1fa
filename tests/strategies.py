"""Hypothesis strategies: small random spaces, each with an independent statement of what is in it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from dse import Categorical, Constraint, Integer, Ordinal, Parameter, Real, Space

Row = Mapping[str, Any]

TEXTS = ["lut", "mac", "fp16", "int8"]
NUMBERS = [1, 2, 3, 4, 6, 8]


@dataclass
class Condition:
    """``active_if`` as a tree, so that tests evaluate it without the code under test.

    An atom is (name, operator, constant); a node is ("and" | "or", a, b) or ("not", a).
    """

    tree: Any

    @property
    def text(self) -> str:
        return self._text(self.tree)

    def _text(self, node: Any) -> str:
        if node[0] in ("and", "or"):
            return f"({self._text(node[1])} {node[0]} {self._text(node[2])})"
        if node[0] == "not":
            return f"(not {self._text(node[1])})"
        name, operator, constant = node
        return f"{name} {operator} {constant!r}"

    def holds(self, row: Row, active: Mapping[str, bool]) -> bool:
        return self._holds(self.tree, row, active)

    def _holds(self, node: Any, row: Row, active: Mapping[str, bool]) -> bool:
        if node[0] == "and":
            return self._holds(node[1], row, active) and self._holds(node[2], row, active)
        if node[0] == "or":
            return self._holds(node[1], row, active) or self._holds(node[2], row, active)
        if node[0] == "not":
            return not self._holds(node[1], row, active)
        name, operator, constant = node
        # A comparison that reads a parameter which is not active is false, whatever its operator.
        return active[name] and compare(operator, row[name], constant)


def compare(operator: str, left: Any, right: Any) -> bool:
    return {
        "==": lambda: left == right,
        "!=": lambda: left != right,
        "<=": lambda: left <= right,
        ">": lambda: left > right,
        "in": lambda: left in right,
    }[operator]()


@dataclass
class Case:
    """A space, and the same space stated as lists of values, conditions and Python predicates."""

    space: Space
    domains: dict[str, list[Any]]
    conditions: dict[str, Condition]
    canonical: dict[str, Any]
    rules: list[Callable[[Row], bool]]
    order: list[str] = field(default_factory=list)
    """Names such that conditions read only earlier ones."""

    def brute_force(self) -> set[tuple[Any, ...]]:
        """Every feasible design, by trying all combinations of values one by one in Python."""
        found = set()
        for values in itertools.product(*(self.domains[name] for name in self.order)):
            row = dict(zip(self.order, values, strict=True))
            active: dict[str, bool] = {}
            for name in self.order:
                condition = self.conditions.get(name)
                active[name] = condition is None or condition.holds(row, active)
                if not active[name]:
                    row[name] = self.canonical[name]
            if all(rule(row) for rule in self.rules):
                found.add(tuple(row[name] for name in self.space.names))
        return found


def rows_of(designs: Any) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in designs.rows()]


@st.composite
def parameters(draw: st.DrawFn, name: str, **conditional: Any) -> Parameter:
    """A discrete parameter of at most five values."""
    kind = draw(st.sampled_from(["categorical", "ordinal", "integer", "text"]))
    if kind == "categorical":
        pool = st.sampled_from([*TEXTS, None, True, 3])
        return Categorical(name, draw(st.lists(pool, min_size=1, max_size=4, unique=True)), **conditional)
    if kind == "text":
        return Categorical(
            name, draw(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=4, unique=True)), **conditional
        )
    if kind == "ordinal":
        values = sorted(draw(st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=4, unique=True)))
        return Ordinal(name, values, **conditional)
    low = draw(st.integers(-2, 4))
    step = draw(st.integers(1, 3))
    return Integer(name, low, low + step * draw(st.integers(0, 4)), step=step, **conditional)


def values_of(parameter: Parameter) -> list[Any]:
    """The domain, from the parameter's own arguments."""
    if isinstance(parameter, Integer):
        return list(range(parameter.low, parameter.high + 1, parameter.step))
    return list(parameter.choices if isinstance(parameter, Categorical) else parameter.values)  # type: ignore[attr-defined]


def is_numeric(parameter: Parameter) -> bool:
    return isinstance(parameter, Integer | Ordinal)


@st.composite
def atoms(draw: st.DrawFn, parameter: Parameter) -> Any:
    domain = values_of(parameter)
    operators = ["==", "!=", "in"] + (["<=", ">"] if is_numeric(parameter) else [])
    operator = draw(st.sampled_from(operators))
    if operator == "in":
        return (
            parameter.name,
            operator,
            tuple(draw(st.lists(st.sampled_from(domain), min_size=1, max_size=2))),
        )
    return parameter.name, operator, draw(st.sampled_from(domain))


@st.composite
def conditions(draw: st.DrawFn, earlier: list[Parameter]) -> Condition:
    one = draw(atoms(draw(st.sampled_from(earlier))))
    shape = draw(st.sampled_from(["atom", "atom", "not", "and", "or"]))
    if shape == "atom":
        return Condition(one)
    if shape == "not":
        return Condition(("not", one))
    return Condition((shape, one, draw(atoms(draw(st.sampled_from(earlier))))))


@st.composite
def rules(draw: st.DrawFn, names: list[Parameter]) -> tuple[str | Constraint, Callable[[Row], bool]]:
    """A constraint, and the same as a Python predicate on one design."""
    numeric = [parameter.name for parameter in names if is_numeric(parameter)]
    bound = draw(st.integers(-2, 24))
    if numeric:
        a, b = draw(st.sampled_from(numeric)), draw(st.sampled_from(numeric))
        offers: list[tuple[str | Constraint, Callable[[Row], bool]]] = [
            (f"{a} * {b} <= {bound}", lambda row: row[a] * row[b] <= bound),
            (f"{a} + 2 * {b} > {bound // 3}", lambda row: row[a] + 2 * row[b] > bound // 3),
            (f"max({a}, {b}) - min({a}, {b}) <= 3", lambda row: abs(row[a] - row[b]) <= 3),
            (f"{a} % {b} == 0", lambda row: row[b] != 0 and row[a] % row[b] == 0),
            (f"0 <= {a} <= {b} or {b} < 2", lambda row: 0 <= row[a] <= row[b] or row[b] < 2),
            (
                Constraint(lambda d: d[a] ** 2 + d[b] >= bound - 9, columns=(a, b), name="callable"),
                lambda row: row[a] ** 2 + row[b] >= bound - 9,
            ),
        ]
        if draw(st.booleans()):
            return draw(st.sampled_from(offers))
    parameter = draw(st.sampled_from(names))
    other = draw(st.sampled_from(names))
    first, second = draw(atoms(parameter)), draw(atoms(other))
    text = f"{Condition(first).text} or not ({Condition(second).text})"
    return (
        text,
        lambda row: (
            compare(first[1], row[first[0]], first[2]) or not compare(second[1], row[second[0]], second[2])
        ),
    )


@st.composite
def cases(draw: st.DrawFn, most: int = 5, prefix: str = "") -> Case:
    """A small discrete space with conditions that chain and constraints, in a random order of parameters."""
    names = [f"{prefix}{name}" for name in draw(st.permutations(["a", "b", "c.x", "c.y", "kind"]))]
    earlier: list[Parameter] = []
    stated: dict[str, Condition] = {}
    canonical: dict[str, Any] = {}
    for name in names[: draw(st.integers(1, most))]:
        parameter = draw(parameters(name))
        if earlier and draw(st.booleans()):
            stated[name] = draw(conditions(earlier))
            chosen = draw(st.sampled_from(values_of(parameter)))
            arguments = {**parameter.__dict__, "active_if": stated[name].text, "inactive": chosen}
            fields = {key: arguments[key] for key in type(parameter).__dataclass_fields__ if key in arguments}
            parameter = type(parameter)(**fields)
            # None stands for "not given": the first of the domain.
            canonical[name] = values_of(parameter)[0] if chosen is None else chosen
        earlier.append(parameter)
    ties = draw(st.lists(rules(earlier), max_size=3))
    return Case(
        space=Space(draw(st.permutations(earlier)), [constraint for constraint, _ in ties]),
        domains={parameter.name: values_of(parameter) for parameter in earlier},
        conditions=stated,
        canonical=canonical,
        rules=[rule for _, rule in ties],
        order=[parameter.name for parameter in earlier],
    )


@st.composite
def any_parameter(draw: st.DrawFn) -> Parameter:
    """A parameter of any kind, up to the extremes of its kind."""
    kind = draw(st.sampled_from(["categorical", "ordinal", "integer", "real"]))
    finite = st.floats(allow_nan=False, allow_infinity=False)
    if kind == "categorical":
        scalars = st.one_of(st.text(max_size=4), st.integers(), finite, st.booleans(), st.none())
        return Categorical("p", draw(st.lists(scalars, min_size=1, max_size=8, unique=True)))
    if kind == "ordinal":
        numbers = draw(st.lists(st.one_of(st.integers(), finite), min_size=1, max_size=8, unique=True))
        return Ordinal("p", sorted(numbers, reverse=draw(st.booleans())))
    if kind == "integer":
        low = draw(st.integers(-(2**62), 2**62 - 2**33))
        step = draw(st.one_of(st.just(1), st.integers(1, 2**12)))
        high = low + step * draw(st.one_of(st.integers(0, 5), st.integers(0, 2**20)))
        return Integer("p", low, high, step=step, log=low >= 1 and draw(st.booleans()))
    bounds = draw(
        st.tuples(finite, finite).filter(lambda pair: pair[0] < pair[1] and pair[1] - pair[0] < 1e308)
    )
    return Real("p", *bounds, log=bounds[0] > 0 and draw(st.booleans()))
