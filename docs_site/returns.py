"""A griffe extension: what a docstring returns may be told in sentences.

numpydoc's grammar takes the first line of ``Returns`` for a type. Before prose the annotation is put.
"""

from __future__ import annotations

import re
import textwrap
from typing import Any

from griffe import Extension, Function

_RETURNS = re.compile(
    r"(?P<head>^Returns\n-+\n)(?P<text>.*?)(?=\n\n[A-Z][a-z]+\n-+\n|\Z)", re.DOTALL | re.MULTILINE
)


class ProseReturns(Extension):
    """Put the annotation before prose."""

    def on_function_instance(self, *, func: Function, **_: Any) -> None:
        """Change the docstring of one function."""
        if func.docstring is not None:
            func.docstring.value = with_type(func.docstring.value, str(func.returns or "value"))


def with_type(docstring: str, annotation: str) -> str:
    """Return a docstring whose prose on what is returned stands under a type."""

    def typed(match: re.Match[str]) -> str:
        lines = match["text"].splitlines()
        if len(lines) > 1 and lines[1].startswith("    "):
            return match[0]
        return f"{match['head']}{annotation}\n{textwrap.indent(match['text'], '    ')}"

    return _RETURNS.sub(typed, docstring)
