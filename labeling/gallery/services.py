"""Every write of the gallery: a screen judged by one act, and that act taken back."""

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.accounts.models import User
from labeling.annotations.deciding import Decision, decided, reversal
from labeling.annotations.models import Annotation, Layer, Operation
from labeling.annotations.services import working_layer, write_operations
from labeling.errors import Invalid, WrongState
from labeling.gallery.listing import open_proposals
from labeling.gallery.models import Screen
from labeling.images.models import Image
from labeling.projects.models import Project

TOOL = "gallery"
LEAST_PIXELS = 12  # CSS pixels of the shorter side of a cell on the screen: below, nobody can judge it
LEAST_MS = 500  # that a cell has been in view before it is accepted with the rest
NAMES = uuid.UUID("b1b1c2b4-2b52-4b0f-9d1c-7f6c7a0c3f55")
STATUS = {
    "accept": Annotation.Status.CONFIRMED,
    "reject": Annotation.Status.REJECTED,
    "cannot_tell": Annotation.Status.CANNOT_TELL,
}


class NotAsShown(WrongState):
    """A screen of this name was judged by somebody else, or in another project."""

    code = "not_as_shown"


@dataclass(frozen=True)
class Shown:
    """A cell in view. pixels: CSS pixels of its shorter side; milliseconds: how long it was in view."""

    cell: uuid.UUID
    pixels: float
    milliseconds: float


@dataclass(frozen=True)
class Given:
    """A verdict on one cell: accept, reject, cannot_tell. label_class: the class that it is accepted with."""

    cell: uuid.UUID
    verdict: str
    label_class: int | None = None
    sets_class: bool = False


@dataclass
class Outcome:
    """decided: verdict -> cells. left_out: cell -> why: small, short, not_shown, decided, gone, closed."""

    decided: Counter[str] = field(default_factory=Counter)
    left_out: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        return {"decided": dict(self.decided), "left_out": self.left_out}


@transaction.atomic
def judge_screen(
    *,
    project: Project,
    by: User,
    screen: uuid.UUID,
    order: str,
    milliseconds: float,
    shown: Sequence[Shown],
    given: Sequence[Given],
    accepts_rest: bool,
) -> Screen:
    """Decide the cells of one screen: those named in `given`, and with `accepts_rest` all others that were in view.

    The rest is accepted only where it was in view at LEAST_PIXELS or more for LEAST_MS. What somebody has decided
    meanwhile is left out and named. A screen sent twice is judged once. Raises NotAsShown, Archived, Invalid.
    """
    project = Project.objects.for_change(project.pk)
    there = Screen.objects.filter(pk=screen).first()
    if there is not None:
        if there.person_id != by.pk or there.project_id != project.pk:
            raise NotAsShown(_("another screen has this name"))
        return there
    outcome = Outcome()
    verdicts = _verdicts(project, shown, given, accepts_rest, outcome)
    rows = open_proposals(project, by).filter(uid__in=list(verdicts)).select_related("layer__image__project")
    by_image: dict[int, list[Annotation]] = {}
    gone = set(verdicts)
    for row in rows.order_by("pk"):
        by_image.setdefault(row.layer.image_id, []).append(row)
        gone.discard(row.uid)
    outcome.left_out |= {str(cell): "gone" for cell in gone}
    operations = []
    for image_id, members in sorted(by_image.items()):
        written = _write(by, screen, image_id, [(row, verdicts[row.uid]) for row in members], outcome)
        if written is not None:
            operations.append(written)
    return Screen.objects.create(
        pk=screen,
        project=project,
        person=by,
        order=order,
        milliseconds=milliseconds,
        shown=[[str(one.cell), one.pixels, one.milliseconds] for one in shown],
        operations=operations,
        verdicts=outcome.as_json(),
    )


def _verdicts(
    project: Project, shown: Sequence[Shown], given: Sequence[Given], accepts_rest: bool, outcome: Outcome
) -> dict[uuid.UUID, Given]:
    """Cell -> verdict. Raises Invalid for a cell named twice and for a class that is not the project's."""
    classes = set(project.classes.values_list("pk", flat=True))
    in_view = {one.cell: one for one in shown}
    found: dict[uuid.UUID, Given] = {}
    for one in given:
        if one.cell in found:
            raise Invalid(_("a cell stands there twice"), field="verdicts")
        if one.sets_class and one.label_class is not None and one.label_class not in classes:
            raise Invalid(_("this class is not one of this project’s"), field="verdicts")
        if one.cell not in in_view or in_view[one.cell].pixels < LEAST_PIXELS:
            outcome.left_out[str(one.cell)] = "small" if one.cell in in_view else "not_shown"
            continue
        found[one.cell] = one
    named = {one.cell for one in given}
    for cell, view in in_view.items():
        if not accepts_rest or cell in named:
            continue
        if view.pixels < LEAST_PIXELS:
            outcome.left_out[str(cell)] = "small"
        elif view.milliseconds < LEAST_MS:
            outcome.left_out[str(cell)] = "short"
        else:
            found[cell] = Given(cell, "accept")
    return found


def _write(
    by: User,
    screen: uuid.UUID,
    image_id: int,
    members: Sequence[tuple[Annotation, Given]],
    outcome: Outcome,
) -> dict[str, str] | None:
    """One bulk operation on the layer that the person writes; None where nothing was left to decide."""
    image = Image.objects.select_related("project", "work_item").get(pk=image_id)
    layer = working_layer(image=image, user=by)
    if layer is None or layer.head.frozen_at is not None:
        for row, _given in members:
            outcome.left_out[str(row.uid)] = "closed"
        return None
    op_id = uuid.uuid5(NAMES, f"{screen}/{image_id}")
    for _try in range(3):  # somebody decides a cell between the look and the write
        decided_by_now = _decided(layer, [row.uid for row, _given in members])
        open_ones = [(row, given) for row, given in members if row.uid not in decided_by_now]
        for row, _given in members:
            if row.uid in decided_by_now:
                outcome.left_out[str(row.uid)] = "decided"
        if not open_ones:
            return None
        sent = decided(layer=layer, decisions=[_decision(*one) for one in open_ones], op_id=op_id, tool=TOOL)
        _seq, (verdict,) = write_operations(layer=layer, author=by, operations=[sent])
        if verdict.verdict == "accepted":
            outcome.decided.update(given.verdict for _row, given in open_ones)
            return {"layer": str(layer.pk), "op_id": str(op_id)}
        if verdict.verdict != "stale":
            raise Invalid((verdict.error or {}).get("detail", verdict.verdict), field="verdicts")
    for row, _given in members:
        outcome.left_out[str(row.uid)] = "decided"
    return None


def _decided(layer: Layer, proposals: Sequence[uuid.UUID]) -> set[uuid.UUID]:
    """Which of these proposals the layer has decided."""
    rows = Annotation.objects.filter(layer=layer, derived_from__in=proposals, deleted=False)
    return {uid for uid in rows.values_list("derived_from", flat=True) if uid is not None}


def _decision(row: Annotation, given: Given) -> Decision:
    return Decision(row, STATUS[given.verdict], given.label_class, given.sets_class)


@transaction.atomic
def undo_screen(*, project: Project, by: User, screen: uuid.UUID) -> Mapping[str, int]:
    """Take back exactly what one screen's act did. Cells that somebody has changed since, and those of images that are
    finished by now, stay as they are.

    -> {"undone": cells, "changed": cells that stay}. Twice is once. Raises Archived, NotAsShown for another's screen.
    """
    project = Project.objects.for_change(project.pk)
    found = Screen.objects.select_for_update().filter(pk=screen, project=project, person=by).first()
    if found is None:
        raise NotAsShown(_("you have judged no such screen here"))
    undone = changed = 0
    if found.undone_at is not None:
        return {"undone": 0, "changed": 0}
    for one in found.operations:
        layer = Layer.objects.select_related("image__project", "head").filter(pk=one["layer"]).first()
        if layer is None:  # the image was removed for good, and its cells with it
            continue
        operation = Operation.objects.get(layer=layer, op_id=one["op_id"])
        if layer.head.frozen_at is not None:  # sent all the same, it would wait as late work of a finished image
            changed += operation.effects.count()
            continue
        sent, stays = reversal(operation, uuid.uuid5(NAMES, f"undo/{one['op_id']}"), tool=TOOL)
        changed += stays
        if sent is None:
            continue
        count = operation.effects.count() - stays
        _seq, (verdict,) = write_operations(layer=layer, author=by, operations=[sent])
        if verdict.verdict == "accepted":
            undone += count
        else:
            changed += count
    found.undone_at = timezone.now()
    found.save(update_fields=["undone_at"])
    return {"undone": undone, "changed": changed}
