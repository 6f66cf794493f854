"""Where a retired word still stands: in names, keys and addresses, not in prose. The table is retired_words.json.

A word of the table:
  word       the word, which also names it in figures and tests
  forms      what is looked for, in lower case: "refuse", "refused", ...
  looks_at   "part": a part of a name between underscores, hyphens or capitals (the usual way);
             "whole": a whole name; "class", "function" or "module": a whole name of that kind, where it is defined
  most       how often it may stand (0 unless said otherwise); for a word that is wrong only the second time
  write      what to write instead
  on         area -> whether the test holds it: python (labeling, inference, tools), tests, typescript (frontend)
  may_stand  exceptions: where (a file or a folder, or "" for anywhere), name (the whole name), and why
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tools import python_source, typescript_source
from tools.python_source import Name
from tools.source_files import tracked

TABLE = Path(__file__).resolve().with_suffix(".json")
PART = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")
TEMPLATE_NAME = re.compile(r"\b(?:id|name)=\"(?P<id>[\w-]+)\"|\{%\s*url\s+['\"](?P<url>[\w-]+)['\"]")
# A definition that is looked at as a whole by its kind. In TypeScript "class" is every declared type.
KINDS = ("class", "function", "module")


@dataclass(frozen=True)
class Permit:
    """An exception: `name` may stand below `where` because `why`."""

    where: str
    name: str
    why: str

    def covers(self, found: Name) -> bool:
        return found.name == self.name and found.path.startswith(self.where)


@dataclass(frozen=True)
class Word:
    """A row of the table; the module's docstring says what each field means."""

    word: str
    forms: frozenset[str]
    looks_at: str
    most: int
    write: str
    on: dict[str, bool]
    may_stand: tuple[Permit, ...]

    @classmethod
    def of(cls, given: dict[str, Any]) -> "Word":
        permits = tuple(Permit(**one) for one in given["may_stand"])
        return cls(
            word=given["word"],
            forms=frozenset(given["forms"]),
            looks_at=given["looks_at"],
            most=given.get("most", 0),
            write=given["write"],
            on=given["on"],
            may_stand=permits,
        )

    def stands_in(self, found: Name) -> bool:
        if self.looks_at == "part":
            return not self.forms.isdisjoint(parts(found.name))
        if self.looks_at in KINDS and found.kind != self.looks_at:
            return False
        return found.name in self.forms


@dataclass(frozen=True)
class Occurrence:
    """A retired word at one place. allowed: the exception that covers it, if any."""

    word: str
    path: str
    line: int
    kind: str
    name: str
    allowed: Permit | None

    @property
    def area(self) -> str:
        return area_of(self.path)


def area_of(path: str) -> str:
    top = path.partition("/")[0]
    return {"tests": "tests", "frontend": "typescript"}.get(top, "python")


@cache
def parts(name: str) -> frozenset[str]:
    """`refuse_Strokes`, `refuseStrokes` and `refuse-strokes` have the parts refuse and strokes."""
    return frozenset(part.lower() for part in PART.findall(name))


def read_table(path: Path = TABLE) -> list[Word]:
    return [Word.of(given) for given in json.loads(path.read_text(encoding="utf-8"))["words"]]


def occurrences(root: Path, words: list[Word]) -> list[Occurrence]:
    """Every place in the checkout `root` where one of the words stands, also where it may."""
    found = []
    for name in all_names(root):
        for word in words:
            if word.stands_in(name):
                allowed = next((one for one in word.may_stand if one.covers(name)), None)
                found.append(Occurrence(word.word, name.path, name.line, name.kind, name.name, allowed))
    return found


def all_names(root: Path) -> Iterator[Name]:
    """Names in Python, TypeScript and templates. Migrations are not looked at: a table keeps its history.

    Functions named test_... are not looked at either: their names are sentences.
    """
    for path in tracked(root, "labeling/*.py", "inference/*.py", "tools/*.py", "tests/*.py"):
        if "/migrations/" in path:
            continue
        for name in python_source.names(root, path):
            if not name.name.startswith("test_"):
                yield name
    for path in tracked(root, "frontend/*.ts", "frontend/*.tsx"):
        if not path.startswith("frontend/dist/"):
            yield from typescript_source.names(root, path)
    for path in tracked(root, "labeling/*.html"):
        yield from template_names(root, path)


def template_names(root: Path, path: str) -> Iterator[Name]:
    """A template's own name, its ids, the names of its fields and of the routes it links to."""
    yield Name(path, 1, "module", path.rsplit("/", 1)[-1].removesuffix(".html"))
    for number, line in enumerate((root / path).read_text(encoding="utf-8").splitlines(), start=1):
        for found in TEMPLATE_NAME.finditer(line):
            yield Name(path, number, "id" if found["id"] else "address", found["id"] or found["url"])


def complaints(word: Word, area: str, found: list[Occurrence]) -> list[str]:
    """Sentences: where `word` came back in `area`, and its exceptions there that no longer occur."""
    here = [one for one in found if one.word == word.word and one.area == area]
    wrong = [one for one in here if one.allowed is None]
    sentences = []
    if len(wrong) > word.most:
        for one in wrong:
            place = f"{one.path}:{one.line}: {one.kind} `{one.name}`"
            sentences.append(f"{place} holds the retired word `{word.word}`. Write instead: {word.write}.")
    used = {one.allowed for one in here}
    for permit in word.may_stand:
        if area_of(permit.where) == area and permit not in used:
            sentences.append(
                f"tools/retired_words.json: `{permit.name}` no longer stands in {permit.where or 'Python'}. "
                f"Take the exception out of `{word.word}`."
            )
    return sentences
