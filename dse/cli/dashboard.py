"""``dse dashboard``: look at studies while they run."""

from __future__ import annotations

from typing import Annotated

import typer

from dse.cli.options import DEFAULT_STORE, StoreOption


def dashboard(
    store: StoreOption = DEFAULT_STORE,
    host: Annotated[
        str, typer.Option(help="Where to listen; beyond this machine a token is needed.", metavar="HOST")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes a free one.", metavar="N")] = 8050,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="DSE_TOKEN", help="What a browser has to show.", metavar="TOKEN", show_envvar=False
        ),
    ] = None,
) -> None:
    """Look at a store's studies in a browser, while they run."""
    from dse.dashboard.server import serve

    serve(store, host=host, port=port, token=token)
