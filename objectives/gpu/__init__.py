"""Tiled kernels on GPUs."""
