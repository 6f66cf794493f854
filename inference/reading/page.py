"""The table of docs/reading.md, made from the list that the code uses: python -m inference.reading.page"""

import re
from pathlib import Path

from inference.reading.combinations import COMPRESSIONS, MOST_PIXELS, READABLE, Combination
from inference.reading.picture import NAMED
from inference.reading.sentences import DECLINED, NOTES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reading.md"
BEGIN, END = "<!-- made by python -m inference.reading.page -->", "<!-- end -->"


def written(page: str) -> str:
    """The page with its table as the list is now."""
    before, mark, rest = page.partition(BEGIN)
    if not mark or END not in rest:
        raise ValueError(f"{PAGE.name} holds no place for the table")
    return before + BEGIN + "\n\n" + table() + "\n" + END + rest.partition(END)[2]


def table() -> str:
    rows = ["| format | a pixel is | samples | transparency | planes | stored as |", "|---|---|---|---|---|---|"]
    rows += [row(combination) for combination in READABLE]
    methods = ", ".join(dict.fromkeys(COMPRESSIONS.values()))
    named = ", ".join(dict.fromkeys(name for _, _, name in NAMED))
    parts = [
        "\n".join(rows),
        f"Up to {MOST_PIXELS:,} pixels. TIFF in strips and tiles, with and without predictor, little- and big-endian, "
        f"BigTIFF; compressed with {methods}. YCbCr colours with JPEG only.",
        f"Declined by name: {named}.",
        "### What is said of a file that is declined\n\n" + sentences(DECLINED),
        "### What is said of a file that is read\n\n" + sentences(NOTES),
    ]
    return "\n\n".join(parts) + "\n"


def row(combination: Combination) -> str:
    bits = ", ".join(str(bits) for bits in combination.bits)
    alpha = ", ".join(kind or "none" for kind in combination.alpha)
    planes = "together or apart" if len(combination.planar) > 1 else "together"
    cells = (
        ", ".join(combination.formats),
        ", ".join(combination.photometric),
        f"{bits} bit {combination.sample_format}",
        alpha.replace("unspecified", "further samples"),
        planes,
        combination.result,
    )
    return f"| {' | '.join(cells)} |"


def sentences(words: dict[str, str]) -> str:
    return "\n".join(f"- {re.sub(r'[{]name[}]', 'FILE', sentence)}" for sentence in words.values())


def main() -> None:
    PAGE.write_text(written(PAGE.read_text()))


if __name__ == "__main__":
    main()
