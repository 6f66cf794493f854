"""Celery tasks: where the models and the website meet. Rows are written through labeling's services alone.

A stage is owned through a lease on its row, renewed by a thread for as long as this process lives. A task that is
delivered twice claims nothing the second time; a worker that dies leaves its finished units behind, and the next one
goes on after them. What a task raises is dealt with in labeling/outcomes.py.
"""

import shutil
import uuid
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from time import monotonic, sleep

from django.conf import settings

from inference.documents.stage_reports import TrainingFacts
from inference.pipeline import compute, imported_weights, units
from inference.pipeline.snapshots import Field
from inference.pipeline.tuning import tune
from inference.types import MissingResource, Progress
from inference.worker import needs
from inference.worker.files import content_of, fetch_units, gone, hash_of, local_file, setting_of, whole, work_folder
from inference.worker.leases import Lease, Made, PortionLease
from inference.worker.publication import Layers
from labeling import outcomes
from labeling.leases import patient, patiently
from labeling.rounds import artifacts
from labeling.rounds.configuration import NETS
from labeling.rounds.execution import portions, stages
from labeling.rounds.models import Stage, Tuning, WeightsImport
from labeling.rounds.results import tuning
from labeling.rounds.results.publishing import publish
from labeling.rounds.weights import importing, promotion

WORKER = f"{needs.HOST} {uuid.uuid4().hex[:12]}"  # this process: a worker that is started again may have what it lacked
PASS_ON_AFTER = 1.0  # seconds for which a worker keeps a message that it must not act on


# -- a stage, from its message to its artifact


def claim_stage(stage_id: int) -> Lease | None:
    claimed = patient(stages.claim)(stage_id, WORKER)
    return Lease(*claimed, WORKER) if claimed else None


@outcomes.task("inference.run_stage", claim=claim_stage, expected=(ValueError,))
@needs.missing_resources()
def run_stage(lease: Lease) -> None:
    """Do one stage of a round: use what exists, make what is missing, keep it, hand on.

    Expected failures (a diverged training, no data) end the stage with a sentence; a bug ends it too, and is raised.
    """
    stage = lease.stage
    content = content_of(stage)
    configuration = stage.round.parameters
    key = compute.keys(content, configuration)[stage.kind]

    # What exists is used again.
    made = _existing(stage, key)
    if made is not None:
        lease.finish(key, made)
        return

    # Many images are made by many workers; the last of them puts the stage back, to be gathered here.
    folder = work_folder(key)
    folder.mkdir(parents=True, exist_ok=True)
    if stage.kind in compute.SPREAD and len(content.images) > portions.SMALLEST:
        if lease.spread([entry.image for entry in content.images]):
            return
        fetch_units(stage, folder)

    # Compute, where this machine can.
    has_nets = stage.kind in NETS
    device = needs.place_for(stage.kind, content, configuration, has_nets=has_nets)
    if has_nets:
        lease.device = device
        lease.say(f"its nets compute on the {'CPU' if device == 'cpu' else 'GPU'} of {needs.HOST}")
    setting = setting_of(stage, content, folder, device=device, report=lease.report, stop=lease.stop)
    if stage.kind == Stage.Kind.PUBLICATION:
        made = _publish(lease, setting)
    else:
        file, facts = compute.RUN[stage.kind](setting)
        made = lease.keep(key, file, hash_of(file), facts)

    # The row names the artifact, which is stored by now; then the units have done their duty.
    lease.finish(key, made)
    shutil.rmtree(folder, ignore_errors=True)
    patient(portions.gathered)(stage.pk)


def _existing(stage: Stage, key: str) -> Made | None:
    """What the stage hands on without computing: weights that were chosen as they are, or what was made before."""
    chosen = stage.round.parameters.model_of(stage.kind)
    if chosen is not None and chosen.as_is and chosen.start_from:
        version = promotion.with_weights(stage.round, chosen.start_from)
        if version is None:
            raise gone(stage.kind)
        whole(version.artifact, f"start of the {stage.kind}")  # raises when they are damaged
        described = f"{version} ({version.architecture}, {version.get_origin_display()})"
        return Made(version.artifact, note=f"{described} is used as it is: nothing is trained")
    known = patient(artifacts.known)(key)
    if known is None:
        return None
    return Made(known, Stage.State.REUSED, "made by an earlier round from the same inputs: used again")


def _publish(lease: Lease, setting: units.Setting) -> Made:
    """A prediction layer for every image. Published images stay as they are, so this can be done again."""
    layers = Layers(lease.stage, setting)
    for number, field in enumerate(setting.fields, start=1):
        lease.go_on()
        layer = layers.of(field, say=lease.say)
        if layer is None:
            continue
        publish(
            round_=lease.stage.round,
            image=layer.image,
            proposals=layer.proposals,
            certificate=layer.certificate,
            model_names=layers.model_names,
            facts=layer.facts,
        )
        lease.report(Progress(number, len(setting.fields)))
    return Made(None, usage=lease.used())


# -- a portion of a stage


def claim_portion(portion_id: int) -> PortionLease | None:
    claimed = patient(portions.claim)(portion_id, WORKER)
    if claimed is None:
        patiently(lambda: portions.passed_on(portion_id, WORKER, pause=lambda: sleep(PASS_ON_AFTER)))
        return None
    return PortionLease(*claimed, WORKER)


@outcomes.task("inference.run_portion", claim=claim_portion, expected=(ValueError,))
def run_portion(lease: PortionLease) -> None:
    """Make some images of a stage that is spread over many workers. Ends as run_stage does."""
    try:
        with needs.missing_resources():
            file = _units_of(lease)
    except MissingResource:
        _opened.cache_clear()  # its models are what there is no room for
        raise
    lease.finish_with(file)
    file.unlink(missing_ok=True)


def _units_of(lease: PortionLease) -> Path:
    """The zip of the portion's units."""
    portion = lease.portion
    opened = _opened(portion.stage_id, portion.stage.round.snapshot.sha256)
    needs.afford(opened.needed)
    lease.device = opened.setting.device
    setting = replace(opened.setting, report=lease.report, stop=lease.stop)
    fields = [opened.fields[image] for image in portion.images]
    for _ in units.each_unit(units.PredictionUnit, setting, fields, opened.make):
        pass
    return units.bundle(setting, f"portion-{portion.number}-{lease.owner.hex[:8]}.zip", images=portion.images)


@dataclass(frozen=True)
class Opened:
    """A stage with its models loaded; kept from one portion to the next, since loading costs seconds."""

    setting: units.Setting
    fields: dict[int, Field]
    make: Callable[[Field], units.PredictionUnit]
    needed: int  # bytes, needs.memory_needed


@lru_cache(maxsize=1)
def _opened(stage_id: int, snapshot: str) -> Opened:
    """Raises what the loading raises; nothing is kept then."""
    stage = Stage.objects.select_related("round__snapshot").get(pk=stage_id)
    content = content_of(stage)
    configuration = stage.round.parameters
    device = needs.place_for(stage.kind, content, configuration, has_nets=stage.kind in NETS)
    needed = needs.memory_needed(stage.kind, content, configuration, device)
    key = compute.keys(content, configuration)[stage.kind]
    setting = setting_of(stage, content, work_folder(key), device=device)
    make, _ = compute.SPREAD[stage.kind](setting)
    return Opened(setting, {field.image: field for field in setting.fields}, make, needed)


# -- what is no stage: a table of settings, and weights from elsewhere


class Asked(nullcontext[None]):
    """Something that was asked for once: it is not cancelled and waits for nothing, but it may fail."""

    def __init__(self, name: str, fail: Callable[[str], None]) -> None:
        super().__init__()
        self.name, self._fail = name, fail

    @patient
    def fail(self, sentence: str) -> None:
        self._fail(sentence)

    def cancel(self) -> None:
        self.fail("cancelled")

    def retry(self, reason: str) -> None:
        """Recovery asks again for what has no end."""

    def back_off(self, error: Exception) -> None:
        self.fail(str(error))


class AskedTuning(Asked):
    def __init__(self, row: Tuning) -> None:
        super().__init__(str(row), lambda sentence: tuning.finish(row.pk, error=sentence))
        self.row = row

    def retry(self, reason: str) -> None:
        self.fail(reason)  # nobody would ask again


def claim_tuning(tuning_id: int) -> AskedTuning | None:
    rows = Tuning.objects.select_related("round__snapshot").filter(pk=tuning_id, state=Tuning.State.QUEUED)
    row = patiently(rows.first)
    return AskedTuning(row) if row else None


@outcomes.task("inference.tune_round", claim=claim_tuning, expected=(ValueError,))
def tune_round(asked: AskedTuning) -> None:
    """Try settings on the cached masks of a finished round. Delivered twice it computes the same table twice."""
    stage = asked.row.round.stages.get(kind=Stage.Kind.EVALUATION)
    setting = setting_of(stage, content_of(stage), work_folder(""))
    began = monotonic()
    result = tune(setting)
    tuning.finish(asked.row.pk, result=result.with_(seconds=round(monotonic() - began, 1)))


class AskedCheck(Asked):
    def __init__(self, row: WeightsImport) -> None:
        super().__init__(f"the check of {row}", lambda sentence: importing.decline(row.pk, sentence))
        self.row = row
        self.folder = Path(settings.DATA_DIR) / "work" / f"import-{row.pk}-{uuid.uuid4().hex[:8]}"

    def __exit__(self, *error: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def claim_check(import_id: int) -> AskedCheck | None:
    row = patient(importing.claim)(import_id)
    return AskedCheck(row) if row else None


@outcomes.task("inference.check_weights", claim=claim_check)
def check_weights(asked: AskedCheck) -> None:
    """See whether weights that somebody brought along fit, and enter them. Delivered twice it enters them once."""
    stored = local_file(str(asked.row.file.name))
    brought = imported_weights.opened(stored, asked.folder, limit=importing.MOST_BYTES)
    names = brought.about.get("class_names")
    found = [_weights(one) for one in brought.found]
    classes = [str(name).replace("\0", "")[:100] for name in names] if isinstance(names, list) else []
    patiently(lambda: importing.accept(asked.row.pk, found=found, class_names=classes, card=brought.card))


def _weights(found: imported_weights.Found) -> importing.Weights:
    facts = TrainingFacts(model=found.model, classes=found.classes, settings=found.settings)
    return importing.Weights(found.path, found.kind, found.name, found.sha256, facts)
