"""What the workspace needs to open an image, and the comparison of two rounds on it."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from labeling.annotations.contract import CertificateAnswer, PersonAnswer
from labeling.annotations.models import Layer
from labeling.assignments.states import ItemState
from labeling.contract import Answer, OneOf, Query, QueryId
from labeling.projects.contract import ClassAnswer, RoleName


class TilesAnswer(Answer):
    """Where a large image's tiles are: `url` + "level/column/row/", squares of `size` px. Level 0 is the image itself,
    each further level is half as large."""

    url: str
    size: int
    levels: int


class ShownImage(Answer):
    """`tiles` null: small enough to be fetched whole. `um_per_px`: µm per pixel, null where nobody has stated it."""

    id: int
    name: str
    width: int
    height: int
    um_per_px: float | None
    synthetic: bool
    pixels_url: str
    tiles: TilesAnswer | None
    thumbnail_url: str


class PlacedImage(ShownImage):
    """`position` counts from 1 among the `count` images of the project; `previous` and `next` are their ids."""

    position: int
    count: int
    previous: int | None
    next: int | None


class AttributeAnswer(Answer):
    """What a project asks of a cell besides its class."""

    name: str
    values: list[str]


class WorkspaceProject(Answer):
    """`archived_at`: since when nothing in it is changed; null: it is in use."""

    id: int
    name: str
    role: RoleName
    archived_at: datetime | None
    records_activity: bool
    url: str
    classes: list[ClassAnswer]
    attributes: list[AttributeAnswer]


class PublicationAnswer(Answer):
    """`proposals`: how many cells the round proposed on this image; `why`: sentences about why it proposed none."""

    id: UUID
    round: int
    round_number: int
    published_at: datetime
    models: dict[str, str]
    proposals: int
    why: list[str]
    certificate: CertificateAnswer


class LayerAnswer(Answer):
    """`base`: the layer whose decisions and counts are this person's picture, also where it cannot be written."""

    id: UUID
    kind: Annotated[str, OneOf(Layer.Kind)]
    annotator: PersonAnswer | None
    seq: int
    writable: bool
    base: bool
    publication: PublicationAnswer | None


class StudyAnswer(Answer):
    """On the sheet of a study's item: the tools of its arm, and whether many proposals are accepted at once."""

    tools: list[str]
    accepts_many: bool


class PlaceAnswer(Answer):
    number: int
    of: int


class WorkAnswer(Answer):
    """The image in the workflow of its project, as this person sees it (labeling/workspace/work.py).

    `reading` is the state of this person's own reading, `comment` why it was sent back to them, `actions` what they may
    do now.
    """

    item: int
    state: Annotated[str, OneOf(ItemState)]
    reading: str | None
    comment: str
    place: PlaceAnswer | None
    reviewer: str | None
    actions: list[Literal["begin", "finish", "skip", "release", "accept", "send_back", "reopen"]]


class WorkspaceAnswer(Answer):
    """`people` have annotated on the layers that are shown."""

    image: PlacedImage
    project: WorkspaceProject
    person: PersonAnswer
    layers: list[LayerAnswer]
    study: StudyAnswer | None
    work: WorkAnswer | None
    people: list[PersonAnswer]


class TwoRounds(Query):
    round: Annotated[list[QueryId], Field(min_length=2, max_length=2)]


class ComparedRound(Answer):
    """`layer` null: the round has published nothing on this image."""

    id: int
    number: int
    layer: UUID | None


class ComparisonAnswer(Answer):
    """`reference`: locked reference masks are there."""

    image: ShownImage
    rounds: list[ComparedRound]
    reference: bool
