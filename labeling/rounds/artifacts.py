"""Files that stages made, stored under the hash of their inputs: known by their key, kept once."""

from pathlib import Path

from django.core.files import File
from django.db import transaction

from inference.documents.stage_reports import Facts
from labeling.rounds.models import Artifact


def known(key: str) -> Artifact | None:
    """What was made from the same inputs before, by any round."""
    return Artifact.objects.filter(key=key).first()


def keep(*, key: str, kind: str, file: Path, sha256: str, facts: Facts) -> Artifact:
    """Store what a stage made. The row is written after the whole file, so a half artifact is never visible."""
    with transaction.atomic():
        artifact = Artifact.objects.select_for_update().filter(key=key).first()
        if artifact is not None:  # made at the same time by another round
            return artifact
        artifact = Artifact(key=key, kind=kind, sha256=sha256, size=file.stat().st_size, facts=facts.as_json())
        _store(artifact, file, f"{kind}-{key[:32]}{file.suffix}")
        artifact.save(force_insert=True)
    return artifact


def _store(artifact: Artifact, file: Path, name: str) -> None:
    """The file into storage, checked and whole; what was half written when the disk was full is taken away again.

    Nobody sees the file before its row is there, and the row comes after this. Raises OSError.
    """
    field = artifact.file
    wanted = field.storage.get_available_name(field.field.generate_filename(artifact, name))
    try:
        with file.open("rb") as stream:
            field.name = field.storage.save(wanted, File(stream))
        if field.storage.size(field.name) != artifact.size:
            raise OSError(f"{name} was stored with {field.storage.size(field.name)} of {artifact.size} bytes")
    except BaseException:
        field.storage.delete(wanted)
        raise
