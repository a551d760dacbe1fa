"""`Template`: a file with marked fields as a space, and a design as such a file."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from yaml.nodes import Node

from dse.errors import DesignError, SpaceError
from dse.interop.template.marks import Chosen, Field, read_mark, stated_mark, tag_of
from dse.interop.template.nodes import compose, plain, walk
from dse.space import Constraint, Parameter, Space
from dse.space.constraints import Predicate

_RULE = re.compile(r"^[ \t]*#[ \t]*dse:[ \t]*(.*?)[ \t]*$", re.MULTILINE)


class Template:
    r"""A YAML or JSON text whose marked fields are parameters; all else is fixed, to the last comment.

    In YAML a field is marked by a tag::

        depth: !choice [1024, 2048, 4096]           # one of a list
        banks: !range [1, 16]                       # low, high and maybe a step; whole numbers or reals
        clock: !range {low: 0.2, high: 2.0, log: true, name: clock_ghz}
        width: !expression banks * 64               # follows from parameters
        name: !text "PE[0..{rows * columns - 1}]"   # text with such values in it
        # dse: depth * banks <= 65536               a constraint of the space, in a comment

    In JSON by an object with the mark as its only key: ``{"!choice": [1024, 2048]}``.

    Parameters
    ----------
    text
        The file's content, of at most 4 Mi characters.
    name
        Of the file, for messages.
    marks
        Further marks by path, for files that must stay as they are: a list of values; ``{"low": 1, "high":
        16}``; a `Parameter`; or text, an expression. Paths are as in ``memories.sram.ports[0].type``; an item
        of a list whose items all have a ``name`` goes by it: ``architecture.nodes.PE.spatial.meshX``.

    Attributes
    ----------
    parameters
        In the order of the file. A parameter is named by its path (``sizes[0]`` as ``sizes_0``), or as its
        mark says: ``!choice {values: [8, 16], name: rows}``. Fields with one name are one parameter.
    constraints
        That the file states.

    Raises
    ------
    SpaceError
        If the text is no YAML, a mark cannot be read (with its line), or nothing is marked.

    Examples
    --------
    >>> template = Template("rows: !choice [8, 16]   # of the array\n")
    >>> template.space.count()
    2
    >>> template.render({"rows": 16})
    'rows: 16   # of the array\n'
    """

    def __init__(self, text: str, *, name: str = "template", marks: Mapping[str, Any] | None = None) -> None:
        self.name = name
        self.text = text
        self._root = compose(text, name)
        self._fields = self._find(dict(marks or {}))
        self.constraints = tuple(found for found in _RULE.findall(text) if found)
        self.parameters = merged(
            [item.parameter for _, item in self._fields if isinstance(item, Chosen)], name
        )
        try:
            json.loads(text)
            self._as_json = True
        except ValueError:
            self._as_json = False

    @classmethod
    def read(cls, path: str | Path, *, marks: Mapping[str, Any] | None = None) -> Self:
        """Read a template from a file; raise `SpaceError` if there is none."""
        file = Path(path)
        try:
            text = file.read_bytes().decode("utf-8")
        except OSError as error:
            raise SpaceError(f"{str(file)!r} cannot be read ({error.strerror}): give another path") from None
        except UnicodeDecodeError:
            raise SpaceError(f"{file.name} is no UTF-8 text: save it as UTF-8") from None
        return cls(text, name=file.name, marks=marks)

    def _find(self, marks: dict[str, Any]) -> list[tuple[Node, Field]]:
        found: list[tuple[Node, Field]] = []
        paths: dict[str, Node] = {}
        inside: set[int] = set()
        for path, node in walk(self._root):
            if id(node) in inside:
                inside.update(id(below) for _, below in walk(node))
                continue
            paths[path] = node
            if tag_of(node) is not None:
                found.append((node, read_mark(self.text, path, node, self.name)))
                inside.update(id(below) for _, below in walk(node) if below is not node)
            elif path in marks:
                found.append((node, stated_mark(path, node, marks[path], self.name)))
        for path in marks:
            if path not in paths:
                near = get_close_matches(path, paths, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise SpaceError(f"{self.name} has no field {path!r}{hint}")
        return found

    @property
    def fields(self) -> tuple[Field, ...]:
        """The marked places, in order."""
        return tuple(item for _, item in self._fields)

    @property
    def reads(self) -> tuple[str, ...]:
        """The parameters that the file depends on, its own and those that its expressions name."""
        return tuple(dict.fromkeys(name for item in self.fields for name in item.reads))

    @cached_property
    def space(self) -> Space:
        """The space of the file's own parameters and constraints; raises `SpaceError` if there is none."""
        return joined_space([self])

    @property
    def digest(self) -> str:
        """A hash of the text and of marks that were made from outside."""
        stated = [(item.path, repr(item)) for item in self.fields]
        return hashlib.sha256(repr((self.text, stated)).encode()).hexdigest()[:16]

    def render(self, design: Any) -> str:
        """Return the file of a design: the text with values in place of marks.

        Parameters
        ----------
        design
            Values by parameter: a mapping, or a row of `Study.front`. What is no parameter is left out.

        Raises
        ------
        DesignError
            If a value is missing or not of its domain.
        """
        values = self._values(design)
        pieces: list[str] = []
        behind = 0
        for item in sorted(self.fields, key=lambda one: one.start):
            pieces += [
                self.text[behind : item.start],
                item.anchor,
                item.written(values, as_json=self._as_json),
            ]
            behind = item.end
        return "".join([*pieces, self.text[behind:]])

    def content(self, values: Mapping[str, Any]) -> Any:
        """Return what the file says, as plain values.

        Parameters
        ----------
        values
            By parameter: of one design; or arrays (n,), which then stand in the place of marked fields.

        Returns
        -------
        Mappings, lists, numbers, text; `Tagged` for tags of the file's own.
        """
        filled = {id(node): item.value(values) for node, item in self._fields}
        return plain(self._root, self.name, filled)

    def design(self, text: str) -> dict[str, Any]:
        """Return the design that a file of this template is, by parameter: the inverse of `render`.

        Raises
        ------
        DesignError
            If a marked field is missing there, or has no value of its parameter.
        """
        there = dict(walk(compose(text, self.name)))
        found: dict[str, Any] = {}
        for _, item in self._fields:
            if not isinstance(item, Chosen):
                continue
            if item.path not in there:
                raise DesignError(f"the file has no field {item.path!r}, which {self.name} marks")
            content = plain(there[item.path], self.name)
            label = next(
                (label for label, value in item.contents.items() if value == content),
                content if not isinstance(content, dict | list) else str(content),
            )
            value = item.parameter.decode(item.parameter.encode([label]))[0]
            found[item.parameter.name] = value.item() if isinstance(value, np.generic) else value
        return found

    def _values(self, design: Any) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name in self.reads:
            if name not in design:
                raise DesignError(f"{self.name}: the design lacks {name!r}")
            value = design[name]
            values[name] = value.item() if isinstance(value, np.ndarray | np.generic) else value
        for parameter in self.parameters:
            decoded = parameter.decode(parameter.encode([values[parameter.name]]))[0]
            values[parameter.name] = decoded.item() if isinstance(decoded, np.generic) else decoded
        return values

    def __repr__(self) -> str:
        return f"<Template {self.name!r}: {', '.join(item.name for item in self.parameters)}>"


def merged(parameters: Iterable[Parameter], name: str) -> tuple[Parameter, ...]:
    """Return parameters with each name once; raise `SpaceError` where two of one name differ."""
    found: dict[str, Parameter] = {}
    for parameter in parameters:
        known = found.setdefault(parameter.name, parameter)
        if known != parameter:
            raise SpaceError(
                f"{name}: two marks are named {parameter.name!r} and differ: "
                f"{known.to_dict()} and {parameter.to_dict()}"
            )
    return tuple(found.values())


def joined_space(
    templates: Sequence[Template], constraints: Iterable[str | Predicate | Constraint] = ()
) -> Space:
    """Return the space of templates that go together: parameters of one name are one.

    Parameters
    ----------
    templates
        Files of one design, such as an accelerator and its mapping.
    constraints
        Beside those that the files state.

    Raises
    ------
    SpaceError
        If nothing is marked, parameters of one name differ, or an expression reads what is no parameter.
    """
    names = " and ".join(template.name for template in templates)
    parameters = merged((item for template in templates for item in template.parameters), names)
    if not parameters:
        raise SpaceError(f"{names} has no marked field: mark one, as in size: !choice [1024, 2048]")
    known = [parameter.name for parameter in parameters]
    for template in templates:
        for item in template.fields:
            for name in item.reads:
                if name not in known:
                    raise SpaceError(
                        f"{template.name}: {item.path} reads {name!r}, which is no parameter; known are "
                        f"{', '.join(known)}"
                    )
    rules = [rule for template in templates for rule in template.constraints]
    return Space(parameters, [*rules, *constraints])
