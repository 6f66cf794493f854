"""What is asked of a job that proposes cells without a round, and what came of each of its images."""

from typing import Literal

from inference.documents.base import Document, Number
from inference.documents.configuration import RoundConfiguration
from inference.documents.publication import Certificate

Region = tuple[int, int, int, int]  # x, y, width, height: pixels of the image


class ProposingModel(Document):
    """A detector or a segmenter that proposes.

    version    its key among the versions of the project; None of what comes with Boxwise
    name       as people read it
    artifact   key of its weights; None of what comes with Boxwise
    licence    of the data that it and its forebears learned from
    elsewhere  whether it, or a forebear, was brought along, so that nobody here can say what it has seen
    """

    version: int | None = None
    name: str
    artifact: str | None = None
    licence: str = ""
    elsewhere: bool = False


class Scale(Document):
    """The µm per pixel that models expect, from the least to the most; None where nobody knows."""

    least: Number | None = None
    most: Number | None = None


class ProposalRequest(Document):
    """images: in order; region: of the only image, or None for all of it.

    classes  the project's classes, by key, in the order in which models know them
    blinded  whether annotators must not see each other's work: cells are then proposed as if nobody had drawn any
    channels  names of those that the models see of slides with several; absent for all that are shown at first
    """

    images: tuple[int, ...]
    region: Region | None = None
    detector: ProposingModel
    segmenter: ProposingModel
    configuration: RoundConfiguration
    scale: Scale = Scale()
    classes: tuple[int, ...] = ()
    blinded: bool = False
    channels: tuple[str, ...] = ()

    @property
    def licence(self) -> str:
        """Of what both models learned from, each once."""
        parts = [*self.detector.licence.split("; "), *self.segmenter.licence.split("; ")]
        return "; ".join(dict.fromkeys(part for part in parts if part))

    @property
    def elsewhere(self) -> bool:
        return self.detector.elsewhere or self.segmenter.elsewhere


class TileFacts(Document):
    """What is kept of a tile besides its cells: the proof of its fusion, boxes at or above the threshold and the surest
    of all, pieces left out as crumbs, cells that no box stands behind."""

    certificate: Certificate
    detected: int = 0
    best_score: Number | None = None
    crumbs: int = 0
    boxless: int = 0


class ProposalChoice(Document):
    """Which image an item of the job is."""

    image: int


ScaleNote = Literal["", "unknown", "resampled"]


class ProposedFacts(Document):
    """What came of one image, or how far it is.

    code         why it was declined; "" where it was not
    tiles, done  tiles of the image, and of those the ones that are done
    pixels       of the image or its region
    cells        proposals, once they are published; before, what the tiles tell of
    left_out     cells that were not proposed since somebody drew or decided there meanwhile
    scale        "unknown": looked at in its own pixels; "resampled": to what the models expect
    seconds      of all attempts; memory: the most that the worker's process used, bytes
    """

    code: str = ""
    tiles: int = 0
    done: int = 0
    glass: int = 0
    pixels: int = 0
    cells: int = 0
    left_out: int = 0
    scale: ScaleNote = ""
    seconds: Number = 0
    memory: int | None = None
