"""The history of an image and of a cell, restoring from it, and what a person sees of their own work."""

import csv
import io
import uuid

import pytest
from django.urls import reverse

from labeling.annotations.history import MOST_SHOWN
from labeling.annotations.models import Annotation
from labeling.annotations.own_activity import own_days
from labeling.annotations.replay import differences
from labeling.annotations.services import working_layer, write_operations
from labeling.projects.models import Project
from tests.factories import ImageFactory, MembershipFactory, ProjectFactory
from tests.labeling.operations import cell, effect, operation
from tests.labeling.pages import signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def image():
    return ImageFactory()


def member(image, **kwargs):
    return MembershipFactory(project=image.project, **kwargs).user


def write(layer, author, *operations):
    _seq, verdicts = write_operations(layer=layer, author=author, operations=list(operations))
    assert {verdict.verdict for verdict in verdicts} == {"accepted"}


def history(user, image, **query):
    address = reverse("image-history", args=[image.pk])
    return signed_in(user).get(address, query).json()


def items_of(user, image, **query):
    return history(user, image, **query)["items"]


def before_the_last_act(user, image, uid):
    """The state of a cell before whatever was done on it last."""
    last = items_of(user, image, annotation=str(uid))[0]
    return last["effects"][0]["before"]


def draw_another(box=(10, 10, 30, 24)):
    return operation(effect(uuid.uuid4(), cell(box)))


def deletion(uid, seen):
    return operation(effect(uid, None, seen=seen["op_id"]), action="delete")


def drawn_and_moved(image):
    """A cell that one person drew and another moved. -> layer, both people, its uid, both operations."""
    one, two = member(image), member(image)
    layer = working_layer(image=image, user=one)
    uid = uuid.uuid4()
    drawn, moved = cell((10, 10, 30, 24)), cell((12, 10, 32, 24))
    draw = operation(effect(uid, drawn))
    move = operation(effect(uid, moved, seen=draw["op_id"]), action="move")
    write(layer, one, draw)
    write(layer, two, move)
    return layer, one, two, uid, [draw, move]


def test_the_history_says_who_when_before_and_after_the_newest_first(image):
    layer, one, two, uid, (draw, move) = drawn_and_moved(image)
    other = draw_another((40, 10, 50, 20))
    write(layer, one, other)
    items = items_of(one, image)
    assert [item["op_id"] for item in items] == [other["op_id"], move["op_id"], draw["op_id"]]
    of_cell = items_of(one, image, annotation=str(uid))
    assert [item["author"]["id"] for item in of_cell] == [two.pk, one.pk]
    assert [item["action"] for item in of_cell] == ["move", "draw"]
    (moved,), (drawn,) = (item["effects"] for item in of_cell)
    assert moved["before"]["box"][0] == 10
    assert moved["after"]["box"][0] == 12
    assert drawn["before"] is None
    by_two = items_of(one, image, author=two.pk)
    assert [item["op_id"] for item in by_two] == [move["op_id"]]


def test_a_long_history_comes_a_page_at_a_time(image):
    user = member(image)
    layer = working_layer(image=image, user=user)
    acts = [draw_another() for _ in range(5)]
    write(layer, user, *acts)
    first = history(user, image, limit=3)
    assert len(first["items"]) == 3
    assert first["next"]
    second = signed_in(user).get(first["next"]).json()
    assert second["next"] is None
    listed = [item["op_id"] for item in (*first["items"], *second["items"])]
    assert listed == [act["op_id"] for act in reversed(acts)]


def test_of_an_act_on_many_cells_the_first_are_shown_and_all_are_counted(image, django_assert_max_num_queries):
    user = member(image)
    layer = working_layer(image=image, user=user)
    uids = [uuid.uuid4() for _ in range(MOST_SHOWN + 4)]
    effects = [effect(uid, cell()) for uid in uids]
    write(layer, user, operation(*effects, action="bulk"))
    client = signed_in(user)
    address = reverse("image-history", args=[image.pk])
    with django_assert_max_num_queries(14):
        answer = client.get(address)
    (item,) = answer.json()["items"]
    assert len(item["effects"]) == MOST_SHOWN
    assert item["count"] == len(uids)
    (item,) = items_of(user, image, annotation=str(uids[-1]))
    assert [one["annotation"] for one in item["effects"]] == [str(uids[-1])]


def test_where_people_read_apart_the_history_tells_nobody_of_the_other():
    project = ProjectFactory(layering=Project.Layering.PER_ANNOTATOR)
    image = ImageFactory(project=project)
    one, two = member(image), member(image)
    layer = working_layer(image=image, user=one)
    write(layer, one, draw_another())
    assert len(items_of(one, image)) == 1
    assert items_of(two, image) == []


# -- restoring


def restore(uid, state, seen):
    return operation(effect(uid, state, seen=seen), action="restore", tool="history")


def test_a_moved_cell_is_put_back_and_the_log_stays_whole(image):
    layer, one, _two, uid, (_draw, move) = drawn_and_moved(image)
    before = before_the_last_act(one, image, uid)
    write(layer, one, restore(uid, before, move["op_id"]))
    assert Annotation.objects.get(uid=uid).x0 == 10
    assert [item["action"] for item in items_of(one, image)] == ["restore", "move", "draw"]
    assert differences(layer) == []


def test_a_deleted_cell_comes_back_as_decided_by_whoever_drew_it(image):
    layer, one, two, uid, (_draw, move) = drawn_and_moved(image)
    gone = deletion(uid, move)
    write(layer, two, gone)
    before = before_the_last_act(two, image, uid)
    write(layer, two, restore(uid, before, gone["op_id"]))
    row = Annotation.objects.get(uid=uid)
    assert not row.deleted
    assert (row.decided_by, row.author) == (one, two)
    assert differences(layer) == []


def test_restoring_overwrites_nobody_else_s_decision(image):
    """One confirms a cell and then marks it "cannot tell"; another cannot bring the earlier status back."""
    layer, one, two, uid, (_draw, move) = drawn_and_moved(image)
    doubt = cell((12, 10, 32, 24), status="cannot_tell")
    marked = operation(effect(uid, doubt, seen=move["op_id"]), action="cannot_tell")
    write(layer, one, marked)
    as_drawn = cell((10, 10, 30, 24))
    back = restore(uid, as_drawn, marked["op_id"])
    _seq, (verdict,) = write_operations(layer=layer, author=two, operations=[back])
    assert verdict.verdict == "invalid"
    assert verdict.error["code"] == "decided_by_another"
    own = restore(uid, as_drawn, marked["op_id"])
    write(layer, one, own)
    assert Annotation.objects.get(uid=uid).status == "confirmed"
    assert differences(layer) == []


def test_what_somebody_changed_meanwhile_is_not_overwritten(image):
    layer, one, _two, uid, (draw, _move) = drawn_and_moved(image)
    stale = restore(uid, cell((10, 10, 30, 24)), draw["op_id"])
    _seq, (verdict,) = write_operations(layer=layer, author=one, operations=[stale])
    assert verdict.verdict == "stale"


# -- one's own activity


def test_a_person_sees_their_own_days_and_nobody_else_s(image):
    layer, one, two, uid, (_draw, move) = drawn_and_moved(image)
    write(layer, two, deletion(uid, move))
    (row,) = own_days(two)
    assert (row.project, row.images) == (image.project, 1)
    assert row.numbers == {"drawn": 0, "judged": 0, "changed": 1, "deleted": 1, "opinions": 0}
    (of_one,) = own_days(one)
    assert of_one.numbers["drawn"] == 1
    page = signed_in(two).get(reverse("own-activity"))
    assert image.project.name in page.content.decode()
    assert own_days(MembershipFactory().user) == []


def test_the_same_as_csv_and_no_name_becomes_a_formula(image):
    Project.objects.filter(pk=image.project_id).update(name="=1+1")
    _layer, one, *_rest = drawn_and_moved(image)
    answer = signed_in(one).get(reverse("own-activity"), {"format": "csv"})
    table = io.StringIO(answer.content.decode())
    (row,) = csv.DictReader(table)
    assert row["project"] == "'=1+1"
    assert (row["images"], row["drawn"]) == ("1", "1")
