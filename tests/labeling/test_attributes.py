"""What is said of a cell besides its class: declared by the project, kept by the log, packed, exported."""

import json
import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from labeling.annotations.attributes import declare_attributes, read_attributes
from labeling.annotations.models import Annotation
from labeling.annotations.packs import pack_layer, unpack_layer
from labeling.annotations.replay import differences
from labeling.annotations.services import working_layer, write_operations
from labeling.errors import Invalid
from labeling.projects.models import Project
from tests.factories import ImageFactory, MembershipFactory
from tests.labeling.exports import exported_coco
from tests.labeling.operations import cell, effect, mask, names, operation

DECLARED = "Stain intensity: 0, 1, 2, 3\nMitosis: no, yes"


@pytest.fixture
def member(db):
    member = MembershipFactory(role="owner")
    declare_attributes(project=member.project, text=DECLARED)
    return member


@pytest.fixture
def layer(member):
    return working_layer(image=ImageFactory(project=member.project), user=member.user)


def write(layer, member, *operations):
    return write_operations(layer=layer, author=member.user, operations=list(operations))[1]


def test_the_log_keeps_attributes_and_the_cell_around_and_replays_them(layer, member):
    whole, nucleus = uuid.uuid4(), uuid.uuid4()
    drawn = operation(
        effect(whole, cell((5, 5, 40, 40))),
        effect(nucleus, cell(mask=mask(), attributes={"Mitosis": "yes"}, parent=str(whole))),
    )
    assert [v.verdict for v in write(layer, member, drawn)] == ["accepted"]
    row = Annotation.objects.get(uid=nucleus)
    assert (row.attributes, row.parent) == ({"Mitosis": "yes"}, whole)
    cleared = operation(effect(nucleus, cell(mask=mask()), seen=drawn["op_id"]), action="classify")
    assert [v.verdict for v in write(layer, member, cleared)] == ["accepted"]
    row.refresh_from_db()
    assert (row.attributes, row.parent) == (None, None)
    assert differences(layer) == []


@pytest.mark.parametrize(
    "printed", [{"Mitosis": "perhaps"}, {"Colour": "red"}, {"Mitosis": 1}, ["Mitosis"], {"Mitosis": ["yes"]}]
)
def test_what_the_project_does_not_ask_is_refused(layer, member, printed):
    (verdict,) = write(layer, member, operation(effect(uuid.uuid4(), cell(attributes=printed))))
    assert verdict.verdict == "invalid" and names("attributes", verdict.error["field"])


def test_the_pack_has_columns_for_what_is_said_and_none_where_nothing_is(layer, member):
    a, b = uuid.uuid4(), uuid.uuid4()
    write(layer, member, operation(effect(a, cell())))
    header, columns = unpack_layer(pack_layer(layer)[1])
    assert header["attributes"] == [] and not {"attributes", "parent"} & set(columns)
    printed = {"Mitosis": "yes", "Stain intensity": "2"}
    write(layer, member, operation(effect(b, cell(attributes=printed, parent=str(a)))))
    header, columns = unpack_layer(pack_layer(layer)[1])
    assert header["attributes"] == [["Mitosis", ["yes"]], ["Stain intensity", ["2"]]]
    assert columns["attributes"].tolist() == [0, 0, 1, 1]
    assert columns["parent"].tobytes() == bytes(16) + a.bytes


def test_an_export_carries_them(layer, member):
    whole, nucleus = uuid.uuid4(), uuid.uuid4()
    write(
        layer,
        member,
        operation(
            effect(whole, cell(mask=mask())),
            effect(nucleus, cell(mask=mask(), attributes={"Mitosis": "no"}, parent=str(whole))),
            effect(uuid.uuid4(), cell(mask=mask(), parent=str(uuid.uuid4()))),
        ),
    )
    first, second, third = exported_coco(member.project)["annotations"]
    assert (first["attributes"], first["parent"]) == ({}, None)
    assert (second["attributes"], second["parent"]) == ({"Mitosis": "no"}, str(whole))
    assert third["parent"] is None, "a cell that is not exported is nobody's parent"


def test_the_list_that_counts_is_the_one_of_the_moment_of_writing(layer, member):
    assert layer.image.project.declared_attributes["Mitosis"] == ["no", "yes"]  # as this request has read it
    declare_attributes(project=Project.objects.get(pk=member.project_id), text="Mitosis: no, unsure")
    with CaptureQueriesContext(connection) as queries:
        printed = [operation(effect(uuid.uuid4(), cell(attributes={"Mitosis": value}))) for value in ("yes", "unsure")]
        assert [v.verdict for v in write(layer, member, *printed)] == ["invalid", "accepted"]
    assert sum("FOR SHARE" in q["sql"] for q in queries) == 1, "and nobody declares another until it is written"
    with CaptureQueriesContext(connection) as queries:
        write(layer, member, operation(effect(uuid.uuid4(), cell())))
    assert not any("FOR SHARE" in q["sql"] for q in queries), "who says nothing locks nothing"


@pytest.mark.parametrize(
    "text",
    ["Mitosis", "Mitosis: yes", ": a, b", "A: x, x", "A: x, y\nA: u, v", "\n".join(f"A{i}: x, y" for i in range(5))],
)
def test_a_list_that_does_not_read_is_refused(text):
    with pytest.raises(Invalid) as declined:
        read_attributes(text)
    assert declined.value.field == "attributes"


def test_what_cells_have_stays_in_the_list(layer, member, client):
    write(layer, member, operation(effect(uuid.uuid4(), cell(attributes={"Mitosis": "yes"}))))
    client.force_login(member.user)
    page = reverse("project-settings", args=[member.project_id])
    kept = client.post(page, {"attributes": "Mitosis: no, yes, unsure"})
    assert kept.status_code == 302
    member.project.refresh_from_db()
    assert member.project.declared_attributes == {"Mitosis": ["no", "yes", "unsure"]}
    declined = client.post(page, {"attributes": "Mitosis: no, unsure"})
    assert declined.status_code == 422 and "Mitosis: yes" in declined.content.decode()
    opened = client.get(reverse("image-workspace", args=[layer.image_id]))
    assert json.loads(opened.content)["project"]["attributes"] == [
        {"name": "Mitosis", "values": ["no", "yes", "unsure"]}
    ]
