"""What is left of a study: report and bundle, recomputing, withdrawal, exclusion."""

import json
import time
import uuid
import zipfile

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from labeling.annotations import activity
from labeling.studies import bundle, command, reporting, services, words
from labeling.studies.analysis import report
from labeling.studies.clocks import LEFT_OUT
from labeling.studies.dictionary import DICTIONARY
from labeling.studies.models import Item
from labeling.studies.signing import public_key, signing_key
from labeling.studies.tables import tables_of
from tests.labeling.studies import SECONDS, activity_body, agreed, frozen, read_all, ten_fields

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return ten_fields()


@pytest.fixture
def study(project):
    return frozen(project)


def test_the_report_finds_what_was_put_in_and_the_bundle_recomputes_it(study, tmp_path, capsys):
    read_all(study, lambda reader, arm, k: SECONDS[arm] * (1 + 0.05 * reader) * (1 + 0.01 * (k * reader % 3)))
    tables = tables_of(study)
    protocol = services.effective(study)
    numbers = report.compute(tables, protocol)
    assert numbers["flow"] | {"by_arm": None} == {
        "readers": 4,
        "readers_withdrawn": 0,
        "readers_analysed": 4,
        "allocated": 32,
        "opened": 32,
        "completed": 32,
        "analysed": 32,
        "excluded": {},
        "by_arm": None,
    }
    (contrast,) = numbers["contrasts"]
    assert "ratio" in contrast["time"], contrast
    assert contrast["arm"] == "proposals" and contrast["time"]["ratio"] == pytest.approx(0.5, abs=0.02)
    interval = contrast["time"]["reduction_interval"]
    assert interval["low"] < contrast["time"]["reduction"] < interval["high"]
    assert contrast["quality"]["passed"] is True and contrast["time"]["test"]["p"] < 0.01
    assert numbers["checks"] and all(c["gaps"] == 0 for c in numbers["checks"])
    assert not set(json.dumps(numbers)) & {"\x00"} and study.participants.first().user.username not in json.dumps(
        numbers
    )

    path = write(study, tmp_path)
    key = public_key(signing_key(settings.SECRET_KEY))
    found = bundle.recompute(path, key)
    assert found.differences == [] and found.numbers == numbers
    assert command.main(["recompute", str(path), "--key", key]) == 0
    assert "identical" in capsys.readouterr().out
    names = zipfile.ZipFile(path).namelist()
    assert {f"tables/{t}.{kind}" for t in DICTIONARY for kind in ("csv", "parquet")} <= set(names)
    described = json.loads(zipfile.ZipFile(path).read("ro-crate-metadata.json"))
    (root,) = (one for one in described["@graph"] if one["@id"] == "./")
    kept_out = {"ro-crate-metadata.json", "SHA256SUMS", "SHA256SUMS.ed25519"}
    assert {part["@id"] for part in root["hasPart"]} == set(names) - kept_out
    checklists = zipfile.ZipFile(path).read("checklists.md").decode()
    ratio = f"ratio {contrast['time']['ratio']:.3f}"
    assert "## GRRAS" in checklists and ratio in checklists and "For the authors." in checklists
    assert {"r/primary.R", "r/fields.csv", "r/expected.csv", "r/imrmc_dice.csv"} <= set(names)
    for user in (p.user.username for p in study.participants.all()):
        assert not any(user.encode() in zipfile.ZipFile(path).read(name) for name in names)


def write(study, tmp_path):
    path = tmp_path / "bundle.zip"
    path.write_bytes(
        bundle.write(
            tables=tables_of(study),
            protocol=services.effective(study),
            frozen=study.protocol,
            frozen_sha256=study.protocol_sha256,
            amendments=[],
            removed=[],
            registered={"frozen_at": None, "locked_at": None},
            key=signing_key(settings.SECRET_KEY),
        )
    )
    return path


def test_a_bundle_that_somebody_changed_is_refused(study, tmp_path, capsys):
    path = write(study, tmp_path)
    changed = tmp_path / "changed.zip"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b"P01", b"P02") if name == "tables/items.csv" else old.read(name))
    with pytest.raises(bundle.BadBundle, match=r"tables/items\.csv is not as it was signed"):
        bundle.recompute(changed)
    other = public_key(signing_key("another server's secret"))
    with pytest.raises(bundle.BadBundle, match="another server"):
        bundle.recompute(path, other)
    assert command.main(["recompute", str(changed)]) == 1 and "not as it was signed" in capsys.readouterr().err


def test_time_is_not_tested_where_quality_is_unknown(study):
    read_all(study, lambda reader, arm, k: SECONDS[arm] + reader)
    tables = tables_of(study)
    tables["cells"] = tables["cells"].iloc[:0]
    (contrast,) = report.compute(tables, services.effective(study))["contrasts"]
    assert (
        "not_computed" in contrast["quality"]
        and "not tested" in contrast["time"]["test"]["not_computed"]
        and "6 allocations" in contrast["time"]["permutation"]["not_computed"]
    )
    assert contrast["time"]["ratio"] is not None


def test_who_withdraws_before_lock_leaves_no_raw_data_and_after_it_what_the_consent_says(study):
    read_all(study, lambda reader, arm, k: SECONDS[arm] + reader)
    services.withdraw(participant=study.participants.get(number=2), reason="no time")
    tables = tables_of(study)
    assert "P02" not in set(tables["events"].merge(tables["batches"], on="session")["participant"])
    assert (
        not tables["operations"]["participant"].eq("P02").any()
        and not tables["cells"]["item"].str.startswith("P02").any()
    )
    numbers = report.compute(tables, services.effective(study))
    assert numbers["flow"]["excluded"] == {"participant withdrew": 8} and numbers["flow"]["readers_withdrawn"] == 1
    services.lock(study=study)
    study.refresh_from_db()
    study.withdrawal_after_lock = "keep"
    study.save()
    services.withdraw(participant=study.participants.get(number=3))
    assert tables_of(study)["operations"]["participant"].eq("P03").any()


def test_withdrawal_after_lock_removes_and_says_what_can_no_longer_be_recomputed(study, tmp_path):
    read_all(study, lambda reader, arm, k: SECONDS[arm] + reader)
    services.lock(study=study)
    study.refresh_from_db()
    before = reporting.numbers_of(study)
    assert study.withdrawal_after_lock == "remove" and reporting.not_recomputable(study) == []
    participant = study.participants.get(number=3)
    services.withdraw(participant=participant, reason="moved")
    tables = tables_of(study)
    for name in ("batches", "operations", "cells", "sittings"):
        assert not tables[name]["item"].str.startswith("P03").any(), name
    assert set(tables["events"]["session"]) == set(tables["batches"]["session"])
    after = reporting.numbers_of(study)  # analysed again, without the reader
    assert before["flow"]["analysed"] == 32 and after["flow"]["analysed"] == 24
    assert {r["participant"] for r in after["readers"]} == {"P01", "P02", "P04"}
    path = tmp_path / "bundle.zip"
    path.write_bytes(reporting.bundled(study))
    (gone,) = json.loads(zipfile.ZipFile(path).read("about.json"))["not_recomputable"]
    assert gone.startswith("every number of a report made before P03 withdrew on ")
    assert bundle.recompute(path).differences == []
    client = Client()
    client.force_login(study.created_by)
    study.refresh_from_db()
    assert gone in client.get(reverse("study-report", args=[study.pk])).content.decode()


def test_a_batch_that_comes_twice_or_longer_is_stored_once(study):
    participant = agreed(study)
    item = services.open_item(participant=participant, item_id=services.next_item(participant)[0].pk)
    image, session = item.sheet.images.get(), str(uuid.uuid4())
    given = {"session": session, "image": image.pk, "wall_ms": time.time() * 1000, "mono_ms": 9000.0, "first": 0}
    events = [[1000.0, "key", "other"], [2000.0, "key", "other"]]
    assert activity.record(user=participant.user, sent=activity_body(given | {"events": events}))
    assert not activity.record(user=participant.user, sent=activity_body(given | {"events": events}))
    longer = [*events, [3000.0, "stall_end", {"again": 2}]]
    assert activity.record(user=participant.user, sent=activity_body(given | {"events": longer}))
    tables = tables_of(study)
    assert tables["events"]["n"].tolist() == [0, 1, 2]
    numbers = report.compute(tables, services.effective(study))
    (found,) = numbers["checks"]
    assert (found["duplicates"], found["gaps"], found["resent"]) == (0, 0, 2)
    assert "2 batches were sent more than once" in words.results(numbers)[-1]
    assert [row["idle_after_s"] for row in numbers["sensitivity"]] == [10, 30, 60, 100, 300]


def test_arms_stand_in_the_declared_order(study):
    """The reference first, although its name comes last in the alphabet."""
    study.protocol["arms"][0]["name"] = study.protocol["analysis"]["reference"] = "zz by hand"
    study.arms.filter(position=1).update(name="zz by hand")
    read_all(study, lambda reader, arm, k: 20 + reader)
    numbers = reporting.numbers_of(study)
    assert list(numbers["arms"]) == list(numbers["flow"]["by_arm"]) == ["zz by hand", "proposals"]


def test_an_exclusion_has_a_reason_and_shows_in_the_flow(study, project):
    read_all(study, lambda reader, arm, k: SECONDS[arm] + reader)
    item = Item.objects.filter(training=False).first()
    services.exclude(item=item, reason="fire alarm", by=project.owner)
    numbers = report.compute(tables_of(study), services.effective(study))
    assert numbers["flow"]["excluded"] == {f"excluded: {LEFT_OUT}": 1} and study.amendments.count() == 1
    item.participant.shares_times = True
    item.participant.save()
    numbers = report.compute(tables_of(study), services.effective(study))
    assert numbers["flow"]["excluded"] == {"excluded: fire alarm": 1}


def test_what_ends_a_search_may_end_it_in_other_last_digits():
    """Digits of the same model on two kinds of processor; a discrete answer must still be the same."""
    then, now = {"df": 9.070969447, "at_zero": ["slope"]}, {"df": 9.070969150, "at_zero": ["slope"]}
    tolerance = bundle.SEARCHED["mixed"]
    assert list(bundle._differences("mixed", then, now, tolerance)) == []
    assert len(list(bundle._differences("contrasts", then, now))) == 1
    assert len(list(bundle._differences("mixed", then, {"df": 9.08, "at_zero": []}, tolerance))) == 2
