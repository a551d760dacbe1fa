"""Warm starts: what a new study takes over from stored studies, and what it evaluates first.

A source of the same model gives its evaluations, which are not evaluated again; any other study gives the
designs of its front, as near as the new space has them; a list gives its designs. All of it is fixed when the
study is made, and stored in it: the sources may change or vanish later.
"""

from dse.warm.members import NearestMembers, exact_members, nearest_members
from dse.warm.sources import Source, Sources, StudySource, TableSource, as_sources, described, differs
from dse.warm.start import WarmStart, adoption_commits, warm_start
from dse.warm.tables import EMPTY, Table, read_table

__all__ = [
    "EMPTY",
    "NearestMembers",
    "Source",
    "Sources",
    "StudySource",
    "Table",
    "TableSource",
    "WarmStart",
    "adoption_commits",
    "as_sources",
    "described",
    "differs",
    "exact_members",
    "nearest_members",
    "read_table",
    "warm_start",
]
