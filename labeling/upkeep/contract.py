"""Deleting images and the storage of a project as the API takes and says them."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from labeling.accounts.models import User
from labeling.contract import Answer, Body, Id, ShortText, Whole
from labeling.images.patients import Patient, PatientWithdrawal
from labeling.jobs.contract import JobAnswer
from labeling.projects.contract import ProjectAnswer, ProjectName
from labeling.projects.models import Project
from labeling.upkeep.storage import Removal
from labeling.upkeep.withdrawing import preview

Kind = Literal["tiles", "deleted", "results"]


class ProjectCopyBody(Body):
    """What comes along beside settings, classes, guidelines and workflow: `images`, for owners, by a job; with them
    `annotations`, the cells of their shared working layers."""

    name: ProjectName
    images: bool = False
    annotations: bool = False


class ProjectCopyAnswer(Answer):
    """`job` brings the images along; null where they were not asked for."""

    project: ProjectAnswer
    job: JobAnswer | None


class ProjectDeletionBody(Body):
    """`typed`: the name of the project, to confirm."""

    typed: ShortText


class ImagesBody(Body):
    images: Annotated[list[Id], Field(min_length=1, max_length=100_000)]


class DeletedAnswer(Answer):
    """`restorable_days`: for how long they can be restored."""

    deleted: int
    restorable_days: int


class RestoredAnswer(Answer):
    restored: int


class RemovalAnswer(Answer):
    kind: Kind
    count: int
    bytes: int


class StorageAnswer(Answer):
    """Bytes by kind. `quota` null: no limit; `counted`: what counts for it (files of images and uploads that wait).

    `own_quota` is the project's, `quota` the smaller of it and the server's. `removable`: what a clean-up would remove.
    `not_measured`: images of earlier versions whose size is not known yet.
    """

    bytes: dict[str, int]
    counted: int
    quota: int | None
    own_quota: int | None
    not_measured: int
    removable: list[RemovalAnswer]


class StorageChange(Body):
    quota_bytes: Whole | None


class CleanUpBody(Body):
    """`dry_run` says what would be removed, and removes nothing."""

    kinds: Annotated[list[Kind], Field(min_length=1, max_length=3)]
    dry_run: bool = True


class CleanUpAnswer(Answer):
    dry_run: bool
    removed: list[RemovalAnswer]


def removal_answers(removals: list[Removal]) -> list[RemovalAnswer]:
    return [RemovalAnswer.model_validate(removal) for removal in removals]


def storage_answer(
    project: Project, sizes: dict[str, int], counted: int, quota: int | None, left: int, removable: list[Removal]
) -> StorageAnswer:
    return StorageAnswer(
        bytes=sizes, counted=counted, quota=quota, own_quota=project.quota_bytes, not_measured=left,
        removable=removal_answers(removable),
    )  # fmt: skip


class WithdrawalCounts(Answer):
    """What goes, without cells and comments of blinded readings that are not closed. `exports`: all of the project that
    can still be fetched; `sheets`: copies for readers of studies and tests."""

    images: int
    slides: int
    masks: int
    operations: int
    vectors: int
    comments: int
    exports: int
    sheets: int


class WithdrawalLearned(Answer):
    """What has learned from the patient and stays: numbers of rounds, hashes of snapshots, models by name.
    `unreadable`: snapshots of which nobody can tell."""

    rounds: list[int]
    snapshots: list[str]
    models: list[str]
    unreadable: list[str]


class WithdrawalAnswer(Answer):
    """`withdrawn_at` null: a preview, nothing has happened. `waits`: a round or job is at work, so that files stay
    until it has ended; `finished_at`: since when everything is removed."""

    patient: int
    label: str
    counts: WithdrawalCounts
    learned: WithdrawalLearned
    waits: bool
    withdrawn_at: datetime | None
    finished_at: datetime | None


class WithdrawalBody(Body):
    """`typed`: the patient's `label`, to confirm. It cannot be undone."""

    typed: ShortText
    reason: ShortText = ""


def withdrawal_answer(patient: Patient, user: User) -> WithdrawalAnswer:
    withdrawal = PatientWithdrawal.objects.filter(patient=patient).first()
    now = preview(patient, user)
    counts = withdrawal.counts if withdrawal else asdict(now.counts)
    learned = withdrawal.learned if withdrawal else asdict(now.learned)
    return WithdrawalAnswer(
        patient=patient.pk, label=patient.label, counts=WithdrawalCounts(**counts),
        learned=WithdrawalLearned(**learned), waits=now.waits,
        withdrawn_at=withdrawal.at if withdrawal else None,
        finished_at=withdrawal.finished_at if withdrawal else None,
    )  # fmt: skip
