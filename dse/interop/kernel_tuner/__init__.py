"""Kernel Tuner's caches, and T1 and T4 of the auto-tuning community: spaces and results both ways.

B. van Werkhoven, "Kernel Tuner: a search-optimizing GPU code auto-tuner", Future Generation Computer Systems
90, 2019. T1 and T4: the input and output formats of the FAIR benchmark hub for auto-tuning
(github.com/AutoTuningAssociation).
"""

from dse.interop.kernel_tuner.importing import import_results
from dse.interop.kernel_tuner.reading import Results, load, metric_columns, parse_cache, parse_t4
from dse.interop.kernel_tuner.t1 import from_t1, to_t1
from dse.interop.kernel_tuner.writing import to_kernel_tuner, to_t4

__all__ = [
    "Results",
    "from_t1",
    "import_results",
    "load",
    "metric_columns",
    "parse_cache",
    "parse_t4",
    "to_kernel_tuner",
    "to_t1",
    "to_t4",
]
