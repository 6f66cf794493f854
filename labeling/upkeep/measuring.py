"""Sizes of the files of images that earlier versions stored without writing them down."""

from labeling.images.models import Image
from labeling.images.quota import slide_bytes
from labeling.projects.models import Project

MEASURED_AT_ONCE = 500


def measure(project: Project) -> int:
    """Measure images of earlier versions, which did not write down what they take. -> how many are left."""
    unknown = Image.everything.filter(project=project, pixel_bytes__isnull=True, purged_at__isnull=True)
    for image in unknown.order_by("pk")[:MEASURED_AT_ONCE]:
        pictures = sum(size_of(getattr(image, name)) for name in ("pixels", "thumbnail", "reference"))
        slide = slide_bytes(image.slide_file) if image.is_slide else 0
        Image.everything.filter(pk=image.pk).update(
            pixel_bytes=pictures, original_bytes=size_of(image.original), slide_bytes=slide
        )
    return unknown.count()


def size_of(file: object) -> int:
    """Bytes of a stored file; 0 for none."""
    try:
        return int(file.size) if file else 0  # type: ignore[attr-defined]
    except FileNotFoundError:
        return 0
