"""A finished round as one folder that `boxwise predict` runs elsewhere, without a server: weights, settings, a card."""

import json
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import IO

from django.utils.translation import gettext as _

from inference.documents.bundle import Bundle, BundleSettings
from inference.documents.methods import METHODS, PROMPTERS, WITHOUT_CHECKPOINT
from inference.documents.stage_reports import EvaluationFacts, TrainingFacts
from labeling.errors import WrongState
from labeling.rounds.messages import about_round
from labeling.rounds.methods import counts_of
from labeling.rounds.models import Artifact, ModelVersion, Round
from labeling.rounds.results.card_header import header
from labeling.rounds.weights.promotion import models_of
from labeling.rounds.weights.starting import learns_something, licences, lineage

METHOD = "boxcell-1"  # the layout of inference/methods/boxcell.py; tests/labeling/test_round_import.py loads it there
OWN_PROMPTER_FILE = "prompter.weights"  # in the folder; what kind of file it is follows from its content


def licence_lines(models: dict[str, ModelVersion]) -> list[str]:
    lines: list[str] = []
    for _kind, model in sorted(models.items()):
        lines += [f"- {version}: data under {licence}" for version, licence in licences(model)]
    return lines


def folder_name(round_: Round) -> str:
    return f"boxwise-project-{round_.project_id}-round-{round_.number}"


def export_round(*, round_: Round, path: Path) -> Path:
    """Write the zip file `path`. Raises WrongState for a round that has not finished."""
    if round_.state != Round.State.PUBLISHED:
        words = _("round {n} is {state}; only a finished round can be taken elsewhere")
        raise about_round(WrongState, words, round_, state=_(round_.get_state_display()))
    models = {model.kind: model for model in models_of(round_)}
    needed = {"method"} if round_.parameters.is_whole else {"detector", "segmenter"}
    if set(models) != needed:
        raise about_round(WrongState, _("round {n} has no weights in the registry"), round_)
    name = folder_name(round_)
    if round_.parameters.is_whole:
        return _export_whole(round_, models, path)
    sent = with_own_prompter(round_, models)
    cards = {kind: version for kind, model in sent.items() if (version := with_card(model)) is not None}
    files = {f"{kind}.safetensors": model.artifact for kind, model in models.items()}
    own = round_.parameters.prompter.weights
    if own:  # without them the folder would find other masks than the round
        files[OWN_PROMPTER_FILE] = Artifact.objects.get(pk=own)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for member, artifact in files.items():
            with (
                artifact.file.open("rb") as source,
                archive.open(f"{name}/{member}", "w", force_zip64=True) as target,
            ):
                shutil.copyfileobj(source, target)
        archive.writestr(f"{name}/boxcell.json", json.dumps(bundle(round_, models).as_json(), indent=1, sort_keys=True))
        archive.writestr(f"{name}/README.md", card(round_, models))
        for kind, version in cards.items():  # what came with weights from elsewhere goes on with them
            assert version.source is not None
            archive.writestr(f"{name}/cards/{kind}-{version.number}.md", version.source.card)
    return path


def with_own_prompter(round_: Round, models: dict[str, ModelVersion]) -> dict[str, ModelVersion]:
    """All versions whose weights are in the folder: a team's own prompter, too."""
    own = round_.parameters.prompter.weights
    if not own or round_.parameters.is_whole:
        return models
    found = round_.project.model_versions.filter(kind=ModelVersion.Kind.PROMPTER, artifact=own).order_by("pk").first()
    return models if found is None else {**models, "prompter": found}


def _export_whole(round_: Round, models: dict[str, ModelVersion], path: Path) -> Path:
    """The bundle of a method that is trained as a whole, as it was written, beside its card."""
    name = folder_name(round_)
    with (
        models["method"].artifact.file.open("rb") as stored,
        zipfile.ZipFile(stored) as bundle,
        zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive,
    ):
        for member in bundle.infolist():
            with (
                bundle.open(member) as source,
                archive.open(f"{name}/{member.filename}", "w", force_zip64=True) as target,
            ):
                shutil.copyfileobj(source, target)
        archive.writestr(f"{name}/README.md", card(round_, models))
    return path


def with_card(model: ModelVersion) -> ModelVersion | None:
    """The oldest version that this one learned from and that came with a card."""
    carded = [version for version in lineage(model) if version.source and version.source.card]
    return carded[-1] if carded else None


def export_file(round_: Round) -> IO[bytes]:
    """The same as an open file that is gone when it is closed. Raises WrongState."""
    with tempfile.TemporaryDirectory() as folder:
        return export_round(round_=round_, path=Path(folder) / "round.zip").open("rb")


def bundle(round_: Round, models: dict[str, ModelVersion]) -> Bundle:
    """The settings as inference.methods.boxcell keeps them, and what another Boxwise needs to import the weights:
    their hashes, the names of the detector's classes, and the licences of what they learned from."""
    c = round_.parameters
    parts = {"detector": "detector.safetensors", "segmenter": "segmenter.safetensors"}
    if c.prompter.weights:
        parts["prompter"] = OWN_PROMPTER_FILE
    return Bundle(
        method=METHOD,
        sha256={kind: model.artifact.sha256 for kind, model in models.items()},
        class_names=models["detector"].class_names,
        licences={kind: licences(model) for kind, model in models.items()},
        prompter=c.prompter.name,
        parts=parts,
        settings=BundleSettings(
            prompter=c.prompter.name,
            detector=c.detector.name,
            segmenter=c.segmenter.name,
            preset=c.detector.preset,
            classes=models["detector"].artifact.facts_as(TrainingFacts).classes,
            fusion=c.fusion,
            least_area=c.instances.smallest,
        ),
    )


def card(round_: Round, models: dict[str, ModelVersion]) -> str:
    """The model card: what it is, what it learned from, how good it was, what it may be used for."""
    summary = round_.snapshot.counts
    train = summary.splits["train"]
    evaluation = round_.stages.filter(kind="evaluation", artifact__isnull=False).select_related("artifact").first()
    made = evaluation.artifact if evaluation is not None else None
    facts = made.facts_as(EvaluationFacts) if made is not None else EvaluationFacts()
    scale = summary.um_per_px
    if learns_something(round_):
        learned = [
            f"- {train.annotated} images with {drawn_words(round_)}; people verified {train.verified_masks} masks",
            f"- snapshot sha256 {round_.snapshot.sha256}",
            f"- scale: {f'{scale:g} µm per pixel' if scale else 'not stated'}",
        ]
    else:
        learned = ["- nothing in this round: its weights were used as they were"]
    lines = [
        header(round_, facts),
        f"# {round_.project.name}, round {round_.number}",
        "",
        f"{what_it_makes(round_)}, trained with Boxwise.",
        "",
        "    boxwise predict THIS_FOLDER IMAGES -o OUT",
        "",
        "## Models",
        *(
            f"- {m}, {m.get_origin_display()}: {m.architecture}, {m.artifact.size} bytes, sha256 {m.artifact.sha256}"
            for kind, m in sorted(models.items())
        ),
        *net_lines(round_, models),
        "",
        "## Learned from",
        f"- method: {METHODS[round_.parameters.method].title}, {METHODS[round_.parameters.method].description}",
        *learned,
        *licence_lines(with_own_prompter(round_, models)),
        "",
        "## Measured on held-out images",
    ]
    if facts.box_ap50 is not None:
        lines.append(f"- box AP at IoU 0.5: {facts.box_ap50:.3f} on {facts.images} images")
    for part, measures in facts.masks.items():
        named = {"dice": measures.dice, "aji": measures.aji, "pq": measures.pq}
        shown = ", ".join(f"{name} {value:.3f}" for name, value in named.items() if value is not None)
        lines.append(f"- masks, {part}: {shown} on {facts.reference_images} images")
    notes = (facts.sentence, facts.optimistic, facts.elsewhere, facts.seen_before)
    lines += [f"- {note}" for note in notes if note]
    lines += [
        "",
        how_it_differs(round_),
        "",
        "## Intended use",
        "Proposals for people to judge, on tissue, stain and scale like those above. Not for diagnosis.",
        "",
    ]
    return "\n".join(lines)


REPRODUCED = "What of its paper is reproduced, what is decided here and what differs: docs/methods.md of Boxwise."
OF_PARTS = (
    "The folder repeats detector, segmenter, fusion and instances. The round also held each cell within its box "
    "and dropped detections below its own threshold, so its proposals may differ a little from these masks."
)
OF_WHOLE = (
    "The folder repeats the method. The round also left out cells below its least area and what people had judged "
    "already, so its proposals may differ a little from these masks."
)


def what_it_makes(round_: Round) -> str:
    method = METHODS[round_.parameters.method]
    if method.is_whole:
        return f"Instance masks of cells by {method.title}"
    return "Boxes and instance masks of cells by BoxCell (arXiv:2311.17960)"


def how_it_differs(round_: Round) -> str:
    """What the folder does otherwise than the round did."""
    return f"{OF_WHOLE} {REPRODUCED}" if round_.parameters.is_whole else OF_PARTS


def net_lines(round_: Round, models: dict[str, ModelVersion]) -> list[str]:
    """The prompter of a method of parts; of one that is trained as a whole its net, which is in the folder."""
    chosen = round_.parameters
    if not chosen.is_whole and chosen.prompter.weights:
        return [f"- prompter: {chosen.prompter.name} with the project's own weights, in {OWN_PROMPTER_FILE}"]
    if not chosen.is_whole:
        return [prompter_line(chosen.prompter.name)]
    trained = models["method"].artifact.facts_as(TrainingFacts).trained_parameters
    lines = [] if trained is None else [f"- trained parameters: {trained}"]
    if METHODS[chosen.method].nets:
        lines.append(
            f"- net: {PROMPTERS.get(chosen.prompter.name, chosen.prompter.name)}; its weights are in this folder"
        )
    return lines


def drawn_words(round_: Round) -> str:
    """How many boxes and points people drew on the training images."""
    images = [image for image in round_.snapshot.document().images if image.split == "train"]
    cells = counts_of(images)
    points = cells["points"]
    words = f"{cells.total() - points} boxes"
    if points:
        words += f" and {points} points"
    if METHODS[round_.parameters.method].labels[0] == "masks":
        return f"{words}, of which this method learns from verified masks"
    unused = points and not round_.parameters.learns_from_points
    return f"{words}, of which this method learns nothing" if unused else words


def prompter_line(name: str) -> str:
    """Which prompter the folder needs, and where it is to be had."""
    if name in WITHOUT_CHECKPOINT:
        return f"- prompter: {name} (comes with Boxwise)"
    return f"- prompter: {PROMPTERS[name]}; its checkpoint is not in this folder: boxwise models pull {name}"
