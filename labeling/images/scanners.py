"""Which scanner made a file, as far as the file says: Make and Model, and what vendors write into descriptions."""

import io
import re
import struct

import PIL.Image

DESCRIPTION, MAKE, MODEL = 270, 271, 272  # TIFF tags; a photograph's EXIF has the last two as well
MOST = 1 << 16  # characters of a description that are read
# Aperio writes key = value pairs between bars; OME, Leica, Philips and Ventana write XML, read here word by word: a
# parser would follow whatever else stands in it. The bounds keep a hostile description from costing minutes.
APERIO_TYPE, APERIO_ID = r"\|ScannerType ?= ?([^|\r\n]{1,200})", r"\|ScanScope ID ?= ?([^|\r\n]{1,200})"
VENDORS = (  # (who made it, what it is called) as they stand in the XML
    (r'<Microscope\b[^>]{0,999}\bManufacturer="([^"]{1,200})"', r'<Microscope\b[^>]{0,999}\bModel="([^"]{1,200})"'),
    (r'<device\b[^>]{0,999}\bmanufacturer="([^"]{1,200})"', r'<device\b[^>]{0,999}\bmodel="([^";]{1,200})'),
    (
        r'Name="DICOM_MANUFACTURER"[^>]{0,200}>([^<]{1,200})<',
        r'Name="DICOM_MANUFACTURERS_MODEL_NAME"[^>]{0,200}>([^<]{1,200})<',
    ),
    (r'\bScannerVendor="([^"]{1,200})"', r'\bScannerModel="([^"]{1,200})"'),
)


def scanner_of(content: bytes) -> str:
    """Vendor and model, for Aperio the scanner's own name too ("Aperio CPAPERIOCS"); empty where the file says nothing.

    content  bytes of an image file. Who scanned and when is never read.
    """
    try:
        tags = PIL.Image.open(io.BytesIO(content)).getexif()
        make, model, description = (_text(tags.get(tag)) for tag in (MAKE, MODEL, DESCRIPTION))
    except (OSError, ValueError, SyntaxError, TypeError, KeyError, struct.error, PIL.Image.DecompressionBombError):
        return ""  # whether the file can be used at all is not asked here
    if make or model:
        return _joined(make, model)
    if description.startswith("Aperio"):  # so does what other programs have cut out, without naming the scanner
        named = [_first(pattern, description) for pattern in (APERIO_TYPE, APERIO_ID)]
        return _joined("Aperio", *named) if any(named) else ""
    for vendor, kind in VENDORS:
        found = _joined(_first(vendor, description), _first(kind, description))
        if found:
            return found
    return ""


def _text(value: object) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return text[:MOST] if isinstance(text, str) else ""


def _first(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    return match[1] if match else ""


def _joined(*parts: str) -> str:
    """The parts in one line; a model that begins with its maker's name does not say it twice."""
    made = ""
    for part in (" ".join(re.sub(r"[\x00-\x1f\x7f]", " ", part).split()) for part in parts):
        if part and part.lower().startswith(made.lower()):
            made = part
        elif part:
            made = f"{made} {part}"
    return made[:200]
