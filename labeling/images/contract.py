"""Images as the API takes and says them."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from labeling.contract import Answer, Body, File, Form, Id, InDigits, OneOf, ShortText
from labeling.images.models import Image, ImageKind, ScaleSource, Split
from labeling.images.sentences import note_sentences
from labeling.images.services import SETTABLE
from labeling.images.similar import Alike, sentence
from labeling.jobs.contract import AlikeAnswer
from labeling.paging import Listing

SplitName = Annotated[str, OneOf(Split)]
SettableSource = Annotated[str, OneOf(source.value for source in SETTABLE)]
Scale = Annotated[float, Field(ge=0.001, le=1000, description="µm per pixel")]
PageNumber = Annotated[int, Field(ge=1, le=100_000)]
ChannelNumber = Annotated[int, Field(ge=1, le=10_000)]


class ImageListing(Listing):
    ordering: Literal["position", "-position", "name", "-name", "id", "-id"] = "position"
    split: SplitName | None = None
    group: ShortText | None = None
    scanner: ShortText | None = None
    site: ShortText | None = None
    stain: ShortText | None = None


class ImageChange(Body):
    """What can be said of an image after its upload; what is left out stays as it is."""

    group: ShortText = ""
    scanner: ShortText = ""
    site: ShortText = ""
    stain: ShortText = ""
    um_per_px: Scale | None = None
    scale_source: SettableSource = ScaleSource.TYPED.value
    split: SplitName = Split.TRAIN.value


class ManyImagesChange(ImageChange):
    """The same for many images: all are changed, or none."""

    images: Annotated[list[Id], Field(min_length=1, max_length=100_000)]


class ChoiceBody(Body):
    """Which picture of a file is meant, for files of a job that hold several."""

    items: Annotated[list[Id], Field(min_length=1, max_length=1000)]
    page: PageNumber | None = None
    channel: ChannelNumber | None = None


class UploadForm(Form):
    """Files, and what is said of all of them."""

    image: Annotated[list[File], Field(min_length=1)]
    group: ShortText = ""
    scanner: ShortText = ""
    site: ShortText = ""
    stain: ShortText = ""
    um_per_px: Scale | None = None
    scale_source: SettableSource = ScaleSource.TYPED.value
    split: SplitName = Split.TRAIN.value
    page: Annotated[PageNumber, InDigits] | None = None
    channel: Annotated[ChannelNumber, InDigits] | None = None
    open_as: Literal["auto", "picture", "slide"] = "auto"


class ButtonForm(Form):
    """The settings page has its button inside the form of the images' facts, whose fields come along unread."""

    model_config = ConfigDict(extra="ignore")


class ImageAnswer(Answer):
    """`notes` is what people should know of how the file was read; `has_original`: it is kept as it came."""

    id: int
    name: str
    kind: Annotated[str, OneOf(ImageKind)]
    position: int
    width: int
    height: int
    um_per_px: float | None
    scale_source: Annotated[str, OneOf(ScaleSource)]
    magnification: float | None
    group: str
    scanner: str
    site: str
    stain: str
    split: SplitName
    synthetic: bool
    low: float | None
    high: float | None
    notes: list[str]
    has_original: bool


class ChangedImage(ImageAnswer):
    """`alike` are pictures that are nearly the same and lie in another split."""

    alike: list[AlikeAnswer]


class ChangedImages(Answer):
    changed: int
    alike: list[AlikeAnswer]


_COLUMNS = [name for name in ImageAnswer.model_fields if name not in ("notes", "has_original")]


def image_fields(image: Image) -> dict[str, object]:
    found: dict[str, object] = {name: getattr(image, name) for name in _COLUMNS}
    found["notes"] = note_sentences(image.reading.get("notes", []))
    found["has_original"] = bool(image.original)
    return found


def image_answer(image: Image) -> ImageAnswer:
    return ImageAnswer.model_validate(image_fields(image))


def alike_answers(pairs: list[Alike]) -> list[AlikeAnswer]:
    return [AlikeAnswer(images=(pair.image.pk, pair.other.pk), detail=sentence(pair)) for pair in pairs]
