"""`check_space`."""

from __future__ import annotations

import numpy as np

from dse.designs import Designs
from dse.space import Real, Space
from dse.testing.promise import promise, shown

MOST_ENUMERATED = 200_000


def check_space(space: Space, *, samples: int = 256, seed: int = 0) -> None:
    """Check that a space keeps its promises; above all that its callable constraints are fit for it.

    Parameters
    ----------
    space
        The space, with at least one feasible design.
    samples
        How many random designs to look at. Spaces of at most 200,000 raw combinations are
        also enumerated, and compared with what remains of all combinations.
    seed
        For the random designs.

    Raises
    ------
    AssertionError
        If one of these does not hold:

        - samples are members of the space, in the number asked for, and a function of the seed;
        - values encode and decode, and codes pack and unpack, without a change;
        - equal designs have equal keys, and unlike designs unlike keys;
        - the JSON form gives back an equal space;
        - constraints judge each design alone, the same each time, and do not change it;
        - enumeration yields every feasible design once, in the same order for any chunk, and as many as
          `Space.count` says.
    """
    designs = space.sample(samples, seed)
    promise(
        len(designs) == samples, f"sample({samples}) gave {len(designs)} designs: give as many as asked for"
    )
    promise(
        designs == space.sample(samples, seed),
        "sample gave other designs for the same seed: use the seed only",
    )
    _check_constraints(space, designs)
    for row in np.flatnonzero(~space.contains(designs)).tolist():
        raise AssertionError(f"sample gave a design outside the space: {shown(designs, row)}")
    _check_codes(space, designs)
    functions = {rule.name: rule.rule for rule in space.constraints if callable(rule.rule)}
    again = Space.from_json(space.to_json(), functions)
    promise(again == space, "from_json(to_json()) is another space: its JSON form loses something")
    if space.discrete and space.size <= MOST_ENUMERATED:
        _check_enumeration(space)


def _check_constraints(space: Space, designs: Designs) -> None:
    """Check on feasible designs, and on raw ones that may break the constraints."""
    rng = np.random.default_rng(len(designs))
    raw = np.column_stack(
        [
            parameter.unscaled(rng.random(len(designs)))
            if isinstance(parameter, Real)
            else rng.integers(int(parameter.cardinality), size=len(designs))
            for parameter in space.parameters
        ]
    ).astype(space.code_dtype)
    mixed = Designs.concat([designs, Designs(space, space.canonical(raw))])
    order = rng.permutation(len(mixed))
    for rule in space.constraints:
        before = mixed.codes.copy()
        whole = rule.holds(mixed, len(mixed))
        promise(
            np.array_equal(before, mixed.codes), f"constraint {rule.name!r} changes the designs that it reads"
        )
        promise(
            np.array_equal(whole, rule.holds(mixed, len(mixed))),
            f"constraint {rule.name!r} judges the same designs differently the second time",
        )
        shuffled = np.empty_like(whole)
        shuffled[order] = rule.holds(mixed.take(order), len(mixed))
        alone = np.array([rule.holds(mixed.take([row]), 1)[0] for row in range(len(mixed))], dtype=bool)
        for name, other in (("in another order", shuffled), ("alone", alone)):
            for row in np.flatnonzero(whole != other).tolist():
                raise AssertionError(
                    f"constraint {rule.name!r} judges a design differently {name}: it must look at each "
                    f"design by itself; the design is {shown(mixed, row)}"
                )


def _check_codes(space: Space, designs: Designs) -> None:
    columns = {name: designs[name] for name in space.names}
    for form, given in (
        ("arrays", columns),
        ("lists", {name: column.tolist() for name, column in columns.items()}),
    ):
        promise(
            Designs.from_columns(space, given) == designs,
            f"encoding the decoded values, given as {form}, gives other codes: encode must invert decode",
        )
    unpacked = space.unpack(space.pack(designs.codes))
    promise(np.array_equal(unpacked, designs.codes), "unpack(pack(codes)) gives other codes")
    keys = space.keys(designs.codes)
    rows = [tuple(row.tolist()) for row in designs.codes]
    promise(
        len(set(keys)) == len(set(rows)) == len(set(zip(keys, rows, strict=True))),
        "keys are not one to one with designs",
    )


def _check_enumeration(space: Space) -> None:
    walked = list(space.enumerate(997))
    empty = np.empty((0, len(space.names)), dtype=space.code_dtype)
    codes = np.concatenate([batch.codes for batch in walked]) if walked else empty
    keys = space.keys(codes)
    promise(len(set(keys)) == len(keys), "enumerate yields a design twice")
    inside = space.contains(codes)
    promise(inside.all(), "enumerate yields a design outside the space")
    other = (
        np.concatenate([batch.codes for batch in space.enumerate(len(codes) // 3 + 1)]) if walked else empty
    )
    promise(np.array_equal(codes, other), "enumerate yields another order for another chunk")
    sizes = [range(int(parameter.cardinality)) for parameter in space.parameters]
    raw = (
        np.stack(np.meshgrid(*sizes, indexing="ij"), axis=-1).reshape(-1, len(sizes)).astype(space.code_dtype)
    )
    members = int(space.contains(raw).sum())
    promise(
        members == len(keys),
        f"enumerate yields {len(keys)} designs, but {members} of all combinations satisfy the constraints",
    )
    count = space.count()
    promise(count == len(keys), f"count() is {count}, but enumerate yields {len(keys)} designs")
