"""Which class each cell of a reference has: a label map has none, so people’s cells say it, or the newest proposals."""

from collections import Counter
from collections.abc import Iterable

from django.db.models import QuerySet

from labeling.annotations.models import Annotation, Layer
from labeling.images.models import Image
from labeling.rounds.weights.promotion import newest_publication
from labeling.studies.references import Labels

LONGEST = 40  # characters that StudyField.stratum holds


def classes_of_cells(image: Image, labels: Labels) -> dict[int, str]:
    """Number in the label map -> name of the class that most cells whose middle lies in it have.

    labels  (H, W) int, the reference of the image

    Cells that people confirmed count; where nobody gave a class, those of the newest proposals do. A cell of which
    nobody says a class is not there.
    """
    confirmed = Annotation.objects.filter(layer__image=image, layer__kind=Layer.Kind.WORKING, status="confirmed")
    found = _classes(confirmed, labels)
    newest = newest_publication(image)
    if not found and newest is not None:
        found = _classes(newest.layer.annotations.all(), labels)
    return {number: most_frequent(names) for number, names in found.items()}


def _classes(annotations: QuerySet[Annotation], labels: Labels) -> dict[int, list[str]]:
    height, width = labels.shape
    found: dict[int, list[str]] = {}
    rows = annotations.filter(kind="cell", deleted=False, label_class__isnull=False)
    for x0, y0, x1, y1, name in rows.values_list("x0", "y0", "x1", "y1", "label_class__name"):
        x, y = int((x0 + x1) / 2), int((y0 + y1) / 2)
        number = int(labels[y, x]) if 0 <= x < width and 0 <= y < height else 0
        if number:
            found.setdefault(number, []).append(name[:LONGEST])
    return found


def most_frequent(names: Iterable[str]) -> str:
    """The name that comes most often, of equals the first of the alphabet; "" of none."""
    counts = Counter(names)
    return min(counts, key=lambda name: (-counts[name], name), default="")
