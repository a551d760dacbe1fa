"""The live dashboard: ``dse dashboard``, or `serve` from Python."""

from dse.dashboard.server import make_app, serve

__all__ = ["make_app", "serve"]
