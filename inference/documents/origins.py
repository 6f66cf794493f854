"""Where tissue comes from, in documents and exports of earlier versions: the upgrade of their names."""

from collections.abc import Mapping
from typing import Any

from inference.documents.base import JsonObject

FORMER = {"group": "patient", "site": "centre"}  # "Slide or patient" was one field, and became the patient


def centre_and_patient(data: JsonObject) -> JsonObject:
    """Upgrade: a key of a former name gets the present one, unless that is there already."""
    found = {}
    for name, value in data.items():
        present = FORMER.get(name, name)
        if present == name or present not in data:
            found[present] = value
    return found


def stated_fact(entry: Mapping[str, Any], name: str) -> Any:  # untyped: a stranger's file
    """The value of a fact in an entry that may have its former name; None where neither is there."""
    former = {present: old for old, present in FORMER.items()}
    return entry.get(name) or entry.get(former.get(name, name))
