"""Regressions with uncertainty, one a file."""
