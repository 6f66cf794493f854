"""boxwise doctor: what is wrong with this site, and what is repaired."""

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from labeling.upkeep.doctor import examine

MARKS = {"ok": "ok     ", "warning": "warning", "fault": "FAULT  "}


class Command(BaseCommand):
    help = "Check database, broker, workers, storage, disk, clock, versions, files and logs. Exit code 1: a fault."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print the findings as JSON")
        parser.add_argument("--mend", dest="repair", action="store_true", help="mend what is safe; nothing is removed")

    def handle(self, *args: Any, **options: Any) -> None:
        findings = examine(repair=options["repair"])
        if options["json"]:
            self.stdout.write(json.dumps([asdict(finding) for finding in findings], indent=1))
        else:
            for finding in findings:
                repaired = f" ({finding.repaired})" if finding.repaired else ""
                self.stdout.write(f"{MARKS[finding.state]} {finding.name}: {finding.sentence}{repaired}")
        if any(finding.state == "fault" for finding in findings):
            sys.exit(1)
