"""The web process: `uvicorn labeling.asgi:application`."""

import os

from django.core.asgi import get_asgi_application

from labeling.celery import app as celery_app

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "labeling.settings")

celery_app.set_default()  # what the site sends by name goes to our broker
_django = get_asgi_application()

from django.conf import settings  # noqa: E402
from django.core.handlers.wsgi import WSGIHandler  # noqa: E402 (after the settings are loaded)

from labeling.bodies import LimitBodies  # noqa: E402
from labeling.server.asgi_types import Receive, Scope, Send  # noqa: E402
from labeling.server.base_path import BelowPath, with_base_path  # noqa: E402
from labeling.server.threads import InThreads  # noqa: E402

_lasting = with_base_path(_django, settings.BASE_PATH)
_in_threads = InThreads(WSGIHandler())


async def _entry(scope: Scope, receive: Receive, send: Send) -> None:
    """The live feed lasts, so it is answered on the event loop; every other address in a thread."""
    lasts = scope["type"] != "http" or scope["path"].endswith("/feed/")
    await (_lasting if lasts else _in_threads)(scope, receive, send)


application = BelowPath(LimitBodies(_entry), settings.BASE_PATH)
