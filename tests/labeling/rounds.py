"""A project that a round can learn from, and a worker that runs in this process."""

import io
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import PIL.Image
from django.core.files.base import ContentFile
from django.db.models import Max

from inference.masks import cells_of, pack
from inference.synthetic import tissue
from inference.types import RGB, Labels
from labeling.accounts.models import User
from labeling.annotations.services import Loaded, working_layer, write_operations
from labeling.annotations.state import AnnotationState, PackedMask
from labeling.images.models import Image, Split
from labeling.images.services import add_image
from labeling.projects.models import Project
from labeling.projects.services import create_project
from labeling.rounds.configuration import configure
from labeling.rounds.models import Artifact, Round, Stage
from labeling.rounds.reference import lock
from labeling.rounds.results.publishing import publish
from labeling.rounds.snapshots import freeze
from tests.documents import STATEMENTS
from tests.labeling.operations import cell, effect, operation, region
from tests.outbox import Message


def png_of(rgb: RGB) -> bytes:
    file = io.BytesIO()
    PIL.Image.fromarray(rgb).save(file, "PNG")
    return file.getvalue()


def annotate(image: Image, user: User, boxes: Any, *, exhaustive: bool = True) -> None:
    """Boxes drawn through the log, as the browser does."""
    layer = working_layer(image=image, user=user)
    assert layer is not None
    acts = [operation(effect(uuid.uuid4(), cell([float(v) for v in box]))) for box in boxes]
    if exhaustive:
        whole = region((0, 0, image.width, image.height))
        acts.append(operation(effect(uuid.uuid4(), whole), action="region"))
    for start in range(0, len(acts), 200):
        _, verdicts = write_operations(layer=layer, author=user, operations=acts[start : start + 200])
        assert {v.verdict for v in verdicts} == {"accepted"}


def small_project(user: User, *, fields: int = 3, side: int = 128, cells: int = 14) -> Project:
    """`fields` synthetic images: the last is not annotated, the one before it is for validation."""
    project = create_project(owner=user, name="synthetic", classes=("nucleus",))
    for number in range(fields):
        made = tissue(side, side, cells, seed=number)
        image = add_image(
            project=project,
            name=f"synthetic {number}.png",
            content=png_of(made.rgb),
            synthetic=True,
            split=Split.VAL if number == fields - 2 else Split.TRAIN,
            reference=made.labels if number == fields - 2 else None,
        )
        if number < fields - 1:
            annotate(image, user, made.boxes)
    lock(project=project, by=user, origin="exact")
    return project


def loaded(labels: Labels) -> list[Loaded]:
    """A label map as a round publishes it."""
    found = []
    for _number, mask in cells_of(labels):
        height, width = mask.bits.shape
        box = (float(mask.x), float(mask.y), float(mask.x + width), float(mask.y + height))
        packed = PackedMask(mask.x, mask.y, width, height, pack(mask.bits))
        found.append(Loaded(uuid.uuid4(), AnnotationState("cell", "confirmed", box, mask=packed)))
    return found


def published_round(project: Project, user: User, maps: dict[Image, Labels], pq: dict[Image, float]) -> Round:
    """A finished round that nobody computed: its cells on each image, and the PQ by which its images were judged."""
    last = project.rounds.aggregate(last=Max("number"))["last"] or 0
    round_ = Round.objects.create(
        project=project, number=last + 1, preset="tiny", configuration=configure("tiny").as_json(),
        snapshot=freeze(project), started_by=user, state=Round.State.PUBLISHED,
    )  # fmt: skip
    rows = [{"image": image.pk, "patient": image.patient_label, "pq": value} for image, value in pq.items()]
    artifact = Artifact(key=uuid.uuid4().hex, kind="evaluation", sha256="0" * 64, size=1, facts={})
    artifact.file.save("evaluation.json", ContentFile(json.dumps({"per_image": rows}).encode()), save=False)
    artifact.save()
    Stage.objects.create(round=round_, position=7, kind="evaluation", state=Stage.State.DONE, artifact=artifact)
    for image, labels in maps.items():
        publish(
            round_=round_,
            image=image,
            proposals=loaded(labels),
            **STATEMENTS,
        )
    return round_


def compared_project(user: User, side: int = 160) -> tuple[Project, list[Image], list[Round], list[Labels]]:
    """Two rounds on a training image and two validation images with locked reference masks; of the last image, which
    is the better one, the second round says nothing. The second round's cells stand five pixels further right.

    -> project, images, rounds, the reference label map of each image
    """
    project = create_project(owner=user, name="Beside", classes=("nucleus",))
    made = [tissue(side, side, 12, seed=seed) for seed in range(3)]
    images = [
        add_image(
            project=project, name=f"field {n}", content=png_of(one.rgb), split=Split.VAL if n else Split.TRAIN,
            reference=one.labels if n else None, synthetic=True,
        )
        for n, one in enumerate(made)
    ]  # fmt: skip
    annotate(images[0], user, made[0].boxes)
    lock(project=project, by=user, origin="exact")
    maps = {image: one.labels for image, one in zip(images, made, strict=True)}
    first = published_round(project, user, maps, {images[1]: 0.3, images[2]: 0.5})
    moved = {image: np.roll(maps[image], 5, axis=1) for image in images[:2]}
    second = published_round(project, user, moved, {images[1]: 0.4, images[2]: 0.6})
    return project, images, [first, second], [one.labels for one in made]


def messages_to(sent: list[Message], *wanted: str) -> Iterator[Message]:
    """What was sent to these tasks, each taken out when its turn comes, with what was sent meanwhile. Others are left
    out: a round asks for jobs too."""
    while sent:
        message = sent.pop(0)
        if message.task in wanted:
            yield message


def work_off(sent: list[Message], *, until: str | None = None, each: Callable[[str], None] | None = None) -> None:
    """Do the stages and portions that were sent, and what those send; `until` a message for this task is next.

    `each` is called with the task of every message before it is done.
    """
    from inference.worker import tasks

    work = {"inference.run_stage": tasks.run_stage, "inference.run_portion": tasks.run_portion}
    while sent and sent[0].task != until:
        if each:
            each(sent[0].task)
        message = sent.pop(0)
        if message.task in work:
            work[message.task](**message.arguments)


def run_all(run: Any, sent: list[Message]) -> None:
    """Do what was sent to this task, and what that sends, until nothing is left."""
    for message in messages_to(sent, run.name):
        run(**message.arguments)
