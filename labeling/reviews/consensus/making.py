"""Making the consensus of an image, from its closed readings and from what somebody has decided where they differ.

It can be made anew at any time: readings stay as they are, and a decision stays where the readings have not changed.
"""

import hashlib
import random
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from inference.agreement.consensus import Agreed, Differing, Method, Outcome, consensus
from inference.agreement.readings import Matching
from inference.agreement.shapes import MissingLibrary
from inference.masks import pack
from inference.types import InferenceError
from labeling.accounts.models import User
from labeling.annotations.contract import StateIn
from labeling.annotations.models import Annotation, Layer
from labeling.annotations.services import Loaded, load_layer
from labeling.annotations.state import AnnotationState, PackedMask, check_state, state_of
from labeling.errors import WrongState
from labeling.images.models import Image
from labeling.jobs.handlers import Result, Tell, handles
from labeling.jobs.models import Job
from labeling.jobs.services import create_job
from labeling.projects.classes import current_classes
from labeling.reviews.agreement.readings import ReadItem, closed_items, read_images
from labeling.reviews.models import Consensus, Disagreement

NAMES = uuid.UUID("7a1c7d1e-5a35-4d0f-9a4e-0f3f9f6f2b11")  # uids of consensus cells are made from what they stand for
Decision = Disagreement.Decision


class ReadingsOpen(WrongState):
    """Not all readings of the image are closed, or there are fewer than two."""

    code = "readings_open"


class ConsensusLocked(WrongState):
    """The consensus is part of a locked reference set."""

    code = "consensus_locked"


@dataclass(frozen=True)
class Parameters:
    """How a consensus is made: when cells are one, and how outlines and classes are decided from three readings on."""

    matching: Matching
    method: Method

    def as_json(self) -> dict[str, object]:
        return {**asdict(self.matching), **asdict(self.method)}

    @classmethod
    def from_json(cls, stored: dict[str, object]) -> "Parameters":
        given = dict(stored)
        matching = Matching(
            str(given["by"]),
            float(str(given["iou"])),
            float(str(given["um"])),
        )
        return cls(matching, Method(str(given["shapes"]), str(given["classes"])))


def ask_for_consensus(*, image: Image, by: User, parameters: Parameters) -> Job:
    """A job that makes it. Raises ReadingsOpen, ConsensusLocked, Archived, TooManyJobs."""
    image.project.decline_if_archived()
    closed_item(image)
    decline_locked(Consensus.objects.filter(image=image).first())
    request = parameters.as_json() | {"image": image.pk}
    return create_job(kind=Job.Kind.CONSENSUS, project=image.project, owner=by, request=request)


@handles(Job.Kind.CONSENSUS)
def do_consensus(job: Job, folder: Path, tell: Tell) -> Result:
    """The consensus of one image. An image that was deleted meanwhile has none."""
    image = Image.objects.filter(pk=job.request["image"]).select_related("project").first()
    if image is None:
        return Result(facts={"agreed": 0, "differing": 0})
    tell(0, 1)
    try:
        made = make_consensus(image=image, by=job.owner, parameters=Parameters.from_json(job.request))
    except MissingLibrary as error:
        raise InferenceError(str(error)) from error
    differing = made.disagreements.count()
    return Result(facts={"agreed": made.layer.annotations.count(), "differing": differing})


def closed_item(image: Image) -> ReadItem:
    """The readings of an image, all closed. Raises ReadingsOpen."""
    for one in closed_items(image.project, image):
        return one
    raise ReadingsOpen(_("a consensus needs two readings of the image on layers of their own, all of them closed"))


def decline_locked(made: Consensus | None) -> None:
    """Raises ConsensusLocked."""
    if made is not None and made.locked_in_id is not None:
        raise ConsensusLocked(_("this consensus is in a locked reference set, so it stays as it is"))


@transaction.atomic
def make_consensus(*, image: Image, by: User, parameters: Parameters) -> Consensus:
    """Make it, or make it anew. Decisions stay where the readings have the same cells as before.

    Raises ReadingsOpen, ConsensusLocked, MissingLibrary.
    """
    Image.objects.select_for_update().get(pk=image.pk)  # two at once: the second one finds what the first has made
    old = Consensus.objects.filter(image=image).first()
    decline_locked(old)
    found = closed_item(image)
    layers = [found.layers.get(reading.reader_id) for reading in found.readings]
    (read,) = read_images(image.project, [found])
    outcome = consensus(read, parameters.matching, parameters.method)
    uids = [[cell.uid for cell in reading.cells] for reading in read.readings]
    rows = rows_of([layer for layer in layers if layer is not None])
    decided = {one.key: one for one in old.disagreements.exclude(decision=Decision.OPEN)} if old else {}
    layer = load_layer(image=image, kind=Layer.Kind.CONSENSUS, loaded=())
    values = {
        "layer": layer,
        "parameters": parameters.as_json(),
        "readings": [_reading(one) for one in layers],
        "made_by": by,
        "made_at": timezone.now(),
    }
    made, _created = Consensus.objects.update_or_create(image=image, defaults=values)
    made.disagreements.all().delete()
    Disagreement.objects.bulk_create(_disagreements(made, outcome, uids, rows, decided))
    _load(made, outcome, uids)
    return made


def rebuild(made: Consensus) -> None:
    """Bring the layer up to date with the decisions. The caller holds the row of the consensus."""
    found = closed_item(made.image)
    (read,) = read_images(made.image.project, [found])
    parameters = Parameters.from_json(made.parameters)
    outcome = consensus(read, parameters.matching, parameters.method)
    uids = [[cell.uid for cell in reading.cells] for reading in read.readings]
    _load(made, outcome, uids)


def _load(made: Consensus, outcome: Outcome, uids: list[list[str]]) -> None:
    """A new immutable layer in the place of the one before: agreed cells, decided ones, and the readers' regions."""
    image, former = made.image, made.layer
    classes = {name: pk for pk, name in image.project.classes.current().values_list("pk", "name")}
    loaded = [_agreed(one, uids, classes) for one in outcome.agreed]
    rows = rows_of(layers_read(made))
    for one in made.disagreements.all():
        loaded.extend(_decided(one, rows, image))
    loaded.extend(_regions(made))
    made.layer = load_layer(image=image, kind=Layer.Kind.CONSENSUS, loaded=loaded)
    made.save(update_fields=["layer"])
    former.delete()


def layers_read(made: Consensus) -> QuerySet[Layer]:
    """The layers of the readings that a consensus was made from."""
    return Layer.objects.filter(pk__in=[one["layer"] for one in made.readings if one["layer"]])


def rows_of(layers: Iterable[Layer]) -> dict[str, Annotation]:
    """uid -> the cells and regions of these layers as they are now."""
    rows = Annotation.objects.filter(layer__in=layers, deleted=False)
    return {str(row.uid): row for row in rows}


def _reading(layer: Layer | None) -> dict[str, object]:
    if layer is None:
        return {"layer": None, "seq": 0}
    return {"layer": str(layer.pk), "seq": layer.head.seq}


def _members(members: list[int], uids: list[list[str]]) -> list[str | None]:
    """Of each reading the uid of its cell, or None."""
    return [uids[reader][index] if index >= 0 else None for reader, index in enumerate(members)]


def _disagreements(
    made: Consensus,
    outcome: Outcome,
    uids: list[list[str]],
    rows: dict[str, Annotation],
    decided: dict[str, Disagreement],
) -> Iterator[Disagreement]:
    chance = random.SystemRandom()
    for number, place in enumerate(outcome.differing, start=1):
        members = _members(place.members, uids)
        key = key_of(members, rows)
        one = _disagreement(made, number, key, place, members)
        one.is_flipped = chance.random() < 0.5
        before = decided.get(key)
        if before is not None:
            one.is_flipped, one.decision, one.cells = before.is_flipped, before.decision, before.cells
            one.decided_by, one.decided_at = before.decided_by, before.decided_at
        yield one


def _disagreement(made: Consensus, number: int, key: str, place: Differing, members: list[str | None]) -> Disagreement:
    x0, y0, x1, y1 = place.box
    return Disagreement(
        consensus=made, number=number, key=key, kind=place.kind, x0=x0, y0=y0, x1=x1, y1=y1, members=members
    )


def key_of(members: Sequence[str | None], rows: dict[str, Annotation]) -> str:
    """Hash of the cells that the readings have at a place, each with its version."""
    parts = [f"{uid}:{rows[uid].version}" if uid else "-" for uid in members]
    return hashlib.sha256("|".join(parts).encode()).hexdigest()


def _agreed(one: Agreed, uids: list[list[str]], classes: dict[str, int]) -> Loaded:
    packed = None
    if one.mask is not None:
        height, width = one.mask.bits.shape
        packed = PackedMask(
            one.mask.x,
            one.mask.y,
            width,
            height,
            pack(one.mask.bits),
        )
    label_class = classes[one.label] if one.label is not None else None
    state = AnnotationState("cell", "confirmed", one.box, label_class=label_class, mask=packed)
    return Loaded(uuid.uuid5(NAMES, str(_members(one.members, uids))), state)


def _decided(one: Disagreement, rows: dict[str, Annotation], image: Image) -> Iterator[Loaded]:
    """The cells that a decision puts into the consensus."""
    for number, state in enumerate(states_of(one, rows, image)):
        yield Loaded(uuid.uuid5(NAMES, f"{one.key}:{number}"), state)


def states_of(one: Disagreement, rows: dict[str, Annotation], image: Image) -> list[AnnotationState]:
    if one.decision == Decision.EDITED:
        return [checked_state(sent, image) for sent in one.cells]
    sides = sides_of(one)
    chosen = {
        Decision.LEFT: sides[:1],
        Decision.RIGHT: sides[1:2],
        Decision.BOTH: sides,
    }.get(Decision(one.decision), [])
    states = []
    for uid in chosen:
        state = state_of(rows[uid]) if uid and uid in rows else None
        if state is not None:
            states.append(AnnotationState("cell", "confirmed", state.box, state.label_class, state.mask))
    return states


def checked_state(sent: dict[str, object], image: Image) -> AnnotationState:
    """A cell as somebody has edited it. Raises Invalid."""
    classes = current_classes(image.project_id)
    stated = StateIn.model_validate(sent, strict=False)
    return check_state(
        stated,
        width=image.width,
        height=image.height,
        classes=classes,
        attributes=image.project.declared_attributes,
    )


def sides_of(one: Disagreement) -> list[str | None]:
    """What stands beside each other, the left one first: of two readings the cell of each, or None for no cell; of more
    readings one cell for each class, or a cell and none."""
    members = list(one.members)
    if len(members) > 2:
        members = _different(one, members)
    return members[::-1] if one.is_flipped else members


def _different(one: Disagreement, members: list[str | None]) -> list[str | None]:
    present = [uid for uid in members if uid]
    return [present[0], None] if one.kind == Disagreement.Kind.MISSING else list(present)


def _regions(made: Consensus) -> Iterator[Loaded]:
    """Regions to ignore of any reader, and fully annotated ones that every reader has marked alike."""
    rows = Annotation.objects.filter(layer__in=layers_read(made), deleted=False, kind=Annotation.Kind.REGION)
    counts: dict[tuple[str, tuple[float, ...]], int] = {}
    for row in rows:
        place = (row.status, (row.x0, row.y0, row.x1, row.y1))
        counts[place] = counts.get(place, 0) + 1
    for (status, box), times in sorted(counts.items()):
        if status == Annotation.Status.IGNORE or times == len(made.readings):
            state = AnnotationState(
                "region",
                status,
                (box[0], box[1], box[2], box[3]),
            )
            yield Loaded(uuid.uuid5(NAMES, f"{status}:{box}"), state)
