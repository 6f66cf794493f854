"""Proposing without a round, as people ask for it and watch it (what workers do: inference/worker/proposing.py).

person ──► propose: a job with an item an image ──► worker: tile by tile ──► publish_suggestions, an image at a time
person ──► withdraw (publishing.py): what was proposed before is seen again
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.utils.translation import gettext as _

from inference.documents.base import JsonObject
from inference.documents.proposing import ProposalChoice, ProposalRequest, ProposedFacts, Region, Scale
from labeling.accounts.models import User
from labeling.errors import Invalid, WrongState
from labeling.images import planes
from labeling.images.models import Image, ImageKind, SlideFile
from labeling.jobs.models import Job, JobItem
from labeling.jobs.services import NewItem, create_job
from labeling.projects.models import Project
from labeling.rounds.configuration import DEVICES
from labeling.rounds.proposing.choices import (
    chosen_models,
    configuration_of,
    described,
    finder,
    is_too_far,
    scale_of,
)
from labeling.rounds.weights.starting import FROM_SHIPPED

MOST_IMAGES = 5000  # of one request
LEAST_SIDE = 32  # px of a region: less shows no cell


class NothingToProposeOn(WrongState):
    """The project has no image yet."""

    code = "no_images"


@dataclass(frozen=True)
class Wanted:
    """What somebody wants proposed.

    images    keys; None for all pictures of the project, or all its slides where it has no picture
    region    of the only image, pixels of level 0; None for all of it
    detector, segmenter  "shipped", or the key of a version of the project
    method    key of a version of a method that was trained as a whole, which then proposes alone; "" for none
    device    one of DEVICES
    """

    images: Sequence[int] | None = None
    region: Region | None = None
    detector: str = FROM_SHIPPED
    segmenter: str = FROM_SHIPPED
    method: str = ""
    device: str = "auto"

    @property
    def models(self) -> dict[str, str]:
        """By kind."""
        return {"detector": self.detector, "segmenter": self.segmenter, "method": self.method}


@transaction.atomic
def propose(*, project: Project, by: User, wanted: Wanted) -> Job:
    """Ask the workers to propose cells. -> the job; the one that is at work where the same was asked for already.

    Raises Archived, Invalid that names the field, MissingChannel, NothingToProposeOn, TooManyJobs.
    """
    Project.objects.for_change(project.pk)  # two clicks at once must not make two jobs
    if wanted.device not in DEVICES:
        raise Invalid(_("device must be one of {names}").format(names=", ".join(DEVICES)), field="device")
    images = images_of(project, wanted)
    versions = chosen_models(project, wanted.models)
    scale = scale_of(finder(versions))
    near = [image for image in images if not is_too_far(image.um_per_px, scale)]
    if not near:
        raise Invalid(_too_far(images, scale), field="images")
    if project.model_channels:
        for slide in SlideFile.objects.filter(image__in=near).select_related("image"):
            planes.model_display(slide, project.model_channels)  # said now, and not by a job that fails
    made = ProposalRequest(
        images=tuple(image.pk for image in near),
        region=wanted.region,
        configuration=configuration_of(project, versions, wanted.device),
        scale=scale,
        classes=tuple(project.classes.in_use().order_by("position").values_list("pk", flat=True)),
        blinded=project.layering == Project.Layering.PER_ANNOTATOR,
    )
    made = made.with_(**{kind: described(kind, version) for kind, version in versions.items()})
    if project.model_channels:
        made = made.with_(channels=tuple(project.model_channels))
    request = made.as_json()
    at_work = Job.objects.filter(project=project, kind=Job.Kind.PROPOSE, state__in=Job.ACTIVE, cancel_requested=False)
    same = at_work.filter(request=request).first()
    if same is not None:
        return same
    items = [_item(image, wanted.region) for image in near]
    queue = "gpu" if wanted.device == "gpu" else "cpu"
    return create_job(kind=Job.Kind.PROPOSE, project=project, owner=by, request=request, items=items, queue=queue)


def _item(image: Image, region: Region | None) -> NewItem:
    return NewItem(image.name, pixels_of(image, region), choice=ProposalChoice(image=image.pk).as_json())


def pixels_of(image: Image, region: Region | None) -> int:
    return region[2] * region[3] if region is not None else image.width * image.height


def images_of(project: Project, wanted: Wanted) -> list[Image]:
    """The images that are meant, in the order of the project. Raises Invalid, NothingToProposeOn."""
    everything = project.images.order_by("position")
    if wanted.images is None:
        images = list(everything.filter(kind=ImageKind.PICTURE)) or list(everything)
    else:
        images = list(everything.filter(pk__in=wanted.images))
        missing = set(wanted.images) - {image.pk for image in images}
        if missing:
            words = _("image {key} is not in this project; nothing was started")
            raise Invalid(words.format(key=min(missing)), field="images")
    if not images:
        raise NothingToProposeOn(_("There is no image to propose cells on. Add images, then propose."))
    if len(images) > MOST_IMAGES:
        words = _("{n} images are too many at once; up to {most} can be named")
        raise Invalid(words.format(n=len(images), most=MOST_IMAGES), field="images")
    if wanted.region is not None:
        _check_region(images, wanted.region)
    return images


def _check_region(images: list[Image], region: Region) -> None:
    """Raises Invalid."""
    if len(images) != 1:
        raise Invalid(_("a region belongs to one image; name that image alone"), field="region")
    x, y, width, height = region
    image = images[0]
    if x < 0 or y < 0 or x + width > image.width or y + height > image.height:
        words = _("the region leaves {name}, which is {width} x {height} pixels")
        raise Invalid(words.format(name=image.name, width=image.width, height=image.height), field="region")
    if min(width, height) < LEAST_SIDE:
        raise Invalid(_("a region has sides of at least {n} pixels").format(n=LEAST_SIDE), field="region")


def _too_far(images: list[Image], scale: Scale) -> str:
    words = _(
        "{name} has {own:g} µm per pixel, and these models expect {least:g} to {most:g}. Choose other models, or mend "
        "the scale in Settings, Images."
    )
    image = images[0]
    return words.format(name=image.name, own=image.um_per_px, least=scale.least, most=scale.most)


def job_at_work(image: Image) -> Job | None:
    """The newest job at work that proposes on an image."""
    active = Job.objects.filter(project=image.project_id, kind=Job.Kind.PROPOSE, state__in=Job.ACTIVE)
    return active.filter(items__choice__image=image.pk).order_by("-pk").first()


@dataclass(frozen=True)
class Progress:
    """How far a job is, of all its images together.

    images, all_images   that have ended
    tiles, all_tiles     of the image at work; 0 where none is
    megapixels, all_megapixels  looked at
    cells                proposed by now; left_out: not, as somebody drew there meanwhile
    """

    images: int
    all_images: int
    tiles: int
    all_tiles: int
    megapixels: float
    all_megapixels: float
    cells: int
    left_out: int
    declined: int


def progress_of(items: Sequence[JobItem]) -> Progress:
    looked_at = 0.0
    running = ProposedFacts()
    cells = left_out = 0
    for item in items:
        facts = ProposedFacts.stored(item.facts)
        if item.state == JobItem.State.DONE:
            looked_at += item.size
            cells += facts.cells
            left_out += facts.left_out
        elif item.state in JobItem.OPEN and facts.tiles:
            running = facts
            looked_at += item.size * facts.done / facts.tiles
    return Progress(
        images=sum(item.state not in JobItem.OPEN for item in items),
        all_images=len(items),
        tiles=running.done,
        all_tiles=running.tiles,
        megapixels=round(looked_at / 1e6, 2),
        all_megapixels=round(sum(item.size for item in items) / 1e6, 2),
        cells=cells,
        left_out=left_out,
        declined=sum(item.state == JobItem.State.DECLINED for item in items),
    )


def as_json(progress: Progress) -> JsonObject:
    return dict(vars(progress))
