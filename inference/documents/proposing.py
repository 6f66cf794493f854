"""What is asked of a job that proposes cells without a round, and what came of each of its images."""

from itertools import chain
from typing import Literal

from inference.documents.base import Document, Number
from inference.documents.configuration import RoundConfiguration
from inference.documents.publication import Certificate

Region = tuple[int, int, int, int]  # x, y, width, height: pixels of the image


class ProposingModel(Document):
    """A detector, a segmenter or a method trained as a whole that proposes.

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

    detector, segmenter  that propose together; None where one method does
    method   that is trained as a whole; None where a detector and a segmenter propose
    classes  the project's classes, by key, in the order in which models know them
    blinded  whether annotators must not see each other's work: cells are then proposed as if nobody had drawn any
    channels  names of those that the models see of slides with several; absent for all that are shown at first
    """

    images: tuple[int, ...]
    region: Region | None = None
    detector: ProposingModel | None = None
    segmenter: ProposingModel | None = None
    method: ProposingModel | None = None
    configuration: RoundConfiguration
    scale: Scale = Scale()
    classes: tuple[int, ...] = ()
    blinded: bool = False
    channels: tuple[str, ...] = ()

    @property
    def models(self) -> dict[str, ProposingModel]:
        """Those that propose, by kind."""
        known = {"detector": self.detector, "segmenter": self.segmenter, "method": self.method}
        return {kind: model for kind, model in known.items() if model is not None}

    @property
    def licence(self) -> str:
        """Of what the models learned from, each once."""
        parts = chain.from_iterable(model.licence.split("; ") for model in self.models.values())
        return "; ".join(dict.fromkeys(part for part in parts if part))

    @property
    def elsewhere(self) -> bool:
        return any(model.elsewhere for model in self.models.values())


class TileFacts(Document):
    """What is kept of a tile besides its cells: the proof of its fusion, None of a method without one; boxes at or
    above the threshold and the surest of all, pieces left out as crumbs, cells that no box stands behind."""

    certificate: Certificate | None = None
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
