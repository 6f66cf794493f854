"""Who sees results by arm and when, and what is deleted: by withdrawing, and when the day of retention has passed."""

import io
import json
import re
import uuid
import zipfile
from datetime import date, timedelta
from importlib import import_module
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.urls import reverse
from django.utils import timezone

from labeling import migrations
from labeling.annotations.models import ActivityBatch, Annotation, Effect, Layer, Operation
from labeling.errors import Invalid, WrongState
from labeling.projects.models import Role
from labeling.studies import reporting, services
from labeling.studies.models import InterimLook, Participant, Removal, Sitting, Study
from labeling.studies.progress import place_of
from labeling.studies.removal import kept_until, recover, remove_raw_data
from labeling.studies.tables import tables_of
from tests.factories import MembershipFactory
from tests.labeling.pages import page_text, signed_in, toasts
from tests.labeling.studies import agreed, frozen, ten_fields, work

pytestmark = pytest.mark.django_db
RAW = (ActivityBatch, Operation, Effect, Annotation, Sitting)


@pytest.fixture
def study() -> Study:
    return frozen(ten_fields())


def reads(study: Study, number: int, fields: int = 2) -> Participant:
    """A reader who has finished some fields."""
    reader = agreed(study, number)
    for _ in range(fields):
        item = services.open_item(participant=reader, item_id=services.next_item(reader)[0].pk)
        work(item, 20.0, str(uuid.uuid4()))
        services.complete(participant=reader, item_id=item.pk)
    return reader


def of_reader(reader: Participant) -> dict[str, int]:
    """How many rows of raw data there are of a reader."""
    sheets = reader.items.filter(sheet__isnull=False).values("sheet")
    layers = Layer.objects.filter(image__project__in=sheets, kind="working")
    return {
        "batches": ActivityBatch.objects.filter(image__project__in=sheets).count(),
        "operations": Operation.objects.filter(layer__in=layers).count(),
        "annotations": Annotation.objects.filter(layer__in=layers).count(),
        "layers": layers.count(),
        "sittings": Sitting.objects.filter(item__participant=reader).count(),
        "times": reader.items.exclude(opened_at=None, done_at=None).count(),
    }


# -- results by arm


def test_before_the_lock_the_report_is_progress_and_nothing_by_arm(study):
    reads(study, 1)
    client = signed_in(study.created_by)
    page = page_text(client.get(reverse("study-report", args=[study.pk])))
    assert "Results by arm are hidden until the study is locked" in page
    cells = '<td class="is-figure">1</td> <td class="is-figure">1</td> <td class="is-figure">8</td>'
    (row,) = re.findall(r'<th scope="row">P01</th>.*?</tr>', page.replace("  ", " "))
    assert cells in row  # one of two was practice
    for arm in study.arms.all():
        assert arm.name not in page.replace(study.name, "")
    assert "reduction" not in page and "Dice" not in page
    for route in ("study-pdf", "study-bundle"):
        assert client.get(reverse(route, args=[study.pk])).headers["Location"].endswith("/report/")


def test_the_board_says_where_each_reader_is_and_who_is_late(study):
    """By pseudonym, in whole days, and never in which arm."""
    now = timezone.now()
    reader = study.participants.get(number=1)
    assert place_of(reader).where == "has not answered the consent text" and not place_of(reader).is_late
    assert place_of(reader, now + timedelta(days=8)).is_late
    reader = agreed(study)
    assert place_of(reader).where == "can go on"
    item = services.open_item(participant=reader, item_id=services.next_item(reader)[0].pk)
    assert place_of(reader).where == "is reading now"
    crashed = place_of(reader, now + timedelta(days=9))  # the sitting is open still: nobody came back to close it
    assert (crashed.where, crashed.idle_days, crashed.is_late) == ("can go on", 8, True)
    services.pause(participant=reader, item_id=item.pk)
    later = place_of(reader, now + timedelta(days=9))
    assert (later.where, later.idle_days, later.is_late) == ("can go on", 8, True)
    page = signed_in(study.created_by).get(reverse("study-report", args=[study.pk])).content.decode()
    assert "can go on" in page and "has not answered the consent text" in page
    assert item.arm.name not in page
    services.withdraw(participant=reader)
    reader.refresh_from_db()
    assert place_of(reader).where == "withdrew" and place_of(reader).idle_days is None


def test_an_owner_looks_on_purpose_and_it_stands_in_report_pdf_and_bundle_for_good(study):
    reads(study, 1)
    owner = signed_in(study.created_by)
    colleague = signed_in(MembershipFactory(project=study.project, role=Role.OWNER).user)
    manager = signed_in(MembershipFactory(project=study.project, role=Role.MANAGER).user)
    interim, report = reverse("interim-look", args=[study.pk]), reverse("study-report", args=[study.pk])
    assert manager.post(interim, {"reason": "curious"}).status_code == 403
    assert toasts(owner.post(interim, {"reason": "  "})) == ["Reason: nothing was typed. Type at least one word."]
    owner.get(interim)
    assert not InterimLook.objects.exists() and "hidden" in page_text(owner.get(report))
    owner.post(interim, {"reason": "safety monitoring"})
    (seen,) = InterimLook.objects.all()
    assert (seen.by, seen.reason) == (study.created_by, "safety monitoring")
    stamp = f"{seen.at:%Y-%m-%d %H:%M} UTC"
    page = page_text(owner.get(report))
    assert "Flow of items" in page and f"Results by arm were seen on {stamp}, before the lock, by the owner" in page
    assert "safety monitoring" in page
    # to this person alone, and not for ever
    assert "hidden" in page_text(colleague.get(report)) and "hidden" in page_text(manager.get(report))
    InterimLook.objects.update(until=timezone.now() - timedelta(seconds=1))
    assert "hidden" in page_text(owner.get(report))
    # it stays said after the lock
    services.lock(study=study)
    assert stamp in page_text(manager.get(report))
    found = zipfile.ZipFile(io.BytesIO(reporting.bundled(study)))
    (kept,) = json.loads(found.read("protocol_as_amended.json"))["looks"]
    assert kept == {"at": seen.at.isoformat(), "by": "owner", "reason": "safety monitoring"}
    text = reporting.page(study)["sections"]
    (methods,) = [section for section in text if section.key == "methods"]
    assert stamp in " ".join(methods.paragraphs)
    with pytest.raises(WrongState):
        services.open_interim_results(study=study, by=study.created_by, reason="again")


def test_nothing_that_stands_beside_pseudonyms_stands_beside_names(study):
    reads(study, 1)
    reader = reads(study, 2)
    services.withdraw(participant=reader)
    owner = signed_in(study.created_by)
    page = page_text(owner.get(reverse("study", args=[study.pk])))
    listed = page[page.index("Readers") : page.index("Readers get their pseudonyms")]
    assert listed.count("takes part") == study.participants.count()
    assert "withdrew" not in listed and not re.search(r"\d+ of \d+", listed)
    progress = page_text(owner.get(reverse("study-report", args=[study.pk])))
    assert reader.pseudonym in progress and reader.user.display_name not in progress


# -- withdrawal


def test_withdrawing_deletes_the_raw_data_and_leaves_a_receipt(study):
    reader, other = reads(study, 1), reads(study, 2)
    before, untouched = of_reader(reader), of_reader(other)
    assert all(before.values())
    client = signed_in(reader.user)
    home = reverse("participation", args=[reader.pk])
    client.post(home, {"act": "withdraw", "reason": "no time"})
    assert of_reader(reader) == dict.fromkeys(before, 0) and of_reader(other) == untouched
    (removal,) = Removal.objects.all()
    assert removal.cause == "withdrawal" and removal.counts["operations"] == before["operations"]
    assert removal.counts["activity_batches"] == before["batches"] and removal.counts["activity_events"] > 0
    page = page_text(client.get(home))
    assert "Your raw data were deleted on" in page and "the reader withdrew" in page
    receipt = client.get(reverse("participation-receipt", args=[reader.pk]))
    text = receipt.content.decode()
    assert receipt["Content-Disposition"].startswith("attachment")
    assert "P01" in text and f"{before['operations']} operations of the log" in text and study.name not in text
    # the flow of items still counts them, without times
    items = tables_of(study)["items"]
    assert set(items[items["participant"] == "P01"]["opened_at"]) == {""}
    # doing it twice deletes nothing twice
    assert services.withdraw(participant=reader) is None and Removal.objects.count() == 1


@pytest.mark.parametrize(("rule", "left"), [("remove", 0), ("keep", 1)])
def test_after_the_lock_the_consent_decides(study, rule, left):
    Study.objects.filter(pk=study.pk).update(withdrawal_after_lock=rule)
    reader = reads(study, 1)
    services.lock(study=study)
    services.withdraw(participant=reader)
    recover()
    assert bool(of_reader(reader)["operations"]) == bool(left)
    assert Removal.objects.count() == 1 - left


def test_who_withdrew_before_withdrawing_deleted_is_deleted_by_recovery(study):
    reader = reads(study, 1)
    Participant.objects.filter(pk=reader.pk).update(withdrawn_at=timezone.now())
    call_command("recover", "--once")
    assert not any(of_reader(reader).values())
    assert recover() == []


def test_the_migration_keeps_what_ran_and_says_what_was_never_logged(study):
    """Studies from before: looks unknown, arms as they were, a title without an arm, the day that was agreed to."""
    services.amend(study=study, change={"retention_until": later(10).isoformat()}, reason="r", by=study.created_by)
    reader = agreed(study, 1)
    item = services.open_item(participant=reader, item_id=services.next_item(reader)[0].pk)
    Study.objects.update(public_title="", logs_interim_looks=True)
    Participant.objects.update(retention_agreed=None)
    services.amend(study=study, change={"retention_until": later(90).isoformat()}, reason="r", by=study.created_by)
    (path,) = Path(migrations.__file__).parent.glob("*_study_safety.py")
    # As the database was then: the column has another name since.
    then = MigrationExecutor(connection).loader.project_state([("labeling", path.stem)]).apps
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE labeling_study RENAME logs_interim_looks TO logs_looks")
        import_module(f"labeling.migrations.{path.stem}").keep_what_ran(then, None)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE labeling_study RENAME logs_looks TO logs_interim_looks")
    study.refresh_from_db()
    reader.refresh_from_db()
    item.sheet.refresh_from_db()
    assert (study.public_title, study.logs_interim_looks) == (f"Annotation study {study.pk}", False)
    assert all(study.arms.values_list("accepts_many", flat=True))
    assert item.sheet.name == f"Annotation study {study.pk}: field 1"
    assert reader.retention_agreed == later(10)
    assert study.participants.get(number=2).retention_agreed is None


# -- retention


def later(days: int) -> date:
    return timezone.localdate() + timedelta(days=days)


def amend_retention(study: Study, day: date) -> None:
    services.amend(study=study, change={"retention_until": day.isoformat()}, reason="r", by=study.created_by)


def test_when_the_day_has_passed_recovery_deletes_and_writes_it_down(study):
    reader = reads(study, 1)
    amend_retention(study, later(10))
    assert recover(timezone.now() + timedelta(days=10)) == []  # the last day itself
    sentences = recover(timezone.now() + timedelta(days=11))
    assert sentences == [f"study {study.pk}: the raw data of P01 were deleted, the retention date has passed"]
    assert not any(of_reader(reader).values())
    assert Removal.objects.get().cause == "retention"
    assert recover(timezone.now() + timedelta(days=12)) == []
    services.lock(study=study)
    items = tables_of(study)["items"]
    assert set(items[items["participant"] == "P01"]["excluded"]) == {"raw data deleted, the retention date has passed"}
    assert "before the raw data of P01 were deleted on" in reporting.not_recomputable(study)[0]
    assert signed_in(study.created_by).get(reverse("study-report", args=[study.pk])).status_code == 200


def test_a_later_day_counts_only_for_readers_who_agree_to_it(study):
    amend_retention(study, later(10))
    yes, no = reads(study, 1), reads(study, 2)
    amend_retention(study, later(100))
    late = agreed(study, 3)  # consents to the later day at once
    assert [kept_until(p) for p in (yes, no, late)] == [later(10), later(10), later(100)]
    client = signed_in(yes.user)
    home = reverse("participation", args=[yes.pk])
    page = page_text(client.get(home))
    assert f"You agreed that your raw data are kept until {later(10)}" in page and str(later(100)) in page
    client.post(home, {"act": "agree", "until": later(200).isoformat()})  # not the day that was asked
    yes.refresh_from_db()
    assert yes.retention_agreed == later(10)
    client.post(home, {"act": "agree", "until": later(100).isoformat()})
    yes.refresh_from_db()
    assert kept_until(yes) == later(100) and "kept longer?" not in page_text(client.get(home))
    recover(timezone.now() + timedelta(days=11))
    assert of_reader(yes)["operations"] and not of_reader(no)["operations"]
    # a shorter day counts for everybody
    amend_retention(study, later(5))
    assert [kept_until(p) for p in (yes, late)] == [later(5), later(5)]


def test_nobody_begins_or_reads_after_the_day(study):
    reader = agreed(study, 1)
    Participant.objects.filter(pk=reader.pk).update(retention_agreed=later(-1))
    with pytest.raises(WrongState, match="may be kept until"):
        services.open_item(participant=reader, item_id=services.next_item(reader)[0].pk)
    Study.objects.filter(pk=study.pk).update(retention_until=later(-1))
    with pytest.raises(WrongState, match="has passed"):
        services.consent(participant=study.participants.get(number=2))


def test_a_reason_that_cannot_be_stored_is_refused_and_nothing_is_deleted(study):
    reader = reads(study, 1, fields=1)
    with pytest.raises(Invalid, match="control character"):
        services.withdraw(participant=reader, reason="x\0y")
    assert of_reader(reader)["operations"]
    answer = signed_in(reader.user).post(
        reverse("participation", args=[reader.pk]), {"act": "withdraw", "reason": "x\0y"}
    )
    assert answer.status_code == 400  # a form with a NUL goes no further
    assert remove_raw_data(participant=reader, cause="withdrawal").counts["operations"]
