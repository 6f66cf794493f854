"""The name under which a file comes in: as typed, or without what names a patient, where the project says so."""

import hashlib
import hmac
from pathlib import PurePosixPath

from django.conf import settings

from labeling.images.names import clean, normal
from labeling.projects.models import Project
from labeling.projects.name_patterns import PERSONAL, parsed


def entry_name(project: Project, name: str) -> str:
    """A name as it is stored.

    Where the project de-identifies and has a pattern, what {patient} takes becomes a pseudonym; of a name that does not
    fit the pattern nothing stays but its ending, since nobody knows what of it names a person.
    """
    stored = clean(name)
    if not project.deidentifies or not project.name_pattern:
        return stored
    made = parsed(project.name_pattern).replaced(normal(stored), PERSONAL, lambda value: pseudonym(project, value))
    if made is not None:
        return clean(made)
    ending = PurePosixPath(stored).suffix
    return pseudonym(project, stored) + (ending if len(ending) <= 8 else "")


def pseudonym(project: Project, value: str) -> str:
    """The same for the same text in a project; nobody finds the text from it without the server's secret."""
    text = f"{project.pk} {normal(value).casefold()}"
    digest = hmac.new(settings.SECRET_KEY.encode(), text.encode(), hashlib.sha256).hexdigest()
    return f"P{digest[:10]}"
