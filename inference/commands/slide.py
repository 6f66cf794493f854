"""boxwise slide info FILE: what a slide or picture file is."""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from inference.reading.sets import is_archive, unpack
from inference.reading.slides import SlideInfo, open_slide
from inference.reading.types import Unreadable


def main(argv: list[str]) -> int:
    """Tell what a slide file is: info FILE."""
    parser = argparse.ArgumentParser(
        prog="boxwise slide",
        description="Size, levels, scale and reader of whole slides and pictures. No pixel is decoded. "
        "Exit status 1: a file cannot be read; 2: the command was not understood.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    info = commands.add_parser("info", help="what a file is", description="What a slide or picture file is.")
    info.add_argument(
        "file", type=Path, nargs="+", help="a slide or picture; a folder or ZIP with the files of one slide"
    )
    info.add_argument("--json", action="store_true", help="as JSON: one object, or a list of them for several files")
    options = parser.parse_args(argv)
    found, bad = [], 0
    for path in options.file:
        try:
            with opened(path) as what:
                found.append((path, what))
        except Unreadable as error:
            print(f"boxwise slide: {error.of(path.name)}", file=sys.stderr)
            bad += 1
        except OSError as error:
            print(f"boxwise slide: {path.name} cannot be opened: {error.strerror}", file=sys.stderr)
            bad += 1
    if options.json:
        answers = [{"file": str(path), **what.as_json()} for path, what in found]
        several = len(options.file) > 1
        if several or answers:
            print(json.dumps(answers if several else answers[0], indent=1, ensure_ascii=False))
    else:
        for number, (path, what) in enumerate(found):
            print("\n" * (number > 0) + in_words(path, what))
    return 1 if bad else 0


@contextmanager
def opened(path: Path) -> Iterator[SlideInfo]:
    """What a file, a folder or a ZIP is. Raises Unreadable, OSError."""
    if path.is_file() and is_archive(path):
        with tempfile.TemporaryDirectory(prefix="boxwise-") as folder, open_slide(unpack(path, Path(folder))) as slide:
            yield slide.info
        return
    with open_slide(path) as slide:
        yield slide.info


def in_words(path: Path, what: SlideInfo) -> str:
    """For a person at the shell: one fact a line."""
    objective = f"{what.objective:g}x" if what.objective else "not stated"
    lines = [
        f"{path.name}",
        f"  size       {what.width} x {what.height} px",
        f"  scale      {_scale(what)}",
        f"  objective  {objective}",
        f"  vendor     {what.vendor or 'not stated'}",
        f"  scanner    {what.scanner or 'not stated'}",
        f"  channels   {what.channels} ({', '.join(what.channel_names[:8])}), {what.bits} bit",
        f"  format     {what.format}, read by {what.reader}",
        f"  levels     {len(what.levels)}",
    ]
    for number, level in enumerate(what.levels):
        tile = f", tiles of {level.tile_width} x {level.tile_height}" if level.tile_width else ""
        lines.append(f"    {number}: {level.width} x {level.height} px, 1:{level.downsample:g}{tile}")
    if what.pages > 1:
        lines.append(f"  pages      {what.pages}")
    if what.associated:
        lines.append(f"  not shown  {', '.join(what.associated)}")
    lines += [f"  note       {note}" for note in what.notes]
    return "\n".join(lines)


def _scale(what: SlideInfo) -> str:
    if what.mpp_x is None:
        return "not stated"
    if what.mpp_x == what.mpp_y:
        return f"{what.mpp_x:g} µm per pixel"
    return f"{what.mpp_x:g} x {what.mpp_y:g} µm per pixel"
