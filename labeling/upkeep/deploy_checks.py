"""What `boxwise check --deploy` says besides Django's own checks: settings that a server for people should have."""

import os
from collections.abc import Sequence
from typing import Any

from django.apps.config import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register


@register(Tags.security, deploy=True)
def for_people(app_configs: Sequence[AppConfig] | None, **_more: Any) -> list[CheckMessage]:
    """A warning for each thing that is left out, with what to set."""
    found: list[CheckMessage] = []
    if not os.environ.get("BACKUP_DIR", "").strip():
        hint = "set BACKUP_DIR, or let something else run boxwise backup every night (docs/operations.md)"
        found.append(Warning("no backup is made by itself", hint=hint, id="boxwise.W001"))
    if not settings.HEALTH_TOKEN:
        hint = "set HEALTH_TOKEN to a long random string"
        found.append(Warning("nobody can ask for /metrics or which part is down", hint=hint, id="boxwise.W002"))
    if not settings.MAIL_IS_CONFIGURED:
        hint = "set MAIL_URL; until then an administrator makes links for new passwords"
        found.append(Warning("there is no mail server", hint=hint, id="boxwise.W003"))
    return found
