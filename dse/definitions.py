"""Ready studies: a problem with its settings, found by name through entry points."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

from dse.designs import Designs
from dse.errors import StudyError
from dse.plugins import Plugin, plugins
from dse.problem import Problem

_KINDS = (str, int, float, bool)
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class Setting:
    """One ``--set key=value`` of a study."""

    name: str
    kind: type
    default: Any


@dataclass(frozen=True)
class StudyDefinition:
    """A study that can be run by name.

    Parameters
    ----------
    name
        As typed: ``dse run NAME``.
    summary
        One line for ``dse studies``.
    problem
        Builds the problem. Its keyword arguments, each with a default and a type among str, int, float
        and bool, are the study's settings (``--set key=value``); its docstring explains them.
    searcher, budget
        What ``dse run`` takes by default. A study that asks a fast model for thousands of designs may name
        "nsga2": models of such a model cost more time than they save.
    synthesize
        Writes the hardware of a design, given its parameters by name, into a folder, within a time
        limit in seconds, and returns its summary by name: ``dse synth``. None where there is none.
    verify
        Checks a design's predictions by another tool: given the problem, the design, the tool's name, seconds
        for each of its runs, and how many run at once, returns by metric what was predicted and what the tool
        finds: ``dse verify``. None where there is none.
    recipe
        Turns a design into what its user applies, as JSON values: ``dse export NAME --design K``. It is given
        the stored problem (`Problem.to_dict`) and the design's parameters by name. None where the parameters
        say it all.
    writers
        Write a design as a file of another tool, by the tool's name: ``dse export NAME --design K --to
        TOOL``. Each is given what `recipe` is, and returns the file's text.

    Examples
    --------
    At the end of a study's file, so that ``python -m studies.mine`` does what ``dse run mine`` does::

        study = StudyDefinition("mine", "my accelerator", problem)

        if __name__ == "__main__":
            study.main()
    """

    name: str
    summary: str
    problem: Callable[..., Problem]
    searcher: str = "auto"
    budget: int = 10_000
    synthesize: Callable[[Mapping[str, Any], Path, float | None], Mapping[str, Any]] | None = None
    verify: Callable[[Problem, Designs, str, float, int], Mapping[str, tuple[float, float]]] | None = None
    recipe: Callable[[Mapping[str, Any], Mapping[str, Any]], Mapping[str, Any]] | None = None
    writers: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any]], str]] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, Setting]:
        """The settings by name; raises `StudyError` if an argument of `problem` cannot be one."""
        hints = get_type_hints(self.problem)
        found = {}
        for argument in inspect.signature(self.problem).parameters.values():
            kind = hints.get(argument.name, object)
            if kind not in _KINDS or argument.default is argument.empty:
                types = ", ".join(item.__name__ for item in _KINDS)
                raise StudyError(
                    f"study {self.name!r}: argument {argument.name!r} of its problem needs a default "
                    f"and one of the types {types}"
                )
            found[argument.name] = Setting(argument.name, kind, argument.default)
        return found

    def build(self, settings: Mapping[str, Any] | None = None) -> Problem:
        """Build the problem.

        Parameters
        ----------
        settings
            Values, or their text as typed on a command line, by setting.

        Raises
        ------
        StudyError
            If a setting is unknown or its text is not of its type.
        """
        known = self.settings
        values: dict[str, Any] = {}
        for key, value in (settings or {}).items():
            if key not in known:
                raise StudyError(
                    f"study {self.name!r} has no setting {key!r}; known are {', '.join(known) or 'none'}"
                )
            values[key] = self._parse(known[key], value) if isinstance(value, str) else value
        return self.problem(**values)

    def _parse(self, setting: Setting, text: str) -> Any:
        try:
            return _TRUTH[text.lower()] if setting.kind is bool else setting.kind(text)
        except (KeyError, ValueError):
            raise StudyError(
                f"study {self.name!r}: {setting.name}={text!r} is no {setting.kind.__name__}, as in "
                f"{setting.name}={setting.default}"
            ) from None

    def main(self) -> None:
        """Run the study as ``dse run NAME`` does, with the options of this command line."""
        from dse.cli import main

        main(["run", self.name, *sys.argv[1:]])


@dataclass(frozen=True)
class Found:
    """A study that an installed package offers."""

    plugin: Plugin

    @property
    def name(self) -> str:
        """As typed: ``dse run NAME``."""
        return self.plugin.name

    @property
    def package(self) -> str:
        """The package that it comes from."""
        return self.plugin.package

    def load(self) -> StudyDefinition:
        """Import the study; raise `StudyError` if it cannot be."""
        definition = self.plugin.load(StudyError)
        if not isinstance(definition, StudyDefinition):
            raise StudyError(f"{self.plugin.entry.value} of package {self.package!r} is no StudyDefinition")
        return definition


def available() -> dict[str, Found]:
    """Return the installed studies by name."""
    return {name: Found(item) for name, item in plugins("study").items()}


def find(name: str) -> StudyDefinition:
    """Return a study by name; raise `StudyError`, naming the nearest, if there is none."""
    from difflib import get_close_matches

    studies = available()
    if name not in studies:
        near = get_close_matches(name, studies, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        raise StudyError(f"there is no study {name!r}{hint} Type 'dse studies' for those there are")
    return studies[name].load()
