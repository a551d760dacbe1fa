"""Layer shapes of networks."""

from objectives.workloads.networks import BITNET_B158_2B4T, NETWORKS, network
from objectives.workloads.workload import LinearLayer, Workload

__all__ = ["BITNET_B158_2B4T", "NETWORKS", "LinearLayer", "Workload", "network"]
