"""What is said of a project's images as a table: a CSV file with a line an image, to fill in and to bring back."""

import csv
import io
from collections import Counter

from django.db import transaction
from django.utils.translation import gettext as _

from labeling.errors import Invalid
from labeling.exchange.archive import as_text
from labeling.images.models import FACTORS, Image
from labeling.images.names import normal
from labeling.images.services import change_image
from labeling.projects.models import Project

NAME = "image"
MOST_BYTES = 16 * 1024 * 1024
SEPARATORS = (",", ";", "\t")  # a spreadsheet writes the one of its country


class BadTable(Invalid):
    """Lines of a table cannot be taken, so nothing of it was; `lines` says which and why."""

    code = "bad_table"

    def __init__(self, lines: list[str]) -> None:
        super().__init__(_("Nothing was changed. ") + " ".join(lines), field="table")
        self.lines = tuple(lines)


def as_table(project: Project) -> bytes:
    """The table as it is now: the image's name, then FACTORS."""
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\r\n")
    rows.writerow([NAME, *FACTORS])
    for image in project.images.order_by("position"):
        rows.writerow([as_text(value) for value in (image.name, *(getattr(image, name) for name in FACTORS))])
    return table.getvalue().encode("utf-8-sig")  # the mark tells spreadsheets that it is UTF-8


def take_table(*, project: Project, content: bytes) -> int:
    """Say of images what a table says: a column "image" with their names, beside it any of FACTORS.

    A column that is left out changes nothing; an empty cell says "not stated". -> how many images have changed.
    Raises BadTable with every fault, line by line; then nothing has changed.
    """
    lines = list(_lines(content))
    header = [cell.strip().lower() for cell in lines[0][1]]
    faults = _faults_of_header(header)
    if faults:
        raise BadTable(faults)
    at = {name: header.index(name) for name in (NAME, *FACTORS) if name in header}
    with transaction.atomic():
        images: dict[str, Image] = {}
        same: Counter[str] = Counter()
        for image in Image.objects.select_for_update().filter(project=project).order_by():
            name = normal(image.name)
            images[name] = image
            same[name] += 1
        wanted: dict[str, dict[str, str]] = {}
        for number, cells in lines[1:]:
            name = normal(_cell(cells, at[NAME]))
            if len(cells) != len(header):
                faults.append(
                    _("Line {n} has {cells} cells, the header {columns}.").format(
                        n=number, cells=len(cells), columns=len(header)
                    )
                )
            elif name not in images:
                faults.append(_("Line {n}: no image of this project is called “{name}”.").format(n=number, name=name))
            elif same[name] > 1:
                faults.append(
                    _("Line {n}: {count} images are called “{name}”; change them on the page.").format(
                        n=number, count=same[name], name=name
                    )
                )
            elif name in wanted:
                faults.append(_("Line {n}: “{name}” stands in the table twice.").format(n=number, name=name))
            else:
                wanted[name] = {fact: _cell(cells, i) for fact, i in at.items() if fact != NAME}
                long = next((fact for fact, value in wanted[name].items() if len(value) > 200), None)
                if long:
                    faults.append(_("Line {n}: {column} is longer than 200 characters.").format(n=number, column=long))
        if faults:
            raise BadTable(faults)
        changed = 0
        for name, facts in wanted.items():
            image = images[name]
            if any(getattr(image, fact) != value for fact, value in facts.items()):
                change_image(image=image, **facts)
                changed += 1
    return changed


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
        raise BadTable([_("Line {n} is no CSV: {error}.").format(n=reader.line_num, error=error)]) from None
    if not found:
        raise BadTable([_("The table is empty.")])
    return found


def _faults_of_header(header: list[str]) -> list[str]:
    known = ", ".join((NAME, *FACTORS))
    faults = [
        _("Line 1: the column “{name}” is unknown; known are {known}.").format(name=name, known=known)
        for name in header
        if name not in (NAME, *FACTORS)
    ]
    faults += [
        _("Line 1: the column “{name}” stands there twice.").format(name=name)
        for name, count in Counter(header).items()
        if count > 1 and name in (NAME, *FACTORS)
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
