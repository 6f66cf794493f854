"""What can be done with a study, in its order: plan (drafts.py), freeze (freezing.py), read item by item (path.py),
amend (amending.py), withdraw (removal.py), lock."""

from django.db import transaction
from django.utils import timezone

from labeling.projects.models import Membership
from labeling.studies import limits
from labeling.studies.amending import amend, effective, exclude, retention_of
from labeling.studies.drafts import (
    HALVES,
    choose_fields,
    copy_study,
    create_study,
    delete_draft,
    draft_study,
    edit_draft,
    enrol,
    preview,
    redraw,
    remove_reader,
)
from labeling.studies.freezing import NEEDED, TOOLS_OF_THE_APP, freeze, hash_of
from labeling.studies.interim_looks import open_interim_results
from labeling.studies.models import Sitting, Strata, Study
from labeling.studies.path import (
    OutOfOrder,
    agree_to_retention,
    complete,
    consent,
    decline,
    next_item,
    open_item,
    pause,
)
from labeling.studies.removal import withdraw

__all__ = [
    "HALVES",
    "MAY_BE_AMENDED",
    "NEEDED",
    "TOOLS_OF_THE_APP",
    "OutOfOrder",
    "Strata",
    "agree_to_retention",
    "amend",
    "choose_fields",
    "complete",
    "consent",
    "copy_study",
    "create_study",
    "decline",
    "delete_draft",
    "draft_study",
    "edit_draft",
    "effective",
    "enrol",
    "exclude",
    "freeze",
    "hash_of",
    "lock",
    "next_item",
    "open_interim_results",
    "open_item",
    "pause",
    "preview",
    "redraw",
    "remove_reader",
    "retention_of",
    "withdraw",
]

MAY_BE_AMENDED = frozenset(limits.AMENDABLE)


@transaction.atomic
def lock(*, study: Study) -> Study:
    """No reading after this; what is open is closed. Raises WrongState."""
    study = Study.objects.select_for_update().get(pk=study.pk)
    study.move_to(Study.State.LOCKED)
    list(study.participants.select_for_update())  # whoever saves work at this moment has been first, or is refused
    study.locked_at = timezone.now()
    study.save()
    Sitting.objects.filter(item__participant__study=study, ended_at__isnull=True).update(
        ended_at=study.locked_at, end="lost"
    )
    Membership.objects.filter(project__study_item__participant__study=study).delete()
    return study
