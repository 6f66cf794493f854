"""The recovery process: every few seconds it starts again what lost its worker."""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import Error, close_old_connections
from django.utils import timezone

from labeling.accounts import throttle
from labeling.assignments import services as assignments
from labeling.jobs import items as job_items
from labeling.jobs import services as jobs
from labeling.rounds.execution import archiving, portions, resuming, stages
from labeling.rounds.notices import delivery
from labeling.rounds.weights import importing
from labeling.studies import removal

EVERY = 5.0  # seconds


class Command(BaseCommand):
    help = "Start again the stages whose worker died or whose message was lost; runs until it is stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="one look, then end")

    def handle(self, *args: Any, **options: Any) -> None:
        while True:
            try:
                now = timezone.now()
                sentences = [*archiving.recover(), *stages.recover(), *portions.recover(now), *resuming.recover()]
                sentences += [*delivery.recover(now), *importing.recover(now), *removal.recover(now)]
                sentences += [*throttle.forget_old(now), *jobs.recover(now), *job_items.recover(now)]
                sentences += [*assignments.recover(now)]
                for sentence in sentences:
                    self.stdout.write(sentence)
            except Error as error:  # the database restarts: look again in a moment
                self.stderr.write(f"cannot look: {error}")
                close_old_connections()
            if options["once"]:
                return
            time.sleep(EVERY)
