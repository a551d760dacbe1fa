"""Cost models of the domains, and what they share: workloads, technologies, devices."""
