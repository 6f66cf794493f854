"""Workflows and items over HTTP: who does what next."""

from typing import Any

from django.db.models import Count
from rest_framework.request import Request
from rest_framework.views import APIView

from labeling.accounts.models import User
from labeling.annotations.models import LateOperation
from labeling.assignments import declaring, late_work, reviewing, services
from labeling.assignments.contract import (
    AssignBody,
    AssignedAnswer,
    ClaimedAnswer,
    CommentBody,
    DecidedAnswer,
    ImageName,
    ItemAfterAct,
    ItemAnswer,
    ItemInFull,
    ItemListing,
    LateAnswer,
    LateBody,
    LateListing,
    LeaseAnswer,
    ReleaseBody,
    SkipBody,
    WorkflowBody,
    WorkflowOfProject,
    event_answer,
    item_answer,
    person_answer,
    workflow_answer,
)
from labeling.assignments.declaring import WORKFLOW_FIELDS
from labeling.assignments.models import ItemEvent, Workflow, WorkItem, WorkItemQuerySet
from labeling.assignments.my_work import left_for
from labeling.assignments.viewing import Viewer
from labeling.contract import contract
from labeling.errors import Invalid
from labeling.paging import Page, page
from labeling.projects.access import person, reach, reach_project
from labeling.projects.models import MAY, Project


def reach_item(request: Request, act: str, item: int) -> WorkItem:
    items = WorkItem.objects.visible_to(person(request)).select_related("project", "image", "reviewer")
    return reach(items, person(request), act, pk=item)


def after_act(request: Request, item: int) -> ItemAfterAct:
    """An item as it is now, for whoever has just acted on it."""
    found = reach_item(request, "see", item)
    user = person(request)
    answer = item_answer(found, Viewer.of(found.project, user))
    left = left_for(found.project, user) if found.project.role_of(user) in MAY["annotate"] else 0
    return ItemAfterAct(**dict(answer), left=left)


def _claimed(request: Request, item: int | None) -> ClaimedAnswer:
    if item is None:
        return ClaimedAnswer(item=None)
    found = reach_item(request, "see", item)
    return ClaimedAnswer(item=item_answer(found, Viewer.of(found.project, person(request))))


class ProjectWorkflow(APIView):
    """How the images of a project get done."""

    @contract(answer=WorkflowOfProject)
    def get(self, request: Request, project: int) -> WorkflowOfProject:
        return self._answer(reach_project(request, "see", project))

    @contract(body=WorkflowBody, answer=WorkflowOfProject)
    def post(self, request: Request, project: int, *, body: WorkflowBody) -> WorkflowOfProject:
        """Declare it, or change it."""
        found = reach_project(request, "manage", project)
        there = Workflow.objects.filter(project=found).first()
        given: dict[str, Any] = {name: getattr(there, name) for name in WORKFLOW_FIELDS} if there else {}
        for name in WORKFLOW_FIELDS:
            value = getattr(body, name)
            if value is not None:
                given[name] = value
        declaring.declare_workflow(project=found, by=person(request), **given)
        return self._answer(found)

    @contract(answer=WorkflowOfProject)
    def delete(self, request: Request, project: int) -> WorkflowOfProject:
        found = reach_project(request, "manage", project)
        declaring.end_workflow(project=found)
        return self._answer(found)

    def _answer(self, project: Project) -> WorkflowOfProject:
        counts = dict(project.items.order_by().values_list("state").annotate(n=Count("pk")))
        return workflow_answer(Workflow.objects.filter(project=project).first(), counts)


class ItemList(APIView):
    """The items of a project."""

    @contract(query=ItemListing, answer=Page[ItemAnswer])
    def get(self, request: Request, project: int, *, query: ItemListing) -> Page[ItemAnswer]:
        found = reach_project(request, "see", project)
        viewer = Viewer.of(found, person(request))
        items = self._chosen(found, query, viewer)
        items = items.select_related("image", "reviewer").prefetch_related("readings__reader")
        return page(items, request, query, ordering=query.ordering, answer=lambda item: item_answer(item, viewer))

    def _chosen(self, project: Project, query: ItemListing, viewer: Viewer) -> WorkItemQuerySet:
        items = WorkItem.objects.present().filter(project=project)
        if query.state is not None:
            items = items.filter(state=query.state)
        if query.reader is not None:
            is_own = query.reader == viewer.user.pk
            if not viewer.sees_all and not is_own:
                raise Invalid("you see your own readings here: leave reader out or name yourself", field="reader")
            items = items.filter(readings__reader=query.reader)
            if not is_own:  # which images somebody else reads is part of what a blinded reader must not know
                items = viewer.with_all_readings(items)
        return items


class ItemNext(APIView):
    """Take the next item: what is open already, else what was sent back or assigned, else the first of the queue."""

    @contract(answer=ClaimedAnswer, scope="annotate")
    def post(self, request: Request, project: int) -> ClaimedAnswer:
        found = reach_project(request, "annotate", project)
        reading = services.take_next(project=found, user=person(request))
        return _claimed(request, reading.item_id if reading else None)


class ItemReview(APIView):
    """Take the next item to review."""

    @contract(answer=ClaimedAnswer, scope="annotate")
    def post(self, request: Request, project: int) -> ClaimedAnswer:
        found = reach_project(request, "review", project)
        item = reviewing.take_review(project=found, user=person(request))
        return _claimed(request, item.pk if item else None)


class ItemAssign(APIView):
    """Give items to people, evenly."""

    @contract(body=AssignBody, answer=AssignedAnswer)
    def post(self, request: Request, project: int, *, body: AssignBody) -> AssignedAnswer:
        found = reach_project(request, "manage", project)
        readers = members(found, body.readers)
        given = services.assign_items(
            project=found, items=body.items, readers=readers, by=person(request), due_on=body.due_on
        )
        return AssignedAnswer(assigned=given)


def members(project: Project, keys: list[int]) -> list[User]:
    """The people of a project with these ids, in this order. Raises Invalid for somebody who is none."""
    found = {user.pk: user for user in User.objects.filter(memberships__project=project, pk__in=keys)}
    missing = [str(key) for key in keys if key not in found]
    if missing:
        raise Invalid(f"{', '.join(missing)}: no member of this project has this id", field="readers")
    return [found[key] for key in dict.fromkeys(keys)]


class ItemDetail(APIView):
    """An item and what happened to it."""

    @contract(answer=ItemInFull)
    def get(self, request: Request, work_item: int) -> ItemInFull:
        found = reach_item(request, "see", work_item)
        viewer = Viewer.of(found.project, person(request))
        only = viewer.only(found)
        events = ItemEvent.objects.filter(item=found).select_related("by", "reader")
        if only is not None:
            events = events.filter(reader=only) | events.filter(by=only)
        answer = item_answer(found, viewer)
        return ItemInFull(**dict(answer), events=[event_answer(event) for event in events])


class ItemBegin(APIView):
    """Begin this item: an assigned one, one that was sent back, or any with a free place."""

    @contract(answer=ItemAfterAct, scope="annotate")
    def post(self, request: Request, work_item: int) -> ItemAfterAct:
        found = reach_item(request, "annotate", work_item)
        services.begin_item(item_id=found.pk, user=person(request))
        return after_act(request, work_item)


class ItemRenew(APIView):
    """I am at work on it: my lease begins anew."""

    @contract(answer=LeaseAnswer, scope="annotate")
    def post(self, request: Request, work_item: int) -> LeaseAnswer:
        found = reach_item(request, "annotate", work_item)
        reading = services.renew_lease(item_id=found.pk, user=person(request))
        return LeaseAnswer(lease_until=reading.lease_until)


class ItemFinish(APIView):
    """My reading of it is complete."""

    @contract(answer=ItemAfterAct, scope="annotate")
    def post(self, request: Request, work_item: int) -> ItemAfterAct:
        found = reach_item(request, "annotate", work_item)
        services.finish_item(item_id=found.pk, user=person(request))
        return after_act(request, work_item)


class ItemSkip(APIView):
    """Somebody else shall read it, and whoever leads sees why."""

    @contract(body=SkipBody, answer=ItemAfterAct, scope="annotate")
    def post(self, request: Request, work_item: int, *, body: SkipBody) -> ItemAfterAct:
        found = reach_item(request, "annotate", work_item)
        services.skip_item(item_id=found.pk, user=person(request), reason=body.reason)
        return after_act(request, work_item)


class ItemRelease(APIView):
    """Back to the queue: my own reading, or that of somebody else for who manages the project."""

    @contract(body=ReleaseBody, answer=ItemAfterAct, scope="annotate")
    def post(self, request: Request, work_item: int, *, body: ReleaseBody) -> ItemAfterAct:
        found = reach_item(request, "annotate", work_item)
        (reader,) = members(found.project, [body.reader or person(request).pk])
        services.release_item(item_id=found.pk, reader=reader, by=person(request))
        return after_act(request, work_item)


class ItemAccept(APIView):
    """The review is over: nothing on the image is changed from here on."""

    @contract(body=CommentBody, answer=ItemAfterAct, scope="annotate")
    def post(self, request: Request, work_item: int, *, body: CommentBody) -> ItemAfterAct:
        found = reach_item(request, "review", work_item)
        reviewing.accept_item(item_id=found.pk, by=person(request), comment=body.comment)
        return after_act(request, work_item)


class ItemSendBack(APIView):
    """Its readers go on with it; the comment says what should be changed."""

    @contract(body=CommentBody, answer=ItemAfterAct, scope="annotate")
    def post(self, request: Request, work_item: int, *, body: CommentBody) -> ItemAfterAct:
        found = reach_item(request, "review", work_item)
        reviewing.send_back(item_id=found.pk, by=person(request), comment=body.comment)
        return after_act(request, work_item)


class ItemReopen(APIView):
    """A done item is worked on again; the comment says why, and stays recorded."""

    @contract(body=CommentBody, answer=ItemAfterAct)
    def post(self, request: Request, work_item: int, *, body: CommentBody) -> ItemAfterAct:
        found = reach_item(request, "manage", work_item)
        reviewing.reopen_item(item_id=found.pk, by=person(request), comment=body.comment)
        return after_act(request, work_item)


class ItemUnblind(APIView):
    """See blinded readings before all are closed: recorded, and nobody who has looked reads the item blindly."""

    @contract(answer=ItemAfterAct)
    def post(self, request: Request, work_item: int) -> ItemAfterAct:
        found = reach_item(request, "manage", work_item)
        reviewing.unblind_item(item_id=found.pk, by=person(request))
        return after_act(request, work_item)


class ItemLate(APIView):
    """Decide about work that arrived after the item was done."""

    @contract(body=LateBody, answer=DecidedAnswer)
    def post(self, request: Request, work_item: int, *, body: LateBody) -> DecidedAnswer:
        found = reach_item(request, "manage", work_item)
        author = late_work.author_of(found, body.author, person(request))
        if body.act == "apply":
            verdicts = late_work.apply_late(item_id=found.pk, author=author, by=person(request))
            return DecidedAnswer(verdicts=verdicts)
        discarded = late_work.discard_late(item_id=found.pk, author=author, by=person(request))
        return DecidedAnswer(verdicts={"discarded": discarded})


class ItemLateList(APIView):
    """Work that arrived after its item was done, and that nobody has decided about."""

    @contract(query=LateListing, answer=Page[LateAnswer])
    def get(self, request: Request, project: int, *, query: LateListing) -> Page[LateAnswer]:
        rows = late_work.first_operations(reach_project(request, "oversee", project), person(request))
        if query.author is not None:
            rows = rows.filter(author=query.author)
        return page(rows, request, query, ordering=query.ordering, answer=late_answer)


def late_answer(first: LateOperation) -> LateAnswer:
    work = late_work.late_work(first)
    return LateAnswer(
        item=work.item.pk,
        image=ImageName(id=work.item.image_id, name=first.layer.image.name),
        author=person_answer(work.author),
        operations=work.operations,
        first_at=work.first_at,
        last_at=work.last_at,
    )
