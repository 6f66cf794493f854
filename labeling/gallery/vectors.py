"""Which cells have vectors (what they look like), and the job that computes them: one file a layer and encoder."""

import hashlib
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet

from inference.encoders import DEFAULT
from labeling.accounts.models import User
from labeling.annotations.models import Annotation, Layer
from labeling.gallery.listing import proposal_layers, written_layers
from labeling.gallery.models import CellVectorFile
from labeling.images.models import Image
from labeling.jobs.models import Job, JobItem
from labeling.jobs.services import NewItem, add_items, create_job
from labeling.projects.models import Project

MODELS_QUEUE = "cpu"


@dataclass(frozen=True)
class Covered:
    """files: storage names of the vectors there are; missing: images with proposals that have none."""

    files: list[str]
    missing: list[int]


def covered(project: Project, user: User) -> Covered:
    """Of what the person sees in the gallery, and of what they have drawn or decided themselves."""
    proposals = proposal_layers(project, user)
    written = written_layers(project, user)
    files = _files([*_keys(proposals), *_keys(written)])
    missing = proposals.exclude(pk__in=list(files))
    images = set(missing.values_list("image", flat=True))
    return Covered(sorted(files.values()), sorted(images))


def vectors_job(project: Project) -> Job | None:
    """The job that computes vectors in this project now, or the last one."""
    return Job.objects.filter(project=project, kind=Job.Kind.VECTORS).order_by("-pk").first()


def ask_vectors(*, project: Project, by: User) -> Job:
    """Compute what is missing. While a job is at work in the project it is that one, with what it lacks.

    Raises TooManyJobs, Archived.
    """
    with transaction.atomic():
        project = Project.objects.for_change(project.pk)
        last = vectors_job(project)
        items = _wanted_items(project, by)
        if last is not None and last.is_active:
            _add_items(last.pk, items)
            return last
        request = {"encoder": DEFAULT.name}
        return create_job(
            kind=Job.Kind.VECTORS, project=project, owner=by, request=request, items=items, queue=MODELS_QUEUE
        )


def vectors_for_new_proposals(*, project: Project, by: User) -> Job | None:
    """Compute the vectors of proposals that have just been made. None where all are there.

    Raises TooManyJobs, Archived.
    """
    return ask_vectors(project=project, by=by) if covered(project, by).missing else None


def _wanted_items(project: Project, by: User) -> list[NewItem]:
    wanted = set(covered(project, by).missing)
    wanted.update(outdated(written_layers(project, by)))
    images = Image.objects.filter(project=project, pk__in=wanted)
    return [NewItem(name=image.name, size=0, choice={"image": image.pk}) for image in images]


def _add_items(job: int, items: Sequence[NewItem]) -> None:
    """Give a job at work the images that it does not know of yet. Its worker comes to them."""
    locked = Job.objects.select_for_update().get(pk=job)
    if not locked.is_active or locked.cancel_requested:
        return
    waiting = locked.items.filter(state=JobItem.State.WAITING).values_list("choice__image", flat=True)
    known = set(waiting)
    add_items(locked, [item for item in items if item.choice["image"] not in known])


def outdated(layers: QuerySet[Layer]) -> list[int]:
    """The images on which somebody has drawn cells since vectors were computed for them, or before any were."""
    found = []
    files = CellVectorFile.objects.filter(layer__in=layers, encoder=DEFAULT.weights)
    states = dict(files.values_list("layer", "state"))
    cells: dict[uuid.UUID, list[Annotation]] = {}
    images: dict[uuid.UUID, int] = {}
    rows = drawn_cells(layers).select_related("layer").only("uid", "last_op", "layer__image_id")  # no mask is read
    for row in rows.iterator(chunk_size=20_000):
        cells.setdefault(row.layer_id, []).append(row)
        images[row.layer_id] = row.layer.image_id
    for layer, members in cells.items():
        if states.get(layer) != state_of_cells(members):
            found.append(images[layer])
    return sorted(found)


def drawn_cells(layers: QuerySet[Layer]) -> QuerySet[Annotation]:
    """The cells that people drew themselves: what they decided of a proposal has the vector of the proposal."""
    rows = Annotation.objects.filter(layer__in=layers, kind=Annotation.Kind.CELL, deleted=False)
    return rows.filter(derived_from__isnull=True, status=Annotation.Status.CONFIRMED)


def state_of_cells(cells: Iterable[Annotation]) -> str:
    """A hash of cells and of the last operation on each; equal while nobody has changed one."""
    names = sorted(f"{cell.uid} {cell.last_op}" for cell in cells)
    text = "\n".join(names)
    return hashlib.sha256(text.encode()).hexdigest()


def _keys(layers: QuerySet[Layer]) -> list[uuid.UUID]:
    return list(layers.values_list("pk", flat=True))


def _files(layers: Sequence[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Layer -> the storage name of its vectors."""
    rows = CellVectorFile.objects.filter(layer__in=layers, encoder=DEFAULT.weights)
    return dict(rows.values_list("layer", "file"))
