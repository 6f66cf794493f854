"""Masks from a reader's own boxes: asked for when the first sitting of an arm is done, shown in the second.

The machine is the app's own: a job that proposes cells on the sheet (rounds/proposing), with models that are fixed in
the frozen protocol. Of what it proposes, only the masks that a box of the reader prompted are shown.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import cast

from django.utils.translation import gettext as _

from inference.documents.base import JsonObject
from inference.documents.configuration import RoundConfiguration
from inference.documents.proposing import ProposalChoice, ProposalRequest, ProposedFacts
from labeling.annotations.models import Layer
from labeling.errors import Invalid, WrongState
from labeling.jobs.models import Job, JobItem
from labeling.jobs.services import NewItem, create_job
from labeling.projects.models import Project
from labeling.rounds.models import Publication
from labeling.rounds.proposing.choices import SHIPPED_SCALE, configuration_of, described
from labeling.rounds.weights.starting import SHIPPED
from labeling.studies.models import Item, Study

MODELS = ("detector", "segmenter")


@dataclass(frozen=True)
class Making:
    """How far the masks of one item's boxes are. layer: once they are there; seconds: of the machine alone."""

    layer: Layer | None = None
    seconds: float | None = None
    failed: str = ""


def model_names() -> list[str]:
    """The models that make the masks, as the protocol names them: their training data are not in any project here."""
    return [described(kind, None).name for kind in MODELS]


def decline_without_models() -> None:
    """Raises Invalid where this copy of Boxwise came without weights."""
    for name, sha256 in _weights().items():
        if not sha256:
            raise Invalid(
                _("no weights of “{name}” came with this server, so it makes no masks from boxes").format(name=name),
                field="arms",
            )


def frozen_models(project: Project) -> JsonObject:
    """What makes the masks, for the protocol: every parameter, and the hash of each file of weights."""
    configuration = configuration_of(project, dict.fromkeys(MODELS), "auto")
    return {"configuration": configuration.as_json(), "weights": _weights(), "names": list(model_names())}


@cache  # hashing them takes a second, and they change only with the program
def _weights() -> JsonObject:
    """Architecture -> SHA-256 of the file that makes masks on this server, "" where there is none."""
    found: JsonObject = {}
    folder = files("inference").joinpath("weights")
    for name in SHIPPED:
        file = folder.joinpath(f"{name}.safetensors")
        found[name] = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""
    return found


def ask_for_masks(item: Item) -> Job:
    """Let the workers make masks from the boxes on a finished sheet, as the protocol has fixed.

    Asked for twice, they are made twice, and the later ones are shown. Raises WrongState where this server has other
    models than the protocol, TooManyJobs.
    """
    if weights_have_changed(item.participant.study):
        raise WrongState(
            _("this server has other weights than those that the protocol fixed; install that version of Boxwise again")
        )
    assert item.sheet is not None
    image = item.sheet.images.get()
    own = configuration_of(item.sheet, dict.fromkeys(MODELS), "auto")
    fixed = _fixed(item.participant.study)
    configuration = RoundConfiguration.stored(cast(JsonObject, fixed["configuration"]))
    prediction = configuration.prediction.with_(classes=own.prediction.classes)  # the sheet's classes have other keys
    request = ProposalRequest(
        images=(image.pk,),
        detector=described("detector", None),
        segmenter=described("segmenter", None),
        configuration=configuration.with_(prediction=prediction),
        scale=SHIPPED_SCALE,
        classes=tuple(item.sheet.classes.order_by("position").values_list("pk", flat=True)),
        blinded=False,  # the sheet's only layer is this reader's own
    ).as_json()
    work = NewItem(image.name, image.width * image.height, choice=ProposalChoice(image=image.pk).as_json())
    user = item.participant.user
    return create_job(kind=Job.Kind.PROPOSE, project=item.sheet, owner=user, request=request, items=[work], queue="cpu")


def _fixed(study: Study) -> JsonObject:
    protocol = study.protocol or {}
    fixed: JsonObject = protocol["mask_models"]
    return fixed


def weights_have_changed(study: Study) -> bool:
    """Whether the files of weights on this server are others than those that the protocol fixed."""
    return _fixed(study)["weights"] != _weights()


def first_sitting_of(item: Item) -> Item:
    """The item in which the boxes of this second sitting were drawn."""
    same = Item.objects.filter(participant=item.participant_id, field=item.field_id, arm=item.arm_id)
    return same.select_related("sheet").get(part=Item.Part.BOXES)


def making_of(boxes: Item) -> Making:
    """How far the masks of a first sitting's boxes are."""
    if boxes.sheet_id is None:
        return Making()
    published = Publication.objects.filter(image__project=boxes.sheet_id, job__isnull=False).order_by("-pk").first()
    if published is not None:
        done = JobItem.objects.filter(job=published.job_id).first()
        facts = ProposedFacts.stored(cast(JsonObject, done.facts)) if done is not None else ProposedFacts()
        return Making(layer=published.layer, seconds=float(facts.seconds))
    newest = Job.objects.filter(project=boxes.sheet_id, kind=Job.Kind.PROPOSE).order_by("-pk").first()
    if newest is None:
        return Making(failed=_("it was never asked for"))
    if newest.is_active:
        return Making()
    declined = newest.items.exclude(state=JobItem.State.DONE).first()
    return Making(failed=newest.error or (declined.error if declined is not None else "") or _("it ended early"))


def unmade(study: Study) -> list[Item]:
    """First sittings whose masks could not be made, for the coordinator."""
    finished = Item.objects.filter(participant__study=study, part=Item.Part.BOXES, state=Item.State.DONE)
    made = Publication.objects.filter(job__isnull=False).values("image__project")
    left = finished.filter(participant__withdrawn_at__isnull=True).exclude(sheet__in=made)
    found = left.select_related("sheet", "participant")
    return [item for item in found if making_of(item).failed]
