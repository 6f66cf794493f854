"""Merging classes over HTTP."""

import uuid
from dataclasses import asdict

from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.views import APIView

from labeling.accounts.repeats import once
from labeling.contract import contract
from labeling.errors import Invalid
from labeling.jobs.contract import JobAnswer, job_answer
from labeling.label_classes.contract import (
    ClassMergeAnswer,
    ClassUsesAnswer,
    MergeBody,
    MergeListing,
    merge_answer,
)
from labeling.label_classes.merging import merge_class, take_back
from labeling.label_classes.models import ClassMerge
from labeling.label_classes.uses import uses_of
from labeling.paging import Page, page
from labeling.projects.access import person, reach, reach_project
from labeling.projects.models import LabelClass, Project


def reach_class(request: Request, act: str, label_class: int) -> LabelClass:
    user = person(request)
    classes = LabelClass.objects.filter(project__in=Project.objects.visible_to(user))
    return reach(classes.select_related("project"), user, act, pk=label_class)


class ClassUses(APIView):
    """What names a class: to be read before it is merged or retired."""

    @contract(answer=ClassUsesAnswer)
    def get(self, request: Request, label_class: int) -> ClassUsesAnswer:
        found = reach_class(request, "oversee", label_class)
        return ClassUsesAnswer(**asdict(uses_of(found, person(request))))


class ClassMergeList(APIView):
    @contract(query=MergeListing, answer=Page[ClassMergeAnswer])
    def get(self, request: Request, project: int, *, query: MergeListing) -> Page[ClassMergeAnswer]:
        found = reach_project(request, "oversee", project)
        rows = ClassMerge.objects.filter(project=found).select_related("merged_by", "undone_by")
        return page(rows, request, query, ordering=query.ordering, answer=merge_answer)


class MergeIntoClass(APIView):
    """Give the cells of a class another class. The class is not offered any more, and what still arrives with it gets
    the other one. A job goes over the cells; it can be taken back."""

    @once
    @contract(body=MergeBody, answer=JobAnswer, status=202)
    def post(self, request: Request, label_class: int, *, body: MergeBody) -> JobAnswer:
        found = reach_class(request, "manage", label_class)
        target = found.project.classes.filter(pk=body.into).first()
        if target is None:
            raise Invalid(_("a class is merged into another class of this project that is in use"), field="into")
        return job_answer(merge_class(source=found, target=target, by=person(request)))


class TakeBackMerge(APIView):
    """Cells get back the class that the merge took, but for those that somebody has changed since."""

    @once
    @contract(answer=JobAnswer, status=202)
    def post(self, request: Request, merge: uuid.UUID) -> JobAnswer:
        user = person(request)
        merges = ClassMerge.objects.filter(project__in=Project.objects.visible_to(user)).select_related("project")
        found = reach(merges, user, "manage", pk=merge)
        return job_answer(take_back(merge=found, by=user))
