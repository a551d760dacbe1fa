"""`Space`: parameters and constraints; what is in it, how much, and random members."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dse.designs import Designs
from dse.errors import DesignError, SpaceError
from dse.expressions import Columns, Expression
from dse.space import enumeration
from dse.space.constraints import Constraint, Predicate, Recorder, as_constraints
from dse.space.parameters import Parameter, Real, _Listed, check_name, parameter_from_dict
from dse.space.plan import Component, ancestors, plan
from dse.space.sampling import Sampler

Array = NDArray[Any]

FORMAT = "dse-space/1"
COUNT_WORK = 1 << 27


class Space:
    """A search space: parameters, and constraints that every design satisfies.

    Parameters
    ----------
    parameters
        At least one, with distinct names.
    constraints
        Texts (``"tile_m * stages <= 512"``), vectorised callables over columns, or `Constraint`.

    Raises
    ------
    SpaceError, ExpressionError
        If names clash, a constraint or condition names no parameter or a value that is not in its
        domain, or conditions form a circle. The message names the mend.

    Notes
    -----
    A conditional parameter (``active_if``) that is not active takes one canonical value. A comparison
    within ``active_if`` that reads a parameter which is itself not active is false; constraints see
    canonical values.

    Examples
    --------
    >>> from dse import Integer, Ordinal, Space
    >>> space = Space([Ordinal("tile", [16, 32, 64]), Integer("stages", 1, 5)], ["tile * stages <= 128"])
    >>> space.size, space.count()
    (15, 11)
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        constraints: Iterable[str | Predicate | Constraint] = (),
    ) -> None:
        self.parameters = (parameters,) if isinstance(parameters, Parameter) else tuple(parameters)
        for parameter in self.parameters:
            if not isinstance(parameter, Parameter):
                raise SpaceError(
                    f"{parameter!r} is not a parameter: use Categorical, Ordinal, Integer or Real"
                )
        if not self.parameters:
            raise SpaceError("a space needs at least one parameter")
        self.names = tuple(parameter.name for parameter in self.parameters)
        self.positions = {name: position for position, name in enumerate(self.names)}
        if len(self.positions) < len(self.names):
            twice = next(name for name in self.names if self.names.count(name) > 1)
            raise SpaceError(f"two parameters are named {twice!r}: rename one, or join spaces under prefixes")
        for parameter in self.parameters:
            if parameter.condition is not None:
                what = f"the condition of {parameter.name!r}"
                if not parameter.condition.names:
                    raise SpaceError(f"{what} ({parameter.active_if}) reads no parameter: drop it")
                self._check_reads(what, parameter.condition)
        self._ancestors = ancestors(self.parameters, self.positions)
        self.constraints = tuple(self._checked(rule) for rule in as_constraints(constraints))

    def _check_reads(self, what: str, expression: Expression) -> None:
        for name in expression.names:
            self._check_known(what, name)
        for name, value in expression.literals:
            parameter = self.parameters[self.positions[name]]
            if isinstance(parameter, _Listed) and (isinstance(value, str) or value is None):
                if value not in parameter.listed:
                    raise SpaceError(
                        f"{what} compares {name!r} with {value!r}, which is none of {list(parameter.listed)}"
                    )
            elif isinstance(value, str):
                raise SpaceError(f"{what} compares the number {name!r} with the text {value!r}")

    def _check_known(self, what: str, name: str) -> None:
        if name not in self.positions:
            raise SpaceError(
                f"{what} reads {name!r}, which is no parameter; known are {', '.join(self.names)}"
            )

    def _checked(self, constraint: Constraint) -> Constraint:
        what = f"constraint {constraint.name!r}"
        columns = Recorder(self._probe)
        if constraint.expression is not None:
            self._check_reads(what, constraint.expression)
        elif constraint.columns:
            for name in constraint.columns:
                self._check_known(what, name)
        constraint.holds(columns, len(self._probe))
        if not constraint.columns:
            if not columns.read:
                raise SpaceError(f"{what} reads no parameter: drop it, or name its columns")
            constraint = Constraint(constraint.rule, tuple(columns.read), constraint.name)
        return constraint

    @cached_property
    def _probe(self) -> Designs:
        """A few designs, feasible or not, to try constraints on."""
        rng = np.random.default_rng(0)
        codes = np.empty((64, len(self.names)), dtype=self.code_dtype)
        for position, parameter in enumerate(self.parameters):
            if isinstance(parameter, Real):
                codes[:, position] = parameter.unscaled(rng.random(64))
            else:
                codes[:, position] = rng.integers(int(parameter.cardinality), size=64)
        return Designs(self, self.canonical(codes))

    @property
    def discrete(self) -> bool:
        """Whether no parameter is real."""
        return all(parameter.discrete for parameter in self.parameters)

    @cached_property
    def code_dtype(self) -> np.dtype[Any]:
        """The type of code matrices: int64, or float64 where a parameter is real."""
        return np.dtype(np.int64 if self.discrete else np.float64)

    def position(self, name: str) -> int:
        """Return a parameter's position; raise `DesignError` if there is none of that name."""
        try:
            return self.positions[name]
        except KeyError:
            raise DesignError(f"there is no column {name!r}; the space has {', '.join(self.names)}") from None

    def __getitem__(self, name: str) -> Parameter:
        return self.parameters[self.position(name)]

    def __contains__(self, name: object) -> bool:
        return name in self.positions

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Space):
            return NotImplemented
        return self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(self.names)

    def __repr__(self) -> str:
        ties = f"{len(self.names)} parameters, {len(self.constraints)} constraints"
        return f"<Space of {ties}, size {self.size:.4g}>"

    # Membership and activity

    def idle(self, name: str, columns: Columns, n: int) -> NDArray[np.bool_]:
        """Return the mask (n,) of designs in which a parameter is not active.

        Parameters
        ----------
        columns
            Canonical values of at least the parameters that its condition depends on.
        """
        masks: dict[str, NDArray[np.bool_]] = {}
        position = self.positions[name]
        for item in (*self._ancestors[position], position):
            parameter = self.parameters[item]
            if parameter.condition is not None:
                holds = parameter.condition.evaluate(columns, masks)
                masks[parameter.name] = ~np.broadcast_to(np.asarray(holds, dtype=bool), (n,))
        return masks.get(name, np.zeros(n, dtype=bool))

    def inactive(self, codes: Array) -> NDArray[np.bool_]:
        """Return the mask (n, parameters) of where parameters are not active, for canonical codes."""
        designs = Designs(self, codes)
        mask = np.zeros(codes.shape, dtype=bool)
        for position, parameter in enumerate(self.parameters):
            if parameter.condition is not None:
                mask[:, position] = self.idle(parameter.name, designs, len(codes))
        return mask

    def canonical(self, codes: Array) -> Array:
        """Return codes (n, parameters) with the canonical value wherever a parameter is not active."""
        conditional = [p for p, parameter in enumerate(self.parameters) if parameter.condition is not None]
        if not conditional:
            return codes
        codes = codes.copy()
        # A parameter is settled after those that its condition reads.
        for position in sorted(conditional, key=lambda item: (len(self._ancestors[item]), item)):
            columns = {
                self.names[item]: self.parameters[item].decode(codes[:, item])
                for item in self._ancestors[position]
            }
            idle = self.idle(self.names[position], columns, len(codes))
            codes[idle, position] = self.parameters[position].inactive_code
        return codes

    def contains(self, designs: Designs | Array) -> NDArray[np.bool_]:
        """Return the mask (n,) of the designs, or codes (n, parameters), that are in the space.

        They are where every code is in its domain, inactive parameters are canonical and all
        constraints hold.
        """
        codes = designs.codes if isinstance(designs, Designs) else np.asarray(designs)
        inside = np.ones(len(codes), dtype=bool)
        for position, parameter in enumerate(self.parameters):
            column = codes[:, position]
            if isinstance(parameter, Real):
                inside &= (column >= parameter.low) & (column <= parameter.high)
            else:
                inside &= (column >= 0) & (column < parameter.cardinality) & (np.floor(column) == column)
        if not inside.all():
            result = np.zeros(len(codes), dtype=bool)
            result[inside] = self.contains(codes[inside])
            return result
        return self.satisfies(codes)

    def satisfies(self, codes: Array) -> NDArray[np.bool_]:
        """Return the mask (n,) of the codes, each within its domain, that are canonical and feasible."""
        columns = Designs(self, codes)
        inside = np.ones(len(codes), dtype=bool)
        if any(parameter.condition is not None for parameter in self.parameters):
            inside &= (self.canonical(codes) == codes).all(axis=1)
        for constraint in self.constraints:
            inside &= constraint.holds(columns, len(codes))
        return inside

    # Size, enumeration, sampling

    @property
    def size(self) -> int | float:
        """The product of the parameters' cardinalities, constraints aside; infinity with a real."""
        return math.prod(parameter.cardinality for parameter in self.parameters)

    @cached_property
    def components(self) -> tuple[Component, ...]:
        """The independent parts of the space, and the order in which each is enumerated."""
        return plan(self.parameters, self.constraints)

    @cached_property
    def sampler(self) -> Sampler:
        """Tables and estimates behind `sample`, made on first use."""
        return Sampler(self)

    def count(self, work: int = COUNT_WORK) -> int | float:
        """Return the number of feasible designs.

        Parameters
        ----------
        work
            How many partial designs of a component may be tried before its count is estimated.

        Returns
        -------
        An exact `int` where the space can be enumerated within `work`; else a `float`: an
        estimate by sequential Monte Carlo, or infinity where a parameter is real. Partial designs that
        no values of the rest can save are dropped early (`dse.space.bounds`), which loses no design:
        whatever is counted or enumerated is exact.
        """
        if not self.discrete:
            return math.inf
        exact = [
            self.parameters[component.positions[0]].cardinality
            if component.free
            else enumeration.count(self, component.steps, work)
            for component in self.components
        ]
        if 0 in exact:
            return 0
        return math.prod(
            float(self.sampler.components[index].size) if number is None else number
            for index, number in enumerate(exact)
        )

    def enumerate(self, chunk: int = 1 << 16, *, skip: int = 0) -> Iterator[Designs]:
        """Yield all feasible designs once, in a fixed order, in constant memory.

        Parameters
        ----------
        chunk
            Designs in a batch; only the last has fewer.
        skip
            How many designs to leave out at the start.

        Raises
        ------
        SpaceError
            If a parameter is real.
        """
        if chunk < 1 or skip < 0:
            raise SpaceError(f"chunk={chunk} must be at least 1, and skip={skip} at least 0")
        for parameter in self.parameters:
            if not parameter.discrete:
                raise SpaceError(
                    f"the space cannot be enumerated: {parameter.name!r} is real; make it Ordinal"
                )
        steps = [step for component in self.components for step in component.steps]
        positions = [step.position for step in steps]
        filled = 0
        codes = np.empty((chunk, len(positions)), dtype=self.code_dtype)
        for block in enumeration.walk(self, steps):
            begin = min(skip, block.shape[1])
            skip -= begin
            while begin < block.shape[1]:
                take = min(chunk - filled, block.shape[1] - begin)
                codes[filled : filled + take, positions] = block[:, begin : begin + take].T
                filled += take
                begin += take
                if filled == chunk:
                    yield Designs(self, codes)
                    codes = np.empty_like(codes)
                    filled = 0
        if filled:
            yield Designs(self, codes[:filled])

    def sample(self, n: int, rng: np.random.Generator | int | None = None) -> Designs:
        """Return n independent designs, uniform over the feasible ones.

        Parameters
        ----------
        n
            How many.
        rng
            A generator, or a seed.

        Returns
        -------
        Exactly uniform wherever feasible combinations can be listed, or rejection accepts one in
        ten thousand; approximately uniform in the rare spaces beyond (see `dse.space.sampling`). Reals
        are uniform within their bounds (or in the logarithm) given the rest.

        Raises
        ------
        SpaceError
            If no feasible design can be found. Sampling always ends.
        """
        if n < 0:
            raise SpaceError(f"n={n} must be at least 0")
        return Designs(self, self.sampler.sample(n, np.random.default_rng(rng)))

    def designs(self, columns: Mapping[str, ArrayLike] | Sequence[Mapping[str, Any]]) -> Designs:
        """Return designs from columns ``{"tile": [16, 32], ...}`` or rows ``[{"tile": 16, ...}, ...]``.

        Raises
        ------
        DesignError
            If a value is outside its domain, or a design breaks a constraint.
        """
        designs = (
            Designs.from_columns(self, columns)
            if isinstance(columns, Mapping)
            else Designs.from_rows(self, columns)
        )
        for constraint in self.constraints:
            holds = constraint.holds(designs, len(designs))
            if not holds.all():
                row = int(np.argmin(holds))
                values = {name: designs[name][row].item() for name in constraint.columns}
                raise DesignError(f"design {row} breaks the constraint {constraint.name!r} with {values}")
        return designs

    # Packed records: the key of a design, and how it is stored

    @cached_property
    def record(self) -> np.dtype[Any]:
        """The packed little-endian record of a design's codes."""
        return np.dtype([(f"p{i}", parameter.code_dtype) for i, parameter in enumerate(self.parameters)])

    def pack(self, codes: Array) -> NDArray[np.uint8]:
        """Return codes (n, parameters) as packed records, bytes (n, width). Equal designs, equal bytes."""
        packed = np.empty(len(codes), dtype=self.record)
        for position, field in enumerate(self.record.names or ()):
            packed[field] = codes[:, position]
        return packed.view(np.uint8).reshape(len(codes), self.record.itemsize)

    def unpack(self, packed: NDArray[np.uint8]) -> Array:
        """Return the codes (n, parameters) of packed records: the inverse of `pack`."""
        if len(packed) and packed.shape[1] != self.record.itemsize:
            raise DesignError(
                f"stored designs have {packed.shape[1]} bytes; this space has {self.record.itemsize}"
            )
        records = np.frombuffer(np.ascontiguousarray(packed).tobytes(), self.record)
        codes = np.empty((len(packed), len(self.names)), dtype=self.code_dtype)
        for position, field in enumerate(self.record.names or ()):
            codes[:, position] = records[field]
        return codes

    def keys(self, codes: Array) -> list[bytes]:
        """Return a hashable key for each design."""
        width = self.record.itemsize
        data = self.pack(codes).tobytes()
        return [data[start : start + width] for start in range(0, len(data), width)]

    # Composition and JSON

    @classmethod
    def join(
        cls, parts: Mapping[str, Space], constraints: Iterable[str | Predicate | Constraint] = ()
    ) -> Space:
        """Compose spaces, each under a prefix, with constraints across them.

        Parameters
        ----------
        parts
            Spaces by prefix: the parameter ``rows`` of ``{"core": space}`` becomes ``core.rows``. Conditions
            and constraints of the parts are renamed alike; callables keep reading their own names.
        constraints
            Over the joined names, as in ``"core.rows * gpu.block_m <= 4096"``.
        """
        parameters: list[Parameter] = []
        inner: list[Constraint] = []
        for prefix, part in parts.items():
            check_name(prefix, "prefix")
            if not isinstance(part, Space):
                raise SpaceError(f"part {prefix!r} is {part!r}, not a Space")
            parameters += [parameter.prefixed(prefix) for parameter in part.parameters]
            inner += [constraint.prefixed(prefix) for constraint in part.constraints]
        return cls(parameters, [*inner, *as_constraints(constraints)])

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, which fingerprints hash."""
        return {
            "format": FORMAT,
            "parameters": [parameter.to_dict() for parameter in self.parameters],
            "constraints": [constraint.to_dict() for constraint in self.constraints],
        }

    def to_json(self, indent: int | None = 2) -> str:
        """Return the space as JSON text."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_dict(
        cls, data: Mapping[str, Any], callables: Mapping[str, Callable[..., Any]] | None = None
    ) -> Space:
        """Read a space from its JSON form.

        Parameters
        ----------
        data
            What `to_dict` returned.
        callables
            The functions of callable constraints by name: JSON holds only their name and hash.

        Raises
        ------
        SpaceError
            If the form is not that of a space, or a callable is missing.
        """
        if not isinstance(data, Mapping) or data.get("format") != FORMAT:
            found = data.get("format") if isinstance(data, Mapping) else type(data).__name__
            raise SpaceError(f"this is no space of format {FORMAT!r} but {found!r}")
        rules: list[Constraint] = []
        for item in data.get("constraints", ()):
            if "expression" in item:
                rules.append(Constraint(item["expression"]))
                continue
            name = item.get("callable")
            if name not in (callables or {}):
                raise SpaceError(
                    f"constraint {name!r} is a callable: hand it in, callables={{{name!r}: function}}"
                )
            assert callables is not None
            rules.append(Constraint(callables[name], tuple(item.get("columns", ())), name))
        return cls([parameter_from_dict(item) for item in data.get("parameters", ())], rules)

    @classmethod
    def from_json(cls, text: str, callables: Mapping[str, Callable[..., Any]] | None = None) -> Space:
        """Read a space from JSON text; see `from_dict`."""
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            raise SpaceError(f"this is no JSON: {error}") from None
        return cls.from_dict(data, callables)
