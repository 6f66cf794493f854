"""What a password must be: hard to guess by programs that know lists, names, dates and keyboards."""

from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from zxcvbn import zxcvbn  # type: ignore[import-untyped]

LOOKED_AT = 72  # characters: beyond them the estimate takes long, and no password is weak any more
SHORTEST_NAME = 3  # characters: initials may be in a password
LEAST_SCORE = 3  # of 0 to 4: at least 10^8 guesses


class HardToGuess:
    """A validator of Django's: the estimate of zxcvbn, which knows the names of the person and of this site."""

    def validate(self, password: str, user: Any = None) -> None:
        names = ["boxwise"]
        for column in ("username", "first_name", "last_name", "email"):
            names.append(str(getattr(user, column, "") or "")[:LOOKED_AT])
        known = [name.casefold() for name in names if len(name) >= SHORTEST_NAME]
        rest = password[:LOOKED_AT].casefold()
        for name in known:
            rest = rest.replace(name, "")
        if min(_score(password[:LOOKED_AT], known), _score(rest, known)) < LEAST_SCORE:
            raise ValidationError(
                _(
                    "A program would guess this password soon. Take several words that have nothing to do with each "
                    "other."
                ),
                code="password_guessable",
            )

    def get_help_text(self) -> str:
        return _("several words that have nothing to do with each other")


def _score(password: str, known: list[str]) -> int:
    return int(zxcvbn(password, user_inputs=known)["score"]) if password else 0
