"""Celery tasks: the only place that sees both the models and the website. Rows are written through labeling's
services alone.

A stage is owned through a lease on its row, renewed by a thread for as long as this process lives. A task that is
delivered twice claims nothing the second time; a worker that dies leaves its finished units behind, and the next one
goes on after them.
"""

import contextlib
import errno
import hashlib
import logging
import shutil
import tempfile
import uuid
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from time import monotonic, sleep

import numpy as np
from celery import shared_task
from django.conf import settings
from django.core.files.storage import default_storage

from inference.documents.publication import Certificate, Provenance, PublicationFacts
from inference.documents.snapshot import Snapshot
from inference.documents.stages import PredictionFacts, TrainingFacts
from inference.masks import pack
from inference.pipeline import compute, imported_weights, units
from inference.pipeline.acquisition import colour_distance, priorities
from inference.pipeline.snapshots import Field, fields_of
from inference.pipeline.tuning import tune
from inference.types import Cancelled, InferenceError, Progress
from inference.worker import needs
from inference.worker.leases import Lease, PortionLease
from labeling.annotations.services import Loaded
from labeling.annotations.state import AnnotationState, PackedMask
from labeling.images.models import Image
from labeling.leases import AWAY, LeaseLost, patiently
from labeling.rounds import artifacts
from labeling.rounds.configuration import NETS
from labeling.rounds.execution import portions, stages
from labeling.rounds.execution.backoff import reason, usage_sentence
from labeling.rounds.models import Artifact, Portion, Stage, Tuning
from labeling.rounds.results import outcome, tuning
from labeling.rounds.results.publishing import publish
from labeling.rounds.weights import importing, promotion

logger = logging.getLogger(__name__)
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
WORKER = f"{needs.HOST} {uuid.uuid4().hex[:12]}"  # this process: a worker that is started again may have what it lacked
PASS_ON_AFTER = 1.0  # seconds for which a worker keeps a message that it must not act on
NAMESPACE = uuid.UUID("0e1b8a1c-59d3-5f0e-9f5e-3f1f5b0c9a11")  # proposals get the same uid when published again


@shared_task(name="inference.run_stage")
def run_stage(stage_id: int) -> None:
    """Do one stage of a round: claim it, use what exists, make what is missing, keep it, hand on.

    Expected failures (a diverged training, no data) end the stage with a sentence; a bug ends it too, and is raised.
    """
    claimed = patiently(lambda: stages.claim(stage_id, WORKER))
    if claimed is None:
        return
    stage, owner = claimed

    def end(state: Stage.State, error: str = "") -> None:
        with contextlib.suppress(LeaseLost):  # ended at the first try, or somebody else's
            patiently(lambda: stages.end(stage.pk, owner, state=state, error=error, usage=lease.used()))

    with Lease(stage.pk, owner) as lease:
        try:
            with needs.missing_resources():
                _run(stage, lease)
        except LeaseLost:
            logger.warning("stage %s belongs to another worker now; nothing of this attempt is written", stage.pk)
        except Cancelled:
            end(Stage.State.CANCELLED)
        except AWAY:
            logger.exception("stage %s: the database went away", stage.pk)
            with contextlib.suppress(LeaseLost):
                patiently(lambda: stages.hand_back(stage.pk, owner, "the database went away for a moment"))
        except needs.MissingResource as missing:
            resource = missing.resource
            logger.warning("stage %s is handed back: %s", stage.pk, reason(resource), exc_info=missing.__cause__)
            with contextlib.suppress(LeaseLost):
                patiently(lambda: stages.hand_back_missing(stage.pk, owner, resource, WORKER))
        except (InferenceError, ValueError) as error:
            logger.exception("stage %s failed", stage.pk)
            end(Stage.State.FAILED, str(error))
        except OSError as error:
            if error.errno not in NO_ROOM:
                end(Stage.State.FAILED, f"{type(error).__name__}: {error}")
                raise
            logger.exception("stage %s has no room", stage.pk)
            end(Stage.State.FAILED, "The disk is full. Make room, then retry.")
        except Exception as error:  # record, then let it be seen
            end(Stage.State.FAILED, f"{type(error).__name__}: {error}")
            raise
    needs.let_go()


def _run(stage: Stage, lease: Lease) -> None:
    round_ = stage.round
    content, configuration = _content(stage), round_.parameters
    key = compute.keys(content, configuration)[stage.kind]
    folder = Path(settings.DATA_DIR) / "work" / key[:32]
    if stage.kind == Stage.Kind.PUBLICATION:
        _publish(stage, lease, content, _inputs(stage))
        patiently(lambda: stages.finish(stage.pk, lease.owner, key=key, artifact=None))
        return
    chosen = configuration.model_of(stage.kind)
    if chosen is not None and chosen.as_is and chosen.start_from:
        _pass_on(stage, lease, key, chosen.start_from)
        return
    made = patiently(lambda: artifacts.known(key))
    if made is not None:
        stages.say(stage.pk, "made by an earlier round from the same inputs: used again")
        patiently(lambda: stages.finish(stage.pk, lease.owner, key=key, artifact=made, state=Stage.State.REUSED))
        return
    folder.mkdir(parents=True, exist_ok=True)
    if stage.kind in compute.SPREAD and len(content.images) > portions.SMALLEST:
        if portions.spread(stage.pk, lease.owner, [entry.image for entry in content.images]):
            return  # the last of its portions puts the stage back into the queue
        _fetch_units(stage, folder)
    device = device_of(stage)
    needs.afford(needs.memory_needed(stage.kind, content, configuration, device))
    if stage.kind in NETS:
        lease.device = device
        where = f"its nets compute on the {'CPU' if device == 'cpu' else 'GPU'} of {needs.HOST}"
        patiently(lambda: stages.say(stage.pk, where))
    setting = units.Setting(
        content=content,
        fields=fields_of(content, local_file),
        configuration=configuration,
        inputs=_inputs(stage),
        work=folder,
        report=lease.report,
        stop=lease.stop,
        device=device,
    )
    file, facts = compute.RUN[stage.kind](setting)
    if lease.stop():
        raise Cancelled("cancelled")
    with file.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    used = lease.used()
    patiently(lambda: stages.say(stage.pk, usage_sentence(used)))
    artifact = patiently(lambda: artifacts.keep(key=key, kind=stage.kind, file=file, sha256=sha256, facts=facts))
    patiently(lambda: stages.finish(stage.pk, lease.owner, key=key, artifact=artifact, usage=used))
    shutil.rmtree(folder, ignore_errors=True)
    patiently(lambda: portions.gathered(stage.pk))


def _pass_on(stage: Stage, lease: Lease, key: str, start_from: str) -> None:
    """A version that is used as it is: its own artifact is what the stage hands on, once it was found whole."""
    _inputs(stage)  # raises when the weights are gone or damaged
    version = promotion.with_weights(stage.round, start_from)
    sentence = (
        f"{version} ({version.architecture}, {version.get_origin_display()}) is used as it is: nothing is trained"
    )
    patiently(lambda: stages.say(stage.pk, sentence))
    patiently(lambda: stages.finish(stage.pk, lease.owner, key=key, artifact=version.artifact))


def _fetch_units(stage: Stage, folder: Path) -> None:
    """The units that portions made, into this worker's folder; those made on this machine are there already."""
    (folder / "units").mkdir(exist_ok=True)
    for portion in stage.portions.all():
        if any(not (folder / "units" / f"{image}.npz").exists() for image in portion.images):
            with portion.file.open("rb") as file, zipfile.ZipFile(file) as archive:
                archive.extractall(folder / "units")


@shared_task(name="inference.run_portion")
def run_portion(portion_id: int) -> None:
    """Make some images of a stage that is spread over many workers. Ends as run_stage does."""
    claimed = patiently(lambda: portions.claim(portion_id, WORKER))
    if claimed is None:
        patiently(lambda: portions.passed_on(portion_id, WORKER, pause=lambda: sleep(PASS_ON_AFTER)))
        return
    portion, owner = claimed
    with PortionLease(portion, owner) as lease, contextlib.suppress(LeaseLost):
        try:
            with needs.missing_resources():
                file = _portion(portion, lease)
            used = lease.used()
            patiently(lambda: portions.finish(portion, owner, file=file, usage=used))
            file.unlink(missing_ok=True)
        except LeaseLost:
            logger.warning("%s belongs to another worker now; nothing of this attempt is written", portion)
        except Cancelled:
            patiently(lambda: portions.cancelled(portion.pk, owner))
        except AWAY:
            logger.exception("%s: the database went away", portion)
            patiently(lambda: portions.hand_back(portion.pk, owner))
        except needs.MissingResource as missing:
            resource = missing.resource
            logger.warning("%s is handed back: %s", portion, reason(resource), exc_info=missing.__cause__)
            _opened.cache_clear()  # its models are what there is no room for
            patiently(lambda: portions.hand_back_missing(portion.pk, owner, resource, WORKER))
        except (InferenceError, ValueError) as error:
            logger.exception("%s failed", portion)
            sentence = str(error)
            patiently(lambda: portions.failed(portion.pk, owner, sentence))
        except Exception as error:  # record, then let it be seen
            sentence = f"{type(error).__name__}: {error}"
            patiently(lambda: portions.failed(portion.pk, owner, sentence))
            raise


def _portion(portion: Portion, lease: Lease) -> Path:
    """The zip of the portion's units."""
    opened = _opened(portion.stage_id, portion.stage.round.snapshot.sha256)
    needs.afford(opened.needed)
    lease.device = opened.setting.device
    setting = replace(opened.setting, report=lease.report, stop=lease.stop)
    fields = [opened.fields[image] for image in portion.images]
    for _ in units.each_unit(setting, fields, opened.make):
        pass
    path = setting.work / f"portion-{portion.number}-{lease.owner.hex[:8]}.zip"
    return units.bundle(setting, path.name, images=portion.images)


@dataclass(frozen=True)
class Opened:
    """A stage with its models loaded; kept from one portion to the next, since loading costs seconds."""

    setting: units.Setting
    fields: dict[int, Field]
    make: Callable[[Field], units.Unit]
    needed: int  # bytes, needs.memory_needed


@lru_cache(maxsize=1)
def _opened(stage_id: int, snapshot: str) -> Opened:
    """Raises what the loading raises; nothing is kept then."""
    stage = Stage.objects.select_related("round__snapshot").get(pk=stage_id)
    content = _content(stage)
    configuration = stage.round.parameters
    device = device_of(stage)
    needed = needs.memory_needed(stage.kind, content, configuration, device)
    needs.afford(needed)
    key = compute.keys(content, configuration)[stage.kind]
    setting = units.Setting(
        content=content, fields=fields_of(content, local_file), configuration=configuration,
        inputs=_inputs(stage), work=Path(settings.DATA_DIR) / "work" / key[:32],
        report=lambda progress: None, stop=lambda: False, device=device,
    )  # fmt: skip
    make, _ = compute.SPREAD[stage.kind](setting)
    return Opened(setting, {field.image: field for field in setting.fields}, make, needed)


def device_of(stage: Stage) -> str:
    """Raises needs.Lacking."""
    return needs.device_for(stage.round.parameters.device) if stage.kind in NETS else "cpu"


@shared_task(name="inference.tune_round")
def tune_round(tuning_id: int) -> None:
    """Try settings on the cached masks of a finished round. Delivered twice it computes the same table twice."""
    asked = Tuning.objects.select_related("round__snapshot").filter(pk=tuning_id, state=Tuning.State.QUEUED).first()
    if asked is None:
        return
    try:
        stage = asked.round.stages.get(kind=Stage.Kind.EVALUATION)
        content = _content(stage)
        setting = units.Setting(
            content=content,
            fields=fields_of(content, local_file),
            configuration=asked.round.parameters,
            inputs=_inputs(stage),
            work=Path(settings.DATA_DIR) / "work",
            report=lambda progress: None,
            stop=lambda: False,
        )
        began = monotonic()
        result = tune(setting)
        tuning.finish(asked.pk, result=result.with_(seconds=round(monotonic() - began, 1)))
    except (InferenceError, ValueError) as error:
        tuning.finish(asked.pk, error=str(error))
    except Exception as error:  # record, then let it be seen
        tuning.finish(asked.pk, error=f"{type(error).__name__}: {error}")
        raise


@shared_task(name="inference.check_weights")
def check_weights(import_id: int) -> None:
    """See whether weights that somebody brought along fit, and enter them. Delivered twice it enters them once."""
    asked = patiently(lambda: importing.claim(import_id))
    if asked is None:
        return
    folder = Path(settings.DATA_DIR) / "work" / f"import-{asked.pk}-{uuid.uuid4().hex[:8]}"
    try:
        brought = imported_weights.opened(local_file(str(asked.file.name)), folder, limit=importing.MOST_BYTES)
        names = brought.about.get("class_names")
        found = [_weights(one) for one in brought.found]
        classes = [str(name).replace("\0", "")[:100] for name in names] if isinstance(names, list) else []
        patiently(lambda: importing.accept(asked.pk, found=found, class_names=classes, card=brought.card))
    except InferenceError as error:
        sentence = str(error)
        patiently(lambda: importing.decline(asked.pk, sentence))
    except AWAY:
        logger.exception("the check of %s: the database went away; recovery asks again", asked)
    except Exception as error:  # record, then let it be seen
        sentence = f"{type(error).__name__}: {error}"
        patiently(lambda: importing.decline(asked.pk, sentence))
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _weights(found: imported_weights.Found) -> importing.Weights:
    facts = TrainingFacts(model=found.model, classes=found.classes, settings=found.settings)
    return importing.Weights(found.path, found.kind, found.name, found.sha256, facts)


def _content(stage: Stage) -> Snapshot:
    return stage.round.snapshot.document()


def local_file(name: str) -> Path:
    """A stored file on this machine: in place, or fetched once when the storage is elsewhere."""
    try:
        return Path(default_storage.path(name))
    except NotImplementedError:
        kept = Path(settings.DATA_DIR) / "fetched" / name
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            with (
                default_storage.open(name) as source,
                tempfile.NamedTemporaryFile(dir=kept.parent, delete=False) as aside,
            ):
                shutil.copyfileobj(source, aside)
            Path(aside.name).replace(kept)
        return kept


def _inputs(stage: Stage) -> units.Inputs:
    """What every finished stage of the round left; each file is checked against its hash before it is believed."""
    files = {}
    for other in stage.round.stages.filter(artifact__isnull=False).select_related("artifact"):
        assert other.artifact is not None
        files[other.kind] = whole(other.artifact, f"result of the stage {other.get_kind_display()!r}")
    chosen = stage.round.parameters.model_of(stage.kind)
    if chosen is None or not chosen.start_from:
        return units.Inputs(files)
    kept = artifacts.known(chosen.start_from)
    if kept is None:
        raise InferenceError(f"the weights that the {stage.kind} was to start from are gone; start another round")
    return units.Inputs(files, initial_weights=whole(kept, f"start of the {stage.kind}"))


def whole(artifact: Artifact, name: str) -> Path:
    """The artifact's file, once its hash was found right. Raises InferenceError."""
    path = local_file(str(artifact.file.name))
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != artifact.sha256:
            raise InferenceError(f"the stored {name} is damaged (its hash does not fit); delete it and retry the round")
    return path


def _publish(stage: Stage, lease: Lease, content: Snapshot, inputs: units.Inputs) -> None:
    """A prediction layer for every image. Published images stay as they are, so this can be done again."""
    round_ = stage.round
    fields = fields_of(content, local_file)
    class_ids = [entry.id for entry in content.classes]
    threshold = round_.parameters.prediction.detector_threshold
    entries = {entry.image: entry for entry in content.images}
    stains = dict(Image.objects.filter(project=round_.project_id).values_list("pk", "stain"))
    predicted = round_.stages.select_related("artifact").get(kind="prediction").artifact
    assert predicted is not None
    names = predicted.facts_as(PredictionFacts).models
    readable = {f.image for f in fields if "unreadable" not in units.read_unit(inputs["prediction"], f.image)}
    scored = _scored([f for f in fields if f.image in readable], inputs["fusion"])
    waiting = _queue([f for f in fields if f.image in readable and f.reference is None], scored, round_.pk)
    signals = _signals(content, [f for f in fields if f.image in readable], scored)
    for number, field in enumerate(fields, start=1):
        if lease.stop():
            raise Cancelled("cancelled")
        if field.image not in readable:
            stages.say(stage.pk, f"image {field.image} gets no proposals: it cannot be read")
            continue
        image = Image.objects.filter(pk=field.image).first()
        if image is None:  # taken out of the project since the snapshot
            continue
        certificate = Certificate.stored(units.read_unit(inputs["fusion"], field.image)["certificate"])
        provenance = Provenance(round=round_.pk, round_number=round_.number, models=names.by_kind())
        predicted_unit = units.read_unit(inputs["prediction"], field.image)
        instances_unit = units.read_unit(inputs["instances"], field.image)
        found = compute.proposals(compute.proposed_on(content, field), predicted_unit, instances_unit)
        loaded = [_loaded(round_.pk, field, proposal, class_ids, provenance) for proposal in found]
        detected = compute.detected(predicted_unit, threshold)
        facts = PublicationFacts(
            proposals=len(loaded),
            boxless=sum(proposal.number > len(predicted_unit["sources"]) for proposal in found),
            crumbs=instances_unit.get("crumbs", 0),
            priorities=waiting.get(str(field.image), {}),
            signals=signals.get(field.image, {}),
            detected=detected.boxes,
            best_score=detected.best_score,
        )
        if not loaded:
            entry = entries[field.image]
            causes = outcome.causes_of_none(content, entry, facts, threshold=threshold, stains=stains)
            facts = facts.with_(why=tuple(causes))
        publish(round_=round_, image=image, proposals=loaded, certificate=certificate, model_names=names, facts=facts)
        lease.report(Progress(number, len(fields)))


@dataclass(frozen=True)
class Scored:
    """What the fusion left of an image besides its masks: its scores, and its colours (acquisition.embedding)."""

    scores: dict[str, float]
    embedding: list[float]


def _scored(fields: list[Field], fusion: Path) -> dict[int, Scored]:
    """Image -> what the fusion says of it."""
    found = {}
    for field in fields:
        unit = units.read_unit(fusion, field.image)
        found[field.image] = Scored(unit["queue"], unit["embedding"])  # not its masks: memory
    return found


def _queue(fields: list[Field], scored: dict[int, Scored], seed: int) -> dict[str, dict[str, float]]:
    """Image -> strategy -> score of what to annotate next, for images without an exhaustive region."""
    seen = {str(f.image) for f in fields if f.annotated}
    scores = {str(f.image): scored[f.image].scores for f in fields}
    embeddings = {str(f.image): scored[f.image].embedding for f in fields}
    return priorities(scores, embeddings, seen=seen, seed=seed)


def _signals(content: Snapshot, fields: list[Field], scored: dict[int, Scored]) -> dict[int, dict[str, float]]:
    """What the round says, without any reference, of the images that did not teach it: image -> score -> number.

    Its doubt (ambiguous, entropy, disagreement) is the models' own only where no person has drawn: people's boxes are
    prompts, and would make a scanner look good because it was annotated. Colours hang on nobody's boxes.
    """
    taught = np.array([f.annotated and f.split == "train" for f in fields], bool)
    colours = colour_distance(np.array([scored[f.image].embedding for f in fields], np.float64), taught)
    found: dict[int, dict[str, float]] = {}
    for field, teaches, colour in zip(fields, taught, colours, strict=True):
        known = compute.proposed_on(content, field)
        scores = scored[field.image].scores if not (known.annotated or known.cells or teaches) else {}
        found[field.image] = {name: scores[name] for name in ("ambiguous", "entropy", "disagreement") if name in scores}
        if not teaches and np.isfinite(colour):
            found[field.image]["colour"] = float(colour)
    return found


def _loaded(
    round_id: int, field: Field, proposal: compute.Proposal, class_ids: list[int], provenance: Provenance
) -> Loaded:
    mask = proposal.mask
    height, width = mask.bits.shape
    index = proposal.class_index
    if index is None and len(class_ids) == 1:
        index = 0
    return Loaded(
        uid=uuid.uuid5(NAMESPACE, f"{round_id}/{field.image}/{proposal.number}"),
        state=AnnotationState(
            kind="cell",
            status="confirmed",
            box=(float(mask.x), float(mask.y), float(mask.x + width), float(mask.y + height)),
            label_class=class_ids[index] if index is not None else None,
            mask=PackedMask(mask.x, mask.y, width, height, pack(mask.bits)),
            derived_from=uuid.UUID(proposal.source) if proposal.source else None,
            provenance=provenance,
        ),
        score=min(1.0, max(0.0, proposal.doubt)),
    )
