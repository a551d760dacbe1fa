"""A user's YAML or JSON file whose marked fields are the parameters of a space."""

from __future__ import annotations

from dse.interop.template.nodes import Tagged, load
from dse.interop.template.template import Template, joined_space

__all__ = ["Tagged", "Template", "joined_space", "load"]
