"""Controls and repeats: declared by who leads, handed out by the queue, judged when they are finished.

A reader gets a copy of the field, in a project of its own that only they reach, under a name like those of their other
images. A control is a field of the locked reference that they have never seen; a repeat is one that they have read
themselves, turned or mirrored.
"""

import random
import re
from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.accounts.models import User
from labeling.annotations.models import Layer
from labeling.assignments.declaring import make_items
from labeling.assignments.models import Reading, Workflow, WorkItem
from labeling.assignments.records import workflow_of
from labeling.assignments.rules import allowed_items
from labeling.assignments.states import ReadingState
from labeling.errors import Invalid, WrongState
from labeling.images.models import Image
from labeling.images.private_copies import copy_privately
from labeling.images.turning import OF_OTHERS, OF_SQUARES, UPRIGHT, Turn
from labeling.projects.models import Membership, Project, Role
from labeling.qualification.services import images_known_to, reference_images
from labeling.quality_control.judging import judge_check
from labeling.quality_control.models import CheckField, ControlPlan

MOST_PERCENT = 50
MOST_WORDS = 2000
Kind = CheckField.Kind


@transaction.atomic
def declare_plan(
    *,
    project: Project,
    by: User,
    owner: User,
    consequence: str,
    control_percent: int = 5,
    repeat_percent: int = 5,
    repeat_days: int = 14,
    drop: float = 0.1,
    false_alarm: int = 200,
) -> ControlPlan:
    """Begin to check readers, or change how often. With 0 percent of both nobody is checked any more.

    owner        a member; nobody else sees the results
    consequence  what follows from them: everybody in the project reads it

    Raises Invalid with the field, NoWorkflow, WrongState for controls without a locked reference, Archived.
    """
    Project.objects.for_change(project.pk)
    workflow_of(project)
    _check_numbers(control_percent, repeat_percent, repeat_days, drop, false_alarm)
    text = consequence.strip()
    if not text or len(text) > MOST_WORDS or "\x00" in text:
        raise Invalid(
            _("say what follows from the results, in at most {n} characters").format(n=MOST_WORDS), field="consequence"
        )
    if not Membership.objects.filter(project=project, user=owner).exists():
        raise Invalid(_("choose a member of this project"), field="owner")
    if control_percent and not reference_images(project):
        raise WrongState(_("lock a consensus of readings as the reference first: controls are judged by its cells"))
    values = {
        "owner": owner,
        "consequence": text,
        "control_percent": control_percent,
        "repeat_percent": repeat_percent,
        "repeat_days": repeat_days,
        "drop": drop,
        "false_alarm": false_alarm,
        "declared_by": by,
    }
    plan, _created = ControlPlan.objects.update_or_create(project=project, defaults=values)
    return plan


def _check_numbers(control_percent: int, repeat_percent: int, repeat_days: int, drop: float, false_alarm: int) -> None:
    limits = {
        "control_percent": (control_percent, 0, MOST_PERCENT),
        "repeat_percent": (repeat_percent, 0, MOST_PERCENT),
        "repeat_days": (repeat_days, 0, 1000),
        "false_alarm": (false_alarm, 2, 100_000),
    }
    for name, (value, low, high) in limits.items():
        if not low <= value <= high:
            raise Invalid(_("{name} must be {low} to {high}").format(name=name, low=low, high=high), field=name)
    if not 0 < drop < 1:
        raise Invalid(_("drop must be above 0 and below 1"), field="drop")


def next_check(*, project: Project, user: User) -> WorkItem | None:
    """The control or repeat that `user` gets now instead of the first image of the queue; None: neither.

    Which pulls these are is drawn by the plan's seed, one draw for each image that they have finished, so that asking
    twice changes nothing. The caller holds the row of the membership.
    """
    plan = ControlPlan.objects.filter(project=project).first()
    if plan is None:
        return None
    waiting = _unfinished(plan, user).first()
    if waiting is not None:
        return waiting
    read = Reading.objects.filter(item__project=project, reader=user, state=ReadingState.FINISHED)
    finished = read.count()
    kind = drawn_kind(plan, user, finished)
    if kind is None or CheckField.objects.filter(plan=plan, reader=user, after=finished).exists():
        return None
    image = _drawn_image(plan, user, kind, finished)
    return None if image is None else _make(plan, user, kind, image, finished)


def _unfinished(plan: ControlPlan, user: User) -> QuerySet[WorkItem]:
    """What `user` has got and neither finished nor skipped: an expired lease gives it to nobody else. Not what they had
    before they left the project and came back: that is out of their reach."""
    open_fields = CheckField.objects.filter(plan=plan, reader=user, finished_at__isnull=True)
    open_fields = open_fields.filter(sheet__memberships__user=user)
    items = WorkItem.objects.present().filter(project__in=open_fields.values("sheet"))
    return items.exclude(readings__state=ReadingState.SKIPPED).order_by("pk")


def drawn_kind(plan: ControlPlan, user: User, finished: int) -> str | None:
    """What the draw after `finished` images says. Nobody begins with one."""
    if finished == 0:
        return None
    share = 100 * random.Random(f"{plan.seed}:{user.pk}:{finished}").random()
    if share < plan.control_percent:
        return Kind.CONTROL
    return Kind.REPEAT if share < plan.control_percent + plan.repeat_percent else None


def _drawn_image(plan: ControlPlan, user: User, kind: str, finished: int) -> Image | None:
    had = set(CheckField.objects.filter(plan=plan, reader=user).values_list("image", flat=True))
    if kind == Kind.CONTROL:
        known = images_known_to(user, plan.project, "test") | had
        items = allowed_items(WorkItem.objects.filter(project=plan.project), plan.project, user)
        may_read = set(items.values_list("image", flat=True)) - known
        images = [image for image in reference_images(plan.project) if image.pk in may_read]
    else:
        images = [image for image in _own_readings(plan, user) if image.pk not in had]
    return random.Random(f"{plan.seed}:{user.pk}:{finished}:image").choice(images) if images else None


def _own_readings(plan: ControlPlan, user: User) -> list[Image]:
    """Images that `user` has read long ago, on a layer of their own: what others drew there is no part of it."""
    before = timezone.now() - timedelta(days=plan.repeat_days)
    read = Reading.objects.filter(
        item__project=plan.project, reader=user, state=ReadingState.FINISHED, finished_at__lte=before
    )
    own = Layer.objects.filter(kind=Layer.Kind.WORKING, annotator=user, image__work_item__readings__in=read)
    images = Image.objects.filter(pk__in=own.values("image"), slide_file__isnull=True)
    return list(images.order_by("pk"))


def _make(plan: ControlPlan, user: User, kind: str, image: Image, finished: int) -> WorkItem:
    chance = random.Random(f"{plan.seed}:{user.pk}:{finished}:name")
    turn = drawn_turn(plan, user, image, finished) if kind == Kind.REPEAT else UPRIGHT
    made = copy_privately(
        image,
        title=plan.project.name,
        name=disguised_name(image.name, chance),
        records_activity=plan.project.records_activity,
        turn=turn,
    )
    Membership.objects.create(project=made.sheet, user=user, role=Role.ANNOTATOR)
    copied = Workflow.objects.create(
        project=made.sheet,
        handed_out_by=plan.project,
        has_review=False,
        lease_hours=workflow_of(plan.project).lease_hours,
        declared_by=plan.declared_by,
    )
    make_items(copied)
    CheckField.objects.create(
        plan=plan, reader=user, kind=kind, image=image, sheet=made.sheet, after=finished,
        is_mirrored=turn.is_mirrored, quarter_turns=turn.quarters,
    )  # fmt: skip
    return WorkItem.objects.get(image=made.image)


def drawn_turn(plan: ControlPlan, user: User, image: Image, finished: int) -> Turn:
    """How the copy of a repeat stands: never as the image that the reader knows."""
    turns = OF_SQUARES if image.width == image.height else OF_OTHERS
    return random.Random(f"{plan.seed}:{user.pk}:{finished}:turn").choice(turns)


def disguised_name(name: str, chance: random.Random) -> str:
    """A name like that of an image, so that the copy is not known by it: other digits, or a number where it has none.

    >>> disguised_name("field 12.png", random.Random(1)) != "field 12.png"
    True
    """
    stem, dot, ending = name.rpartition(".")
    if not dot:
        stem, ending = name, ""
    if not re.search(r"[0-9]", stem):
        return f"{stem} {chance.randrange(2, 100)}{dot}{ending}"
    digits = re.sub(r"[0-9]", lambda _one: str(chance.randrange(1, 10)), stem)
    return f"{digits}{dot}{ending}" if digits != stem else disguised_name(name, chance)


def finish_check(item: WorkItem) -> None:
    """Judge a control or repeat once its reading is finished. Twice is once."""
    check = CheckField.objects.filter(sheet=item.project_id, finished_at__isnull=True).first()
    if check is None:
        return
    counted = judge_check(check)
    check.found, check.missed, check.extra, check.same_class = counted
    check.finished_at = timezone.now()
    check.save(update_fields=["found", "missed", "extra", "same_class", "finished_at"])
