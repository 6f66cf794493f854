"""What Python source says of itself: modules, imports, names, keys. By `ast`; nothing is imported or run."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.source_files import Import, Kind, tracked

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def modules(root: Path, package: str) -> dict[str, str]:
    """Dotted name -> path, of the package's modules. Migrations are left out: Django writes them."""
    found = {}
    for path in tracked(root, f"{package}/*.py"):
        if "/migrations/" not in path:
            found[module_name(path)] = path
    return found


def module_name(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def parse(root: Path, path: str) -> ast.Module:
    return ast.parse((root / path).read_text(encoding="utf-8"), filename=path)


def imports(root: Path, paths: dict[str, str]) -> list[Import]:
    """Every import of one module of `paths` by another, with its kind. What a string names is not seen."""
    found: set[Import] = set()
    for name, path in paths.items():
        is_package = path.endswith("/__init__.py")
        for node, kind in _import_statements(parse(root, path), "run"):
            for target in _targets(node, name, is_package):
                if (known := _known(target, paths)) and known != name:
                    found.add(Import(name, known, kind))
    return sorted(found, key=lambda one: (one.source, one.target, one.kind))


def _import_statements(node: ast.AST, kind: Kind) -> Iterator[tuple[ast.Import | ast.ImportFrom, Kind]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, kind
        elif isinstance(child, ast.If) and _is_type_checking(child.test):
            yield from _import_statements(child, "type")
        elif isinstance(child, FUNCTIONS) and kind == "run":
            yield from _import_statements(child, "function")
        else:
            yield from _import_statements(child, kind)


def _is_type_checking(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
    return name == "TYPE_CHECKING"


def _targets(node: ast.Import | ast.ImportFrom, module: str, is_package: bool) -> Iterator[str]:
    """Absolute dotted names: `from a import b` gives a.b, which may be a module or a name in a."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.name
        return
    base = node.module or ""
    if node.level:
        parts = module.split(".")
        kept = len(parts) - node.level + (1 if is_package else 0)
        base = ".".join([*parts[:kept], base]).rstrip(".")
    for alias in node.names:
        yield f"{base}.{alias.name}"


def _known(target: str, paths: dict[str, str]) -> str | None:
    if target in paths:
        return target
    parent = target.rpartition(".")[0]
    return parent if parent in paths else None


def untyped_documents(tree: ast.Module) -> int:
    """How often `dict[str, Any]` stands in the signatures of functions: parameters and results."""
    return sum(untyped_in(node) for node in ast.walk(tree) if isinstance(node, FUNCTIONS))


def untyped_in(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The same of one signature."""
    given = function.args
    arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    variable = [one for one in (given.vararg, given.kwarg) if one]
    annotations = [argument.annotation for argument in arguments + variable]
    named = [ast.unparse(one) for one in [*annotations, function.returns] if one is not None]
    return sum(text.count("dict[str, Any]") for text in named)


@dataclass(frozen=True)
class Name:
    """A name in a source file. kind: class, function, parameter, attribute, variable, module, key, address, id."""

    path: str
    line: int
    kind: str
    name: str


def names(root: Path, path: str) -> Iterator[Name]:
    """The file's own name and every name, key and address in it, at each place where it stands."""
    stem = path.removesuffix(".py").rsplit("/", 1)[-1]
    yield Name(path, 1, "module", stem)
    for node in ast.walk(parse(root, path)):
        for kind, name in _names_at(node):
            yield Name(path, getattr(node, "lineno", 1), kind, name)


def _names_at(node: ast.AST) -> Iterator[tuple[str, str]]:
    match node:
        case ast.ClassDef(name=name):
            yield "class", name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            yield "function", name
        case ast.arg(arg=name) | ast.keyword(arg=str(name)):
            yield "parameter", name
        case ast.Attribute(attr=name):
            yield "attribute", name
        case ast.Name(id=name):
            yield "variable", name
        case ast.alias():
            yield from _imported(node)
        case _:
            yield from _keys_and_addresses(node)


def _imported(alias: ast.alias) -> Iterator[tuple[str, str]]:
    """`import a.b as c`: the parts of the module's name and the new name."""
    for part in alias.name.split("."):
        yield "variable", part
    if alias.asname:
        yield "variable", alias.asname


def _keys_and_addresses(node: ast.AST) -> Iterator[tuple[str, str]]:
    match node:
        case ast.Dict(keys=keys):
            for key in keys:
                yield from _key(key)
        case ast.Subscript(slice=key):
            yield from _key(key)
        case ast.Compare(left=key, ops=[ast.In() | ast.NotIn()]):
            yield from _key(key)
        case ast.Call():
            yield from _of_call(node)


def _of_call(call: ast.Call) -> Iterator[tuple[str, str]]:
    called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if called in ("get", "pop", "setdefault", "getattr", "hasattr", "setattr"):
        for argument in call.args[:2]:
            yield from _key(argument)
    elif called in ("path", "re_path", "reverse", "redirect", "render", "render_to_string"):
        texts = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg == "name")]
        for text in texts:
            yield from _address(text)


def _key(node: ast.expr | None) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
        yield "key", node.value


def _address(node: ast.expr) -> Iterator[tuple[str, str]]:
    """Every word of a route, of a route's name or of a template's path."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        for part in node.value.replace(".", "/").replace("<", "/").replace(">", "/").replace(":", "/").split("/"):
            if part:
                yield "address", part


_BY_HAND = re.compile(
    r"request\.(data|query_params)\b|\bparse_\w+\(|\.is_valid\(|\bvalidated_data\b|\bserializers\.\w+"
    r"|\bisinstance\((data|value|asked|box|points|strokes|stroke|events?|effects|operations|activity|changes|include)\b"
)


def reading_by_hand(source: str) -> int:
    """Lines that take a request apart instead of declaring it: fields fetched one by one, types asked for, serializers
    that repeat a model. The wrapper that all declared requests go through counts as well."""
    return sum(1 for line in source.splitlines() if _BY_HAND.search(line))
