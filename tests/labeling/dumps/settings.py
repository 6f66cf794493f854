"""The settings of a process that opens an old database: those of the site, with static files that nobody collected."""

from labeling.settings import *  # noqa: F403

STORAGES |= {  # noqa: F405
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
