"""Files that somebody uploads: stored at once as they came, read by a job, each on its own.

    request ──► take_files: store, one job with an item a file ──► files worker: read_upload ──► image, or a sentence

A file that holds several pictures waits for a choice. What came of an item stands in its facts as a code with what
fills it in, so that everybody reads the sentence in their own language.
"""

import shutil
import tempfile
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TypedDict

from django.core.files.storage import Storage
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from labeling.accounts.models import User
from labeling.errors import Archived, Invalid, LabelingError
from labeling.images import slide_roots
from labeling.images.documents import PictureChoice, UploadFacts, UploadRequest
from labeling.images.entry_names import entry_name
from labeling.images.models import Image
from labeling.images.quota import decline_over_quota
from labeling.images.registered_slides import COPYING, NEEDS_WHOLE, copied, registered
from labeling.images.sentences import SENTENCES, note_sentences
from labeling.images.services import AlreadyThere, CannotRead, UnreadableImage, add_image
from labeling.images.similar import Alike, pairs_with, sentence
from labeling.jobs import items as job_items
from labeling.jobs.handlers import describes
from labeling.jobs.items import End
from labeling.jobs.models import Job, JobItem, uploads_storage
from labeling.jobs.services import NewItem, create_job
from labeling.projects.models import Project

MOST_BYTES = 512 * 1024 * 1024
# Codes of a file that is read as soon as somebody says which picture is meant.
CHOICES = ("several_pages", "several_channels", "no_such_page", "no_such_channel")
# What else can come of a file, beside images/sentences.py. Other errors bring a sentence of their own.
OTHERS = {
    COPYING: gettext_lazy(
        "{name} is being copied from its storage, since its format is not read in parts: {percent} % are there"
    ),
    "already_there": gettext_lazy("{name} is in this project already, as {same}"),
    "too_large_file": gettext_lazy(
        "{name} is larger than {size} MiB; cut it into smaller fields, or let whoever runs the server register a slide "
        "where it lies"
    ),
    "fault": gettext_lazy("{name} could not be added because of a fault in Boxwise, which is written to its log"),
    "worker_died": gettext_lazy(
        "{name} was not read: the program that reads files ended twice while it was at it; try again, or save it as PNG"
    ),
}


@transaction.atomic
def ask_to_read(*, project: Project, owner: User, facts: UploadRequest, items: list[NewItem]) -> Job:
    """A job for files that are stored already. Raises Archived, TooManyJobs."""
    Project.objects.for_change(project.pk)
    return create_job(kind=Job.Kind.READ, project=project, owner=owner, request=facts.as_json(), items=items)


def take_files(*, project: Project, owner: User, files: Iterable[UploadedFile], facts: UploadRequest) -> Job:
    """Store files as they came and ask the workers to read them. -> the job, with an item for each file.

    Raises Archived, TooManyJobs, OverQuota, and Invalid when there is no file; then nothing is stored.
    """
    storage = uploads_storage()
    items: list[NewItem] = []
    sent = list(files)
    decline_over_quota(project, sum(file.size or 0 for file in sent))
    try:
        for file in sent:
            items.append(_stored(project, storage, file))
        if not items:
            raise Invalid(_("no file was sent"), field="image")
        return ask_to_read(project=project, owner=owner, facts=facts, items=items)
    except BaseException:
        for item in items:
            if item.file:
                storage.delete(item.file)
        raise


def register_slides(*, project: Project, owner: User, root: str, paths: Sequence[str], facts: UploadRequest) -> Job:
    """Register slides where they lie, below a root of the setting SLIDE_ROOTS. -> the job, with an item for each.

    Raises Archived, TooManyJobs, and Invalid for a path that leads out of the root or to nothing; then none is added.
    """
    items = []
    for path in paths:
        place = slide_roots.resolved(root, path)
        items.append(
            NewItem(
                entry_name(project, path), place.stat().st_size, choice=PictureChoice(root=root, path=path).as_json()
            )
        )
    if not items:
        raise Invalid(_("no slide is named"), field="paths")
    return ask_to_read(project=project, owner=owner, facts=facts.with_(open_as="slide"), items=items)


def _stored(project: Project, storage: Storage, file: UploadedFile) -> NewItem:
    """A file under a name of our own; one that is too large is declined at once."""
    name, size = entry_name(project, file.name or "image"), file.size or 0
    if size > MOST_BYTES:
        params = {"size": MOST_BYTES // 2**20}
        return NewItem(name, size, facts=UploadFacts(code="too_large_file", params=params).as_json())
    return NewItem(name, size, storage.save(f"uploads/{uuid.uuid4().hex}.bin", file))


def read_upload(job: Job, item: JobItem, end: End) -> None:
    """Add the image of one file; `end` says what came of it, with the image itself or not at all.

    Raises Archived and CannotRead, which no other file of the job would escape.
    """
    asked = UploadRequest.stored(job.request).given()
    choice = dict(PictureChoice.stored(item.choice).given())  # goes before what was asked for all
    root, path = choice.pop("root", ""), choice.pop("path", "")

    def add(source: Path) -> None:
        add_image(
            project=job.project,
            name=item.name,
            content=source,
            below=(root, path) if root else None,
            stored=lambda image: end(JobItem.State.DONE, facts=UploadFacts(image=image.pk).as_json()),
            **{**asked, **choice},
        )

    try:
        with registered(root, path) if root else on_disk(item) as source:
            try:
                add(source)
            except UnreadableImage as error:
                if error.reason != NEEDS_WHOLE:
                    raise
                add(copied(item, root, source))
    except (Archived, CannotRead):
        raise
    except UnreadableImage as error:
        state = JobItem.State.CHOICE if error.reason in CHOICES else JobItem.State.DECLINED
        end(state, facts=UploadFacts(code=error.reason, params=error.params).as_json())
    except AlreadyThere as error:
        facts = UploadFacts(code=error.code, params={"same": error.image.name}, image=error.image.pk)
        end(JobItem.State.DONE, facts=facts.as_json())
    except LabelingError as error:
        end(JobItem.State.DECLINED, facts=UploadFacts(code=error.code).as_json(), error=str(error))


@contextmanager
def on_disk(item: JobItem) -> Iterator[Path]:
    """The file of an item as a file of this machine, whatever storage keeps it."""
    try:
        yield Path(item.file.path)
    except NotImplementedError:  # of a storage elsewhere
        with tempfile.TemporaryDirectory(prefix="boxwise-") as folder:
            copy = Path(folder) / "upload"
            with item.file.open("rb") as stored, copy.open("wb") as file:
                shutil.copyfileobj(stored, file)
            yield copy


def choose_picture(*, job: Job, items: Collection[int], page: int | None, channel: int | None) -> Job:
    """Say which picture of files is meant, and read them. Raises Invalid, WrongState."""
    given = {name: value for name, value in (("page", page), ("channel", channel)) if value is not None}
    if not given:
        raise Invalid(_("say which page or channel is meant"), field="page")
    return job_items.choose(job.pk, items=items, choice=PictureChoice.model_validate(given).as_json())


# -- what came of it


class OutcomeJson(TypedDict):
    """ItemOutcome over HTTP; choices: "pages", "channels" -> how many there are to choose from."""

    id: int
    name: str
    size: int
    state: str
    code: str
    detail: str
    notes: list[str]
    image: int | None
    choices: dict[str, int]


class AlikeJson(TypedDict):
    images: list[int]
    detail: str


class ReadJobJson(TypedDict):
    """What only jobs of this kind have."""

    items: list[OutcomeJson]
    alike: list[AlikeJson]


@dataclass(frozen=True)
class ItemOutcome:
    """What came of a file, in the reader's language.

    words  why it was not added, or that it is there already; "" where there is nothing to say
    notes  of a file that was added: what people should know of it
    image  that was added, or that is the same picture; None where there is none, or it is gone
    """

    item: JobItem
    words: str
    notes: tuple[str, ...] = ()
    image: Image | None = None

    @property
    def is_added(self) -> bool:
        return self.item.state == JobItem.State.DONE and not self.facts.code

    @property
    def facts(self) -> UploadFacts:
        return UploadFacts.stored(self.item.facts)

    @property
    def pages(self) -> int:
        """How many pages there are to choose from; 0 where none is to be chosen."""
        return self._to_choose("pages", missing="no_such_page")

    @property
    def channels(self) -> int:
        return self._to_choose("channels", missing="no_such_channel")

    def _to_choose(self, what: str, *, missing: str) -> int:
        if self.item.state != JobItem.State.CHOICE:
            return 0
        count = int(self.facts.params[what])
        asked_in_vain = self.facts.code == missing
        return count if count > 1 or asked_in_vain else 0

    def as_json(self) -> OutcomeJson:
        item = self.item
        choices = {name: count for name, count in (("pages", self.pages), ("channels", self.channels)) if count}
        return {
            "id": item.pk,
            "name": item.name,
            "size": item.size,
            "state": item.state,
            "code": self.facts.code,
            "detail": self.words,
            "notes": list(self.notes),
            "image": self.image.pk if self.image else None,
            "choices": choices,
        }


def item_outcomes(job: Job) -> list[ItemOutcome]:
    """The files of a job and what came of them, in their order; two queries."""
    items = list(job.items.all())
    facts = [UploadFacts.stored(item.facts) for item in items]
    keys = [one.image for one in facts if one.image is not None]
    images = Image.objects.filter(project=job.project_id).in_bulk(keys)
    return [_outcome_of(item, images) for item in items]


def _outcome_of(item: JobItem, images: Mapping[int, Image]) -> ItemOutcome:
    facts = UploadFacts.stored(item.facts)
    image = images.get(facts.image or 0)
    code = facts.code
    words = item.error
    if code in OTHERS or code in SENTENCES:
        template = str(OTHERS[code] if code in OTHERS else SENTENCES[code])
        words = template.format(**{**facts.params, "name": item.name})
    notes = tuple(note_sentences(image.reading.get("notes", []))) if image and not code else ()
    return ItemOutcome(item, words, notes, image)


def alike_of(job: Job) -> list[Alike]:
    """Pictures of the project that the files of a job repeat, nearly; those that are still there."""
    pairs = job.facts.get("alike", [])
    keys = set(chain.from_iterable(pairs))
    images = Image.objects.filter(project=job.project_id).in_bulk(keys)
    return [Alike(images[a], images[b]) for a, b in pairs if a in images and b in images]


def find_alike(job: Job) -> list[tuple[int, int]]:
    """The same, looked for: keys of images."""
    facts = [UploadFacts.stored(item.facts) for item in job.items.all()]
    added = [one.image for one in facts if one.image is not None and not one.code]
    pairs = pairs_with(job.project, Image.objects.filter(pk__in=added))
    return [(pair.image.pk, pair.other.pk) for pair in pairs]


@describes(Job.Kind.READ)
def described(job: Job) -> ReadJobJson:
    alike: list[AlikeJson] = []
    for pair in alike_of(job):
        alike.append({"images": [pair.image.pk, pair.other.pk], "detail": sentence(pair)})
    return {"items": [outcome.as_json() for outcome in item_outcomes(job)], "alike": alike}
