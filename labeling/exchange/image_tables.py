"""What is said of a project's images as a table: a CSV file with a line an image, to fill in and to bring back."""

import csv
import io
from collections import Counter
from dataclasses import asdict

from django.db import transaction
from django.utils.translation import gettext as _

from labeling.accounts.models import User
from labeling.errors import Invalid
from labeling.images.facts import Fact, state_facts
from labeling.images.models import LONGEST_TAG, MOST_TAGS, SPECIMEN, Image
from labeling.images.names import normal
from labeling.images.patients import Split
from labeling.images.specimens import stated_parts
from labeling.projects.models import Project
from labeling.spreadsheets import as_text

NAME = "image"
MOST_BYTES = 16 * 1024 * 1024
PLAIN = ("scanner", "stain", "tags")
COLUMNS = (*SPECIMEN, *PLAIN, "split")
LONGEST = {**dict.fromkeys(COLUMNS, 200), "tags": MOST_TAGS * (LONGEST_TAG + 2)}
TAG_SEPARATOR = "; "
SEPARATORS = (",", ";", "\t")  # a spreadsheet writes the one of its country


class BadTable(Invalid):
    """Lines of a table cannot be taken, so nothing of it was; `lines` says which and why."""

    code = "bad_table"

    def __init__(self, lines: list[str]) -> None:
        super().__init__(_("Nothing was changed. ") + " ".join(lines), field="table")
        self.lines = tuple(lines)


def as_table(project: Project) -> bytes:
    """The table as it is now: the image's name, then COLUMNS."""
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\r\n")
    rows.writerow([NAME, *COLUMNS])
    for image in project.images.with_specimens().order_by("position"):
        cells = _cells_of(image)
        texts = [as_text(cells[name]) for name in COLUMNS]
        rows.writerow([as_text(image.name), *texts])
    return table.getvalue().encode("utf-8-sig")  # the mark tells spreadsheets that it is UTF-8


def _cells_of(image: Image) -> dict[str, str]:
    cells = asdict(image.specimen)
    for name in ("scanner", "stain", "split"):
        cells[name] = getattr(image, name)
    cells["tags"] = TAG_SEPARATOR.join(image.tags)
    return cells


def take_table(*, project: Project, content: bytes, by: User | None = None, reason: str = "") -> int:
    """Say of images what a table says: a column "image" with their names, beside it any of COLUMNS.

    A column that is left out changes nothing; an empty cell says "not stated". A split is the patient's: the table must
    give one to all images of a patient. -> how many images have changed. Raises BadTable with every fault, line by
    line, Invalid and Sealed; then nothing has changed.
    """
    lines = list(_lines(content))
    header = [cell.strip().lower() for cell in lines[0][1]]
    faults = _faults_of_header(header)
    if faults:
        raise BadTable(faults)
    with transaction.atomic():
        locked = Project.objects.for_change(project.pk)
        images = list(Image.objects.filter(project=project).with_specimens().order_by())
        wanted = _wanted(lines, header, images)
        changed = {}
        for image in images:
            different = _different(image, wanted.get(image.pk, {}))
            if different:
                changed[image.pk] = different
        _state(locked, changed, by, reason)
    return len(changed)


def _different(image: Image, given: dict[str, str]) -> dict[str, str]:
    """Of what a line says, what is not so already."""
    cells = _cells_of(image)
    return {name: value for name, value in given.items() if value != cells[name]}


def _wanted(lines: list[tuple[int, list[str]]], header: list[str], images: list[Image]) -> dict[int, dict[str, str]]:
    """Key of an image -> what its line says. Raises BadTable."""
    at = {name: header.index(name) for name in (NAME, *COLUMNS) if name in header}
    names: Counter[str] = Counter()
    by_name: dict[str, Image] = {}
    for image in images:
        called = normal(image.name)
        names[called] += 1
        by_name[called] = image
    faults: list[str] = []
    wanted: dict[int, dict[str, str]] = {}
    for number, cells in lines[1:]:
        name = normal(_cell(cells, at[NAME]))
        given = {column: _cell(cells, i) for column, i in at.items() if column != NAME}
        sizes = (len(cells), len(header))
        fault = _fault_of_line(name, given, sizes, names)
        if not fault and by_name[name].pk in wanted:
            fault = _("“{name}” stands in the table twice.").format(name=name)
        if fault:
            faults.append(_("Line {n}: {fault}").format(n=number, fault=fault))
        else:
            image = by_name[name]
            wanted[image.pk] = given
    if faults:
        raise BadTable(faults)
    return wanted


def _fault_of_line(name: str, given: dict[str, str], sizes: tuple[int, int], names: Counter[str]) -> str:
    """What is wrong with a line by itself; "" for nothing. sizes: how many cells it and the header have."""
    if sizes[0] != sizes[1]:
        return _("it has {cells} cells, the header {columns}.").format(cells=sizes[0], columns=sizes[1])
    if name not in names:
        return _("no image of this project is called “{name}”.").format(name=name)
    if names[name] > 1:
        return _("{count} images are called “{name}”; change them on the page.").format(count=names[name], name=name)
    long = next((column for column, value in given.items() if len(value) > LONGEST[column]), "")
    if long:
        return _("{column} is longer than {most} characters.").format(column=long, most=LONGEST[long])
    if given.get("split", Split.TRAIN.value) not in Split.values:
        return _("the split is one of {known}.").format(known=", ".join(Split.values))
    return ""


def _state(project: Project, changed: dict[int, dict[str, str]], by: User | None, reason: str) -> None:
    """What differs, with as many queries for ten thousand images as for ten: equal changes are made together.

    The splits come last: by then it is known which images are of one patient. Raises Invalid, Sealed.
    """
    if not changed:
        return
    parts: dict[int, dict[str, str]] = {}
    splits: dict[int, str] = {}
    for key, given in changed.items():
        parts[key] = stated_parts(given)
        if "split" in given:
            splits[key] = given["split"]
    state_facts(project=project, parts=parts, splits=splits, by=by, reason=reason)
    plain: dict[tuple[tuple[str, str], ...], list[int]] = {}
    for key, given in changed.items():
        cells = [(name, value) for name, value in given.items() if name in PLAIN]
        same = plain.setdefault(tuple(sorted(cells)), [])
        same.append(key)
    for rest, keys in plain.items():
        if rest:
            unchanged: dict[int, dict[str, str]] = {key: {} for key in keys}
            state_facts(project=project, parts=unchanged, splits={}, facts=_as_facts(rest), by=by, reason="")


def _as_facts(cells: tuple[tuple[str, str], ...]) -> dict[str, Fact]:
    found: dict[str, Fact] = dict(cells)
    if "tags" in found:
        tags = [tag.strip() for tag in str(found["tags"]).split(";")]
        found["tags"] = [tag for tag in tags if tag]
    return found


def _lines(content: bytes) -> list[tuple[int, list[str]]]:
    """(line number, cells) of the lines that are not empty, the header first. Raises BadTable."""
    if len(content) > MOST_BYTES:
        raise BadTable([_("The table is larger than {size} MiB.").format(size=MOST_BYTES // 2**20)])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = content[: error.start].count(b"\n") + 1
        raise BadTable([_("Line {n} is not UTF-8; save the table as “CSV UTF-8”.").format(n=number)]) from None
    first = text.lstrip().partition("\n")[0]
    separator = max(SEPARATORS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        found = [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise BadTable([_("Line {n} is not CSV: {error}.").format(n=reader.line_num, error=error)]) from None
    if not found:
        raise BadTable([_("The table is empty.")])
    return found


def _faults_of_header(header: list[str]) -> list[str]:
    known = ", ".join((NAME, *COLUMNS))
    faults = [
        _("Line 1: the column “{name}” is unknown; known are {known}.").format(name=name, known=known)
        for name in header
        if name not in (NAME, *COLUMNS)
    ]
    faults += [
        _("Line 1: the column “{name}” stands there twice.").format(name=name)
        for name, count in Counter(header).items()
        if count > 1 and name in (NAME, *COLUMNS)
    ]
    if NAME not in header:
        faults.append(_("Line 1: the column “{name}” is missing; known are {known}.").format(name=NAME, known=known))
    elif len(header) < 2 and not faults:
        words = _("Line 1: beside “{name}” there is no column; known are {known}.")
        faults.append(words.format(name=NAME, known=known))
    return faults


def _cell(cells: list[str], at: int) -> str:
    """A cell's text on one line, without the apostrophe that `as_text` puts before what looks like a formula."""
    text = " ".join(cells[at].split()) if at < len(cells) else ""
    return text[1:] if text[:1] == "'" and text[1:2] and as_text(text[1:]) == text else text
