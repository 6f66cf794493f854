"""The one thing that a person does next in a project: the primary button of the page Work and of its neighbours."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labeling.accounts.models import User
from labeling.assignments.models import Workflow
from labeling.assignments.my_work import ProjectWork, work_in
from labeling.jobs.models import Job
from labeling.projects.models import Project
from labeling.rounds.models import Round
from labeling.site.image_rows import ImageRow
from labeling.site.words import thousands

LONGEST_NAME = 24  # of an image on a button


@dataclass(frozen=True)
class Situation:
    """What the choice depends on. active: the round at work; work: where the project has a workflow."""

    project: Project
    may: set[str]
    rows: Sequence[ImageRow]
    active: Round | None
    work: ProjectWork | None

    @property
    def can_learn(self) -> bool:
        return any(row.can_be_learned_from for row in self.rows)


@dataclass(frozen=True)
class Action:
    """why: what it is good for, in a sentence; posts: the address takes a POST; is_proposing: it is Propose now."""

    words: str
    why: str
    url: str
    icon: str
    posts: bool = False
    is_proposing: bool = False


def situation_of(project: Project, user: User, may: set[str], rows: Sequence[ImageRow]) -> Situation:
    active = project.rounds.filter(state__in=Round.ACTIVE).first()
    has_workflow = project.archived_at is None and Workflow.objects.filter(project=project).exists()
    work = work_in(project, user, project.role_of(user) or "") if has_workflow else None
    return Situation(project, may, rows, active, work)


def primary_action(found: Situation) -> Action | None:
    """None: there is nothing that this person could do here now."""
    for rule in RULES:
        action = rule(found)
        if action is not None:
            return action
    return None


def add_images(found: Situation) -> Action | None:
    if found.rows or "manage" not in found.may:
        return None
    url = reverse("project-images", args=[found.project.pk]) + "#upload-title"
    return Action(_("Add images"), _("A project needs images before anything can be annotated."), url, "upload")


def open_next_item(found: Situation) -> Action | None:
    if found.work is None or found.work.next is None:
        return None
    place = found.work.next.place
    words = _("Open image {n} of {of}").format(n=place.number, of=place.of)
    url = reverse("project-next", args=[found.project.pk])
    return Action(words, _("The next image of your work in this project."), url, "play", posts=True)


def review_item(found: Situation) -> Action | None:
    if found.work is None or not found.work.to_review:
        return None
    n = found.work.to_review
    words = ngettext("Review {n} finished image", "Review {n} finished images", n).format(n=n)
    url = reverse("project-review", args=[found.project.pk])
    return Action(words, _("Readers have finished them and wait for your decision."), url, "eye", posts=True)


def review_proposals(found: Situation) -> Action | None:
    waiting = [row for row in found.rows if row.counts.undecided]
    if not waiting or "annotate" not in found.may:
        return None
    n = sum(row.counts.undecided for row in waiting)
    words = ngettext("Review {n} proposal", "Review {n} proposals", n).format(n=thousands(n))
    url = reverse("image", args=[waiting[0].image.pk])
    return Action(words, _("A model has suggested cells. Each needs a verdict by a person."), url, "eye")


def watch_round(found: Situation) -> Action | None:
    if found.active is None:
        return None
    words = _("Watch round {n}").format(n=found.active.number)
    why = _("The round is running. Its proposals appear on the images when it has ended.")
    return Action(words, why, found.active.get_absolute_url(), "arrow-right")


def start_round(found: Situation) -> Action | None:
    is_first = not found.project.rounds.filter(state=Round.State.PUBLISHED).exists()
    has_unboxed = any(row.is_to_box for row in found.rows)
    is_due = is_first or not has_unboxed
    if not (found.can_learn and is_due) or "manage" not in found.may:
        return None
    url = reverse("project-rounds", args=[found.project.pk])
    why = _("It learns from what is annotated and proposes cells on every image.")
    return Action(_("Start round"), why, url, "play")


def propose_now(found: Situation) -> Action | None:
    is_untouched = not any(row.counts.boxes or row.counts.exhaustive or row.counts.proposed for row in found.rows)
    if not found.rows or not is_untouched or "manage" not in found.may:
        return None
    at_work = Job.objects.filter(project=found.project, kind=Job.Kind.PROPOSE, state__in=Job.ACTIVE)
    if at_work.exists():
        why = _("Models look for cells. Their proposals appear on each image as it is done.")
        url = reverse("project", args=[found.project.pk]) + "#proposals"
        return Action(_("Watch progress"), why, url, "arrow-right", is_proposing=True)
    why = _("Ready-made models look for cells, so that you do not start from an empty image.")
    url = reverse("propose", args=[found.project.pk])
    return Action(_("Propose now"), why, url, "square-dashed", is_proposing=True)


def draw_boxes(found: Situation) -> Action | None:
    row = next((row for row in found.rows if row.is_to_box), None)
    if row is None or "annotate" not in found.may:
        return None
    name = row.image.name
    shown = name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
    why = _("A round learns from regions in which every cell has a box.")
    url = reverse("image", args=[row.image.pk])
    return Action(_("Draw boxes: {name}").format(name=shown), why, url, "square-dashed")


RULES = (add_images, open_next_item, review_item, review_proposals, watch_round, start_round, propose_now, draw_boxes)
