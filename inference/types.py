"""Array aliases and the protocols every model stands behind.

One frame everywhere: image pixels, origin at the top left corner of the image, x to the right, y down.
A box is (x0, y0, x1, y1), half-open, so its width is x1 - x0. Arrays are indexed [y, x]. Colours are RGB.
This module imports neither torch nor Django, so that the website may import it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

RGB = npt.NDArray[np.uint8]  # (H, W, 3), 0..255
Mask = npt.NDArray[np.bool_]  # (H, W), True is cell
Labels = npt.NDArray[np.int32]  # (H, W), 0 is background, 1..n the cells
Probability = npt.NDArray[np.float32]  # (H, W), 0..1
Boxes = npt.NDArray[np.float64]  # (n, 4), x0 y0 x1 y1 in image pixels, half-open
Scores = npt.NDArray[np.float32]  # (n,), 0..1
Vectors = npt.NDArray[np.float16]  # (n, d), d <= 128: what each cell looks like
Classes = npt.NDArray[np.int64]  # (n,), index into the project's classes


def is_point(box: Sequence[float]) -> bool:
    """Whether a cell's box (x0, y0, x1, y1) is a point: it has no extent, and lies where the point lies."""
    x0, y0, x1, y1 = box
    return x0 == x1 and y0 == y1


def which_are_points(boxes: Boxes) -> npt.NDArray[np.bool_]:
    """(n,) bool: is_point of each row of (n, 4) boxes."""
    are_points: npt.NDArray[np.bool_] = (boxes[:, :2] == boxes[:, 2:]).all(axis=1)
    return are_points


class InferenceError(Exception):
    """A model could not do what it was asked: `code` is for programs, str(error) for people."""

    code = "inference_error"


class UnreadableImage(InferenceError):
    """The file is no image that can be read; the rest of the work goes on without it."""

    code = "unreadable_image"


class TrainingDiverged(InferenceError):
    """The loss became NaN or infinite; names the epoch and the batch."""

    code = "training_diverged"


class Cancelled(InferenceError):
    """Somebody asked to stop, and the work stopped at the end of a unit; what was finished is kept."""

    code = "cancelled"


class MissingResource(InferenceError):
    """The machine lacks what the work needs, such as memory or a GPU; on another one, or later, it can be done.

    what         one of inference.documents.stage_reports.MissingKind
    worker       the host that lacks it
    needs, free  bytes
    """

    code = "missing_resource"

    def __init__(self, what: str, *, worker: str, needs: int | None = None, free: int | None = None) -> None:
        super().__init__(f"lacking: {what}")
        self.what, self.worker, self.needs, self.free = what, worker, needs, free


@dataclass(frozen=True)
class Architecture:
    """A model as it is registered, in the `__init__.py` of its folder: told apart without importing torch.

    name     in configurations and on the command line
    made_by  "module:Class", imported when the model is asked for
    weights  what a weight file of it calls itself, with the version; "" for a model that learns nothing here
    """

    name: str
    made_by: str
    weights: str = ""


@dataclass(frozen=True)
class BoxMask:
    """One cell: a boolean patch and where its top left pixel lies in the image.

    x, y   image pixels, integers
    bits   (h, w) bool
    """

    x: int
    y: int
    bits: Mask


@dataclass(frozen=True)
class Prompts:
    """What a person or a detector pointed at, one row a cell.

    boxes   (n, 4) float64, or None when the prompts are points alone
    points  (n, k, 2) float64, x y in image pixels, or None
    signs   (n, k) int8: 1 inside the cell, 0 outside it, -1 an unused place; given with points
    """

    boxes: Boxes | None = None
    points: npt.NDArray[np.float64] | None = None
    signs: npt.NDArray[np.int8] | None = None

    def __len__(self) -> int:
        rows = self.boxes if self.boxes is not None else self.points
        return 0 if rows is None else len(rows)


@dataclass(frozen=True)
class Prompted:
    """A prompter's answer: one mask and one score (its own guess of the mask's IoU, 0..1) for each prompt.

    A prompt without an answer has a BoxMask of zero size and score 0.
    """

    masks: Sequence[BoxMask]
    scores: Scores


@dataclass(frozen=True)
class Detections:
    """Boxes that a detector found, best first.

    boxes    (n, 4) float64, image pixels, half-open
    scores   (n,) float32, 0..1
    classes  (n,) int64, index into the classes it was trained with
    """

    boxes: Boxes
    scores: Scores
    classes: Classes

    def __len__(self) -> int:
        return len(self.boxes)


class Prompter(Protocol):
    """Box or point -> mask. `encode` looks at the image once, `decode` answers any number of prompts about it."""

    @property
    def name(self) -> str:
        """Name and version, as stored in provenance, for example "grabcut-1"."""

    def encode(self, rgb: RGB) -> Any:
        """What `decode` needs to know of the image; opaque to everyone else."""

    def decode(self, encoded: Any, prompts: Prompts) -> Prompted:
        """Masks of the prompts, in their order. Raises ValueError for prompts it does not understand."""


class Detector(Protocol):
    """Image -> boxes."""

    @property
    def name(self) -> str: ...

    def detect(self, rgb: RGB) -> Detections: ...


class Segmenter(Protocol):
    """Image -> probability of being cell."""

    @property
    def name(self) -> str: ...

    def foreground(self, rgb: RGB) -> Probability: ...


class Encoder(Protocol):
    """Image and masks -> what each cell looks like. Cells whose vectors lie close together look alike."""

    @property
    def name(self) -> str:
        """Name and version: vectors of another name are never compared with these."""

    @property
    def dimensions(self) -> int:
        """At most 128."""

    def encode(self, rgb: RGB, cells: Sequence[BoxMask]) -> Vectors:
        """(n, dimensions), one row a cell in their order. rgb: at the scale that the encoder expects."""


@dataclass(frozen=True)
class Sample:
    """One training image.

    rgb      (H, W, 3) uint8
    boxes    (n, 4) float64: the cells that people annotated
    classes  (n,) int64
    valid    (H, W) bool: True where annotation is exhaustive. Outside it nothing is background and
             every loss and metric is masked (docs/design.md, idea 2)
    labels   (H, W) int32 pseudo-masks for a segmenter, or None
    """

    rgb: RGB
    boxes: Boxes
    classes: Classes
    valid: Mask
    labels: Labels | None = None
    name: str = ""


@dataclass(frozen=True)
class Progress:
    """Where a long work stands: `done` of `total` units, and numbers worth drawing, for example {"loss": 0.31}."""

    done: int
    total: int
    note: str = ""
    values: dict[str, float] = field(default_factory=dict)


Report = Callable[[Progress], None]
Stop = Callable[[], bool]


class Trainer(Protocol):
    """Trains a Detector or a Segmenter, and loads what it trained.

    `train` is resumable: it keeps a checkpoint in `work` at the end of every epoch (written under a
    temporary name, then renamed) and goes on from it when called again with the same arguments. It calls
    `report` after every epoch and asks `stop` at least once a batch; it raises Cancelled when stop says so,
    TrainingDiverged on a NaN. It returns the path of the weights (safetensors) inside `work`.
    """

    @property
    def name(self) -> str: ...

    def train(
        self,
        samples: Sequence[Sample],
        validation: Sequence[Sample],
        *,
        work: Path,
        report: Report,
        stop: Stop,
        start_from: Path | None = None,
    ) -> Path: ...

    def load(self, weights: Path) -> Any:
        """The trained Detector or Segmenter."""
