"""Searchers of ours beside named peers: the same problems, seeds, budgets and measure. See `__main__`."""
