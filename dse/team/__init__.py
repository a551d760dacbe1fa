"""Several processes on one study: one leads it, the others evaluate what it gives out, and take over."""

from dse.team.work import work

__all__ = ["work"]
