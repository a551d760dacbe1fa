"""Two versions beside each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dse.errors import SurrogateError
from dse.problem import differences
from dse.surrogates.paired import PairedTest, paired_test
from dse.surrogates.pool import SAME, Pool, open_studies
from dse.surrogates.provenance import changes

if TYPE_CHECKING:
    from dse.store import SurrogateRecord
    from dse.surrogates.registry import Registry


@dataclass(frozen=True)
class Difference:
    """How two versions differ.

    Attributes
    ----------
    one, other
        The versions.
    changes
        What differs in what they were made of, a line each.
    test
        Of the other against the one, on evaluations that neither was trained on; None where there are none.
    """

    one: SurrogateRecord
    other: SurrogateRecord
    changes: list[str]
    test: PairedTest | None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "one": _shown(self.one),
            "other": _shown(self.other),
            "changes": self.changes,
            "test": None if self.test is None else self.test.to_dict(),
        }


def _shown(record: SurrogateRecord) -> dict[str, Any]:
    return {"version": record.reference, "state": record.state, "report": record.report}


def difference(registry: Registry, one: SurrogateRecord, other: SurrogateRecord) -> Difference:
    """Compare two versions; raise `SurrogateError` if they are of unlike problems."""
    before, after = one.provenance, other.provenance
    unlike = differences(_function(before), _function(after))
    if unlike:
        raise SurrogateError(
            f"{one.reference} and {other.reference} are of unlike problems ({'; '.join(unlike[:3])}): "
            "compare versions of one"
        )
    named = [*before["studies"], *after["studies"]]
    pool = Pool.read(registry.store, open_studies([], named, registry.store), one)
    unseen = pool.fresh(pool.used(named))
    test = None
    if unseen.any():
        models = registry.load(one), registry.load(other)
        test = paired_test(*models, pool.data.take(unseen), pool.decisive)
    return Difference(one, other, changes(before, after), test)


def _function(provenance: Mapping[str, Any]) -> dict[str, Any]:
    return {key: provenance["problem"][key] for key in SAME}
