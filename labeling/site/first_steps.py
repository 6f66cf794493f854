"""The first steps of the demo: where they begin, and which of them a person has taken."""

from dataclasses import dataclass

from django.urls import reverse

from labeling.accounts.models import User
from labeling.annotations.models import ActivityBatch, Operation
from labeling.exchange.demo import NAME as DEMO
from labeling.projects.models import MAY, Project
from labeling.rounds.models import Round
from labeling.site.image_rows import ImageRow

SEED = "seed"  # the tool of what the demo itself has drawn
DEMO_ROUND = 1  # the round that the demo itself has started
VERDICTS = (
    Operation.Action.ACCEPT,
    Operation.Action.REJECT,
    Operation.Action.CANNOT_TELL,
    Operation.Action.EDIT,
    Operation.Action.BULK,
)


@dataclass(frozen=True)
class FirstSteps:
    """first_image: address of the image to begin with. has_proposals: whether models have proposed cells on it. The
    others: whether the person has taken this step.
    """

    first_image: str
    has_proposals: bool
    opened: bool
    judged: bool
    drew: bool
    marked_region: bool
    started_round: bool

    @property
    def done(self) -> int:
        steps = (self.opened, self.judged, self.drew, self.marked_region, self.started_round)
        return sum(steps)


def first_steps(project: Project, user: User, rows: list[ImageRow]) -> FirstSteps | None:
    """None in other projects than the demo, and for those who have closed them or may take none of them."""
    shown = user.sees_first_steps and project.name == DEMO and project.role_of(user) in MAY["annotate"]
    if not shown or not rows:
        return None
    with_most = max(rows, key=lambda row: row.counts.undecided)
    own = Operation.objects.filter(layer__image__project=project, author=user).exclude(tool=SEED)
    actions = set(own.order_by().values_list("action", flat=True).distinct())
    watched = ActivityBatch.objects.filter(image__project=project, user=user).exists()
    rounds = Round.objects.filter(project=project, started_by=user, number__gt=DEMO_ROUND)
    return FirstSteps(
        first_image=reverse("image", args=[with_most.image.pk]),
        has_proposals=with_most.counts.proposed > 0,
        opened=watched or bool(actions),
        judged=not actions.isdisjoint(VERDICTS),
        drew=Operation.Action.DRAW in actions,
        marked_region=Operation.Action.REGION in actions,
        started_round=rounds.exists(),
    )
