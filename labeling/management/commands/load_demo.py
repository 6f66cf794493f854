"""Load the demo project, or a data set in its place."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from labeling.accounts.models import User
from labeling.errors import LabelingError
from labeling.exchange import datasets, demo


class Command(BaseCommand):
    help = "Load the demo project once and start its first round (docs/demo.md)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--data", metavar="DIR", type=Path, help="load this data set instead (docs/demo.md)")
        parser.add_argument("--images", metavar="N", type=int, help="of a data set, how many training images to load")
        parser.add_argument("--kind", help="of a data set, load the images of this kind only")
        parser.add_argument("--synthetic", metavar="N", type=int, help="add a project of N synthetic images")
        parser.add_argument("--owner", metavar="NAME", help="who will own it; otherwise the first administrator")
        parser.add_argument("--no-round", action="store_true", help="load only, start no round")

    def handle(self, *args: Any, **options: Any) -> None:
        owner = self.owner(options["owner"])
        try:
            with transaction.atomic():  # all that was asked for, or nothing
                if options["data"] is None:
                    project = demo.load_demo(owner=owner, say=self.say)
                else:
                    project = datasets.load_dataset(
                        owner=owner, path=options["data"], images=options["images"], kind=options["kind"], say=self.say
                    )
                if options["synthetic"] is not None:
                    demo.load_synthetic(owner=owner, count=options["synthetic"], say=self.say)
                if not options["no_round"]:
                    demo.first_round(project=project, owner=owner, say=self.say)
        except LabelingError as error:
            raise CommandError(f"Nothing was loaded: {error}.") from error

    def owner(self, name: str | None) -> User:
        if name is None:
            user = User.objects.filter(is_superuser=True, is_active=True).order_by("pk").first()
            if user is None:
                raise CommandError(
                    "There is no administrator to own the demo: make one with `manage.py createsuperuser`, "
                    "or name a person with --owner."
                )
            return user
        user = User.objects.filter(username=name).first()
        if user is None:
            raise CommandError(f"There is nobody called {name} (--owner); give the name they sign in with.")
        return user

    def say(self, sentence: str) -> None:
        self.stdout.write(sentence)
        self.stdout.flush()
