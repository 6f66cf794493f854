"""boxwise convert IN OUT [--from FORMAT] [--to FORMAT]: annotations between the formats of tools."""

import argparse
import json
import sys
from pathlib import Path

from inference.commands import outputs
from inference.types import InferenceError


def width_and_height(text: str) -> tuple[int, int]:
    """ "1000x800" as (1000, 800)."""
    width, cross, height = text.lower().partition("x")
    if not (cross and width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write width and height in pixels, as 1000x800")
    return int(width), int(height)


def main(argv: list[str]) -> int:
    """Convert annotations between the formats of tools: IN OUT [--to FORMAT]."""
    from inference.formats.registry import BOTH_WAYS, NAMES

    parser = argparse.ArgumentParser(
        prog="boxwise convert",
        description="Read the annotations in IN (a file, a folder or a zip) and write them to OUT. What the new format "
        "cannot hold, and what of the old one was left out, is listed.",
        epilog="Exit codes: 0 converted, 1 IN cannot be read or OUT not be written (nothing is written then), "
        "2 the arguments are wrong.",
    )
    parser.add_argument("source", type=Path, metavar="IN")
    parser.add_argument(
        "target", type=outputs.file_or_folder, metavar="OUT", help="a file, or a folder for formats of a file an image"
    )
    parser.add_argument("--from", dest="from_", choices=NAMES, metavar="FORMAT", default="", help=", ".join(NAMES))
    parser.add_argument("--to", choices=tuple(BOTH_WAYS), metavar="FORMAT", default="", help=", ".join(BOTH_WAYS))
    parser.add_argument(
        "--images", type=Path, metavar="DIR", help="the images, for formats that do not say their sizes"
    )
    parser.add_argument(
        "--size", type=width_and_height, metavar="WIDTHxHEIGHT", help="px of the images whose size nothing else says"
    )
    parser.add_argument("--json", action="store_true", help="the result as JSON")
    given = parser.parse_args(argv)
    from inference.formats import convert

    try:
        made = convert(
            given.source,
            given.target,
            source=given.from_,
            target=given.to,
            images=given.images,
            size=given.size,
        )
    except InferenceError as error:
        print(f"boxwise convert: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"boxwise convert: {given.target} cannot be written: {error}", file=sys.stderr)
        return 1
    if given.json:
        print(json.dumps(made.as_json(), ensure_ascii=False, indent=2))
        return 0
    print(f"{made.source} -> {made.target}: {made.images} images, {made.objects} objects -> {given.target}")
    for loss in made.losses:
        print(f"lost, since {made.target} has no place for them: {loss}")
    for what, listed in made.reading.skipped.items():
        print(f"left out of {given.source.name}: {listed.count} {what} ({', '.join(listed.places)})")
    for what, count in made.reading.remarks.items():
        print(f"please look: {count} {what}")
    for note in made.notes:
        print(note)
    return 0
