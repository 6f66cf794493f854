"""What the workspace says of an image's item: whose turn it is, and what this person may do about it."""

from labeling.accounts.models import User
from labeling.assignments.models import Reading, WorkItem
from labeling.assignments.my_work import place_in
from labeling.assignments.states import ACTIVE, ItemState, ReadingState
from labeling.images.models import Image
from labeling.projects.models import MAY
from labeling.workspace.contract import PlaceAnswer, WorkAction, WorkAnswer


def work_of(image: Image, user: User, role: str | None) -> WorkAnswer | None:
    """The item of an image as one person sees it; None in a simple project."""
    item = WorkItem.objects.filter(image=image).select_related("project__workflow", "reviewer").first()
    if item is None:
        return None
    reading = Reading.objects.filter(item=item, reader=user).first()
    place = place_in(item.project, user) if role in MAY["annotate"] else None
    return WorkAnswer(
        item=item.pk,
        state=item.state,
        reading=reading.state if reading else None,
        comment=reading.reason if reading and reading.state == ReadingState.SENT_BACK else "",
        place=PlaceAnswer(number=place.number, of=place.of) if place else None,
        reviewer=item.reviewer.display_name if item.reviewer and role in MAY["review"] else None,
        actions=actions_of(item, reading, user, role) if image.project.archived_at is None else [],
    )


def actions_of(item: WorkItem, reading: Reading | None, user: User, role: str | None) -> list[WorkAction]:
    acts: list[WorkAction] = []
    if role in MAY["annotate"]:
        acts += _actions_of_reader(item, reading)
    if role in MAY["review"] and item.state == ItemState.IN_REVIEW and _may_decide(item, reading):
        acts += ["accept", "send_back"]
    if role in MAY["manage"] and item.state == ItemState.DONE:
        acts.append("reopen")
    return acts


def _actions_of_reader(item: WorkItem, reading: Reading | None) -> list[WorkAction]:
    if reading is not None and reading.state in ACTIVE:
        is_sent_back = reading.state == ReadingState.SENT_BACK
        return ["finish", "release"] if is_sent_back else ["finish", "skip", "release"]
    is_new = reading is None or reading.state in (ReadingState.RELEASED, ReadingState.SKIPPED)
    return ["begin"] if is_new and item.free > 0 else []


def _may_decide(item: WorkItem, reading: Reading | None) -> bool:
    return item.project.workflow.reviews_own_work or reading is None or not reading.takes_a_place
