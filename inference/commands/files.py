"""Reading and writing for the file commands; an error here is a sentence for the person at the shell."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageSequence, UnidentifiedImageError

from inference.pages import first_of
from inference.types import RGB, Labels, Mask

Image.MAX_IMAGE_PIXELS = None  # a person names the file; large images are what this is for

PICTURES = (".png", ".tif", ".tiff", ".bmp")  # that hold a mask without loss
LABEL_MAPS = (".png", ".tif", ".tiff")  # that hold 16 bits and more


class FileProblem(Exception):
    """Says which file and why; the command prints it and exits with 1."""


def _open(path: Path) -> Image.Image:
    try:
        image = Image.open(path)
        image.load()
    except FileNotFoundError as error:
        raise FileProblem(f"{path}: no such file") from error
    except (UnidentifiedImageError, OSError) as error:
        raise FileProblem(f"{path}: not an image that can be read ({error})") from error
    return image


def read_rgb(path: Path) -> RGB:
    """(H, W, 3) uint8. A palette or grey image is converted; alpha is refused, as nobody can tell what it hides."""
    image = _open(path)
    if "A" in image.getbands():
        raise FileProblem(f"{path}: has an alpha channel; save it as plain RGB first")
    if image.mode not in ("RGB", "L", "P"):
        raise FileProblem(f"{path}: must be an 8-bit RGB or grey image, not {image.mode}")
    return np.array(image.convert("RGB"))


def read_labels(path: Path) -> Labels:
    """(H, W) int32 ids of an 8-, 16- or 32-bit label image. An image of three channels is no label map.

    Of several pages, which hold overlapping cells, the first that says something at a pixel counts.
    """
    with _open(path) as image:
        pages = [np.array(page) for page in ImageSequence.Iterator(image)]
    for page in pages:
        if page.ndim != 2:
            raise FileProblem(f"{path}: a label map has one channel, not {page.shape[2]}")
        if page.shape != pages[0].shape:
            raise FileProblem(f"{path}: its pages have different sizes")
    return first_of([page.astype(np.int32) for page in pages])


def read_mask(path: Path) -> Mask:
    """(H, W) bool of any image: True where any colour channel is not 0 (alpha does not count)."""
    image = _open(path)
    if "A" in image.getbands():
        image = image.convert("RGB" if image.mode in ("RGBA", "PA") else "L")
    elif image.mode == "P":
        image = image.convert("RGB")
    values = np.array(image) != 0
    return values if values.ndim == 2 else values.any(axis=2)


def write_mask(path: Path, mask: Mask) -> None:
    """0 and 255, 8 bit."""
    _save(Image.fromarray(mask.astype(np.uint8) * 255), path)


def write_labels(path: Path, labels: Labels) -> None:
    """16-bit PNG while the ids fit; TIFF holds 32 bits beyond 65,535. Ids are never clipped to what a file can hold."""
    if labels.max(initial=0) <= 65_535:
        _save(Image.fromarray(labels.astype(np.uint16)), path)
    elif path.suffix.lower() in (".tif", ".tiff"):
        _save(Image.fromarray(labels.astype(np.int32)), path)
    else:
        raise FileProblem(f"{path}: id {labels.max()} does not fit in 16 bits; give a name that ends in .tif")


def _save(image: Image.Image, path: Path) -> None:
    try:
        image.save(path)
    except (OSError, ValueError) as error:
        raise FileProblem(f"{path}: cannot be written ({error})") from error
