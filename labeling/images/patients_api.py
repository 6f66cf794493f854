"""Centres, patients and splits over HTTP."""

from django.db.models import Count, Q
from rest_framework.request import Request
from rest_framework.views import APIView

from labeling.contract import contract
from labeling.images.assigning import assign_splits, planned
from labeling.images.name_stating import state_by_names
from labeling.images.patients import Centre, Patient, SplitChange
from labeling.images.patients_contract import (
    AssignSplitsAnswer,
    AssignSplitsBody,
    CentreAnswer,
    CentreChange,
    CentreListing,
    PatientAnswer,
    PatientChange,
    PatientListing,
    PatternAnswer,
    PatternBody,
    SplitChangeAnswer,
    SplitChangeListing,
    assign_answer,
    centre_answer,
    change_answer,
    match_answers,
    patient_answer,
)
from labeling.images.renaming import change_patient, rename_centre
from labeling.paging import Page, page
from labeling.projects.access import person, reach, reach_project
from labeling.projects.models import Project

PRESENT = Q(images__deleted_at__isnull=True)


class Centres(APIView):
    @contract(query=CentreListing, answer=Page[CentreAnswer])
    def get(self, request: Request, project: int, *, query: CentreListing) -> Page[CentreAnswer]:
        found = reach_project(request, "see", project)
        return page(found.centres.all(), request, query, ordering=query.ordering, answer=centre_answer)


class CentreDetail(APIView):
    @contract(body=CentreChange, answer=CentreAnswer)
    def patch(self, request: Request, centre: int, *, body: CentreChange) -> CentreAnswer:
        """Another name for a centre; its patients keep it."""
        visible = Centre.objects.filter(project__in=Project.objects.visible_to(person(request)))
        found = reach(visible.select_related("project"), person(request), "manage", pk=centre)
        return centre_answer(rename_centre(centre=found, name=body.name))


class Patients(APIView):
    @contract(query=PatientListing, answer=Page[PatientAnswer])
    def get(self, request: Request, project: int, *, query: PatientListing) -> Page[PatientAnswer]:
        found = reach_project(request, "see", project)
        patients = found.patients.select_related("centre").annotate(count=Count("images", filter=PRESENT))
        if query.centre is not None:
            patients = (
                patients.filter(centre__name=query.centre or None) if query.centre else patients.filter(centre=None)
            )
        if query.split is not None:
            patients = patients.filter(split=None if query.split == "divided" else query.split)
        if query.text:
            patients = patients.filter(name__icontains=query.text)
        return page(patients, request, query, ordering=query.ordering, answer=patient_answer)


class PatientDetail(APIView):
    @contract(body=PatientChange, answer=PatientAnswer)
    def patch(self, request: Request, patient: int, *, body: PatientChange) -> PatientAnswer:
        """Another name, centre or split for a patient and all their images."""
        visible = Patient.objects.filter(project__in=Project.objects.visible_to(person(request)))
        found = reach(visible.select_related("project", "centre"), person(request), "manage", pk=patient)
        change_patient(patient=found, by=person(request), **body.model_dump(exclude_unset=True))
        counted = Patient.objects.select_related("centre").annotate(count=Count("images", filter=PRESENT))
        return patient_answer(counted.get(pk=found.pk))


class AssignSplits(APIView):
    @contract(body=AssignSplitsBody, answer=AssignSplitsAnswer)
    def post(self, request: Request, project: int, *, body: AssignSplitsBody) -> AssignSplitsAnswer:
        """Divide all patients by shares, every centre into every part."""
        found = reach_project(request, "manage", project)
        shares = body.shares.model_dump()
        if body.dry_run:
            return assign_answer(planned(found, shares, body.seed), dry_run=True)
        made = assign_splits(
            project=found, shares=shares, seed=body.seed, by=person(request), reason=body.reason
        )  # fmt: skip
        return assign_answer(made, dry_run=False)


class SplitChanges(APIView):
    @contract(query=SplitChangeListing, answer=Page[SplitChangeAnswer])
    def get(self, request: Request, project: int, *, query: SplitChangeListing) -> Page[SplitChangeAnswer]:
        """Every change of a split: what, from where to where, who, when and why."""
        found = reach_project(request, "see", project)
        changes = SplitChange.objects.filter(project=found).select_related("by")
        return page(changes, request, query, ordering=query.ordering, answer=change_answer)


class StateByNames(APIView):
    @contract(body=PatternBody, answer=PatternAnswer)
    def post(self, request: Request, project: int, *, body: PatternBody) -> PatternAnswer:
        """Read where images come from out of their names, by a pattern."""
        found = reach_project(request, "manage", project)
        made = state_by_names(
            project=found, pattern=body.pattern, images=body.images, by=person(request), reason=body.reason,
            dry_run=body.dry_run,
        )  # fmt: skip
        return PatternAnswer(
            dry_run=body.dry_run, fitting=made.fitting, not_fitting=made.not_fitting, changed=made.changed,
            preview=match_answers(made.matches),
        )  # fmt: skip
