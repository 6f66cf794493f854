"""Slides with several channels, slices or times: what can be chosen to be looked at, and what models see.

People choose channels, colours, ranges and planes in the workspace, which changes nothing that is stored. What models
see is the plane that stands for the slide, with the channels of `Project.model_channels`: one alone is grey, several
are laid over each other in their colours, with the ranges of the day when the slide came in.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.utils.translation import gettext as _

from inference.documents.reading import PlaneFacts
from inference.documents.snapshot import FieldView, digest
from inference.reading.channels import MOST_CHANNELS, WHITE, ChannelView
from inference.reading.slide_entry import views_of
from labeling.errors import Invalid
from labeling.images.models import Image, SlideField, SlideFile

NUMBER = r"-?[0-9]{1,12}(?:\.[0-9]{1,6})?"
WRITTEN = re.compile(rf"([0-9]{{1,4}}):([0-9a-f]{{6}}):({NUMBER}):({NUMBER})")


@dataclass(frozen=True)
class Display:
    """What of a slide is shown.

    page   the plane, from 1
    views  its channels; () for colours as they are stored, or for the one channel that was chosen at the upload
    icc    whether the slide's colour profile is applied; for people alone
    """

    page: int
    views: tuple[ChannelView, ...] = ()
    icc: bool = False


class MissingChannel(Invalid):
    """A slide has none of the channels that models are to see."""

    code = "missing_channel"


@dataclass(frozen=True)
class Source:
    """The slide that an image's pixels come from: of a slide itself, of a field its slide, with the field's corner.

    x, y  pixels of the slide's level 0
    """

    file: SlideFile
    x: int = 0
    y: int = 0

    @property
    def planes(self) -> PlaneFacts | None:
        return planes_of(self.file)

    @property
    def has_profile(self) -> bool:
        return bool(self.file.info.get("icc_usable"))


def source_of(image: Image) -> Source | None:
    """None for a picture that is no field of a slide."""
    if image.is_slide:
        return Source(image.slide_file)
    field = SlideField.objects.filter(image=image).select_related("slide__slide_file").first()
    return source_of_field(field) if field is not None else None


def source_of_field(field: SlideField) -> Source:
    return Source(field.slide.slide_file, field.x, field.y)


def planes_of(slide: SlideFile) -> PlaneFacts | None:
    """What there is to choose from; None for a slide of one plane."""
    kept = slide.info.get("planes")
    return PlaneFacts.stored(kept) if kept else None


def first_display(slide: SlideFile) -> Display:
    """As the slide is shown before anybody chooses, and as models see it without a choice of channels."""
    planes = planes_of(slide)
    if planes is None:
        return Display(page=slide.page)
    return Display(page=planes.page, views=views_of(planes))


def model_display(slide: SlideFile, channels: Sequence[str]) -> Display:
    """What models see of a slide.

    channels  by name; none for all that are shown at first

    Raises MissingChannel where the slide has none of them.
    """
    display = first_display(slide)
    planes = planes_of(slide)
    if not channels or planes is None or not planes.channels:
        return display
    wanted = {name.casefold() for name in channels}
    every = tuple(one.model_copy(update={"shown": True}) for one in planes.channels)
    all_views = views_of(planes.with_(channels=every))
    named = zip(planes.channels, all_views, strict=True)
    views = [view for one, view in named if one.name.casefold() in wanted]
    if not views:
        words = _("{name} has no channel {wanted}; it has: {there}. Change “Channels that models see” in Settings.")
        there = ", ".join(one.name for one in planes.channels)
        asked = ", ".join(channels)
        raise MissingChannel(words.format(name=slide.image.name, wanted=asked, there=there), field="model_channels")
    if len(views) == 1:
        views = [replace(views[0], colour=WHITE)]
    return replace(display, views=tuple(views))


def requested_display(source: Source, *, page: int | None, channels: str, icc: bool) -> Display:
    """What somebody chose in the workspace.

    channels  "1:4060ff:100:4000,3:ff4030:0:900": number, colour, the samples that are black and of full colour; "" for
              the channels that are shown at first

    Raises Invalid for a plane or channel that is not there, and for what cannot be read.
    """
    planes = source.planes
    display = first_display(source.file)
    if page is not None:
        if planes is None or page > planes.z * planes.t:
            raise Invalid(_("the slide has no plane {page}").format(page=page), field="page")
        display = replace(display, page=page)
    if channels:
        display = replace(display, views=_written_views(planes, channels))
    return replace(display, icc=icc and source.has_profile)


def _written_views(planes: PlaneFacts | None, written: str) -> tuple[ChannelView, ...]:
    count = len(planes.channels) if planes is not None else 0
    parts = written.split(",")
    views = []
    for part in parts[: MOST_CHANNELS + 1]:
        found = WRITTEN.fullmatch(part)
        if found is None:
            raise Invalid(_("channels are written as 1:4060ff:100:4000, several with commas"), field="channels")
        number, low, high = int(found[1]), float(found[3]), float(found[4])
        if not 1 <= number <= count:
            raise Invalid(_("the slide has no channel {number}").format(number=number), field="channels")
        if low >= high:
            raise Invalid(_("the black of a channel must be below its full colour"), field="channels")
        views.append(ChannelView(number, found[2], low, high))
    if len(parts) > count:
        raise Invalid(_("a channel is named twice"), field="channels")
    return tuple(views)


# -- what models see of fields


def view_of(field: SlideField | None, channels: Sequence[str]) -> FieldView | None:
    """How a field's pixels are made for models where they were cut with other channels; None where they fit.

    Raises MissingChannel.
    """
    if field is None or list(channels) == list(field.channels):
        return None
    source = source_of_field(field)
    if source.planes is None or not source.planes.channels:
        return None
    model_display(source.file, channels)
    return FieldView(slide=field.slide_id, x=field.x, y=field.y, channels=tuple(channels))


def view_digest(field: SlideField, channels: Sequence[str]) -> str:
    """Names the pixels that `view_of` describes: the same for the same samples, shown in the same way."""
    display = model_display(field.slide.slide_file, channels)
    views = [[view.channel, view.colour, view.low, view.high] for view in display.views]
    place = [field.x, field.y, field.width, field.height]
    return digest([field.slide.sha256, place, display.page, views])
