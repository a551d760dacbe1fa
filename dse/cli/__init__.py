"""The ``dse`` command: calls the same public functions that a notebook calls."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Annotated

import typer

from dse.cli import (
    compare,
    dashboard,
    export,
    import_,
    plugins,
    read,
    refine,
    run,
    shortlist,
    store,
    surrogate,
    synth,
    transfer,
    verify,
)
from dse.errors import DseError
from dse.version import __version__

app = typer.Typer(
    name="dse",
    help="Explore design spaces: find, store and show the Pareto front of hardware and software designs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"dse {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


app.command("studies")(run.studies)
app.command("plugins")(plugins.list_plugins)
app.command("run")(run.run)
app.command("front")(read.front)
app.command("show")(read.show)
app.command("dashboard")(dashboard.dashboard)
app.command("shortlist")(shortlist.shortlist)
app.command("compare")(compare.compare)
app.command("report")(read.report)
app.command("synth")(synth.synth)
app.command("verify")(verify.verify)
app.command("export")(export.export)
app.command("import")(import_.import_)

surrogates = typer.Typer(
    help="Train surrogates on stored studies: test, retrain, promote and list their versions.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(surrogates, name="surrogate")
surrogates.command("train")(surrogate.train)
surrogates.command("retrain")(surrogate.retrain)
surrogates.command("evaluate")(surrogate.evaluate)
surrogates.command("list")(surrogate.list_)
surrogates.command("promote")(surrogate.promote)
surrogates.command("diff")(surrogate.diff)
surrogates.command("prune")(surrogate.prune)
surrogates.command("refine")(refine.refine)
surrogates.command("transfer")(transfer.transfer)


stores = typer.Typer(
    help="Look after stores: what they hold, their schema and room, studies from one to another.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(stores, name="store")
stores.command("info")(store.info)
stores.command("migrate")(store.migrate)
stores.command("vacuum")(store.vacuum)
stores.command("copy")(store.copy)
stores.command("salvage")(store.salvage)


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    print(f"warning: {message}", file=sys.stderr)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 a run that failed, 2 bad usage.

    Parameters
    ----------
    arguments
        Those of the process by default.
    """
    given = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in given
    # Accepted anywhere: who needs it has just seen an error, and appends it.
    given = [argument for argument in given if argument != "--debug"]
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            app(given, prog_name="dse")
    except run.RunError as error:
        status, text = 1, str(error)
        cause = error.__cause__ or error
    except DseError as error:
        status, text, cause = 2, str(error), error
    except BrokenPipeError:
        # The reader of a pipe (head, less) has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        status, cause = 1, error
        text = f"unexpected {type(error).__name__}: {' '.join(str(error).split())} (--debug shows where)"
    else:
        return
    if debug:
        raise cause
    print(f"error: {text}", file=sys.stderr)
    sys.exit(status)
