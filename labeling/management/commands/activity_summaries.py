"""Compute the summaries of recorded activity anew from the events."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from labeling.annotations.models import ActivityBatch, ActivitySummary
from labeling.annotations.summaries import rebuild, without_summary


class Command(BaseCommand):
    help = "Compute the active time of recorded sessions anew from their events. Nothing of the record is changed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--outdated", action="store_true", help="only sessions without a summary by today's code")

    def handle(self, *args: Any, **options: Any) -> None:
        batches = ActivityBatch.objects.all()
        if options["outdated"]:
            batches = without_summary(batches)
        n = rebuild(batches)
        self.stdout.write(f"{n} sessions summarised; {ActivitySummary.objects.count()} summaries are stored")
