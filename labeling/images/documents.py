"""What a job that reads uploads is asked, and what came of each of its files."""

from collections.abc import Mapping

from inference.documents.base import Document, JsonObject, Number
from inference.documents.origins import centre_and_patient


class UploadRequest(Document):
    """The arguments of add_image that all files of a job share; what is absent has the default there."""

    centre: str = ""
    patient: str = ""
    block: str = ""
    slide: str = ""
    scanner: str = ""
    stain: str = ""
    tags: tuple[str, ...] = ()
    um_per_px: Number | None = None
    scale_source: str = "typed"
    split: str = "train"
    page: int | None = None
    channel: int | None = None
    open_as: str = "auto"

    @classmethod
    def upgraded(cls, data: JsonObject) -> JsonObject:
        return centre_and_patient(data)


class PictureChoice(Document):
    """Which picture of a file that holds several, from 1; and where a slide lies that is registered there."""

    page: int | None = None
    channel: int | None = None
    root: str = ""
    path: str = ""


class FieldsRequest(Document):
    """What a job that cuts fields is asked: the slide, how they were chosen, and what is known of a random choice."""

    slide: int
    method: str
    probability: Number | None = None
    seed: int | None = None


class FieldChoice(Document):
    """One field: pixels of the slide's level 0."""

    x: int
    y: int
    width: int
    height: int


class UploadFacts(Document):
    """What came of a file. code: of images/sentences.py or uploads.OTHERS, with what fills it in; image: its key."""

    code: str = ""
    params: Mapping[str, str | int | float] = {}
    image: int | None = None
