"""Refusals that name a round or a model: by its number for people, by its id for callers of the API.

People see a round's number within its project and nothing else. Callers of the API send ids. A sentence that names the
other of the two names a round that they may never have seen.
"""

from typing import TypeVar

from labeling.errors import LabelingError
from labeling.rounds.models import ModelVersion, Round

E = TypeVar("E", bound=LabelingError)


def about_round(kind: type[E], words: str, round_: Round, **values: object) -> E:
    """The error, to be raised.

    words  a translated sentence that names the round as {n}
    """
    error = kind(words.format(n=round_.number, **values))
    error.api_detail = words.format(n=round_.pk, **values)
    return error


def about_version(kind: type[E], words: str, version: ModelVersion, *, field: str, **values: object) -> E:
    """The error, to be raised.

    words  a translated sentence that names the version of a model as {version}
    """
    error = kind(words.format(version=version, **values), field=field)
    error.api_detail = words.format(version=f"model version {version.pk}", **values)
    return error
