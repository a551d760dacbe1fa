"""Our own model of accelerators on the architectures of a file with marked fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dse.designs import Designs
from dse.errors import ProblemError
from dse.expressions import Columns
from dse.interop.names import settle
from dse.interop.template import Template
from dse.space import Space
from objectives.accelerator.hardware import CORE_COLUMNS
from objectives.accelerator.model import AcceleratorModel
from objectives.architectures.architecture import Architecture
from objectives.architectures.core import core_columns
from objectives.architectures.timeloop import read_timeloop
from objectives.architectures.zigzag import memory_links, read_unrolling, read_zigzag

# The parameter of a dataflow that no file states.
DATAFLOW = "dataflow"

# Designs on which what is lost is looked for.
_PROBES = 64


class FileModel:
    """What a network costs on the architecture that a file describes, by `objectives.accelerator`.

    Parameters
    ----------
    model
        Of one core: the network, the technology, what mappings minimise.
    accelerator
        ZigZag's accelerator, or Timeloop's architecture.
    mapping
        ZigZag's mapping: the dataflow is the one that it unrolls, unless `dataflow` names one.
    space
        Of the designs: the files' parameters, and ``dataflow`` where it is chosen.
    dataflow
        For all designs; None where the mapping states it or a parameter does.
    precision, clock_mhz
        By default the file's, else int8 and 1,000.
    lost
        Where to put what a core of ours has no place for; None to refuse it.
    layers
        The network as ZigZag has it, to verify designs there; see `SimulatedFile`.

    Attributes
    ----------
    lost
        What a core of ours has no place for, a line each.
    unread
        What the file says of costs, for which this model has its own.

    Raises
    ------
    ProblemError
        If the file is none that is read here, or something is lost and there is no list.
    """

    version = "1"

    def __init__(
        self,
        model: AcceleratorModel,
        accelerator: Template,
        space: Space,
        *,
        mapping: Template | None = None,
        dataflow: str | None = None,
        precision: str | None = None,
        clock_mhz: float | None = None,
        lost: list[str] | None = None,
        layers: Sequence[tuple[Sequence[Mapping[str, Any]], int]] = (),
    ) -> None:
        if model.cores != 1:
            raise ProblemError(f"a file describes one core, not {model.cores}")
        self.model = model
        self.accelerator, self.mapping = accelerator, mapping
        self.layers = tuple(layers)
        self._options: dict[str, Any] = {"precision": precision, "clock_mhz": clock_mhz}
        self._dataflow = dataflow
        self.kind = kind_of(accelerator, space)
        if dataflow is None and mapping is None and DATAFLOW not in space:
            raise ProblemError(
                f"{accelerator.name} does not say what stays in its PEs: name a dataflow, as in "
                "dataflow=weight_stationary, or give ZigZag's mapping"
            )
        reads = [*accelerator.reads, *(mapping.reads if mapping is not None else ())]
        self._columns = tuple(dict.fromkeys([*reads, *([DATAFLOW] if DATAFLOW in space else [])]))
        probe = space.sample(_PROBES, 0)
        self.unread = self.architecture(probe).unread
        _, lines = self._core(probe)
        self.lost = tuple(lines)
        settle(lines, lost, f"a core of ours, taken from {accelerator.name},", kind=ProblemError)

    @property
    def name(self) -> str:
        """The model's."""
        return self.model.name

    @property
    def metrics(self) -> Mapping[str, str]:
        """The model's."""
        return self.model.metrics

    @property
    def columns(self) -> tuple[str, ...]:
        """The parameters of the files."""
        return self._columns

    @property
    def settings(self) -> Mapping[str, Any]:
        """The model's, the files' texts, and what was lost."""
        return {
            **self.model.settings,
            **stored_files(self.kind, self.accelerator, self.mapping),
            **{key: value for key, value in self._options.items() if value is not None},
            **({"dataflow": self._dataflow} if self._dataflow else {}),
            **({"lost": list(self.lost)} if self.lost else {}),
        }

    def architecture(self, d: Columns) -> Architecture:
        """Return the architectures of designs, their numbers arrays (n,) where fields are marked."""
        values = {name: np.asarray(d[name]) for name in self._columns}
        content = self.accelerator.content(values)
        if self.kind == "timeloop":
            return read_timeloop(content)
        return read_zigzag(
            content, **({} if self.mapping is None else {"links": memory_links(self._mapped(d))})
        )

    def core(self, d: Columns, n: int) -> dict[str, Any]:
        """Return the cores of n designs: columns of the names `CORE_COLUMNS`, each (n,)."""
        found, _ = self._core(d)
        return {name: np.broadcast_to(np.asarray(found[name]), (n,)) for name in CORE_COLUMNS}

    def _mapped(self, d: Columns) -> Any:
        assert self.mapping is not None
        return self.mapping.content({name: np.asarray(d[name]) for name in self.mapping.reads})

    def _core(self, d: Columns) -> tuple[dict[str, Any], list[str]]:
        architecture = self.architecture(d)
        dataflow: Any = self._dataflow
        if DATAFLOW in self._columns:
            dataflow = np.asarray(d[DATAFLOW])
        elif self.mapping is not None:
            try:
                unrolled = read_unrolling(self._mapped(d))
            except ProblemError:
                if dataflow is None:
                    raise
            else:
                dataflow = dataflow or unrolled.dataflow
                if unrolled.swapped:
                    architecture = replace(architecture, rows=architecture.columns, columns=architecture.rows)
        found, lost = core_columns(architecture, dataflow=dataflow, **self._options)
        node = self.model.technology.name
        if architecture.technology not in (None, node):
            lost.append(f"technology {architecture.technology!r}: unit costs are those of {node}")
        return found, lost

    def evaluate(self, designs: Designs) -> Mapping[str, ArrayLike]:
        """Evaluate a batch."""
        core = self.core(designs, len(designs))
        return self.model.evaluate({f"acc.{name}": value for name, value in core.items()})


def kind_of(accelerator: Template, space: Space) -> str:
    """Return whose file it is, ``zigzag`` or ``timeloop``; raise `ProblemError` if neither's."""
    probe = space.sample(1, 0)
    content = accelerator.content({name: probe[name] for name in accelerator.reads})
    keys = list(content) if isinstance(content, Mapping) else []
    if "architecture" in keys:
        return "timeloop"
    if "operational_array" in keys:
        return "zigzag"
    raise ProblemError(
        f"{accelerator.name} is neither ZigZag's accelerator (a key 'operational_array') nor Timeloop's "
        f"architecture (a key 'architecture'); it has {', '.join(map(str, keys[:6])) or 'no keys'}"
    )


def stored_files(kind: str, accelerator: Template, mapping: Template | None) -> dict[str, Any]:
    """Return the files as JSON values, from which `stored_template` makes them again."""
    files = {kind: accelerator} | ({} if mapping is None else {"zigzag-mapping": mapping})
    return {
        "files": {
            key: {"name": item.name, "text": item.text, "digest": item.digest} for key, item in files.items()
        }
    }


def stored_template(settings: Mapping[str, Any], kind: str) -> Template:
    """Return a file that `stored_files` kept; raise `ProblemError` if there is none of that kind."""
    files = settings.get("files", {})
    if kind not in files:
        raise ProblemError(f"the study has no file of {kind}; it has {', '.join(files) or 'none'}")
    found = Template(files[kind]["text"], name=files[kind]["name"])
    if found.digest != files[kind]["digest"]:
        raise ProblemError(f"{found.name} was marked from outside: the marks are not stored, render it there")
    return found
