"""The images of a project with what the pages say of each: counts, what its round found, its place among the next."""

from dataclasses import dataclass
from typing import cast

from labeling.accounts.models import User
from labeling.annotations.models import Annotation, Layer
from labeling.images.models import Image, Split
from labeling.projects.models import Project
from labeling.rounds.results.outcome import OnImage, on_images
from labeling.rounds.weights.promotion import current_publications
from labeling.site.overview import Counts, count
from labeling.site.suggestions import Waiting, next_images


@dataclass(frozen=True)
class ImageRow:
    """outcome: what the current round found on it; waiting: its place among the images to annotate next."""

    image: Image
    counts: Counts
    outcome: OnImage | None
    waiting: Waiting | None

    def says(self, text: str) -> bool:
        """Whether the name, a tag or what was said of the tissue holds a text, in any case."""
        image = self.image
        texts = (image.name, image.patient_label, image.block, image.slide, image.scanner, image.stain, *image.tags)
        return any(text.casefold() in value.casefold() for value in texts)

    @property
    def is_finished(self) -> bool:
        """Every proposal has a verdict, or a region is annotated fully and nothing is proposed."""
        return self.counts.is_done or bool(self.counts.exhaustive and not self.counts.proposed)

    @property
    def is_to_box(self) -> bool:
        """Nobody has annotated a region of it fully, and no round has proposed anything."""
        return not self.counts.exhaustive and not self.counts.proposed

    @property
    def can_be_learned_from(self) -> bool:
        has_boxes = bool(self.counts.exhaustive and self.counts.boxes)
        return has_boxes and self.image.split == Split.TRAIN


def image_rows(project: Project, user: User, strategy: str = "mix") -> list[ImageRow]:
    """Every image in the order of adding, in a number of queries that does not grow with the images."""
    images = list(project.images.with_specimens())
    counts = count(images=project.images.order_by(), user=user, per="image")
    waiting = next_images(project, counts, strategy)
    publications = list(current_publications(project.images.all()).select_related("image", "round", "job"))
    outcomes = {outcome.image.pk: outcome for outcome in on_images(publications)}
    return [
        ImageRow(image, counts.get(image.pk, Counts()), outcomes.get(image.pk), waiting.get(image.pk))
        for image in images
    ]


def annotated_by(project: Project, person: int, viewer: User) -> set[int]:
    """Keys of the images on which `person` has annotated something that `viewer` may see."""
    layers = Layer.objects.visible_to(viewer).filter(image__project=project, kind=Layer.Kind.WORKING)
    theirs = Annotation.objects.filter(layer__in=layers, author=person, deleted=False)
    return cast(set[int], set(theirs.order_by().values_list("layer__image", flat=True).distinct()))
