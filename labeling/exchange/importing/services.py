"""An import: a file is sent, a job reads it and says what it would do, a person confirms, the job goes on.

    request ──► take_import: store, a job with one item ──► files worker: read, plan ──► the item needs a choice
    person  ──► confirm ──► files worker: image by image, each all or not at all ──► what came of it

The dry run and the import are the same reading and the same comparison, so the one says what the other does.
"""

import shutil
import tempfile
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from inference.formats.isolation import ReadApart, read_apart
from inference.formats.losses import Property
from inference.formats.registry import NAMES
from inference.types import InferenceError
from labeling.accounts.models import User
from labeling.errors import Archived, Invalid, LabelingError
from labeling.exchange.importing.matching import Images
from labeling.exchange.importing.states import Prepared, Vocabulary, prepare
from labeling.exchange.importing.writing import Aim, Change, change_of, write_image
from labeling.images.names import clean
from labeling.images.uploads import on_disk
from labeling.jobs import items as job_items
from labeling.jobs.handlers import Tell, describes
from labeling.jobs.items import End
from labeling.jobs.models import Job, JobItem, uploads_storage
from labeling.jobs.services import NewItem, create_job
from labeling.projects.models import Project

MOST_BYTES = 2 * 1024**3
MOST_DECLINED = 200  # places that the plan names
# What annotations of a project hold. Attributes are listed by name, lines by place.
KEPT = frozenset(Property) - {
    Property.SUBPIXEL, Property.SCORES, Property.MEASUREMENTS, Property.NAMES_OF_OBJECTS, Property.NUCLEI,
    Property.LOCKS, Property.PARENTS,
}  # fmt: skip
REASONS = {
    "no_area": gettext_lazy("it is a line, and a cell is an area or a point"),
    "outside": gettext_lazy("it lies outside the image or covers no pixel"),
    "too_large": gettext_lazy("it is too large or cannot be decoded"),
    "same_id": gettext_lazy("another object of the file has the same id"),
}
Facts = dict[str, Any]


def take_import(*, project: Project, owner: User, file: UploadedFile, aim: str, format: str = "") -> Job:
    """Store a file of annotations and ask the workers what it would change. -> the job, with one item.

    aim     working, layer or reference
    format  a name of inference/formats/registry.py; empty: recognised by content

    Raises Invalid that names the field, Archived, TooManyJobs.
    """
    if aim not in set(Aim):
        raise Invalid(_("the annotations become working, layer or reference, not {aim}").format(aim=aim), field="aim")
    if format and format not in NAMES:
        raise Invalid(_("there is no format {format}").format(format=format), field="format")
    size = file.size or 0
    if size > MOST_BYTES:
        words = _("{name} is larger than {size} MiB; import it in parts")
        raise Invalid(words.format(name=file.name, size=MOST_BYTES // 2**20), field="file")
    storage = uploads_storage()
    stored = storage.save(f"uploads/{uuid.uuid4().hex}.bin", file)
    try:
        with transaction.atomic():
            Project.objects.for_change(project.pk)
            item = NewItem(clean(file.name or "annotations"), size, stored)
            request = {"aim": aim, "format": format}
            return create_job(kind=Job.Kind.IMPORT, project=project, owner=owner, request=request, items=[item])
    except BaseException:
        storage.delete(stored)
        raise


def confirm(job: Job) -> Job:
    """Do what the dry run said. Raises WrongState for a job that does not wait for it."""
    waiting = list(job.items.filter(state=JobItem.State.CHOICE).values_list("pk", flat=True))
    return job_items.choose(job.pk, items=waiting, choice={"confirmed": True})


def do_import(job: Job, item: JobItem, end: End, tell: Tell) -> None:
    """Plan, or write when somebody has confirmed. Raises Archived, Cancelled."""
    aim = Aim(job.request["aim"])
    images = Images.of(job.project)
    with ExitStack() as stack:
        try:
            reading = stack.enter_context(_read(job, item, images))
        except InferenceError as error:
            end(JobItem.State.DECLINED, facts={"code": "not_read"}, error=str(error))
            return
        facts = _each_image(job, reading, images, aim, tell, writes=bool(item.choice.get("confirmed")))
        facts |= _left_out(reading)
    if not facts["images"]:
        words = _("the file holds no image, so there is nothing to import")
        if facts["images_declined"]:
            words = _("no image of the file can be imported; the reason is listed for each")
        end(JobItem.State.DECLINED, facts=facts | {"code": "no_image"}, error=words)
        return
    end(JobItem.State.DONE if item.choice.get("confirmed") else JobItem.State.CHOICE, facts=facts)


@contextmanager
def _read(job: Job, item: JobItem, images: Images) -> Iterator[ReadApart]:
    """Read in a process of its own, under the name that the file came with, since its ending belongs to the format."""
    with on_disk(item) as stored, tempfile.TemporaryDirectory(prefix="boxwise-import-") as folder:
        named = Path(folder) / item.name
        try:
            named.symlink_to(stored.resolve())
        except OSError:
            shutil.copyfile(stored, named)
        with read_apart(named, format=job.request["format"], sizes=images.sizes(), keeps=KEPT) as reading:
            yield reading


def _each_image(
    job: Job,
    reading: ReadApart,
    images: Images,
    aim: Aim,
    tell: Tell,
    *,
    writes: bool,
) -> Facts:
    """Compare or write image by image; what goes wrong with one never touches another."""
    vocabulary = Vocabulary.of(job.project)
    act: Callable[..., Change] = write_image if writes else change_of
    done: list[Facts] = []
    declined_images: list[Facts] = []
    declined: list[Facts] = []
    no_class: Counter[str] = Counter()
    no_value: Counter[str] = Counter()
    for number, annotated in enumerate(reading.images(), start=1):
        try:
            image = images.match(annotated)
            prepared = prepare(annotated, image, vocabulary)
            change = act(image, prepared.states, aim, job.owner)
        except Archived:
            raise
        except LabelingError as error:
            declined_images.append({"name": annotated.name, "detail": str(error)})
            continue
        done.append({"name": annotated.name, "image": image.pk} | vars(change) | {"declined": prepared.declined_count})
        declined += _places(annotated.name, prepared)
        no_class += prepared.no_class
        no_value += prepared.no_value
        tell(number, max(reading.total, number))
    sums = {name: sum(row[name] for row in done) for name in ("created", "updated", "unchanged", "declined")}
    return sums | {
        "format": reading.format,
        "images": done,
        "images_declined": declined_images,
        "places": declined[:MOST_DECLINED],
        "classes_unknown": dict(no_class),
        "values_unknown": dict(no_value),
    }


def _places(name: str, prepared: Prepared) -> list[Facts]:
    return [{"image": name, "place": place, "code": code} for place, code in prepared.declined]


def _left_out(reading: ReadApart) -> Facts:
    """What of the file is no annotation of ours, what annotations here have no place for, and what was wrong in it."""
    return {
        "losses": [{"what": what, "count": count} for what, count in reading.losses],
        "skipped": [{"what": what, "count": one.count, "places": one.places} for what, one in reading.skipped.items()],
        "wrong": reading.declined[:MOST_DECLINED],
        "wrong_count": len(reading.declined),
        "remarks": reading.remarks,
    }


@describes(Job.Kind.IMPORT)
def described(job: Job) -> Facts:
    """The plan, or what came of it, in the reader's language."""
    item = job.items.first()
    if item is None:
        return {"import": None}
    places = [one | {"detail": str(REASONS[one["code"]])} for one in item.facts.get("places", [])]
    about = {key: value for key, value in item.facts.items() if key != "code"} | {"places": places}
    is_plan = item.state == JobItem.State.CHOICE
    return {"import": {"name": item.name, "state": item.state, "is_plan": is_plan, "detail": item.error} | about}
