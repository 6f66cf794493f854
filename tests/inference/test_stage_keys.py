"""Stage keys are hashes of the JSON as it is stored: what they were before documents had types, they are now."""

import pytest

from inference import registry
from inference.documents.configuration import RoundConfiguration
from inference.documents.snapshot import Snapshot, digest
from inference.fusion import certificate
from inference.pipeline.compute import VERSIONS, keys
from inference.pipeline.units import trainer_of
from tests.documents import cell_json, image_json, of_version_1

CONTENT = {
    "version": 2,
    "blinded": False,
    "reference_set": {"number": 1, "origin": "exact", "readers": 1},
    "classes": [{"id": 4, "name": "tumour"}],
    "images": [
        image_json(1, um_per_px=0.25, exhaustive=[[0, 0.0, 9, 9.5]], cells=[cell_json([1.5, 2, 3, 4.0])]),
        image_json(2, split="val", exhaustive=[[0.0, 0.0, 9.0, 9.0]], cannot_tell=[[1, 1, 2, 2]]),
        image_json(3, split="test", reference="r.png"),
    ],
}
COMMON = {
    "device": "auto",
    "prompter": {"name": "boxwise"},
    "prediction": {"detector_threshold": 0.3, "person_overlap": 0.3},
    "fusion": {"lam": 2.0, "theta": 25.0, "grid": 5, "components": 2, "trust": 3.0},
    "instances": {
        "method": "geodesic", "box_margin": 0.15, "fragments": "largest", "smallest": 20, "largest_hole": 64,
        "crumbs": 0.25,
    },
    "detector": {"name": "centre", "preset": "tiny"},
    "segmenter": {"name": "unet", "preset": "tiny"},
}  # fmt: skip
CONFIGURATIONS = {
    "tiny": COMMON,
    "whole numbers": COMMON | {"fusion": {"lam": 2, "theta": 25, "grid": 5, "components": 2}},
    "changed": COMMON | {"detector": {"name": "centre", "preset": "quick", "change": {"steps": 7, "lr": 1e-4}}},
    "as it is": COMMON
    | {
        "segmenter": {"name": "unet", "preset": "tiny", "as_is": True, "start_from": "ab"},
        "evaluation": {"elsewhere": ["segmenter"], "seen": [3]},
    },
    "of the first days": COMMON | {"instances": {"method": "geodesic"}},
}


def keys_of_json(content: dict, configuration: dict) -> dict[str, str]:
    """The oracle: the rule of inference.pipeline.compute.keys on plain JSON, as it was before it had documents."""
    images = [
        {k: entry[k] for k in ("sha256", "split", "cells", "cannot_tell", "exhaustive", "ignore")}
        for entry in content["images"]
        if entry["exhaustive"] and entry["split"] in ("train", "val")
    ]
    learned = digest([content["classes"], images])
    everything = digest({name: part for name, part in content.items() if name != "reference_set"})
    prompter = [configuration["prompter"], registry.prompter(**configuration["prompter"], device="cpu").name]
    detector, segmenter = configuration["detector"], configuration["segmenter"]
    start = configuration.get("evaluation")
    named: dict[str, str] = {}

    def name(kind, *inputs):
        named[kind] = digest([kind, VERSIONS[kind], *inputs])

    name("pseudo_masks", *([] if segmenter.get("as_is") else [learned, prompter]))
    taught = {"detector": [learned], "segmenter": [named["pseudo_masks"]]}
    document = RoundConfiguration.stored(configuration)
    for kind, chosen in (("detector", detector), ("segmenter", segmenter)):
        trainer = trainer_of(kind, document.model_of(kind)).name
        name(kind, *([] if chosen.get("as_is") else taught[kind]), chosen, trainer)
    name("prediction", everything, named["detector"], named["segmenter"], prompter, configuration["prediction"])
    name("fusion", named["prediction"], configuration["fusion"], certificate.VERSION)
    name("instances", named["fusion"], configuration["instances"])
    name("evaluation", named["instances"], learned, *([start] if start else []))
    name("publication", named["instances"])
    return named


@pytest.mark.parametrize("configuration", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
@pytest.mark.parametrize("content", [CONTENT, {"version": 2, "classes": [], "images": []}], ids=["some", "none"])
def test_keys_are_those_of_the_stored_json(content, configuration):
    """Also those of version 1: a round on work that has not changed since uses what it made then."""
    former = of_version_1(content)
    for stored in (content, former):
        found = keys(Snapshot.stored(stored), RoundConfiguration.stored(configuration))
        assert found == keys_of_json(former, configuration)
