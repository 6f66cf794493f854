"""Merging a class into another one, and taking that back.

First the row says what the class is now; from that moment every writer of annotations turns the old class into the new
one (projects/classes.py), so what people, imports and models still send is right. Then a job gives the cells that are
there the new class: on working layers by operations of the log, on immutable ones in place.
"""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.accounts.models import User
from labeling.annotations.deciding import Sent, change_of, operation, reversal
from labeling.annotations.models import Annotation, Layer, LayerHead, Operation
from labeling.annotations.services import write_operations
from labeling.annotations.state import state_of
from labeling.errors import Invalid, LabelingError, WrongState
from labeling.jobs.handlers import Result, Tell, handles
from labeling.jobs.models import Job
from labeling.jobs.services import create_job
from labeling.label_classes.models import ClassMerge, MergedLayer
from labeling.projects.classes import ancestors_of, lock_current_classes, put_in_order
from labeling.projects.models import LabelClass, Project

TOOL = "class merge"
PART = 1000  # cells of one operation
TRIES = 20  # of one part, when people change its cells between the look and the write


@transaction.atomic
def merge_class(*, source: LabelClass, target: LabelClass, by: User) -> Job:
    """Cells of `source` get the class `target`; `source` is not offered any more. Classes below it go below `target`.

    Whoever writes annotations at this moment ends before, or finds the merge. The same merge again goes on where its
    job failed or was cancelled. Raises Invalid, LabelingError.
    """
    project = Project.objects.for_change(source.project_id)
    source, target = _locked(source), _locked(target)
    begun = ClassMerge.objects.filter(source=source, target=target, undone_at__isnull=True).first()
    if begun is not None and has_stopped(begun):
        return _send(begun, "merge", by)
    decline_merge(source, target)
    children = list(source.children.order_by("pk"))
    for child in children:
        child.parent = target
        child.save(update_fields=["parent"])
    merge = ClassMerge.objects.create(
        project=project,
        source=source,
        target=target,
        merged_by=by,
        children=[child.pk for child in children],
        was_retired=source.retired_at is not None,
    )
    source.merged_into = target
    source.retired_at = source.retired_at or timezone.now()
    source.save(update_fields=["merged_into", "retired_at"])
    put_in_order(project)
    return _send(merge, "merge", by)


@transaction.atomic
def take_back(*, merge: ClassMerge, by: User) -> Job:
    """The class is offered again as before. A job gives back its cells, but for those that somebody has changed since.

    What got the other class by itself meanwhile keeps it. Asked for again, it goes on where its job failed or was
    cancelled. Raises WrongState while the merge is at work, and for one that was taken back.
    """
    project = Project.objects.for_change(merge.project_id)
    merge = ClassMerge.objects.select_for_update().get(pk=merge.pk)
    source = _locked(merge.source)
    if merge.undone_at is not None and has_stopped(merge):
        return _send(merge, "take_back", by)
    if merge.undone_at is not None:
        raise WrongState(_("this merge has been taken back already"))
    if jobs_of(merge).filter(state__in=Job.ACTIVE).exists():
        raise WrongState(_("this merge is still running; wait until it is done"))
    merge.undone_at, merge.undone_by = timezone.now(), by
    merge.save(update_fields=["undone_at", "undone_by"])
    source.merged_into = None
    source.retired_at = source.retired_at if merge.was_retired else None
    source.save(update_fields=["merged_into", "retired_at"])
    above = [one.pk for one in ancestors_of(source)]  # a class that was put above the source meanwhile stays there
    children = project.classes.filter(pk__in=merge.children, parent=merge.target_id)
    children.exclude(pk__in=above).update(parent=source)
    put_in_order(project)
    return _send(merge, "take_back", by)


def decline_merge(source: LabelClass, target: LabelClass) -> None:
    """Raises Invalid for a class that cannot be merged into the other one, LabelingError for a merged one."""
    if source.merged_into_id is not None:
        raise LabelingError(_("the class {name} was merged already").format(name=source.name))
    if target.project_id != source.project_id or target.retired_at is not None:
        raise Invalid(_("a class is merged into another class of this project that is in use"), field="into")
    if target.pk == source.pk or source.pk in {one.pk for one in ancestors_of(target)}:
        raise Invalid(
            _("{name} cannot be merged into itself or into a class below it").format(name=source.name), field="into"
        )


def jobs_of(merge: ClassMerge) -> QuerySet[Job]:
    return Job.objects.filter(project=merge.project_id, kind=Job.Kind.CLASS_MERGE, request__merge=str(merge.pk))


def has_stopped(merge: ClassMerge) -> bool:
    """Whether its job ended before it had gone over all cells: it failed, or somebody cancelled it."""
    last = jobs_of(merge).first()
    return last is not None and last.state in (Job.State.FAILED, Job.State.CANCELLED)


def _send(merge: ClassMerge, act: str, by: User) -> Job:
    request = {"merge": str(merge.pk), "act": act}
    return create_job(kind=Job.Kind.CLASS_MERGE, project=merge.project, owner=by, request=request)


def _locked(label_class: LabelClass) -> LabelClass:
    return LabelClass.objects.select_for_update(of=("self",)).select_related("project").get(pk=label_class.pk)


@handles(Job.Kind.CLASS_MERGE)
def do_class_merge(job: Job, folder: Path, tell: Tell) -> Result:
    """Layer by layer. Done twice, or gone on with by another worker, it changes nothing twice."""
    merge = ClassMerge.objects.select_related("project", "source", "target").get(pk=job.request["merge"])
    if job.request["act"] == "merge":
        return Result(facts={"cells": _merge(merge, job.owner, tell)})
    returned, left = _return(merge, job.owner, tell)
    return Result(facts={"returned": returned, "left": left})


def _merge(merge: ClassMerge, by: User, tell: Tell) -> int:
    """-> how many cells have got the other class."""
    _wait_for_writers(merge.project)
    layers = _layers_with(merge.source)
    changed = 0
    for number, layer in enumerate(layers):
        tell(number, len(layers))
        if layer.kind == Layer.Kind.WORKING:
            changed += _merge_working(merge, layer, by)
        else:
            changed += _merge_immutable(merge, layer)
    return changed


def _layers_with(label_class: LabelClass) -> list[Layer]:
    """The layers with cells of a class, those of deleted images too: these may be restored."""
    cells = Annotation.objects.filter(label_class=label_class, deleted=False)
    keys = cells.order_by().values_list("layer", flat=True).distinct()
    return list(Layer.objects.filter(pk__in=list(keys)).select_related("image__project").order_by("created_at", "pk"))


def _wait_for_writers(project: Project) -> None:
    """Until everybody who saves at this moment has ended: they may have asked for the classes before the merge."""
    heads = LayerHead.objects.filter(layer__image__project=project, layer__kind=Layer.Kind.WORKING)
    with transaction.atomic():
        idle = set(heads.select_for_update(of=("self",), skip_locked=True).values_list("pk", flat=True))
    for key in set(heads.values_list("pk", flat=True)) - idle:
        with transaction.atomic():
            LayerHead.objects.select_for_update().filter(pk=key).first()


def _merge_working(merge: ClassMerge, layer: Layer, by: User) -> int:
    changed = tries = 0
    while True:
        cells = Annotation.objects.filter(layer=layer, label_class=merge.source, deleted=False)
        rows = list(cells.order_by("pk")[:PART])
        if not rows:
            return changed
        if _write(layer, by, _relabelling(merge, rows)):
            changed, tries = changed + len(rows), 0
            continue
        tries += 1
        if tries == TRIES:
            raise WrongState(f"people change the cells of {layer} all the time; start the merge again later")


def _relabelling(merge: ClassMerge, rows: Sequence[Annotation]) -> Sent:
    effects = []
    for row in rows:
        state = state_of(row)
        assert state is not None  # the row is not deleted
        after = replace(state, label_class=merge.target_id)
        effects.append(change_of(row, after))
    sent = operation(action=Operation.Action.CLASSIFY, op_id=uuid.uuid4(), tool=TOOL, effects=effects)
    return sent | {"session": str(merge.pk)}


def _write(layer: Layer, by: User, sent: Sent) -> bool:
    """Whether it was written; not where somebody has changed a cell meanwhile. Done images are written too: what is
    changed is the vocabulary, and no reading."""
    _seq, (verdict,) = write_operations(layer=layer, author=by, operations=[sent], changes_frozen=True)
    if verdict.verdict == "invalid":
        raise WrongState(f"the log declines the merge of classes: {verdict.error}")
    return verdict.verdict == "accepted"


@transaction.atomic
def _merge_immutable(merge: ClassMerge, layer: Layer) -> int:
    cells = Annotation.objects.filter(layer=layer, label_class=merge.source, deleted=False)
    keys = np.array(list(cells.order_by("pk").values_list("pk", flat=True)), "<i8")
    MergedLayer.objects.create(merge=merge, layer=layer, cells=keys.tobytes())
    target = lock_current_classes(merge.project_id)[merge.target_id]  # it may have been merged itself meanwhile
    cells.update(label_class=target)
    return len(keys)


def _return(merge: ClassMerge, by: User, tell: Tell) -> tuple[int, int]:
    """-> cells that have their class again, and cells that somebody has changed since."""
    done = Operation.objects.filter(layer__image__project=merge.project_id, session=merge.pk)
    operations = list(done.select_related("layer__image__project").order_by("pk"))
    layers = list(merge.layers.all())
    returned = left = 0
    for number, one in enumerate(operations):
        tell(number, len(operations) + len(layers))
        count, changed = _reverse(one, by)
        returned, left = returned + count, left + changed
    for number, merged in enumerate(layers, start=len(operations)):
        tell(number, len(operations) + len(layers))
        returned += _return_immutable(merge, merged)
    return returned, left


def _reverse(done: Operation, by: User) -> tuple[int, int]:
    """-> cells of an operation that have their class again, and cells that somebody has changed since."""
    for _try in range(TRIES):
        sent, changed = reversal(done, uuid.uuid4(), tool=TOOL)
        if sent is None or _write(done.layer, by, sent):
            return done.effects.count() - changed, changed
    raise WrongState(f"people change the cells of {done.layer} all the time; take the merge back again later")


@transaction.atomic
def _return_immutable(merge: ClassMerge, merged: MergedLayer) -> int:
    """A part that was given back is no part of the merge any more, so it is not given back twice."""
    keys = np.frombuffer(bytes(merged.cells), "<i8").tolist()
    cells = Annotation.objects.filter(layer=merged.layer_id, pk__in=keys, label_class=merge.target_id)
    count = cells.update(label_class=merge.source_id)
    merged.delete()
    return count
