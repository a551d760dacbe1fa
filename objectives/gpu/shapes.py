"""What GPU kernels are run on: sizes of matrix products and of attention."""

from __future__ import annotations

from dataclasses import dataclass

from dse.errors import ProblemError


def check_count(what: str, name: str, value: object) -> None:
    """Raise `ProblemError` unless a value is a whole number, 1 or more."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ProblemError(f"{what}{name}={value!r} must be a whole number, 1 or more")


@dataclass(frozen=True)
class GemmShape:
    """A multiplication of (m, k) by (k, n), and how often it occurs."""

    m: int
    n: int
    k: int
    count: int = 1

    def __post_init__(self) -> None:
        for name in ("m", "n", "k", "count"):
            check_count("GemmShape: ", name, getattr(self, name))

    @property
    def flops(self) -> float:
        """Operations of all occurrences; a multiplication and an addition are two."""
        return 2.0 * self.m * self.n * self.k * self.count


@dataclass(frozen=True)
class AttentionShape:
    """An attention: sizes, and how often it occurs.

    Attributes
    ----------
    batch
        Sequences.
    heads, kv_heads
        Of queries, and of keys and values; the former a multiple of the latter.
    queries, keys
        Tokens; 1 query decodes.
    head_size
        Elements of a head.
    causal
        Whether a query sees keys up to its own place only, the last query the last key.
    count
        How often it occurs.
    """

    batch: int
    heads: int
    kv_heads: int
    queries: int
    keys: int
    head_size: int
    causal: bool = True
    count: int = 1

    def __post_init__(self) -> None:
        for name in ("batch", "heads", "kv_heads", "queries", "keys", "head_size", "count"):
            check_count("AttentionShape: ", name, getattr(self, name))
        if self.heads % self.kv_heads:
            raise ProblemError(
                f"AttentionShape: heads={self.heads} is no multiple of kv_heads={self.kv_heads}"
            )
        if self.causal and self.queries > self.keys:
            raise ProblemError(
                f"AttentionShape: queries={self.queries} exceeds keys={self.keys}, but it is causal: the "
                "first queries would see no key"
            )

    @property
    def flops(self) -> float:
        """Operations of all occurrences, without what a causal mask leaves out."""
        seen = self.keys - (self.queries - 1) / 2 if self.causal else self.keys
        return 4.0 * self.batch * self.heads * self.queries * seen * self.head_size * self.count
