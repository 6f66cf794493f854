"""A slide without what names people, places, times and machines: a new file of the pixels and of what shows them.

    cleaned ──► TIFF: tiles copied as they are, few tags | DICOM: few attributes | other scanners: pixels written anew

What is kept is listed; everything else is left out, so that a field which nobody here has heard of is left out too.
"""

from pathlib import Path

from inference.reading import sets
from inference.reading.deidentify_convert import converted
from inference.reading.deidentify_dicom import clean_series
from inference.reading.deidentify_tiff import clean_tiff
from inference.reading.picture import TIFF_MARKS
from inference.reading.slides import open_slide

# Formats whose tiles are the slide's pixels: they are copied. The tiles of others overlap, lie in files of the
# scanner's own kind, or are decoded by OpenSlide alone; their pixels are written anew.
COPIED = ("TIFF", "Aperio SVS")


def cleaned(source: Path, folder: Path) -> Path:
    """Write a slide without label, overview and metadata into an empty folder. -> the file or folder to be opened.

    source  a file, or a folder with the files of one slide; it is not changed

    Raises Unreadable where it cannot be read, or not be cleaned safely; the sentence says what to do.
    """
    with open_slide(source) as slide:
        kind = slide.info.format
    if kind == "DICOM":
        return clean_series(sets.entry_of(source), folder)
    path = source if source.is_file() else _only_file(source)
    if kind in COPIED and path is not None and _is_tiff(path):
        return clean_tiff(path, folder / "slide.tif")
    return converted(source, folder / "slide.tif")


def _only_file(folder: Path) -> Path | None:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return files[0] if len(files) == 1 else None


def _is_tiff(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) in TIFF_MARKS
