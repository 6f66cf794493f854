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
    drawn = Annotation.objects.filter(layer__image=image, layer__kind=Layer.Kind.WORKING)
    confirmed = drawn.filter(status="confirmed")
    found = _classes(confirmed, labels)
    newest = newest_publication(image)
    if not found and newest is not None:
        proposals = newest.layer.annotations.all()
        found = _classes(proposals, labels)
    return {number: most_frequent(names) for number, names in found.items()}


def _classes(annotations: QuerySet[Annotation], labels: Labels) -> dict[int, list[str]]:
    """Number in the label map -> the classes of the annotations whose middle lies in that cell."""
    found: dict[int, list[str]] = {}
    cells = annotations.filter(kind="cell", deleted=False)
    with_class = cells.filter(label_class__isnull=False)
    for annotation in with_class.select_related("label_class"):
        number = _cell_at_middle(annotation, labels)
        if not number:
            continue
        assert annotation.label_class is not None
        name = annotation.label_class.name[:LONGEST]
        found.setdefault(number, [])
        found[number].append(name)
    return found


def _cell_at_middle(annotation: Annotation, labels: Labels) -> int:
    """The cell of the reference in which the middle of an annotation's box lies; 0 for none."""
    height, width = labels.shape
    x = int((annotation.x0 + annotation.x1) / 2)
    y = int((annotation.y0 + annotation.y1) / 2)
    is_inside = 0 <= x < width and 0 <= y < height
    if not is_inside:
        return 0
    return int(labels[y, x])


def most_frequent(names: Iterable[str]) -> str:
    """The name that comes most often, of equals the first of the alphabet; "" of none."""
    counts = Counter(names)
    if not counts:
        return ""
    most = max(counts.values())
    usual = [name for name, count in counts.items() if count == most]
    return min(usual)
