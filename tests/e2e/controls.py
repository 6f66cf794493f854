"""The campaign's project with a reader who gets a control after their first image, and the lead who sees what comes of
it. Run inside the instance (Running.manage)."""

from typing import Any

from labeling.accounts.models import User
from labeling.images.models import Image
from labeling.images.services import add_image
from labeling.projects.models import Project
from labeling.quality_control.models import CheckField, ControlPlan
from labeling.quality_control.services import declare_plan, drawn_kind
from tests.e2e import campaign
from tests.factories import MembershipFactory, UserFactory, png

READER, PASSWORD = "rosa", "a-long-enough-word-9"
CONSEQUENCE = "We look at the cells together."


def make(lead: User) -> dict[str, Any]:
    """-> as tests.e2e.campaign.make, with the name of the reader."""
    made = campaign.make(lead)
    project = Project.objects.get(pk=made["project"])
    reader = UserFactory(username=READER, first_name="Rosa", last_name="Reader")
    reader.set_password(PASSWORD)
    reader.save()
    MembershipFactory(project=project, user=reader)
    add_image(project=project, name="patient 7.png", content=png(112, 112, seed=7))
    plan = declare_plan(project=project, by=lead, owner=lead, consequence=CONSEQUENCE, control_percent=5)
    plan.seed = next(seed for seed in range(10_000) if _draws_one(plan, reader, seed))
    plan.save()
    return made


def _draws_one(plan: ControlPlan, reader: User, seed: int) -> bool:
    plan.seed = seed
    return drawn_kind(plan, reader, 1) == CheckField.Kind.CONTROL


def of_control() -> dict[str, Any]:
    """What the reader was given: the field that was copied, and what a hand draws on it."""
    check = CheckField.objects.get()
    field = campaign.LEARNED if check.image.name == "patient 1.png" else campaign.TESTED
    copy = Image.objects.get(project=check.sheet)
    return {"image": copy.pk, "source": check.image.name, "drawings": campaign.drawings(field)}
