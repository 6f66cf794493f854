"""Which weights a round starts from, and whether it trains on from them or uses them as they are.

One choice for each of detector and segmenter: the weights that come with Boxwise, those of the current round, or any
version of the project, made here or imported. What was chosen stands in the configuration by the key of its
artifact, so it is part of the stages' keys; weights that nothing is learned for hang on nobody's annotations.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from django.utils.translation import gettext as _

from inference.documents.configuration import Beginnings, Model, Prompter, RoundConfiguration
from inference.documents.methods import METHODS
from labeling.errors import Invalid, WrongState
from labeling.numbers import whole_number
from labeling.projects.models import Project
from labeling.rounds.configuration import OWN_PROMPTER
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
    return any(not round_.parameters.is_as_is(kind) for kind in KINDS)


def begin(project: Project, configuration: RoundConfiguration, start: Starts, snapshot: Snapshot) -> RoundConfiguration:
    """The configuration with its weights chosen. Raises Invalid, WrongState.

    Trained on from a version, the architecture must be the configuration's; used as it is, a version brings its own.
    A method that is trained as a whole has a beginning of its own.
    """
    own = own_prompter(project, configuration)
    if own is not None:
        configuration = configuration.with_(prompter=Prompter(name=own.model, weights=own.artifact_id))
    if configuration.is_whole:
        if any(one != Start() for one in start.values()):
            words = _("{method} is trained from its own beginning, so no weights can be chosen for it.")
            title = METHODS[configuration.method].title
            raise Invalid(words.format(method=_(title)), field="start")
        notes = notes_on_weights([own] if own else [], snapshot)
        return configuration.with_(evaluation=notes) if notes else configuration
    made = configuration
    chosen = {kind: version_of(project, kind, start.get(kind, Start())) for kind in KINDS}
    for kind, version in chosen.items():
        model = made.model_of(kind)
        assert model is not None  # KINDS are the two that have one
        as_is = start.get(kind, Start()).as_is
        made = made.with_(**{kind: with_weights(model, version, as_is=as_is)})
        if as_is and kind == "detector":
            made = made.with_(prediction=made.prediction.with_(classes=classes_here(project, version)))
    begun = [version for version in (*chosen.values(), own) if version is not None]
    notes = notes_on_weights(begun, snapshot)
    return made.with_(evaluation=notes) if notes else made


def own_prompter(project: Project, configuration: RoundConfiguration) -> ModelVersion | None:
    """The version that a configuration names as its prompter; None where it names one that everybody knows.

    Raises Invalid where the project has no such version, or the method cannot work with its net.
    """
    named = OWN_PROMPTER.fullmatch(configuration.prompter.name)
    if named is None:
        return None
    method = METHODS[configuration.method]
    found = project.model_versions.filter(kind=ModelVersion.Kind.PROMPTER, pk=int(named[1])).first()
    if found is None:
        words = _("this project has no prompter “{wanted}”; choose another, or add its weights on the page Models")
        raise Invalid(words.format(wanted=named[0]), field="prompter")
    if method.is_whole and found.model not in method.nets:
        words = _("{method} cannot work with {version}, which is a {net}. Choose one of {nets}.")
        named_nets = ", ".join(method.nets)
        raise about_version(
            Invalid, words, found, field="prompter", method=_(method.title), net=found.model, nets=named_nets
        )
    return found


def with_weights(model: Model, version: ModelVersion | None, *, as_is: bool) -> Model:
    """The model with the weights of a version, or with those that come with Boxwise. Raises Invalid."""
    if version is not None:
        if version.model != model.name and not as_is:
            words = _(
                "{version} is a {theirs}, and this preset trains a {ours}. Train on from a version of the same "
                "architecture, choose another preset, or use it as it is."
            )
            raise about_version(Invalid, words, version, field="start", theirs=version.model, ours=model.name)
        model = model.with_(name=version.model, start_from=version.artifact_id)
    elif as_is and model.name not in SHIPPED:
        words = _(
            "No weights of a {name} come with Boxwise to be used as they are. Choose a version of this "
            "project, or train."
        )
        raise Invalid(words.format(name=model.name), field="start")
    if as_is:
        kept = {name: value for name, value in model.given().items() if name in ("name", "preset", "start_from")}
        return Model(**kept, as_is=True)
    return model


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
    names = [c.name.casefold() for c in project.classes.in_use()]
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


def notes_on_weights(versions: Collection[ModelVersion], snapshot: Snapshot) -> Beginnings | None:
    """What stands beside figures of a round that began with these: kinds that somebody imported, or that descend from
    such, and images that judge and that taught one of them or its forebears; None for nothing."""
    notes: dict[str, Any] = {}
    elsewhere = [v.kind for v in versions if any(one.origin == ModelVersion.Origin.IMPORTED for one in lineage(v))]
    if elsewhere:
        notes["elsewhere"] = tuple(elsewhere)
    ancestors = chain.from_iterable(map(lineage, versions))
    teachers = {version.snapshot for version in ancestors if version.snapshot is not None}
    if teachers:
        judging = {i.image for i in snapshot.document().images if i.split != "train"}
        if seen := judging & set().union(*map(taught_by, teachers)):
            notes["seen"] = tuple(sorted(seen))
    return Beginnings(**notes) if notes else None


def taught_by(snapshot: Snapshot) -> set[int]:
    """The images whose annotation trains what learns from the snapshot."""
    return {i.image for i in snapshot.document().images if i.teaches}
