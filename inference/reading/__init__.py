"""What a picture file is, and its pixels: one protocol, one file a reader. Needs neither torch nor Django.

`identify` says what a file is before any pixel is decoded. `read_picture` gives it as 8-bit RGB, or raises Unreadable
with the property that is not read and what to save instead. Files that strangers send are read in a process of their
own (`isolation.py`), since decoders of pictures crash and can be made to eat memory.
"""

from inference.reading.picture import Picture, identify, open_reader, read_picture
from inference.reading.types import Identified, Level, Note, Plane, Reader, Scale, Unreadable

__all__ = [
    "Identified",
    "Level",
    "Note",
    "Picture",
    "Plane",
    "Reader",
    "Scale",
    "Unreadable",
    "identify",
    "open_reader",
    "read_picture",
]
