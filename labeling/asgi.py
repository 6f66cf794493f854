"""The web process: `uvicorn labeling.asgi:application`."""

import os

from django.core.asgi import get_asgi_application

from labeling.celery import app as celery_app

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "labeling.settings")

celery_app.set_default()  # what the site sends by name goes to our broker
_django = get_asgi_application()

from labeling.bodies import LimitBodies  # noqa: E402 (after the settings are loaded)

application = LimitBodies(_django)
