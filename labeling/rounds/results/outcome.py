"""What a round proposed, image by image, and why it proposed nothing where it did.

Causes are found when an image is published, from the snapshot and from what the stages said of it, and are kept as
codes with their numbers in the publication's facts. Sentences are made when somebody reads them, in their language.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from django.db.models import Count
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from inference.documents import snapshot as documents
from inference.documents.publication import Cause, CauseCode, PublicationFacts
from inference.documents.snapshot import SnapshotImage
from labeling.annotations.models import Annotation
from labeling.images.models import Image
from labeling.rounds.models import Publication, Round
from labeling.rounds.readiness import FEW_CELLS
from labeling.rounds.snapshots import SAME_SCALE

# Distance in mean and spread of optical densities (inference/pipeline/acquisition.py). On a round of seven images: 0.14
# to 0.57 for other H&E and Pap smears, 1.6 for fluorescence.
UNLIKE_COLOURS = 1.0
PLAIN = {  # causes without numbers
    CauseCode.SETTLED: gettext_noop("People have judged or drawn every cell here, so there was nothing to propose."),
    CauseCode.OTHER_COLOURS: gettext_noop(
        "Its colours are unlike those of the training images. Annotate a region of this kind."
    ),
    CauseCode.UNKNOWN_SCALE: gettext_noop(
        "Its scale is not stated, so its cells may have another size than those learned from."
    ),
}
MOSTLY_BOXLESS = 0.5  # share of the proposals without a box, above which the round's page says so


def causes_of_none(
    content: documents.Snapshot,
    entry: SnapshotImage,
    facts: PublicationFacts,
    *,
    threshold: float,
    stains: Mapping[int, str],
) -> list[Cause]:
    """Why an image got no proposal, the likeliest cause first.

    content, entry  the snapshot and its entry of the image
    facts           of the publication
    threshold       the round's detector threshold
    stains          image -> its stain, empty where nobody has stated it
    """
    if entry.exhaustive and all(cell.mask is not None for cell in entry.cells):
        return [Cause(code=CauseCode.SETTLED)]
    taught = [other for other in content.images if other.teaches]
    found = _unlike(entry, taught, stains)
    if (facts.signals or {}).get("colour", 0.0) > UNLIKE_COLOURS:
        found.append(Cause(code=CauseCode.OTHER_COLOURS))
    best = facts.best_score
    if not facts.detected:
        rounded = round(best, 2) if best is not None else None
        found.append(Cause(code=CauseCode.UNSURE, best=rounded, threshold=threshold))
    if facts.crumbs:
        found.append(Cause(code=CauseCode.CRUMBS, crumbs=facts.crumbs))
    if not entry.um_per_px and any(other.um_per_px for other in taught):
        found.append(Cause(code=CauseCode.UNKNOWN_SCALE))
    cells = sum(len(other.cells) for other in taught)
    if taught and cells < FEW_CELLS:
        found.append(Cause(code=CauseCode.FEW_CELLS, cells=cells))
    return found


def _unlike(entry: SnapshotImage, taught: Sequence[SnapshotImage], stains: Mapping[int, str]) -> list[Cause]:
    """In what the image differs from those that taught; unknown is not taken for alike, nor for different."""
    found: list[Cause] = []
    known = {stains.get(other.image, "").casefold() for other in taught} - {""}
    own = stains.get(entry.image, "")
    if own and known and own.casefold() not in known:
        found.append(Cause(code=CauseCode.OTHER_STAIN, stain=own))
    scales = [float(other.um_per_px) for other in taught if other.um_per_px]
    scale = entry.um_per_px
    if scale and scales and not min(scales) / SAME_SCALE <= scale <= max(scales) * SAME_SCALE:
        found.append(Cause(code=CauseCode.OTHER_SCALE, scale=scale, taught=min(scales)))
    return found


def words_of(causes: Sequence[Cause]) -> list[str]:
    """A sentence for each cause."""
    return [_words(cause) for cause in causes]


def _words(cause: Cause) -> str:
    match cause.code:
        case CauseCode.OTHER_STAIN:
            words = _("Its stain, {stain}, is that of no training image. Annotate a region of that stain.")
            return words.format(stain=cause.stain)
        case CauseCode.OTHER_SCALE:
            words = _(
                "Its scale, {scale:g} µm per pixel, is not that of the training images, {taught:g}. Add it at their "
                "scale."
            )
            return words.format(scale=cause.scale, taught=cause.taught)
        case CauseCode.SETTLED | CauseCode.OTHER_COLOURS | CauseCode.UNKNOWN_SCALE:
            return _(PLAIN[cause.code])
        case CauseCode.UNSURE:
            if cause.best is None:
                return _("The models found no cell here.")
            words = _(
                "The detector is unsure here: its best score is {best:.2f}, the threshold is {threshold:.2f}. Annotate "
                "a region of this image, or lower the threshold."
            )
            return words.format(best=cause.best, threshold=cause.threshold)
        case CauseCode.CRUMBS:
            words = ngettext(
                "{n} piece was left out as far smaller than the smallest annotated cells.",
                "{n} pieces were left out as far smaller than the smallest annotated cells.",
                cause.crumbs,
            )
            return words.format(n=cause.crumbs)
        case CauseCode.FEW_CELLS:
            words = ngettext("The round learned from {n} cell.", "The round learned from {n} cells.", cause.cells)
            return words.format(n=cause.cells)


@dataclass(frozen=True)
class OnImage:
    """What a round, or a job without one, says of one image. `why` are sentences, where it proposed nothing.

    number  of the round; 0 without one
    """

    image: Image
    number: int
    proposals: int
    crumbs: int
    boxless: int
    why: list[str]
    settled: bool

    @property
    def empty(self) -> bool:
        """Nothing was proposed although somebody could expect it."""
        return not self.proposals and not self.settled


def on_images(publications: Sequence[Publication]) -> list[OnImage]:
    """From the publications' facts, images and rounds; rounds from before the facts have their proposals counted.

    One query at most, for those.
    """
    uncounted = [publication.layer_id for publication in publications if "proposals" not in publication.facts]
    counted: dict[Any, int] = {}
    if uncounted:
        rows = Annotation.objects.filter(layer__in=uncounted).order_by().values("layer").annotate(n=Count("pk"))
        counted = {row["layer"]: row["n"] for row in rows}
    return [_on_image(publication, counted.get(publication.layer_id, 0)) for publication in publications]


def _on_image(publication: Publication, counted: int) -> OnImage:
    statements = publication.statements
    return OnImage(
        image=publication.image,
        number=publication.round_number,
        proposals=counted if statements.proposals is None else statements.proposals,
        crumbs=statements.crumbs,
        boxless=statements.boxless,
        why=words_of(statements.why),
        settled=any(cause.code == CauseCode.SETTLED for cause in statements.why),
    )


@dataclass(frozen=True)
class Outcome:
    """A finished round in numbers and sentences. `poor`: nobody should read "done" as "good"."""

    images: int
    empty: list[OnImage]
    proposals: int
    boxless: int
    crumbs: int
    reason: str

    @property
    def poor(self) -> bool:
        return bool(self.empty) or self.mostly_boxless

    @property
    def mostly_boxless(self) -> bool:
        return self.proposals > 0 and self.boxless > MOSTLY_BOXLESS * self.proposals

    @property
    def headline(self) -> str:
        """ "0 proposals on 5 of 6 images"; empty where every image has some."""
        if not self.empty:
            return ""
        words = ngettext("0 proposals on {n} of {all} image", "0 proposals on {n} of {all} images", self.images)
        return words.format(n=len(self.empty), all=self.images)

    @property
    def notes(self) -> list[str]:
        """What else is to be known of the result: pieces without a box, crumbs."""
        found = []
        if self.mostly_boxless:
            words = _(
                "{n} of {all} proposals are pieces that no box of the detector stands behind: look at them critically."
            )
            found.append(words.format(n=self.boxless, all=self.proposals))
        if self.crumbs:
            words = ngettext(
                "{n} small piece left out: far smaller than the smallest annotated cells.",
                "{n} small pieces left out: far smaller than the smallest annotated cells.",
                self.crumbs,
            )
            found.append(words.format(n=self.crumbs))
        return found


def outcome_of(round_: Round) -> Outcome | None:
    """None for a round that has published nothing. One query for rounds that keep their counts."""
    publications = list(round_.publications.select_related("image", "round").order_by("image__position"))
    if not publications:
        return None
    rows = on_images(publications)
    empty = [row for row in rows if row.empty]
    likely = Counter(row.why[0] for row in empty if row.why).most_common(1)
    return Outcome(
        images=len(rows),
        empty=empty,
        proposals=sum(row.proposals for row in rows),
        boxless=sum(row.boxless for row in rows),
        crumbs=sum(row.crumbs for row in rows),
        reason=likely[0][0] if likely else "",
    )


class EmptyImage(TypedDict):
    """An image without proposals, and why."""

    image: int
    why: list[str]


class OutcomeJson(TypedDict):
    images: int
    proposals: int
    boxless: int
    crumbs: int
    empty: list[EmptyImage]
    headline: str


def as_json(found: Outcome) -> OutcomeJson:
    """The same for programs: the images without proposals by id, with their reasons."""
    return {
        "images": found.images,
        "proposals": found.proposals,
        "boxless": found.boxless,
        "crumbs": found.crumbs,
        "empty": [{"image": row.image.pk, "why": row.why} for row in found.empty],
        "headline": found.headline,
    }
