"""What a stage leaves beside its artifact (facts), what it uses of the machine, and what it may lack."""

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

from pydantic import JsonValue

from inference.documents.base import Document, JsonObject, Number
from inference.documents.origins import centre_and_patient

# -- what a worker lacks


class MissingKind(StrEnum):
    """What a stage waits for. The sentences stand in labeling/rounds/execution/backoff.py."""

    NO_WORKER = "no_worker"
    NO_GPU = "no_gpu"
    GPU_MEMORY = "gpu_memory"
    MEMORY = "memory"
    MEMORY_NEEDED = "memory_needed"


class MissingResource(Document):
    """worker: the host that lacks it; queue: which nobody serves; needs, free: bytes."""

    what: MissingKind
    worker: str | None = None
    queue: str | None = None
    needs: int | None = None
    free: int | None = None


# -- what it uses


class Usage(Document):
    """What a worker's process uses while it makes a stage; what cannot be known on its machine is absent.

    cores, cores_mean  processors kept busy since the last report, and since the beginning
    memory...          bytes; gpu_memory...: bytes that torch has reserved on the GPU in use
    gpu_busy           share of the last moments in which the GPU did something, 0..1
    made, seconds      units that this worker made, and in how much time
    device             what nets compute on, "cpu" or "cuda"; empty for stages without nets
    """

    cores: Number | None = None
    cores_mean: Number | None = None
    memory: Number | None = None
    memory_peak: Number | None = None
    memory_free: Number | None = None
    memory_total: Number | None = None
    gpu_memory: Number | None = None
    gpu_memory_peak: Number | None = None
    gpu_memory_total: Number | None = None
    gpu_busy: Number | None = None
    made: int | None = None
    seconds: Number = 0
    device: str = ""

    @property
    def is_known(self) -> bool:
        """Whether a worker has told anything."""
        return bool(self.model_fields_set)


# -- facts


class Facts(Document):
    """Small results worth showing, of any stage."""


class PseudoMaskFacts(Facts):
    images: int = 0
    cells: int = 0
    prompter: str = ""


class TrainingFacts(Facts):
    """Of weights: trained here, shipped, or brought along.

    settings           every parameter of the model, by its own names
    trained_parameters  numbers of the net that the training may change; not known of rounds of before
    """

    model: str = ""
    classes: int = 1
    settings: Mapping[str, JsonValue] = {}
    images: int | None = None
    validation_images: int | None = None
    cells: int | None = None
    trained_parameters: int | None = None


class ModelNames(Document):
    """Names with versions of what made a prediction: of a detector, a segmenter and a prompter, or of one method."""

    detector: str = ""
    segmenter: str = ""
    prompter: str = ""
    method: str = ""

    def by_kind(self) -> dict[str, str]:
        if self.method:
            return {"method": self.method}
        return {"detector": self.detector, "segmenter": self.segmenter, "prompter": self.prompter}


class PredictionFacts(Facts):
    images: int = 0
    boxes: int = 0
    models: ModelNames = ModelNames()
    unreadable_images: int = 0


class FusionFacts(Facts):
    images: int = 0
    closed: int = 0
    ambiguous_share: Number = 0.0
    median_milliseconds: Number = 0.0


class InstanceFacts(Facts):
    images: int = 0
    cells: int = 0
    crumbs: int = 0


class Measures(Document):
    """Agreement of masks with a reference, mean over images (inference/metrics.py)."""

    dice: Number | None = None
    iou: Number | None = None
    aji: Number | None = None
    aji_plus: Number | None = None
    pq: Number | None = None
    dq: Number | None = None
    sq: Number | None = None
    bf1: Number | None = None
    bf1_tolerance_px: Number | None = None


Part = Literal["detector", "segmenter", "fused", "method"]  # whose masks


class Figures(Facts):
    """What an evaluation says of a round. The sentences are shown as they are, and nothing compares them.

    masks       measures of the masks of each part, what is proposed under "fused" or "method"; empty where no reference
                was drawn without proposals
    repair      what a person still has to do, for each 100 cells of the reference (inference/repair.py)
    sentence    why something is not measured; optimistic, elsewhere, seen_before: why the figures flatter
    """

    box_ap50: Number | None = None
    masks: Mapping[Part, Measures] = {}
    sentence: str | None = None
    optimistic: str | None = None
    elsewhere: str | None = None
    seen_before: str | None = None

    @classmethod
    def upgraded(cls, data: JsonObject) -> JsonObject:
        return masks_by_part(data)


class EvaluationFacts(Figures):
    """split: the images that judge; rounds of before judged on the validation split and did not say so."""

    split: Literal["val", "test"] = "val"
    images: int = 0
    reference_images: int = 0
    repair: Mapping[str, Number] = {}

    def figures(self) -> Figures:
        """What is kept beside the models that the round was the first to use."""
        return Figures.model_validate({name: value for name, value in self.given().items() if name in KEPT})


KEPT = tuple(Figures.model_fields)


class JudgedImage(Document):
    """One image's row of an evaluation: the measures that could be taken of it."""

    image: int
    patient: str = ""
    box_ap50: Number | None = None
    dice: Number | None = None
    iou: Number | None = None
    aji: Number | None = None
    pq: Number | None = None
    dq: Number | None = None
    sq: Number | None = None
    bf1: Number | None = None
    mask_ap50: Number | None = None

    def measure(self, name: str) -> float | None:
        """Of one of MEASURES; None where it was not taken."""
        found: float | None = getattr(self, name)
        return found


class Evaluation(EvaluationFacts):
    """The artifact of the stage: the facts, and one row an image, by which rounds are compared."""

    per_image: tuple[JudgedImage, ...] = ()

    @classmethod
    def upgraded(cls, data: JsonObject) -> JsonObject:
        return judged_by_patient(masks_by_part(data))

    @classmethod
    def read(cls, data: bytes) -> "Evaluation":
        """The document in an artifact's file. Raises pydantic.ValidationError."""
        return cls.stored(json.loads(data))

    @classmethod
    def of(cls, facts: EvaluationFacts, rows: tuple[JudgedImage, ...]) -> "Evaluation":
        return cls(**facts.given(), per_image=rows)


def judged_by_patient(data: JsonObject) -> JsonObject:
    """Upgrade: the rows said group where they say patient now."""
    rows = data.get("per_image")
    if not isinstance(rows, list):
        return data
    named: list[JsonValue] = [centre_and_patient(row) for row in rows if isinstance(row, dict)]
    return data | {"per_image": named}


def masks_by_part(data: JsonObject) -> JsonObject:
    """Upgrade: the first evaluations measured the fused masks alone, and did not name the part."""
    masks = data.get("masks")
    if isinstance(masks, dict) and masks and not any(isinstance(one, dict) for one in masks.values()):
        return data | {"masks": {"fused": masks}}
    return data


FACTS: dict[str, type[Facts]] = {
    "method": TrainingFacts,
    "pseudo_masks": PseudoMaskFacts,
    "detector": TrainingFacts,
    "segmenter": TrainingFacts,
    "prediction": PredictionFacts,
    "fusion": FusionFacts,
    "instances": InstanceFacts,
    "evaluation": EvaluationFacts,
}


def facts_of(kind: str, data: Mapping[str, object]) -> Facts:
    """The stored facts of a stage of this kind, in the shape of any version so far. A publication has none."""
    return FACTS.get(kind, Facts).stored(data)
