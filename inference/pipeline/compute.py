"""The stages of a round on files alone: what goes in, what comes out, how it is named (docs/design.md, idea 3).

Every stage has a version number that must change when equal inputs may give another result; with its inputs and
parameters it makes the stage's key. How the work is kept image by image stands in units.py.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inference import registry
from inference.crumbs import crumb_areas, lone_share, without_crumbs
from inference.documents.configuration import Instances, RoundConfiguration, check
from inference.documents.publication import Certificate
from inference.documents.snapshot import Snapshot
from inference.documents.stage_reports import (
    Facts,
    FusionFacts,
    InstanceFacts,
    ModelNames,
    PredictionFacts,
    PseudoMaskFacts,
    TrainingFacts,
)
from inference.fusion import Parameters, certificate, fuse
from inference.fusion.warm import warm
from inference.masks import cells_of, clip, rasterise_boxes, surroundings
from inference.pipeline import whole
from inference.pipeline.acquisition import embedding, image_scores
from inference.pipeline.evaluation import detected_masks, evaluation, is_judged, parameters_of
from inference.pipeline.imported_weights import inspect
from inference.pipeline.painting import bits_of, bounded_instances, extents_of, masks_of_cells, paint
from inference.pipeline.people import is_new, proposed_on, taught_by
from inference.pipeline.snapshots import Cell, Field, boxes_of_cells, digest, learning_digest
from inference.pipeline.units import (
    FusionUnit,
    InstanceUnit,
    PredictionUnit,
    PseudoMaskUnit,
    Setting,
    bundle,
    class_names,
    each_unit,
    plain_settings,
    read_unit,
    trainer_of,
)
from inference.training.loop import trained_parameters
from inference.types import (
    Boxes,
    BoxMask,
    InferenceError,
    Labels,
    Mask,
    Progress,
    Prompter,
    Prompts,
    Sample,
    UnreadableImage,
)
from inference.weights import shipped

VERSIONS = {
    "method": 1,
    "pseudo_masks": 1,
    "detector": 2,
    "segmenter": 1,
    "prediction": 4,
    "fusion": 3,
    "instances": 5,
    "evaluation": 5,
    "publication": 3,
}


def keys(content: Snapshot, configuration: RoundConfiguration) -> dict[str, str]:
    """Kind -> key of every stage of a round: hash of inputs, parameters, and the versions of stage and model.

    Every stage asks for its key first, so a configuration that no stage could use ends here, before any training.
    Raises limits.OutOfBounds.
    """
    check(configuration)
    learned = learning_digest(content)
    if configuration.is_whole:
        return keys_of_whole(content, configuration, learned)
    points = configuration.learns_from_points
    # Not what is said of the reference set: its masks stand with their images, and words predict nothing anew.
    everything = digest(content.predicted_from())
    # Asked for its name alone: on the CPU, which every worker has. Where a net computes is no part of a key.
    prompter = [configuration.prompter.as_json(), prompter_name(configuration)]
    detector, segmenter = configuration.detector, configuration.segmenter
    start = configuration.evaluation  # what is to be said of weights that learned elsewhere, or of what judges
    named = Keys()
    name = named.name

    # Weights that are used as they are hang on nothing that anybody annotated.
    by_method = [configuration.method] if points else []  # a method of before it had a name keeps its keys
    name("pseudo_masks", *([] if segmenter.as_is else [learned, prompter, *by_method]))
    taught: dict[str, list[Any]] = {"detector": [learned], "segmenter": [named["pseudo_masks"]]}
    if points:
        taught["detector"] = [learned, prompter, configuration.method]
        taught["segmenter"].append(prompter)
    for kind, chosen in (("detector", detector), ("segmenter", segmenter)):
        name(kind, *([] if chosen.as_is else taught[kind]), chosen.as_json(), trainer_of(kind, chosen).name)
    name("prediction", everything, named["detector"], named["segmenter"], prompter, configuration.prediction.as_json())
    name("fusion", named["prediction"], configuration.fusion.as_json(), certificate.VERSION)
    name("instances", named["fusion"], configuration.instances.as_json())
    name("evaluation", named["instances"], learned, *([start.as_json()] if start else []))
    name("publication", named["instances"])
    return named


def prompter_name(configuration: RoundConfiguration) -> str:
    """What names the prompter's weights: the key of a team's own, else the name that the prompter gives itself."""
    chosen = configuration.prompter
    return chosen.weights or registry.prompter(chosen.name, device="cpu").name


class Keys(dict[str, str]):
    """Kind of a stage -> its key."""

    def name(self, kind: str, *inputs: Any) -> None:
        """Hash the inputs with the stage's version."""
        self[kind] = digest([kind, VERSIONS[kind], *inputs])


def keys_of_whole(content: Snapshot, configuration: RoundConfiguration, learned: str) -> dict[str, str]:
    """The keys of a round whose method is trained as a whole. learned: the digest of what it learns from."""
    named = Keys()
    recipe = configuration.training
    named.name("method", learned, configuration.method, recipe.as_json(), *whole.identity(configuration))
    everything = digest(content.predicted_from())
    named.name("prediction", everything, named["method"], configuration.prediction.as_json())
    named.name("instances", named["prediction"], configuration.instances.as_json())
    start = configuration.evaluation
    named.name("evaluation", named["instances"], learned, *([start.as_json()] if start else []))
    named.name("publication", named["instances"])
    return named


# -- the stages: each returns its artifact and facts worth showing


def pseudo_masks(setting: Setting) -> tuple[Path, PseudoMaskFacts]:
    """Masks inside people's boxes: what the segmenter learns from. A mask that a person verified is taken as it is."""
    prompter = setting.prompter()
    fields = [f for f in setting.fields if f.annotated and f.split in ("train", "val")]
    if setting.configuration.segmenter.as_is:
        fields = []
        setting.report(Progress(0, 0, "the segmenter is used as it is, so it needs no masks to learn from"))

    def make(field: Field) -> PseudoMaskUnit:
        cells, _ = taught_by(setting, field)
        masks, _ = masks_of_cells(prompter, field, cells)
        return {"labels": paint(masks, field)}

    cells = sum(int(unit["labels"].max(initial=0)) for _, unit in each_unit(PseudoMaskUnit, setting, fields, make))
    facts = PseudoMaskFacts(images=len(fields), cells=cells, prompter=prompter.name)
    return bundle(setting, "pseudo_masks.zip"), facts


def taught_extents(prompter: Prompter, field: Field, cells: list[Cell], valid: Mask) -> tuple[list[Cell], Boxes, Mask]:
    """The boxes of the cells that teach a detector: of a point, of the mask that a click gives it.

    A point in which the prompter finds nothing is left out with its surroundings: it is a cell, of unknown size.

    -> the cells that are left, (n, 4) their boxes, and `valid` without what is unknown
    """
    masks, _ = masks_of_cells(prompter, field, cells)
    kept = [(cell, mask) for cell, mask in zip(cells, masks, strict=True) if mask is not None or not cell.is_point]
    lost = [cell for cell, mask in zip(cells, masks, strict=True) if mask is None and cell.is_point]
    unknown = rasterise_boxes(surroundings(boxes_of_cells(lost)), field.width, field.height)
    left = [cell for cell, _ in kept]
    return left, extents_of(left, [mask for _, mask in kept]), valid & ~unknown


def samples(setting: Setting, split: str, *, with_labels: bool) -> list[Sample]:
    """The annotated fields of a split as training samples."""
    found = []
    single = setting.class_count == 1
    prompter = setting.prompter() if setting.configuration.learns_from_points else None
    for field in setting.fields:
        if not field.annotated or field.split != split:
            continue
        cells, valid = taught_by(setting, field)
        try:
            rgb = field.rgb()
            boxes = boxes_of_cells(cells)
            if prompter is not None:
                cells, boxes, valid = taught_extents(prompter, field, cells, valid)
            labels = _pseudo_masks(setting, field) if with_labels else None
        except UnreadableImage as error:
            setting.report(Progress(0, 0, f"image {field.image} teaches nothing: {error}"))
            continue
        classes = np.array([0 if single else cell.class_index or 0 for cell in cells], np.int64)
        found.append(Sample(rgb, boxes, classes, valid, labels, str(field.image)))
    return found


def _pseudo_masks(setting: Setting, field: Field) -> Labels:
    return read_unit(PseudoMaskUnit, setting.inputs["pseudo_masks"], field.image)["labels"]


def detector(setting: Setting) -> tuple[Path, TrainingFacts]:
    return _train(setting, "detector", with_labels=False)


def segmenter(setting: Setting) -> tuple[Path, TrainingFacts]:
    return _train(setting, "segmenter", with_labels=True)


def _train(setting: Setting, kind: str, *, with_labels: bool) -> tuple[Path, TrainingFacts]:
    if setting.configuration.is_as_is(kind):
        return _passed_on(setting, kind)
    trainer = setting.trainer(kind)
    learned = samples(setting, "train", with_labels=with_labels)
    checked = samples(setting, "val", with_labels=with_labels)
    weights = trainer.train(
        learned, checked,
        work=setting.work / "training", report=setting.report, stop=setting.stop,
        start_from=setting.inputs.initial_weights,
    )  # fmt: skip
    return weights, TrainingFacts(
        images=len(learned),
        validation_images=len(checked),
        model=trainer.name,
        cells=sum(len(sample.boxes) for sample in learned),
        classes=setting.class_count,
        # Every parameter, not only the name of the preset: presets change, what this round used does not.
        settings=plain_settings(asdict(trainer.settings)),
        trained_parameters=trained_parameters(setting.work),
    )


def _passed_on(setting: Setting, kind: str) -> tuple[Path, TrainingFacts]:
    """Weights that are used as they are, the shipped ones unless others are named: looked at, not trained."""
    name = setting.model(kind).name
    weights = setting.inputs.initial_weights or shipped(name)
    if weights is None:
        raise InferenceError(f"no weights of the {kind} {name!r} come with this program; choose others, or train")
    found = inspect(weights)
    setting.report(Progress(1, 1, f"{found.model}, sha256 {found.sha256[:12]}, is used as it is: nothing is trained"))
    return weights, TrainingFacts(model=found.model, classes=found.classes, settings=found.settings)


def prediction(setting: Setting) -> tuple[Path, PredictionFacts]:
    """Both halves of every image; what portions have made already is taken as it is."""
    make, names = predictor_of(setting)
    made = [len(unit["boxes"]) for _, unit in each_unit(PredictionUnit, setting, setting.fields, make)]
    facts = PredictionFacts(images=len(made), boxes=sum(made), models=names)
    if len(made) < len(setting.fields):
        facts = facts.with_(unreadable_images=len(setting.fields) - len(made))
    return bundle(setting, "prediction.zip"), facts


def predictor_of(setting: Setting) -> tuple[Callable[[Field], PredictionUnit], ModelNames]:
    """What makes the prediction of one image, once its models are loaded, and their names."""
    return whole.found_by(setting) if setting.configuration.is_whole else predictor(setting)


def predictor(setting: Setting) -> tuple[Callable[[Field], PredictionUnit], ModelNames]:
    """Load the models. -> what makes M_D (boxes -> masks) and M_S (the segmenter's mask) of one image, and the models'
    names.

    M_D is prompted by people's boxes; detected boxes are added where nobody has declared the annotation exhaustive and
    where they do not overlap a person's box.
    """
    chosen = setting.configuration.prediction
    prompter = setting.prompter()
    find = setting.trainer("detector").load(setting.inputs["detector"])
    segment = setting.trainer("segmenter").load(setting.inputs["segmenter"])
    class_of = class_names(setting)

    def make(field: Field) -> PredictionUnit:
        field = proposed_on(setting.content, field)
        rgb = field.rgb()
        detected = find.detect(rgb)
        sure = detected.scores >= chosen.detector_threshold
        added = np.flatnonzero(sure & is_new(detected.boxes, field, chosen.person_overlap))
        masks, _ = masks_of_cells(prompter, field, field.cells)
        answer = prompter.decode(prompter.encode(rgb), Prompts(detected.boxes[added])) if len(added) else None
        if answer is not None:
            masks += [mask if mask.bits.any() else None for mask in answer.masks]
        boxes = np.concatenate([extents_of(field.cells, masks[: len(field.cells)]), detected.boxes[added]])
        scores = np.concatenate([np.ones(len(field.cells), np.float32), detected.scores[added]])
        order = np.argsort(-scores, kind="stable").tolist()  # the surer box keeps contested pixels
        classes = [cell.class_index for cell in field.cells] + [class_of(int(c)) for c in detected.classes[added]]
        alone = detected_masks(prompter, rgb, detected) if is_judged(field) else {}
        return {
            **alone,
            "m_d": paint(masks, field, order),
            "m_s": np.packbits(segment.foreground(rgb) >= 0.5, axis=None),
            "boxes": boxes,
            "scores": scores,
            "classes": classes,
            "sources": [cell.uid for cell in field.cells] + [None] * len(added),
            "detected_boxes": detected.boxes,
            "detected_scores": detected.scores,
        }

    return make, ModelNames(detector=find.name, segmenter=segment.name, prompter=prompter.name)


def fusion(setting: Setting) -> tuple[Path, FusionFacts]:
    """BoxCell's eq. (7) for every image, with its certificate."""
    parameters = parameters_of(setting.configuration.fusion)
    warm()

    def make(field: Field) -> FusionUnit:
        return fused_unit(field, setting.predicted(field.image), parameters)

    made = each_unit(FusionUnit, setting, setting.readable(), make)
    certificates = [Certificate.stored(unit["certificate"]) for _, unit in made]
    if not certificates:
        raise InferenceError("none of the images can be read, so there is nothing to fuse")
    return bundle(setting, "fusion.zip"), FusionFacts(
        images=len(certificates),
        closed=sum(one.closed for one in certificates),
        ambiguous_share=float(np.mean([one.ambiguous_share for one in certificates])),
        median_milliseconds=float(np.median([one.total_milliseconds for one in certificates])),
    )


def instance_maps(setting: Setting) -> tuple[Path, InstanceFacts]:
    """One id a cell, without crumbs, and how doubtful each cell is."""

    fields = setting.readable()
    chosen = setting.configuration.instances
    crumb = crumb_areas(setting.content, chosen.crumbs)

    def make(field: Field) -> InstanceUnit:
        if setting.configuration.is_whole:
            return whole.whole_instances(field, setting.predicted(field.image), chosen, crumb[field.image])
        fused = read_unit(FusionUnit, setting.inputs["fusion"], field.image)
        return instances_unit(field, setting.predicted(field.image), fused, chosen, crumb[field.image])

    cells = crumbs = 0
    for _, unit in each_unit(InstanceUnit, setting, fields, make):
        cells += len(np.unique(unit["labels"])) - 1
        crumbs += unit["crumbs"]
    return bundle(setting, "instances.zip"), InstanceFacts(images=len(fields), cells=cells, crumbs=crumbs)


def fused_unit(field: Field, unit: PredictionUnit, parameters: Parameters) -> FusionUnit:
    """The fusion of one field. unit: of its prediction."""
    segmented = bits_of(unit["m_s"], field)
    rgb = field.rgb()
    fused = fuse(rgb, unit["m_d"] > 0, segmented, parameters)
    return {
        "mask": np.packbits(fused.mask, axis=None),
        "pixels": fused.pixels,
        "certificate": fused.certificate.as_dict(),
        "queue": image_scores(unit["m_d"], segmented, unit["detected_scores"], fused.probability),
        "embedding": embedding(rgb, fused.mask).tolist(),
    }


def instances_unit(
    field: Field, unit: PredictionUnit, fused: FusionUnit, chosen: Instances, crumb: float
) -> InstanceUnit:
    """The instances of one field, and the doubt of each: the larger of its share of ambiguous pixels and 1 - its
    box's score.

    unit, fused  of its prediction and of its fusion
    crumb        px below which a piece is a crumb
    """
    labels = bounded_instances(bits_of(fused["mask"], field), unit["m_d"], unit["boxes"], chosen)
    boxed = [number for number, source in enumerate(unit["sources"], start=1) if source]
    lone = lone_share(chosen.crumbs)
    labels, crumbs = without_crumbs(labels, crumb, boxes=len(unit["boxes"]), keep=boxed, lone=lone)
    ambiguous = np.zeros(field.width * field.height, bool)
    ambiguous[fused["pixels"]] = True
    count = int(labels.max(initial=0)) + 1
    area = np.bincount(labels.ravel(), minlength=count)
    unsure = np.bincount(labels.ravel()[ambiguous], minlength=count)
    scores = np.concatenate([[0.0], unit["scores"], np.zeros(max(0, count - 1 - len(unit["scores"])))])[:count]
    doubt = np.maximum(unsure / np.maximum(area, 1), 1 - scores)
    doubt[len(unit["scores"]) + 1 :] = 1.0  # no box stands behind these
    return {"labels": labels, "doubt": doubt.astype(np.float32), "crumbs": crumbs}


# Stages whose images can be made by many workers: what makes one image, once its models are loaded.
SPREAD: dict[str, Callable[[Setting], tuple[Callable[[Field], PredictionUnit], ModelNames]]] = {
    "prediction": predictor_of
}
RUN: dict[str, Callable[[Setting], tuple[Path, Facts]]] = {
    "method": whole.train,
    "pseudo_masks": pseudo_masks,
    "detector": detector,
    "segmenter": segmenter,
    "prediction": prediction,
    "fusion": fusion,
    "instances": instance_maps,
    "evaluation": evaluation,
}


@dataclass(frozen=True)
class Proposal:
    """One cell as a round proposes it: tight mask, class index, the person's cell it was prompted by, and doubt
    0..1."""

    number: int
    mask: BoxMask
    class_index: int | None
    source: str | None
    doubt: float


def proposals(field: Field, prediction_unit: PredictionUnit, instances_unit: InstanceUnit) -> list[Proposal]:
    """What is worth a person's look. A cell whose mask a person has verified is not proposed again."""
    settled = {cell.uid for cell in field.cells if cell.mask is not None}
    nobody_asks = rasterise_boxes(np.concatenate([field.ignore, field.cannot_tell]), field.width, field.height)
    found = []
    for number, mask in cells_of(instances_unit["labels"]):
        known = number <= len(prediction_unit["sources"])
        source = prediction_unit["sources"][number - 1] if known else None
        inside = clip(mask, field.width, field.height)
        if inside is None or (source and source in settled):
            continue
        h, w = inside.bits.shape
        if source is None and nobody_asks[inside.y : inside.y + h, inside.x : inside.x + w][inside.bits].mean() > 0.5:
            continue
        class_index = prediction_unit["classes"][number - 1] if known else None
        found.append(Proposal(number, inside, class_index, source, float(instances_unit["doubt"][number])))
    return found


@dataclass(frozen=True)
class Detected:
    """boxes at or above the threshold, and the score of the surest of all boxes, None without any."""

    boxes: int
    best_score: float | None


def detected(prediction_unit: PredictionUnit, threshold: float) -> Detected:
    """What the detector said of an image, for people who ask why a round proposed little or nothing there."""
    scores = prediction_unit["detected_scores"]
    best = float(np.max(scores)) if len(scores) else None
    return Detected(int(np.count_nonzero(scores >= threshold)), best)
