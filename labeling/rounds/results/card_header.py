"""The head of a model card, which the Hugging Face Hub reads: what the model is for, and what was measured of it."""

from dataclasses import dataclass

import yaml

from inference.documents.base import JsonObject
from inference.documents.stage_reports import EvaluationFacts
from labeling.rounds.models import Round

TASK: JsonObject = {"type": "image-segmentation", "name": "Instance segmentation of cells"}


@dataclass(frozen=True)
class Measure:
    """One figure. type: the Hub's word for it, or ours where it has none."""

    type: str
    name: str
    value: float

    def as_json(self) -> JsonObject:
        return {"type": self.type, "name": self.name, "value": round(self.value, 4)}


def header(round_: Round, facts: EvaluationFacts) -> str:
    """YAML between two lines of dashes.

    The licence is stated by whoever publishes the model: it hangs on the data that it learned from; the card lists it.
    """
    about: JsonObject = {
        "library_name": "boxwise",
        "pipeline_tag": "image-segmentation",
        "license": "other",
        "license_name": "not-stated",
        "tags": ["boxwise", "instance-segmentation", "pathology", "cells"],
    }
    measures = measures_of(facts)
    if measures:
        about["model-index"] = [_index(round_, measures)]
    return f"---\n{yaml.safe_dump(about, allow_unicode=True, sort_keys=False)}---"


def _index(round_: Round, measures: list[Measure]) -> JsonObject:
    dataset: JsonObject = {
        "type": "private",
        "name": f"{round_.project.name}, held-out images of round {round_.number}",
        "revision": round_.snapshot.sha256,
    }
    result: JsonObject = {"task": dict(TASK), "dataset": dataset, "metrics": [one.as_json() for one in measures]}
    return {"name": f"{round_.project.name}, round {round_.number}", "results": [result]}


def measures_of(facts: EvaluationFacts) -> list[Measure]:
    """What was measured on held-out images; [] where nothing was."""
    found = []
    if facts.box_ap50 is not None:
        found.append(Measure("mean_average_precision", "box AP at IoU 0.5", facts.box_ap50))
    for part, measures in facts.masks.items():
        named = {"dice": measures.dice, "aji": measures.aji, "pq": measures.pq}
        for kind, value in named.items():
            if value is not None:
                found.append(Measure(kind, f"{kind}, {part}", value))
    return found
