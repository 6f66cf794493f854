"""Scale, magnification and scanner, where a file says them: TIFF tags, OME, ImageJ, and what vendors write.

Descriptions are read word by word with bounds, not by a parser of XML, which would follow whatever else stands in them.
Who scanned and when is never read.
"""

import re
from collections.abc import Mapping
from typing import Any

from inference.reading.types import Note, Scale

# A light microscope's pixel is 0.02 to 10 µm. What lies outside is the resolution of a screen or a printer (72 dpi is
# 353 µm, 300 dpi 85 µm), which nearly every program writes.
SMALLEST, LARGEST = 0.02, 10.0
MOST = 1 << 16  # characters of a description that are read
SQUARE = 0.02  # relative difference of the sides up to which a pixel counts as square
UM = {
    "pm": 1e-6, "å": 1e-4, "ångström": 1e-4, "angstrom": 1e-4, "nm": 1e-3, "nanometer": 1e-3, "µm": 1.0, "μm": 1.0,
    "um": 1.0, "micron": 1.0, "microns": 1.0, "micrometer": 1.0, "\\u00b5m": 1.0, "mm": 1e3, "millimeter": 1e3,
    "cm": 1e4, "centimeter": 1e4, "m": 1e6, "meter": 1e6, "inch": 25_400.0, "in": 25_400.0,
}  # fmt: skip
NUMBER = r"([0-9]{1,12}(?:[.,][0-9]{1,15})?(?:[eE][-+]?[0-9]{1,3})?)"


def plausible(x: float, y: float, source: str) -> Scale | Note | None:
    """The scale; None where it is no microscope's; a note where the pixels are not square."""
    if not (SMALLEST <= x <= LARGEST and SMALLEST <= y <= LARGEST):
        return None
    if abs(x - y) > SQUARE * max(x, y):
        return Note("not_square", {"x": round(x, 4), "y": round(y, 4)})
    return Scale(x, y, source)


def of_resolution(x: object, y: object, um_per_unit: float, source: str = "resolution") -> Scale | Note | None:
    """From pixels per unit of length, as TIFF, PNG and JPEG give it."""
    across, down = number(x), number(y)
    if across is None or down is None or across <= 0 or down <= 0:
        return None
    return plausible(um_per_unit / across, um_per_unit / down, source)


def number(value: object) -> float | None:
    """A number, a fraction (numerator, denominator) or digits in text; None for anything else, 0/0 and infinity."""
    try:
        if isinstance(value, tuple | list):
            top, bottom = value
            made = float(top) / float(bottom)
        elif isinstance(value, str):
            made = float(value.replace(",", "."))
        else:
            made = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return made if -1e300 < made < 1e300 else None


def of_description(text: str) -> Scale | Note | None:
    """From what Aperio, OME, Ventana, Philips, Leica and others write into the description of a TIFF."""
    for find in (_ome, _aperio, _ventana, _philips, _scn):
        found = find(text[:MOST])
        if found is not None:
            return found
    return None


def _ome(text: str) -> Scale | Note | None:
    pixels = re.search(r"<(?:\w{1,20}:)?Pixels\b[^>]{0,4000}>", text)
    if pixels is None:
        return None
    attributes = dict(re.findall(r'\b(PhysicalSize[XY](?:Unit)?)="([^"]{1,40})"', pixels[0]))
    sizes = []
    for axis in "XY":
        size = number(attributes.get(f"PhysicalSize{axis}"))
        unit = UM.get(attributes.get(f"PhysicalSize{axis}Unit", "µm").strip().lower())
        if size is None or unit is None:
            return None
        sizes.append(size * unit)
    return plausible(sizes[0], sizes[1], "OME")


def _aperio(text: str) -> Scale | Note | None:
    found = re.search(rf"\bMPP ?= ?{NUMBER}", text)
    return _both(found, 1.0, "Aperio MPP") if text.startswith("Aperio") or "|MPP" in text else None


def _ventana(text: str) -> Scale | Note | None:
    return _both(re.search(rf'\bScanRes="{NUMBER}"', text), 1.0, "Ventana ScanRes")


def _philips(text: str) -> Scale | Note | None:
    found = re.search(rf'DICOM_PIXEL_SPACING"[^>]{{0,200}}>(?:"|&quot;){NUMBER}(?:"|&quot;) (?:"|&quot;){NUMBER}', text)
    if found is None:
        return None
    down, across = number(found[1]), number(found[2])  # DICOM gives the distance of rows first
    return plausible(across * 1000, down * 1000, "Philips pixel spacing") if across and down else None


def _scn(text: str) -> Scale | Note | None:
    """Leica: the view's width in nm and the image's in pixels."""
    view = re.search(r'<view\b[^>]{0,400}\bsizeX="(\d{1,15})"[^>]{0,400}\bsizeY="(\d{1,15})"', text)
    pixels = re.search(r'<pixels\b[^>]{0,400}\bsizeX="(\d{1,9})"[^>]{0,400}\bsizeY="(\d{1,9})"', text)
    if view is None or pixels is None or int(pixels[1]) == 0 or int(pixels[2]) == 0:
        return None
    return plausible(int(view[1]) / int(pixels[1]) / 1000, int(view[2]) / int(pixels[2]) / 1000, "Leica SCN")


def _both(found: "re.Match[str] | None", factor: float, source: str) -> Scale | Note | None:
    value = number(found[1]) if found else None
    return plausible(value * factor, value * factor, source) if value else None


def of_imagej(text: str, x: object, y: object) -> Scale | Note | None:
    """ImageJ writes pixels per unit into the resolution tags and the unit into the description."""
    unit = re.search(r"(?m)^unit=(.{1,20})$", text[:MOST])
    um = UM.get(unit[1].strip().lower()) if unit else None
    return of_resolution(x, y, um, "ImageJ") if um else None


OBJECTIVES = (
    rf"\bAppMag ?= ?{NUMBER}",
    rf'\bNominalMagnification="{NUMBER}"',
    rf'\bMagnification="{NUMBER}"',
    rf"\bObjective Magnification ?= ?{NUMBER}",
    rf"<objective>{NUMBER}</objective>",
    rf"<Objective>{NUMBER} ?x?</Objective>",
    rf"\bNominalMagnification ?= ?{NUMBER}",
)


def objective_of(text: str, source_lens: object = None) -> float | None:
    """Magnification of the objective, 20.0 for 20x. source_lens: what Hamamatsu's tag 65421 says."""
    lens = number(source_lens)
    if lens is not None and 0 < lens <= 250:
        return lens
    for pattern in OBJECTIVES:
        found = re.search(pattern, text[:MOST])
        value = number(found[1]) if found else None
        if value is not None and 0.5 <= value <= 250:
            return value
    return None


# Aperio writes key = value pairs between bars; OME, Leica, Philips and Ventana write XML. The bounds keep a hostile
# description from costing minutes.
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


def vendor_of(make: object, description: str) -> str:
    """The maker of the scanner in one word or a few; empty where the file says nothing."""
    made = text_of(make)
    if made:
        return joined(made)
    if description.startswith("Aperio"):
        return "Aperio"
    for vendor, _kind in VENDORS:
        found = joined(_first(vendor, description[:MOST]))
        if found:
            return found
    return ""


def scanner_of(make: object, model: object, description: str) -> str:
    """Vendor and model, for Aperio the scanner's own name too ("Aperio CPAPERIOCS"); empty where nothing is said."""
    description = description[:MOST]
    named = joined(text_of(make), text_of(model))
    if named:
        return named
    if description.startswith("Aperio"):  # so does what other programs have cut out, without naming the scanner
        parts = [_first(pattern, description) for pattern in (APERIO_TYPE, APERIO_ID)]
        return joined("Aperio", *parts) if any(parts) else ""
    for vendor, kind in VENDORS:
        found = joined(_first(vendor, description), _first(kind, description))
        if found:
            return found
    return ""


def text_of(value: object) -> str:
    """Text of a tag, cut; "" for anything that is none."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return text[:MOST] if isinstance(text, str) else ""


def _first(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    return match[1] if match else ""


def joined(*parts: str) -> str:
    """The parts in one line; a model that begins with its maker's name does not repeat it."""
    made = ""
    for part in (" ".join(re.sub(r"[\x00-\x1f\x7f]", " ", part).split()) for part in parts):
        if part and part.lower().startswith(made.lower()):
            made = part
        elif part:
            made = f"{made} {part}"
    return made[:200]


def ome_sizes(text: str) -> Mapping[str, Any]:
    """SizeC, SizeZ, SizeT, DimensionOrder, names and colours (OME's numbers) of channels of an OME description; {} for
    any other text."""
    text = text[:MOST]
    pixels = re.search(r"<(?:\w{1,20}:)?Pixels\b[^>]{0,4000}>", text)
    if pixels is None:
        return {}
    found: dict[str, Any] = dict(re.findall(r'\b(Size[CZT]|DimensionOrder)="([^"]{1,20})"', pixels[0]))
    sizes = {axis: int(value) for axis, value in found.items() if value.isdecimal() and len(value) < 7}
    channels = re.findall(r"<(?:\w{1,20}:)?Channel\b([^>]{0,1000})>", text)
    names = [_first(r'\bName="([^"]{1,60})"', tag) for tag in channels]
    colours = [_first(r'\bColor="(-?\d{1,11})"', tag) for tag in channels]
    order = str(found.get("DimensionOrder", "XYCZT"))
    return {**sizes, "DimensionOrder": order, "names": names, "colours": colours}
