"""python -m tests.labeling.dumps.way_back: fill the newest tables, take them back to 0024 and forth again; print both.

Run by tests/labeling/test_way_back.py in a process of its own, because Django keeps the address of one database.
The printed JSON has:
  before      image -> [centre, patient, split], in the newest tables
  back        image -> [site, group, split], in the tables of 0024
  references  image -> its group, in the reference set as 0024 reads it
  newer       tables that 0024 does not know and that are still there
  point       the box of a cell that is a point, in the tables of 0024
  after       as `before`, when all migrations have run once more
"""

import json
import sys
from typing import Any

import django

LAST = "0024"
POINT = "00000000-0000-7000-8000-00000000abcd"
NEWER = (
    "labeling_centre", "labeling_patient", "labeling_splitchange", "labeling_personaltoken",
    "labeling_answeredrequest", "labeling_consensus", "labeling_disagreement", "labeling_securityevent",
    "labeling_lot", "labeling_lotimage", "labeling_lotcell", "labeling_screen", "labeling_resumableupload",
    "labeling_cellvectorfile", "labeling_lotfield", "labeling_controlplan", "labeling_checkfield",
)  # fmt: skip


def main() -> int:
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    fill()
    before = origins()
    call_command("migrate", "labeling", LAST, verbosity=0)
    back = {name: rest for name, *rest in rows('SELECT name, site, "group", split FROM labeling_image')}
    entries = rows(
        "SELECT entry ->> 'image', entry ->> 'group' FROM labeling_referenceset, jsonb_array_elements(images) entry"
    )
    (point,) = rows(f"SELECT x0, y0, x1, y1 FROM labeling_annotation WHERE uid = '{POINT}'")
    tables = {name for (name,) in rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
    call_command("migrate", verbosity=0)
    found = {
        "before": before,
        "back": back,
        "references": dict(entries),
        "newer": sorted(tables.intersection(NEWER)),
        "after": origins(),
        "point": point,
    }
    print(json.dumps(found))
    return 0


def rows(statement: str) -> list[list[Any]]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement)
        return [list(row) for row in cursor.fetchall()]


def origins() -> dict[str, list[str]]:
    from labeling.images.models import Image

    found = {}
    for image in Image.everything.with_specimens():
        centre = image.centre.name if image.centre else ""
        found[image.name] = [centre, image.patient.name if image.patient else "", image.split]
    return found


def fill() -> None:
    """Patients of two centres, a slide of an unknown patient, images that are deleted and purged, and one row at least
    in every table that is newer."""
    import numpy as np
    from django.utils import timezone

    from labeling.accounts.models import AnsweredRequest
    from labeling.accounts.tokens import create_token
    from labeling.images.models import Image
    from labeling.images.splits import move_patients
    from labeling.rounds.reference import lock
    from labeling.upkeep.deleting import delete_images
    from labeling.upkeep.purging import purge
    from tests.factories import AnnotationFactory, ImageFactory, MembershipFactory, ProjectFactory
    from tests.labeling.rounds import annotate
    from tests.labeling.team import a_disagreement

    project = ProjectFactory()
    owner = MembershipFactory(project=project, role="owner").user
    masks = np.pad(np.ones((20, 20), np.uint16), ((0, 28), (0, 44)))
    ImageFactory(project=project, name="graz", centre="Graz", patient="07", split="test", reference=masks)
    bern = ImageFactory(project=project, name="bern", centre="Bern", patient="07")
    ImageFactory(project=project, name="slide", slide="S1")
    alone = ImageFactory(project=project, name="alone")  # 64 x 48 px
    place = {"x0": 63.75, "y0": 20, "x1": 63.75, "y1": 20}
    AnnotationFactory(uid=POINT, layer__image=alone, layer__kind="import", **place)
    deleted = ImageFactory(project=project, name="deleted", patient="08")
    purged = ImageFactory(project=project, name="purged", patient="09")
    lock(project=project, by=owner)
    annotate(purged, owner, [(2.0, 2.0, 12.0, 12.0)])
    propose_a_cell(purged, owner)
    propose_a_cell(alone, owner)
    a_disagreement(alone, owner)
    a_disagreement(purged, owner)
    certify(alone, owner)
    move_patients(project=project, splits={bern.patient_id: "val"}, by=owner)
    create_token(user=owner, name="notebook", scope="read", days=7)
    AnsweredRequest.objects.create(user=owner, key="k", path="/", sent_sha256="0" * 64)
    delete_images(project=project, images=[deleted.pk, purged.pk], by=owner)
    purge(purged.pk, timezone.now())
    assert Image.everything.filter(purged_at__isnull=False).count() == 1


def certify(image: Any, owner: Any) -> None:
    """A lot, the job of its acceptance and a screen of the gallery, as rows alone."""
    from django.utils import timezone

    from labeling.gallery.models import Screen
    from labeling.jobs.models import Job
    from tests.labeling.lots import bare_lot

    lot = bare_lot(image, owner)
    request = {"lot": lot.pk, "act": "accept"}
    Job.objects.create(
        kind="certificate",
        project=image.project,
        owner=owner,
        request=request,
        state="done",
        queued_at=timezone.now(),
    )
    Screen.objects.create(project=image.project, person=owner, order="doubt", milliseconds=900, shown=[])


def propose_a_cell(image: Any, owner: Any) -> None:
    """A job without a round that has proposed a cell, as rows alone."""
    import uuid

    from django.utils import timezone

    from labeling.annotations.models import Layer
    from labeling.annotations.services import Loaded, load_layer
    from labeling.annotations.state import AnnotationState
    from labeling.jobs.models import Job
    from labeling.rounds.models import Publication

    job = Job.objects.create(
        kind="propose", project=image.project, owner=owner, request={}, state="done", queued_at=timezone.now()
    )
    cell = Loaded(uuid.uuid4(), AnnotationState("cell", "confirmed", (20, 20, 30, 30)))
    layer = load_layer(image=image, kind=Layer.Kind.PREDICTION, loaded=[cell])
    Publication.objects.create(job=job, image=image, layer=layer, certificate={}, model_names={})


if __name__ == "__main__":
    sys.exit(main())
