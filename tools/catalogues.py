"""The catalogues of the pages: what there is to say, .po files read, .mo files written.

A language is a file: `labeling/locale/CODE/LC_MESSAGES/django.po`. `python -m tools.catalogues` adds to every
such file what it does not say yet (empty, for a person to fill in), drops what nobody says any more, and compiles it to
the .mo beside it, which is what Django reads. Both are committed: a bare machine has no msgfmt, and an installation is
not asked to compile. A test compares them with each other and with the pages.
"""

import ast
import os
import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "labeling"
LOCALE = PACKAGE / "locale"
CALLS = {"_": 1, "gettext": 1, "gettext_lazy": 1, "gettext_noop": 1, "ngettext": 2}
TRANSLATE = re.compile(r"""\{%\s*translate\s+"([^"]*)"[^%]*%\}""")
BLOCK = re.compile(
    r"\{%\s*blocktranslate\b[^%]*%\}(.*?)(?:\{%\s*plural\s*%\}(.*?))?\{%\s*endblocktranslate\s*%\}", re.S
)
PLACE = re.compile(r"%\((\w+)\)s|\{(\w+)\}|%([sd])")


@dataclass(frozen=True, order=True)
class Message:
    """What is said in English; `plural` for what is counted."""

    text: str
    plural: str = ""

    @property
    def places(self) -> frozenset[str]:
        """The names that the sentence is given; a count may be left out ("one image")."""
        return frozenset("".join(found) for found in PLACE.findall(self.text + self.plural))


Catalogue = dict[Message, tuple[str, ...]]  # message -> its translation; for a counted one, one a plural form


# -- what there is to say


def messages() -> set[Message]:
    """Everything that templates, Python and the choices of models can say on a page."""
    found: set[Message] = set()
    for path in sorted((PACKAGE / "site" / "templates").rglob("*.html")):
        found |= set(of_template(path.read_text()))
    for path in sorted(PACKAGE.rglob("*.py")):
        if "migrations" not in path.parts:
            found |= set(of_python(path.read_text()))
    return found | {Message(words) for words in of_choices() if words}


def of_template(source: str) -> Iterator[Message]:
    for match in TRANSLATE.finditer(source):
        yield Message(match[1].replace("%", "%%"))
    for match in BLOCK.finditer(source):
        yield Message(_block(match[1]), _block(match[2] or ""))


def _block(text: str) -> str:
    """The msgid that Django makes of the inside of a blocktranslate."""
    text = " ".join(line.strip() for line in text.strip().splitlines())
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", r"%(\1)s", text.replace("%", "%%"))


def of_python(source: str) -> Iterator[Message]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
            messages_found = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            if len(messages_found) >= CALLS[node.func.id]:
                yield Message(*messages_found[: CALLS[node.func.id]])


def of_choices() -> Iterator[str]:
    """Words that pages take from models and tables and give to the filter `said`."""
    from django.apps import apps

    from labeling.rounds.configuration import CHOICES, DEVICES, PRESET_NAMES
    from labeling.rounds.execution.backoff import NO_GPU_REMEDY, REMEDIES, SENTENCES
    from labeling.rounds.results.outcome import PLAIN
    from labeling.site.facts import WORDS
    from labeling.site.forms.studies import ArmForm, FieldsForm, StudyForm
    from labeling.site.round_progress import ROUND_WORDS
    from labeling.site.suggestions import STRATEGIES

    for model in apps.get_app_config("labeling").get_models():
        for field in model._meta.get_fields():
            for _value, label in getattr(field, "flatchoices", None) or ():
                yield str(label)
    yield from (*WORDS.values(), *STRATEGIES.values(), *ROUND_WORDS.values(), *PRESET_NAMES.values())
    yield from (*DEVICES.values(), *SENTENCES.values(), *REMEDIES.values(), NO_GPU_REMEDY)
    yield from PLAIN.values()
    for choice in CHOICES:
        yield from (choice.label, choice.help)
    for form in (StudyForm, ArmForm, FieldsForm):
        for asked in form.base_fields.values():
            yield from (str(asked.label or ""), str(asked.help_text))


# -- files


def read(path: Path) -> Catalogue:
    """A .po file. Raises ValueError for a line that is none of its language."""
    found: Catalogue = {}
    messages_found: dict[str, str] = {}
    last = ""

    def keep() -> None:
        if "msgid" in messages_found:
            forms = [messages_found[key] for key in sorted(messages_found) if key.startswith("msgstr")]
            found[Message(messages_found["msgid"], messages_found.get("msgid_plural", ""))] = tuple(forms)

    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        match = re.match(r'(?:(msgid|msgid_plural|msgstr(?:\[\d\])?) )?"(.*)"$', line)
        if match:
            if match[1] == "msgid":
                keep()
                messages_found = {}
            last = match[1] or last
            messages_found[last] = messages_found.get(last, "") + _unquoted(match[2])
        elif line and not line.startswith("#"):
            raise ValueError(f"{path.name}, line {number}: {line[:60]}")
    keep()
    return found


def write(path: Path, catalogue: Catalogue) -> None:
    parts = []
    for message, forms in sorted(catalogue.items()):
        lines = [f'msgid "{_quoted(message.text)}"']
        if message.plural:
            lines.append(f'msgid_plural "{_quoted(message.plural)}"')
            lines += [f'msgstr[{i}] "{_quoted(form)}"' for i, form in enumerate(forms)]
        else:
            lines.append(f'msgstr "{_quoted(forms[0])}"')
        parts.append("\n".join(lines) + "\n")
    path.write_text("\n".join(parts), encoding="utf-8")


def compiled(catalogue: Catalogue) -> bytes:
    """The catalogue as gettext's binary .mo, without what is not translated; same in, same out."""
    pairs = sorted(
        ("\0".join(filter(None, (m.text, m.plural))).encode(), "\0".join(forms).encode())
        for m, forms in catalogue.items()
        if all(forms)
    )
    head = 7 * 4
    texts = b"".join(key + b"\0" for key, _ in pairs) + b"".join(value + b"\0" for _, value in pairs)
    start = head + 16 * len(pairs)
    tables: list[bytes] = []
    for column in (0, 1):
        table = b""
        for pair in pairs:
            table += struct.pack("<II", len(pair[column]), start)
            start += len(pair[column]) + 1
        tables.append(table)
    first = struct.pack("<7I", 0x950412DE, 0, len(pairs), head, head + 8 * len(pairs), 0, start)
    return first + b"".join(tables) + texts


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", lambda m: {"n": "\n", "t": "\t"}.get(m[1], m[1]), text)


def languages() -> list[Path]:
    return sorted(LOCALE.glob("*/LC_MESSAGES/django.po"))


def updated(catalogue: Catalogue, messages_found: Iterable[Message]) -> Catalogue:
    """With everything that is said, untranslated where it is new, and nothing else but the header."""
    header = Message("")
    plural_forms = re.search(r"nplurals=(\d)", catalogue[header][0])
    forms = int(plural_forms[1]) if plural_forms else 2
    empty = {m: ("",) * (forms if m.plural else 1) for m in messages_found}
    return {m: catalogue.get(m, empty.get(m, ("",))) for m in {header, *empty}}


# Enough for Django to read the models' words; nothing is connected to.
NO_SERVER = {
    "DJANGO_SETTINGS_MODULE": "labeling.settings",
    "SECRET_KEY": "-" * 50,
    "ALLOWED_HOSTS": "localhost",
    "PLAIN_HTTP": "1",
    "DATABASE_URL": "postgresql://nobody@localhost/none",
    "BROKER_URL": "redis://localhost/0",
    "FEED_URL": "redis://localhost/0",
    "STORAGE_URL": "file:///tmp",
}


def main() -> int:
    import django

    for name, value in NO_SERVER.items():
        os.environ.setdefault(name, value)
    django.setup()
    messages_found = messages()
    for path in languages():
        catalogue = updated(read(path), messages_found)
        write(path, catalogue)
        path.with_suffix(".mo").write_bytes(compiled(catalogue))
        missing = sum(1 for forms in catalogue.values() if not all(forms))
        print(f"{path.parts[-3]}: {len(catalogue) - 1} sentences, {missing} not translated")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
