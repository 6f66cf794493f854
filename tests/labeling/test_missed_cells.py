"""The claim about missed cells: fields drawn, pointed at, matched with proposals; its limit; and bad luck."""

import itertools

import numpy as np
import pytest
from django.utils import timezone

from inference.certificates.planning import shares_of
from labeling.errors import Archived, Invalid, WrongState
from labeling.images.models import Image
from labeling.reviews.certificates import missed, services
from labeling.reviews.certificates.missed import (
    AnnotatedAlready,
    TooFewFields,
    annotate_field,
    divided,
    missed_of,
    shown_field,
    square_of,
    unmatched,
)
from labeling.reviews.certificates.models import Lot, LotField
from labeling.reviews.certificates.record import record_of
from labeling.reviews.certificates.results import results_of, shares_of_lot, statement_of
from labeling.rounds.execution.archiving import archive_project
from tests.labeling.lots import CELL, STEP, a_project, plan
from tests.labeling.operations import cell
from tests.labeling.pages import draw, page_text, signed_in

pytestmark = pytest.mark.django_db
FIELDS = 30


@pytest.fixture
def made(monkeypatch):
    """Fields of about 4 x 4 cells, so that two small images have many of them."""
    monkeypatch.setattr(missed, "FIELD", 10.0)
    return a_project()


def cells_in(row: LotField) -> list[tuple[float, float]]:
    """The middles of the proposals of a field: they lie in a grid (tests/labeling/lots.py)."""
    ticks = np.arange(0, 400, STEP) + 2 + CELL / 2
    middles = list(itertools.product(ticks.tolist(), ticks.tolist()))
    return [(x, y) for x, y in middles if row.x0 <= x < row.x1 and row.y0 <= y < row.y1]


def in_picture(row: LotField, points) -> list[tuple[float, float]]:
    square = square_of(row)
    return [((x - square.x) / square.side, (y - square.y) / square.side) for x, y in points]


def point_at(lot: Lot, by, position: int, extra: int = 0) -> LotField:
    """Point at every proposal of a field, and at `extra` cells that nobody proposed: between four proposals."""
    row = lot.fields.get(position=position)
    found = cells_in(row)
    for number in range(extra):
        x, y = found[number]
        found.append((x + STEP / 2 if x + STEP / 2 < row.x1 else x - STEP / 2, y))
    return annotate_field(lot_id=lot.pk, by=by, position=position, points=in_picture(row, found))


def test_fields_cover_an_image_and_do_not_overlap():
    found = divided(100, 60, 25.0)
    assert len(found) == 4 * 2
    assert sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in found) == 100 * 60
    assert divided(10, 10, 25.0) == [(0.0, 0.0, 10.0, 10.0)]


def test_fields_are_drawn_once_each_and_only_when_wanted(made):
    assert plan(made).fields.count() == 0
    lot = Lot.objects.get()
    services.withdraw_lot(lot_id=lot.pk, by=made.owner)
    lot = plan(made, fields=FIELDS)
    places = set(lot.fields.values_list("image", "x0", "y0"))
    assert len(places) == FIELDS and lot.fields_total == sum(5 * 5 for _image in made.images)


def test_thirty_annotated_fields_certify_a_limit_and_fewer_do_not(made):
    lot = plan(made, fields=FIELDS)
    for position in range(1, FIELDS):
        point_at(lot, made.people["reviewer"], position)
    alpha = shares_of_lot(lot).errors
    assert missed_of(lot, alpha).limit is None
    assert statement_of(lot, results_of(lot))["missed"] == "not certified"
    point_at(lot, made.owner, FIELDS)
    found = missed_of(lot, alpha)
    assert (found.annotated, found.missed) == (FIELDS, 0)
    assert found.limit is not None and 0 < found.limit < 0.2
    assert statement_of(lot, results_of(lot))["missed"] == f"at most {100 * found.limit:.1f} %, averaged over fields"


def test_missed_cells_raise_the_limit(made):
    lot = plan(made, fields=FIELDS)
    for position in range(1, FIELDS + 1):
        row = point_at(lot, made.owner, position, extra=2)
        assert row.missed == 2 and row.cells == len(cells_in(row)) + 2
    found = missed_of(lot, shares_of_lot(lot).errors)
    assert found.missed == 2 * FIELDS
    assert found.limit > found.missed / found.cells > 0.1


def test_only_fields_before_the_first_one_without_points_count(made):
    lot = plan(made, fields=FIELDS)
    for position in (1, 2, 4, 5):
        point_at(lot, made.owner, position, extra=1)
    found = missed_of(lot, 0.05)
    assert (found.annotated, found.missed) == (4, 2)


def test_the_claim_has_its_part_of_alpha(made):
    without = plan(made)
    assert shares_of_lot(without) == shares_of(0.05, 1, 1)
    services.withdraw_lot(lot_id=without.pk, by=made.owner)
    assert shares_of_lot(plan(made, fields=FIELDS)) == shares_of(0.05, 1, 2)


def test_each_box_is_matched_once():
    box = np.array([[0, 0, 10, 10]], float)
    assert unmatched(np.array([[5, 5]], float), box) == 0
    assert unmatched(np.array([[5, 5], [6, 6]], float), box) == 1
    assert unmatched(np.array([[15, 5]], float), box) == 1
    assert unmatched(np.zeros((0, 2)), box) == 0
    assert unmatched(np.array([[5, 5]], float), np.zeros((0, 4))) == 1


def test_as_many_points_as_possible_are_matched():
    """The first point lies in both boxes, the second in the first alone: taken in turn, one would be left."""
    boxes = np.array([[0, 0, 10, 10], [5, 0, 15, 10]], float)
    assert unmatched(np.array([[7, 5], [2, 5]], float), boxes) == 0


def test_a_cell_that_a_person_drew_is_not_missed(made):
    lot = plan(made, fields=FIELDS)
    row = lot.fields.get(position=1)
    x, y = cells_in(row)[0]
    draw(row.image, made.owner, cell((x + 8, y - 2, x + 12, y + 2)))
    points = in_picture(row, [(x, y), (x + STEP / 2, y)])
    assert annotate_field(lot_id=lot.pk, by=made.owner, position=1, points=points).missed == 0


def test_a_picture_shows_the_whole_field_and_nothing_proposed(made):
    lot = plan(made, fields=FIELDS)
    shown = shown_field(lot)
    assert shown is not None and shown.position == 1
    x0, y0, x1, y1 = shown.frame
    assert 0 < x0 < x1 < 1 and 0 < y0 < y1 < 1


# -- bad luck


def test_fewer_fields_than_are_to_be_drawn(made):
    with pytest.raises(TooFewFields, match="50 fields"):
        plan(made, fields=60)
    assert not Lot.objects.exists()


@pytest.mark.parametrize("fields", [1, 29, 301])
def test_too_few_or_too_many_fields_are_declined(made, fields):
    with pytest.raises(Invalid) as raised:
        plan(made, fields=fields)
    assert raised.value.field == "fields"


def test_a_field_is_annotated_once_and_the_same_points_sent_twice_are_one(made):
    lot = plan(made, fields=FIELDS)
    point_at(lot, made.owner, 1)
    point_at(lot, made.owner, 1)
    with pytest.raises(AnnotatedAlready):
        point_at(lot, made.people["reviewer"], 1)
    with pytest.raises(AnnotatedAlready):
        annotate_field(lot_id=lot.pk, by=made.owner, position=1, points=[])
    assert missed_of(lot, 0.05).annotated == 1


def test_a_point_outside_the_field_is_declined_and_loses_nothing(made):
    lot = plan(made, fields=FIELDS)
    with pytest.raises(Invalid, match="outside the field"):
        annotate_field(lot_id=lot.pk, by=made.owner, position=1, points=[(0.001, 0.001)])
    with pytest.raises(Invalid, match="no field 31"):
        annotate_field(lot_id=lot.pk, by=made.owner, position=31, points=[])
    assert missed_of(lot, 0.05).annotated == 0


def test_no_field_is_annotated_in_an_archived_project(made):
    lot = plan(made, fields=FIELDS)
    archive_project(project=made.project, by=made.owner)
    with pytest.raises(Archived):
        annotate_field(lot_id=lot.pk, by=made.owner, position=1, points=[])


def test_no_field_is_annotated_once_the_lot_is_withdrawn(made):
    lot = plan(made, fields=FIELDS)
    services.withdraw_lot(lot_id=lot.pk, by=made.owner)
    with pytest.raises(WrongState, match="not being judged"):
        annotate_field(lot_id=lot.pk, by=made.owner, position=1, points=[])


def test_the_image_of_a_field_is_deleted_while_it_is_annotated(made):
    lot = plan(made, fields=FIELDS)
    first = lot.fields.get(position=1)
    Image.objects.filter(pk=first.image_id).update(deleted_at=timezone.now())
    assert shown_field(lot) is None


def test_a_lot_of_which_only_a_field_was_annotated_is_an_attempt(made):
    lot = plan(made, fields=FIELDS)
    point_at(lot, made.owner, 1)
    services.withdraw_lot(lot_id=lot.pk, by=made.owner)
    assert plan(made).attempt == 2


# -- over the API and on the page


def test_a_field_over_the_api(made):
    lot = plan(made, fields=FIELDS)
    client = signed_in(made.people["reviewer"])
    address = f"/api/v1/certificates/{lot.pk}/fields/"
    answer = client.get(address).json()
    assert set(answer) == {"field", "annotated", "fields"}
    assert set(answer["field"]) == {"position", "picture", "frame"}
    x0, y0, x1, y1 = answer["field"]["frame"]
    body = {"position": 1, "points": [[(x0 + x1) / 2, (y0 + y1) / 2]]}
    assert client.post(address, body, content_type="application/json").json() == {"annotated": 1, "fields": FIELDS}
    assert client.get(address).json()["field"]["position"] == 2
    services.withdraw_lot(lot_id=lot.pk, by=made.owner)
    assert client.get(address).json()["field"] is None
    record = record_of(Lot.objects.get())
    assert (record["plan"]["fields"], record["plan"]["fields_total"]) == (FIELDS, 50)
    assert len(record["fields"]) == FIELDS and len(record["fields"][0]["points"]) == 1


def test_the_page_says_what_is_known_of_missed_cells(made):
    lot = plan(made, fields=FIELDS)
    client = signed_in(made.owner)
    assert "30 in their order are needed" in page_text(client.get(f"/certificates/{lot.pk}/"))
    for position in range(1, FIELDS + 1):
        point_at(lot, made.owner, position)
    assert "averaged over fields; 0 of" in page_text(client.get(f"/certificates/{lot.pk}/"))
