"""Under which terms a project holds tissue: approval, data use, how long, and of which centres."""

from collections.abc import Sequence
from datetime import date

from django.db import transaction
from django.utils.translation import gettext as _

from labeling.accounts.models import User
from labeling.audit.models import Act
from labeling.audit.services import record
from labeling.errors import Invalid
from labeling.projects.models import MAY, Project
from labeling.projects.services import NotAllowed

TERMS = ("approval", "data_use", "retention_until", "permitted_centres")
MOST_CENTRES, LONGEST_CENTRE = 100, 200


@transaction.atomic
def change_terms(
    *,
    project: Project,
    by: User,
    approval: str | None = None,
    data_use: str | None = None,
    retention_until: date | str | None = "",
    permitted_centres: Sequence[str] | None = None,
) -> Project:
    """What is given changes; None leaves a text or the list, "" leaves the day (None: no end is declared).

    permitted_centres  names as images state them; (): tissue of every centre is taken. Images that are there stay

    Raises Invalid, NotAllowed for anybody but an owner, Archived.
    """
    locked = Project.objects.for_change(project.pk)
    before = {name: getattr(locked, name) for name in TERMS}
    if approval is not None:
        locked.approval = _one_line(approval, 200, "approval")
    if data_use is not None:
        locked.data_use = data_use.strip()
    if retention_until != "":
        locked.retention_until = retention_until
    if permitted_centres is not None:
        locked.permitted_centres = _centres(permitted_centres)
    changed = [name for name in TERMS if getattr(locked, name) != before[name]]
    if changed and locked.role_of(by) not in MAY["own"]:
        raise NotAllowed(_("only an owner changes under which terms a project holds tissue"))
    if "retention_until" in changed:
        locked.retention_reminded = None
    locked.save(update_fields=[*TERMS, "retention_reminded"])
    for name in changed:
        was, now = _written(before[name]), _written(getattr(locked, name))
        record(Act.PROJECT_CHANGED, project=locked, by=by, subject=name, before=was, after=now)
    return locked


def _centres(names: Sequence[str]) -> list[str]:
    """Raises Invalid."""
    found = [_one_line(name, LONGEST_CENTRE, "permitted_centres") for name in names]
    unique = list(dict.fromkeys(name for name in found if name))
    if len(unique) > MOST_CENTRES:
        raise Invalid(_("at most {most} centres").format(most=MOST_CENTRES), field="permitted_centres")
    return unique


def _one_line(text: str, longest: int, field: str) -> str:
    """Raises Invalid."""
    line = " ".join(text.split())
    if len(line) > longest:
        raise Invalid(_("at most {longest} characters").format(longest=longest), field=field)
    return line


def _written(value: object) -> object:
    """As JSON holds it."""
    return value.isoformat() if isinstance(value, date) else value
