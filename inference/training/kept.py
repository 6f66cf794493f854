"""Settings as a weight file or a bundle keeps them, in JSON -> the frozen dataclass that they were."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Settings = TypeVar("Settings", bound=DataclassInstance)
else:
    Settings = TypeVar("Settings")


def restored(kind: type[Settings], kept: object, **changes: Any) -> Settings:
    """Lists become tuples and objects the dataclasses in it again; `changes` replace what was kept.

    Raises ValueError for what is no such settings, a name that this version does not know among it.
    """
    from pydantic import TypeAdapter, ValidationError  # heavy: only where something is loaded

    from inference.documents.base import faults

    try:
        made = TypeAdapter(kind).validate_python(kept)
    except ValidationError as error:
        sentences = [f"{path}: {sentence}" for path, sentence in faults(error)]
        raise ValueError("; ".join(sentences)) from error
    assert isinstance(kept, Mapping)
    _check_names(kept, asdict(made))
    return replace(made, **changes)


def _check_names(kept: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    for name, value in kept.items():
        if name not in known:
            raise ValueError(f"{name} is no setting of this version")
        if isinstance(value, Mapping):
            _check_names(value, known[name])
