"""Import own weights from the shell: the same as on the page Models."""

from pathlib import Path
from typing import Any

from django.core.files import File
from django.core.management.base import BaseCommand, CommandError, CommandParser

from labeling.accounts.models import User
from labeling.errors import LabelingError
from labeling.projects.models import Project
from labeling.rounds.weights.importing import WANTED, import_weights


class Command(BaseCommand):
    help = "Take weights into a project: a safetensors file, a zip or a folder as a round's export is (docs/rounds.md)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", type=int, help="number of the project, as in its address")
        parser.add_argument("path", type=Path)
        parser.add_argument("--licence", required=True, help="of the data that the weights have learned from")
        parser.add_argument("--note", default="")
        parser.add_argument("--by", metavar="NAME", help="who imports them, by the name they sign in with")

    def handle(self, *args: Any, **options: Any) -> None:
        project = Project.objects.filter(pk=options["project"]).first()
        if project is None:
            raise CommandError(f"There is no project {options['project']}.")
        by = User.objects.filter(username=options["by"]).first() if options["by"] else None
        if options["by"] and by is None:
            raise CommandError(f"There is nobody called {options['by']} (--by).")
        path: Path = options["path"].expanduser()
        paths = [path / name for name in WANTED if (path / name).is_file()] if path.is_dir() else [path]
        try:
            files = [File(one.open("rb"), name=one.name) for one in paths]
            made = import_weights(
                project=project, by=by, files=files, data_licence=options["licence"], note=options["note"]
            )
        except OSError as error:
            raise CommandError(f"{error.filename} cannot be read: {error.strerror}.") from error
        except LabelingError as error:
            raise CommandError(f"Nothing was imported: {error}.") from error
        self.stdout.write(
            f"{made.name} is being checked by a worker; the page Models of {project.name} says what of it."
        )
