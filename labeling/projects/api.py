"""Projects over HTTP, with their classes and members."""

from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.views import APIView

from labeling.accounts.repeats import once
from labeling.accounts.services import may_create_projects
from labeling.contract import Reply, contract
from labeling.editions import require_match, tagged
from labeling.errors import Invalid
from labeling.paging import Page, page
from labeling.projects.access import members_seen_by, person, reach, reach_project
from labeling.projects.classes import (
    add_class,
    change_class,
    remove_class,
    restore_class,
    retire_class,
    set_parent,
)
from labeling.projects.contract import (
    AddedMember,
    ClassAnswer,
    ClassChange,
    ClassListing,
    MemberAnswer,
    MemberChange,
    MemberListing,
    NewClass,
    NewMember,
    NewProject,
    ProjectAnswer,
    ProjectChange,
    ProjectInFull,
    ProjectListing,
    Removed,
    class_answer,
    member_answer,
    project_in_full,
)
from labeling.projects.models import LabelClass, Membership, Project
from labeling.projects.services import (
    NotAllowed,
    add_member,
    change_project,
    change_role,
    create_project,
    describe_member,
    invite_again,
    remove_member,
)
from labeling.projects.terms import TERMS, change_terms


class ProjectList(APIView):
    @contract(query=ProjectListing, answer=Page[ProjectAnswer])
    def get(self, request: Request, *, query: ProjectListing) -> Page[ProjectAnswer]:
        projects = Project.objects.visible_to(person(request)).filter(is_sheet=False)
        if query.archived is not None:
            projects = projects.filter(archived_at__isnull=query.archived == "false")
        return page(projects, request, query, ordering=query.ordering, answer=ProjectAnswer.model_validate)

    @once
    @contract(body=NewProject, answer=ProjectInFull, status=201)
    def post(self, request: Request, *, body: NewProject) -> Reply:
        """A new project, of which you are the owner."""
        user = person(request)
        if not may_create_projects(user):
            raise NotAllowed(_("you may not create projects here; ask an administrator for the right"))
        made = create_project(owner=user, classes=tuple(body.classes), **body.model_dump(exclude={"classes"}))
        answer = tagged(project_in_full(made, user))
        return Reply(answer.value, headers={**answer.headers, "Location": reverse("project-detail", args=[made.pk])})


class ProjectDetail(APIView):
    @contract(answer=ProjectInFull)
    def get(self, request: Request, project: int) -> Reply:
        found = reach_project(request, "see", project)
        return tagged(project_in_full(found, person(request)))

    @contract(body=ProjectChange, answer=ProjectInFull)
    @transaction.atomic
    def patch(self, request: Request, project: int, *, body: ProjectChange) -> Reply:
        """If-Match takes the ETag of the project as you read it."""
        user = person(request)
        found = reach_project(request, "manage", project)
        found = Project.objects.for_change(found.pk)
        require_match(request, project_in_full(found, user))
        words = {name: getattr(found, name) for name in ("name", "description", "records_activity")}
        terms = body.model_dump(include=set(TERMS), exclude_unset=True)
        if terms:
            found = change_terms(project=found, by=user, **terms)
        change_project(project=found, by=user, **words | body.model_dump(exclude=set(TERMS), exclude_none=True))
        return tagged(project_in_full(found, user))


# -- classes


class ClassList(APIView):
    @contract(query=ClassListing, answer=Page[ClassAnswer])
    def get(self, request: Request, project: int, *, query: ClassListing) -> Page[ClassAnswer]:
        classes = reach_project(request, "see", project).classes.all()
        if query.in_use is not None:
            classes = classes.filter(retired_at__isnull=query.in_use == "true")
        return page(classes, request, query, ordering=query.ordering, answer=class_answer)

    @once
    @contract(body=NewClass, answer=ClassAnswer, status=201)
    def post(self, request: Request, project: int, *, body: NewClass) -> Reply:
        found = reach_project(request, "manage", project)
        return tagged(class_answer(add_class(project=found, name=body.name, parent=_parent(found, body.parent))))


class ClassDetail(APIView):
    @contract(answer=ClassAnswer)
    def get(self, request: Request, label_class: int) -> Reply:
        return tagged(class_answer(_class(request, "see", label_class)))

    @contract(body=ClassChange, answer=ClassAnswer)
    @transaction.atomic
    def patch(self, request: Request, label_class: int, *, body: ClassChange) -> Reply:
        found = _class(request, "manage", label_class)
        require_match(request, class_answer(found))
        if body.name is not None or body.color is not None:
            change_class(label_class=found, name=body.name or found.name, color=body.color or found.color)
        if "parent" in body.model_fields_set:
            set_parent(label_class=found, parent=_parent(found.project, body.parent))
        if body.is_retired is not None:
            (retire_class if body.is_retired else restore_class)(label_class=found)
        return tagged(class_answer(found))

    @contract(answer=Removed)
    @transaction.atomic
    def delete(self, request: Request, label_class: int) -> Removed:
        """Only of a class that no cell has; the classes after it move up."""
        found = _class(request, "manage", label_class)
        require_match(request, class_answer(found))
        remove_class(label_class=found)
        return Removed(removed=label_class)


def _parent(project: Project, key: int | None) -> LabelClass | None:
    """Raises Invalid for a class that the project does not have."""
    if key is None:
        return None
    found = project.classes.filter(pk=key).first()
    if found is None:
        raise Invalid(_("the parent must be a class of this project that is in use"), field="parent")
    return found


def _class(request: Request, act: str, label_class: int) -> LabelClass:
    """Of a change: with its project locked, as the services lock it."""
    user = person(request)
    classes = LabelClass.objects.filter(project__in=Project.objects.visible_to(user)).select_related("project")
    found = reach(classes, user, act, pk=label_class)
    if act != "see":
        Project.objects.for_change(found.project_id)
        found.refresh_from_db(fields=["name", "color", "position", "parent", "retired_at", "merged_into"])
    return found


# -- members


class MemberList(APIView):
    @contract(query=MemberListing, answer=Page[MemberAnswer])
    def get(self, request: Request, project: int, *, query: MemberListing) -> Page[MemberAnswer]:
        """Where annotators read apart they find themselves alone; those who lead find everybody."""
        members = members_seen_by(person(request), reach_project(request, "see", project))
        if query.role is not None:
            members = members.filter(role=query.role)
        return page(members, request, query, ordering=query.ordering, answer=member_answer)

    # Takes no Idempotency-Key: what is answered again is stored, and a link stands nowhere.
    @contract(body=NewMember, answer=AddedMember, status=201)
    def post(self, request: Request, project: int, *, body: NewMember) -> AddedMember:
        user = person(request)
        found = reach_project(request, "manage", project)
        made, path = add_member(project=found, username=body.username, role=body.role, by=user)
        return _with_link(request, made, path)


class MemberDetail(APIView):
    @contract(body=MemberChange, answer=MemberAnswer)
    @transaction.atomic
    def patch(self, request: Request, membership: int, *, body: MemberChange) -> MemberAnswer:
        found = _member(request, membership)
        if body.role is not None:
            found = change_role(project=found.project, membership=found, role=body.role, by=person(request))
        if {"seniority", "centre", "skills"} & body.model_fields_set:
            centre = body.centre if "centre" in body.model_fields_set else found.centre_id
            seniority = found.seniority if body.seniority is None else body.seniority
            found = describe_member(membership=found, seniority=seniority, centre=centre, skills=body.skills)
        return member_answer(found)

    @contract(answer=Removed)
    def delete(self, request: Request, membership: int) -> Removed:
        """What they annotated stays theirs."""
        found = _member(request, membership)
        remove_member(project=found.project, membership=found, by=person(request))
        return Removed(removed=membership)


class MemberInvite(APIView):
    """Another link for somebody who has not come yet; the earlier one is void."""

    @contract(answer=AddedMember, status=201)
    def post(self, request: Request, membership: int) -> AddedMember:
        found = _member(request, membership)
        path = invite_again(membership=found, by=person(request))
        return _with_link(request, found, path)


def _member(request: Request, membership: int) -> Membership:
    members = Membership.objects.filter(project__in=Project.objects.visible_to(person(request)))
    return reach(members.select_related("project", "user"), person(request), "manage", pk=membership)


def _with_link(request: Request, made: Membership, path: str | None) -> AddedMember:
    link = request.build_absolute_uri(path) if path else None
    return AddedMember(**dict(member_answer(made)), link=link)
