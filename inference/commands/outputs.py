"""Where a command writes: looked at while its arguments are read, before anything is computed.

Each function makes a type for argparse. What it declines is a wrong argument (exit code 2): a folder that is not there
is more often a typing error than a wish, and an ending that the result cannot have would be found after the work.
"""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

As = Callable[[str], Path]


def file(*endings: str) -> As:
    """A file that can be written, whose name ends in one of these. None: any ending."""

    def checked(text: str) -> Path:
        path = Path(text)
        if endings and path.suffix.lower() not in endings:
            raise argparse.ArgumentTypeError(f"{text} must end in {' or '.join(endings)}")
        if path.is_dir():
            raise argparse.ArgumentTypeError(f"{text} is a folder; name a file in it")
        _parent_of(path)
        return path

    return checked


def folder(text: str) -> Path:
    """A folder to write into; it is made where the one around it is there."""
    path = Path(text)
    if path.exists() and not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is a file; name a folder")
    _parent_of(path)
    return path


def file_or_folder(text: str) -> Path:
    """For commands whose ending says which: out.geojson is a file, out a folder."""
    path = Path(text)
    _parent_of(path)
    return path


def _parent_of(path: Path) -> None:
    """Raises ArgumentTypeError where the path cannot be made."""
    around = path.parent
    if not around.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {around} to write {path.name} into")
    if not os.access(path if path.exists() else around, os.W_OK):
        raise argparse.ArgumentTypeError(f"{path} may not be written by you")
