"""Workflows and items over HTTP: who does what next."""

from typing import Any

from django.db.models import Count, QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.accounts.models import User
from labeling.assignments import declaring, late_work, reviewing, services
from labeling.assignments.models import Workflow, WorkItem
from labeling.assignments.my_work import left_for
from labeling.assignments.records import workflow_of
from labeling.assignments.states import ItemState
from labeling.errors import Invalid
from labeling.numbers import LARGEST, required_number
from labeling.projects.access import person, reach, sees_everybody
from labeling.projects.models import MAY, Project

MOST_SHOWN = 500


class WorkflowSerializer(serializers.ModelSerializer[Workflow]):
    class Meta:
        model = Workflow
        fields = ["readings", "more_percent", "seed", "has_review", "reviews_own_work", "lease_hours", "declared_at"]
        read_only_fields = ["seed", "declared_at"]


class KeysField(serializers.ListField):
    child = serializers.IntegerField(min_value=1, max_value=LARGEST)


class AssignSerializer(serializers.Serializer[Any]):
    items = KeysField(max_length=services.MOST_ASSIGNED)
    readers = KeysField(max_length=100)


class ReasonSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(allow_blank=True, default="", trim_whitespace=False)


class CommentSerializer(serializers.Serializer[Any]):
    comment = serializers.CharField(allow_blank=True, default="", trim_whitespace=False)


class ReleaseSerializer(serializers.Serializer[Any]):
    reader = serializers.IntegerField(min_value=1, max_value=LARGEST, required=False)


class LateSerializer(serializers.Serializer[Any]):
    author = serializers.IntegerField(min_value=1, max_value=LARGEST)
    act = serializers.ChoiceField(choices=["apply", "discard"])


def given(kind: type[serializers.BaseSerializer[Any]], request: Request) -> Any:
    """What was sent, checked. Raises ValidationError, which names the field."""
    asked = kind(data=request.data)
    asked.is_valid(raise_exception=True)
    return asked.validated_data


def reach_project(request: Request, act: str, project: int) -> Project:
    return reach(Project.objects.visible_to(person(request)), person(request), act, project="", pk=project)


def reach_item(request: Request, act: str, item: int) -> WorkItem:
    items = WorkItem.objects.visible_to(person(request)).select_related("project", "image", "reviewer")
    return reach(items, person(request), act, pk=item)


def named(user: User | None) -> dict[str, Any] | None:
    return {"id": user.pk, "name": user.display_name} if user else None


def item_json(item: WorkItem, *, only: User | None = None) -> dict[str, Any]:
    """An item with its readings; `only`: with the readings of this person and nothing of the others."""
    readings = [r for r in item.readings.all() if only is None or r.reader_id == only.pk]
    return {
        "id": item.pk,
        "image": {"id": item.image_id, "name": item.image.name},
        "state": item.state,
        "wanted": item.wanted,
        "free": item.free,
        "priority": item.priority,
        "since": item.since,
        "done_at": item.done_at,
        "reviewer": named(item.reviewer) if only is None else None,
        "readings": [
            {
                "reader": named(reading.reader),
                "state": reading.state,
                "since": reading.since,
                "lease_until": reading.lease_until,
                "reason": reading.reason,
            }
            for reading in readings
        ],
    }


def answer(request: Request, item: int) -> Response:
    """An item as it is now, for whoever has just acted on it, and how many images are left for them."""
    found = reach_item(request, "see", item)
    user = person(request)
    left = 0
    if found.project.role_of(user) in MAY["annotate"]:
        left = left_for(found.project, user)
    return Response(item_json(found, only=only_own(found.project, user)) | {"left": left})


def only_own(project: Project, user: User) -> User | None:
    """None for who sees everybody's readings; else the person whose readings are shown."""
    return None if sees_everybody(project, user) else user


class ProjectWorkflow(APIView):
    """How the images of a project get done; null for a simple project."""

    def get(self, request: Request, project: int) -> Response:
        found = reach_project(request, "see", project)
        workflow = Workflow.objects.filter(project=found).first()
        return Response({"workflow": workflow and WorkflowSerializer(workflow).data})

    def post(self, request: Request, project: int) -> Response:
        """Declare it, or change it: what is left out stays as it is."""
        found = reach_project(request, "manage", project)
        there = Workflow.objects.filter(project=found).first()
        asked = WorkflowSerializer(there, data=request.data, partial=True)
        asked.is_valid(raise_exception=True)
        names = ("readings", "more_percent", "has_review", "reviews_own_work", "lease_hours")
        stays = {name: getattr(there, name) for name in names} if there else {}
        made = declaring.declare_workflow(project=found, by=person(request), **stays | asked.validated_data)
        return Response({"workflow": WorkflowSerializer(made).data})

    def delete(self, request: Request, project: int) -> Response:
        found = reach_project(request, "manage", project)
        declaring.end_workflow(project=found)
        return Response({"workflow": None})


class ItemList(APIView):
    """The items of a project: ?state=, ?reader=, and ?after= the last id seen. `counts` is the number in each state."""

    def get(self, request: Request, project: int) -> Response:
        found = reach_project(request, "see", project)
        items = self._asked_for(request, found)
        limit = min(required_number(request.query_params.get("limit", "100"), "limit"), MOST_SHOWN)
        rows = list(items.select_related("image", "reviewer").prefetch_related("readings__reader")[: limit + 1])
        only = only_own(found, person(request))
        states = found.items.order_by().values_list("state").annotate(n=Count("pk"))
        return Response(
            {
                "items": [item_json(item, only=only) for item in rows[:limit]],
                "more": len(rows) > limit,
                "counts": dict(states),
            }
        )

    def _asked_for(self, request: Request, project: Project) -> QuerySet[WorkItem]:
        after = required_number(request.query_params.get("after", "0"), "after")
        items = WorkItem.objects.filter(project=project, pk__gt=after)
        state = request.query_params.get("state")
        if state is not None:
            if state not in ItemState.values:
                raise Invalid(f"state must be one of {', '.join(ItemState.values)}", field="state")
            items = items.filter(state=state)
        reader = request.query_params.get("reader")
        if reader is not None:
            key = required_number(reader, "reader")
            if key != person(request).pk and not sees_everybody(project, person(request)):
                raise Invalid("you see your own readings here: leave reader out or name yourself", field="reader")
            items = items.filter(readings__reader=key)
        return items.order_by("pk")


class ItemNext(APIView):
    """Take the next item: what is open already, else what was sent back or assigned, else the first of the queue."""

    def post(self, request: Request, project: int) -> Response:
        found = reach_project(request, "annotate", project)
        reading = services.take_next(project=found, user=person(request))
        if reading is None:
            return Response({"item": None})
        item = reach_item(request, "see", reading.item_id)
        return Response({"item": item_json(item, only=only_own(found, person(request)))})


class ItemReview(APIView):
    """Take the next item to review."""

    def post(self, request: Request, project: int) -> Response:
        found = reach_project(request, "review", project)
        item = reviewing.take_review(project=found, user=person(request))
        if item is None:
            return Response({"item": None})
        return Response({"item": item_json(reach_item(request, "see", item.pk))})


class ItemAssign(APIView):
    """Give items to people, evenly: {"items": [id, ...], "readers": [id of a person, ...]}."""

    def post(self, request: Request, project: int) -> Response:
        found = reach_project(request, "manage", project)
        asked = given(AssignSerializer, request)
        readers = members(found, asked["readers"])
        by = person(request)
        assigned = services.assign_items(project=found, items=asked["items"], readers=readers, by=by)
        return Response({"assigned": assigned})


def members(project: Project, keys: list[int]) -> list[User]:
    """The people of a project with these ids, in this order. Raises Invalid for somebody who is none."""
    found = {user.pk: user for user in User.objects.filter(memberships__project=project, pk__in=keys)}
    missing = [str(key) for key in keys if key not in found]
    if missing:
        raise Invalid(f"{', '.join(missing)}: no member of this project has this id", field="readers")
    return [found[key] for key in dict.fromkeys(keys)]


class ItemDetail(APIView):
    """An item and what happened to it."""

    def get(self, request: Request, work_item: int) -> Response:
        found = reach_item(request, "see", work_item)
        only = only_own(found.project, person(request))
        events = found.events.select_related("by", "reader")
        if only is not None:
            events = events.filter(reader=only) | events.filter(by=only)
        lines = [
            {
                "act": event.act,
                "by": named(event.by),
                "reader": named(event.reader),
                "state": event.state,
                "comment": event.comment,
                "at": event.at,
            }
            for event in events
        ]
        return Response(item_json(found, only=only) | {"events": lines})


class ItemBegin(APIView):
    """Begin this item: an assigned one, one that was sent back, or any with a free place."""

    def post(self, request: Request, work_item: int) -> Response:
        found = reach_item(request, "annotate", work_item)
        services.begin_item(item_id=found.pk, user=person(request))
        return answer(request, work_item)


class ItemRenew(APIView):
    """I am at work on it: my lease begins anew."""

    def post(self, request: Request, work_item: int) -> Response:
        found = reach_item(request, "annotate", work_item)
        reading = services.renew_lease(item_id=found.pk, user=person(request))
        return Response({"lease_until": reading.lease_until})


class ItemFinish(APIView):
    """My reading of it is complete."""

    def post(self, request: Request, work_item: int) -> Response:
        found = reach_item(request, "annotate", work_item)
        services.finish_item(item_id=found.pk, user=person(request))
        return answer(request, work_item)


class ItemSkip(APIView):
    """Somebody else shall read it: {"reason": "..."}."""

    def post(self, request: Request, work_item: int) -> Response:
        found = reach_item(request, "annotate", work_item)
        reason = given(ReasonSerializer, request)["reason"]
        services.skip_item(item_id=found.pk, user=person(request), reason=reason)
        return answer(request, work_item)


class ItemRelease(APIView):
    """Back to the queue: my own reading, or {"reader": id} of somebody else for who manages the project."""

    def post(self, request: Request, work_item: int) -> Response:
        found = reach_item(request, "annotate", work_item)
        key = given(ReleaseSerializer, request).get("reader", person(request).pk)
        (reader,) = members(found.project, [key])
        services.release_item(item_id=found.pk, reader=reader, by=person(request))
        return answer(request, work_item)


class ItemAccept(APIView):
    """The review is over: {"comment": "..."} may be empty."""

    def post(self, request: Request, work_item: int) -> Response:
        found = reach_item(request, "review", work_item)
        comment = given(CommentSerializer, request)["comment"]
        reviewing.accept_item(item_id=found.pk, by=person(request), comment=comment)
        return answer(request, work_item)


class ItemSendBack(APIView):
    """Its readers go on with it: {"comment": "..."} says what should be changed."""

    def post(self, request: Request, work_item: int) -> Response:
        found = reach_item(request, "review", work_item)
        comment = given(CommentSerializer, request)["comment"]
        reviewing.send_back(item_id=found.pk, by=person(request), comment=comment)
        return answer(request, work_item)


class ItemReopen(APIView):
    """A done item is worked on again: {"comment": "..."} says why, and stays recorded."""

    def post(self, request: Request, work_item: int) -> Response:
        found = reach_item(request, "manage", work_item)
        comment = given(CommentSerializer, request)["comment"]
        reviewing.reopen_item(item_id=found.pk, by=person(request), comment=comment)
        return answer(request, work_item)


class ItemLate(APIView):
    """Work that arrived for a done item: POST {"author": id, "act": "apply" or "discard"}."""

    def post(self, request: Request, work_item: int) -> Response:
        found = reach_item(request, "manage", work_item)
        asked = given(LateSerializer, request)
        author = late_work.author_of(found, asked["author"])
        if asked["act"] == "apply":
            verdicts = late_work.apply_late(item_id=found.pk, author=author, by=person(request))
        else:
            discarded = late_work.discard_late(item_id=found.pk, author=author, by=person(request))
            verdicts = {"discarded": discarded}
        return Response({"verdicts": verdicts})


class ItemLateList(APIView):
    """What waits for a decision in a project: work that arrived after its item was done."""

    def get(self, request: Request, project: int) -> Response:
        found = reach_project(request, "oversee", project)
        workflow_of(found)
        rows = [
            {
                "item": work.item.pk,
                "image": {"id": work.item.image_id, "name": work.item.image.name},
                "author": named(work.author),
                "operations": work.operations,
                "first_at": work.first_at,
                "last_at": work.last_at,
            }
            for work in late_work.late_work_of(found)
        ]
        return Response({"late": rows})
