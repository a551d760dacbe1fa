"""What the site has beyond ``docs/``: README, change log, executed notebooks, the API from the docstrings.

MkDocs calls these functions; ``mkdocs.yml`` names this file.
"""

from __future__ import annotations

import json
import posixpath
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from nbconvert import MarkdownExporter
from nbformat import NotebookNode, read
from plotly.io import to_html
from plotly.offline import get_plotlyjs

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests import public_api  # noqa: E402

# Pages made of files that are not in docs/, and where a link to such a file leads.
BESIDE = {"README.md": "index.md", "CHANGELOG.md": "changelog.md"}
PLOTLY = "assets/plotly.min.js"
_FIGURE = "application/vnd.plotly.v1+json"
_LINK = re.compile(r"(?P<before>\]\()(?P<target>[^)\s#:]+)(?P<after>[^)\s:]*\))")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages of the API where the navigation says ``reference``."""
    assert config.nav is not None
    for part in config.nav:
        for entry in next(iter(part.values())) if isinstance(part, dict) else []:
            if isinstance(entry, dict) and entry.get("API") == "reference":
                entry["API"] = [{module: _reference(module)} for module in public_api.PUBLIC]
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages that are made."""
    for source, page in BESIDE.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        files.append(File.generated(config, f"tutorials/{path.stem}.md", content=notebook(path)))
    for module in public_api.PUBLIC:
        files.append(File.generated(config, _reference(module), content=reference(module)))
    files.append(File.generated(config, PLOTLY, content=get_plotlyjs()))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links between files of the repository to the site's pages."""
    origins = {made: source for source, made in BESIDE.items()}
    here = page.file.src_uri
    origin = origins.get(here)
    if origin is None:
        notebook_page = here.startswith("tutorials/")
        origin = f"notebooks/{page.file.name}.ipynb" if notebook_page else f"docs/{here}"

    def led(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(origin), match["target"]))
        there = _page(target)
        if there is None:
            return match[0]
        return f"{match['before']}{posixpath.relpath(there, posixpath.dirname(here) or '.')}{match['after']}"

    return "".join(part if fenced else _LINK.sub(led, part) for fenced, part in _parts(markdown))


def notebook(path: Path) -> str:
    """Return an executed notebook as a page, its figures live."""
    with path.open(encoding="utf-8") as file:
        content = read(file, as_version=4)
    figures = 0
    for cell in content.cells:
        for output in cell.get("outputs", []):
            if _FIGURE in output.get("data", {}):
                figures += 1
                output["data"] = NotebookNode({"text/html": _figure(output["data"][_FIGURE], figures)})
            elif "text/html" in output.get("data", {}):
                output["data"]["text/html"] = _table(output["data"]["text/html"])
    body, _ = MarkdownExporter().from_notebook_node(content)
    note = f"*An executed notebook: `notebooks/{path.name}` in the repository.*"
    script = f'<script src="../{PLOTLY}"></script>\n\n' if figures else ""
    title, _, rest = body.lstrip().partition("\n")
    return f"{title}\n\n{script}{note}\n{rest}"


def reference(module: str) -> str:
    """Return the page of a module's public names."""
    parts = [f"# {module}\n", public_api.summary(module) + "\n"]
    for name in public_api.names(module):
        path = f"{public_api.home(module, name)}.{name}"
        if name != "__version__":
            elsewhere = _first(path) != module
            parts.append(f"[`{name}`][{path}]: see there.\n" if elsewhere else f"::: {path}\n")
    return "\n".join(parts)


def _reference(module: str) -> str:
    return f"reference/{module}.md"


@cache
def _first(path: str) -> str:
    """Return the module on whose page a name is described: the first that offers it."""
    return next(
        module
        for module in public_api.PUBLIC
        for name in public_api.names(module)
        if f"{public_api.home(module, name)}.{name}" == path
    )


def _page(target: str) -> str | None:
    """Return the page of a file of the repository."""
    if target in BESIDE:
        return BESIDE[target]
    if target.startswith("docs/"):
        return target.removeprefix("docs/")
    if target.startswith("notebooks/"):
        return f"tutorials/{Path(target).stem}.md"
    return None


def _parts(markdown: str) -> Iterator[tuple[bool, str]]:
    """Yield text and fenced code by turns."""
    for index, part in enumerate(re.split(r"(^```.*?^```$)", markdown, flags=re.DOTALL | re.MULTILINE)):
        yield index % 2 == 1, part


def _figure(content: dict[str, Any], number: int) -> str:
    figure = go.Figure(json.loads(json.dumps({key: content[key] for key in ("data", "layout")})))
    return to_html(
        figure,
        full_html=False,
        include_plotlyjs=False,
        div_id=f"figure-{number}",
        config={"responsive": True},
    )


def _table(html: str) -> str:
    """Return a data frame's table without the notebook's own style."""
    html = re.sub(r"<style.*?</style>", "", html, flags=re.DOTALL).replace(' border="1"', "")
    return re.sub(r"\n\s*", "", html)
