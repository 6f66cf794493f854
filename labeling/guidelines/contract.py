"""Guidelines as the API says them."""

from datetime import datetime
from typing import Literal

from django.urls import reverse

from labeling.accounts.models import User
from labeling.annotations.contract import PersonAnswer
from labeling.contract import Answer, Body, File, Form, Id, ShortText, Text
from labeling.guidelines.models import Guideline, GuidelinePicture
from labeling.guidelines.rendering import as_html
from labeling.guidelines.services import is_acknowledged, reader_of
from labeling.paging import Listing


class GuidelineBody(Body):
    """`text` is Markdown (CommonMark with tables); a picture stands as ![what it shows](its-name.png)."""

    text: Text
    note: ShortText = ""
    must_acknowledge: bool = False


class GuidelineReadBody(Body):
    version: Id
    acknowledges: bool = False


class GuidelineListing(Listing):
    ordering: Literal["version", "-version"] = "-version"


class PictureListing(Listing):
    ordering: Literal["name", "-name"] = "name"


class PictureForm(Form):
    file: File
    name: ShortText = ""


class GuidelineAnswer(Answer):
    """One version. `is_seen` and `is_acknowledged` are about the person who asks."""

    version: int
    text: str
    html: str
    note: str
    must_acknowledge: bool
    written_by: PersonAnswer
    written_at: datetime
    is_seen: bool
    is_acknowledged: bool


class CurrentGuidelineAnswer(Answer):
    """null: nobody has written any."""

    guideline: GuidelineAnswer | None


class PictureAnswer(Answer):
    name: str
    content_type: str
    url: str


def guideline_answer(guideline: Guideline, person: User) -> GuidelineAnswer:
    return GuidelineAnswer(
        version=guideline.version,
        text=guideline.text,
        html=as_html(guideline),
        note=guideline.note,
        must_acknowledge=guideline.must_acknowledge,
        written_by=PersonAnswer(id=guideline.written_by_id, name=guideline.written_by.display_name),
        written_at=guideline.written_at,
        is_seen=guideline.written_by_id == person.pk or reader_of(guideline, person) is not None,
        is_acknowledged=is_acknowledged(guideline, person),
    )


def picture_answer(picture: GuidelinePicture) -> PictureAnswer:
    url = reverse("guideline-picture", args=[picture.project_id, picture.name])
    return PictureAnswer(name=picture.name, content_type=picture.content_type, url=url)
