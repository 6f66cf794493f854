"""What a round proposes on each image, made of the units of its stages; tasks.py writes it."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from inference.documents.publication import Certificate, Provenance, PublicationFacts
from inference.documents.snapshot import Snapshot
from inference.documents.stage_reports import PredictionFacts
from inference.masks import pack
from inference.pipeline import compute
from inference.pipeline.acquisition import colour_distance, priorities
from inference.pipeline.people import proposed_on
from inference.pipeline.snapshots import Field
from inference.pipeline.units import FusionUnit, Inputs, InstanceUnit, PredictionUnit, Setting, read_unit
from labeling.annotations.services import Loaded
from labeling.annotations.state import AnnotationState, PackedMask
from labeling.images.models import Image
from labeling.rounds.models import Stage
from labeling.rounds.results import outcome

NAMESPACE = uuid.UUID("0e1b8a1c-59d3-5f0e-9f5e-3f1f5b0c9a11")  # proposals get the same uid when published again
DOUBTS = ("ambiguous", "entropy", "disagreement")  # of the scores of an image, those that need no reference


@dataclass(frozen=True)
class Layer:
    """What is published on one image. certificate: None of a method without a fusion."""

    image: Image
    proposals: list[Loaded]
    certificate: Certificate | None
    facts: PublicationFacts


class Layers:
    """The layers of a round, made one by one; what needs all images at once is computed when this is made."""

    def __init__(self, stage: Stage, setting: Setting) -> None:
        content, inputs = setting.content, setting.inputs
        self.round, self.content, self.inputs = stage.round, content, inputs
        self.class_ids = [entry.id for entry in content.classes]
        self.is_whole = setting.configuration.is_whole
        self.threshold = setting.configuration.own_threshold
        self.entries = {entry.image: entry for entry in content.images}
        self.stains = dict(Image.everything.filter(project=self.round.project_id).values_list("pk", "stain"))
        predicted = self.round.stages.select_related("artifact").get(kind="prediction").artifact
        assert predicted is not None
        self.model_names = predicted.facts_as(PredictionFacts).models
        readable = setting.readable()
        self.readable = {f.image for f in readable}
        scored = _scored(readable, inputs, is_whole=self.is_whole)
        without_reference = [f for f in readable if f.reference is None]
        self.priorities = _queue(without_reference, scored, self.round.pk)
        self.signals = _signals(content, readable, scored)

    def of(self, field: Field, say: Callable[[str], None]) -> Layer | None:
        """None, said in the log, where the image cannot be read; None too where it left the project meanwhile."""
        if field.image not in self.readable:
            say(f"image {field.image} gets no proposals: it cannot be read")
            return None
        image = Image.everything.filter(pk=field.image).first()  # one that is deleted meanwhile may be restored
        if image is None:  # taken out of the project since the snapshot
            return None
        certificate = None if self.is_whole else self._certificate(field)
        predicted = read_unit(PredictionUnit, self.inputs["prediction"], field.image)
        instances = read_unit(InstanceUnit, self.inputs["instances"], field.image)
        found = compute.proposals(proposed_on(self.content, field), predicted, instances)
        provenance: Provenance = {
            "round": self.round.pk,
            "round_number": self.round.number,
            "models": self.model_names.by_kind(),
        }
        loaded = [_loaded(self.round.pk, field, proposal, self.class_ids, provenance) for proposal in found]
        return Layer(image, loaded, certificate, self._facts(field, found, predicted, instances))

    def _certificate(self, field: Field) -> Certificate:
        fused = read_unit(FusionUnit, self.inputs["fusion"], field.image)
        return Certificate.stored(fused["certificate"])

    def _facts(
        self, field: Field, found: Sequence[compute.Proposal], predicted: PredictionUnit, instances: InstanceUnit
    ) -> PublicationFacts:
        boxes = len(predicted["sources"])
        detected = compute.detected(predicted, self.threshold)
        facts = PublicationFacts(
            proposals=len(found),
            boxless=sum(proposal.number > boxes for proposal in found),
            crumbs=instances.get("crumbs", 0),
            priorities=self.priorities.get(str(field.image), {}),
            signals=self.signals.get(field.image, {}),
            detected=detected.boxes,
            best_score=detected.best_score,
        )
        if found:
            return facts
        entry, threshold = self.entries[field.image], self.threshold
        causes = outcome.causes_of_none(self.content, entry, facts, threshold=threshold, stains=self.stains)
        return facts.with_(why=tuple(causes))


@dataclass(frozen=True)
class Scored:
    """What is known of an image besides its masks: its scores, and its colours (acquisition.embedding)."""

    scores: dict[str, float]
    embedding: list[float]


def _scored(fields: list[Field], inputs: Inputs, *, is_whole: bool) -> dict[int, Scored]:
    """Image -> what the fusion says of it, or the instances of a method that is trained as a whole."""
    found = {}
    for field in fields:
        unit: FusionUnit | InstanceUnit
        if is_whole:
            unit = read_unit(InstanceUnit, inputs["instances"], field.image)
        else:
            unit = read_unit(FusionUnit, inputs["fusion"], field.image)
        found[field.image] = Scored(unit["queue"], unit["embedding"])  # not its masks: memory
    return found


def _queue(fields: list[Field], scored: dict[int, Scored], seed: int) -> dict[str, dict[str, float]]:
    """Image -> strategy -> score of what to annotate next, for images without an exhaustive region."""
    seen: set[str] = set()
    scores: dict[str, dict[str, float]] = {}
    embeddings: dict[str, list[float]] = {}
    for field in fields:
        name = str(field.image)
        scores[name] = scored[field.image].scores
        embeddings[name] = scored[field.image].embedding
        if field.annotated:
            seen.add(name)
    return priorities(scores, embeddings, seen=seen, seed=seed)


def _signals(content: Snapshot, fields: list[Field], scored: dict[int, Scored]) -> dict[int, dict[str, float]]:
    """What the round says, without any reference, of the images that did not teach it: image -> score -> number.

    Its doubt (DOUBTS) is the models' own only where no person has drawn: people's boxes are prompts, and would make a
    scanner look good because it was annotated. Colours hang on nobody's boxes.
    """
    taught = np.array([f.annotated and f.split == "train" for f in fields], bool)
    embeddings = np.array([scored[f.image].embedding for f in fields], np.float64)
    colours = colour_distance(embeddings, taught)
    found: dict[int, dict[str, float]] = {}
    for field, teaches, colour in zip(fields, taught, colours, strict=True):
        known = proposed_on(content, field)
        has_people = known.annotated or known.cells
        scores = {} if has_people or teaches else scored[field.image].scores
        signals = {name: scores[name] for name in DOUBTS if name in scores}
        if not teaches and np.isfinite(colour):
            signals["colour"] = float(colour)
        found[field.image] = signals
    return found


def _loaded(
    round_id: int, field: Field, proposal: compute.Proposal, class_ids: list[int], provenance: Provenance
) -> Loaded:
    mask = proposal.mask
    height, width = mask.bits.shape
    x, y = mask.x, mask.y
    index = proposal.class_index
    if index is None and len(class_ids) == 1:
        index = 0
    state = AnnotationState(
        kind="cell",
        status="confirmed",
        box=(float(x), float(y), float(x + width), float(y + height)),
        label_class=None if index is None else class_ids[index],
        mask=PackedMask(x, y, width, height, pack(mask.bits)),
        derived_from=uuid.UUID(proposal.source) if proposal.source else None,
        provenance=provenance,
    )
    uid = uuid.uuid5(NAMESPACE, f"{round_id}/{field.image}/{proposal.number}")
    doubt = min(1.0, max(0.0, proposal.doubt))
    return Loaded(uid=uid, state=state, score=doubt)
