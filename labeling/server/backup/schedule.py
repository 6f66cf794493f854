"""Backups by themselves: a process of `boxwise up` where BACKUP_DIR names a folder.

BACKUP_EVERY_HOURS (24) apart, a whole one every BACKUP_WHOLE_DAYS (7) and between them only what is new. A backup is
removed after BACKUP_KEEP_DAYS (30), unless a later one needs its files.
"""

import os
import signal
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from labeling.server import environment
from labeling.server.backup.making import Site, make, missing_names, site_of
from labeling.server.backup.manifest import Manifest
from labeling.server.dumps import BackupError

SUFFIX = ".boxwise"
CHECK_EVERY = 60.0  # seconds


@dataclass(frozen=True)
class Plan:
    """What the settings ask for."""

    folder: Path
    every: timedelta
    whole: timedelta
    keep: timedelta
    recipient: str = ""

    @classmethod
    def from_environment(cls) -> "Plan | None":
        folder = os.environ.get("BACKUP_DIR", "").strip()
        if not folder:
            return None
        return cls(
            folder=Path(folder),
            every=timedelta(hours=max(1, environment.number("BACKUP_EVERY_HOURS", 24))),
            whole=timedelta(days=environment.number("BACKUP_WHOLE_DAYS", 7)),
            keep=timedelta(days=max(1, environment.number("BACKUP_KEEP_DAYS", 30))),
            recipient=os.environ.get("BACKUP_RECIPIENT", "").strip(),
        )


def kept_backups(site: Site, plan: Plan) -> list[tuple[Path, Manifest]]:
    """The backups in the folder whose contents are known here, the oldest first."""
    found = []
    for path in sorted(plan.folder.glob(f"*{SUFFIX}")):
        kept = site.kept / f"{path.name}.json"
        if kept.is_file():
            found.append((path, Manifest.from_json(kept.read_text())))
    return sorted(found, key=lambda one: one[1].made_at)


def made_at(manifest: Manifest) -> datetime:
    return datetime.fromisoformat(manifest.made_at)


def is_whole(manifest: Manifest) -> bool:
    return len(manifest.names) == 1


def run_if_due(site: Site, plan: Plan, now: datetime) -> list[str]:
    """Make a backup where one is due, and remove those whose time is over. -> sentences. Raises BackupError."""
    there = kept_backups(site, plan)
    if there and now - made_at(there[-1][1]) < plan.every:
        return []
    whole = [manifest for _path, manifest in there if is_whole(manifest)]
    since = there[-1][0] if whole and now - made_at(whole[-1]) < plan.whole else None
    if since is not None and missing_names(there[-1][1], plan.folder):
        since = None  # somebody removed a backup that it needs: the next one stands on its own
    target = plan.folder / f"boxwise-{now:%Y%m%d-%H%M%S}{SUFFIX}"
    made = make(site, target, since=since, recipient=plan.recipient)
    return [f"{target.name}: {len(made.files)} files", *remove_old(site, plan, now)]


def remove_old(site: Site, plan: Plan, now: datetime) -> list[str]:
    """A backup whose files a younger one needs stays as long as that one."""
    there = kept_backups(site, plan)
    needed: set[str] = set()
    for _path, manifest in there:
        if now - made_at(manifest) < plan.keep:
            needed |= set(manifest.names.values())
    sentences = []
    for path, _manifest in there:
        if path.name not in needed:
            path.unlink()
            (site.kept / f"{path.name}.json").unlink(missing_ok=True)
            sentences.append(f"{path.name} is older than {plan.keep.days} days and removed")
    return sentences


def main() -> int:
    """Look once a minute, for ever. A failure is said and tried again; nothing else stops because of it."""
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))  # else the half of a backup would stay
    plan = Plan.from_environment()
    if plan is None:
        print("BACKUP_DIR is not set.", file=sys.stderr)
        return 1
    site = site_of(dict(os.environ), environment.data_dir())
    while True:
        try:
            for sentence in run_if_due(site, plan, datetime.now(UTC)):
                print(sentence, flush=True)
        except (BackupError, OSError) as error:
            print(f"no backup: {error}", file=sys.stderr, flush=True)
            time.sleep(9 * CHECK_EVERY)
        time.sleep(CHECK_EVERY)


if __name__ == "__main__":
    sys.exit(main())
