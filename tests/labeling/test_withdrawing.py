"""A patient who withdraws: what goes, when, what is listed, and what cannot be undone."""

import uuid
from datetime import timedelta

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from labeling.annotations.models import Annotation, LateOperation, Layer, Operation
from labeling.annotations.services import working_layer
from labeling.audit.models import Act, SecurityEvent
from labeling.errors import Invalid, WrongState
from labeling.images.facts import change_image
from labeling.images.models import Image
from labeling.images.patients import PatientWithdrawal
from labeling.images.renaming import change_patient
from labeling.jobs.models import Job
from labeling.jobs.services import create_job
from labeling.notifications.models import Notification
from labeling.notifications.services import words_of
from labeling.projects.services import change_project
from labeling.projects.terms import change_terms
from labeling.reviews.services import Pin, begin_thread
from labeling.rounds.models import Artifact, Delivery, ModelVersion, Round
from labeling.rounds.notices import digests
from labeling.rounds.snapshots import freeze
from labeling.studies.models import Item
from labeling.upkeep import purging, retention, withdrawing
from labeling.upkeep.deleting import Purged, restore_images
from labeling.upkeep.withdrawing import carry_out, preview, recover, withdraw_patient
from tests.declined import assert_declined
from tests.factories import ImageFactory, MembershipFactory, ProjectFactory
from tests.labeling.blinded import blinded_case, read
from tests.labeling.operations import cell, effect, operation, region
from tests.labeling.pages import draw, make_study, page_text, signed_in
from tests.labeling.studies import agreed, frozen, locked, ten_fields

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]
MASK = np.pad(np.ones((20, 20), np.uint16), ((0, 28), (0, 44)))


@pytest.fixture
def owner():
    return MembershipFactory(project=ProjectFactory(), role="owner").user


@pytest.fixture
def project(owner):
    return owner.memberships.get().project


@pytest.fixture
def image(project):
    return ImageFactory(project=project, name="Miller_07.png", patient="07", slide="S1", reference=MASK)


def withdraw(patient, owner, **given):
    return withdraw_patient(patient=patient, typed=patient.label, by=owner, **given)


def finished_export(project, owner):
    job = create_job(kind=Job.Kind.EXPORT, project=project, owner=owner, request={"layout": "coco"})
    job.result.save("export.zip", ContentFile(b"masks of everybody"), save=False)
    job.state = Job.State.DONE
    job.save()
    return job


def test_everything_that_is_kept_of_a_patient_goes_and_others_keep_theirs(project, owner, image):
    other = ImageFactory(project=project, name="other.png", patient="08")
    wide = ImageFactory(project=project, name="wide.png", patient="07", width=2100, height=64)
    for one in (image, other):
        draw(one, owner, cell(), region())
        begin_thread(image=one, author=owner, text="a mitosis?", pin=Pin())
    export = finished_export(project, owner)
    files = [image.pixels.name, image.thumbnail.name, image.reference.name, f"tiles/{wide.sha256}/0/0_0.jpg"]
    original, result = image.original, export.result.name
    shown = preview(image.patient, owner).counts
    assert (shown.images, shown.operations, shown.comments, shown.exports) == (2, 2, 1, 1)
    withdrawal = withdraw(image.patient, owner, reason="withdrew consent")
    assert carry_out(withdrawal)
    withdrawal.refresh_from_db()
    assert withdrawal.finished_at is not None and withdrawal.counts["images"] == 2
    assert not any(default_storage.exists(name) for name in files) and not original.storage.exists(original.name)
    export.refresh_from_db()
    assert export.state == Job.State.EXPIRED and not export.result.storage.exists(result)
    assert not Layer.objects.filter(image__in=[image, wide]).exists() and not image.comments.exists()
    left = Image.everything.get(pk=image.pk)
    assert (left.name, left.slide, left.reading, left.pixels.name) == (f"withdrawn {image.pk}", "", {}, "")
    assert list(project.images.all()) == [other] and other.comments.count() == 1
    assert default_storage.exists(other.pixels.name) and Operation.objects.filter(layer__image=other).exists()
    event = SecurityEvent.objects.get(act=Act.PATIENT_WITHDRAWN)
    assert event.subject == "07" and event.details["images"] == 2


def test_the_name_is_typed_and_twice_is_once(project, owner, image):
    with pytest.raises(Invalid, match="type the patient as shown: 07"):
        withdraw_patient(patient=image.patient, typed="7", by=owner)
    assert project.images.count() == 1
    assert withdraw(image.patient, owner) == withdraw(image.patient, owner)
    assert SecurityEvent.objects.filter(act=Act.PATIENT_WITHDRAWN).count() == 1


def test_it_cannot_be_undone_and_nothing_of_theirs_comes_in_again(project, owner, image):
    other = ImageFactory(project=project, patient="08")
    withdraw(image.patient, owner)
    with pytest.raises(Purged):
        restore_images(project=project, images=[image.pk], by=owner)
    with pytest.raises(Invalid, match="patient 07 has withdrawn on"):
        ImageFactory(project=project, patient="07")
    with pytest.raises(Invalid, match="patient 07 has withdrawn on"):
        change_image(image=other, by=owner, patient="07")
    with pytest.raises(Invalid, match="patient 07 has withdrawn on"):
        change_patient(patient=image.patient, by=owner, name="09")


def test_while_a_round_trains_the_files_stay_and_nobody_sees_the_images():
    study = make_study()
    owner, image = study.people["owner"], study.image
    change_image(image=image, by=owner, reason="found", patient="07")
    image.refresh_from_db()
    export = study.project.jobs.get(kind=Job.Kind.EXPORT, state__in=Job.ACTIVE)
    withdrawal = withdraw(image.patient, owner)
    export.refresh_from_db()
    assert export.cancel_requested and not study.project.images.exists()
    assert recover(timezone.now()) == [] and purging.recover(timezone.now()) == []
    assert default_storage.exists(image.pixels.name) and preview(image.patient, owner).waits
    study.project.jobs.update(state=Job.State.CANCELLED)
    assert recover(timezone.now()) == []  # the round still reads
    Round.objects.update(state=Round.State.PUBLISHED)
    assert "has withdrawn" in recover(timezone.now())[0]
    assert not default_storage.exists(image.pixels.name)
    withdrawal.refresh_from_db()
    assert withdrawal.finished_at and recover(timezone.now()) == []


def test_a_process_that_dies_between_two_images_is_followed_by_another(project, owner, image, monkeypatch):
    second = ImageFactory(project=project, patient="07")
    for one in (image, second):
        draw(one, owner, cell())
    withdrawal = withdraw(image.patient, owner)
    remove = withdrawing._remove_rows

    def dies(key):
        if key == second.pk:
            raise SystemExit  # what a killed process looks like from inside
        remove(key)

    monkeypatch.setattr(withdrawing, "_remove_rows", dies)
    with pytest.raises(SystemExit):
        carry_out(withdrawal)
    assert PatientWithdrawal.objects.get().finished_at is None
    monkeypatch.undo()
    assert len(recover(timezone.now())) == 1 and not Layer.objects.exists()


def test_what_somebody_draws_at_that_moment_is_not_left_behind(project, owner, image):
    layer = working_layer(image=image, user=owner)
    withdrawal = withdraw(image.patient, owner)
    client = APIClient()
    client.force_authenticate(owner)
    body = {"operations": [operation(effect(uuid.uuid4(), cell()))]}
    sent = client.post(f"/api/v1/layers/{layer.pk}/operations/", body, format="json").json()
    assert sent["results"][0]["verdict"] == "kept" and Annotation.objects.count() == 0
    carry_out(withdrawal)
    assert not LateOperation.objects.exists() and not Layer.objects.exists()


def model(round_, number, parent=None, **origin):
    artifact = Artifact.objects.create(key=f"k{number}", kind="detector", file="x", sha256="0" * 64, size=1)
    about = {"project": round_.project, "kind": "detector", "number": number, "artifact": artifact, "round": round_}
    return ModelVersion.objects.create(parent=parent, architecture="x", model="x", **about, **origin)


def test_rounds_snapshots_and_models_that_learned_are_listed_with_what_began_from_them():
    study = make_study()
    snapshot = study.round.snapshot
    first = model(study.round, 1, origin="trained", snapshot=snapshot)
    second = model(study.round, 2, first, origin="shipped")
    model(study.round, 3, second, origin="shipped")
    model(study.round, 4, origin="shipped")
    learned = withdraw(study.image.patient, study.people["owner"]).learned
    assert learned["snapshots"] == [str(snapshot)] and learned["rounds"] == [1] and learned["unreadable"] == []
    assert learned["models"] == ["detector 1", "detector 2", "detector 3"]


def test_a_snapshot_that_cannot_be_read_is_said(project, owner, image):
    draw(image, owner, cell(), region())
    snapshot = freeze(project)
    snapshot.content.storage.delete(snapshot.content.name)
    assert preview(image.patient, owner).learned.unreadable == [str(snapshot)]


def test_a_running_study_declines_and_a_locked_one_loses_its_copies():
    study = frozen(ten_fields())
    owner = study.project.memberships.get(role="owner").user
    from labeling.studies import services

    reader = agreed(study)
    item, _opens = services.next_item(reader)
    services.open_item(participant=reader, item_id=item.pk)
    item.refresh_from_db()
    source = item.field.image
    change_image(image=source, by=owner, reason="found", patient="07")
    source.refresh_from_db()
    with pytest.raises(WrongState, match="fields of the study"):
        withdraw(source.patient, owner)
    locked(study)
    copy = item.sheet.images.get()
    Round.objects.update(state=Round.State.PUBLISHED)
    Job.objects.update(state=Job.State.DONE)
    withdrawal = withdraw(source.patient, owner)
    assert withdrawal.counts["sheets"] == Item.objects.filter(field__image=source, sheet__isnull=False).count() > 0
    assert carry_out(withdrawal)
    assert not default_storage.exists(copy.pixels.name) and not default_storage.exists(source.pixels.name)


def test_the_counts_tell_nothing_of_a_blinded_reading_that_is_not_closed():
    case = blinded_case("annotator")
    change_image(image=case.image, by=case.lead, patient="07")
    case.image.refresh_from_db()
    before = preview(case.image.patient, case.lead).counts
    read(case)
    assert preview(case.image.patient, case.lead).counts == before
    Job.objects.update(state=Job.State.DONE)
    assert carry_out(withdraw(case.image.patient, case.lead)) and not Annotation.objects.exists()


def test_a_patient_of_an_archived_project_is_withdrawn(project, owner, image):
    type(project).objects.filter(pk=project.pk).update(archived_at=timezone.now(), archived_by=owner)
    assert carry_out(withdraw(image.patient, owner))
    assert not default_storage.exists(image.pixels.name)


def test_over_http_a_preview_then_the_act(project, owner, image):
    client = APIClient()
    client.force_authenticate(owner)
    address = f"/api/v1/patients/{image.patient_id}/withdrawal/"
    before = client.get(address).json()
    assert before["withdrawn_at"] is None and before["counts"]["images"] == 1 and before["label"] == "07"
    declined = client.post(address, {"typed": "08"}, format="json")
    assert_declined(declined, 422, field="typed")
    after = client.post(address, {"typed": "07"}, format="json").json()
    assert after["withdrawn_at"] and after["finished_at"] is None and after["counts"] == before["counts"]


def test_the_page_says_what_goes_and_asks_for_the_name(project, owner, image):
    client = signed_in(owner)
    settings = page_text(client.get(reverse("project-settings", args=[project.pk])))
    assert "Withdraw 07" in settings
    address = reverse("withdraw-patient", args=[image.patient_id])
    assert "This cannot be undone" in page_text(client.get(address))
    wrong = client.post(address, {"typed": "x", "reason": "asked"})
    assert wrong.status_code == 422 and "Type the patient as shown: 07." in page_text(wrong)
    assert client.post(address, {"typed": "07"}).status_code == 302
    assert "Withdrawn on" in page_text(client.get(address))
    assert "files wait for work to end" in page_text(client.get(reverse("project-settings", args=[project.pk])))


# -- the terms of a project


@pytest.fixture
def client(owner):
    made = APIClient()
    made.force_authenticate(owner)
    return made


def patch(client, project, **body):
    return client.patch(f"/api/v1/projects/{project.pk}/", body, format="json")


def test_an_owner_declares_the_terms_and_each_change_is_written_down(project, owner, client):
    terms = {
        "approval": "EK 12/2026", "data_use": "research in this hospital", "retention_until": "2031-12-31",
        "permitted_centres": ["Graz", " Graz ", "Bern"],
    }  # fmt: skip
    answer = patch(client, project, **terms).json()
    assert {name: answer[name] for name in terms} == terms | {"permitted_centres": ["Graz", "Bern"]}
    changed = SecurityEvent.objects.filter(act=Act.PROJECT_CHANGED).values_list("subject", flat=True)
    assert set(changed) == set(terms)
    assert patch(client, project, name="renamed").json()["retention_until"] == "2031-12-31"
    assert patch(client, project, retention_until=None).json()["retention_until"] is None


def test_a_manager_changes_no_terms(project, client):
    manager = MembershipFactory(project=project, role="manager").user
    client.force_authenticate(manager)
    declined = patch(client, project, approval="mine")
    assert_declined(declined, 403, says="only an owner")
    assert patch(client, project, name="renamed", approval="").status_code == 200  # nothing of the terms changes


def test_an_upload_of_another_centre_is_declined_in_a_sentence(project, owner, image, client):
    patch(client, project, permitted_centres=["Graz"])
    with pytest.raises(Invalid, match="takes no tissue of the centre Bern; permitted are Graz"):
        ImageFactory(project=project, centre="Bern")
    with pytest.raises(Invalid, match="centre Bern"):
        change_image(image=image, by=owner, centre="Bern")
    with pytest.raises(Invalid, match="centre Bern"):
        change_patient(patient=image.patient, by=owner, centre="Bern")
    assert ImageFactory(project=project, centre="Graz") and ImageFactory(project=project)
    assert change_image(image=image, by=owner, centre="Graz").centre.name == "Graz"


def test_what_is_there_of_another_centre_stays_and_can_be_changed_otherwise(project, owner, client):
    bern = ImageFactory(project=project, centre="Bern", patient="07")
    patch(client, project, permitted_centres=["Graz"])
    assert change_image(image=bern, by=owner, block="B2").block == "B2"


@pytest.mark.parametrize(("days", "words"), [(31, ""), (30, "is to be kept until"), (-1, "was to be kept until")])
def test_whoever_may_decide_is_reminded_and_nothing_goes_by_itself(project, owner, image, days, words):
    viewer = MembershipFactory(project=project, role="viewer").user
    project.retention_until = timezone.localdate() + timedelta(days=days)
    project.save()
    recover(timezone.now())
    purging.recover(timezone.now())
    assert project.images.count() == 1
    page = page_text(signed_in(owner).get(reverse("project", args=[project.pk])))
    assert (words in page) if words else "be kept until" not in page
    assert "be kept until" not in page_text(signed_in(viewer).get(reverse("project", args=[project.pk])))


def reminders(person):
    return [words_of(row) for row in Notification.objects.visible_to(person).filter(kind="retention_ends")]


def test_whoever_leads_is_told_by_mail_thirty_and_seven_days_before_and_on_the_last_day(project, owner, image):
    owner.email = "owner@hospital.example"
    owner.save()
    viewer = MembershipFactory(project=project, role="viewer").user
    change_terms(project=project, by=owner, retention_until=timezone.localdate() + timedelta(days=31))
    now = timezone.now()
    counts = []
    for days in range(40):
        retention.recover(now + timedelta(days=days))
        retention.recover(now + timedelta(days=days))  # and another recovery process
        counts.append(len(reminders(owner)))
    assert [day for day in range(1, 40) if counts[day] > counts[day - 1]] == [1, 24, 31] and counts[-1] == 3
    assert reminders(viewer) == []
    assert "1 image and all that is drawn on it" in reminders(owner)[0]
    digests.recover(timezone.now() + digests.GATHER + timedelta(seconds=1))
    (letter,) = Delivery.objects.filter(event="digest")
    assert letter.to == owner.email and "all that is drawn on it" in letter.content["text"]
    assert project.images.count() == 1


def test_another_day_is_reminded_of_anew_and_one_that_is_over_at_once(project, owner, image):
    change_terms(project=project, by=owner, retention_until=timezone.localdate() - timedelta(days=400))
    retention.recover(timezone.now())
    assert len(reminders(owner)) == 1
    change_terms(project=project, by=owner, retention_until=timezone.localdate() + timedelta(days=3))
    retention.recover(timezone.now())
    assert len(reminders(owner)) == 2
    change_terms(project=project, by=owner, approval="EK 2")
    retention.recover(timezone.now())
    assert len(reminders(owner)) == 2


def test_the_page_says_what_would_go(project, owner, image):
    change_terms(project=project, by=owner, retention_until=timezone.localdate())
    page = page_text(signed_in(owner).get(reverse("project", args=[project.pk])))
    assert "What is kept: images 1, patients 1, files" in page


def test_the_settings_page_takes_the_terms(project, owner):
    client = signed_in(owner)
    address = reverse("project-settings", args=[project.pk])
    sent = {"approval": "EK 1", "data_use": "", "retention_until": "2031-02-30", "permitted_centres": "Graz\nBern\n"}
    wrong = client.post(address, sent)
    assert wrong.status_code == 422 and "This is not a date" in page_text(wrong)
    assert client.post(address, sent | {"retention_until": "2031-02-28"}).status_code == 302
    project.refresh_from_db()
    assert (project.approval, project.permitted_centres) == ("EK 1", ["Graz", "Bern"])
    change_project(project=project, by=owner, name="other", description="", records_activity=False)
    project.refresh_from_db()
    assert project.retention_until.isoformat() == "2031-02-28"
