"""Centres, patients and the split: by patient, sealed, written down, and held by the database itself."""

import threading

import pytest
from django.db import IntegrityError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from labeling.errors import Invalid
from labeling.exchange.image_tables import BadTable, take_table
from labeling.images.assigning import assign_splits, planned
from labeling.images.facts import change_image, change_images
from labeling.images.models import Image, Patient
from labeling.images.patients import SplitChange
from labeling.images.renaming import change_patient
from labeling.images.services import add_image
from labeling.images.splits import Sealed, SplitChanged, move_patients, seal_test
from labeling.rounds.results.split_notes import split_notes
from tests.declined import assert_declined
from tests.factories import ImageFactory, MembershipFactory, ProjectFactory, png
from tests.labeling.pages import make_study, page_text, signed_in
from tests.labeling.test_round_comparison import evaluated

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]


@pytest.fixture
def project():
    return ProjectFactory()


@pytest.fixture
def owner(project):
    return MembershipFactory(project=project, role="owner").user


def sealed(project):
    with transaction.atomic():
        seal_test(project)
    project.refresh_from_db()
    return project


def splits(project):
    return {image.name: image.split for image in Image.objects.filter(project=project)}


# -- joining


def test_a_further_image_of_a_patient_joins_the_patient_s_split_and_says_so(project):
    ImageFactory(project=project, centre="Graz", patient="07", split="test")
    joined = ImageFactory(project=project, centre="Graz", patient="07", split="train")
    other = ImageFactory(project=project, centre="Bern", patient="07", split="train")
    assert (joined.split, other.split) == ("test", "train")
    assert joined.reading["notes"][-1]["code"] == "joined_patient"
    assert [patient.label for patient in project.patients.order_by("pk")] == ["Graz / 07", "Bern / 07"]


def test_without_a_centre_the_only_patient_of_that_name_is_meant_and_of_two_neither(project):
    ImageFactory(project=project, centre="Graz", patient="07", split="val")
    assert ImageFactory(project=project, patient="07").patient_label == "Graz / 07"
    ImageFactory(project=project, centre="Bern", patient="07")
    with pytest.raises(Invalid, match="several centres have a patient 07: Bern, Graz"):
        ImageFactory(project=project, patient="07")


def test_images_of_one_slide_share_a_split_whoever_the_patient_is(project, owner):
    first = ImageFactory(project=project, slide="S1", split="test")
    second = ImageFactory(project=project, slide="S1")
    alone = ImageFactory(project=project)
    assert (second.split, alone.split, alone.patient) == ("test", "train", None)
    assert (first.patient_label, first.specimen.patient) == ("slide S1", "")
    change_images(project=project, images=[first.pk, second.pk], by=owner, patient="07")
    third = ImageFactory(project=project, slide="S1")  # the slide has got a name: it is that patient's
    assert (third.split, third.patient_label) == ("test", "07")


def test_new_patients_of_images_in_several_splits_need_the_split_to_be_said(project, owner):
    first, second = ImageFactory(project=project, split="train"), ImageFactory(project=project, split="val")
    with pytest.raises(Invalid, match="images of 07 stand in train, validation; a patient has one split"):
        change_images(project=project, images=[first.pk, second.pk], by=owner, patient="07")
    change_images(project=project, images=[first.pk, second.pk], by=owner, patient="07", split="val")
    assert set(splits(project).values()) == {"val"}
    change = SplitChange.objects.get()
    assert (change.unit, change.before, change.after, change.how) == (first.name, "train", "val", "joined")


# -- moving


def test_the_split_is_the_patient_s_and_never_one_image_s(project, owner):
    images = [ImageFactory(project=project, patient="07") for _ in range(3)]
    with pytest.raises(Invalid, match="the split belongs to the patient: 07 has 2 more images"):
        change_image(image=images[0], by=owner, split="val")
    change_images(project=project, images=[image.pk for image in images], by=owner, split="val")
    assert set(splits(project).values()) == {"val"}
    move_patients(project=project, splits={images[0].patient_id: "test"}, by=owner)
    assert set(splits(project).values()) == {"test"}
    assert [(c.before, c.after, c.images, c.by) for c in SplitChange.objects.order_by("pk")] == [
        ("train", "val", 3, owner), ("val", "test", 3, owner),
    ]  # fmt: skip


def test_the_database_itself_holds_it_and_what_was_written_down(project, owner):
    image = ImageFactory(project=project, patient="07")
    with pytest.raises(IntegrityError, match="image_has_split_of_patient"), transaction.atomic():
        Image.objects.filter(pk=image.pk).update(split="test")
    Patient.objects.filter(pk=image.patient_id).update(split="val")
    assert Image.objects.get(pk=image.pk).split == "val"
    move_patients(project=project, splits={image.patient_id: "train"}, by=owner)
    with pytest.raises(IntegrityError, match="append_only"), transaction.atomic():
        SplitChange.objects.update(reason="none")


def test_only_a_single_patient_may_be_divided(project, owner):
    first, second = ImageFactory(project=project, slide="S1"), ImageFactory(project=project, slide="S1")
    move_patients(project=project, splits={first.patient_id: None}, by=owner)
    change_image(image=second, by=owner, split="val")
    assert sorted(splits(project).values()) == ["train", "val"]
    move_patients(project=project, splits={first.patient_id: "train"}, by=owner)
    assert sorted(splits(project).values()) == ["train", "train"]
    ImageFactory(project=project, patient="08")
    with pytest.raises(Invalid, match="only the single patient of a project may be divided"):
        move_patients(project=project, splits={first.patient_id: None}, by=owner)


def test_a_patient_with_all_images_is_renamed_and_one_image_does_not_change_the_centre(project, owner):
    first, second = (ImageFactory(project=project, centre="Graz", patient="07") for _ in range(2))
    with pytest.raises(Invalid, match="Graz / 07 has further images"):
        change_image(image=first, by=owner, centre="Bern")
    change_images(project=project, images=[first.pk, second.pk], by=owner, centre="Bern")
    assert [p.label for p in project.patients.all()] == ["Bern / 07"]
    change_patient(patient=project.patients.get(), by=owner, name="P-7", centre="")
    assert {image.patient_label for image in Image.objects.with_specimens()} == {"P-7"}
    ImageFactory(project=project, patient="08")
    with pytest.raises(Invalid, match="there is a patient 08 already"):
        change_patient(patient=project.patients.get(name="P-7"), by=owner, name="08")


# -- sealed


def test_after_the_first_round_nobody_moves_into_or_out_of_test_without_a_reason(project, owner):
    train, test = ImageFactory(project=project, patient="1"), ImageFactory(project=project, patient="2", split="test")
    alone = ImageFactory(project=project)
    project = sealed(project)
    for act in (
        lambda: move_patients(project=project, splits={train.patient_id: "test"}, by=owner),
        lambda: move_patients(project=project, splits={test.patient_id: "val"}, by=owner),
        lambda: change_image(image=alone, by=owner, split="test"),
        lambda: change_image(image=alone, by=owner, patient="2"),
        lambda: change_image(image=test, by=owner, patient="1"),
        lambda: take_table(project=project, content=f"image,patient\n{alone.name},2\n".encode(), by=owner),
    ):
        with pytest.raises(Sealed, match="would move into or out of test"):
            act()
    assert splits(project) == {train.name: "train", test.name: "test", alone.name: "train"}
    move_patients(project=project, splits={train.patient_id: "val"}, by=owner)  # not test
    move_patients(project=project, splits={test.patient_id: "train"}, by=owner, reason="  was  annotated by hand ")
    change = SplitChange.objects.first()
    assert (change.reason, change.after_seal) == ("was annotated by hand", True)
    assert ImageFactory(project=project, patient="3", split="test").split == "test"  # nobody has learned from it


def test_a_round_seals_and_says_what_moved_since():
    study = make_study()
    study.project.refresh_from_db()
    owner = study.people["owner"]
    assert study.project.test_sealed_at is not None and split_notes(study.round) == []
    client = APIClient()
    client.force_authenticate(owner)
    address = f"/api/v1/patients/{study.image.patient_id}/"
    declined = client.patch(address, {"split": "test"}, format="json")
    assert_declined(declined, 409, code="sealed", field="reason")
    moved = client.patch(address, {"split": "test", "seen": "train", "reason": "consent"}, format="json")
    assert (moved.json()["split"], moved.json()["images"]) == ("test", 1)
    assert split_notes(study.round)[0].startswith("slide 7 moved from train to test on ")
    page = page_text(signed_in(owner).get(study.round.get_absolute_url()))
    assert "Splits changed after this round started:" in page and "consent" in page
    listed = client.get(f"/api/v1/projects/{study.project.pk}/split-changes/").json()["items"]
    assert [(c["unit"], c["before"], c["after"], c["reason"]) for c in listed] == [
        ("slide 7", "train", "test", "consent")
    ]


def test_a_comparison_says_what_moved_since(project, owner):
    from labeling.rounds.results.comparison import compare

    image = ImageFactory(project=project, patient="07", split="val")
    rows = [{"image": image.pk, "patient": "07", "pq": 0.5}]
    rounds = [evaluated(project, number, rows) for number in (1, 2)]
    move_patients(project=project, splits={image.patient_id: "train"}, by=owner)
    assert "Splits changed after round 2 started: 07 moved" in " ".join(compare(rounds).sentences)


def test_who_has_seen_another_split_is_told(project, owner):
    image = ImageFactory(project=project, patient="07")
    move_patients(project=project, splits={image.patient_id: "val"}, by=owner)
    with pytest.raises(SplitChanged, match="07 is in validation by now"):
        move_patients(project=project, splits={image.patient_id: "test"}, by=owner, seen="train")


@pytest.mark.django_db(transaction=True)
def test_two_who_move_a_patient_at_once_come_one_after_the_other_and_both_are_written_down():
    project = ProjectFactory()
    image = ImageFactory(project=project, patient="07")
    ImageFactory(project=project, patient="07")
    barrier, outcomes = threading.Barrier(2), []

    def move(split):
        barrier.wait(10)
        try:
            move_patients(project=project, splits={image.patient_id: split}, by=None, seen="train")
            outcomes.append(split)
        except SplitChanged:
            outcomes.append("told")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=move, args=[split]) for split in ("val", "test")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(outcomes) == 2 and outcomes.count("told") == 1
    moved = next(split for split in outcomes if split != "told")
    assert set(splits(project).values()) == {moved}
    assert [(c.before, c.after, c.images) for c in SplitChange.objects.all()] == [("train", moved, 2)]


@pytest.mark.django_db(transaction=True)
def test_an_image_that_comes_in_while_its_patient_moves_is_where_the_patient_is():
    project = ProjectFactory()
    first = ImageFactory(project=project, patient="07")
    barrier = threading.Barrier(2)

    def add():
        barrier.wait(10)
        try:
            for seed in range(3):
                add_image(project=project, name=f"new {seed}.png", content=png(seed=900 + seed), patient="07")
        finally:
            connections.close_all()

    thread = threading.Thread(target=add)
    thread.start()
    barrier.wait(10)
    move_patients(project=project, splits={first.patient_id: "test"}, by=None)
    with transaction.atomic():
        seal_test(project)
    thread.join(60)
    assert set(splits(project).values()) == {"test"} and Image.objects.filter(project=project).count() == 4


# -- automatic


def test_an_assignment_is_looked_at_then_done_and_leaves_sealed_tests_alone(project, owner):
    for number in range(20):
        ImageFactory(project=project, centre=f"centre {number % 2}", patient=f"{number // 2}")
    shares = {"train": 60, "val": 20, "test": 20}
    seen = planned(project, shares, 3)
    assert set(splits(project).values()) == {"train"} and not SplitChange.objects.exists()
    made = assign_splits(project=project, shares=shares, seed=3, by=owner)
    assert made.counts == seen.counts
    assert made.counts == {
        part: {f"centre {k}": n for k in (0, 1)} for part, n in (("train", 6), ("val", 2), ("test", 2))
    }
    assert SplitChange.objects.filter(how="automatic", by=owner).count() == 8
    project = sealed(project)
    tests = set(Image.objects.filter(project=project, split="test").values_list("pk", flat=True))
    again = assign_splits(project=project, shares=shares, seed=4, by=owner)
    assert again.kept_test
    assert set(Image.objects.filter(project=project, split="test").values_list("pk", flat=True)) == tests
    with pytest.raises(Invalid, match="the shares must be numbers"):
        planned(project, {"train": 0, "val": 0, "test": 1}, 1)  # the test part is not divided any more


def test_a_divided_patient_with_sealed_test_images_stays_where_splits_are_assigned(project, owner):
    for split in ("train", "test"):
        ImageFactory(project=project, name=f"{split}.png", patient="divided", split=split, may_divide=True)
    others = [ImageFactory(project=project, patient=f"patient {n}") for n in range(4)]
    project = sealed(project)
    made = assign_splits(project=project, shares={"train": 50, "val": 50}, seed=1, by=owner)
    assert set(made.patients) == {image.patient_id for image in others}
    now = splits(project)
    assert (now["train.png"], now["test.png"]) == ("train", "test")
    assert list(now.values()).count("val") == 2


# -- tables


def test_a_table_states_patients_tags_and_splits_and_declines_two_splits_of_one_patient(project, owner):
    for name in ("a.png", "b.png", "c.png"):
        ImageFactory(project=project, name=name)
    table = "image;patient;tags;split\r\na.png;07;blurred; fold;val\r\n".replace("blurred; fold", '"blurred; fold"')
    both = table + "b.png;07;;val\r\n"
    assert take_table(project=project, content=("\ufeff" + both).encode(), by=owner) == 2
    first = Image.objects.with_specimens().get(name="a.png")
    assert (first.patient_label, first.tags, first.split) == ("07", ["blurred", "fold"], "val")
    with pytest.raises(Invalid, match="07"):
        take_table(project=project, content=b"image,split\na.png,train\nb.png,test\n", by=owner)
    with pytest.raises(Invalid, match="stand in train, test"):
        take_table(project=project, content=b"image,patient,split\na.png,9,train\nc.png,9,test\n", by=owner)
    with pytest.raises(BadTable, match="Line 2: the split is one of train, val, test"):
        take_table(project=project, content=b"image,split\na.png,holdout\n", by=owner)
    assert splits(project) == {"a.png": "val", "b.png": "val", "c.png": "train"}


def many_images(project, count):
    """Rows alone: no pixels are read here."""
    rows = []
    for number in range(count):
        rows.append(
            Image(
                project=project, name=f"{number}.png", position=number + 1, width=1, height=1, pixels="none",
                sha256=f"{number:064}", thumbnail="none",
            )
        )  # fmt: skip
    Image.objects.bulk_create(rows, batch_size=2000)


@pytest.mark.parametrize("count", [50, 10_000])
def test_a_table_of_ten_thousand_images_takes_as_many_queries_as_one_of_fifty(project, owner, count):
    many_images(project, count)
    lines = [f"{number}.png,centre {number % 7},{number // 4},val" for number in range(count)]
    content = "\n".join(["image,centre,patient,split", *lines]).encode()
    with CaptureQueriesContext(connection) as queries:
        assert take_table(project=project, content=content, by=owner) == count
    batches = 2 * (count // 2000)  # of rows that are made: patients and changes
    assert len(queries) <= 24 + batches, [q["sql"][:80] for q in queries]
    with CaptureQueriesContext(connection) as queries:
        assert planned(project, {"train": 1, "test": 1}, 1).moved > 0
    assert len(queries) <= 3
