"""What a round learns from, frozen: one canonical JSON document (inference/documents/snapshot.py) and its hash.

The same annotations give the same bytes, so two rounds on unchanged work share every stage.
"""

import hashlib
from collections.abc import Sequence
from itertools import chain

from django.core.files.base import ContentFile
from django.utils.translation import gettext as _

from inference.documents import snapshot as documents
from inference.documents.methods import DEFAULT, METHODS
from inference.documents.snapshot import VERSION, Box, SnapshotImage, SnapshotSummary
from inference.types import is_point
from labeling.annotations.blinding import has_open_readings
from labeling.annotations.models import Annotation, Layer
from labeling.annotations.state import AnnotationState, state_of
from labeling.errors import LabelingError
from labeling.images import model_views
from labeling.images.models import Image, learned_from
from labeling.images.planes import view_digest, view_of
from labeling.projects.models import Project
from labeling.rounds import reference
from labeling.rounds.methods import counts_of, needs
from labeling.rounds.models import Snapshot

SAME_SCALE = 1.1  # µm/px of images that differ by less than this factor count as one working scale


class NothingToLearn(LabelingError):
    """A round needs boxes inside a region that is declared fully annotated."""

    code = "nothing_to_learn"


class Leaks(LabelingError):
    """Images of one patient would stand on both sides of the evaluation."""

    code = "leaks"


class MixedScales(LabelingError):
    """A round works at one µm/px; what it learns from has several."""

    code = "mixed_scales"


def freeze(project: Project, *, same_patient: bool = False, learns: bool = True, method: str = DEFAULT) -> Snapshot:
    """The snapshot of the project as it is now; an equal one is used again.

    same_patient  somebody has said that training and evaluation may share patients; figures are marked optimistic
    learns      False: all weights are used as they are, so that nothing need be annotated yet
    method      of inference/documents/methods.py: it must have the labels that it needs
    Raises NothingToLearn, Leaks, MixedScales, ReferenceChanged.

    The caller holds the project's row, so that no round is made beside this one; annotators may go on: each image is
    read at one moment, named by its layer's seq.
    """
    locked = reference.locked_images(project)
    learning_images = learned_from(project).with_specimens().order_by("pk")
    learning_images = learning_images.select_related("slide_field__slide__slide_file")
    channels = project.model_channels
    images = [image_now(image, locked.get(image.pk), channels) for image in learning_images]
    judges = reference.current(project)
    described = reference.described(judges) if judges else None
    learning = [i for i in images if i.teaches]
    chosen = METHODS[method]
    cells = counts_of(learning)
    if learns and chosen.missing(cells) and cells:
        raise NothingToLearn(
            _("{needs} Annotate more, or choose another method.").format(needs=needs(chosen, chosen.usable(cells))),
            field="method",
        )
    if learns and not cells:
        raise NothingToLearn(
            _(
                "A round learns from boxes inside regions that are marked as fully annotated, and there is none "
                "yet in an image of the training split. Draw boxes around every cell of a region, then mark the region "
                "(key G) or the whole field."
            )
        )
    if not images:
        raise NothingToLearn(_("This project has no image yet. Add images, then start a round."))
    decline_leaks(images, same_patient=same_patient)
    decline_mixed_scales(images)
    data = documents.Snapshot(
        version=VERSION,
        reference_set=described.name if described else None,
        blinded=project.layering == Project.Layering.PER_ANNOTATOR,
        classes=_classes(project, images),
        images=tuple(images),
    ).written()
    sha256 = hashlib.sha256(data).hexdigest()
    snapshot = Snapshot.objects.filter(project=project, sha256=sha256).first()
    if snapshot is None:
        summary = summarise(images).with_(reference_set=described)
        snapshot = Snapshot(project=project, sha256=sha256, summary=summary.as_json())
        snapshot.content.save(f"{sha256}.json", ContentFile(data), save=False)
        snapshot.save()
    return snapshot


def _classes(project: Project, images: Sequence[SnapshotImage]) -> tuple[documents.SnapshotClass, ...]:
    """The classes that people choose from, and retired ones that a cell here still has: nothing learns an empty one."""
    had = set()
    for image in images:
        had |= {cell.label_class for cell in image.cells}
    kept = [one for one in project.classes.current() if one.retired_at is None or one.pk in had]
    return tuple(documents.SnapshotClass(id=one.pk, name=one.name) for one in kept)


def sides_of_patients(images: Sequence[SnapshotImage]) -> dict[str, set[str]]:
    """Patient -> the splits in which their images teach or judge. Images that do neither do not count, nor do those
    whose patient nobody has named: each of them is taken to be of a patient of its own."""
    sides: dict[str, set[str]] = {}
    for i in images:
        judges = i.split != "train" and (i.exhaustive or i.reference)
        if i.patient and (i.teaches or judges):
            sides.setdefault(i.patient, set()).add(i.split)
    return sides


def decline_leaks(images: Sequence[SnapshotImage], *, same_patient: bool) -> None:
    """The rule: a patient stands in one split only. It is waived for a project of one single patient, which has nothing
    to split by, and where somebody says so; the figures are then marked optimistic. Raises Leaks."""
    sides = sides_of_patients(images)
    shared = sorted(patient for patient, splits in sides.items() if len(splits) > 1)
    if shared and len(sides) > 1 and not same_patient:
        named = ", ".join(shared[:5]) + (_(" and {n} more").format(n=len(shared) - 5) if len(shared) > 5 else "")
        raise Leaks(
            _(
                "Images of {named} stand in more than one of training, validation and test. Tissue of one patient is "
                "alike, so the figures would flatter the models. Give the patient one split, or start the round with "
                "“same patient” allowed: its figures are then marked optimistic."
            ).format(named=named),
            field="same_patient",
        )


def decline_mixed_scales(images: Sequence[SnapshotImage]) -> None:
    """Images that teach or judge have one µm/px; those without one are taken to have it. Raises MixedScales."""
    used = [i for i in images if i.exhaustive or i.reference]
    scales = sorted({float(i.um_per_px) for i in used if i.um_per_px})
    if scales and scales[-1] > SAME_SCALE * scales[0]:
        raise MixedScales(
            _(
                "The annotated images have different scales, from {low:g} to {high:g} µm per pixel. A cell would be "
                "learned at several sizes at once. Add the images again at one scale, or keep each scale in a project "
                "of its own."
            ).format(low=scales[0], high=scales[-1])
        )


def summarise(images: Sequence[SnapshotImage]) -> SnapshotSummary:
    """Counts for people, per split, and whether images of one patient stand on both sides of the evaluation."""
    splits = {}
    for split in documents.SPLITS:
        part = [i for i in images if i.split == split]
        cells = list(chain.from_iterable(image.cells for image in part))
        splits[split] = documents.SplitCount(
            images=len(part),
            annotated=sum(bool(i.exhaustive) for i in part),
            cells=len(cells),
            verified_masks=sum(cell.mask is not None for cell in cells),
        )
    shared = sorted(patient for patient, sides in sides_of_patients(images).items() if len(sides) > 1)
    scales = sorted({float(i.um_per_px) for i in images if i.um_per_px})
    return SnapshotSummary(
        splits=splits,
        same_patient_in_training_and_evaluation=tuple(shared),
        um_per_px=scales[0] if scales else None,
        images_without_scale=sum(not i.um_per_px for i in images),
        images_without_patient=sum(not i.patient for i in images),
    )


def unclear(rejections: Sequence[tuple[str, Box]], drawn: Sequence[Box]) -> list[Box]:
    """Where proposals were rejected and nobody shall learn from the place, as if it were marked cannot-tell.

    Only "not a cell" says that nothing is there, and teaches so. Every other reason says that something is wrong with
    the proposal, not that there is no cell: its place is unclear where no person's cell stands in it. A point in it is
    such a cell.

    rejections  (reason, box) of each
    drawn       the boxes of people's cells
    """
    doubtful = [box for reason, box in rejections if reason != "not_a_cell"]
    return [box for box in doubtful if not any(covers(b, box) for b in drawn)]


def covers(a: Box, b: Box) -> bool:
    """Whether box a covers at least half of box b; a point, whether it lies in box b."""
    if is_point(a):
        return b[0] <= a[0] < b[2] and b[1] <= a[1] < b[3]
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return min(width, height) > 0 and width * height >= 0.5 * (b[2] - b[0]) * (b[3] - b[1])


def image_now(image: Image, locked: str | None = None, channels: Sequence[str] = ()) -> SnapshotImage:
    """One image as it is now.

    locked    the hash of its masks in the reference set; None for an image outside it, whose masks judge nothing
    channels  names of those that models see of slides with several

    Raises MissingChannel.
    """
    # A model that has learned from a blinded reading would show it to the other readers as its proposals.
    layers = Layer.objects.filter(image=image, kind=Layer.Kind.WORKING).exclude(has_open_readings("image"))
    layer = layers.select_related("head").order_by("-head__seq").first()
    settled = Layer.objects.filter(image=image, kind=Layer.Kind.CONSENSUS, consensus__isnull=False)
    settled = settled.exclude(consensus__disagreements__decision="").exclude(has_open_readings("image"))
    layer = settled.select_related("head").first() or layer  # what several readings come to stands for all of them
    seq = 0
    cells: list[documents.SnapshotCell] = []
    rejections: list[tuple[str, Box]] = []
    others: dict[str, list[Box]] = {"cannot_tell": [], "exhaustive": [], "ignore": []}
    if layer is not None:
        rows = list(Annotation.objects.filter(layer=layer, deleted=False).select_related("layer__head").order_by("uid"))
        seq = rows[0].layer.head.seq if rows else layer.head.seq
        for row in rows:
            state = state_of(row)
            assert state is not None
            if state.status == "confirmed":
                cells.append(_cell(str(row.uid), state))
            elif state.status == "rejected":
                rejections.append((state.reason, state.box))
            else:
                others[state.status].append(state.box)
    others["cannot_tell"] += unclear(rejections, [cell.box for cell in cells])
    field = getattr(image, "slide_field", None)
    view = view_of(field, channels)
    sha256, pixels = image.sha256, str(image.pixels.name)
    if view is not None:
        assert field is not None
        sha256 = view_digest(field, channels)
        pixels = model_views.name_of(image.pk, sha256)
    made = {"view": view} if view is not None else {}  # what is not given is not written: old snapshots stay the same
    return SnapshotImage(
        **made,
        image=image.pk,
        sha256=sha256,
        pixels=pixels,
        reference=reference.checked(image, locked) if locked else None,
        width=image.width,
        height=image.height,
        um_per_px=image.um_per_px,
        patient=image.patient_label,
        split=documents.SPLITS[documents.SPLITS.index(image.split)],
        layer=str(layer.pk) if layer else None,
        seq=seq,
        cells=tuple(cells),
        rejected=tuple(box for _, box in rejections),
        cannot_tell=tuple(others["cannot_tell"]),
        exhaustive=tuple(others["exhaustive"]),
        ignore=tuple(others["ignore"]),
    )


def _cell(uid: str, state: AnnotationState) -> documents.SnapshotCell:
    mask = documents.PackedMask(**state.mask.as_json()) if state.mask else None
    return documents.SnapshotCell(uid=uid, box=state.box, label_class=state.label_class, mask=mask)
