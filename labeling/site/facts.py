"""Facts of a stage as people read them: known ones first and in words, sentences whole, groups under their name."""

from dataclasses import dataclass
from typing import Any

from inference.documents.base import Document, JsonObject

# In the order in which they are shown; what is not here follows, by name.
WORDS = {
    "split": "Judged on the split",
    "box_ap50": "Box AP at IoU 0.5",
    "masks": "Masks, mean over images",
    "dice": "Dice",
    "iou": "IoU",
    "aji": "AJI",
    "aji_plus": "AJI+",
    "pq": "PQ",
    "dq": "DQ",
    "sq": "SQ",
    "detection_precision": "Detection precision",
    "detection_recall": "Detection recall",
    "detection_f1": "Detection F1",
    "bf1": "Boundary F1",
    "bf1_tolerance_px": "Boundary F1 tolerance, px",
    "repair": "Per 100 reference cells, as proposed",
    "untouched_cells": "Accepted untouched",
    "edge_cells": "Edge to repair",
    "missed_cells": "Missed",
    "merged_cells": "Merged with another",
    "split_cells": "In several pieces",
    "false_cells": "False",
    "repair_seconds": "To repair, s (keystroke-level model)",
    "reference_cells": "Reference cells",
    "predicted_cells": "Predicted cells",
    "images": "Images",
    "reference_images": "Images with reference masks",
}
SHOWN_ELSEWHERE = ("optimistic",)  # the page has a notice for it


@dataclass(frozen=True)
class Facts:
    sentences: list[str]
    numbers: list[tuple[str, Any]]
    groups: list[tuple[str, "Facts"]]


def facts_of(facts: Document) -> Facts:
    """The numbers, sentences and groups of a document in reading order."""
    return _read(facts.as_json())


def _read(facts: JsonObject) -> Facts:
    order = list(WORDS)
    names = sorted(facts, key=lambda name: (order.index(name) if name in WORDS else len(order), name))
    made = Facts([], [], [])
    for name in names:
        value, words = facts[name], WORDS.get(name, name.replace("_", " "))
        if name in SHOWN_ELSEWHERE:
            continue
        if isinstance(value, dict):
            made.groups.append((words, _read(value)))
        elif isinstance(value, str) and " " in value:
            made.sentences.append(value)
        else:
            made.numbers.append((words, value))
    return made
