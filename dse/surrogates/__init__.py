"""Surrogates: learned models of a problem's metrics, with intervals."""
