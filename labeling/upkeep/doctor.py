"""`boxwise doctor`: whether everything that a site needs is there and fits together, and what is repaired safely.

Each check returns a finding: "ok", "warning" (it works, somebody should look) or "fault". Mending removes nothing:
files that nobody names are put aside, into a folder beside the storage.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from django.apps import apps
from django.conf import settings
from django.core.files.storage import FileSystemStorage, Storage, default_storage, storages
from django.core.management import call_command
from django.db import connection, models
from django.db.migrations.loader import MigrationLoader
from django.db.models import Count, F, Max, Min

from labeling.annotations.models import LayerHead
from labeling.images.models import SlideFile
from labeling.images.slides import STORED
from labeling.leases import Leased
from labeling.server import health

State = Literal["ok", "warning", "fault"]
LEAST_FREE = 5.0  # per cent of a disk, below which somebody should look
MOST_APART = 2.0  # seconds between the clocks of this machine and of the database
SETTLED = timedelta(hours=24)  # a younger file may belong to a row that is not committed yet
MOST_NAMED = 10  # examples in a sentence
MADE_AGAIN = ("tiles/", "views/")  # a cache of the pixels, named by no row


@dataclass(frozen=True)
class Finding:
    """What one check has found, in a sentence; `repaired`: what was done about it."""

    name: str
    state: State
    sentence: str
    repaired: str = ""


def examine(*, repair: bool = False) -> list[Finding]:
    """Every check, in an order in which the cause stands before what follows from it."""
    return [_guarded(name, check, repair) for name, check in CHECKS.items()]


def _guarded(name: str, check: Callable[[bool], Finding], repair: bool) -> Finding:
    try:
        return check(repair)
    except Exception as error:  # whatever a driver raises: the other checks are made all the same
        return Finding(name, "fault", f"cannot be checked: {type(error).__name__}: {error}".strip())


def database(repair: bool) -> Finding:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version'), pg_size_pretty(pg_database_size(current_database()))")
        version, size = cursor.fetchone()
    return Finding("database", "ok", f"PostgreSQL {version}, {size}")


def versions(repair: bool) -> Finding:
    loader = MigrationLoader(connection)
    newer = sorted(name for _app, name in set(loader.applied_migrations) - set(loader.disk_migrations))
    if newer:
        return Finding("versions", "fault", f"the database was used by a newer version: it has {newer[-1]}")
    missing = sorted(name for _app, name in set(loader.disk_migrations) - set(loader.applied_migrations))
    if missing:
        return Finding("versions", "fault", f"the tables are those of an earlier version; missing: {missing[0]}")
    return Finding("versions", "ok", "the tables are those of this version")


def broker(repair: bool) -> Finding:
    return Finding("broker", "ok", health.broker())


def workers(repair: bool) -> Finding:
    missing = health.QUEUES - health.served_queues(timeout=2.0)
    if missing:
        names = ", ".join(sorted(missing))
        return Finding("workers", "fault", f"no worker serves {names}: see the logs of the workers")
    return Finding("workers", "ok", "every queue is served")


def storage(repair: bool) -> Finding:
    state = health.storage()
    return Finding("storage", "ok" if state == "up" else "fault", state)


def disk(repair: bool) -> Finding:
    sentences, scarce = [], False
    for folder in _folders():
        usage = shutil.disk_usage(folder)
        free = 100 * usage.free / usage.total
        scarce = scarce or free < LEAST_FREE
        sentences.append(f"{folder}: {free:.0f} % free ({usage.free / 2**30:.0f} GiB)")
    return Finding("disk", "warning" if scarce else "ok", "; ".join(sentences))


def clock(repair: bool) -> Finding:
    """Sign-ins, leases and tokens compare times of this machine with times of the database."""
    with connection.cursor() as cursor:
        before = time.time()
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        there = float(cursor.fetchone()[0])
        here = (before + time.time()) / 2
    apart = abs(there - here)
    sentence = f"this machine and the database are {apart:.1f} s apart"
    return Finding("clock", "fault" if apart > MOST_APART else "ok", sentence)


def missing_files(repair: bool) -> Finding:
    """Rows that name a file which is not there: only a backup brings it back."""
    missing = [name for storage, name in _named_files() if not storage.exists(name)]
    if missing:
        return Finding("missing files", "fault", _named(missing, "file that a row names is missing"))
    return Finding("missing files", "ok", "every file that a row names is there")


def orphans(repair: bool) -> Finding:
    """Files of the storage that no row names: left by a process that was killed between file and row."""
    if not all(isinstance(storage, FileSystemStorage) for storage in _storages()):
        return Finding("orphans", "ok", "files are in object storage: not looked at")
    found = list(_orphans())
    if not found:
        return Finding("orphans", "ok", "a row names every file")
    sentence = _named([str(path) for path in found], "file is named by no row")
    if not repair:
        return Finding("orphans", "warning", f"{sentence}; --mend puts them aside")
    aside = Path(settings.DATA_DIR) / "work" / f"orphans-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    for path in found:
        target = aside / path.relative_to(path.anchor)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, target)
    return Finding("orphans", "ok", sentence, f"put aside in {aside}")


def log_gaps(repair: bool) -> Finding:
    """The log of each layer is numbered 1, 2, 3 ... without a gap, as far as its head says."""
    counted = LayerHead.objects.annotate(
        count=Count("layer__operations"), first=Min("layer__operations__seq"), last=Max("layer__operations__seq")
    )
    whole = counted.filter(seq=0, count=0) | counted.filter(seq=F("count"), last=F("seq"), first=1)
    gaps = counted.exclude(pk__in=whole.values("pk"))
    names = [f"layer {head.pk} (head {head.seq}, {head.count} operations)" for head in gaps[:MOST_NAMED]]
    if names:
        return Finding("log gaps", "fault", f"{gaps.count()} logs are not whole: {', '.join(names)}")
    return Finding("log gaps", "ok", f"the logs of {counted.count()} layers are whole")


def leases(repair: bool) -> Finding:
    """Work whose worker died and that nobody has started again: recovery does that every few seconds."""
    before = datetime.now(UTC) - timedelta(minutes=10)
    late = []
    for model in apps.get_models():
        if issubclass(model, Leased):
            running = {"state": "running", "lease_until__lt": before}  # each such model has a state
            rows = model._default_manager.filter(**running)
            late += [f"{model._meta.verbose_name} {key}" for key in rows.values_list("pk", flat=True)]
    if not late:
        return Finding("leases", "ok", "no work has lost its worker")
    sentence = _named(late, "piece of work has lost its worker")
    if not repair:
        return Finding("leases", "fault", f"{sentence}; is the recovery process running? --mend starts it again")
    with open(os.devnull, "w") as nowhere:
        call_command("recover", once=True, stdout=nowhere)
    return Finding("leases", "ok", sentence, "started again")


CHECKS: dict[str, Callable[[bool], Finding]] = {
    "database": database,
    "versions": versions,
    "broker": broker,
    "workers": workers,
    "storage": storage,
    "disk": disk,
    "clock": clock,
    "missing files": missing_files,
    "orphans": orphans,
    "log gaps": log_gaps,
    "leases": leases,
}


def _named(names: list[str], what: str) -> str:
    shown = ", ".join(names[:MOST_NAMED])
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{len(names)} x {what}: {shown}{more}"


def _folders() -> list[Path]:
    """The folders of the storages that are folders, each once."""
    places = [storage.location for storage in _storages() if isinstance(storage, FileSystemStorage)]
    found = {Path(settings.DATA_DIR), *(Path(place) for place in places)}
    return sorted(folder for folder in found if folder.is_dir())


def _storages() -> list[object]:
    return [default_storage, storages["originals"]]


def _file_fields() -> Iterator[tuple[type[models.Model], models.FileField]]:
    for model in apps.get_models():
        for field in model._meta.get_fields():
            if isinstance(field, models.FileField):
                yield model, field


def _named_files() -> Iterator[tuple[Storage, str]]:
    """(storage, name) of every file that a row names."""
    for model, field in _file_fields():
        rows = model._base_manager.exclude(**{field.name: ""})
        for name in rows.values_list(field.name, flat=True).iterator():
            yield field.storage, name


def _orphans() -> Iterator[Path]:
    known = {Path(storage.path(name)) for storage, name in _named_files()}
    slides = {path.partition("/")[0] for path in SlideFile.objects.filter(root="").values_list("path", flat=True)}
    before = time.time() - SETTLED.total_seconds()
    root = Path(default_storage.path(""))
    stored = Path(storages["originals"].path(STORED))
    originals = Path(storages["originals"].path(""))
    places = [root] if originals.is_relative_to(root) else [root, originals]  # each file once
    for place in places:
        for path in _files_below(place):
            if path in known or path.stat().st_mtime > before:
                continue
            if place == root and str(path.relative_to(root)).startswith(MADE_AGAIN):
                continue
            if path.is_relative_to(stored) and path.relative_to(stored).parts[0] in slides:
                continue
            yield path


def _files_below(folder: Path) -> Iterator[Path]:
    for parent, _folders, names in os.walk(folder):
        for name in names:
            yield Path(parent) / name
