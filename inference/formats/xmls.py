"""Writing XML: characters that XML cannot hold are left out."""

import re
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def clean(text: str) -> str:
    return NOT_IN_XML.sub("", text)


def child(parent: Element, tag: str, text: str | None = None, **attributes: str) -> Element:
    made = SubElement(parent, tag, {key: clean(value) for key, value in attributes.items()})
    if text is not None:
        made.text = clean(text)
    return made


def save(root: Element, file: Path) -> None:
    ElementTree.indent(root)
    ElementTree.ElementTree(root).write(file, encoding="utf-8", xml_declaration=True)


def plain(number: float) -> str:
    """A number without a needless ".0"."""
    return f"{number:.10g}"


def text_of(parent: Element, path: str) -> str:
    """The text of the first element at this path, without spaces around it; empty for none."""
    return (parent.findtext(path) or "").strip()
