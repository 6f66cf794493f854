"""What one Django process does before the web server starts: tables, static files, the administrator."""

import json
import secrets
import sys

import django
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command

ADMINISTRATOR = "admin"


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


def reset_password(username: str) -> str:
    """A new password for one person. Raises DoesNotExist."""
    users = get_user_model().objects
    user = users.get(username=username)
    password = new_password()
    user.set_password(password)
    user.save(update_fields=["password"])
    return password


def main() -> None:
    """Everything said goes to standard error, except one line of JSON for the supervisor."""
    django.setup()
    call_command("migrate", interactive=False, verbosity=0, stdout=sys.stderr)
    if not settings.DEBUG:
        call_command("collectstatic", interactive=False, verbosity=0, stdout=sys.stderr)
    print(json.dumps({"administrator": ADMINISTRATOR, "password": ensure_administrator()}))


if __name__ == "__main__":
    main()
