"""Images as the API takes and says them."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from labeling.contract import Answer, Body, File, Form, Id, InDigits, OneOf, Query, ShortText, Text
from labeling.images.facts import SETTABLE
from labeling.images.models import LONGEST_TAG, MOST_TAGS, SPECIMEN, Image, ImageKind, ScaleSource, Split
from labeling.images.registration import LEAST_LANDMARKS, MOST_LANDMARKS, Landmark
from labeling.images.sentences import note_sentences
from labeling.images.similar import Alike, sentence
from labeling.images.splits import LONGEST_REASON
from labeling.jobs.contract import AlikeAnswer
from labeling.paging import Listing

SplitName = Annotated[str, OneOf(Split)]
SettableSource = Annotated[str, OneOf(source.value for source in SETTABLE)]
Scale = Annotated[float, Field(ge=0.001, le=1000, description="µm per pixel")]
PageNumber = Annotated[int, Field(ge=1, le=100_000)]
ChannelNumber = Annotated[int, Field(ge=1, le=10_000)]
Tag = Annotated[Text, Field(min_length=1, max_length=LONGEST_TAG)]
Tags = Annotated[list[Tag], Field(max_length=MOST_TAGS)]
Reason = Annotated[Text, Field(max_length=LONGEST_REASON)]
# Of the images that are there by how far their work is (assignments/states.py), or those that are deleted.
StateName = Literal["to_do", "in_work", "in_review", "sent_back", "done", "deleted"]


class ImageListing(Listing):
    """`tag`: an image has it; `text`: a part of its name or of its patient's. "" for what nobody has stated."""

    ordering: Literal["position", "-position", "name", "-name", "id", "-id"] = "position"
    split: SplitName | None = None
    centre: ShortText | None = None
    patient: ShortText | None = None
    block: ShortText | None = None
    slide: ShortText | None = None
    scanner: ShortText | None = None
    stain: ShortText | None = None
    tag: Tag | None = None
    text: ShortText | None = None
    state: StateName | None = None


class Facts(Body):
    """What can be said of an image after its upload; what is left out stays as it is.

    The split is that of the patient: it is given for all images of a patient at once, or at the patient. `reason` says
    why a patient moves into or out of test after the first round has started.
    """

    centre: ShortText = ""
    patient: ShortText = ""
    block: ShortText = ""
    slide: ShortText = ""
    scanner: ShortText = ""
    stain: ShortText = ""
    um_per_px: Scale | None = None
    scale_source: SettableSource = ScaleSource.TYPED.value
    split: SplitName = Split.TRAIN.value
    reason: Reason = ""


class RegistrationIn(Body):
    """Which image of the project shows the same tissue, and places that belong together.

    landmarks  x, y in this image and x, y in the other one, image pixels; three or more, not in one line
    """

    image: Id
    landmarks: Annotated[list[Landmark], Field(min_length=LEAST_LANDMARKS, max_length=MOST_LANDMARKS)]


class ImageChange(Facts):
    """`registration` null: no other image is registered with this one any more."""

    name: Annotated[Text, Field(min_length=1, max_length=255)] = ""
    tags: Tags = []
    registration: RegistrationIn | None = None


class ManyImagesChange(Facts):
    """The same for many images: all are changed, or none."""

    images: Annotated[list[Id], Field(min_length=1, max_length=100_000)]
    add_tags: Tags = []
    remove_tags: Tags = []


class ChoiceBody(Body):
    """Which picture of a file is meant, for files of a job that hold several."""

    items: Annotated[list[Id], Field(min_length=1, max_length=1000)]
    page: PageNumber | None = None
    channel: ChannelNumber | None = None


class UploadFacts(Form):
    """What is said of a file that is uploaded."""

    centre: ShortText = ""
    patient: ShortText = ""
    block: ShortText = ""
    slide: ShortText = ""
    scanner: ShortText = ""
    stain: ShortText = ""
    tags: Tags = []
    um_per_px: Scale | None = None
    scale_source: SettableSource = ScaleSource.TYPED.value
    split: SplitName = Split.TRAIN.value
    page: Annotated[PageNumber, InDigits] | None = None
    channel: Annotated[ChannelNumber, InDigits] | None = None
    open_as: Literal["auto", "picture", "slide"] = "auto"


class UploadForm(UploadFacts):
    """Files, and what is said of all of them."""

    image: Annotated[list[File], Field(min_length=1)]


class TileQuery(Query):
    """How a slide with several channels, slices or times is shown, or a field of it; without a word as it is at first.

    page      the plane, from 1: time * slices + slice
    channels  number:colour:black:full of each, as 1:4060ff:100:4000,3:ff4030:0:900
    icc       1: with the slide's colour profile applied
    """

    page: Annotated[PageNumber, InDigits] | None = None
    channels: Annotated[Text, Field(max_length=4000)] = ""
    icc: Literal["0", "1"] = "0"


class ButtonForm(Form):
    """The settings page has its button inside the form of the images' facts, whose fields come along unread."""

    model_config = ConfigDict(extra="ignore")


class ImageAnswer(Answer):
    """`notes` is what people should know of how the file was read; `has_original`: it is kept as it came.

    `patient` is the name, `patient_id` the key of what the image shares its split with: the patient, or, where nobody
    has named them, everything of the same block or slide. Null: the image is a unit of its own.
    """

    id: int
    name: str
    kind: Annotated[str, OneOf(ImageKind)]
    position: int
    width: int
    height: int
    um_per_px: float | None
    scale_source: Annotated[str, OneOf(ScaleSource)]
    magnification: float | None
    centre: str
    patient: str
    patient_id: int | None
    block: str
    slide: str
    scanner: str
    stain: str
    tags: list[str]
    split: SplitName
    deleted_at: datetime | None
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


_COLUMNS = [name for name in ImageAnswer.model_fields if name not in ("notes", "has_original", *SPECIMEN)]


def image_fields(image: Image) -> dict[str, object]:
    found: dict[str, object] = {name: getattr(image, name) for name in _COLUMNS}
    found |= asdict(image.specimen)
    found["notes"] = note_sentences(image.reading.get("notes", []))
    found["has_original"] = bool(image.original)
    return found


def image_answer(image: Image) -> ImageAnswer:
    return ImageAnswer.model_validate(image_fields(image))


def alike_answers(pairs: list[Alike]) -> list[AlikeAnswer]:
    return [AlikeAnswer(images=(pair.image.pk, pair.other.pk), detail=sentence(pair)) for pair in pairs]
