"""A copy of one image in a project of its own, so that one person reaches that image and nothing else."""

import io
from dataclasses import dataclass

import PIL.Image

from labeling.images.models import Image
from labeling.images.services import add_image
from labeling.images.slides import decline_slide
from labeling.images.turning import UPRIGHT, Turn
from labeling.projects.models import LabelClass, Project


@dataclass(frozen=True)
class PrivateCopy:
    """classes: key of a class of the source's project -> of the same class on the sheet."""

    sheet: Project
    image: Image
    classes: dict[int, int]


def copy_privately(
    source: Image,
    *,
    title: str,
    name: str,
    records_activity: bool = False,
    turn: Turn = UPRIGHT,
    part: tuple[int, int, int, int] | None = None,
) -> PrivateCopy:
    """The image with the current classes of its project, and nothing that anybody has drawn on it. A class that is
    retired there is not offered on the sheet either.

    title     of the sheet; name: of the image there. They tell nothing of the source
    turn      how the copy stands: the field is as hard, and looks new
    part      x0, y0, x1, y1 of what is copied, px, half-open; None: all of it
    """
    sheet = Project.objects.create(
        name=title,
        layering=Project.Layering.PER_ANNOTATOR,
        records_activity=records_activity,
        is_sheet=True,
        sheet_of=source.project,
    )
    classes = {}
    for one in source.project.classes.current():
        copied = LabelClass.objects.create(
            project=sheet,
            name=one.name,
            color=one.color,
            position=one.position,
            retired_at=one.retired_at,
            copied_from=one,
        )
        classes[one.pk] = copied.pk
    decline_slide(source)
    with source.pixels.open("rb") as file:
        pixels = PIL.Image.open(file).convert("RGB")
    if part is not None:
        pixels = pixels.crop(part)
    content = io.BytesIO()
    turn.of_picture(pixels).save(content, "PNG")
    image = add_image(
        project=sheet,
        name=name,
        content=content.getvalue(),
        um_per_px=source.um_per_px,
        scale_source=source.scale_source,
        is_original=False,
    )
    return PrivateCopy(sheet, image, classes)
