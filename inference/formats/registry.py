"""All formats by name. A format's module is imported when it is asked for."""

from collections.abc import Iterator
from importlib import import_module
from types import MappingProxyType

from inference.formats.format import Format
from inference.formats.problems import FormatProblem
from inference.formats.sources import Source
from inference.types import InferenceError

# name -> module, in the order in which they are asked whether a file is theirs
BOTH_WAYS = MappingProxyType(
    {
        "coco": "coco",
        "geojson": "geojson",
        "labelme": "labelme",
        "labelstudio": "labelstudio",
        "hovernet": "hovernet",
        "cvat": "cvat",
        "voc": "voc",
        "aperio": "aperio",
        "roi": "roi",
        "cellpose": "cellpose",
        "consep": "consep",
        "pannuke": "pannuke",
        "yolo": "yolo",
        "ome": "labelmaps",
        "tiff": "labelmaps",
        "png": "labelmaps",
        "dicom": "dicom",
    }
)
ONLY_READ = MappingProxyType(
    {
        "via": "via",
        "supervisely": "supervisely",
        "datumaro": "datumaro",
        "darwin": "darwin",
        "w3c": "w3c",
    }
)
NAMES = (*BOTH_WAYS, *ONLY_READ)


def format_named(name: str) -> Format:
    """Raises InferenceError for a name that is none."""
    module = BOTH_WAYS.get(name) or ONLY_READ.get(name)
    if module is None:
        raise InferenceError(f"there is no format {name!r}; there are {', '.join(NAMES)}")
    found = import_module(f"inference.formats.{module}")
    formats: dict[str, Format] = found.FORMATS
    return formats[name]


def all_formats() -> Iterator[Format]:
    for name in NAMES:
        yield format_named(name)


def recognise(source: Source) -> Format:
    """The format of a file or a folder, by its content. Raises FormatProblem when no format knows it."""
    for name in dict.fromkeys(("coco", "geojson", *ONLY_READ, *BOTH_WAYS)):
        candidate = format_named(name)
        if candidate.recognises(source):
            return candidate
    if len(source.files) == 1 and source.problems:
        raise next(iter(source.problems.values()))
    cause = "no known format of annotations was found in it"
    raise FormatProblem(source.path, cause, remedy=f"name the format with --from ({', '.join(NAMES)})")
