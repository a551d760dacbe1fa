"""The server of the dashboard: what it lets in, and what pages may do."""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from collections.abc import Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from dse.errors import DseError
from dse.plots.style import UPLOAD

if TYPE_CHECKING:
    import dash

    from dse.problem import Problem

COOKIE = "dse-token"
LOCAL_NAMES = {"localhost", "127.0.0.1", "::1"}


class DashboardError(DseError):
    """The dashboard cannot be served."""


def serve(
    store: str,
    *,
    host: str = "127.0.0.1",
    port: int = 8050,
    token: str | None = None,
    problems: Mapping[str, Problem] | None = None,
) -> None:
    """Serve the dashboard of a store until Ctrl-C.

    Parameters
    ----------
    store
        Its URL. Studies are read only; short lists are written.
    host
        Where to listen. Beyond this machine a token is needed.
    port
        The first one that is tried where it is taken.
    token
        What a browser has to show; made up, and printed, where one is needed and none is given.
    problems
        Problems by study, for "what if" on studies that no installed package builds.

    Raises
    ------
    DashboardError
        If Dash is not installed, or the address cannot be listened on.
    StoreError
        If the store cannot be read.
    """
    _check_installed()
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            pass

    local = is_local(host)
    if not local and token is None:
        token = secrets.token_urlsafe(24)
    app = make_app(store, token=token, problems=problems, hosts=LOCAL_NAMES if local else None)
    try:
        server = make_server(host, port, app.server, threaded=True, request_handler=Quiet)
    except (OSError, SystemExit) as error:  # werkzeug exits where a port is taken
        raise DashboardError(
            f"{host}:{port} cannot be listened on ({error}): take another, --port {port + 1}"
        ) from None
    shown = f"[{host}]" if ":" in host else host
    query = f"?token={token}" if token else ""
    print(f"dashboard of {app.title}: http://{shown}:{server.port}/{query}  (Ctrl-C ends it)", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()


def make_app(
    store: str,
    *,
    token: str | None = None,
    problems: Mapping[str, Problem] | None = None,
    hosts: set[str] | None = None,
) -> dash.Dash:
    """Return the dashboard as a Dash app, whose ``server`` is a WSGI application for any server.

    Parameters
    ----------
    store, token, problems
        As for `serve`.
    hosts
        Names by which browsers may address it, against sites that have their own name point here; None for
        any.
    """
    _check_installed()
    import dash
    import flask

    from dse.dashboard.callbacks import register
    from dse.dashboard.context import Context
    from dse.dashboard.pages import shell

    context = Context(store, problems or {})
    server: Any = flask.Flask("dse.dashboard")
    app = dash.Dash(
        "dse.dashboard",
        server=server,
        assets_folder=str(files("dse.dashboard") / "assets"),
        title=context.shown,
        update_title="",
        suppress_callback_exceptions=True,
        serve_locally=True,
        enable_mcp=False,
        add_log_handler=False,
        index_string=INDEX,
        meta_tags=[{"name": "viewport", "content": "width=device-width, initial-scale=1"}],
    )
    app.layout = shell(context)
    register(app, context)
    policy = content_policy(app)

    def let_in() -> Any:
        request = flask.request
        name = urlsplit(f"//{request.host}").hostname or ""
        if hosts is not None and name not in hosts:
            flask.abort(403, f"this dashboard is not {name!r}")
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.host:
            flask.abort(403, "requests of other sites are not answered")
        if token is None:
            return None
        given = request.args.get("token", "")
        if given and hmac.compare_digest(given.encode(), token.encode()):
            kept = {key: value for key, value in request.args.items() if key != "token"}
            query = f"?{urlencode(kept)}" if kept else ""
            answer = flask.redirect("/" + request.path.lstrip("/") + query)  # "//" would lead elsewhere
            answer.set_cookie(COOKIE, token, httponly=True, samesite="Strict")
            return answer
        if not hmac.compare_digest(request.cookies.get(COOKIE, "").encode(), token.encode()):
            flask.abort(401, "open the address with ?token=..., which 'dse dashboard' printed")
        return None

    def say(answer: Any) -> Any:
        answer.headers["Content-Security-Policy"] = policy
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["Referrer-Policy"] = "same-origin"
        answer.headers["X-Frame-Options"] = "SAMEORIGIN"
        return answer

    server.before_request(let_in)
    server.after_request(say)
    return app


def content_policy(app: dash.Dash) -> str:
    """Return what a page may load: nothing from elsewhere, whatever a stored text says."""
    # plotly.js compiles its WebGL code at run time; Dash styles its components within the page.
    scripts = " ".join(sorted(app.csp_hashes()))
    return (
        f"default-src 'self'; script-src 'self' 'unsafe-eval' {scripts}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; worker-src 'self' blob:; connect-src 'self'; font-src 'self' data:; "
        "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
    )


def is_local(host: str) -> bool:
    """Return whether an address is one that this machine alone reaches."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_installed() -> None:
    try:
        import dash  # noqa: F401
    except ImportError:
        raise DashboardError("Dash is not installed: pip install 'dse-toolkit[dashboard]'") from None


GRAPH_CONFIG: Any = {
    "displaylogo": False, "responsive": True, "plotlyServerURL": "", "showSendToCloud": False,
    "modeBarButtonsToRemove": [UPLOAD, "lasso2d", "select2d", "autoScale2d"],
}  # fmt: skip

ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Cpath d='M2 2v8h6v4h6' fill='none' stroke='%230072B2' stroke-width='2.5'/%3E%3C/svg%3E"
)
INDEX = """<!DOCTYPE html>
<html lang="en">
<head>
{%metas%}
<meta name="color-scheme" content="light dark">
<title>{%title%}</title>
<link rel="icon" href="ICON">
{%css%}
</head>
<body>
{%app_entry%}
<footer hidden>
{%config%}
{%scripts%}
{%renderer%}
</footer>
</body>
</html>""".replace("ICON", ICON)
