"""The public names, from the sources alone: ``python -m tests.public_api`` writes docs/api.md anew."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "api.md"

# What a module's __all__ lists, or the names given.
PUBLIC: dict[str, tuple[str, ...] | None] = {
    "dse": None,
    "dse.additive": ("Additive", "AdditiveModel", "Term"),
    "dse.command": None,
    "dse.compare": None,
    "dse.definitions": ("StudyDefinition", "available", "find"),
    "dse.deprecation": ("DseDeprecationWarning", "deprecate"),
    "dse.errors": (
        "DseError", "DesignError", "ExecutorError", "ExpressionError", "ProblemError", "SearcherError",
        "SpaceError", "StoreError", "StudyError", "SurrogateError",
    ),
    "dse.executors": None,
    "dse.importance": ("parameter_importance",),
    "dse.interop.configspace": None,
    "dse.interop.gymnasium": ("DesignEnv", "ParameterEnv"),
    "dse.interop.kernel_tuner": None,
    "dse.interop.optuna": None,
    "dse.interop.pettingzoo": ("DesignParallelEnv",),
    "dse.interop.pymoo": None,
    "dse.interop.space_files": ("read_space", "space_text"),
    "dse.interop.template": None,
    "dse.models": ("renamed",),
    "dse.pareto": None,
    "dse.plots": None,
    "dse.plugins": ("plugins", "space", "model"),
    "dse.report": None,
    "dse.searchers": ("Searcher", "make_searcher"),
    "dse.searchers.batch": ("Batch",),
    "dse.searchers.fresh": ("fresh",),
    "dse.store": None,
    "dse.surrogates": None,
    "dse.table": ("Table",),
    "dse.testing": None,
    "spaces.accelerator": ("accelerator_space", "heterogeneous_space"),
    "spaces.decoders": ("decoder_space",),
    "spaces.digits": ("perceptron_space",),
    "spaces.gpu_tiling": ("attention_space", "convolution_space", "simt_gemm_space", "tensor_gemm_space"),
    "spaces.lut": ("lut_space",),
    "spaces.nas": ("nasbench201_space",),
    "spaces.quantization": ("formats_space", "quantization_space"),
    "spaces.supernet": ("supernet_space",),
    "objectives.accelerator": None,
    "objectives.architectures": None,
    "objectives.devices": None,
    "objectives.external": None,
    "objectives.gpu.attention": ("attention_model",),
    "objectives.gpu.convolution": ("convolution_model",),
    "objectives.gpu.shapes": ("AttentionShape", "GemmShape"),
    "objectives.gpu.simt_gemm": ("simt_gemm_model",),
    "objectives.gpu.tensor_gemm": ("tensor_gemm_model",),
    "objectives.lut": None,
    "objectives.lut.rtl": ("product", "simulate", "verilog"),
    "objectives.measured": None,
    "objectives.networks": None,
    "objectives.quantization": None,
    "objectives.synthesis": None,
    "objectives.workloads": None,
    "objectives.workloads.shapes": ("LayerShapes", "layer_shapes"),
    "studies.gpu_tiling": ("limits", "problem"),
    "studies.llm_codesign": ("problem",),
    "studies.lut_accelerator": ("problem", "study"),
    "studies.nas_accelerator": ("problem",),
    "studies.nasaic": ("problem",),
    "studies.nasbench201": ("problem",),
    "studies.quantization": ("problem", "recipe"),
}  # fmt: skip

_HEAD = """\
# Public names

What [the promise of stability](stability.md) covers. Anything else may change without notice. The page is
made of the sources by `python -m tests.public_api`; a test notices when it is not what they say.
"""


def page() -> str:
    """Return the page."""
    parts = [_HEAD, "## Commands\n", *_commands(), ""]
    for module in PUBLIC:
        tree = _tree(module)
        parts += [f"## {module}\n", f"{_summary(tree)}\n"]
        for name in names(module):
            parts += _entry(module, name)
        parts.append("")
    return "\n".join(parts).rstrip() + "\n"


def names(module: str) -> list[str]:
    """Return a module's public names."""
    return list(PUBLIC[module] or _all(_tree(module)))


def summary(module: str) -> str:
    """Return the first sentence of a module's docstring."""
    return _summary(_tree(module))


def home(module: str, name: str) -> str:
    """Return the module that defines a public name."""
    return _definition(module, name)[0]


def _commands() -> Iterator[str]:
    from typer.main import get_command

    from dse.cli import app
    from dse.searchers import BUILT_IN

    def listed(command: object, path: str) -> Iterator[str]:
        below = getattr(command, "commands", None)
        if below is not None:
            for name, item in sorted(below.items()):
                yield from listed(item, f"{path} {name}")
            return
        shown = []
        for parameter in command.params:  # type: ignore[attr-defined]
            if parameter.param_type_name == "argument":
                shown.append(parameter.metavar or parameter.name.upper())
            else:
                shown.append("/".join(sorted(parameter.opts, key=len, reverse=True)[:1]))
        yield f"- `{' '.join([path, *shown])}`"

    yield from listed(get_command(app), "dse")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for kind, group in (("Studies", "dse.studies"), ("Spaces", "dse.spaces")):
        yield f"\n{kind}: {', '.join(f'`{name}`' for name in sorted(project['entry-points'][group]))}."
    yield f"\nSearchers: {', '.join(f'`{name}`' for name in sorted(BUILT_IN))}."
    yield f"\nExtras: {', '.join(f'`{name}`' for name in sorted(project['optional-dependencies']))}."


@cache
def _tree(module: str) -> ast.Module:
    path = ROOT / module.replace(".", "/")
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(file.read_text(encoding="utf-8"))


def _summary(node: ast.AST) -> str:
    text = ast.get_docstring(node) or ""  # type: ignore[arg-type]
    return " ".join(text.partition("\n\n")[0].split())


def _all(tree: ast.Module) -> list[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and [ast.unparse(item) for item in node.targets] == ["__all__"]:
            return list(ast.literal_eval(node.value))
    raise AssertionError("the module has no __all__")


def _entry(module: str, name: str) -> list[str]:
    home, node = _definition(module, name)
    match node:
        case ast.FunctionDef():
            return [f"- `{name}({_arguments(node)}){_returned(node)}`: {_summary(node)}"]
        case ast.ClassDef():
            made = _constructed(home, node)
            lines = [f"- `{name}({made})`: {_summary(node)}" if made else f"- `{name}`: {_summary(node)}"]
            members = [
                item.name if _is_property(item) else f"{item.name}({_arguments(item, bound=True)})"
                for item in node.body
                if isinstance(item, ast.FunctionDef) and not item.name.startswith("_")
            ]
            return [*lines, *(f"  - `{member}`" for member in dict.fromkeys(members))]
    return [f"- `{name}`"]


def _definition(module: str, name: str) -> tuple[str, ast.AST | None]:
    """Return where a name is defined, there or where it is imported from, and its definition."""
    tree = _tree(module)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            return module, node
    for node in ast.walk(tree):
        ours = isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in (
            "dse",
            "objectives",
        )
        if isinstance(node, ast.ImportFrom) and ours:
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return _definition(str(node.module), alias.name)
    return module, None


def _is_property(node: ast.FunctionDef) -> bool:
    return any("property" in ast.unparse(item) for item in node.decorator_list)


def _arguments(node: ast.FunctionDef, *, bound: bool = False) -> str:
    text = ast.unparse(node.args)
    static = any(ast.unparse(item) == "staticmethod" for item in node.decorator_list)
    if not bound or static:
        return text
    return text.partition(",")[2].strip()


def _returned(node: ast.FunctionDef) -> str:
    return "" if node.returns is None else f" -> {ast.unparse(node.returns)}"


def _constructed(module: str, node: ast.ClassDef) -> str:
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            return _arguments(item, bound=True)
    if not any(ast.unparse(item).startswith("dataclass") for item in node.decorator_list):
        return ""
    fields = _fields(module, node)
    by_name = {name: item for name, item in fields.items() if "kw_only=True" in item}
    shown = [item for name, item in fields.items() if name not in by_name]
    return ", ".join([*shown, *(["*"] if by_name else []), *map(_without_field, by_name.values())])


def _without_field(text: str) -> str:
    """Return ``name: type = default`` of a field that states more."""
    statement = ast.parse(text).body[0]
    assert isinstance(statement, ast.AnnAssign)
    assert isinstance(statement.value, ast.Call)
    default = {item.arg: ast.unparse(item.value) for item in statement.value.keywords}.get("default")
    plain = f"{ast.unparse(statement.target)}: {ast.unparse(statement.annotation)}"
    return plain if default is None else f"{plain} = {default}"


def _fields(module: str, node: ast.ClassDef) -> dict[str, str]:
    """Return the arguments of a data class by name, those of its bases first."""
    found: dict[str, str] = {}
    for base in node.bases:
        home, above = _definition(module, ast.unparse(base).partition("[")[0])
        if isinstance(above, ast.ClassDef):
            found |= _fields(home, above)
    for item in node.body:
        if not isinstance(item, ast.AnnAssign) or ast.unparse(item.annotation).startswith("ClassVar"):
            continue
        name = ast.unparse(item.target)
        if not name.startswith("_") and "init=False" not in ast.unparse(item):
            found[name] = ast.unparse(item)
    return found


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
