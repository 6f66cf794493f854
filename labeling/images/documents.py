"""What a job that reads uploads is asked, and what came of each of its files."""

from collections.abc import Mapping

from inference.documents.base import Document, Number


class UploadRequest(Document):
    """The arguments of add_image that all files of a job share; what is absent has the default there."""

    group: str = ""
    scanner: str = ""
    site: str = ""
    stain: str = ""
    um_per_px: Number | None = None
    scale_source: str = "typed"
    split: str = "train"
    page: int | None = None
    channel: int | None = None


class PictureChoice(Document):
    """Which picture of a file that holds several, from 1."""

    page: int | None = None
    channel: int | None = None


class UploadFacts(Document):
    """What came of a file. code: of images/sentences.py or uploads.OTHERS, with what fills it in; image: its key."""

    code: str = ""
    params: Mapping[str, str | int | float] = {}
    image: int | None = None
