"""A study until it is frozen: the order of items, sets of fields, what is refused, the protocol."""

import io
from itertools import pairwise

import numpy as np
import PIL.Image
import pytest
from django.core.files.base import ContentFile
from django.db import IntegrityError, transaction

from labeling.errors import Invalid, WrongState
from labeling.images.services import add_image
from labeling.rounds.models import Publication
from labeling.studies import services
from labeling.studies.models import Item, Study
from labeling.studies.protocol import design
from tests.factories import UserFactory, png
from tests.labeling.studies import draft, frozen, labels, ten_fields

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return ten_fields()


@pytest.fixture
def study(project):
    return frozen(project)


@pytest.mark.parametrize(
    ("kind", "arms", "readers"), [("crossover", 2, 8), ("williams", 3, 12), ("williams", 4, 8), ("parallel", 2, 6)]
)
def test_an_allocation_is_balanced_and_comes_again_from_its_seed(kind, arms, readers):
    names = tuple("ABCD"[:arms])
    fields = {f: ("sparse", "dense")[f % 2] for f in range(24)}
    plan = design.Plan(kind, names, readers, fields, training=tuple(range(100, 100 + 2 * arms)), repeats=2, seed=5)
    items = design.allocate(plan)
    assert items == design.allocate(plan)
    assert items != design.allocate(design.Plan(kind, names, readers, fields, plan.training, 2, seed=6))
    measured = [i for i in items if not i.training and not i.repeat]
    sequences = {i.reader: i.sequence for i in items}
    assert len({list(sequences.values()).count(s) for s in sequences.values()}) == 1
    for reader in range(readers):
        own = [i for i in measured if i.reader == reader]
        assert len({i.field for i in own}) == len(own)  # nobody sees a field in two arms
        assert [i.position for i in items if i.reader == reader] == list(
            range(1, len([i for i in items if i.reader == reader]) + 1)
        )
        repeated = [i for i in items if i.reader == reader and i.repeat]
        assert len(repeated) == 2 and {(i.field, i.arm) for i in repeated} <= {(i.field, i.arm) for i in own}
        assert max(i.position for i in own) < min(i.position for i in repeated)
        for period in {i.period for i in own}:  # practice first
            here = [i for i in items if i.reader == reader and i.period == period]
            assert [i.training for i in here] == sorted((i.training for i in here), reverse=True)
    if kind != "parallel":
        per_arm = [sorted(i.field for i in measured if i.arm == arm) for arm in names]
        assert all(len(set(one)) == 24 for one in per_arm)  # over the readers every field is read in every arm


def test_in_a_williams_square_every_arm_follows_every_other_equally_often():
    for k in (2, 3, 4, 5):
        rows = design.sequences("williams", k)
        follows = [pair for row in rows for pair in pairwise(row)]
        assert {follows.count((a, b)) for a in range(k) for b in range(k) if a != b} == {len(rows) // k}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"readers": 3}, "multiple of 2 readers"),
        ({"kind": "latin"}, "not “latin”"),
        ({"arms": ("A",)}, "two arms"),
        ({"fields": {1: "", 2: "", 3: ""}}, "share equally"),
        ({"training": (1, 9)}, "must not be measured"),
        ({"repeats": 9}, "more repeated"),
        ({"arms": ("A", "B", "C"), "readers": 6}, "Williams"),
    ],
)
def test_what_cannot_be_balanced_is_refused(changes, says):
    given = {"kind": "crossover", "arms": ("A", "B"), "readers": 4, "fields": {1: "", 2: ""}, "seed": 1} | changes
    with pytest.raises(design.BadDesign, match=says):
        design.Plan(**given)


def test_sets_are_made_alike_by_what_the_study_declares(project):
    study = draft(project, readers=0, training_per_arm=0)
    for k, publication in enumerate(Publication.objects.order_by("image__name")):
        publication.layer.annotations.update(score=0.9 if k % 2 else 0.1)
        image = publication.image  # cells of field 0..4 are small
        image.reference.save("r.png", ContentFile(label_png(labels(4) if k < 5 else labels(4).repeat(2, 0)[:48])))
    found = {}
    for strata in ("density", "size", "ambiguity"):  # by class: test_studies_units.py
        services.choose_fields(study=study, strata=strata)
        found[strata] = {f.image.name: f.stratum for f in study.fields.select_related("image")}
    assert set(found["density"].values()) == {"sparse"}  # all have four cells: no half lies above the median
    assert {n for n, s in found["ambiguity"].items() if s == "doubtful"} <= {f"field {k}.png" for k in range(1, 10, 2)}
    assert {n for n, s in found["size"].items() if s == "large cells"} <= {f"field {k}.png" for k in range(5, 10)}
    assert len(set(found["size"].values())) == len(set(found["ambiguity"].values())) == 2
    Publication.objects.first().layer.annotations.update(score=None)
    with pytest.raises(Invalid, match="no proposals"):
        services.choose_fields(study=study, strata="ambiguity")


def label_png(found: np.ndarray) -> bytes:
    out = io.BytesIO()
    PIL.Image.fromarray(found.astype(np.uint16)).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize("missing", ["consent_text", "ethics_reference", "retention_until"])
def test_nothing_is_frozen_without_consent_ethics_and_retention(project, missing):
    study = draft(project)
    setattr(study, missing, None if missing == "retention_until" else "")
    study.save()
    with pytest.raises(Invalid, match=missing.replace("_", " ")):
        services.freeze(study=study, by=project.owner)


def test_proposals_must_not_come_from_models_that_learned_from_a_study_patient(project):
    study = draft(project)
    add_image(
        project=project, name="other.png", content=png(seed=9), patient="patient 3", split="train", may_divide=True
    )
    with pytest.raises(Invalid, match="another image of the same patient is not a test image"):
        services.freeze(study=study, by=project.owner)


def test_an_arm_that_the_app_cannot_run_is_refused(project):
    study = draft(project)
    study.arms.filter(position=1).update(tools=["point"])
    with pytest.raises(Invalid, match="has only points"):
        services.freeze(study=study, by=project.owner)


def test_a_frozen_protocol_has_the_hash_of_its_content_and_changes_only_visibly(study, project):
    assert study.protocol_sha256 == services.hash_of(study.protocol)
    assert len(study.protocol["allocation"]) == Item.objects.count() == 4 * 10
    with pytest.raises(WrongState, match="amendment"):
        services.enrol(study=study, username=UserFactory().username)
    with pytest.raises(Invalid, match="another study"):
        services.amend(study=study, change={"seed": 1}, reason="luck", by=project.owner)
    with pytest.raises(Invalid, match="Reason"):
        services.amend(study=study, change={"idle_after_s": 60}, reason=" ", by=project.owner)
    services.amend(study=study, change={"idle_after_s": 60}, reason="readers look longer", by=project.owner)
    study.refresh_from_db()
    assert services.effective(study)["measurement"]["idle_after_s"] == 60
    assert study.protocol["measurement"]["idle_after_s"] == 30 and study.protocol_sha256 == services.hash_of(
        study.protocol
    )
    with pytest.raises(IntegrityError, match="study_runs_frozen"), transaction.atomic():
        Study.objects.filter(pk=study.pk).update(protocol_sha256="")
