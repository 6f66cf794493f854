"""Practice to criterion: further practice fields of an arm are left out once a reader's quality there is reached."""

import numpy as np

from inference.masks import unpack
from labeling.annotations.models import Annotation, Layer
from labeling.annotations.state import state_of
from labeling.studies.models import Item
from labeling.studies.references import reference_of


def skip_further_practice(item: Item) -> list[Item]:
    """Of a practice item that was just finished. -> the practice items of its period that need not be read.

    With the protocol's criterion a reader goes on to the measured items as soon as the Dice of one practice field is
    reached, and after the last practice field in any case. The caller holds the participant's row.
    """
    wanted = item.participant.study.practice_quality
    if wanted is None or not item.training:
        return []
    if item.part == Item.Part.BOXES:
        return []
    if dice_of(item) < wanted:
        return []
    same = item.participant.items.filter(period=item.period, part=item.part)
    further = same.filter(training=True, state=Item.State.PLANNED)
    skipped = list(further)
    further.update(state=Item.State.SKIPPED)
    return skipped


def dice_of(item: Item) -> float:
    """Of the foreground of a finished item against its reference; 0 where nothing was drawn."""
    assert item.sheet is not None
    image = item.sheet.images.get()
    reference = reference_of(item.field) > 0
    drawn = np.zeros((image.height, image.width), bool)
    working = Annotation.objects.filter(layer__image=image, layer__kind=Layer.Kind.WORKING, kind="cell", deleted=False)
    for row in working.filter(status="confirmed", mask_bits__isnull=False):
        state = state_of(row)
        assert state is not None
        mask = state.mask
        assert mask is not None
        bits = unpack(mask.bits, mask.width, mask.height)
        bottom, right = mask.y + mask.height, mask.x + mask.width
        drawn[mask.y : bottom, mask.x : right] |= bits.astype(bool)
    shared = int((drawn & reference).sum())
    total = int(drawn.sum()) + int(reference.sum())
    return 2 * shared / total if total else 0.0
