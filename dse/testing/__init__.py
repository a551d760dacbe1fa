"""Contract suites: what the toolkit relies on, as checks that any implementation can be put through.

Each raises `AssertionError` with the promise that is broken. They need no test framework:

>>> from dse import Integer, Space
>>> from dse.testing import check_searcher, check_space
>>> from dse.searchers.random import Random
>>> check_space(Space([Integer("tile", 1, 8), Integer("stages", 1, 4)], ["tile * stages <= 16"]))
>>> check_searcher(Random)
"""

from dse.testing.models import check_cost_model
from dse.testing.searchers import check_searcher
from dse.testing.spaces import check_space
from dse.testing.stores import check_store

__all__ = ["check_cost_model", "check_searcher", "check_space", "check_store"]
