"""How far the work is: counts for cards and grids, in a number of queries that does not grow with the images."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Literal

from django.db.models import Count, F, Q, QuerySet, Window
from django.db.models.functions import RowNumber

from labeling.accounts.models import User
from labeling.annotations.blinding import has_open_readings
from labeling.annotations.models import Annotation, Layer
from labeling.images.models import Image
from labeling.projects.models import Membership, Project
from labeling.rounds.models import Round
from labeling.rounds.weights.promotion import current_publications
from labeling.site.requests import acts_of

STRIP = 4  # thumbnails on a project's card


@dataclass
class Counts:
    """Of one image or one project, as one person sees it.

    boxes                   live confirmed cells on the working layers the person sees, in `layers` of them
    masks                   of these, the ones with a mask
    exhaustive              regions in which every cell is annotated
    proposed                cells of the current publication of each image
    accepted, rejected, unsure   of these, decided on the layer that the person writes
    """

    boxes: int = 0
    layers: int = 0
    masks: int = 0
    exhaustive: int = 0
    proposed: int = 0
    accepted: int = 0
    rejected: int = 0
    unsure: int = 0

    @property
    def undecided(self) -> int:
        return max(0, self.proposed - self.accepted - self.rejected - self.unsure)

    @property
    def is_done(self) -> bool:
        """Whether there are proposals and every one of them has a verdict."""
        return self.proposed > 0 and self.undecided == 0


def count(*, images: QuerySet[Image], user: User, per: Literal["image", "project"]) -> dict[int, Counts]:
    """Counts of `images` by the key of the image or of the project. Three queries, whatever the number of images."""
    key = {"image": "layer__image", "project": "layer__image__project"}[per]
    counts: dict[int, Counts] = defaultdict(Counts)
    working = Annotation.objects.filter(
        layer__image__in=images, layer__kind=Layer.Kind.WORKING, layer__in=Layer.objects.visible_to(user), deleted=False
    )
    confirmed = Q(kind=Annotation.Kind.CELL, status=Annotation.Status.CONFIRMED)
    drawn = working.values(key).annotate(
        boxes=Count("pk", filter=confirmed),
        masks=Count("pk", filter=confirmed & Q(mask_bits__isnull=False)),
        exhaustive=Count("pk", filter=Q(status=Annotation.Status.EXHAUSTIVE)),
        layers=Count("layer", filter=confirmed, distinct=True),
    )
    for row in drawn.order_by():
        for name in ("boxes", "masks", "exhaustive", "layers"):
            setattr(counts[row[key]], name, row[name])

    current = current_publications(images).values("layer")
    proposals = Annotation.objects.filter(layer__in=current, kind=Annotation.Kind.CELL, deleted=False)
    for row in proposals.values(key).annotate(n=Count("pk")).order_by():
        counts[row[key]].proposed = row["n"]

    # Decided is counted from the working side: a proposal is decided when a live annotation there derives from it.
    mine = working.filter(Q(layer__annotator__isnull=True) | Q(layer__annotator=user))
    decided = mine.filter(derived_from__in=proposals.values("uid"))
    names = {"confirmed": "accepted", "rejected": "rejected", "cannot_tell": "unsure"}
    for row in decided.values(key, "status").annotate(n=Count("pk")).order_by():
        setattr(counts[row[key]], names[row["status"]], row["n"])
    return counts


@dataclass
class Card:
    """A project on the home page."""

    project: Project
    role: str
    images: int
    strip: list[Image]
    counts: Counts
    last_round: Round | None

    @property
    def may(self) -> set[str]:
        return acts_of(self.project, self.role)


def cards(user: User) -> list[Card]:
    """The projects of a person, newest first."""
    projects = list(Project.objects.visible_to(user).filter(is_sheet=False).order_by("-pk"))
    keys = [project.pk for project in projects]
    images = Image.objects.filter(project__in=keys)
    roles = dict(Membership.objects.filter(project__in=keys, user=user).values_list("project", "role"))
    totals = dict(images.order_by().values_list("project").annotate(n=Count("pk")))
    strips: dict[int, list[Image]] = defaultdict(list)
    place = Window(RowNumber(), partition_by=[F("project")], order_by="position")
    for image in images.annotate(place=place).filter(place__lte=STRIP).order_by("position"):
        strips[image.project_id].append(image)
    rounds = Round.objects.filter(project__in=keys).order_by("project_id", "-number").distinct("project_id")
    last = {round_.project_id: round_ for round_ in rounds}
    counts = count(images=images, user=user, per="project")
    return [
        Card(p, roles[p.pk], totals.get(p.pk, 0), strips[p.pk], counts.get(p.pk, Counts()), last.get(p.pk))
        for p in projects
    ]


@dataclass(frozen=True)
class Exportable:
    """What an export of a project can hold: accepted cells with a mask, without one, and anything at all."""

    masks: int
    boxes: int
    anything: bool


def exportable(project: Project) -> Exportable:
    """Counts of what people have annotated in a project (exchange/selection.py reads the rows)."""
    here = Annotation.objects.filter(layer__image__project=project, layer__image__deleted_at__isnull=True)
    rows = here.filter(layer__kind=Layer.Kind.WORKING, deleted=False)
    rows = rows.exclude(has_open_readings("layer__image"))
    accepted = Q(kind=Annotation.Kind.CELL, status=Annotation.Status.CONFIRMED)
    found = rows.aggregate(
        masks=Count("pk", filter=accepted & Q(mask_bits__isnull=False)),
        boxes=Count("pk", filter=accepted & Q(mask_bits__isnull=True)),
        anything=Count("pk"),
    )
    return Exportable(found["masks"], found["boxes"], bool(found["anything"]))
