"""boxwise manage create_token NAME: a personal token of an account, for scripts on the server."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from labeling.accounts.models import PersonalToken, User
from labeling.accounts.tokens import create_token
from labeling.errors import LabelingError


class Command(BaseCommand):
    help = "Make a personal token of an account and print it, once. People make theirs on the page Your account."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--name", default="made on the server", help="what it is for")
        parser.add_argument("--scope", default="manage", choices=PersonalToken.Scope.values)
        parser.add_argument("--days", type=int, default=30, help="until it expires")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["username"], is_active=True).first()
        if user is None:
            raise CommandError(f"there is no account {options['username']!r}, or it is closed")
        try:
            made = create_token(user=user, name=options["name"], scope=options["scope"], days=options["days"])
        except LabelingError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(made.secret)
