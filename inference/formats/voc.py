"""Pascal VOC: one XML an image, boxes only.

VOC counts pixels from 1 and includes the last one: the first pixel of an image is 1, and a box of one pixel has xmin =
xmax. So x0 = xmin - 1, y0 = ymin - 1, x1 = xmax, y1 = ymax, in and out. Many tools write VOC files with numbers from 0,
which nothing in the file says; their boxes are one pixel off. Parts of objects are skipped and listed.
"""

from pathlib import Path
from xml.etree.ElementTree import Element

from inference.formats import values
from inference.formats.format import Format, Target
from inference.formats.geometry import box_of
from inference.formats.losses import Property
from inference.formats.model import UNCLASSIFIED, AnnotatedImage, Annotation, Annotations, Points, Rectangle
from inference.formats.model import Line as OpenLine
from inference.formats.problems import Context, FormatProblem
from inference.formats.sources import Source, read_xml, xml_root_name
from inference.formats.xmls import child, plain, save, text_of

FLAGS = ("pose", "truncated", "difficult", "occluded")


def recognises(source: Source) -> bool:
    return bool(_files(source))


def _files(source: Source) -> list[Path]:
    return [file for file in source.with_suffix(".xml") if xml_root_name(file) == "annotation"]


def read(source: Source, context: Context) -> Annotations:
    found = Annotations()
    for file in _files(source):
        root = read_xml(file)
        image = AnnotatedImage(text_of(root, "filename") or file.stem)
        sides = [text_of(root, f"size/{side}") for side in ("width", "height")]
        if all(sides) and float(values.number(sides[0], file, "size", "width")) > 0:
            image.width, image.height = (values.whole(side, file, "size", "the size") for side in sides)
        for place, entry in enumerate(root.iter("object"), start=1):
            with context.one_object():
                image.annotations.append(_annotation(entry, file, f"object {place}", context))
        found.images.append(image)
    return found


def _annotation(entry: Element, file: Path, place: str, context: Context) -> Annotation:
    box = entry.find("bndbox")
    if box is None:
        cause = "it has no bndbox"
        raise FormatProblem(
            file, cause, place=place, remedy="an outline alone is LabelMe's older XML, which is not read"
        )
    sides = ("xmin", "ymin", "xmax", "ymax")
    x0, y0, x1, y1 = (values.number(text_of(box, side) or None, file, place, side) for side in sides)
    parts = len(entry.findall("part"))
    if parts:
        context.skip("parts of objects", f"{file.name}, {place}", parts)
    if entry.find("polygon") is not None:
        context.skip("outlines beside a box", f"{file.name}, {place}")
    attributes = {flag: text_of(entry, flag) for flag in FLAGS if text_of(entry, flag) not in ("", "0", "Unspecified")}
    for action in entry.findall("actions/*"):
        attributes[f"action {action.tag}"] = (action.text or "").strip()
    for one in entry.findall("attributes/attribute"):
        attributes[text_of(one, "name")] = text_of(one, "value")
    name = text_of(entry, "name")
    label = None if name in ("", UNCLASSIFIED) else name
    return Annotation(Rectangle((x0 - 1, y0 - 1, x1, y1)), label, attributes=attributes, place=place)


def write(annotations: Annotations, target: Target) -> None:
    for image, file in target.each(annotations, ".xml"):
        root = Element("annotation")
        child(root, "filename", image.name)
        if image.size is not None:
            size = child(root, "size")
            child(size, "width", str(image.width))
            child(size, "height", str(image.height))
            child(size, "depth", "3")
        child(root, "segmented", "0")
        for one in image.annotations:
            if not isinstance(one.geometry, Points | OpenLine):
                _write_object(root, one)
        save(root, file)


def _write_object(root: Element, one: Annotation) -> None:
    entry = child(root, "object")
    child(entry, "name", one.label if one.label is not None else UNCLASSIFIED)
    for flag in FLAGS:
        default = "Unspecified" if flag == "pose" else "0"
        child(entry, flag, values.text(one.attributes.get(flag, default)))
    box = child(entry, "bndbox")
    x0, y0, x1, y1 = box_of(one.geometry)
    for side, value in zip(("xmin", "ymin", "xmax", "ymax"), (x0 + 1, y0 + 1, x1, y1), strict=True):
        child(box, side, plain(value))
    others = {name: value for name, value in one.attributes.items() if name not in FLAGS}
    if others:
        listed = child(entry, "attributes")
        for name, value in others.items():
            pair = child(listed, "attribute")
            child(pair, "name", str(name))
            child(pair, "value", values.text(value))


KEEPS = frozenset(
    (Property.BOXES, Property.MANY, Property.CLASSES, Property.ATTRIBUTES, Property.EMPTY, Property.NAMES)
)
FORMATS = {"voc": Format("voc", "Pascal VOC", recognises, read, write, KEEPS, (".xml",))}
