"""Bridges to the libraries that users already have. Each is imported where it is used."""
