"""Files of QuPath, CVAT, Label Studio and every other format that an import reads, as an arm that was read elsewhere.

What timing there is stands beside each field, with where it is from (TIMINGS): times of a screen recording in a table
that comes along, Label Studio's own lead time, or none. LabelMe's times of saving are read in labelme.py.
"""

import csv
import io
import json
import re
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from django.db import transaction
from django.utils.translation import gettext as _

from inference.formats.isolation import read_apart
from inference.formats.labelstudio import lead_times
from inference.formats.losses import Property
from inference.formats.model import AnnotatedImage
from inference.types import InferenceError
from labeling.accounts.models import User
from labeling.annotations.state import AnnotationState
from labeling.errors import Invalid
from labeling.exchange.importing.states import Vocabulary, prepare
from labeling.images.models import Image
from labeling.studies import outside
from labeling.studies.models import Amendment, Study, StudyField
from labeling.studies.protocol.documents import OutsideArm, OutsideReading

RECORDING, LEAD_TIME, NO_TIME = "recording", "lead time", "none"
NAMES = {"geojson": "QuPath or another writer of GeoJSON", "cvat": "CVAT", "labelstudio": "Label Studio"}
MOST_TASKS = 64 * 2**20  # bytes of a JSON whose lead times are read
MOST_UNPACKED = 2**30  # bytes of all files of a zip, which are unpacked here before they are read apart
MOST_ROWS = 10_000  # of a table of times
LONGEST_S = 24 * 3600.0  # of one field
CLOCK = re.compile(r"(?:(\d{1,3}):)?(\d{1,3}):(\d{1,2}(?:\.\d{1,6})?)", re.ASCII)
READS = "elsewhere.zip"


@dataclass(frozen=True)
class Read:
    """One field as the files have it. states: cells with a mask; left_out: marks without an inside."""

    image: str
    states: list[AnnotationState]
    left_out: int


@transaction.atomic
def import_files(*, study: Study, name: str, content: bytes, times: bytes | None, reason: str, by: User) -> Amendment:
    """One reader's files of the measured fields, zipped, as an arm. An amendment says so, with its reason.

    content  a zip in any format that an import reads, recognised by what is in it
    times    a table (CSV) with the columns image, begun, ended: of a screen recording, in seconds or h:mm:ss; rows of
             one image add up. None: what the files say

    Raises Invalid, WrongState; nothing is stored then.
    """
    study, name, reason = outside.running(study, name, reason)
    fields = outside.fields_by_name(study)
    images = {field: one.image for field, one in fields.items()}
    format_, read = _read(content, images, study)
    timing, seconds = _timing(content, times, format_, set(fields))
    readings = [_reading(one, fields[one.image], timing, seconds, format_) for one in read]
    arm: OutsideArm = {"name": name, "tool": NAMES.get(format_, format_), "readings": readings}
    return outside.record_arm(study=study, arm=arm, reason=reason, by=by)


def _read(content: bytes, images: dict[str, Image], study: Study) -> tuple[str, list[Read]]:
    """The format, and each field that the files have, once. Files are read in a process of its own, with limits."""
    sizes = {name: (image.width, image.height) for name, image in images.items()}
    vocabulary = Vocabulary.of(study.project)
    found: dict[str, Read] = {}
    with tempfile.TemporaryDirectory(prefix="boxwise-elsewhere-") as folder:
        path = Path(folder) / READS
        path.write_bytes(_without_tables(content))
        try:
            with read_apart(path, format="", sizes=sizes, keeps=frozenset(Property)) as reading:
                for annotated in reading.images():
                    one = _of_field(annotated, images, vocabulary)
                    if one.image in found:
                        raise Invalid(_("{name} is in the files twice").format(name=one.image), field="archive")
                    found[one.image] = one
                return reading.format, list(found.values())
        except InferenceError as error:
            raise Invalid(str(error), field="archive") from error


def _without_tables(content: bytes) -> bytes:
    """The zip without what a system puts beside the files, which no format is recognised by. Raises Invalid."""
    out = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as given, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as kept:
            unpacked = sum(member.file_size for member in given.infolist())
            if unpacked > MOST_UNPACKED:
                raise Invalid(
                    _("the files are larger than {size} MiB; split the archive").format(size=MOST_UNPACKED >> 20),
                    field="archive",
                )
            for member in given.infolist():
                if member.is_dir() or "__MACOSX" in member.filename or member.filename.endswith(".DS_Store"):
                    continue
                if member.file_size > MOST_TASKS:
                    raise Invalid(
                        _("{name} is larger than {size} MiB").format(name=member.filename, size=MOST_TASKS >> 20),
                        field="archive",
                    )
                kept.writestr(member.filename, given.read(member))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError, ValueError) as error:
        raise Invalid(_("this is not a readable zip: {error}").format(error=error), field="archive") from error
    return out.getvalue()


def _of_field(annotated: AnnotatedImage, images: dict[str, Image], vocabulary: Vocabulary) -> Read:
    name = _field_named(annotated.name, set(images))
    if not name:
        raise Invalid(_("{picture} is no measured field of this study").format(picture=annotated.name), field="archive")
    image = images[name]
    if annotated.size is not None and annotated.size != (image.width, image.height):
        raise Invalid(_("{name} was drawn on a picture of another size").format(name=name), field="archive")
    prepared = prepare(annotated, image, vocabulary)
    states = [state for state in prepared.states.values() if state.kind == "cell"]
    drawn = [state for state in states if state.mask is not None]
    return Read(name, drawn, len(states) - len(drawn) + prepared.declined_count)


def _field_named(name: str, names: set[str]) -> str:
    """The field of this name, or the only one of this stem; "" where there is none."""
    last = name.replace("\\", "/").rpartition("/")[2]
    if last in names:
        return last
    stems = [one for one in names if Path(one).stem == last or Path(one).stem == Path(last).stem]
    return stems[0] if len(stems) == 1 else ""


def _reading(read: Read, field: StudyField, timing: str, seconds: dict[str, float], format_: str) -> OutsideReading:
    layer = outside.load_cells(field, read.states, {"imported": NAMES.get(format_, format_)})
    return {
        "field": field.pk,
        "layer": str(layer.pk),
        "file": read.image,
        "cells": len(read.states),
        "left_out": read.left_out,
        "saved_at": outside.NEVER,
        "timing": timing,
        "seconds": seconds.get(read.image),
    }


# -- times


def _timing(content: bytes, times: bytes | None, format_: str, names: set[str]) -> tuple[str, dict[str, float]]:
    """Where the times are from, and the seconds of each field that has any."""
    if times is not None:
        return RECORDING, recorded_times(times, names)
    if format_ != "labelstudio":
        return NO_TIME, {}
    found: dict[str, float] = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for member in archive.namelist():
            if member.endswith(".json") and "__MACOSX" not in member:
                for name, seconds in _lead_times_in(archive.read(member)).items():
                    found[_field_named(name, names)] = seconds
    return (LEAD_TIME, found) if found else (NO_TIME, {})


def _lead_times_in(content: bytes) -> dict[str, float]:
    """None of a file that is no JSON: it may stand beside the one that was read."""
    try:
        return lead_times(json.loads(content))
    except (ValueError, OverflowError, RecursionError):
        return {}


def recorded_times(table: bytes, names: set[str]) -> dict[str, float]:
    """Seconds of each field by a table of begun and ended. Raises Invalid with the line.

    table  CSV with a heading, separated by commas or semicolons
    names  of the measured fields
    """
    try:
        text = table.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid(_("the table of times is not UTF-8; save it as CSV UTF-8"), field="times") from None
    try:
        return _times_of(text, names)
    except csv.Error as error:
        raise Invalid(_("the table of times is no CSV: {error}").format(error=error), field="times") from error


def _times_of(text: str, names: set[str]) -> dict[str, float]:
    heading = text.partition("\n")[0]
    rows = csv.DictReader(io.StringIO(text), delimiter=";" if ";" in heading else ",")
    if not {"image", "begun", "ended"} <= {(name or "").strip() for name in rows.fieldnames or []}:
        raise Invalid(_("the table of times needs the columns image, begun and ended"), field="times")
    found: dict[str, float] = {}
    for row in rows:
        line = rows.line_num
        if line > MOST_ROWS:
            raise Invalid(_("the table of times has more than {most} rows").format(most=MOST_ROWS), field="times")
        named = {(key or "").strip(): value for key, value in row.items() if isinstance(value, str)}
        name = _field_named(named.get("image", "").strip(), names)
        begun, ended = seconds_of(named.get("begun", "")), seconds_of(named.get("ended", ""))
        if not name or begun is None or ended is None or not 0 < ended - begun <= LONGEST_S:
            raise Invalid(
                _(
                    "line {line} of the table of times: name a measured field, and when it was begun and ended, in "
                    "seconds or as h:mm:ss, the end after the beginning"
                ).format(line=line),
                field="times",
            )
        found[name] = found.get(name, 0.0) + ended - begun
    return found


def seconds_of(text: str) -> float | None:
    """75.5, 1:15.5 or 0:01:15.5 -> 75.5; None for anything else."""
    text = text.strip()
    if re.fullmatch(r"\d{1,7}(\.\d{1,6})?", text, re.ASCII):
        return float(text)
    match = CLOCK.fullmatch(text)
    if match is None:
        return None
    hours, minutes, seconds = match.groups()
    return 3600 * int(hours or 0) + 60 * int(minutes) + float(seconds)
