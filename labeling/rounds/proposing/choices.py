"""With which models a project can propose cells now: what comes with Boxwise, and its own versions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from django.utils.translation import gettext as _

from inference.documents.configuration import RoundConfiguration
from inference.documents.methods import METHODS
from inference.documents.proposing import ProposingModel, Scale
from labeling.projects.models import Project
from labeling.rounds.configuration import PRESETS
from labeling.rounds.models import ModelVersion, Round
from labeling.rounds.weights.promotion import SHIPPED_LICENCE, models_of
from labeling.rounds.weights.starting import (
    FROM_SHIPPED,
    KINDS,
    NOT_STATED,
    SHIPPED,
    Start,
    classes_here,
    lineage,
    version_of,
    with_weights,
)

# 20x to 40x: their training saw nuclei of dsb2018 and TNBC magnified by 0.6 to 1.7 (inference/weights/*.md).
SHIPPED_SCALE = Scale(least=0.25, most=0.5)
SAME_SCALE = 1.05  # a scale that differs by less is taken as it is
COARSEST, FINEST = 8.0, 1 / 8  # times that an image may be coarser, or finer, than what models expect


Versions = Mapping[str, ModelVersion | None]


@dataclass(frozen=True)
class Models:
    """A detector and a segmenter that propose together, or one method that was trained as a whole.

    key         "shipped", or "round:ID" of the round whose models they are
    versions    kind -> the version, None for what comes with Boxwise; the kinds are KINDS, or "method" alone
    learned_from  a sentence
    """

    key: str
    name: str
    versions: Versions
    learned_from: str

    @property
    def scale(self) -> Scale:
        return scale_of(finder(self.versions))

    @property
    def licences(self) -> list[str]:
        """Of the data that they and their forebears learned from, each once."""
        return list(dict.fromkeys(chain.from_iterable(map(licences, self.versions.values()))))

    @property
    def elsewhere(self) -> bool:
        return any(map(is_from_elsewhere, self.versions.values()))

    @property
    def named(self) -> dict[str, str]:
        """kind -> "shipped" or the key of the version, as a request names them."""
        return {kind: FROM_SHIPPED if one is None else str(one.pk) for kind, one in self.versions.items()}


def choices(project: Project) -> list[Models]:
    """What comes with Boxwise first, then the models of finished rounds, the newest first, then what was brought
    along."""
    found = [shipped_models()]
    for round_ in project.rounds.filter(state=Round.State.PUBLISHED).order_by("-number"):
        versions: Versions = {version.kind: version for version in models_of(round_)}
        if set(versions) == kinds_of(round_.parameters):
            name = _named_round(round_)
            found.append(Models(f"round:{round_.pk}", name, versions, _of_round(round_)))
    imported = project.model_versions.filter(origin=ModelVersion.Origin.IMPORTED, kind__in=KINDS)
    imported = imported.select_related("source", "artifact")
    for version in imported.order_by("-pk"):
        name = _("{version}, imported").format(version=_named(version))
        words = _("learned elsewhere: nobody here can say from what")
        with_shipped: Versions = dict.fromkeys(KINDS) | {version.kind: version}
        found.append(Models(f"version:{version.pk}", name, with_shipped, words))
    return found


def shipped_models() -> Models:
    words = _("7,168 nuclei of H&E images, of the public sets dsb2018 (stained tissue) and TNBC")
    return Models(FROM_SHIPPED, _("The models that come with Boxwise"), dict.fromkeys(KINDS), words)


def kinds_of(configuration: RoundConfiguration) -> set[str]:
    """The kinds of the models that a round needs to look at images."""
    return {"method"} if configuration.is_whole else set(KINDS)


def finder(versions: Versions) -> ModelVersion | None:
    """The version that finds the cells: what it misses is proposed by nobody. None for what comes with Boxwise."""
    return versions["method"] if "method" in versions else versions["detector"]


def _named_round(round_: Round) -> str:
    """ "Models of round 3", with the method where it is one that is trained as a whole."""
    words = _("Models of round {n}").format(n=round_.number)
    return f"{words}, {_(METHODS[round_.parameters.method].title)}" if round_.parameters.is_whole else words


def _of_round(round_: Round) -> str:
    counts = round_.snapshot.counts.splits.get("train")
    if counts is None:
        return ""
    words = _("{cells} cells of {images} training images of this project")
    return words.format(cells=counts.cells, images=counts.annotated)


def _named(version: ModelVersion) -> str:
    return f"{_(version.get_kind_display())} {version.number}"


def licences(version: ModelVersion | None) -> list[str]:
    """Of the data that a version and its forebears learned from, each once."""
    if version is None:
        return [SHIPPED_LICENCE]
    found = [one.data_licence or _(NOT_STATED) for one in lineage(version)]
    if list(lineage(version))[-1].origin == ModelVersion.Origin.TRAINED:
        found.append(SHIPPED_LICENCE)  # what a training without another start begins with
    return list(dict.fromkeys(found))


def is_from_elsewhere(version: ModelVersion | None) -> bool:
    """Whether a version, or what it was trained on from, was brought along."""
    return version is not None and any(one.origin == ModelVersion.Origin.IMPORTED for one in lineage(version))


def scale_of(found: ModelVersion | None) -> Scale:
    """The µm per pixel that the version which finds the cells expects."""
    if found is None or found.origin == ModelVersion.Origin.SHIPPED:
        return SHIPPED_SCALE
    for version in lineage(found):
        if version.snapshot is not None:
            scale = version.snapshot.counts.um_per_px
            return Scale(least=scale, most=scale) if scale else Scale()
    return Scale()


def chosen_models(project: Project, wanted: Mapping[str, str]) -> Versions:
    """The versions that are meant. wanted: kind -> "shipped" or the key of a version of the project; `method` alone
    where one is named. Raises Invalid."""
    kinds = ("method",) if wanted.get("method") else KINDS
    return {kind: version_of(project, kind, Start(wanted[kind], as_is=True)) for kind in kinds}


def configuration_of(project: Project, versions: Versions, device: str) -> RoundConfiguration:
    """Every parameter of the proposing: of the round that made what finds the cells, or of the preset "quick". Raises
    Invalid."""
    found = finder(versions)
    base = PRESETS["quick"]
    if found is not None and found.round is not None:
        base = found.round.parameters
    made = base.with_(device=device, evaluation=None)
    made = made.with_(prediction=made.prediction.with_(classes=classes_here(project, found)))
    if "method" in versions:
        return made
    for kind in KINDS:
        model = made.model_of(kind)
        assert model is not None  # KINDS are the two that have one
        version = versions[kind]
        if version is None and model.name not in SHIPPED:
            model = PRESETS["quick"].model_of(kind)
            assert model is not None
        made = made.with_(**{kind: with_weights(model, version, as_is=True)})
    return made


def described(kind: str, version: ModelVersion | None) -> ProposingModel:
    """What a job keeps of a model."""
    if version is None:
        name = f"{kind} that came with Boxwise"
        return ProposingModel(name=name, licence=SHIPPED_LICENCE)
    return ProposingModel(
        version=version.pk,
        name=f"{version} ({version.get_origin_display()})",
        artifact=version.artifact_id,
        licence="; ".join(licences(version)),
        elsewhere=is_from_elsewhere(version),
    )


def target_scale(own: float | None, scale: Scale) -> float | None:
    """The µm per pixel to which an image is resampled; None where it is looked at in its own pixels.

    own  of the image; None where nobody has stated it
    """
    if own is None or scale.least is None or scale.most is None:
        return None
    nearest = min(max(own, scale.least), scale.most)
    return None if 1 / SAME_SCALE <= nearest / own <= SAME_SCALE else nearest


def is_too_far(own: float | None, scale: Scale) -> bool:
    """Whether an image is so much finer or coarser than what models expect that resampling it would be a guess."""
    target = target_scale(own, scale)
    return target is not None and own is not None and not FINEST <= target / own <= COARSEST


def scale_words(scale: Scale) -> str:
    """ "0.25 to 0.5 µm per pixel"."""
    if scale.least is None or scale.most is None:
        return _("the scale that they expect is not known")
    if scale.least == scale.most:
        return _("{scale:g} µm per pixel").format(scale=scale.least)
    return _("{least:g} to {most:g} µm per pixel").format(least=scale.least, most=scale.most)


def scale_warning(scales: Sequence[float | None], scale: Scale) -> str:
    """What somebody should know before models look at images of these µm per pixel; "" for nothing."""
    if scale.least is None:
        return _("Nobody knows the scale that these models expect, so the images are looked at in their own pixels.")
    unknown = sum(own is None for own in scales)
    if unknown:
        words = _(
            "{n} of {all} images do not say their scale. They are looked at in their own pixels, and cells of another "
            "size than the models expect are missed. State µm per pixel in Settings, Images."
        )
        return words.format(n=unknown, all=len(scales))
    far = sum(is_too_far(own, scale) for own in scales)
    if far:
        words = _("{n} of {all} images are too far from that scale and are left out.")
        return words.format(n=far, all=len(scales))
    other = sum(target_scale(own, scale) is not None for own in scales)
    if other:
        return _("{n} of {all} images have another scale and are resampled to it.").format(n=other, all=len(scales))
    return ""
