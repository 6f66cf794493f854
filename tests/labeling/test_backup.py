"""Backups: made while Boxwise runs, restored into an empty place, every hash compared; and the restore drill."""

import gzip
import json
import os
import shutil
import time
import uuid
import zipfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from labeling.server import dumps, postgres, prepare
from labeling.server.backup import commands, encryption, making, restoring, schedule
from labeling.server.backup.manifest import DATABASE, MANIFEST, Entry, Manifest
from labeling.server.dumps import BackupError
from labeling.server.instance import Instance
from labeling.server.surroundings import BadSurroundings
from tests.embedded import EMBEDDED
from tests.labeling.test_old_data import DUMPS, NAMES, sql

TABLES = "SELECT format('%I', tablename) FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"


def content_of(url: str) -> dict[str, str]:
    """Table -> a hash of all its rows, in no order."""
    with psycopg.connect(url) as link:
        tables = [name for (name,) in link.execute(TABLES)]
        question = "SELECT md5(coalesce(string_agg(md5(one::text), '' ORDER BY md5(one::text)), '')) FROM {} one"
        return {name: link.execute(question.format(name)).fetchone()[0] for name in tables}


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in making.files_in(folder)}


@pytest.fixture
def site(embedded_postgres, tmp_path) -> making.Site:
    """The database and the files that an earlier version left, as a site that runs."""
    name = f"backup_{uuid.uuid4().hex[:12]}"
    sql("postgres", "-c", f"CREATE DATABASE {name}")
    sql(name, given=gzip.decompress((DUMPS / f"{NAMES[0]}.sql.gz").read_bytes()))
    with zipfile.ZipFile(DUMPS / f"{NAMES[0]}.files.zip") as archive:
        archive.extractall(tmp_path / "files")
    yield making.Site(EMBEDDED.database.url_of(name), {"files": tmp_path / "files"}, tmp_path / "kept")
    sql("postgres", "-c", f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def place(monkeypatch, tmp_path) -> Instance:
    """An empty data directory with a database of its own to be. A short path: a socket's has 107 characters."""
    for name in ("DATABASE_URL", "STORAGE_URL", "ORIGINALS_URL"):
        monkeypatch.delenv(name, raising=False)
    folder = Path(f"/tmp/boxwise-restore-{uuid.uuid4().hex[:8]}")
    monkeypatch.setenv("BOXWISE_DATA_DIR", str(folder))
    yield Instance(folder, port=8000)
    shutil.rmtree(folder, ignore_errors=True)


def content_of_place(place: Instance) -> dict[str, str]:
    log = place.logs / "postgres.log"
    child = place.postgres.start(log)
    try:
        postgres.wait_until_ready(place.postgres, child, log)
        return content_of(place.postgres.url)
    finally:
        child.send_signal(place.postgres.STOP_SIGNAL)
        child.wait()


def test_the_restore_drill(site, place, tmp_path, capsys):
    """A whole backup and one of what came later, both encrypted; the second one brings everything back."""
    key = tmp_path / "key"
    assert commands.backup([str(key), "--make-key"]) == 0
    public = capsys.readouterr().out.splitlines()[0]
    first, second = tmp_path / "first.boxwise", tmp_path / "second.boxwise"
    making.make(site, first, recipient=public)
    (site.places["files"] / "images").mkdir(exist_ok=True)
    (site.places["files"] / "images" / "later.png").write_bytes(b"later")
    with psycopg.connect(site.database_url) as link:
        link.execute("UPDATE labeling_project SET name = 'changed later'")
    made = making.make(site, second, since=first, recipient=public)
    assert [entry.path for entry in made.files if entry.backup == made.number] == ["images/later.png"]
    assert set(made.names.values()) == {"first.boxwise", "second.boxwise"}
    rows, files = content_of(site.database_url), files_of(site.places["files"])
    assert len(rows) > 40 and len(files) > 10 and "images/later.png" in files

    begin = time.monotonic()
    assert commands.restore([str(second), "--identity", str(key)]) == 0, capsys.readouterr().err
    seconds = time.monotonic() - begin
    assert files_of(place.folder / "files") == files
    assert content_of_place(place) == rows
    printed = capsys.readouterr().out
    assert "every hash compared" in printed
    with capsys.disabled():
        print(f" restore drill: {len(rows)} tables, {len(files)} files in {seconds:.1f} s", end="")


def test_a_backup_is_restored_into_an_empty_place_only(site, place, tmp_path, capsys):
    making.make(site, tmp_path / "one.boxwise")
    place.folder.mkdir()
    (place.folder / "mine").write_text("here")
    assert commands.restore([str(tmp_path / "one.boxwise")]) == 1
    assert "is not empty" in capsys.readouterr().err
    assert [path.name for path in place.folder.iterdir()] == ["mine"]


def test_a_place_in_which_boxwise_started_meanwhile_is_not_touched(site, place, tmp_path, capsys, monkeypatch):
    """The hashes of a large backup are compared for hours before the place is filled."""
    making.make(site, tmp_path / "one.boxwise")

    def meanwhile(_backup):
        place.folder.mkdir()
        (place.folder / "postgres").mkdir()
        (place.folder / "postgres" / "of another one").write_text("here")

    monkeypatch.setattr(restoring.Opened, "check", meanwhile)
    with monkeypatch.context() as running:
        running.setattr(Instance, "locked", _in_use)
        assert commands.restore([str(tmp_path / "one.boxwise")]) == 1
    assert "in use" in capsys.readouterr().err
    assert (place.folder / "postgres" / "of another one").read_text() == "here"
    monkeypatch.setattr(restoring.Opened, "check", lambda _backup: None)
    monkeypatch.setattr(commands, "decline_unless_empty", lambda _instance: None)  # as it was at the first look
    assert commands.restore([str(tmp_path / "one.boxwise")]) == 1  # it has ended, and its data stays
    assert "is not empty" in capsys.readouterr().err
    assert (place.folder / "postgres" / "of another one").read_text() == "here"


def _in_use(_instance):
    raise BadSurroundings("The data directory is in use by a running Boxwise")


def test_a_storage_outside_that_holds_files_is_not_written_to(site, place, tmp_path, capsys, monkeypatch):
    making.make(site, tmp_path / "one.boxwise")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "mine.png").write_text("here")
    monkeypatch.setenv("STORAGE_URL", f"file://{outside}")
    assert commands.restore([str(tmp_path / "one.boxwise")]) == 1
    assert f"{outside} is not empty (mine.png)" in capsys.readouterr().err
    assert [path.name for path in outside.iterdir()] == ["mine.png"] and list(place.folder.iterdir()) == []


def rewritten(source: Path, target: Path, member: str, content: bytes) -> Path:
    """A copy in which one member is another."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, content if name == member else old.read(name))
    return target


def test_a_damaged_backup_restores_nothing(site, place, tmp_path, capsys):
    good = tmp_path / "good.boxwise"
    made = making.make(site, good)
    members = [DATABASE, made.files[0].member, made.files[-1].member]
    for number, member in enumerate(members):
        bad = rewritten(good, tmp_path / f"bad{number}", member, b"something else")
        assert commands.restore([str(bad)]) == 1
        assert "hash differs" in capsys.readouterr().err
        assert not place.folder.exists()
    cut = tmp_path / "cut"
    cut.write_bytes(good.read_bytes()[:-200])
    assert commands.restore([str(cut), "--check"]) == 1
    assert "no backup of Boxwise, or it is damaged" in capsys.readouterr().err
    assert commands.restore([str(good), "--check"]) == 0 and not place.folder.exists()


def test_an_encrypted_backup_needs_its_key(site, place, tmp_path, capsys):
    private, public = encryption.new_key()
    other, _public = encryption.new_key()
    made, key = tmp_path / "secret.boxwise", tmp_path / "key"
    making.make(site, made, recipient=public)
    assert b"labeling_project" not in made.read_bytes() and (made.stat().st_mode & 0o777) == 0o600
    assert commands.restore([str(made), "--check"]) == 1
    assert "is encrypted: name the file with the private key" in capsys.readouterr().err
    key.write_text(other)
    assert commands.restore([str(made), "--check", "--identity", str(key)]) == 1
    assert "cannot be decrypted" in capsys.readouterr().err
    key.write_text(private)
    assert commands.restore([str(made), "--check", "--identity", str(key)]) == 0
    with pytest.raises(BackupError, match="no public key of age"):
        making.make(site, tmp_path / "other.boxwise", recipient="age1nothing")
    assert not (tmp_path / "other.boxwise").exists()


def test_an_incremental_backup_needs_the_earlier_one(site, place, tmp_path, capsys):
    first, second = tmp_path / "first.boxwise", tmp_path / "second.boxwise"
    making.make(site, first)
    making.make(site, second, since=first)
    assert second.stat().st_size < first.stat().st_size
    first.rename(tmp_path / "kept elsewhere")
    assert commands.restore([str(second), "--check"]) == 1
    assert "first.boxwise, and it is needed" in capsys.readouterr().err
    making.make(site, first)  # another one of that name
    assert commands.restore([str(second), "--check"]) == 1
    assert "is not the earlier backup" in capsys.readouterr().err


def test_a_backup_is_not_made_after_one_that_lacks_its_own_earlier_one(site, tmp_path):
    first, second, third = (tmp_path / f"{name}.boxwise" for name in ("first", "second", "third"))
    making.make(site, first)
    making.make(site, second, since=first)
    first.unlink()
    with pytest.raises(BackupError, match=r"second\.boxwise needs first\.boxwise beside it"):
        making.make(site, third, since=second)
    assert not third.exists()


def test_a_folder_that_cannot_be_read_stops_the_backup(site, tmp_path, monkeypatch):
    def walk(folder, onerror=None):
        onerror(PermissionError(13, "Permission denied", f"{folder}/images"))
        return iter(())

    monkeypatch.setattr(os, "walk", walk)
    with pytest.raises(BackupError, match=r"images cannot be read \(Permission denied\)"):
        making.make(site, tmp_path / "one.boxwise")
    assert not (tmp_path / "one.boxwise").exists()


def test_files_that_come_and_go_while_the_backup_is_made(site, place, tmp_path, monkeypatch):
    """A row of the dump names no file that the backup lacks, whenever the file came or went."""
    folder = site.places["files"]
    (folder / "goes").write_bytes(b"removed while the database is dumped")
    (folder / "half").write_bytes(b"who")  # being written at the first look
    dumping = dumps.dumping

    def slow(url):
        (folder / "goes").unlink()
        (folder / "half").write_bytes(b"whole by now")
        (folder / "comes").write_bytes(b"committed just before the dump")
        return dumping(url)

    monkeypatch.setattr(dumps, "dumping", slow)
    made = making.make(site, tmp_path / "one.boxwise")
    assert {"goes", "comes"} <= {entry.path for entry in made.files}
    with restoring.opened(tmp_path / "one.boxwise") as found:
        found.check()
        (half,) = [entry for entry in made.files if entry.path == "half"]
        assert found.read(half).read() == b"whole by now"


def test_a_backup_that_fails_leaves_nothing(site, tmp_path, monkeypatch):
    lost = replace(site, database_url=site.database_url.replace("/backup_", "/no_such_"))
    with pytest.raises(BackupError):
        making.make(lost, tmp_path / "one.boxwise")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == []
    (tmp_path / "there").write_text("mine")
    with pytest.raises(BackupError, match="already"):
        making.make(site, tmp_path / "there")


def test_an_encrypted_backup_lies_nowhere_in_plain_while_it_is_made(site, tmp_path, monkeypatch):
    """A server that loses its power in between leaves nothing that can be read."""
    target = tmp_path / "store" / "one.boxwise"
    target.parent.mkdir()
    marker = b"tissue of a patient" * 100_000
    (site.places["files"] / "marked").write_bytes(marker)
    on_disk = []
    dumping = dumps.dumping

    def dumping_seen(url):
        on_disk.extend(path.read_bytes() for path in target.parent.iterdir())
        return dumping(url)

    monkeypatch.setattr(dumps, "dumping", dumping_seen)
    making.make(site, target, recipient=encryption.new_key()[1])
    (unfinished,) = on_disk
    assert len(unfinished) > len(marker) // 2 and b"tissue of a patient" not in unfinished


def test_a_full_disk_stops_an_encrypted_backup_with_a_sentence(site, tmp_path, monkeypatch):
    (site.places["files"] / "large").write_bytes(b"0" * 2**20)
    with Path("/dev/full").open("r+b", buffering=0) as full:
        monkeypatch.setattr(making, "_private", lambda _path: full)
        with pytest.raises(BackupError, match=r"cannot be encrypted: .*No space left"):
            making.make(site, tmp_path / "one.boxwise", recipient=encryption.new_key()[1])
    assert not (tmp_path / "one.boxwise").exists()


def test_the_next_backup_removes_what_a_killed_one_left(site, tmp_path):
    killed = tmp_path / f".old.boxwise.0123abcd{making.UNFINISHED}"
    killed.write_bytes(b"half of a backup")
    made = making.make(site, tmp_path / "one.boxwise")
    assert not killed.exists() and made.names == {made.number: "one.boxwise"}
    at_work = tmp_path / f".two.boxwise.0123abcd{making.UNFINISHED}"
    with making._private(at_work):
        making.make(site, tmp_path / "three.boxwise")
        assert at_work.exists()
    making.remove_leftovers(tmp_path)
    assert not at_work.exists()


def test_a_dump_of_a_newer_version_is_not_restored(site, place, tmp_path, capsys):
    with psycopg.connect(site.database_url) as link:
        link.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('labeling', '9999_from_the_future', now())"
        )
    making.make(site, tmp_path / "one.boxwise")
    assert commands.restore([str(tmp_path / "one.boxwise")]) == 1
    assert "newer version of Boxwise: the database has 9999_from_the_future" in capsys.readouterr().err
    assert not place.folder.exists()


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", "", ".", "a/.."])
def test_a_path_of_a_changed_backup_leads_nowhere(path, tmp_path):
    with pytest.raises(BackupError, match="no path inside a storage"):
        Entry("files", path, "", 0, 0, "n", "m").within(tmp_path)


@given(st.text(max_size=60))
def test_any_path_stays_inside(path):
    folder = Path("/somewhere/files")
    try:
        target = Entry("files", path, "", 0, 0, "n", "m").within(folder)
    except BackupError:
        return
    assert Path(os.path.normpath(target)).is_relative_to(folder)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 2}', '{"format": 1, "files": 3}', "null"])
def test_a_list_of_contents_that_is_none(text):
    with pytest.raises(BackupError):
        Manifest.from_json(text)


# -- by themselves


def test_scheduled_backups_follow_each_other_and_old_ones_go(site, tmp_path):
    folder = tmp_path / "store"
    folder.mkdir()
    plan = schedule.Plan(folder, timedelta(hours=24), timedelta(days=7), timedelta(days=10))
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    for day in range(21):
        now = begin + timedelta(days=day)
        assert schedule.run_if_due(site, plan, now)
        _date(site, folder, now)
        assert schedule.run_if_due(site, plan, now + timedelta(hours=1)) == []
    there = schedule.kept_backups(site, plan)
    days = [(schedule.made_at(manifest) - begin).days for _path, manifest in there]
    assert days == [7, *range(11, 21)]  # the whole one of day 7 holds files of those that are younger than ten days
    assert [(schedule.made_at(one) - begin).days for _path, one in there if schedule.is_whole(one)] == [7, 14]
    with restoring.opened(there[-1][0]) as found:
        found.check()


def test_a_scheduled_backup_is_whole_where_an_earlier_one_is_gone(site, tmp_path):
    folder = tmp_path / "store"
    folder.mkdir()
    plan = schedule.Plan(folder, timedelta(hours=24), timedelta(days=7), timedelta(days=30))
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    for day in range(3):
        (site.places["files"] / f"of day {day}").write_text("here")
        schedule.run_if_due(site, plan, begin + timedelta(days=day))
        _date(site, folder, begin + timedelta(days=day))
    schedule.kept_backups(site, plan)[1][0].unlink()  # between the whole one and the newest
    schedule.run_if_due(site, plan, begin + timedelta(days=3))
    newest, manifest = schedule.kept_backups(site, plan)[-1]
    assert schedule.is_whole(manifest)
    with restoring.opened(newest) as found:
        found.check()


def _date(site: making.Site, folder: Path, now: datetime) -> None:
    """The backup just made, as if it had been made then."""
    newest = max(folder.glob("*.boxwise"), key=lambda path: path.name)
    kept = site.kept / f"{newest.name}.json"
    kept.write_text(json.dumps(json.loads(kept.read_text()) | {"made_at": now.isoformat()}))


# -- before tables change


@pytest.mark.django_db
def test_a_database_of_a_newer_version_stops_the_start():
    prepare.decline_newer_database()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('labeling', '9999_from_the_future', now())"
        )
    with pytest.raises(SystemExit, match="newer version of Boxwise: it has 9999_from_the_future"):
        prepare.decline_newer_database()


def test_the_database_is_kept_before_its_tables_change(site, tmp_path, monkeypatch, capsys):
    from django.db.migrations.loader import MigrationLoader

    class Loader(MigrationLoader):
        def __init__(self, _connection) -> None:
            self.applied_migrations = {("labeling", name): None for name in dumps.migrations_in(site.database_url)}
            self.disk_migrations = {**self.applied_migrations, ("labeling", "9999_new"): None}

    monkeypatch.setattr(prepare, "MigrationLoader", Loader)
    monkeypatch.setenv("DATABASE_URL", site.database_url)
    dump = prepare.dump_before_migrating(tmp_path / "dumps")
    assert dump is not None and "is kept in" in capsys.readouterr().err
    name = f"again_{uuid.uuid4().hex[:12]}"
    sql("postgres", "-c", f"CREATE DATABASE {name}")
    try:
        dumps.load(EMBEDDED.database.url_of(name), dump)
        assert content_of(EMBEDDED.database.url_of(name)) == content_of(site.database_url)
    finally:
        sql("postgres", "-c", f"DROP DATABASE {name} WITH (FORCE)")
    monkeypatch.setenv("BACKUP_BEFORE_MIGRATING", "0")
    assert prepare.dump_before_migrating(tmp_path / "dumps") is None


def test_a_manifest_names_every_member(site, tmp_path):
    made = making.make(site, tmp_path / "one.boxwise")
    with zipfile.ZipFile(tmp_path / "one.boxwise") as archive:
        assert set(archive.namelist()) == {DATABASE, MANIFEST, *(entry.member for entry in made.files)}
        assert all(entry.member == f"files/{entry.path}" for entry in made.files)
