"""ConfigSpace: spaces both ways.

M. Lindauer, K. Eggensperger, M. Feurer, A. Biedenkapp, J. Marben, P. Müller, F. Hutter, "BOAH: a tool suite
for multi-fidelity Bayesian optimization & analysis of hyperparameters", arXiv:1908.06756.
"""

from dse.interop.configspace.reading import from_configspace, from_json
from dse.interop.configspace.writing import to_configspace, to_json

__all__ = ["from_configspace", "from_json", "to_configspace", "to_json"]
