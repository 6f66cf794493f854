"""What the workspace needs to open an image, and the comparison of two rounds on it."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from labeling.annotations.contract import CertificateAnswer, PersonAnswer
from labeling.annotations.models import Layer
from labeling.assignments.states import ItemState
from labeling.contract import Answer, OneOf, Query, QueryId
from labeling.images.registration import Landmark
from labeling.projects.contract import AttributeAnswer, ClassAnswer, RoleName


class TilesAnswer(Answer):
    """Where a large image's tiles are: `url` + "level/column/row/", squares of `size` px. Level 0 is the image itself,
    each further level is half as large."""

    url: str
    size: int
    levels: int


class ChannelAnswer(Answer):
    """A channel as it is shown at first: `low` and `high` are the samples that are black and of full colour, `least`
    and `most` the smallest and largest that were found. `colour` has six hexadecimal digits."""

    name: str
    colour: str
    low: float
    high: float
    least: float
    most: float
    shown: bool


class PlanesAnswer(Answer):
    """What can be chosen of a slide, and of its fields: `tiles` take page, channels and icc as their query.

    `page` is shown at first, of `z` slices and `t` times: page = time * z + slice, all from the first one on.
    `channels` is empty where a pixel has colours of its own. `icc`: whether the slide has a colour profile that can be
    applied."""

    tiles: TilesAnswer
    page: int
    z: int
    t: int
    channels: list[ChannelAnswer]
    icc: bool


class ShownImage(Answer):
    """`planes` null: nothing to choose. `tiles` null: small enough to be fetched whole.

    `um_per_px`: µm per pixel, null where nobody has stated it."""

    id: int
    name: str
    width: int
    height: int
    um_per_px: float | None
    synthetic: bool
    pixels_url: str
    tiles: TilesAnswer | None
    planes: PlanesAnswer | None
    thumbnail_url: str


class SecondImage(ShownImage):
    """Another image of the same tissue, as one with another stain.

    landmarks  x, y in the image of the workspace and x, y in this one, image pixels
    """

    landmarks: list[Landmark]


class PlacedImage(ShownImage):
    """`position` counts from 1 among the `count` images of the project; `previous` and `next` are their ids."""

    position: int
    count: int
    previous: int | None
    next: int | None


class WorkspaceProject(Answer):
    """`archived_at`: since when nothing in it is changed; null: it is in use. `removed_at`: when a deleted project,
    which is archived too, goes for good."""

    id: int
    name: str
    role: RoleName
    archived_at: datetime | None
    removed_at: datetime | None
    records_activity: bool
    url: str
    classes: list[ClassAnswer]
    attributes: list[AttributeAnswer]


class PublicationAnswer(Answer):
    """`proposals`: how many cells the round proposed on this image; `why`: sentences about why it proposed none.
    Without a round the number is 0, and `job` is the one that proposed."""

    id: UUID
    round: int | None
    round_number: int
    job: int | None
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
    """On the sheet of a study's item: the tools of its arm, and whether many proposals are accepted at once. `mark` is
    [x0, y0, x1, y1] around a sampled cell, in pixels of the sheet; null where the whole field is read."""

    tools: list[str]
    accepts_many: bool
    mark: tuple[int, int, int, int] | None


class PlaceAnswer(Answer):
    number: int
    of: int


WorkAction = Literal["begin", "finish", "skip", "release", "accept", "send_back", "reopen"]


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
    actions: list[WorkAction]


class GuidelineState(Answer):
    """The guidelines that hold, and whether this person has seen and acknowledged them."""

    version: int
    must_acknowledge: bool
    is_seen: bool
    is_acknowledged: bool


class ProposingAnswer(Answer):
    """`url`: the page on which cells are proposed on this image; `job`: the one that does it now."""

    url: str
    job: int | None


class WorkspaceAnswer(Answer):
    """`people` have annotated on the layers that are shown. `proposing` null: this person may not propose here.
    `second` null: no other image is registered with this one."""

    image: PlacedImage
    second: SecondImage | None
    project: WorkspaceProject
    person: PersonAnswer
    layers: list[LayerAnswer]
    study: StudyAnswer | None
    work: WorkAnswer | None
    proposing: ProposingAnswer | None
    guideline: GuidelineState | None
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
