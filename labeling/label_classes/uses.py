"""What names a class: shown before it is merged, retired or given another name."""

from dataclasses import dataclass

import ijson
from django.db.models import Count

from labeling.accounts.models import User
from labeling.annotations.models import Annotation, Layer
from labeling.assignments.models import WorkItem
from labeling.jobs.models import Job
from labeling.projects.models import LabelClass
from labeling.reviews.certificates.models import Lot
from labeling.rounds.models import Round, Snapshot


@dataclass(frozen=True)
class ClassUses:
    """What names a class.

    cells            of working layers that the person sees
    proposals        cells of other layers: proposals, imports, consensus
    hides_readings   whether there are blinded readings that are not all closed: their cells are in no count
    children         names of the classes below it
    rounds           numbers of the rounds that learned with it; their models keep its name
    rounds_at_work   those of them that are at work or in line
    exports          numbers of the exports that can still be fetched; they keep the name
    certificates     numbers of the certificates whose cells have it
    """

    cells: int
    proposals: int
    hides_readings: bool
    children: list[str]
    rounds: list[int]
    rounds_at_work: list[int]
    exports: list[int]
    certificates: list[int]


def uses_of(label_class: LabelClass, user: User) -> ClassUses:
    """What names the class, as far as `user` may know."""
    project = label_class.project
    layers = Layer.objects.visible_to(user).filter(image__project=project)
    rows = Annotation.objects.filter(layer__in=layers, label_class=label_class, deleted=False)
    counts = dict(rows.order_by().values_list("layer__kind").annotate(n=Count("pk")))
    working = counts.pop(Layer.Kind.WORKING, 0)
    rounds = _rounds(label_class)
    active = (Round.State.PLANNED, *Round.ACTIVE)
    exports = Job.objects.filter(project=project, kind=Job.Kind.EXPORT, state=Job.State.DONE)
    blinded = WorkItem.objects.present().filter(project=project, is_blind=True, state__in=("in_work", "sent_back"))
    return ClassUses(
        cells=working,
        proposals=sum(counts.values()),
        hides_readings=blinded.exists(),
        children=[child.name for child in label_class.children.all()],
        rounds=[one.number for one in rounds],
        rounds_at_work=[one.number for one in rounds if one.state in active],
        exports=list(exports.order_by("pk").values_list("pk", flat=True)),
        certificates=_certificates(label_class),
    )


def _rounds(label_class: LabelClass) -> list[Round]:
    rounds = list(Round.objects.filter(project=label_class.project_id).select_related("snapshot").order_by("number"))
    known: dict[int, set[int]] = {}
    found = []
    for one in rounds:
        if one.snapshot_id not in known:
            known[one.snapshot_id] = _classes_of(one.snapshot)
        if label_class.pk in known[one.snapshot_id]:
            found.append(one)
    return found


def _classes_of(snapshot: Snapshot) -> set[int]:
    """Only the head of the file is read: the classes stand before the images. Empty where the file is gone."""
    try:
        with snapshot.content.open("rb") as file:
            classes: list[dict[str, int]] = next(ijson.items(file, "classes"), [])
    except FileNotFoundError:
        return set()
    return {one["id"] for one in classes}


def _certificates(label_class: LabelClass) -> list[int]:
    found = []
    for key, groups in Lot.objects.filter(project=label_class.project_id).order_by("pk").values_list("pk", "groups"):
        if any(group["label_class"] == label_class.pk for group in groups):
            found.append(key)
    return found
