"""The recovery process: every few seconds it starts again what lost its worker."""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import Error, close_old_connections
from django.utils import timezone

from labeling.accounts import repeats, sessions, throttle
from labeling.assignments import services as assignments
from labeling.audit import services as audit
from labeling.images.resumable import services as resumable
from labeling.jobs import items as job_items
from labeling.jobs import services as jobs
from labeling.rounds.execution import archiving, portions, resuming, stages
from labeling.rounds.notices import delivery, digests
from labeling.rounds.proposing import waiting as proposing
from labeling.rounds.weights import importing
from labeling.studies import removal
from labeling.upkeep import purging, removing, retention, withdrawing

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
                sentences += [*throttle.forget_old(now), *repeats.forget_old(now)]
                sentences += [*audit.forget_old(now), *sessions.forget_old(now)]
                sentences += [*jobs.recover(now), *job_items.recover(now)]
                sentences += [*assignments.recover(now), *proposing.recover(now), *purging.recover(now)]
                sentences += [*withdrawing.recover(now), *removing.recover(now), *retention.recover(now)]
                sentences += [*resumable.recover(now), *digests.recover(now)]
                for sentence in sentences:
                    self.stdout.write(sentence)
            except Error as error:  # the database restarts: look again in a moment
                self.stderr.write(f"cannot look: {error}")
                close_old_connections()
            if options["once"]:
                return
            time.sleep(EVERY)
