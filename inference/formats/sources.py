"""Opening what somebody sent: a file, a folder or a zip, text in any Unicode, JSON, XML, numpy arrays. All of it is
untrusted: archives are unpacked with limits, XML without entities, pickles with nothing but arrays and plain values.
"""

import atexit
import codecs
import csv
import io
import itertools
import json
import pickle
import re
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any
from xml.etree.ElementTree import Element, ParseError

import numpy as np

from inference.formats.problems import FormatProblem

MOST_FILES = 200_000
MOST_RATIO = 200  # unpacked bytes for each packed one
MOST_TEXT = 2**31  # bytes of one text that is parsed as a whole
LARGE_JSON = 64 * 2**20  # bytes; larger ones are read piece by piece where the format allows it
# What may stand before the first element of an XML: comments, instructions, a document type with what it declares.
BEFORE_ELEMENT = re.compile(r"<!--.*?-->|<\?.*?\?>|<!DOCTYPE[^>\[]*(\[.*?\]\s*)?>", re.DOTALL)
FIRST_ELEMENT = re.compile(r"<([^\s<>!?/]+)")
# The picture files that lie beside annotations; never annotations themselves but for label maps.
PICTURES = frozenset((".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".svs", ".ndpi", ".mrxs", ".webp"))


@dataclass
class Source:
    """What is read. `files` are sorted, without hidden ones; of a single file the list has one.

    problems  files that were to be JSON and could not be parsed
    """

    path: Path
    root: Path
    files: list[Path]
    parsed: dict[Path, Any] = field(default_factory=dict)
    problems: dict[Path, FormatProblem] = field(default_factory=dict)

    def with_suffix(self, *suffixes: str) -> list[Path]:
        return [file for file in self.files if file.suffix.lower() in suffixes]

    def named(self, name: str) -> Path | None:
        """The first file of this name, wherever it lies."""
        return next((file for file in self.files if file.name == name), None)

    def json(self, file: Path) -> Any:
        """The parsed JSON of a file; the last one is kept, since recognising and reading both want it."""
        if file not in self.parsed:
            self.parsed = {file: read_json(file)}
        return self.parsed[file]

    def peek(self, file: Path) -> Any:
        """The parsed JSON, or None for what is none; of a large file only the first object of its list, which is
        enough to recognise the two formats that are read piece by piece."""
        if file.stat().st_size <= LARGE_JSON:
            return self.json_or_none(file)
        for key, prefix in (("annotations", "annotations.item"), ("features", "features.item"), ("", "item")):
            first = first_item(file, prefix)
            if first is not None:
                return {key: [first], "images": []} if key else [first]
        return None

    def items(self, file: Path, key: str) -> Iterator[Any]:
        """The objects of a list: of the key of the document, or of the document itself for an empty key. A large file
        is read piece by piece."""
        if file.stat().st_size > LARGE_JSON:
            yield from stream_items(file, f"{key}.item" if key else "item")
            return
        entries = self.json(file)
        if key:
            entries = entries.get(key) or []
        if not isinstance(entries, list):
            raise FormatProblem(file, f"{key!r} must be a list")
        yield from entries

    def json_or_none(self, file: Path) -> Any:
        """The parsed JSON, or None for what is none, whose problem is kept in `problems`."""
        try:
            return self.json(file)
        except FormatProblem as problem:
            self.problems[file] = problem
            return None


def open_source(path: Path) -> Source:
    """A file, a folder, or a zip unpacked. A zip of ImageJ ROIs stays one file, since that is its format."""
    if not path.exists():
        raise FormatProblem(path, "there is no such file or folder")
    if path.is_dir():
        return Source(path, path, list(files_in(path)))
    if is_zip(path) and not has_rois(path):
        root = unpack(path)
        return Source(path, root, list(files_in(root)))
    return Source(path, path.parent, [path])


def files_in(folder: Path) -> Iterator[Path]:
    """Every file below, sorted; hidden ones, what macOS adds, and links are left out."""
    found = 0
    for file in sorted(folder.rglob("*")):
        parts = file.relative_to(folder).parts
        if any(part.startswith(".") or part == "__MACOSX" for part in parts):
            continue
        if file.is_symlink() or not file.is_file():
            continue
        found += 1
        if found > MOST_FILES:
            raise FormatProblem(
                folder, f"the folder holds more than {MOST_FILES:,} files", remedy="convert it in parts"
            )
        yield file


def is_zip(path: Path) -> bool:
    return path.is_file() and zipfile.is_zipfile(path)


def has_rois(path: Path) -> bool:
    """Whether a zip holds ImageJ ROIs and nothing else. Raises FormatProblem for a damaged zip."""
    names = names_in_zip(path)
    return bool(names) and all(map(is_roi, names))


def is_roi(name: str) -> bool:
    return name.lower().endswith(".roi")


def names_in_zip(path: Path) -> list[str]:
    """The files in a zip. Raises FormatProblem for a damaged one."""
    try:
        with zipfile.ZipFile(path) as archive:
            return [info.filename for info in archive.infolist() if not info.is_dir()]
    except (zipfile.BadZipFile, OSError) as error:
        raise FormatProblem(path, f"the zip cannot be opened ({error})", remedy="take a fresh copy") from error


def unpack(path: Path) -> Path:
    """A zip in a folder of its own that goes when the process ends. Nothing is written outside it.

    Raises FormatProblem for a damaged zip, a name that leads outside, a link, or a zip that unpacks to far more than
    it is.
    """
    target = Path(tempfile.mkdtemp(prefix="boxwise-"))
    atexit.register(shutil.rmtree, target, ignore_errors=True)
    try:
        with zipfile.ZipFile(path) as archive:
            check_members(path, archive)
            archive.extractall(target)
    except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, NotImplementedError, ValueError) as error:
        raise FormatProblem(path, f"the zip cannot be unpacked ({error})", remedy="take a fresh copy") from error
    return target


def check_members(path: Path, archive: zipfile.ZipFile) -> None:
    members = archive.infolist()
    unpacked = sum(member.file_size for member in members)
    if len(members) > MOST_FILES:
        raise FormatProblem(path, f"the zip holds more than {MOST_FILES:,} files", remedy="convert it in parts")
    if unpacked > MOST_RATIO * path.stat().st_size + 2**26:
        size = f"{unpacked / 2**20:.0f} MiB"
        raise FormatProblem(path, f"the zip would unpack to {size}, far more than annotations have", remedy="unpack it")
    if unpacked > shutil.disk_usage(tempfile.gettempdir()).free:
        raise FormatProblem(path, f"unpacking needs {unpacked / 2**20:.0f} MiB of disk, and less is free")
    for member in members:
        name = PurePosixPath(member.filename.replace("\\", "/"))
        has_drive = len(member.filename) > 1 and member.filename[1] == ":"
        if name.is_absolute() or ".." in name.parts or has_drive:
            raise FormatProblem(path, "a name in the zip leads outside of it", place=repr(member.filename))
        if stat.S_ISLNK(member.external_attr >> 16):
            raise FormatProblem(
                path, "the zip holds a link", place=repr(member.filename), remedy="pack the file itself"
            )


# -- text


def read_bytes(file: Path, most: int = MOST_TEXT) -> bytes:
    try:
        if file.stat().st_size > most:
            raise FormatProblem(file, f"the file has more than {most >> 20} MiB", remedy="split it")
        return file.read_bytes()
    except OSError as error:
        raise FormatProblem(file, f"the file cannot be opened ({error.strerror or error})") from error


def read_text(file: Path) -> str:
    """The text, by its byte order mark UTF-8, UTF-16 or UTF-32; without one UTF-8, or UTF-16 where every second byte
    is zero. Line ends as they are."""
    return decode_text(read_bytes(file), file)


def decode_text(content: bytes, file: Path) -> str:
    encoding = encoding_of(content[:64])
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        place = f"byte {error.start}"
        raise FormatProblem(file, "the text is not UTF-8", place=place, remedy="save it as UTF-8") from error


def encoding_of(head: bytes) -> str:
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if len(head) >= 4 and head[1::2].count(0) == len(head[1::2]):
        return "utf-16-le"
    if len(head) >= 4 and head[0::2].count(0) == len(head[0::2]):
        return "utf-16-be"
    return "utf-8"


def read_table(file: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """(line, row) of a CSV whose first line has the names. A quoted value may hold line ends; what a short row lacks is
    empty."""
    rows = csv.DictReader(io.StringIO(read_text(file), newline=""), restval="")
    try:
        for row in rows:
            yield rows.line_num, row
    except csv.Error as error:
        raise FormatProblem(file, f"the file is no CSV ({error})", place=f"after line {rows.line_num}") from error


def read_json(file: Path) -> Any:
    """The document. NaN and Infinity are read as numbers; each reader checks where a number must be finite."""
    text = read_text(file)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        if '"Feature"' in text[:65536] or '"Polygon"' in text[:65536]:
            return read_json_lines(text, file)
        place = f"line {error.lineno}, column {error.colno}"
        raise FormatProblem(file, f"the file is no JSON: {error.msg}", place=place) from error
    except RecursionError as error:
        raise FormatProblem(file, "the JSON is nested too deep", remedy="it is no file of annotations") from error
    except ValueError as error:
        raise FormatProblem(file, f"the file is no JSON: {error}") from error


def read_json_lines(text: str, file: Path) -> list[Any]:
    """One JSON document a line, as GeoJSON is also written."""
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip("\x1e \t")  # a record separator begins each line of a GeoJSON text sequence
        if not line:
            continue
        try:
            found.append(json.loads(line))
        except (ValueError, RecursionError) as error:
            raise FormatProblem(file, f"the line is no JSON ({error})", place=f"line {number}") from error
    return found


def stream_items(file: Path, prefix: str) -> Iterator[Any]:
    """The objects below a prefix, one after the other; memory is that of one object. UTF-8 only."""
    import ijson

    try:
        with file.open("rb") as opened:
            if opened.read(3) != codecs.BOM_UTF8:
                opened.seek(0)
            yield from ijson.items(opened, prefix, use_float=True)
    except (ijson.JSONError, UnicodeDecodeError) as error:
        raise FormatProblem(file, f"the file is no JSON: {error}") from error


def first_item(file: Path, prefix: str) -> Any:
    """The first object below a prefix when it lies in the first megabyte; else None."""
    import ijson

    try:
        return next(ijson.items(io.BytesIO(head_of(file, 2**20)), prefix, use_float=True), None)
    except (ijson.JSONError, UnicodeDecodeError):
        return None


def read_xml(file: Path) -> Element:
    """The root element. Entities and document types that define any are declined (defusedxml)."""
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    content = read_bytes(file)
    try:
        found: Element = fromstring(content)
    except DefusedXmlException as error:
        cause = "the XML defines entities or refers to other files"
        raise FormatProblem(file, cause, remedy="remove its document type") from error
    except ParseError as error:
        line, column = error.position
        raise FormatProblem(file, f"the file is no XML: {error}", place=f"line {line}, column {column}") from error
    except (ValueError, LookupError, RecursionError) as error:
        raise FormatProblem(file, f"the file is no XML: {error}") from error
    return found


def head_of(file: Path, size: int = 65536) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(size)
    except OSError:
        return b""


def xml_root_name(file: Path) -> str:
    """The name of the first element, by looking at the beginning only; empty for what is no XML."""
    head = head_of(file, 16384)
    text = head.decode(encoding_of(head), "replace").lstrip("\ufeff \r\n\t")
    if not text.startswith("<"):
        return ""
    element = FIRST_ELEMENT.search(BEFORE_ELEMENT.sub("", text))
    return element.group(1) if element is not None else ""


# -- numpy


def read_array(file: Path) -> np.ndarray[Any, Any]:
    """A .npy file of numbers, memory-mapped. Never unpickles."""
    try:
        return np.load(file, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise FormatProblem(file, f"the array cannot be read ({error})") from error


def is_object_array(file: Path) -> bool:
    """Whether a .npy file holds one pickled object, by its header."""
    head = head_of(file, 256)
    return head.startswith(b"\x93NUMPY") and b"'|O'" in head


# numpy's own constructors of arrays and scalars, by module and name
ARRAYS = frozenset(
    (
        *itertools.product(
            ("numpy", "numpy.core.multiarray", "numpy._core.multiarray", "numpy._core.numeric"),
            ("_reconstruct", "scalar", "ndarray", "dtype", "_frombuffer"),
        ),
        ("_codecs", "encode"),
    )
)


class _ArraysOnly(pickle.Unpickler):
    """Finds numpy's own constructors of arrays and scalars, and nothing else; whatever else a pickle names is refused
    before it is called."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in ARRAYS:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"it names {module}.{name}, which is no array and no plain value")


def read_pickled_array(file: Path) -> Any:
    """The object in a .npy file that numpy pickled: dicts, lists, text, numbers and arrays only.

    Raises FormatProblem for anything else, before any code of the file could run.
    """
    content = io.BytesIO(read_bytes(file))
    try:
        version = np.lib.format.read_magic(content)
        reader: dict[tuple[int, int], Callable[[IO[bytes]], Any]] = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        if version not in reader:
            raise FormatProblem(file, f"version {version} of the .npy format is not read", remedy="save it with numpy")
        reader[version](content)
        found = _ArraysOnly(content).load()
    except FormatProblem:
        raise
    except Exception as error:  # a damaged pickle may raise anything
        raise FormatProblem(file, f"the file is not read: {error}", remedy="save it again with the tool") from error
    return found.item() if isinstance(found, np.ndarray) and found.shape == () else found
