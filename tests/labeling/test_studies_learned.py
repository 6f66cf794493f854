"""Which images a study may use: what the models behind the proposals have really learned from, whatever today's split
says; and drafts that can be changed."""

import json

import pytest
from django.core.files.base import ContentFile
from django.urls import reverse

from labeling.errors import Invalid, WrongState
from labeling.images.models import Image
from labeling.images.services import add_image
from labeling.rounds.models import Artifact, ModelVersion, Publication, Round, Snapshot, Stage
from labeling.studies import learned, services
from labeling.studies.models import Participant, Study
from tests.documents import image_json
from tests.factories import png
from tests.labeling.pages import signed_in, toasts
from tests.labeling.studies import ARMS, draft, ten_fields

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return ten_fields()


def entry(of: Image, split: str, **changes) -> dict:
    """An image as a snapshot holds it."""
    usual = {"sha256": of.sha256, "patient": of.patient_label, "split": split, "exhaustive": [[0, 0, 64, 48]]}
    return image_json(**({"image": of.pk} | usual | changes))


def snapshot(project, *entries: dict) -> Snapshot:
    content = json.dumps({"version": 2, "classes": [], "images": list(entries)}).encode()
    made = Snapshot(project=project, sha256=f"{Snapshot.objects.count():064}", summary={})
    made.content.save("snapshot.json", ContentFile(content))
    made.save()
    return made


def weights(project, taught: Snapshot | None, *, kind="segmenter", parent=None, round_=None, **changes) -> ModelVersion:
    n = ModelVersion.objects.count() + 1
    artifact = Artifact.objects.create(key=f"{n:064}", kind=kind, file="w", sha256="0" * 64, size=1)
    given = {"origin": "trained", "model": "tiny", "architecture": "tiny"} | changes
    return ModelVersion.objects.create(
        project=project, kind=kind, number=n, artifact=artifact, parent=parent, snapshot=taught,
        round=round_ or project.rounds.first(), **given,
    )  # fmt: skip


def made_by(round_: Round, version: ModelVersion) -> None:
    """The round's proposals come from this version."""
    Stage.objects.create(round=round_, position=1, kind=version.kind, state="done", artifact=version.artifact)
    round_.configuration = {version.kind: {"name": "tiny", "as_is": True}}
    round_.save()


def why_not(project, image: Image) -> str:
    return learned.Check(project, proposals=True)(image)


def field(project, k: int = 3) -> Image:
    return project.images.get(name=f"field {k}.png")


def test_an_image_that_taught_the_publishing_round_stays_taught_when_it_is_moved_to_the_test_part(project):
    study = draft(project)
    taught, round_ = field(project), project.rounds.get()
    round_.snapshot = snapshot(project, entry(taught, "train"), entry(field(project, 4), "test"))
    round_.save()
    assert taught.split == "test"  # as it is today
    with pytest.raises(Invalid, match=r"field 3\.png cannot be a field of this study: a model .* learned from it"):
        services.freeze(study=study, by=project.owner)
    services.choose_fields(study=study)  # drawn again, it is not among them
    assert not study.fields.filter(image=taught).exists()
    assert why_not(project, field(project, 4)) == ""


@pytest.mark.parametrize(
    ("split", "changes", "why"),
    [
        ("train", {}, learned.TAUGHT),
        ("val", {}, learned.TAUGHT),
        ("val", {"exhaustive": [], "reference": "r.png"}, learned.TAUGHT),  # settings are chosen by it
        ("train", {"exhaustive": []}, ""),  # nobody had annotated it, so nothing was learned from it
        ("test", {}, ""),
    ],
)
def test_what_teaches_and_what_does_not(project, split, changes, why):
    round_ = project.rounds.get()
    round_.snapshot = snapshot(project, entry(field(project), split, **changes))
    round_.save()
    assert why_not(project, field(project)) == why


def test_forebears_of_the_weights_count_too(project):
    taught, round_ = field(project), project.rounds.get()
    first = weights(project, snapshot(project, entry(taught, "train")))
    second = weights(project, snapshot(project), parent=first)
    third = weights(project, None, parent=second, origin="shipped")
    made_by(round_, third)
    assert why_not(project, taught) == learned.TAUGHT
    assert why_not(project, field(project, 4)) == ""
    assert learned.Check(project, proposals=True).elsewhere([taught]) == ["segmenter 3 (came with Boxwise)"]


def test_weights_that_a_round_was_started_from_count_although_no_version_names_its_parent(project):
    taught, round_ = field(project), project.rounds.get()
    start = weights(project, snapshot(project, entry(taught, "train")))
    round_.configuration = {"segmenter": {"name": "tiny", "start_from": start.artifact_id}}
    round_.save()
    assert why_not(project, taught) == learned.TAUGHT


@pytest.mark.parametrize("moved", ["in the snapshot", "today", "renamed since"])
def test_the_same_patient_counts_as_named_then_and_as_named_now(project, moved):
    """The image that taught is of the field's patient: by the snapshot, by today's name, or by the field's own name in
    the snapshot, which somebody has changed since."""
    image, round_ = field(project), project.rounds.get()
    other = add_image(project=project, name="other.png", content=png(seed=9), patient="patient 77", split="test")
    entries = [entry(other, "train")]
    if moved == "in the snapshot":
        entries[0]["patient"] = image.patient_label
    elif moved == "today":
        Image.objects.filter(pk=other.pk).update(patient=image.patient)
    else:
        entries.append(entry(image, "test", patient="patient 77"))
    round_.snapshot = snapshot(project, *entries)
    round_.save()
    assert why_not(project, image) == learned.PATIENT_TAUGHT
    assert why_not(project, field(project, 4)) == ""


def test_the_same_pixels_uploaded_again_are_the_same_image(project):
    image, round_ = field(project), project.rounds.get()
    round_.snapshot = snapshot(project, entry(image, "train", image=987654, patient=""))
    round_.save()
    assert why_not(project, image) == learned.TAUGHT


def test_a_record_that_cannot_be_read_is_no_proof(project):
    round_ = project.rounds.get()
    Stage.objects.create(round=round_, position=1, kind="segmenter")  # it trained, and its snapshot is gone
    assert why_not(project, field(project)) == learned.UNREADABLE


def test_images_are_counted_by_why_they_cannot_be_drawn(project):
    project.patients.filter(images__name="field 0.png").update(split="train")
    Image.objects.filter(name="field 1.png").update(reference="")
    Publication.objects.filter(image__name="field 2.png").delete()
    add_image(project=project, name="x.png", content=png(seed=9), patient="patient 5", split="val", may_divide=True)
    found = learned.candidates(project, proposals=True)
    assert dict(found.reasons) == {
        learned.NOT_TEST: 1,
        learned.NO_REFERENCE: 2,
        learned.NO_PROPOSALS: 1,
        learned.PATIENT_NOT_TEST: 1,
    }
    assert len(found.images) == 6 and found.total == 11
    # an arm without proposals asks no model
    assert len(learned.candidates(project, proposals=False).images) == 9
    page = signed_in(project.owner).get(reverse("studies", args=[project.pk])).content.decode()
    assert "1: not a test image" in page and "2: no reference masks" in page


def test_too_few_images_say_how_many_can_be_used_and_why_the_others_cannot(project):
    kept = Image.objects.filter(name__in=["field 0.png", "field 1.png"])
    project.patients.exclude(images__in=kept).update(split="train")
    with pytest.raises(Invalid) as declined:
        draft(project)
    assert str(declined.value).startswith("2 images can be used as fields, and this design needs at least 4: 2 for")
    assert "8 not a test image" in str(declined.value)


@pytest.mark.parametrize(
    ("measured", "says"),
    [
        (2, "Measured fields: 2 cannot be shared.* multiple of 4. Type 4."),
        (6, "Measured fields: 6 cannot be shared.* multiple of 4. Type 4 or 8."),
        (7, "Type 4 or 8"),
        (12, "Measured fields: 12 is too many. After practice the strata hold 4 and 4 images. Type 8 or fewer"),
        (0, "not a whole number from 1 to"),
        ("nan", "not a whole number from 1 to"),
    ],
)
def test_a_number_of_fields_that_cannot_be_shared_is_refused_and_never_changed_in_silence(project, measured, says):
    study = draft(project)
    before = set(study.fields.values_list("image", "training"))
    with pytest.raises(Invalid, match=says):
        services.choose_fields(study=study, measured=measured)
    assert set(study.fields.values_list("image", "training")) == before
    services.choose_fields(study=study, measured=4)
    assert study.fields.filter(training=False).count() == 4


# -- drafts


def test_a_draft_is_edited_redrawn_thinned_and_deleted(project):
    study = draft(project, readers=3)
    client = signed_in(project.owner)
    page = client.get(reverse("edit-study", args=[study.pk])).content.decode()
    assert "Boxes or proposals" in page and "EK 12/2026" in page
    body = {
        "name": "Other", "public_title": "Nuclei", "hypothesis": "h", "design": "crossover", "seed": 8,
        "idle_after_s": 20, "washout_days": 0, "training_per_arm": 0, "repeats": 0, "quality_margin": 0.1,
        "unit": "fields", "gap_days": 0, "break_minutes": 10,
        "withdrawal_after_lock": "keep", "strata": "density", "measured": "8",
        "arm0-name": "c", "arm0-tools": ["polygon"], "arm0-assistance": "none",
        "arm1-name": "d", "arm1-tools": ["brush"], "arm1-assistance": "proposals", "arm1-accepts_many": "on",
    }  # fmt: skip
    assert client.post(reverse("edit-study", args=[study.pk]), body).status_code == 302
    study.refresh_from_db()
    assert (study.name, study.idle_after_s, study.fields.count(), study.measured) == ("Other", 20, 8, 8)
    assert list(study.arms.values_list("name", "accepts_many")) == [("c", False), ("d", True)]
    # an error comes back beside its field
    wrong = client.post(reverse("edit-study", args=[study.pk]), body | {"measured": "6"})
    assert wrong.status_code == 422 and "Type 4 or 8." in wrong.content.decode()
    # drawn again
    drawn = set(study.fields.values_list("image", flat=True))
    answer = client.post(reverse("redraw-study", args=[study.pk]), {"seed": "12"})
    assert toasts(answer) == ["The fields are drawn again, by seed 12."]
    assert set(study.fields.values_list("image", flat=True)) != drawn
    assert "not a whole number" in toasts(client.post(reverse("redraw-study", args=[study.pk]), {"seed": "²"}))[-1]
    # a reader less
    second = study.participants.get(number=2)
    client.post(reverse("remove-reader", args=[study.pk, second.pk]))
    assert list(study.participants.values_list("number", flat=True)) == [1, 2]
    # gone, after asking
    assert "Delete this draft?" in client.get(reverse("delete-study", args=[study.pk])).content.decode()
    client.post(reverse("delete-study", args=[study.pk]))
    assert not Study.objects.exists() and not Participant.objects.exists()


def test_a_frozen_study_is_not_a_draft_any_more(project):
    study = services.freeze(study=draft(project), by=project.owner)
    reader = study.participants.first()
    acts = [
        lambda: services.edit_draft(study=study, arms=ARMS, chosen={}, name="x"),
        lambda: services.redraw(study=study),
        lambda: services.remove_reader(participant=reader),
        lambda: services.delete_draft(study=study),
        lambda: services.choose_fields(study=study),
    ]
    for act in acts:
        with pytest.raises(WrongState, match="frozen"):
            act()


@pytest.mark.parametrize(
    ("changes", "field_name", "says"),
    [
        ({"public_title": "Proposals against hand"}, "public_title", "names the arm “proposals”"),
        ({"arms": [ARMS[0], ARMS[0]]}, "arms", "two arms are named"),
        ({"arms": [ARMS[0]]}, "arms", "two to 4 arms"),
        ({"arms": [ARMS[0], ARMS[1] | {"name": "x\0y"}]}, "arms", "cannot be stored"),
    ],
)
def test_a_design_that_names_an_arm_to_readers_or_names_two_alike_is_refused(project, changes, field_name, says):
    given = {"name": "n", "hypothesis": "h", "seed": 1, "arms": ARMS} | changes
    with pytest.raises(Invalid, match=says) as declined:
        services.create_study(project=project, by=project.owner, **given)
    assert declined.value.field == field_name


def test_readers_see_a_title_that_names_no_arm(project):
    study = services.freeze(study=draft(project), by=project.owner)
    reader = study.participants.first()
    client = signed_in(reader.user)
    home = client.get(reverse("participation", args=[reader.pk])).content.decode()
    for page in (home, client.get("/").content.decode()):
        assert "Annotation study" in page and study.name not in page
    assert study.arms.first().name not in home
