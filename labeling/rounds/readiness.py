"""What will limit a round before it is started: said in plain words, each with what to do about it.

None of it stops a round (snapshots.py does, where figures would be wrong); it says what a person can expect.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from django.db.models import Count, F, Q
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from inference.documents.methods import BOXCELL, DEFAULT, KINDS, METHODS, Kind, Method
from inference.weights import catalogue, shipped
from labeling.annotations.blinding import has_open_readings
from labeling.annotations.models import Annotation, Layer
from labeling.images.models import Image, Split, learned_from
from labeling.images.similar import in_other_splits, likeness
from labeling.images.similar import remedy as one_split
from labeling.projects.models import Project
from labeling.rounds.configuration import OWN_PROMPTER
from labeling.rounds.methods import needs
from labeling.rounds.reference import locked_images
from labeling.rounds.snapshots import SAME_SCALE

FEW_CELLS = 100  # below it the page says what was measured with few boxes
NAMED = 3  # images or patients that a sentence names
MOST_PAIRS = 3  # of the same picture in two splits


@dataclass(frozen=True)
class Limitation:
    """One thing that limits a round. `code` is for programs, `text` says what, `remedy` what to do."""

    code: str
    text: str
    remedy: str

    def as_json(self) -> dict[str, str]:
        return {"code": self.code, "text": self.text, "remedy": self.remedy}


@dataclass(frozen=True)
class Work:
    """What a project has to learn from and to be judged by, as it is now.

    method   of the round that is meant; preset, prompter: of it; "" for a prompter that is the preset's
    kinds    image -> its cells by kind of label; regions: image -> how many
    """

    project: Project
    method: Method
    images: Sequence[Image]
    kinds: dict[int, dict[Kind, int]]
    regions: dict[int, int]
    locked: frozenset[int]
    preset: str = "quick"
    prompter: str = ""

    @property
    def teaching(self) -> list[Image]:
        """Images of the training split with a region in which every cell is annotated."""
        return [image for image in self.images if image.split == Split.TRAIN and self.regions.get(image.pk)]

    @property
    def judging(self) -> list[Image]:
        """Images outside training that are annotated, or whose reference masks are locked."""
        outside = [image for image in self.images if image.split != Split.TRAIN]
        return [image for image in outside if self.regions.get(image.pk) or image.pk in self.locked]

    @property
    def taught_by(self) -> dict[Kind, int]:
        """The cells of the teaching images, by kind."""
        found: dict[Kind, int] = dict.fromkeys(KINDS, 0)
        for image in self.teaching:
            for kind, count in self.kinds.get(image.pk, {}).items():
                found[kind] += count
        return found


def work_of(project: Project, method: Method = BOXCELL) -> Work:
    """Three queries, whatever the number of images."""
    annotated = Annotation.objects.filter(
        layer__image__project=project, layer__kind=Layer.Kind.WORKING, deleted=False
    ).exclude(has_open_readings("layer__image"))
    drawn = annotated.values("layer__image")
    cell = Q(kind=Annotation.Kind.CELL, status=Annotation.Status.CONFIRMED)
    region = Q(status=Annotation.Status.EXHAUSTIVE)
    masked = Q(mask_bits__isnull=False)
    point = Q(x0=F("x1"), y0=F("y1"))
    counted = drawn.annotate(
        points=Count("pk", filter=cell & point),
        boxes=Count("pk", filter=cell & ~point & ~masked),
        masks=Count("pk", filter=cell & masked),
        regions=Count("pk", filter=region),
    )
    rows = list(counted.order_by())
    return Work(
        project=project,
        method=method,
        images=list(learned_from(project).with_specimens().order_by("position")),
        kinds={row["layer__image"]: {kind: row[kind] for kind in KINDS} for row in rows},
        regions={row["layer__image"]: row["regions"] for row in rows},
        locked=frozenset(locked_images(project)),
    )


def limitations(
    project: Project, *, learns: bool = True, method: str = DEFAULT, preset: str = "quick", prompter: str = ""
) -> list[Limitation]:
    """What will limit a round that is started now, the weightiest first.

    learns  False: all weights are used as they are, so that nothing need be annotated
    method  of inference/documents/methods.py
    """
    work = replace(work_of(project, METHODS[method]), preset=preset, prompter=prompter)
    found: list[Limitation] = []
    for check in (*(LEARNING if learns else ()), *ALWAYS):
        found += check(work)
    return found


def nothing_to_learn(work: Work) -> list[Limitation]:
    cells = work.taught_by
    if not work.method.missing(cells):
        return []
    if any(cells.values()):
        text = _("No round can start with this method: {needs}").format(
            needs=needs(work.method, work.method.usable(cells))
        )
        return [Limitation("nothing_to_learn", text, _("Annotate more, or choose another method."))]
    text = _(
        "No round can start: no image of the training split has cells in a region that is marked as fully annotated."
    )
    remedy = _("Draw boxes around every cell of a region, then mark the region (key G) or the whole field.")
    return [Limitation("nothing_to_learn", text, remedy)]


def net_missing(work: Work) -> list[Limitation]:
    """The weights of the net that the method composes, as far as this machine knows; the worker may be another one."""
    method = work.method
    if not method.nets or OWN_PROMPTER.fullmatch(work.prompter):
        return []
    net = work.prompter if work.prompter in method.nets else method.net_of(work.preset)
    if net in catalogue.ENTRIES:
        if catalogue.place(net).exists():
            return []
        text = _("{method} composes {net}, whose checkpoint is not on this machine.")
        remedy = _("Put it on the machine of the worker: boxwise models pull {net}, or boxwise models add {net} FILE.")
    else:
        if method.own_start or shipped(net.replace("-", "_")) is not None:
            return []
        text = _("{method} composes {net}, and this copy of Boxwise has no weights of it.")
        remedy = _("Choose another net as the prompter, such as sam-vit-b, once its checkpoint is on the worker.")
    named = {"method": _(method.title), "net": net}
    return [Limitation("net_missing", text.format(**named), remedy.format(**named))]


def one_region(work: Work) -> list[Limitation]:
    if sum(work.regions.get(image.pk, 0) for image in work.teaching) != 1:
        return []
    text = _("It learns from one annotated region only, in {name}.").format(name=work.teaching[0].name)
    remedy = _("Annotate a region in two or three more images, those that look least like this one first.")
    return [Limitation("one_region", text, remedy)]


def few_cells(work: Work) -> list[Limitation]:
    cells = work.method.usable(work.taught_by)
    if not 0 < cells < FEW_CELLS:
        return []
    text = ngettext("It learns from {n} cell.", "It learns from {n} cells.", cells).format(n=cells)
    return [Limitation("few_cells", f"{text} {expectation()}", _("Box more cells, in more than one image."))]


def expectation() -> str:
    """What was measured with few boxes (docs/rounds.md, "Measured: strategies"), in one sentence."""
    return _(
        "Measured on colon, on images like the annotated one: some 40 boxes gave nearly the quality of 300 (PQ about "
        "0.3). On images unlike it expect few proposals or none."
    )


def no_validation(work: Work) -> list[Limitation]:
    if work.judging:
        return []
    text = _("No image of validation or test is annotated, so nothing measures this round.")
    remedy = _("Put an annotated image, of another patient, into validation (Settings, Images).")
    return [Limitation("no_validation", text, remedy)]


def stains(work: Work) -> list[Limitation]:
    """Stains that no training image has, and images of which nobody has stated one."""
    known = {image.stain.casefold() for image in work.teaching if image.stain}
    other = [image for image in work.images if known and image.stain and image.stain.casefold() not in known]
    unknown = [image for image in work.images if not image.stain]
    found = []
    if other:
        text = _("{n} of {all} images with a stain that no training image has: {names}.")
        remedy = _("Expect few or no proposals there. Annotate a region of that stain, or keep it in another project.")
        found.append(Limitation("other_stain", _counted(text, other, work), remedy))
    if unknown and len(work.images) > 1:
        text = _("{n} of {all} images without a stated stain: nobody can tell whether they are like the others.")
        found.append(Limitation("unknown_stain", _counted(text, unknown, work), _("State it in Settings, Images.")))
    return found


def scales(work: Work) -> list[Limitation]:
    """Scales unlike those that teach, and images without one: unknown is not the same as alike."""
    known = [float(image.um_per_px) for image in work.teaching if image.um_per_px]
    other = [image for image in work.images if image.um_per_px and known and not _fits(float(image.um_per_px), known)]
    unknown = [image for image in work.images if not image.um_per_px]
    found = []
    if other:
        text = _("{n} of {all} images with another scale than the training images: {names}.")
        remedy = _("Their cells have another size in pixels. Add them at one scale, or keep them in another project.")
        found.append(Limitation("other_scale", _counted(text, other, work), remedy))
    if unknown and len(work.images) > 1:
        text = _("{n} of {all} images without a stated scale: their cells may have another size in pixels.")
        remedy = _("State µm per pixel in Settings, Images.")
        found.append(Limitation("unknown_scale", _counted(text, unknown, work), remedy))
    return found


def _fits(scale: float, known: list[float]) -> bool:
    return max(known) <= SAME_SCALE * scale and scale <= SAME_SCALE * min(known)


def same_picture(work: Work) -> list[Limitation]:
    """An image that teaches or judges and the same or nearly the same picture in another split."""
    pairs = in_other_splits(work.project, [*work.teaching, *work.judging])
    found = [Limitation("same_picture", likeness(pair), one_split()) for pair in pairs[:MOST_PAIRS]]
    if len(pairs) > MOST_PAIRS:
        text = _("{n} more pairs of images show the same picture in two splits.").format(n=len(pairs) - MOST_PAIRS)
        found.append(Limitation("same_picture", text, one_split()))
    return found


def same_patient(work: Work) -> list[Limitation]:
    """A patient on both sides of the evaluation."""
    taught = {image.patient_label for image in work.teaching if image.patient}
    shared = sorted(taught & {image.patient_label for image in work.judging if image.patient})
    if not shared:
        return []
    text = _("Images of {names} stand in training and in validation or test: the figures will be optimistic.").format(
        names=_names(shared)
    )
    remedy = _("Give the patient one split (Settings, Images).")
    return [Limitation("same_patient", text, remedy)]


def _counted(text: str, images: Sequence[Image], work: Work) -> str:
    names = _names([image.name for image in images])
    return text.format(n=len(images), all=len(work.images), names=names)


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:NAMED])
    more = len(names) - NAMED
    return shown + (_(" and {n} more").format(n=more) if more > 0 else "")


Check = Callable[[Work], list[Limitation]]
LEARNING: tuple[Check, ...] = (nothing_to_learn, net_missing, one_region, few_cells, no_validation)
ALWAYS: tuple[Check, ...] = (same_picture, same_patient, stains, scales)


def as_json(found: Sequence[Limitation]) -> list[dict[str, str]]:
    return [one.as_json() for one in found]
