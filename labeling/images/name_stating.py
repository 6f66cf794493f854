"""Stating where images come from by a pattern of their names: first to be looked at, then done."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from django.db import transaction

from labeling.accounts.models import User
from labeling.images.facts import checked, state_facts
from labeling.images.models import Image
from labeling.images.name_patterns import Match, matches
from labeling.images.specimens import stated_parts
from labeling.projects.models import Project


@dataclass(frozen=True)
class Stated:
    """What a pattern reads. changed: images of which it says something else than is stated now."""

    matches: list[Match]
    changed: int

    @property
    def fitting(self) -> int:
        return sum(match.parts is not None for match in self.matches)

    @property
    def not_fitting(self) -> int:
        return len(self.matches) - self.fitting


@transaction.atomic
def state_by_names(
    *,
    project: Project,
    pattern: str,
    by: User | None,
    images: Sequence[int] | None = None,
    reason: str = "",
    dry_run: bool = True,
) -> Stated:
    """State of images what a pattern reads out of their names; those that do not fit stay as they are.

    images   None: all of the project. Fields of slides are left out, since they belong to what their slide belongs to
    dry_run  nothing is stated, but everything that would be declined is

    Raises Invalid, Sealed, Archived.
    """
    locked = Project.objects.for_change(project.pk)
    rows = Image.objects.filter(project=project, slide_field__isnull=True).with_specimens().order_by("position")
    if images is not None:
        rows = rows.filter(pk__in=images)
    found = list(matches(pattern, rows))
    wanted = {match.image.pk: _different(match) for match in found if match.parts is not None}
    changed = {key: facts for key, facts in wanted.items() if facts}
    with transaction.atomic():
        _state(locked, changed, by, reason)
        if dry_run:
            transaction.set_rollback(True)
    return Stated(found, len(changed))


def _different(match: Match) -> dict[str, str]:
    image = match.image
    now = {**asdict(image.specimen), "scanner": image.scanner, "stain": image.stain}
    facts = checked(match.parts or {})
    return {name: str(value) for name, value in facts.items() if value != now[name]}


def _state(project: Project, changed: dict[int, dict[str, str]], by: User | None, reason: str) -> None:
    if not changed:
        return
    parts = {key: stated_parts(facts) for key, facts in changed.items()}
    state_facts(project=project, parts=parts, splits={}, by=by, reason=reason)
    rows = list(Image.objects.filter(pk__in=changed))
    for image in rows:
        facts = changed[image.pk]
        image.scanner, image.stain = facts.get("scanner", image.scanner), facts.get("stain", image.stain)
    Image.objects.bulk_update(rows, ["scanner", "stain"], batch_size=2000)
