"""The tables of docs/exchange.md, made from what the formats declare: python -m inference.formats.page"""

from pathlib import Path

from inference.formats.format import Format
from inference.formats.losses import INCLUDED, Property
from inference.formats.registry import BOTH_WAYS, ONLY_READ, format_named

PAGE = Path(__file__).resolve().parents[2] / "docs" / "exchange.md"
BEGIN, END = "<!-- made by python -m inference.formats.page -->", "<!-- end -->"
YES, NO = "yes", "–"


def written(page: str) -> str:
    """The page with its tables as the formats are now."""
    before, mark, rest = page.partition(BEGIN)
    if not mark or END not in rest:
        raise ValueError(f"{PAGE.name} holds no place for the tables")
    return before + BEGIN + "\n\n" + tables() + "\n" + END + rest.partition(END)[2]


def tables() -> str:
    formats = [format_named(name) for name in BOTH_WAYS]
    head = ["| | " + " | ".join(one.name for one in formats) + " |", "|---|" + "---|" * len(formats)]
    rows = []
    for what in Property:
        cells = [_cell(one, what) for one in formats]
        rows.append(f"| {what} | {' | '.join(cells)} |")
    names = "\n".join(f"- `{one.name}` {one.title}: {_endings(one)}" for one in formats)
    read = ", ".join(f"`{name}` ({format_named(name).title})" for name in ONLY_READ)
    return "\n".join([*head, *rows]) + f"\n\n{names}\n\nOnly read: {read}.\n"


def _cell(one: Format, what: Property) -> str:
    if what in one.keeps:
        return YES
    if what is Property.MANY:
        return "declined"
    is_included = what in INCLUDED and Property.MASKS not in one.keeps
    return "" if is_included else NO


def _endings(one: Format) -> str:
    files = " or ".join(f"`{ending}`" for ending in one.endings)
    return f"{files}, {'one file for all images' if one.one_file else 'one file an image'}"


def main() -> None:
    PAGE.write_text(written(PAGE.read_text()))


if __name__ == "__main__":
    main()
