"""What a round learns from, frozen: one canonical JSON document and its hash.

    {"version": 1, "classes": [{"id", "name"}],
     "images": [{"image", "sha256", "pixels", "reference", "width", "height", "um_per_px", "group", "split",
                 "layer", "seq",
                 "cells": [{"uid", "box", "label_class", "mask"}],      mask: null, or the packed one they verified
                 "rejected": [box, ...], "cannot_tell": [box, ...], "exhaustive": [box, ...], "ignore": [box, ...]}]}

The same annotations give the same bytes, so two rounds on unchanged work share every stage.
"""

import hashlib
import json
from typing import Any

from django.core.files.base import ContentFile

from labeling.annotations.models import Annotation, Layer
from labeling.annotations.state import state_of
from labeling.errors import LabelingError
from labeling.images.models import Image, Split
from labeling.projects.models import Project
from labeling.rounds.models import Snapshot

VERSION = 1


class NothingToLearn(LabelingError):
    """A round needs boxes inside a region that is declared exhaustively annotated."""

    code = "nothing_to_learn"


def freeze(project: Project) -> Snapshot:
    """The snapshot of the project as it is now; an equal one is used again. Raises NothingToLearn.

    The caller holds the project's row, so that no round is made beside this one; annotators may go on: each image
    is read at
    one moment, named by its layer's seq.
    """
    images = [_image(image) for image in project.images.order_by("pk")]
    content = {
        "version": VERSION,
        "classes": [{"id": c.pk, "name": c.name} for c in project.classes.all()],
        "images": images,
    }
    learning = [i for i in images if i["split"] == Split.TRAIN and i["exhaustive"]]
    if not any(i["cells"] for i in learning):
        raise NothingToLearn(
            "A round learns from boxes inside regions that are declared exhaustively annotated, and there is none yet "
            "in an image of the training split. Draw boxes around every cell of a region, then mark the region (key G) "
            "or the whole field."
        )
    data = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    sha256 = hashlib.sha256(data).hexdigest()
    snapshot = Snapshot.objects.filter(project=project, sha256=sha256).first()
    if snapshot is None:
        snapshot = Snapshot(project=project, sha256=sha256, summary=summarise(images))
        snapshot.content.save(f"{sha256}.json", ContentFile(data), save=False)
        snapshot.save()
    return snapshot


def summarise(images: list[dict[str, Any]]) -> dict[str, Any]:
    """Counts for people, per split, and whether images of one slide stand on both sides of the evaluation."""
    splits = {}
    for split in Split.values:
        part = [i for i in images if i["split"] == split]
        splits[split] = {
            "images": len(part),
            "annotated": sum(bool(i["exhaustive"]) for i in part),
            "cells": sum(len(i["cells"]) for i in part),
            "verified_masks": sum(cell["mask"] is not None for i in part for cell in i["cells"]),
        }
    trained = {i["group"] for i in images if i["split"] == Split.TRAIN and i["exhaustive"] and i["group"]}
    judged = {i["group"] for i in images if i["split"] != Split.TRAIN and i["group"]}
    return {"splits": splits, "same_group_in_training_and_evaluation": sorted(trained & judged)}


def _image(image: Image) -> dict[str, Any]:
    layer = (
        Layer.objects.filter(image=image, kind=Layer.Kind.WORKING).select_related("head").order_by("-head__seq").first()
    )
    found: dict[str, Any] = {"cells": [], "rejected": [], "cannot_tell": [], "exhaustive": [], "ignore": []}
    seq = 0
    if layer is not None:
        rows = list(Annotation.objects.filter(layer=layer, deleted=False).select_related("layer__head").order_by("uid"))
        seq = rows[0].layer.head.seq if rows else layer.head.seq
        for row in rows:
            state = state_of(row)
            assert state is not None
            if state.status == "confirmed":
                found["cells"].append(
                    {
                        "uid": str(row.uid),
                        "box": list(state.box),
                        "label_class": state.label_class,
                        "mask": state.as_json()["mask"],
                    }
                )
            else:
                found[state.status].append(list(state.box))
    return {
        "image": image.pk,
        "sha256": image.sha256,
        "pixels": image.pixels.name,
        "reference": image.reference.name or None,
        "width": image.width,
        "height": image.height,
        "um_per_px": image.um_per_px,
        "group": image.group,
        "split": image.split,
        "layer": str(layer.pk) if layer else None,
        "seq": seq,
        **found,
    }
