"""Deleting and restoring images, and the storage of a project, over HTTP."""

from django.conf import settings
from rest_framework.request import Request
from rest_framework.views import APIView

from labeling.accounts.repeats import once
from labeling.contract import contract
from labeling.images.models import Image
from labeling.images.patients import Patient
from labeling.images.quota import image_bytes, quota_of
from labeling.jobs.contract import job_answer
from labeling.projects.access import person, reach, reach_project
from labeling.projects.contract import ProjectAnswer
from labeling.projects.models import Project
from labeling.rounds.execution.archiving import delete_project
from labeling.upkeep.contract import (
    CleanUpAnswer,
    CleanUpBody,
    DeletedAnswer,
    ImagesBody,
    ProjectCopyAnswer,
    ProjectCopyBody,
    ProjectDeletionBody,
    RestoredAnswer,
    StorageAnswer,
    StorageChange,
    WithdrawalAnswer,
    WithdrawalBody,
    removal_answers,
    storage_answer,
    withdrawal_answer,
)
from labeling.upkeep.copying import copy_project
from labeling.upkeep.deleting import delete_images, restore_images
from labeling.upkeep.storage import REMOVABLE, change_quota, clean_up, usage
from labeling.upkeep.withdrawing import withdraw_patient


class CopyProject(APIView):
    """A new project of yours like this one. An archived one can be copied too."""

    @once
    @contract(body=ProjectCopyBody, answer=ProjectCopyAnswer, status=201)
    def post(self, request: Request, project: int, *, body: ProjectCopyBody) -> ProjectCopyAnswer:
        found = reach_project(request, "copy", project, sheets=False)
        made = copy_project(source=found, by=person(request), **body.model_dump())
        job = job_answer(made.job) if made.job is not None else None
        return ProjectCopyAnswer(project=ProjectAnswer.model_validate(made.project), job=job)


class DeleteProject(APIView):
    @contract(body=ProjectDeletionBody, answer=ProjectAnswer)
    def post(self, request: Request, project: int, *, body: ProjectDeletionBody) -> ProjectAnswer:
        """Close a project to everybody but its owners, who can restore it until `removed_at`; then it goes for good."""
        found = reach_project(request, "delete", project, sheets=False)
        deleted = delete_project(project=found, typed=body.typed, by=person(request))
        return ProjectAnswer.model_validate(deleted)


class DeleteImages(APIView):
    @contract(body=ImagesBody, answer=DeletedAnswer)
    def post(self, request: Request, project: int, *, body: ImagesBody) -> DeletedAnswer:
        """Delete images; they can be restored for some time."""
        found = reach_project(request, "manage", project)
        deleted = delete_images(project=found, images=body.images, by=person(request))
        return DeletedAnswer(deleted=deleted, restorable_days=settings.IMAGE_GRACE_DAYS)


class RestoreImages(APIView):
    @contract(body=ImagesBody, answer=RestoredAnswer)
    def post(self, request: Request, project: int, *, body: ImagesBody) -> RestoredAnswer:
        """Bring deleted images back, with what people sent for them meanwhile."""
        found = reach_project(request, "manage", project)
        return RestoredAnswer(restored=restore_images(project=found, images=body.images, by=person(request)))


class Storage(APIView):
    @contract(answer=StorageAnswer)
    def get(self, request: Request, project: int) -> StorageAnswer:
        return _answer(reach_project(request, "oversee", project))

    @contract(body=StorageChange, answer=StorageAnswer)
    def patch(self, request: Request, project: int, *, body: StorageChange) -> StorageAnswer:
        """A quota of its own for the project; null: the server's alone."""
        found = reach_project(request, "own", project)
        return _answer(change_quota(project=found, quota_bytes=body.quota_bytes))


class CleanUp(APIView):
    @contract(body=CleanUpBody, answer=CleanUpAnswer)
    def post(self, request: Request, project: int, *, body: CleanUpBody) -> CleanUpAnswer:
        """Remove what can be removed safely; first to be looked at."""
        found = reach_project(request, "manage", project)
        removed = clean_up(project=found, kinds=body.kinds, dry_run=body.dry_run)
        return CleanUpAnswer(dry_run=body.dry_run, removed=removal_answers(removed))


class WithdrawPatient(APIView):
    """A patient who withdraws: what would go and what has learned from them, or how far it is."""

    @contract(answer=WithdrawalAnswer)
    def get(self, request: Request, patient: int) -> WithdrawalAnswer:
        return withdrawal_answer(_patient(request, patient), person(request))

    @contract(body=WithdrawalBody, answer=WithdrawalAnswer)
    def post(self, request: Request, patient: int, *, body: WithdrawalBody) -> WithdrawalAnswer:
        """Hide the images at once and remove everything of them for good; withdrawing twice changes nothing."""
        found = _patient(request, patient)
        withdraw_patient(patient=found, typed=body.typed, by=person(request), reason=body.reason)
        return withdrawal_answer(found, person(request))


def _patient(request: Request, patient: int) -> Patient:
    visible = Patient.objects.filter(project__in=Project.objects.visible_to(person(request)))
    return reach(visible.select_related("project", "centre"), person(request), "withdraw", pk=patient)


def _answer(project: Project) -> StorageAnswer:
    left = Image.everything.filter(project=project, pixel_bytes__isnull=True, purged_at__isnull=True).count()
    removable = [] if project.archived_at else clean_up(project=project, kinds=REMOVABLE, dry_run=True)
    counted = sum(image_bytes(project).values())
    return storage_answer(project, usage(project), counted, quota_of(project), left, removable)
