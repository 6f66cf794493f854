"""Classes have a hierarchy, and are merged and retired while people work."""

import threading
import uuid

import pytest
from django.db import connection, connections
from django.urls import reverse
from rest_framework.test import APIClient

from labeling.annotations.models import Annotation, Layer, Operation, Opinion
from labeling.annotations.replay import differences
from labeling.annotations.services import Loaded, load_layer, working_layer, write_operations
from labeling.annotations.state import AnnotationState
from labeling.assignments import services
from labeling.errors import Invalid, LabelingError, WrongState
from labeling.exchange.archive import class_table
from labeling.exchange.importing.states import Vocabulary
from labeling.exchange.importing.writing import Aim, write_image
from labeling.exchange.selection import classes_of
from labeling.jobs.models import Job
from labeling.label_classes.merging import merge_class, take_back
from labeling.label_classes.models import ClassMerge
from labeling.label_classes.uses import uses_of
from labeling.projects.classes import (
    add_class,
    ancestors_of,
    current_classes,
    remove_class,
    restore_class,
    retire_class,
    set_parent,
    top_levels,
)
from labeling.projects.models import LabelClass, Role
from tests.factories import ImageFactory, LabelClassFactory, MembershipFactory, ProjectFactory
from tests.labeling.blinded import blinded_case, close_all
from tests.labeling.operations import cell, effect, operation
from tests.labeling.pages import page_text, signed_in
from tests.labeling.team import run_now

pytestmark = pytest.mark.django_db
HERE, THERE = (2, 2, 12, 12), (20, 2, 30, 12)


class Case:
    """A project with the classes lymphocyte, plasma cell and inflammatory, and one image with a cell of the first."""

    def __init__(self) -> None:
        self.project = ProjectFactory()
        self.owner = MembershipFactory(project=self.project, role=Role.OWNER).user
        self.reader = MembershipFactory(project=self.project).user
        self.classes = [
            LabelClassFactory(project=self.project, name=name, position=position)
            for position, name in enumerate(("lymphocyte", "plasma cell", "inflammatory"), start=1)
        ]
        self.source, self.target, self.wide = self.classes
        self.image = ImageFactory(project=self.project)
        self.layer = working_layer(image=self.image, user=self.reader)
        self.cell = uuid.uuid4()
        self.write(operation(effect(self.cell, cell(HERE, label_class=self.source.pk))))

    def write(self, *operations, author=None):
        _seq, verdicts = write_operations(layer=self.layer, author=author or self.reader, operations=operations)
        assert {one.verdict for one in verdicts} == {"accepted"}, verdicts[0].error

    def row(self, uid=None):
        return Annotation.objects.get(layer=self.layer, uid=uid or self.cell)

    def merge(self):
        run_now(merge_class(source=self.source, target=self.target, by=self.owner))
        for one in self.classes:
            one.refresh_from_db()
        return ClassMerge.objects.first()


@pytest.fixture
def case():
    return Case()


def test_a_class_has_a_place_in_a_hierarchy(case):
    for one in (case.source, case.target):
        set_parent(label_class=one, parent=case.wide)
    tops = top_levels(case.project.classes.current())
    assert {tops[one.pk] for one in case.classes} == {case.wide}
    with pytest.raises(Invalid, match="below"):
        set_parent(label_class=case.wide, parent=case.source)
    with pytest.raises(LabelingError, match="classes below it"):
        remove_class(label_class=case.wide)
    case.write(operation(effect(uuid.uuid4(), cell(THERE, label_class=case.wide.pk))))  # a parent is a class as any


def test_a_parent_that_was_retired_since_stays_the_parent_when_a_form_is_saved(case):
    set_parent(label_class=case.source, parent=case.wide)
    retire_class(label_class=case.wide)
    page = signed_in(case.owner).get(reverse("label-class", args=[case.project.pk, case.source.pk])).content.decode()
    assert f'<option value="{case.wide.pk}" selected>' in page
    set_parent(label_class=case.source, parent=case.wide)  # as the form sends it back
    case.source.refresh_from_db()
    assert case.source.parent == case.wide
    with pytest.raises(Invalid, match="in use"):
        set_parent(label_class=case.target, parent=case.wide)


def test_two_people_at_once_make_no_circle(case):
    """Both have read the classes before either has moved one."""
    mine, yours = LabelClass.objects.get(pk=case.source.pk), LabelClass.objects.get(pk=case.target.pk)
    set_parent(label_class=case.target, parent=case.source)
    with pytest.raises(Invalid, match="below"):
        set_parent(label_class=mine, parent=yours)


def test_a_hierarchy_has_a_deepest_level(case):
    above = None
    for number in range(6):
        above = LabelClassFactory(project=case.project, name=f"level {number}", parent=above, position=10 + number)
    with pytest.raises(Invalid, match="6 levels"):
        set_parent(label_class=case.source, parent=above)


def test_exports_name_the_wider_class(case):
    set_parent(label_class=case.source, parent=case.wide)
    table = class_table(classes_of(case.project)).decode().splitlines()
    assert table[0] == "id,name,color,parent"
    assert [line.rpartition(",")[2] for line in table[1:]] == ["inflammatory", "", ""]


def test_a_retired_class_is_offered_to_nobody_and_cells_keep_it(case):
    retire_class(label_class=case.source)
    assert [one.name for one in case.project.classes.in_use()] == ["plasma cell", "inflammatory"]
    assert [one.key for one in case.project.classes.all()] == [1, 2, None]
    assert case.row().label_class == case.source
    case.write(operation(effect(uuid.uuid4(), cell(THERE, label_class=case.source.pk))))  # drawn offline before
    restore_class(label_class=case.source)
    assert [one.key for one in case.project.classes.all()] == [1, 2, 3]
    for one in case.classes[:2]:
        retire_class(label_class=one)
    with pytest.raises(LabelingError, match="at least one"):
        retire_class(label_class=case.wide)


def test_a_merge_gives_cells_the_other_class_through_the_log(case):
    set_parent(label_class=case.wide, parent=case.source)
    proposed = load_layer(
        image=case.image,
        kind=Layer.Kind.PREDICTION,
        loaded=[Loaded(uuid.uuid4(), AnnotationState("cell", "confirmed", THERE, label_class=case.source.pk))],
    )
    merge = case.merge()
    row = case.row()
    assert (row.label_class, row.author, row.decided_by) == (case.target, case.owner, case.reader)
    assert proposed.annotations.get().label_class == case.target
    assert case.wide.parent == case.target
    assert Operation.objects.filter(layer=case.layer, session=merge.pk, action="classify").count() == 1
    assert differences(case.layer) == []
    assert [one.name for one in classes_of(case.project)] == ["plasma cell", "inflammatory"]


def test_a_merge_can_be_taken_back_but_for_what_somebody_has_changed(case):
    other = uuid.uuid4()
    case.write(operation(effect(other, cell(THERE, label_class=case.source.pk))))
    proposal = AnnotationState("cell", "confirmed", THERE, label_class=case.source.pk)
    proposed = load_layer(image=case.image, kind=Layer.Kind.PREDICTION, loaded=[Loaded(uuid.uuid4(), proposal)])
    merge = case.merge()
    changed = cell(THERE, label_class=case.wide.pk)
    case.write(operation(effect(other, changed, seen=case.row(other).last_op), action="classify"))
    job = run_now(take_back(merge=merge, by=case.owner))
    assert job.facts == {"returned": 2, "left": 1}
    assert (case.row().label_class, case.row(other).label_class) == (case.source, case.wide)
    assert proposed.annotations.get().label_class == case.source
    case.source.refresh_from_db()
    assert (case.source.merged_into, case.source.retired_at) == (None, None)
    assert differences(case.layer) == []
    run_now(job)  # a worker that died after it
    assert case.row().label_class == case.source
    with pytest.raises(WrongState):
        take_back(merge=merge, by=case.owner)


def test_a_merge_that_is_taken_back_makes_no_circle(case):
    """A class that stood below the source was put above it while the source was merged."""
    child = add_class(project=case.project, name="small", parent=case.source)
    set_parent(label_class=case.source, parent=case.wide)
    merge = case.merge()
    child.refresh_from_db()
    set_parent(label_class=case.wide, parent=child)
    take_back(merge=merge, by=case.owner)
    child.refresh_from_db()
    assert child.parent == case.target
    case.source.refresh_from_db()
    assert ancestors_of(case.source) == [case.wide, child, case.target]


def test_what_arrives_with_a_merged_class_gets_the_other_one(case):
    """From a browser that was offline, an import whose file was read before, a model that learned before, and undo."""
    case.merge()
    late = uuid.uuid4()
    case.write(operation(effect(late, cell(THERE, label_class=case.source.pk))))
    assert case.row(late).label_class == case.target
    state = AnnotationState("cell", "confirmed", (40.0, 2.0, 50.0, 12.0), label_class=case.source.pk)
    for aim in (Aim.WORKING, Aim.LAYER):
        uid = uuid.uuid4()
        write_image(case.image, {uid: state}, aim, case.reader)
        assert Annotation.objects.get(uid=uid).label_class == case.target
    assert Vocabulary.of(case.project).classes["lymphocyte"] == case.target.pk


def test_merges_of_merges_are_followed(case):
    case.merge()
    run_now(merge_class(source=case.target, target=case.wide, by=case.owner))
    assert set(current_classes(case.project.pk).values()) == {case.wide.pk}
    assert case.row().label_class == case.wide


def test_a_merge_whose_target_is_merged_meanwhile_gives_the_last_class(case):
    """The job of the second merge has gone over the cells before that of the first one comes to them."""
    proposal = AnnotationState("cell", "confirmed", THERE, label_class=case.source.pk)
    proposed = load_layer(image=case.image, kind=Layer.Kind.PREDICTION, loaded=[Loaded(uuid.uuid4(), proposal)])
    first = merge_class(source=case.source, target=case.target, by=case.owner)
    run_now(merge_class(source=case.target, target=case.wide, by=case.owner))
    run_now(first)
    assert (case.row().label_class, proposed.annotations.get().label_class) == (case.wide, case.wide)


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_a_merge_that_stopped_goes_on(case, state):
    """Forth and back: else cells would keep a class that no export and no round has."""
    client = signed_in(case.owner)
    address = reverse("label-class", args=[case.project.pk, case.source.pk])
    merge_class(source=case.source, target=case.target, by=case.owner)
    Job.objects.update(state=state)
    assert "stopped before all cells had followed" in page_text(client.get(address))
    client.post(address, {"act": "merge", "into": case.target.pk})
    run_now(Job.objects.latest("pk"))
    assert case.row().label_class == case.target
    merge = ClassMerge.objects.get()
    take_back(merge=merge, by=case.owner)
    Job.objects.filter(request__act="take_back").update(state=state)
    run_now(take_back(merge=merge, by=case.owner))
    assert case.row().label_class == case.source
    assert "stopped before" not in page_text(client.get(address))


def test_an_opinion_of_before_a_merge_makes_no_cell_disputed(case):
    """The second person has named the class that the cell has after the merge."""
    reported = {"verdict": "accepted", "label_class": case.target.pk, "reason": ""}
    opinion = {"annotation": str(case.cell), "seen": None, "after": reported}
    case.write(operation(action="opinion", opinions=[opinion]), author=case.owner)
    assert case.row().disputed
    case.merge()
    assert not case.row().disputed
    run_now(merge_class(source=case.target, target=case.wide, by=case.owner))
    assert Opinion.objects.get().label_class == case.target  # what was said stays in the log
    assert not case.row().disputed
    assert differences(case.layer) == []


def test_finished_images_are_merged_too():
    case = blinded_case()
    first = case.project.classes.first()
    second = LabelClassFactory(project=case.project, name="other", position=20)
    act = operation(effect(case.cell, cell(label_class=first.pk)))
    write_operations(layer=case.layer, author=case.one, operations=[act])
    uses = uses_of(first, case.lead)
    assert (uses.cells, uses.hides_readings) == (0, True)  # a blinded reading is in no count
    close_all(case)
    assert case.layer.head.frozen_at is not None
    assert (uses_of(first, case.lead).cells, uses_of(first, case.lead).hides_readings) == (1, False)
    run_now(merge_class(source=first, target=second, by=case.lead))
    assert Annotation.objects.get(uid=case.cell).label_class == second
    assert services.Reading.objects.filter(item=case.item, state="finished").count() == 2


@pytest.mark.parametrize("wrong", ["itself", "below", "retired", "elsewhere", "merged"])
def test_a_merge_that_makes_no_sense_is_declined(case, wrong):
    target = case.target
    if wrong == "itself":
        target = case.source
    if wrong == "below":
        set_parent(label_class=case.target, parent=case.source)
    if wrong == "retired":
        retire_class(label_class=case.target)
    if wrong == "elsewhere":
        target = LabelClassFactory(position=1)
    if wrong == "merged":
        case.merge()
    with pytest.raises(LabelingError):
        merge_class(source=case.source, target=target, by=case.owner)


def test_what_names_a_class_is_said_before(case):
    found = uses_of(case.source, case.owner)
    assert (found.cells, found.proposals, found.rounds, found.exports) == (1, 0, [], [])


def test_merges_by_api(case):
    client = APIClient()
    client.force_authenticate(case.owner)
    uses = client.get(reverse("class-uses", args=[case.source.pk])).json()
    assert uses["cells"] == 1
    body = {"parent": case.wide.pk, "is_retired": True}
    changed = client.patch(reverse("class-detail", args=[case.target.pk]), body, format="json").json()
    assert (changed["parent"], changed["is_retired"], changed["key"]) == (case.wide.pk, True, None)
    body = {"parent": None, "is_retired": False}
    client.patch(reverse("class-detail", args=[case.target.pk]), body, format="json")
    sent = client.post(reverse("class-merge", args=[case.source.pk]), {"into": case.target.pk}, format="json")
    assert sent.status_code == 202, sent.json()
    again = client.post(reverse("class-merge", args=[case.source.pk]), {"into": case.target.pk}, format="json")
    assert again.status_code == 409
    run_now(Job.objects.get(pk=sent.json()["id"]))
    (merge,) = client.get(reverse("class-merge-list", args=[case.project.pk])).json()["items"]
    assert client.post(reverse("merge-take-back", args=[merge["id"]])).status_code == 202
    run_now(Job.objects.latest("pk"))
    assert case.row().label_class == case.source


def test_the_page_of_a_class_previews_a_merge_and_does_it(case):
    client = signed_in(case.owner)
    address = reverse("label-class", args=[case.project.pk, case.source.pk])
    text = page_text(client.get(address, {"into": case.target.pk}))
    assert "1 cell" in text
    client.post(address, {"act": "parent", "parent": case.wide.pk})
    case.source.refresh_from_db()
    assert case.source.parent == case.wide
    client.post(address, {"act": "merge", "into": case.target.pk})
    run_now(Job.objects.get())
    assert case.row().label_class == case.target
    merge = ClassMerge.objects.get()
    client.post(address, {"act": "take_back", "merge": merge.pk})
    run_now(Job.objects.latest("pk"))
    assert case.row().label_class == case.source


@pytest.mark.django_db(transaction=True)
def test_an_import_that_runs_while_classes_are_merged_comes_out_right():
    """The import has asked for the classes, and ends after somebody has asked for the merge."""
    case = Case()
    began, goes_on = threading.Event(), threading.Event()
    uid = uuid.uuid4()

    def states():
        began.set()
        assert goes_on.wait(60)
        yield Loaded(uid, AnnotationState("cell", "confirmed", THERE, label_class=case.source.pk))

    def import_layer():
        try:
            load_layer(image=case.image, kind=Layer.Kind.IMPORT, loaded=states())
        finally:
            connections.close_all()

    jobs = []

    def merge():
        try:
            jobs.append(merge_class(source=case.source, target=case.target, by=case.owner))
        finally:
            connections.close_all()

    importing, merging = threading.Thread(target=import_layer), threading.Thread(target=merge)
    importing.start()
    assert began.wait(60)
    merging.start()
    wait_for_a_lock()
    goes_on.set()
    importing.join(60)
    merging.join(60)
    run_now(jobs[0])
    assert Annotation.objects.get(uid=uid).label_class == case.target


def wait_for_a_lock() -> None:
    """Until some connection waits for a lock."""
    while True:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
            if cursor.fetchone()[0]:
                return
