"""What a round says of one image when it publishes its proposals: the certificate of its fusion, and facts."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal, TypedDict

from inference.documents.base import Document, JsonObject, Number
from inference.documents.configuration import Fusion
from inference.documents.snapshot import Stroke


class Certificate(Document):
    """What proves and describes one fusion; inference/fusion/certificate.py says what each means."""

    objective: Number
    flow: int | None
    cut: int
    closed: bool
    free_pixels: int
    components: int
    ambiguous_share: Number
    milliseconds: Mapping[str, Number] = {}
    parameters: Fusion = Fusion()
    solver: str = "cut"
    status: Literal["optimal", "feasible"] = "optimal"
    gap: Number = 0.0
    strokes: tuple[Stroke, ...] = ()
    version: str = ""

    @property
    def total_milliseconds(self) -> float:
        """Of the whole fusion; where no total was kept, of its parts together."""
        total = self.milliseconds.get("total")
        return float(sum(self.milliseconds.values()) if total is None else total)

    @classmethod
    def upgraded(cls, data: JsonObject) -> JsonObject:
        return milliseconds_by_step(data)


def milliseconds_by_step(data: JsonObject) -> JsonObject:
    """Upgrade: the first certificates held one number for the whole fusion."""
    milliseconds = data.get("milliseconds")
    return data if isinstance(milliseconds, dict | None) else data | {"milliseconds": {"total": milliseconds}}


class CauseCode(StrEnum):
    """Why an image got no proposal. The sentences stand in labeling/rounds/results/outcome.py."""

    SETTLED = "settled"
    OTHER_STAIN = "other_stain"
    OTHER_SCALE = "other_scale"
    OTHER_COLOURS = "other_colours"
    UNSURE = "unsure"
    CRUMBS = "crumbs"
    UNKNOWN_SCALE = "unknown_scale"
    FEW_CELLS = "few_cells"


class Cause(Document):
    """A code with the numbers of its sentence.

    stain          of the image, for OTHER_STAIN
    scale, taught  µm per pixel of the image and of the nearest training images, for OTHER_SCALE
    best           the detector's best score, None without any box; threshold: of the round; for UNSURE
    crumbs, cells  pieces left out, cells learned from
    """

    code: CauseCode
    stain: str = ""
    scale: Number = 0.0
    taught: Number = 0.0
    best: Number | None = None
    threshold: Number = 0.0
    crumbs: int = 0
    cells: int = 0


class PublicationFacts(Document):
    """proposals   how many; None of a round that did not count them
    boxless     proposals that no box of the detector stands behind
    crumbs      pieces left out as far smaller than annotated cells
    priorities  strategy -> how early the image should be annotated next, 0..1; empty where people are done with it
    signals     score -> what the round says, without any reference, of an image that did not teach it
    detected    boxes at or above the threshold; best_score: of the surest box, None without any
    why         causes, the likeliest first, where nothing was proposed
    """

    proposals: int | None = None
    boxless: int = 0
    crumbs: int = 0
    priorities: Mapping[str, Number] = {}
    signals: Mapping[str, Number] | None = None
    detected: int | None = None
    best_score: Number | None = None
    why: tuple[Cause, ...] = ()

    @classmethod
    def upgraded(cls, data: JsonObject) -> JsonObject:
        return priorities_by_name(data)


def priorities_by_name(data: JsonObject) -> JsonObject:
    """Upgrade: until migration 0020 "priorities" was called "queue"; exported rounds may still say so."""
    if "queue" not in data:
        return data
    rest = {name: value for name, value in data.items() if name != "queue"}
    return {"priorities": data["queue"]} | rest


class Provenance(TypedDict, total=False):
    """Where a mask comes from. A plain object, since a layer has 100,000 of them, which nobody changes.

    round, round_number, models  of a proposal: the round that made it, and the names of its models
    job, licence                 of a proposal without a round (its round_number is 0): the job that made it, and the
                                 licences of what its models learned from
    elsewhere                    whether a model of it was brought along, so that nobody here knows what it has seen
    proposal, edited             of an accepted one: its uid, and whether a person changed its mask
    certificate                  of one accepted on a certificate: the lot (labeling/reviews/certificates)
    imported, file               of a cell that another tool drew: its name and version, and the file
    """

    round: int
    round_number: int
    models: dict[str, str]
    job: int
    licence: str
    elsewhere: bool
    proposal: str
    edited: bool
    certificate: int
    imported: str
    file: str


class TuningRow(Document):
    """One setting tried: the means over the validation images with reference masks."""

    parameter: str
    value: Number
    dice: Number
    pq: Number
    aji: Number


class TuningResult(Document):
    """base, best: parameter -> value, as it was and that of highest PQ, each found with the others as they were."""

    images: int
    base: Mapping[str, Number]
    rows: tuple[TuningRow, ...]
    best: Mapping[str, Number]
    seconds: Number | None = None
