"""Which weights a round starts from, and whether it trains on from them or uses them as they are.

One choice for each of detector and segmenter: the weights that come with Boxwise, those of the current round, or any
version of the project, made here or imported. What was chosen stands in the configuration by the key of its
artifact, so it is part of the stages' keys; weights that nothing is learned for hang on nobody's annotations.
"""

import copy
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from labeling.errors import Invalid, WrongState
from labeling.images.models import Split
from labeling.numbers import whole_number
from labeling.projects.models import Project
from labeling.rounds.messages import about_version
from labeling.rounds.models import ModelVersion, Round, Snapshot
from labeling.rounds.weights.promotion import current_round, models_of

KINDS = ("detector", "segmenter")
SHIPPED = ("centre", "unet")  # architectures whose weights come with Boxwise (inference/weights)
NOT_STATED = "not stated: ask before passing it on"
FROM_SHIPPED, FROM_CURRENT = "shipped", "current"


@dataclass(frozen=True)
class Start:
    """What one model of a round begins with.

    weights  FROM_SHIPPED, FROM_CURRENT or the id of a version of the project
    as_is    no training: the stage passes the weights on
    """

    weights: str = FROM_SHIPPED
    as_is: bool = False


Starts = dict[str, Start]  # by kind; a kind that is not there is trained from what is shipped


def learns(start: Starts) -> bool:
    """Whether anything is trained; a round that uses all weights as they are needs no annotation."""
    return not all(start.get(kind, Start()).as_is for kind in KINDS)


def learns_something(round_: Round) -> bool:
    """Whether a round that was started trains anything."""
    return any(not round_.configuration.get(kind, {}).get("as_is") for kind in KINDS)


def begin(project: Project, configuration: dict[str, Any], start: Starts, snapshot: Snapshot) -> dict[str, Any]:
    """The configuration with its weights chosen. Raises Invalid, WrongState.

    Trained on from a version, the architecture must be the configuration's; used as it is, a version brings its own.
    """
    made = copy.deepcopy(configuration)
    chosen = {kind: version_of(project, kind, start.get(kind, Start())) for kind in KINDS}
    for kind, version in chosen.items():
        as_is = start.get(kind, Start()).as_is
        if version is not None:
            if version.model != made[kind]["name"] and not as_is:
                words = _(
                    "{version} is a {theirs}, and this preset trains a {ours}. Train on from a version of the same "
                    "architecture, choose another preset, or use it as it is."
                )
                ours = made[kind]["name"]
                raise about_version(Invalid, words, version, field="start", theirs=version.model, ours=ours)
            made[kind]["name"] = version.model
            made[kind]["start_from"] = version.artifact_id
        if as_is:
            if version is None and made[kind]["name"] not in SHIPPED:
                raise Invalid(
                    _(
                        "No weights of a {name} come with Boxwise to be used as they are. Choose a version of this "
                        "project, or train."
                    ).format(name=made[kind]["name"]),
                    field="start",
                )
            made[kind] = {name: made[kind][name] for name in ("name", "preset", "start_from") if name in made[kind]}
            made[kind]["as_is"] = True
            if kind == "detector":
                made["prediction"]["classes"] = classes_here(project, version)
    if notes := notes_on_weights([v for v in chosen.values() if v is not None], snapshot):
        made["evaluation"] = notes
    return made


def version_of(project: Project, kind: str, start: Start) -> ModelVersion | None:
    """The version that is meant; None for what is shipped. Raises Invalid, WrongState."""
    if start.weights == FROM_SHIPPED:
        return None
    if start.weights == FROM_CURRENT:
        now = current_round(project)
        current = models_of(now).filter(kind=kind).first() if now else None
        if current is None:
            raise WrongState(_("there is no finished round whose models a new one could start from"))
        return current
    wanted = whole_number(start.weights) or 0
    found = project.model_versions.filter(kind=kind, pk=wanted).first()
    if found is None:
        raise Invalid(
            _("this project has no {kind} “{wanted}” to start from").format(kind=_(kind), wanted=start.weights[:20]),
            field="start",
        )
    return found


def classes_here(project: Project, version: ModelVersion | None) -> list[int | None]:
    """For each class of a detector's own, the index of the project's class of the same name; None: there is none.

    Empty where the detector's classes have no names: its boxes are then proposed without a class.
    """
    names = [c.name.casefold() for c in project.classes.all()]
    theirs = [name.casefold() for name in version.class_names] if version else []
    return [names.index(name) if name in names else None for name in theirs]


def lineage(version: ModelVersion) -> Iterator[ModelVersion]:
    """The version, what it was trained on from, and so on."""
    at: ModelVersion | None = version
    while at is not None:
        yield at
        at = at.parent


def licences(version: ModelVersion) -> list[tuple[str, str]]:
    """(version, licence of the data it learned from) of the version and all that it was trained on from."""
    return [(f"{one} ({one.get_origin_display()})", one.data_licence or NOT_STATED) for one in lineage(version)]


def notes_on_weights(versions: Collection[ModelVersion], snapshot: Snapshot) -> dict[str, Any]:
    """What stands beside figures of a round that began with these: {"elsewhere": kinds that somebody imported, or that
    descend from such, "seen": images that judge and that taught one of them or its forebears}; empty for nothing."""
    notes: dict[str, Any] = {}
    elsewhere = [v.kind for v in versions if any(one.origin == ModelVersion.Origin.IMPORTED for one in lineage(v))]
    if elsewhere:
        notes["elsewhere"] = elsewhere
    teachers = {one.snapshot for v in versions for one in lineage(v) if one.snapshot is not None}
    if teachers:
        content = content_of(snapshot)
        judging = {i["image"] for i in content["images"] if i["split"] != Split.TRAIN}
        if seen := judging & set().union(*map(taught_by, teachers)):
            notes["seen"] = sorted(seen)
    return notes


def taught_by(snapshot: Snapshot) -> set[int]:
    """The images whose annotation trains what learns from the snapshot."""
    return {i["image"] for i in content_of(snapshot)["images"] if i["split"] == Split.TRAIN and i["exhaustive"]}


def content_of(snapshot: Snapshot) -> dict[str, Any]:
    with snapshot.content.open("rb") as file:
        content: dict[str, Any] = json.load(file)
    return content
