"""The locked reference set: the images whose reference masks judge a project's rounds, and where those masks are from.

Masks are judged by it alone. Accepted proposals are no reference: they flatter whoever proposed them. A set is never
changed; what comes later counts only when somebody locks the next one. Its images stand outside every queue of what
to annotate next, and outside training, the patient included (snapshots.decline_leaks).
"""

import hashlib

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from inference.documents.snapshot import ReferenceSummary
from labeling.accounts.models import User
from labeling.errors import Invalid, LabelingError
from labeling.images.models import Image, ImageQuerySet, Split, learned_from
from labeling.projects.models import Project
from labeling.rounds.models import ReferenceSet


class NothingToLock(LabelingError):
    """No image outside training has reference masks."""

    code = "nothing_to_lock"


class ReferenceChanged(LabelingError):
    """The masks of a locked image are not those that were locked."""

    code = "reference_changed"


def current(project: Project) -> ReferenceSet | None:
    """The set that was locked last."""
    return ReferenceSet.objects.filter(project=project).order_by("-number").first()


def candidates(project: Project) -> ImageQuerySet:
    """Images that a set locked now would hold: those with reference masks outside training."""
    return learned_from(project).exclude(reference="").exclude(split=Split.TRAIN).order_by("pk")


@transaction.atomic
def lock(
    *, project: Project, by: User | None, origin: str = ReferenceSet.Origin.SCRATCH, readers: int = 1, note: str = ""
) -> ReferenceSet:
    """Lock the reference masks that are there now. Locking the same ones with the same words again makes no new set.

    origin   where the masks are from (ReferenceSet.Origin): what somebody states here stands beside every figure
    readers  how many people read each image independently

    Raises NothingToLock, Invalid.
    """
    if origin not in ReferenceSet.Origin.values:
        raise Invalid(f"origin must be one of {', '.join(ReferenceSet.Origin.values)}", field="origin")
    if not 1 <= readers <= 100:
        raise Invalid(_("readers must be a whole number from 1 to 100"), field="readers")
    Project.objects.for_change(project.pk)
    judging = candidates(project).with_specimens()
    images = [{"image": i.pk, "patient": i.patient_label, "sha256": sha256_of(i)} for i in judging]
    if not images:
        raise NothingToLock(
            _(
                "No image for validation or test has reference masks. Load masks that people drew from scratch, "
                "without proposals, as label maps beside such images; then lock them."
            )
        )
    facts = {"images": images, "origin": origin, "readers": readers, "note": note[:200]}
    last = current(project)
    if last is not None and {name: getattr(last, name) for name in facts} == facts:
        return last
    number = (project.reference_sets.aggregate(last=Max("number"))["last"] or 0) + 1
    return ReferenceSet.objects.create(project=project, number=number, locked_by=by, **facts)


def locked_images(project: Project) -> dict[int, str]:
    """Image -> sha256 of its locked masks; empty while nothing is locked."""
    found = current(project)
    return {entry["image"]: entry["sha256"] for entry in found.images} if found else {}


def checked(image: Image, sha256: str) -> str:
    """The stored name of a locked image's masks. Raises ReferenceChanged."""
    if not image.reference or sha256_of(image) != sha256:
        raise ReferenceChanged(
            _(
                "The reference masks of {name} are not those that were locked. Put them back, or lock the reference "
                "set anew: its figures are then another set’s."
            ).format(name=image.name)
        )
    return str(image.reference.name)


def sha256_of(image: Image) -> str:
    with image.reference.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def described(found: ReferenceSet) -> ReferenceSummary:
    """What stands beside figures: numbers and statements."""
    return ReferenceSummary(
        number=found.number,
        images=len(found.images),
        patients=len({entry["patient"] or entry["image"] for entry in found.images}),
        origin=found.origin,
        readers=found.readers,
        note=found.note,
        locked_at=found.locked_at.isoformat(),
        locked_by=found.locked_by.display_name if found.locked_by else None,
    )
