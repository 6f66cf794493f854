"""boxwise doctor: a whole site has no fault, and each thing that is broken is found and named."""

import json
import os
import time
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.storage import storages
from django.core.management import call_command
from django.db import connection

from labeling.annotations.models import LayerHead, Operation
from labeling.server import health
from labeling.upkeep import doctor
from tests.labeling.pages import make_study

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _every_queue_is_served(monkeypatch):
    monkeypatch.setattr(health, "served_queues", lambda **_given: health.QUEUES)


@pytest.fixture
def drawn():
    """An image with a log of three operations."""
    return make_study().image


def states() -> dict[str, str]:
    return {finding.name: finding.state for finding in doctor.examine()}


def sentence(name: str, **given: bool) -> str:
    (found,) = [finding for finding in doctor.examine(**given) if finding.name == name]
    return found.sentence + found.repaired


def test_a_whole_site_has_no_fault(drawn):
    found = states()
    assert set(found) == set(doctor.CHECKS)
    assert "fault" not in found.values(), found


def test_a_queue_that_nobody_serves(monkeypatch):
    monkeypatch.setattr(health, "served_queues", lambda **_given: frozenset({"cpu"}))
    assert sentence("workers") == "no worker serves files, interactive: see the logs of the workers"


def test_tables_of_another_version():
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE name = '0028_blind_readings'")
    assert sentence("versions").endswith("missing: 0028_blind_readings")
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('labeling', '9999_new', now())")
    assert sentence("versions").endswith("it has 9999_new")


def test_a_file_that_is_missing_and_one_that_nobody_names(drawn):
    drawn.pixels.storage.delete(drawn.pixels.name)
    assert drawn.pixels.name in sentence("missing files")
    orphan = Path(drawn.thumbnail.path).with_name("left over.png")
    orphan.write_bytes(b"left over")
    assert str(orphan) not in sentence("orphans"), "a file of today may belong to a row that is not committed yet"
    long_ago = time.time() - 3 * 24 * 3600
    os.utime(orphan, (long_ago, long_ago))
    assert str(orphan) in sentence("orphans") and orphan.exists()
    assert "put aside in" in sentence("orphans", repair=True) and not orphan.exists()
    kept = list((Path(settings.DATA_DIR) / "work").rglob("left over.png"))
    assert [path.read_bytes() for path in kept] == [b"left over"]
    assert Path(drawn.thumbnail.path).exists()


def test_an_original_that_nobody_names_is_put_aside_once(drawn):
    """The originals lie in a folder of the storage, so both ways lead to the file."""
    orphan = Path(storages["originals"].path("left over.svs"))
    orphan.parent.mkdir(parents=True, exist_ok=True)
    orphan.write_bytes(b"left over")
    long_ago = time.time() - 3 * 24 * 3600
    os.utime(orphan, (long_ago, long_ago))
    assert sentence("orphans").count("left over.svs") == 1
    assert "put aside in" in sentence("orphans", repair=True) and not orphan.exists()


def test_a_gap_in_a_log(drawn):
    head = LayerHead.objects.get(layer__image=drawn)
    LayerHead.objects.filter(pk=head.pk).update(seq=head.seq + 1)
    assert f"layer {head.pk}" in sentence("log gaps")
    LayerHead.objects.filter(pk=head.pk).update(seq=head.seq)
    assert "whole" in sentence("log gaps")
    Operation.objects.filter(layer=head.pk, seq=1).update(seq=9)
    assert f"layer {head.pk}" in sentence("log gaps")


def test_clocks_that_differ(monkeypatch):
    now = time.time
    monkeypatch.setattr(doctor.time, "time", lambda: now() - 60)
    assert states()["clock"] == "fault" and "60.0 s apart" in sentence("clock")


def test_a_part_that_cannot_be_asked_is_a_fault_and_the_others_are_asked(monkeypatch):
    def broken() -> str:
        raise ConnectionError("refused")

    monkeypatch.setattr(health, "broker", broken)
    found = states()
    assert found["broker"] == "fault" and found["database"] == "ok"


def test_the_command_says_it_for_people_and_programs(capsys, monkeypatch):
    call_command("doctor")
    assert "ok      database: PostgreSQL 1" in capsys.readouterr().out
    monkeypatch.setattr(health, "served_queues", lambda **_given: frozenset())
    with pytest.raises(SystemExit) as ended:
        call_command("doctor", "--json")
    assert ended.value.code == 1
    found = {one["name"]: one["state"] for one in json.loads(capsys.readouterr().out)}
    assert found["workers"] == "fault"
