"""boxwise manage register_slides PROJECT ROOT PATH...: slides stay where they are, and are shown from there."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labeling.accounts.models import User
from labeling.errors import LabelingError
from labeling.images.documents import UploadRequest
from labeling.images.uploads import register_slides
from labeling.projects.models import Membership, Project


class Command(BaseCommand):
    help = "Register slides that lie below a root of SLIDE_ROOTS in a project; the worker for files reads them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("project", type=int, help="number of the project")
        parser.add_argument("root", help="name of a root in SLIDE_ROOTS")
        parser.add_argument("paths", nargs="+", help="files or folders, relative to the root")
        parser.add_argument("--by", required=True, help="sign-in name of an owner or manager of the project")

    def handle(self, *args: Any, **options: Any) -> None:
        project = Project.objects.filter(pk=options["project"]).first()
        user = User.objects.filter(username=options["by"]).first()
        if project is None or user is None:
            raise CommandError("there is no such project, or no such person")
        managers = Membership.objects.filter(project=project, user=user, role__in=("owner", "manager"))
        if not managers.exists():
            raise CommandError(f"{options['by']} is no owner or manager of this project")
        try:
            job = register_slides(
                project=project, owner=user, root=options["root"], paths=options["paths"], facts=UploadRequest()
            )
        except LabelingError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"job {job.pk} reads {len(options['paths'])} slides")
