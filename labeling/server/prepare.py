"""What one Django process does before the web server starts: tables, static files, the administrator."""

import json
import os
import secrets
import sys
import time
from pathlib import Path

import django
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from labeling.server.dumps import BackupError, write_dump
from labeling.server.environment import flag

ADMINISTRATOR = "admin"
KEPT_DUMPS = 3


def new_password() -> str:
    """20 characters from an alphabet without look-alikes, in groups for reading: 99 bits."""
    alphabet = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(alphabet) for _ in range(5)) for _ in range(4))


def ensure_administrator() -> str | None:
    """Make the administrator when no user exists at all; the password, or None when nothing was made.

    Only then: a site whose people removed or renamed the administrator does not get it back.
    """
    users = get_user_model().objects
    if users.exists():
        return None
    password = new_password()
    users.create_superuser(username=ADMINISTRATOR, password=password)
    return password


def reset_password(username: str, *, removes_factors: bool = False) -> str:
    """A new password for one person, who may have lost their second factors as well. Raises DoesNotExist."""
    users = get_user_model().objects
    user = users.get(username=username)
    password = new_password()
    user.set_password(password)
    user.save(update_fields=["password"])
    if removes_factors:
        from allauth.mfa.models import Authenticator  # its models need a set up Django

        Authenticator.objects.filter(user=user).delete()
    return password


def decline_newer_database() -> None:
    """End the process with a sentence when a newer version has been at the database."""
    loader = MigrationLoader(connection)
    unknown = sorted(name for _app, name in set(loader.applied_migrations) - set(loader.disk_migrations))
    if unknown:
        raise SystemExit(
            f"The database was used by a newer version of Boxwise: it has {unknown[-1]}, which this version does not "
            "know. Install that version or a later one, or restore a backup of before into a new data directory."
        )


def dump_before_migrating(folder: Path) -> Path | None:
    """Keep the database as it is before its tables change. -> the dump; None where nothing changes or nothing is there.

    BACKUP_BEFORE_MIGRATING=0 leaves it out. The last KEPT_DUMPS stay.
    """
    loader = MigrationLoader(connection)
    applied = [name for app, name in loader.applied_migrations if app == "labeling"]
    new = set(loader.disk_migrations) - set(loader.applied_migrations)
    if not applied or not new or not flag("BACKUP_BEFORE_MIGRATING", default=True):
        return None
    folder.mkdir(mode=0o700, exist_ok=True)
    dump = folder / f"after-{max(applied)}-{time.strftime('%Y%m%d-%H%M%S')}.dump"
    try:
        write_dump(os.environ["DATABASE_URL"], dump)
    except BackupError as error:
        raise SystemExit(
            f"{error} Boxwise keeps a dump before it changes the tables: make one yourself, then start with "
            "BACKUP_BEFORE_MIGRATING=0."
        ) from None
    print(f"The tables change; the database as it was is kept in {dump}.", file=sys.stderr)
    for old in sorted(folder.glob("after-*.dump"), key=lambda path: path.stat().st_mtime)[:-KEPT_DUMPS]:
        old.unlink()
    return dump


def main() -> None:
    """Everything said goes to standard error, except one line of JSON for the supervisor."""
    django.setup()
    decline_newer_database()
    dump_before_migrating(Path(os.environ["BOXWISE_DATA_DIR"]) / "backups")
    call_command("migrate", interactive=False, verbosity=0, stdout=sys.stderr)
    if not settings.DEBUG:
        call_command("collectstatic", interactive=False, verbosity=0, stdout=sys.stderr)
    print(json.dumps({"administrator": ADMINISTRATOR, "password": ensure_administrator()}))


if __name__ == "__main__":
    main()
