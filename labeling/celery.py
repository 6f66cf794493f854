"""The Celery application. Processes that only send work ask for it by task name, after commit."""

import os

from celery import Celery
from celery.signals import task_prerun

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "labeling.settings")

app = Celery("labeling")
app.config_from_object("django.conf:settings", namespace="CELERY")


@task_prerun.connect
def know_the_base_path(**_more: object) -> None:
    """Addresses in mail and webhooks begin with the site's path. Django keeps it for each thread apart, and sets it
    at a request, which a task is not."""
    from django.conf import settings
    from django.urls import set_script_prefix

    set_script_prefix(f"{settings.BASE_PATH}/")
