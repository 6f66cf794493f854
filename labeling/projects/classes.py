"""The classes of a project: one function a write, and what a class is now that was merged into another one."""

from collections.abc import Iterable, Mapping

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import ProtectedError
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.audit.models import Act
from labeling.audit.services import record
from labeling.errors import Invalid, LabelingError
from labeling.prepared import Prepared
from labeling.projects.models import PALETTE, LabelClass, Project

CLASSES = Prepared(
    lambda project: LabelClass.objects.filter(project=project).order_by().values_list("pk", "merged_into_id")
)
DEEPEST = 6  # levels of a hierarchy
ASIDE = 10_000  # added to positions while classes change places


@transaction.atomic
def add_class(*, project: Project, name: str, parent: LabelClass | None = None) -> LabelClass:
    """The next class of the project. Raises Invalid for an empty or known name, or a parent that cannot be one."""
    name = name.strip()
    Project.objects.for_change(project.pk)
    _decline_name(project, name)
    position = project.classes.count() + 1
    made = LabelClass(project=project, name=name, color=PALETTE[(position - 1) % len(PALETTE)], position=position)
    check_parent(made, parent)
    made.parent = parent
    made.save()
    put_in_order(project)
    made.refresh_from_db()
    return made


@transaction.atomic
def change_class(*, label_class: LabelClass, name: str, color: str) -> LabelClass:
    """Another name or colour; cells keep the class. Raises Invalid for a name that is empty or taken, or no colour."""
    name = name.strip()
    project = Project.objects.for_change(label_class.project_id)
    _decline_name(project, name, but=label_class)
    label_class.name, label_class.color = name, color.lower()
    try:
        label_class.full_clean(exclude=["project", "position", "parent", "retired_at", "merged_into", "copied_from"])
    except ValidationError as error:
        raise Invalid(" ".join(error.messages), field=next(iter(error.message_dict))) from None
    label_class.save(update_fields=["name", "color"])
    return label_class


@transaction.atomic
def set_parent(*, label_class: LabelClass, parent: LabelClass | None) -> LabelClass:
    """Put a class below another one, or at the top. Cells keep their class. Raises Invalid.

    A parent that was retired since stays the parent of whoever has it: a form sends it back unchanged.
    """
    Project.objects.for_change(label_class.project_id)
    label_class.refresh_from_db()  # somebody may have moved it while this call waited for the project
    if parent is not None and parent.pk == label_class.parent_id:
        return label_class
    check_parent(label_class, parent)
    label_class.parent = parent
    label_class.save(update_fields=["parent"])
    return label_class


@transaction.atomic
def retire_class(*, label_class: LabelClass) -> LabelClass:
    """Nobody is offered the class any more; cells keep it, and what somebody drew offline arrives with it.

    Its key goes to the next class. Raises LabelingError for the last class in use.
    """
    project = Project.objects.for_change(label_class.project_id)
    label_class.refresh_from_db()
    if label_class.retired_at is not None:
        return label_class
    if project.classes.in_use().count() == 1:
        raise LabelingError(_("a project keeps at least one class in use"))
    label_class.retired_at = timezone.now()
    label_class.save(update_fields=["retired_at"])
    put_in_order(project)
    label_class.refresh_from_db()
    return label_class


@transaction.atomic
def restore_class(*, label_class: LabelClass) -> LabelClass:
    """A retired class is offered again, after the others. Raises LabelingError for one that was merged."""
    project = Project.objects.for_change(label_class.project_id)
    label_class.refresh_from_db()
    if label_class.merged_into_id is not None:
        raise LabelingError(_("this class was merged into another one; take the merge back instead"))
    if label_class.retired_at is not None:
        label_class.retired_at = None
        label_class.save(update_fields=["retired_at"])
        put_in_order(project)
        label_class.refresh_from_db()
    return label_class


@transaction.atomic
def remove_class(*, label_class: LabelClass) -> None:
    """Take away a class that no cell has; the classes after it move up, and their keys with them.

    Somebody who draws with it at this moment loses the class, not the cell: the workspace sends that cell without it.
    Raises LabelingError for a class in use (on any layer, deleted cells and proposals included: undo may bring them
    back; or named by an opinion), for one with classes below it or merged into it, and for the last one.
    """
    project = Project.objects.for_change(label_class.project_id)
    if not project.classes.in_use().exclude(pk=label_class.pk).exists():
        raise LabelingError(_("a project keeps at least one class; rename this one instead"))
    if label_class.children.exists():
        raise LabelingError(
            _("the class {name} has classes below it; give them another parent first").format(name=label_class.name)
        )
    if label_class.merged.exists():
        raise LabelingError(_("other classes were merged into {name}, so it stays").format(name=label_class.name))
    try:
        with transaction.atomic():
            record(Act.CLASS_REMOVED, project=project, subject=label_class.name)
            label_class.delete()
    except ProtectedError:  # how many cells is not said: some may be of blinded readings
        raise LabelingError(
            _("the class {name} is in use; merge it into another one, retire it, or rename it").format(
                name=label_class.name
            )
        ) from None
    put_in_order(project)


def check_parent(label_class: LabelClass, parent: LabelClass | None) -> None:
    """Raises Invalid for a parent of another project, one that is not in use, a circle, or too many levels.

    The caller holds the project's row. The parent is read again: of two people who put two classes below each other at
    once, the second one would not see the circle in rows that were read before the lock.
    """
    if parent is None:
        return
    parent.refresh_from_db()
    if parent.project_id != label_class.project_id or parent.retired_at is not None:
        raise Invalid(_("the parent must be a class of this project that is in use"), field="parent")
    above = [parent, *ancestors_of(parent)]
    if label_class.pk in {one.pk for one in above}:
        raise Invalid(
            _("{name} stands below {other} already").format(name=parent.name, other=label_class.name), field="parent"
        )
    if len(above) + _levels_below(label_class) > DEEPEST:
        raise Invalid(_("a hierarchy has {n} levels at most").format(n=DEEPEST), field="parent")


def ancestors_of(label_class: LabelClass) -> list[LabelClass]:
    """The classes above, the nearest first."""
    found = []
    above = label_class.parent
    while above is not None:
        found.append(above)
        above = above.parent
    return found


def top_levels(classes: Iterable[LabelClass]) -> dict[int, LabelClass]:
    """Key of each class -> the class at the top of its hierarchy, itself where it has no parent.

    classes: all current classes of a project
    """
    by_key = {one.pk: one for one in classes}
    found = {}
    for one in by_key.values():
        top = one
        while top.parent_id in by_key:
            top = by_key[top.parent_id]
        found[one.pk] = top
    return found


def current_classes(project: int) -> dict[int, int]:
    """Key of every class of a project -> the class that it is now: another one where it was merged, else itself."""
    return resolved(dict(CLASSES.all(project)))


def lock_current_classes(project: int) -> dict[int, int]:
    """current_classes, which stay true until the transaction ends: whoever merges classes waits.

    For writers that hold no lock on a layer's head, which whoever merges waits for (label_classes/merging.py).
    """
    table = LabelClass._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id, merged_into_id FROM {table} WHERE project_id = %s ORDER BY id FOR SHARE", [project])
        return resolved(dict(cursor.fetchall()))


def resolved(merged_into: Mapping[int, int | None]) -> dict[int, int]:
    """Follow merges of merges to the class that is there now."""
    found = {}
    for key in merged_into:
        now = key
        while (further := merged_into.get(now)) is not None:
            now = further
        found[key] = now
    return found


def _levels_below(label_class: LabelClass) -> int:
    """1 for a class without classes below it."""
    if label_class.pk is None:
        return 1
    deepest = 0
    for child in label_class.children.all():
        deepest = max(deepest, _levels_below(child))
    return deepest + 1


def _decline_name(project: Project, name: str, but: LabelClass | None = None) -> None:
    others = project.classes.exclude(pk=but.pk) if but else project.classes
    if not name or others.filter(name__iexact=name).exists():
        raise Invalid(_("a class needs a name of its own; “{name}” is taken or empty").format(name=name), field="name")


def put_in_order(project: Project) -> None:
    """Positions from 1 without a gap, retired classes last. The caller holds the project's row."""
    ordered = sorted(project.classes.all(), key=lambda one: (one.retired_at is not None, one.position))
    moved = []
    for position, one in enumerate(ordered, start=1):
        if one.position != position:
            moved.append((one, position))
    for offset in (ASIDE, 0):  # no two classes ever have the same position
        for one, position in moved:
            one.position = position + offset
            one.save(update_fields=["position"])
