"""Which proposals a reader has in sight, written down with the reading: when it begins and when it is finished.

Assignments stand below rounds and know nothing of them, so a reading is completed here.
"""

from typing import Any

from django.dispatch import receiver

from labeling.assignments.models import Reading
from labeling.assignments.records import reading_changed
from labeling.images.models import Image
from labeling.rounds.weights.promotion import current_publications


@receiver(reading_changed, dispatch_uid="labeling.rounds.results.shown_proposals.reading_changed")
def write_down_proposals(sender: Any, reading: Reading, **_more: Any) -> None:
    """In the transaction that begins or finishes the reading: what came into sight while it was open is added."""
    item = reading.item
    if item.is_blind and not item.project.workflow.shows_proposals:
        return
    shown = current_publications(Image.objects.filter(pk=item.image_id)).select_related("round").first()
    if shown is None or any(one["publication"] == str(shown.pk) for one in reading.proposals):
        return
    number = shown.round.number if shown.round is not None else 0  # what a job proposed is round 0
    entry = {"publication": str(shown.pk), "round": number, "models": shown.model_names}
    reading.proposals = [*reading.proposals, entry]
    reading.save(update_fields=["proposals"])
