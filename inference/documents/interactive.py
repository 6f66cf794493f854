"""What the interactive worker is asked and answers: masks from clicks, and re-fusions with strokes.

Objects of JSON with named keys (TypedDict): Celery carries them as they are, a hundred times while a hand paints.
"""

from typing import Literal, NotRequired, TypedDict


class MaskJson(TypedDict):
    """snapshot.PackedMask."""

    x: int
    y: int
    width: int
    height: int
    bits: str


class StrokeJson(MaskJson):
    """snapshot.Stroke: what was painted as cell or as background."""

    foreground: bool
    band: NotRequired[int]


class Failed(TypedDict):
    error: str


class Superseded(TypedDict):
    """The same hand has asked for something newer, so nobody waits for this."""

    superseded: Literal[True]


class Ready(TypedDict):
    """Nothing was asked but to have the models and the image at hand."""

    ready: Literal[True]


class Prompted(TypedDict):
    """mask: null where the prompter finds none; score: its own guess, 0..1."""

    mask: MaskJson | None
    score: float
    prompter: str
    milliseconds: float


class ShortCertificate(TypedDict):
    """publication.Certificate, without its parameters; milliseconds: of all steps together."""

    objective: float
    flow: int | None
    cut: int
    closed: bool
    free_pixels: int
    components: int
    ambiguous_share: float
    milliseconds: float


class Refusion(TypedDict):
    mask: MaskJson | None
    certificate: ShortCertificate
    milliseconds: float


class LikenessAnswer(TypedDict):
    """What inference/worker/likeness.py answers; the texts are base64."""

    order: str
    suggested: str
    chances: str
    places: str
    learned: int
    milliseconds: float


FromWorker = Prompted | Refusion | Ready | Superseded | Failed
