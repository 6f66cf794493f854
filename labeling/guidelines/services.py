"""Writing guidelines, adding pictures, reading and acknowledging. One function a write."""

import re

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.accounts.models import User
from labeling.errors import Invalid, WrongState
from labeling.guidelines.models import Guideline, GuidelinePicture, GuidelineReader
from labeling.projects.models import Project

MOST_CHARACTERS = 50_000
MOST_PICTURES = 100  # of a project
MOST_BYTES = 2 * 2**20  # of a picture
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
# How a file begins -> what it is. Only what every browser shows, and nothing that can hold a script.
KINDS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)


class NotAcknowledged(WrongState):
    """The project wants its guidelines acknowledged before somebody gets work."""

    code = "guideline_not_acknowledged"


def current_guideline(project: Project) -> Guideline | None:
    """The version that holds; None where nobody has written any."""
    return Guideline.objects.filter(project=project).order_by("-version").first()


@transaction.atomic
def write_guideline(*, project: Project, by: User, text: str, note: str = "", must_acknowledge: bool) -> Guideline:
    """A new version. The same text with the same setting makes none.

    Raises Invalid with the field, Archived.
    """
    locked = Project.objects.for_change(project.pk)
    text = text.replace("\r\n", "\n").strip()
    if not text or len(text) > MOST_CHARACTERS or "\x00" in text:
        raise Invalid(_("guidelines have 1 to {n} characters").format(n=MOST_CHARACTERS), field="text")
    note = " ".join(note.split())
    if len(note) > 200 or "\x00" in note:
        raise Invalid(_("what is new has at most 200 characters"), field="note")
    now = current_guideline(locked)
    if now is not None and (now.text, now.must_acknowledge) == (text, must_acknowledge):
        return now
    return Guideline.objects.create(
        project=locked,
        version=now.version + 1 if now else 1,
        text=text,
        note=note,
        must_acknowledge=must_acknowledge,
        written_by=by,
    )


@transaction.atomic
def add_picture(*, project: Project, by: User, name: str, content: bytes) -> GuidelinePicture:
    """A picture that the text can name. Raises Invalid with the field, Archived."""
    locked = Project.objects.for_change(project.pk)
    name = name.strip().replace(" ", "-")
    if not NAME.fullmatch(name):
        raise Invalid(
            _("the name of a picture has up to 80 letters, digits, dots, dashes and underscores"), field="name"
        )
    if len(content) > MOST_BYTES:
        raise Invalid(_("a picture has at most {n} MiB").format(n=MOST_BYTES // 2**20), field="file")
    kind = next((kind for start, kind in KINDS if content.startswith(start)), None)
    if kind is None:
        raise Invalid(_("a picture of the guidelines is a PNG, JPEG or GIF file"), field="file")
    pictures = GuidelinePicture.objects.filter(project=locked)
    if pictures.filter(name=name).exists():
        raise Invalid(
            _("there is a picture {name} already, and older versions show it; choose another name").format(name=name),
            field="name",
        )
    if pictures.count() >= MOST_PICTURES:
        raise Invalid(_("a project has at most {n} pictures in its guidelines").format(n=MOST_PICTURES), field="file")
    return GuidelinePicture.objects.create(project=locked, name=name, content_type=kind, content=content, added_by=by)


@transaction.atomic
def read_guideline(*, guideline: Guideline, person: User, acknowledges: bool) -> GuidelineReader:
    """`person` was shown this version; with `acknowledges` they confirm that they have read it. Twice is once.

    Raises WrongState for a version that holds no more, Archived.
    """
    guideline.project.decline_if_archived()
    now = current_guideline(guideline.project)
    if now is None or now.pk != guideline.pk:
        raise WrongState(_("these guidelines have a newer version; read that one"))
    reader, _made = GuidelineReader.objects.get_or_create(guideline=guideline, person=person)
    if acknowledges and reader.acknowledged_at is None:
        reader.acknowledged_at = timezone.now()
        reader.save(update_fields=["acknowledged_at"])
    return reader


def reader_of(guideline: Guideline, person: User) -> GuidelineReader | None:
    return guideline.readers.filter(person=person).first()


def is_acknowledged(guideline: Guideline, person: User) -> bool:
    """Whoever wrote a version knows it."""
    if guideline.written_by_id == person.pk:
        return True
    return guideline.readers.filter(person=person, acknowledged_at__isnull=False).exists()


def decline_unless_acknowledged(project: Project, person: User) -> None:
    """Raises NotAcknowledged where the version that holds is to be acknowledged and `person` has not done so."""
    now = current_guideline(project)
    if now is None or not now.must_acknowledge or is_acknowledged(now, person):
        return
    raise NotAcknowledged(
        _("read version {n} of the project’s guidelines and acknowledge it first").format(n=now.version)
    )
