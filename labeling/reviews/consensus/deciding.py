"""A third person decides where readings differ, not knowing who drew which; and the decided ones become a reference."""

import re
from collections.abc import Sequence

import numpy as np
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from inference.masks import labels_of, unpack
from inference.types import BoxMask
from labeling.accounts.models import User
from labeling.annotations.blinding import ALL_CLOSED
from labeling.annotations.models import Annotation
from labeling.annotations.state import state_of
from labeling.assignments.errors import OwnWork
from labeling.assignments.models import Reading
from labeling.assignments.states import TAKES_A_PLACE
from labeling.errors import Invalid, WrongState
from labeling.images.label_maps import LabelMap
from labeling.images.models import Image, Split
from labeling.projects.models import Project
from labeling.reviews.consensus.making import (
    checked_state,
    closed_item,
    decline_locked,
    layers_read,
    rebuild,
    rows_of,
    sides_of,
)
from labeling.reviews.models import Consensus, Disagreement
from labeling.rounds.models import ReferenceSet
from labeling.rounds.reference import lock
from labeling.rounds.reference_masks import set_reference

Decision = Disagreement.Decision
MOST_CELLS = 10  # of one edited place
FURTHER_SIDE = re.compile(r"side ([1-9][0-9]?)", re.ASCII)
MADE_ANEW = gettext_noop("the consensus was made anew meanwhile; open it again")


class NothingDecided(WrongState):
    """No image has closed readings and a consensus of which every place is decided."""

    code = "nothing_decided"


def decline_reader(image: Image, by: User) -> None:
    """Raises OwnWork for a reader of the image, unless the workflow lets people review their own work."""
    item = image.work_item
    mine = Reading.objects.filter(item=item, reader=by, state__in=TAKES_A_PLACE)
    if mine.exists() and not image.project.workflow.reviews_own_work:
        raise OwnWork(_("you have read this image yourself; somebody else decides where its readings differ"))


@transaction.atomic
def decide(*, disagreement: int, by: User, decision: str, cells: Sequence[dict[str, object]] = ()) -> Disagreement:
    """What stands at a place: the left side, the right one, both, neither, these cells (decision "edited"), or the cell
    of a further side ("side 3" and on).

    A decision can be changed until the consensus is locked. With the last open place the layer is brought up to date.
    Raises OwnWork, ReadingsOpen, ConsensusLocked, Archived, Invalid, WrongState for a place that is there no more.
    """
    row = Disagreement.objects.filter(pk=disagreement).first()
    if row is None:
        raise WrongState(_(MADE_ANEW))
    made = Consensus.objects.select_for_update().get(pk=row.consensus_id)
    made.image.project.decline_if_archived()
    decline_locked(made)
    decline_reader(made.image, by)
    closed_item(made.image)
    one = Disagreement.objects.filter(pk=disagreement).first()
    if one is None:
        raise WrongState(_(MADE_ANEW))
    side = FURTHER_SIDE.fullmatch(decision)
    if side is not None:
        decision, cells = Decision.EDITED, [_cell_of_side(one, int(side[1]))]
    one.cells = _checked(one, made.image, decision, cells)
    one.decision, one.decided_by, one.decided_at = decision, by, timezone.now()
    one.save(update_fields=["cells", "decision", "decided_by", "decided_at"])
    if not made.disagreements.filter(decision=Decision.OPEN).exists():
        rebuild(made)
    return one


def _checked(
    one: Disagreement, image: Image, decision: str, cells: Sequence[dict[str, object]]
) -> list[dict[str, object]]:
    if decision not in Decision.values or decision == Decision.OPEN:
        raise Invalid(_("decide for left, right, both, neither or edited"), field="take")
    if decision != Decision.EDITED:
        return []
    if not 1 <= len(cells) <= MOST_CELLS:
        raise Invalid(_("an edited place has 1 to {n} cells").format(n=MOST_CELLS), field="cells")
    for sent in cells:
        checked_state(sent, image)
    return list(cells)


def _cell_of_side(one: Disagreement, number: int) -> dict[str, object]:
    """The cell of a side, as an edited one. number: from 1. Raises Invalid for a side that is not there."""
    sides = sides_of(one)
    uid = sides[number - 1] if number <= len(sides) else None
    row = rows_of(layers_read(one.consensus)).get(uid or "")
    state = state_of(row) if row is not None else None
    if state is None:
        raise Invalid(_("this place has no such side"), field="take")
    return dict(state.as_json())


def is_decided(made: Consensus) -> bool:
    return not made.disagreements.filter(decision=Decision.OPEN).exists()


@transaction.atomic
def lock_as_reference(*, project: Project, by: User) -> ReferenceSet:
    """Make the decided consensuses outside training the reference masks of their images, and lock the set of them. An
    image that is deleted, or whose readings were opened again, is left out.

    How they were made stands in the note of the set: readers, method, decisions by a person, proposals in sight.
    Raises NothingDecided, Archived.
    """
    Project.objects.for_change(project.pk)
    present = Consensus.objects.filter(image__project=project, image__deleted_at__isnull=True)
    closed = present.filter(image__work_item__state__in=ALL_CLOSED)
    candidates = closed.filter(locked_in=None).exclude(image__split=Split.TRAIN)
    chosen = [made for made in candidates.select_related("image", "layer") if is_decided(made)]
    if not chosen:
        raise NothingDecided(
            _("no image for validation or test has closed readings and a consensus of which every place is decided")
        )
    for made in chosen:
        set_reference(image=made.image, content=label_map(made), name="consensus.png", replace=True)
    readers = min(len(made.readings) for made in chosen)
    found = lock(project=project, by=by, origin=ReferenceSet.Origin.CONSENSUS, readers=readers, note=note_of(chosen))
    Consensus.objects.filter(pk__in=[made.pk for made in chosen]).update(locked_in=found)
    return found


def label_map(made: Consensus) -> bytes:
    """The cells as a 16-bit PNG of the image's size."""
    masks = _masks(made)
    labels = labels_of(masks, made.image.width, made.image.height)
    return LabelMap(labels.astype(np.uint16), len(masks)).as_png()


def _masks(made: Consensus) -> list[tuple[int, BoxMask]]:
    """Number -> pixels of each cell; a cell that is a box has none and is left out."""
    rows = made.layer.annotations.filter(kind=Annotation.Kind.CELL, mask_bits__isnull=False).order_by("pk")
    masks = []
    for number, row in enumerate(rows, start=1):
        state = state_of(row)
        assert state is not None and state.mask is not None  # the query asks for masks
        packed = state.mask
        masks.append((number, BoxMask(packed.x, packed.y, unpack(packed.bits, packed.width, packed.height))))
    return masks


def note_of(chosen: Sequence[Consensus]) -> str:
    """How a reference was made, in one line."""
    methods = sorted({f"{one.parameters['shapes']}/{one.parameters['classes']}" for one in chosen})
    decided = Disagreement.objects.filter(consensus__in=chosen).count()
    readings = Reading.objects.filter(item__image__consensus__in=chosen, state__in=TAKES_A_PLACE)
    has_proposals = any(reading.proposals for reading in readings)
    blind = all(reading.is_blind for reading in readings)
    parts = [
        f"consensus of {len(chosen)} images",
        ", ".join(methods),
        f"{decided} places decided by a person",
        "blind readings" if blind else "readings not blinded",
        "proposals in sight" if has_proposals else "no proposals in sight",
    ]
    return "; ".join(parts)
