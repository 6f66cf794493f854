"""What a stage reads: its round's snapshot, and the artifacts of the stages before it, each checked by its hash."""

import hashlib
import shutil
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from django.conf import settings
from django.core.files.storage import default_storage

from inference.documents.configuration import RoundConfiguration
from inference.documents.snapshot import Snapshot
from inference.pipeline import units
from inference.pipeline.snapshots import fields_of
from inference.types import InferenceError, Report, Stop
from labeling.images import model_views
from labeling.rounds import artifacts
from labeling.rounds.configuration import NETS
from labeling.rounds.models import Artifact, Stage


def content_of(stage: Stage) -> Snapshot:
    """The snapshot document of the stage's round."""
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


def inputs_of(stage: Stage) -> units.Inputs:
    """What every finished stage of the round left, and the weights that the stage starts from.

    Each file is checked against its hash before it is believed. Raises InferenceError.
    """
    files = {}
    for other in stage.round.stages.filter(artifact__isnull=False).select_related("artifact"):
        assert other.artifact is not None
        files[other.kind] = whole(other.artifact, f"result of the stage {other.get_kind_display()!r}")
    prompter = own_prompter(stage.round.parameters) if stage.kind in NETS else None
    return units.Inputs(files, initial_weights=start_of(stage), prompter=prompter)


def own_prompter(configuration: RoundConfiguration) -> Path | None:
    """A team's own weights of the prompter; None for those that its name means. Raises InferenceError."""
    key = configuration.prompter.weights
    if not key:
        return None
    kept = artifacts.known(key)
    if kept is None:
        raise InferenceError("the prompter's own weights are gone; start another round")
    return whole(kept, "prompter")


def start_of(stage: Stage) -> Path | None:
    """The weights that the stage starts from; None where it was given none. Raises InferenceError."""
    chosen = stage.round.parameters.model_of(stage.kind)
    if chosen is None or not chosen.start_from:
        return None
    kept = artifacts.known(chosen.start_from)
    if kept is None:
        raise gone(stage.kind)
    return whole(kept, f"start of the {stage.kind}")


def gone(kind: str) -> InferenceError:
    return InferenceError(f"the weights that the {kind} was to start from are gone; start another round")


def whole(artifact: Artifact, name: str) -> Path:
    """The artifact's file, once its hash was found right. Raises InferenceError."""
    path = local_file(str(artifact.file.name))
    if hash_of(path) != artifact.sha256:
        raise InferenceError(f"the stored {name} is damaged (its hash does not fit); delete it and retry the round")
    return path


def hash_of(path: Path) -> str:
    """SHA-256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def never() -> bool:
    return False


def quietly(progress: object) -> None:
    return


def work_folder(key: str) -> Path:
    """Where the units of the stage of this key are kept until it is finished."""
    return Path(settings.DATA_DIR) / "work" / key[:32]


def setting_of(
    stage: Stage,
    content: Snapshot,
    work: Path,
    *,
    device: str = "auto",
    report: Report = quietly,
    stop: Stop = never,
) -> units.Setting:
    """Everything the computation of a stage may use. Raises InferenceError for an input that is gone or damaged."""
    model_views.make_missing(content)
    return units.Setting(
        content=content,
        fields=fields_of(content, local_file),
        configuration=stage.round.parameters,
        inputs=inputs_of(stage),
        work=work,
        report=report,
        stop=stop,
        device=device,
    )


def fetch_units(stage: Stage, folder: Path) -> None:
    """The units that portions made, into this worker's folder; those made on this machine are there already."""
    units_folder = folder / "units"
    units_folder.mkdir(exist_ok=True)
    for portion in stage.portions.all():
        if any(not (units_folder / f"{image}.npz").exists() for image in portion.images):
            with portion.file.open("rb") as file, zipfile.ZipFile(file) as archive:
                extract_units(archive, portion.images, units_folder)


def extract_units(archive: zipfile.ZipFile, images: Sequence[int], folder: Path) -> None:
    """Each unit under another name first: a worker that dies must not leave a part of one, which counts as made."""
    for image in images:
        name = f"{image}.npz"
        aside = folder / f".{name}.unfinished"
        with archive.open(name) as source, aside.open("wb") as target:
            shutil.copyfileobj(source, target)
        aside.replace(folder / name)
