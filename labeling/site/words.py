"""Template tags: icons, and numbers and times in words with their units."""

import math
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django import template
from django.conf import settings
from django.template.loader import get_template
from django.template.loader_tags import BLOCK_CONTEXT_KEY
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext, ngettext

from labeling.accounts.models import User
from labeling.notifications.services import unseen
from labeling.projects.models import Project
from labeling.server.log_context import REQUEST
from labeling.upkeep.retention import Holdings
from labeling.upkeep.retention import holdings as holdings_of

register = template.Library()


@register.simple_tag
@cache
def icon(name: str) -> SafeString:
    """A Lucide icon in line, hidden from screen readers: the words beside it say what it means."""
    svg = get_template(f"site/icons/{name}.svg").render()
    hidden = svg[svg.index("<svg") :].replace("<svg", '<svg aria-hidden="true" focusable="false"', 1)
    return mark_safe(hidden)  # noqa: S308 (an icon of ours)


@register.filter
def in_language(words: Any) -> str:
    """Words that stand in the program (a state, a label, a toast) in the reader's language; others as they are."""
    text = str(words)
    return gettext(text) if text else ""  # of "" gettext says the catalogue's header


@register.simple_tag
def request_id() -> str:
    """The number under which the log knows this request."""
    return REQUEST.get()


@register.simple_tag
def unseen_notifications(user: User) -> int:
    """How many notifications a signed-in person has not seen."""
    return unseen(user)


@register.simple_tag
def holdings(project: Project) -> Holdings:
    """What would go with the data of a project."""
    return holdings_of(project)


@register.simple_tag(takes_context=True)
def block_text(context: template.Context, name: str) -> SafeString:
    """A block of the page once more: title and headline are one block, and `{% block %}` may name it only once."""
    block = context.render_context[BLOCK_CONTEXT_KEY].get_block(name)
    text: SafeString = block.nodelist.render(context)
    return text


@register.simple_tag
def csrf_cookie() -> str:
    """The name of the cookie with the token against forged requests, for the scripts that read it."""
    return str(settings.CSRF_COOKIE_NAME)


@register.filter
def layout_name(layout: str) -> str:
    """The name of an export's format, for `in_language`."""
    from labeling.site.export_views import LAYOUT_NAMES

    return LAYOUT_NAMES.get(layout, layout)


TONES = {
    "published": "is-ok",
    "ready": "is-ok",
    "done": "is-ok",
    "reused": "is-ok",
    "sent": "is-ok",
    "choice": "is-warn",
    "failed": "is-danger",
    "declined": "is-danger",
}


@register.filter
def tone(state: str) -> str:
    """The class of a badge or a progress that says how a state is meant: well, waiting for somebody, badly, or none."""
    return TONES.get(state, "")


@register.filter
def thousands(value: Any) -> str:
    """12345 as 12,345."""
    return f"{value:,}" if isinstance(value, int) else str(value)


@register.filter
def took(value: timedelta | float | None) -> str:
    """A span of time in words: "under 1 s", "42 s", "3 min 5 s", "1 h 4 min", "2 d 3 h"."""
    if value is None:
        return ""
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if seconds < 1:
        return gettext("under 1 s")
    whole = int(seconds)
    for large, small, unit, rest in ((86400, 3600, "d", "h"), (3600, 60, "h", "min"), (60, 1, "min", "s")):
        if whole >= large:
            return f"{whole // large} {unit} {whole % large // small} {rest}"
    return f"{whole} s"


@register.filter
def worked(seconds: float) -> str:
    """Working time in words: "under 1 s", "42 s", "3 min 5 s", "27 h 4 min". Not in days: a day of work has no 24 h."""
    hours, rest = divmod(int(seconds), 3600)
    return f"{hours} h {rest // 60} min" if hours else took(seconds)


@register.filter
def ago(moment: datetime | None) -> SafeString | str:
    """How long ago, with the exact time (UTC) at hand."""
    if moment is None:
        return ""
    seconds = (timezone.now() - moment).total_seconds()
    words = gettext("just now")
    if seconds >= 86400:
        n = int(seconds // 86400)
        words = ngettext("{n} day ago", "{n} days ago", n).format(n=n)
    elif seconds >= 3600:
        n = int(seconds // 3600)
        words = ngettext("{n} hour ago", "{n} hours ago", n).format(n=n)
    elif seconds >= 60:
        n = int(seconds // 60)
        words = ngettext("{n} minute ago", "{n} minutes ago", n).format(n=n)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', moment.isoformat(), f"{moment:%Y-%m-%d %H:%M:%S} UTC", words
    )


@register.filter
def figure(value: Any) -> str:
    """A number as people read it: whole ones with thousands, others with three or four digits that mean something."""
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if value is None or value == "":
        return "–"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        if not math.isfinite(value):
            return gettext("not a number")
        if 0.1 <= abs(value) < 1:
            return f"{value:.3f}"  # shares and scores stand below each other
        if value == 0 or 1e-3 <= abs(value) < 1e4:
            return f"{value:.4g}"
        return f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.2e}"
    if isinstance(value, list | tuple):
        return ", ".join(figure(v) for v in value) or gettext("none")
    return str(value)


@register.filter
def percent(share: Any) -> str:
    """A share 0..1 as "3.2 %"; a dash for what is not there (a template hands a missing key on as "")."""
    return f"{share * 100:.3g} %" if isinstance(share, int | float) else "–"
