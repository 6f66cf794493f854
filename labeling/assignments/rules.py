"""Who may read which item: not cases of one's own centre, only what one is admitted for, and by skill."""

from itertools import chain

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.accounts.models import User
from labeling.assignments.errors import CannotBeAssigned, NotAdmitted
from labeling.assignments.models import Admission, Workflow, WorkItem
from labeling.assignments.queue_start import raise_version
from labeling.errors import Invalid
from labeling.images.patients import Centre
from labeling.projects.models import LabelClass, Membership, Project


def admissions_of(project: Project, user: User) -> QuerySet[Admission]:
    """The admissions that hold."""
    rows = Admission.objects.filter(project=project, person=user, withdrawn_at__isnull=True)
    return rows.select_related("label_class", "centre")


def allowed_items(items: QuerySet[WorkItem], project: Project, user: User) -> QuerySet[WorkItem]:
    """Those of `items` that `user` may read by the rules of the workflow."""
    workflow = Workflow.objects.filter(project=project).first()
    if workflow is None:
        return items
    if workflow.excludes_own_centre:
        own = Membership.objects.filter(project=project, user=user, centre__isnull=False).values("centre")
        items = items.exclude(image__centre__in=own)
    if workflow.needs_admission:
        admissions = admissions_of(project, user)
        here = admissions.filter(Q(centre__isnull=True) | Q(centre=OuterRef("image__centre")))
        items = items.filter(Exists(here))
    if workflow.matches_skills:
        items = _by_skill(items, project, user)
    return items


def _by_skill(items: QuerySet[WorkItem], project: Project, user: User) -> QuerySet[WorkItem]:
    """Without those that have a tag which is a skill of members here, and none which is a skill of `user`."""
    skills = dict(Membership.objects.filter(project=project).exclude(skills=[]).values_list("user", "skills"))
    asked = sorted(set(chain.from_iterable(skills.values())))
    mine = Q(image__tags__overlap=skills.get(user.pk, []))
    return items.filter(~Q(image__tags__overlap=asked) | mine) if asked else items


def decline_reader(item: WorkItem, user: User) -> None:
    """Raises CannotBeAssigned for an item that the rules of the workflow keep from `user`."""
    items = WorkItem.objects.filter(pk=item.pk)
    if not allowed_items(items, item.project, user).exists():
        raise CannotBeAssigned(
            _("this workflow gives the image to somebody else: it is of your centre, or needs an admission or a skill")
        )


def waits_for_admission(workflow: Workflow, user: User) -> bool:
    """Whether `user` gets no image before somebody or a test admits them."""
    return workflow.needs_admission and not admissions_of(workflow.project, user).exists()


def decline_unless_admitted(workflow: Workflow, user: User) -> None:
    """Raises NotAdmitted where the workflow needs an admission and `user` has none."""
    if waits_for_admission(workflow, user):
        raise NotAdmitted(_("you are not admitted yet; the page Learning says how to come to it"))


@transaction.atomic
def admit(
    *, project: Project, person: User, label_class: LabelClass, by: User | None, centre: Centre | None = None
) -> Admission:
    """`person` may read the class, at this centre or at all. Twice is once. by: None for a passed test.

    Raises Invalid for a class or a centre of another project, and for somebody who takes no part.
    """
    Project.objects.for_change(project.pk)
    if label_class.project_id != project.pk:
        raise Invalid(_("choose a class of this project"), field="label_class")
    if centre is not None and centre.project_id != project.pk:
        raise Invalid(_("choose a centre of this project"), field="centre")
    if not Membership.objects.filter(project=project, user=person).exists():
        raise Invalid(_("choose a member of this project"), field="person")
    found, made = Admission.objects.get_or_create(
        project=project,
        person=person,
        label_class=label_class,
        centre=centre,
        withdrawn_at=None,
        defaults={"admitted_by": by},
    )
    if made:
        raise_version(project.pk)  # items before the start of this person's queue may be for them now
    return found


@transaction.atomic
def withdraw_admission(*, admission: Admission) -> Admission:
    """It holds no longer; what the person has begun they may finish. Twice is once."""
    Project.objects.for_change(admission.project_id)
    if admission.withdrawn_at is None:
        admission.withdrawn_at = timezone.now()
        admission.save(update_fields=["withdrawn_at"])
    return admission
