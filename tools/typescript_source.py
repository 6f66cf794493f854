"""What TypeScript source says of itself: imports, casts, names. By patterns, not by a parser.

Known limits: an import whose path is computed is not seen; what stands inside `${...}` of a template text is not seen;
a quotation mark inside a regular expression may hide the rest of its line. `import { type A }` counts as an import at
run time: with verbatimModuleSyntax the emitted file keeps it.
"""

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from tools.python_source import Name
from tools.source_files import Import, Kind, tracked

NOT_THE_HOUSE = ("frontend/tests/", "frontend/dist/", "frontend/vite.config.ts")
GENERATED = "frontend/api/schema.ts"  # made from the schema of the API; nobody reads it from the top

COMMENT_OR_TEXT = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`""", re.DOTALL
)
FROM = re.compile(
    r"^[ \t]*(?P<word>import|export)\s+(?P<what>[^;'\"()]*?)\s*from\s*[\"'](?P<path>[^\"']+)[\"']", re.MULTILINE
)
BARE = re.compile(r"^[ \t]*import\s*[\"'](?P<path>[^\"']+)[\"']", re.MULTILINE)
DYNAMIC = re.compile(
    r"\bimport\(\s*[\"'](?P<path>[^\"']+)[\"']|new URL\(\s*[\"'](?P<url>[^\"']+)[\"']\s*,\s*import\.meta"
)
CAST = re.compile(r"\bas\s+(?!const\b)(?=[\w$({\[\"'`])")
DECLARED = re.compile(r"\b(?:class|type|interface|enum)\s+(?P<name>[A-Za-z_$][\w$]*)")
IDENTIFIER = re.compile(r"[A-Za-z_$][\w$]*")
ENDINGS = ("", ".ts", ".tsx", "/index.ts", "/index.tsx")


def modules(root: Path) -> dict[str, str]:
    """Name -> path, of the front end's modules: `frontend/scene/cells.ts` is `frontend.scene.cells`."""
    found = {}
    for path in tracked(root, "frontend/*.ts", "frontend/*.tsx"):
        if not path.startswith(NOT_THE_HOUSE) and path != GENERATED:
            found[module_name(path)] = path
    return found


def module_name(path: str) -> str:
    return path.removesuffix(".ts").removesuffix(".tsx").replace("/", ".")


def without_comments(source: str) -> str:
    return COMMENT_OR_TEXT.sub(lambda found: "" if found["comment"] else found[0], source)


def without_comments_and_texts(source: str) -> str:
    """Only code. Line breaks inside comments and texts stay, so that lines keep their numbers."""
    return COMMENT_OR_TEXT.sub(lambda found: '""' + "\n" * found[0].count("\n"), source)


def imports(root: Path, paths: dict[str, str]) -> list[Import]:
    """Every import of one module of `paths` by another, with its kind."""
    by_path = {path: name for name, path in paths.items()}
    found: set[Import] = set()
    for name, path in paths.items():
        for written, kind in imported_paths((root / path).read_text(encoding="utf-8")):
            target = _resolved(path, written, by_path)
            if target and target != name:
                found.add(Import(name, target, kind))
    return sorted(found, key=lambda one: (one.source, one.target, one.kind))


def imported_paths(source: str) -> Iterator[tuple[str, Kind]]:
    code = without_comments(source)
    for statement in FROM.finditer(code):
        yield statement["path"], "type" if statement["what"].startswith("type ") else "run"
    for statement in BARE.finditer(code):
        yield statement["path"], "run"
    for call in DYNAMIC.finditer(code):
        before = code[: call.start()].rstrip()
        yield call["path"] or call["url"], "type" if before.endswith("typeof") else "function"


def _resolved(importer: str, written: str, by_path: dict[str, str]) -> str | None:
    if not written.startswith("."):
        return None
    base = posixpath.normpath(posixpath.join(posixpath.dirname(importer), written))
    for ending in ENDINGS:
        if base + ending in by_path:
            return by_path[base + ending]
    return None


def casts(source: str) -> int:
    """How often a type is claimed with `as X`. `as const`, and `as` in an import or export, claim nothing."""
    code = FROM.sub("", without_comments(source))
    code = re.sub(r"^[ \t]*(?:import|export)\s*(?:type\s*)?\{[^}]*\}", "", code, flags=re.MULTILINE)
    return len(CAST.findall(without_comments_and_texts(code)))


def names(root: Path, path: str) -> Iterator[Name]:
    """The file's own name and every identifier in its code, at each place where it stands."""
    yield Name(path, 1, "module", module_name(path).rsplit(".", 1)[-1])
    code = without_comments_and_texts((root / path).read_text(encoding="utf-8"))
    declared = {found.start("name") for found in DECLARED.finditer(code)}
    line, last = 1, 0
    for found in IDENTIFIER.finditer(code):
        line += code.count("\n", last, found.start())
        last = found.start()
        yield Name(path, line, "class" if found.start() in declared else "variable", found[0])
