"""Who is admitted for which class, over HTTP."""

from rest_framework.request import Request
from rest_framework.views import APIView

from labeling.accounts.repeats import once
from labeling.assignments.admission_contract import (
    AdmissionAnswer,
    AdmissionBody,
    AdmissionListing,
    admission_answer,
)
from labeling.assignments.api import members
from labeling.assignments.models import Admission
from labeling.assignments.rules import admit, withdraw_admission
from labeling.contract import contract
from labeling.errors import Invalid
from labeling.images.patients import Centre
from labeling.paging import Page, page
from labeling.projects.access import person, reach, reach_project
from labeling.projects.models import MAY, Project


class AdmissionList(APIView):
    """Those who lead see everybody's, others their own. POST admits somebody without a test."""

    @contract(query=AdmissionListing, answer=Page[AdmissionAnswer])
    def get(self, request: Request, project: int, *, query: AdmissionListing) -> Page[AdmissionAnswer]:
        user = person(request)
        found = reach_project(request, "see", project)
        rows = Admission.objects.filter(project=found).select_related("person", "admitted_by")
        if found.role_of(user) not in MAY["oversee"]:
            rows = rows.filter(person=user)
        if query.person is not None:
            rows = rows.filter(person=query.person)
        return page(rows, request, query, ordering=query.ordering, answer=admission_answer)

    @once
    @contract(body=AdmissionBody, answer=AdmissionAnswer, status=201)
    def post(self, request: Request, project: int, *, body: AdmissionBody) -> AdmissionAnswer:
        user = person(request)
        found = reach_project(request, "manage", project)
        (chosen,) = members(found, [body.person])
        label_class = found.classes.filter(pk=body.label_class).first()
        if label_class is None:
            raise Invalid("label_class is no class of this project", field="label_class")
        centre = None if body.centre is None else Centre.objects.filter(project=found, pk=body.centre).first()
        if body.centre is not None and centre is None:
            raise Invalid("centre is no centre of this project", field="centre")
        return admission_answer(admit(project=found, person=chosen, label_class=label_class, by=user, centre=centre))


class WithdrawAdmission(APIView):
    """It holds no longer. What the person has begun they may finish."""

    @contract(answer=AdmissionAnswer)
    def post(self, request: Request, admission: int) -> AdmissionAnswer:
        user = person(request)
        rows = Admission.objects.filter(project__in=Project.objects.visible_to(user)).select_related("project")
        found = reach(rows, user, "manage", pk=admission)
        return admission_answer(withdraw_admission(admission=found))
