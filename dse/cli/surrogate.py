"""``dse surrogate train``, ``retrain``, ``evaluate``, ``list``, ``promote``, ``diff`` and ``prune``."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dse.cli.options import DEFAULT_STORE, JsonOption, StoreOption
from dse.errors import SurrogateError

if TYPE_CHECKING:
    from dse.surrogates.drift import Drift


class Model(StrEnum):
    """How metrics are learned."""

    AUTO = "auto"
    FOREST = "forest"
    BOOSTING = "boosting"
    GAUSSIAN_PROCESS = "gaussian_process"
    RIDGE = "ridge"


NameArgument = Annotated[str, typer.Argument(help="The name of a surrogate.", metavar="NAME")]
VersionArgument = Annotated[
    str,
    typer.Argument(help="A surrogate: NAME, the version that serves, or NAME@2.", metavar="NAME[@VERSION]"),
]
MoreStudies = Annotated[
    list[str] | None,
    typer.Argument(
        help="Stored studies beside those it was trained on.", metavar="STUDY", show_default=False
    ),
]
FailOption = Annotated[
    bool, typer.Option("--fail-on-drift", help="Exit with status 1 if intervals do not hold any more.")
]


def train(
    studies: Annotated[
        list[str],
        typer.Argument(help="Stored studies of one problem: NAME, or URL#NAME.", metavar="STUDY"),
    ],
    name: Annotated[
        str | None,
        typer.Option(help="What to call it; by default as the study.", metavar="NAME", show_default=False),
    ] = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            help="What to learn, 'all' for everything; by default what the studies optimise or limit.",
            metavar="METRIC",
            show_default=False,
        ),
    ] = None,
    model: Annotated[Model, typer.Option(help="How to learn; auto compares.")] = Model.AUTO,
    seconds: Annotated[
        float, typer.Option(help="What comparing models may cost, estimated.", min=0.0, metavar="S")
    ] = 60.0,
    seed: Annotated[int, typer.Option(help="Same seed, same surrogate.", min=0, metavar="N")] = 0,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Train a surrogate on stored studies: the first version of a name serves, a later one is a candidate."""
    if name is None:
        if len(studies) > 1:
            raise SurrogateError("several studies: say what to call their surrogate, by --name NAME")
        name = studies[0].rpartition("#")[2]
    from dse.cli import versions
    from dse.surrogates.registry import Registry

    registry = Registry(store)
    print(f"training {name} on {', '.join(studies)}", file=sys.stderr, flush=True)
    names = "all" if metrics == ["all"] else metrics or None
    made = registry.train(name, studies, metrics=names, model=model.value, seconds=seconds, seed=seed)
    if as_json:
        _write(versions.as_json(made))
        return
    versions.print_version(made)
    versions.print_next(made, store)


def retrain(
    name: NameArgument,
    studies: MoreStudies = None,
    model: Annotated[
        Model | None,
        typer.Option(help="How to learn; by default as the version that serves.", show_default=False),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            help="What comparing models may cost; by default as then.",
            min=0.0,
            metavar="S",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="By default as then.", min=0, metavar="N", show_default=False)
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Let the new version serve whatever its test says.")
    ] = False,
    fail_on_drift: FailOption = False,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Train a candidate with the new evaluations; it serves if it is better on some that neither saw."""
    from dse.cli import versions
    from dse.surrogates.registry import Registry

    found = Registry(store).retrain(
        name,
        studies or [],
        model=None if model is None else model.value,
        seconds=seconds,
        seed=seed,
        force=force,
    )
    if as_json:
        _write(found.to_dict())
    else:
        versions.print_retraining(found)
    _leave(found.drift, fail_on_drift)


def evaluate(
    version: VersionArgument,
    studies: Annotated[
        list[str] | None,
        typer.Argument(
            help="On the evaluations of these; by default of those it was trained on.",
            metavar="STUDY",
            show_default=False,
        ),
    ] = None,
    fail_on_drift: FailOption = False,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Test a surrogate on evaluations that it was not trained on, and whether its intervals hold there."""
    from dse.cli import versions
    from dse.surrogates.registry import Registry

    found = Registry(store, read_only=True).evaluate(version, studies or [])
    if as_json:
        _write(found.to_dict())
    else:
        versions.print_evaluation(found)
    _leave(found.drift, fail_on_drift)


def list_(
    name: Annotated[
        str | None,
        typer.Argument(help="One surrogate; by default all.", metavar="NAME", show_default=False),
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """List versions: state, what they were trained on, how good they are."""
    from dse.cli import versions
    from dse.surrogates.registry import Registry

    registry = Registry(store, read_only=True)
    records, sizes = registry.versions(name), registry.store.surrogates.sizes(name)
    if as_json:
        _write([{**versions.as_json(record), "bytes": sizes.get(record.digest)} for record in records])
    else:
        versions.print_versions(records, sizes)


def promote(
    version: Annotated[
        str,
        typer.Argument(help="NAME@2; or NAME, for its newest candidate.", metavar="NAME[@VERSION]"),
    ],
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Let a version serve, an earlier one too; the one that served is retired."""
    from dse.cli import versions
    from dse.surrogates.registry import Registry

    made = Registry(store).promote(version)
    if as_json:
        _write(versions.as_json(made))
    else:
        print(f"{made.reference} serves")


def diff(
    one: VersionArgument,
    other: Annotated[
        str | None,
        typer.Argument(
            help="Another; by default the newest other of the name.",
            metavar="NAME[@VERSION]",
            show_default=False,
        ),
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Compare two versions: what they were made of, their errors, and a test on what neither saw."""
    from dse.cli import versions
    from dse.surrogates.registry import Registry

    found = Registry(store, read_only=True).diff(one, other)
    if as_json:
        _write(found.to_dict())
    else:
        versions.print_difference(found)


def prune(
    name: NameArgument,
    keep: Annotated[int, typer.Option(help="Newest versions that keep theirs.", min=0, metavar="N")] = 3,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Delete the models of old versions, not of the one that serves; their records stay."""
    from dse.surrogates.registry import Registry

    registry = Registry(store)
    sizes = registry.store.surrogates.sizes(name)
    gone = registry.prune(name, keep)
    freed = sum(sizes.get(digest, 0) for digest in {record.digest for record in gone})
    if as_json:
        _write({"pruned": [record.version for record in gone], "bytes": freed})
    else:
        listed = ", ".join(record.reference for record in gone) or "nothing to prune"
        print(f"{listed}: {freed / 1e6:,.1f} MB free for what comes" if gone else listed)


def _write(value: Any) -> None:
    from dse.surrogates.provenance import plain

    print(json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False))


def _leave(drift: Drift | None, fail: bool) -> None:
    if fail and drift is not None and drift.drifted:
        raise typer.Exit(1)
