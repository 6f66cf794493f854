"""The documents of inference/documents: round trips, refusals with the path, upgrades, and the JSON that keys hash."""

import json
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from pydantic import ValidationError

from inference.documents import base, bundle, configuration, publication, snapshot, stage_reports
from inference.documents.base import Document, faults
from inference.documents.configuration import RoundConfiguration, check
from inference.fusion import Parameters
from inference.limits import OutOfBounds
from tests.documents import CERTIFICATE, cell_json, image_json, of_version_1, snapshot_of

MASK = {"x": 1, "y": 2, "width": 8, "height": 1, "bits": "/w=="}
CONFIGURATION = {
    "device": "auto",
    "prompter": {"name": "boxwise"},
    "prediction": {"detector_threshold": 0.3, "person_overlap": 0.3, "classes": [1, None, 0]},
    "fusion": {"lam": 2, "theta": 25.0, "grid": 5, "components": 2, "trust": 3.0},
    "instances": {
        "method": "geodesic", "box_margin": 0.15, "fragments": "largest", "smallest": 20, "largest_hole": 64,
        "crumbs": 0.25,
    },
    "detector": {"name": "yolo", "preset": "paper", "change": {"seed": 3}, "start_from": "ab"},
    "segmenter": {"name": "caranet", "preset": "paper", "as_is": True},
    "evaluation": {"elsewhere": ["detector"], "seen": [3, 4]},
}  # fmt: skip
MEASURES = {"dice": 0.9, "iou": 0.8, "aji": 1, "pq": 0.7, "dq": 1.0, "sq": 0.7, "bf1": 0.9, "bf1_tolerance_px": 2.0}
EVALUATION = {
    "split": "val", "images": 1, "reference_images": 1, "box_ap50": 1.0, "masks": {"fused": MEASURES},
    "repair": {"untouched_cells": 90.0, "reference_cells": 12}, "optimistic": "same slide",
}  # fmt: skip
CERTIFICATE_JSON = CERTIFICATE.as_json() | {
    "parameters": {"lam": 2.0, "bits": 5, "patch_px": None, "similarity": "exponential"},
    "strokes": [MASK | {"foreground": True, "band": 9}], "version": "fusion-3", "solver": "cut", "gap": 0.0,
}  # fmt: skip
USAGE = {
    "made": 2, "cores": 0.27, "device": "cpu", "memory": 1002172416, "seconds": 0.7, "cores_mean": 0.27,
    "memory_free": 16235356160, "memory_peak": 1011347456, "memory_total": 25276059648,
}  # fmt: skip
SUMMARY = {
    "splits": {"train": {"cells": 13, "images": 2, "annotated": 1, "verified_masks": 1}},
    "um_per_px": None, "images_without_patient": 3, "images_without_scale": 3,
    "same_patient_in_training_and_evaluation": [],
    "reference_set": {
        "note": "", "patients": 1, "images": 1, "number": 1, "origin": "exact", "readers": 1, "locked_at": "2026",
        "locked_by": None,
    },
}  # fmt: skip
SNAPSHOT = {
    "version": 2, "blinded": False, "reference_set": {"number": 1, "origin": "exact", "readers": 1},
    "classes": [{"id": 4, "name": "tumour"}],
    "images": [
        image_json(1, um_per_px=0.25, exhaustive=[[0, 0, 9, 9]], cells=[cell_json([1.5, 2, 3, 4.0], mask=MASK)])
    ],
}  # fmt: skip
EXAMPLES: dict[type[Document], dict] = {
    RoundConfiguration: CONFIGURATION,
    snapshot.Snapshot: SNAPSHOT,
    snapshot.SnapshotSummary: SUMMARY,
    stage_reports.Usage: USAGE,
    stage_reports.MissingResource: {"what": "memory_needed", "worker": "a", "needs": 5, "free": 3},
    stage_reports.PseudoMaskFacts: {"cells": 24, "images": 2, "prompter": "boxwise-1"},
    stage_reports.TrainingFacts: {
        "cells": 12, "model": "centre-1", "images": 1, "classes": 1, "validation_images": 1,
        "settings": {"zoom": [0.75, 1.4], "schedule": {"lr": 0.001, "until": None}, "pretrained": True},
    },
    stage_reports.PredictionFacts: {
        "boxes": 38,
        "images": 3,
        "models": {"detector": "centre-1"},
        "unreadable_images": 1,
    },
    stage_reports.FusionFacts: {"closed": 3, "images": 3, "ambiguous_share": 0.02, "median_milliseconds": 10.5},
    stage_reports.InstanceFacts: {"cells": 38, "crumbs": 0, "images": 3},
    stage_reports.EvaluationFacts: EVALUATION,
    stage_reports.Figures: {"box_ap50": 1.0, "masks": {"detector": MEASURES}, "sentence": "none"},
    stage_reports.Evaluation: EVALUATION | {"per_image": [{"image": 2, "patient": "", "box_ap50": 1.0, "dice": 0.5}]},
    publication.Certificate: CERTIFICATE_JSON,
    publication.PublicationFacts: {
        "proposals": 0, "boxless": 0, "crumbs": 3, "priorities": {"mix": 0.5}, "signals": {"colour": 1.5},
        "detected": 0, "best_score": None, "why": [{"code": "unsure", "best": None, "threshold": 0.3}],
    },
    publication.TuningResult: {
        "images": 1, "base": {"lam": 2.0, "grid": 5}, "best": {"lam": 4.0, "grid": 1}, "seconds": 3.1,
        "rows": [{"pq": 0.9, "aji": 0.9, "dice": 0.97, "value": 1, "parameter": "grid"}],
    },
    bundle.Bundle: {
        "method": "boxcell-1", "sha256": {"detector": "ab"}, "class_names": ["tumour"], "prompter": "boxwise",
        "licences": {"detector": [["detector 1 (imported)", "CC BY"]]}, "parts": {"detector": "d.safetensors"},
        "settings": {
            "prompter": "boxwise", "detector": "centre", "segmenter": "unet", "preset": "quick", "classes": 1,
            "fusion": {"lam": 2.0}, "least_area": 20,
        },
    },
}  # fmt: skip
CASES = pytest.mark.parametrize(("kind", "data"), EXAMPLES.items(), ids=lambda v: getattr(v, "__name__", ""))


@CASES
def test_json_comes_out_as_it_went_in(kind, data):
    """To the digit: 2 does not become 2.0, and what was not given is not written. Keys are hashes of this JSON."""
    for document in (kind.stored(data), kind.model_validate(data), kind.model_validate_json(json.dumps(data))):
        assert snapshot.canonical(document.as_json()) == snapshot.canonical(data)
    assert kind.stored(data) == kind.stored(kind.stored(data).as_json())


def places(data, at=()):
    """The path of every object in the example."""
    if isinstance(data, dict):
        yield at
        for name, value in data.items():
            yield from places(value, (*at, name))
    if isinstance(data, list):
        for number, value in enumerate(data):
            yield from places(value, (*at, number))


# Objects whose names are data: a model's own settings, strategies, steps, parts.
OPEN = {"settings", "change", "priorities", "signals", "milliseconds", "base", "best", "repair", "splits", "masks"}
OPEN_OF = {bundle.Bundle: {"sha256", "licences", "parts"}}


@CASES
def test_an_unknown_key_is_refused_at_every_place_and_its_path_is_named(kind, data):
    tried = 0
    for at in places(data):
        if OPEN_OF.get(kind, OPEN).intersection(at):
            continue
        wrong = json.loads(json.dumps(data))
        place = wrong
        for step in at:
            place = place[step]
        place["tyop"] = 1
        with pytest.raises(ValidationError) as raised:
            kind.model_validate(wrong)
        expected = ".".join(str(step) for step in (*at, "tyop"))
        assert (expected, "is no name that is known here") in faults(raised.value)
        tried += 1
    assert tried


@CASES
def test_a_document_cannot_be_changed(kind, data):
    made = kind.stored(data)
    with pytest.raises(ValidationError):
        setattr(made, next(iter(kind.model_fields)), 1)


def test_every_document_has_an_example():
    """Parts of others have theirs inside the whole."""
    used = {kind for data in EXAMPLES for kind in parts_of(data)}
    for module in (configuration, snapshot, stage_reports, publication, bundle):
        for one in vars(module).values():
            if isinstance(one, type) and issubclass(one, Document) and one.__module__ == module.__name__:
                assert one in used or one in (stage_reports.Facts,), one


def parts_of(kind):
    yield kind
    for one in kind.model_fields.values():
        yield from _within(one.annotation)


def _within(annotation):
    if isinstance(annotation, type) and issubclass(annotation, Document):
        yield from parts_of(annotation)
    for inner in getattr(annotation, "__args__", ()):
        yield from _within(inner)


# -- bounds


def test_the_engine_names_every_number_that_cannot_be():
    wrong = CONFIGURATION | {
        "fusion": {"lam": float("nan"), "components": 9},
        "instances": {"smallest": 2.5},
        "detector": {"name": "yolo", "preset": "paper", "change": {"steps": 3}},
    }
    with pytest.raises(OutOfBounds) as raised:
        check(RoundConfiguration.stored(wrong))
    message = str(raised.value)
    assert "fusion.lam must be between 0 and 1,000,000, not nan" in message
    assert "fusion.components must be between 1 and 8, not 9" in message
    assert "instances.smallest must be a whole number, not 2.5" in message
    assert "the detector 'yolo' has no setting 'steps'" in message


def test_a_round_of_before_opens_whatever_its_numbers_were():
    assert RoundConfiguration.stored({"fusion": {"components": 10}}).fusion.components == 10


def test_what_is_not_named_has_the_engine_s_own_default():
    assert configuration.Fusion().model_dump() == vars(Parameters())


def test_json_schema_has_the_bounds():
    schema = RoundConfiguration.model_json_schema()["$defs"]["Fusion"]["properties"]
    assert (schema["components"]["minimum"], schema["components"]["maximum"]) == (1, 8)
    assert schema["components"]["type"] == "integer"


# -- upgrades: what earlier versions have stored


def test_the_first_evaluations_named_no_part():
    facts = stage_reports.EvaluationFacts.stored(
        {"images": 2, "reference_images": 2, "masks": {"dice": 0.9, "pq": 0.5}}
    )
    assert facts.masks["fused"].dice == 0.9 and facts.split == "val"


def test_priorities_were_called_queue():
    facts = publication.PublicationFacts.stored({"queue": {"mix": 0.5}, "crumbs": 1})
    assert facts.priorities == {"mix": 0.5} and facts.signals is None


def test_the_first_certificates_had_one_number_of_milliseconds():
    made = publication.Certificate.stored(CERTIFICATE.as_json() | {"milliseconds": 7})
    assert made.total_milliseconds == 7


def test_a_snapshot_of_the_first_days_names_no_reference_set():
    old = of_version_1({"classes": [], "images": [image_json(1)]})
    assert snapshot.Snapshot.stored(old).blinded is False
    with pytest.raises(ValueError, match="newer Boxwise"):
        snapshot.Snapshot.stored(old | {"version": 3})


def test_a_patient_was_called_group_in_snapshots_summaries_and_evaluations():
    old = of_version_1(SNAPSHOT | {"images": [image_json(1, patient="07")]})
    assert snapshot.Snapshot.stored(old).images[0].patient == "07"
    summary = snapshot.SnapshotSummary.stored(
        {"images_without_group": 3, "same_group_in_training_and_evaluation": ["07"]}
        | {"reference_set": SUMMARY["reference_set"] | {"patients": 1}}
    )
    assert (summary.images_without_patient, summary.same_patient_in_training_and_evaluation) == (3, ("07",))
    judged = stage_reports.Evaluation.stored({"per_image": [{"image": 2, "group": "07"}]})
    assert judged.per_image[0].patient == "07"


DUMPS = Path(__file__).parents[1] / "labeling/dumps"


@pytest.mark.parametrize("dump", sorted(DUMPS.glob("*.files.zip")), ids=lambda path: path.name)
def test_files_of_earlier_versions_are_read_to_the_letter(dump):
    read = 0
    with zipfile.ZipFile(dump) as archive:
        for name in archive.namelist():
            data = archive.read(name)
            if name.startswith("snapshots/"):
                old = json.loads(data)
                made = snapshot.Snapshot.read(data)
                assert made.as_json() == snapshot.Snapshot.upgraded(old)
                old.pop("reference_set", None)
                assert made.predicted_from() == old  # so the keys of its stages are those of before
                read += 1
            elif name.startswith("artifacts/evaluation"):
                old = json.loads(data)
                assert stage_reports.Evaluation.read(data).as_json() == stage_reports.Evaluation.upgraded(old)
                read += 1
    assert read >= 3


# -- the price


def test_a_large_snapshot_is_read_in_a_second():
    box = cell_json([98.0, 63.0, 119.0, 86.0])
    data = snapshot_of(*(image_json(n, cells=[box] * 1000) for n in range(100))).written()
    began = time.process_time()
    assert len(snapshot.Snapshot.read(data).images) == 100
    assert time.process_time() - began < 5.0  # 0.8 s on two shared processors; 100,000 cells


def test_the_fusion_waits_for_no_pydantic():
    """`boxwise fuse` needs no document; pydantic would add 0.13 s to a start."""
    code = "import sys, inference.fusion, boxwise.commands; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_leaf_knows_neither_torch_nor_django():
    names = sorted(path.stem for path in Path(base.__file__).parent.glob("[a-z]*.py"))
    assert "configuration" in names
    imports = "; ".join(f"import inference.documents.{name}" for name in names)
    code = f"import sys; {imports}; sys.exit(bool({{'torch', 'django', 'labeling'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
