"""Own weights: brought along by people, checked by a worker, entered into the registry when they fit.

The site looks at a file's beginning only (it has no torch): pickles, foreign files and too large ones are refused at
once. A worker checks names, shapes and numbers (inference/pipeline/imported_weights.py). A file that is sent twice
becomes one version.
"""

import hashlib
import io
import re
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path, PurePath
from typing import Any

from django.core.files import File
from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from inference.documents.stage_reports import TrainingFacts
from labeling import jobs
from labeling.accounts.models import User
from labeling.audit.models import Act
from labeling.audit.services import record
from labeling.errors import Archived, Invalid
from labeling.projects.models import Project
from labeling.rounds import artifacts
from labeling.rounds.models import ModelVersion, WeightsImport

MOST_BYTES = 2**30  # of all files together; the paper's two models are 0.45 GB
AGAIN_AFTER = timedelta(seconds=120)  # a check that was lost with its message or its worker is asked for again
MOST_HEADER = 2**24  # bytes of a safetensors header; YOLOv8x has 70 kB
WANTED = ("detector.safetensors", "segmenter.safetensors", "boxcell.json", "README.md")
CONVERT = gettext_noop(
    "A pickle (.pt, .pth, .ckpt) can run code when it is opened, so it is not taken. Convert it where you trust it: "
    "boxwise models convert FILE --as NAME -o OUT.safetensors, where NAME is centre, faster-rcnn, yolo, caranet, "
    "segformer, unet, or sam for a net of the Segment Anything family; then import OUT.safetensors."
)


@dataclass(frozen=True)
class Weights:
    """One weight file that a worker found to fit. kind: detector, segmenter or prompter; name: of its architecture."""

    path: Path
    kind: str
    name: str
    sha256: str
    facts: TrainingFacts


class WeightsDeclined(Invalid):
    """The file is none that can be weights of a known architecture; says why and what to do."""

    code = "weights_declined"


def import_weights(
    *, project: Project, by: User | None, files: Sequence["File[Any]"], data_licence: str, note: str = ""
) -> WeightsImport:
    """Take in a safetensors file, a zip, or the files of a folder as "Models and card" is, and have them checked.

    data_licence  of the data that the weights have learned from; it stays with them, and with what is trained from them

    Raises Invalid, WeightsDeclined, Archived.
    """
    Project.objects.get(pk=project.pk).decline_if_archived()  # before a gigabyte is looked at; asked again at the end
    if not data_licence.strip():
        raise Invalid(
            _("say under which licence the data is that the weights have learned from; “unknown” is an answer too"),
            field="data_licence",
        )
    if not files:
        raise Invalid(_("no file was chosen; choose a safetensors file, or a zip or folder of them"), field="files")
    if sum(file.size for file in files) > MOST_BYTES:
        raise WeightsDeclined(
            _("the files are larger than {most} MiB together, more than any architecture here needs").format(
                most=MOST_BYTES // 2**20
            ),
            field="files",
        )
    with tempfile.TemporaryFile() as aside:
        name, whole = (_plain(files[0]), files[0]) if len(files) == 1 else ("folder.zip", _zipped(files, aside))
        decline_what_no_weights_are(name, whole.open("rb") if len(files) == 1 else whole)
        made = WeightsImport(
            project=project, name=name[:255], size=whole.size, data_licence=_line(data_licence), note=_line(note),
            imported_by=by, queued_at=timezone.now(),
        )  # fmt: skip
        whole.seek(0)
        made.file.save("weights", whole, save=False)
    with transaction.atomic():
        Project.objects.for_change(project.pk)
        made.save()
        record(Act.WEIGHTS_IMPORTED, project=project, by=by, subject=name, licence=made.data_licence)
        jobs.send("inference.check_weights", queue="cpu", import_id=made.pk)
    return made


def decline_what_no_weights_are(name: str, file: Any) -> None:
    """From the file's beginning, whatever its name. Raises WeightsDeclined."""
    file.seek(0)
    head = file.read(9)
    if zipfile.is_zipfile(file):
        file.seek(0)
        try:
            with zipfile.ZipFile(file) as archive:
                _decline_zip(name, archive.infolist())
        except zipfile.BadZipFile as error:
            raise WeightsDeclined(
                _("{name} is a damaged zip: {error}").format(name=name, error=error), field="files"
            ) from None
        return
    if head[:1] == b"\x80" or PurePath(name).suffix.lower() in (".pt", ".pth", ".ckpt", ".pkl", ".pickle"):
        raise WeightsDeclined(_(CONVERT), field="files")
    if head[8:9] != b"{" or not 2 <= int.from_bytes(head[:8], "little") <= MOST_HEADER:
        raise WeightsDeclined(
            _("{name} is neither a safetensors file nor a zip of such files").format(name=name), field="files"
        )


def _decline_zip(name: str, members: list[zipfile.ZipInfo]) -> None:
    names = [PurePath(one.filename.replace("\\", "/")).name for one in members]
    if "data.pkl" in names:  # what torch.save writes is a zip around a pickle
        raise WeightsDeclined(_(CONVERT), field="files")
    if not {"detector.safetensors", "segmenter.safetensors"} & set(names):
        raise WeightsDeclined(
            _(
                "{name} holds neither detector.safetensors nor segmenter.safetensors, as the folder of a round does"
            ).format(name=name),
            field="files",
        )
    if sum(one.file_size for one in members) > MOST_BYTES:
        raise WeightsDeclined(
            _("{name} is larger than {most} MiB unpacked").format(name=name, most=MOST_BYTES // 2**20), field="files"
        )


def _zipped(files: Sequence["File[Any]"], aside: Any) -> "File[Any]":
    """The files of a folder that belong together, as one zip; what else lies there is left out."""
    chosen = {_plain(file): file for file in files if _plain(file) in WANTED}
    for file in files:
        if PurePath(_plain(file)).suffix.lower() in (".pt", ".pth", ".ckpt", ".pkl", ".pickle"):
            raise WeightsDeclined(_(CONVERT), field="files")
    with zipfile.ZipFile(aside, "w", zipfile.ZIP_STORED) as archive:
        for name, file in chosen.items():
            with archive.open(name, "w", force_zip64=True) as target:
                for block in file.chunks():
                    target.write(block)
    aside.seek(0, io.SEEK_END)
    size = aside.tell()
    aside.seek(0)
    whole = File(aside, name="folder.zip")
    whole.size = size  # a file without a name on a disk cannot be asked
    return whole


def _line(text: str) -> str:
    return text.replace("\0", "").strip()[:200]


def _plain(file: "File[Any]") -> str:
    """The last part of its name, without control characters."""
    return re.sub(r"[\x00-\x1f\x7f]", "", PurePath(str(file.name or "weights").replace("\\", "/")).name)


# -- as the worker claims and ends a check


@transaction.atomic
def claim(import_id: int) -> WeightsImport | None:
    """The import, when it still waits to be checked. A file that kills its worker again and again is refused."""
    asked = WeightsImport.objects.select_for_update().filter(pk=import_id, state=WeightsImport.State.CHECKING).first()
    if asked is None:
        return None
    if asked.attempts >= WeightsImport.MAX_ATTEMPTS:
        _decline(
            asked, f"The worker died {asked.attempts} times while it checked this file. Look into the worker's log."
        )
        return None
    asked.attempts += 1
    asked.queued_at = timezone.now()
    asked.save(update_fields=["attempts", "queued_at"])
    return asked


@transaction.atomic
def accept(import_id: int, *, found: Sequence[Weights], class_names: Sequence[str], card: str) -> list[ModelVersion]:
    """Enter what fits into the registry; entered before, nothing happens. What the project has already is not entered
    again, and when that is everything, the import is refused."""
    asked = WeightsImport.objects.select_for_update().filter(pk=import_id, state=WeightsImport.State.CHECKING).first()
    if asked is None:
        return []
    try:
        project = Project.objects.for_change(asked.project_id)
    except Archived as error:
        _decline(asked, str(error))
        return []
    made, there = [], []
    for one in found:
        same = project.model_versions.filter(kind=one.kind, artifact__sha256=one.sha256).first()
        if same is not None:
            there.append(str(same))
            continue
        made.append(_version(project, asked, one, class_names))
    if not made:
        _decline(asked, f"These are the weights of {' and '.join(there)}, which this project has already.")
        return []
    asked.state, asked.error, asked.card = WeightsImport.State.READY, "", card
    _end(asked)
    return made


def _version(project: Project, asked: WeightsImport, one: Weights, class_names: Sequence[str]) -> ModelVersion:
    key = hashlib.sha256(f"imported {one.kind} {one.sha256}".encode()).hexdigest()
    artifact = artifacts.keep(key=key, kind=one.kind, file=one.path, sha256=one.sha256, facts=one.facts)
    classes = one.facts.classes
    named = one.kind == "detector" and classes > 1 and len(class_names) == classes
    return ModelVersion.objects.create(
        project=project,
        kind=one.kind,
        number=(project.model_versions.filter(kind=one.kind).aggregate(last=Max("number"))["last"] or 0) + 1,
        origin=ModelVersion.Origin.IMPORTED,
        model=one.name,
        architecture=one.facts.model,
        class_names=list(class_names) if named else [],
        artifact=artifact,
        source=asked,
        data_licence=asked.data_licence,
    )


@transaction.atomic
def decline(import_id: int, reason: str) -> None:
    """What the worker found wrong, in words."""
    asked = WeightsImport.objects.select_for_update().filter(pk=import_id, state=WeightsImport.State.CHECKING).first()
    if asked is not None:
        _decline(asked, reason)


def _decline(asked: WeightsImport, reason: str) -> None:
    asked.state, asked.error = WeightsImport.State.DECLINED, reason[:1000]
    _end(asked)


def _end(asked: WeightsImport) -> None:
    """The file as it came is needed no more: what fits is kept as artifacts."""
    storage, name = asked.file.storage, asked.file.name
    asked.file, asked.checked_at = "", timezone.now()
    asked.save(update_fields=["state", "error", "card", "file", "checked_at"])
    if name:
        transaction.on_commit(lambda: storage.delete(name), robust=True)


def recover(now: datetime) -> list[str]:
    """Ask again for checks whose message or worker was lost. -> plain sentences about it."""
    sentences = []
    late = WeightsImport.objects.filter(state=WeightsImport.State.CHECKING, queued_at__lt=now - AGAIN_AFTER)
    for asked in late:
        WeightsImport.objects.filter(pk=asked.pk).update(queued_at=now)
        jobs.send("inference.check_weights", queue="cpu", import_id=asked.pk)
        sentences.append(f"weights {asked.name}: their check is asked for again")
    return sentences
