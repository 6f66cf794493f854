"""The receipt of a deletion, as plain text that a reader keeps."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from labeling.studies.models import Participant, Removal

# Kind of row in Removal.counts -> its name for people, in the order of the receipt.
KINDS = {
    "activity_batches": gettext_noop("batches of activity"),
    "activity_events": gettext_noop("events of pointer, keys and page in them"),
    "operations": gettext_noop("operations of the log"),
    "effects": gettext_noop("changes of cells in them"),
    "annotations": gettext_noop("cells and regions"),
    "layers": gettext_noop("layers that held them"),
    "sittings": gettext_noop("sittings"),
    "items_with_times": gettext_noop("fields whose times were cleared"),
}


def lines_of(removal: Removal) -> list[str]:
    """How many rows of each kind were deleted."""
    counts = removal.counts if isinstance(removal.counts, dict) else {}
    return [f"{counts.get(kind, 0)} {_(words)}" for kind, words in KINDS.items()]


def receipt(participant: Participant) -> str:
    """Every deletion of this participant's raw data: when, why, what."""
    study = participant.study
    lines = [
        _("Receipt: raw data deleted"),
        _("Study: {title}").format(title=study.public_title),
        _("Ethics reference: {reference}").format(reference=study.ethics_reference),
        _("Reader: {pseudonym}").format(pseudonym=participant.pseudonym),
    ]
    for removal in participant.removals.all():
        lines += ["", f"{removal.at:%Y-%m-%d %H:%M:%S} UTC: {_(removal.get_cause_display())}"]
        lines += [f"  {line}" for line in lines_of(removal)]
    lines += [
        "",
        _("What stays: that the reader took part, which fields were planned for them, and this receipt."),
        _("Copies in backups and in bundles that were downloaded before are not reached by this deletion."),
    ]
    return "\n".join(lines) + "\n"
