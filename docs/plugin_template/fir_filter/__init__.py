"""Folded FIR filters: a space, a cost model, a searcher and a study for dse."""
