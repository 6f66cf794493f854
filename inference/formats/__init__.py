"""Annotation files of other tools: one file a format, one model in the middle. Needs neither torch nor Django.

`read` recognises a format by its content and gives the annotations with what was skipped; `write` gives what the format
cannot hold (`losses.py`). `convert` does both. Formats are listed in `registry.py`.
"""

from inference.formats.conversion import Conversion, Reading, convert, read, write
from inference.formats.model import AnnotatedImage, Annotation, Annotations
from inference.formats.problems import Context, FormatProblem

__all__ = [
    "AnnotatedImage",
    "Annotation",
    "Annotations",
    "Context",
    "Conversion",
    "FormatProblem",
    "Reading",
    "convert",
    "read",
    "write",
]
