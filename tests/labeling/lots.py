"""Open proposals and lots of them, for the tests of certificates and of the gallery."""

import uuid
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from django.utils import timezone

from inference.masks import pack
from labeling.annotations.models import Layer
from labeling.annotations.services import Loaded, load_layer
from labeling.annotations.state import AnnotationState, PackedMask
from labeling.images.models import Image
from labeling.jobs.handlers import HANDLERS
from labeling.jobs.models import Job
from labeling.jobs.services import create_job
from labeling.projects.models import Role
from labeling.reviews.certificates import (
    accepting,  # noqa: F401 (registers the handler, as a worker does)
    services,
)
from labeling.reviews.certificates.models import Lot, LotCell, LotImage
from labeling.rounds.models import Publication
from tests.factories import ImageFactory, LabelClassFactory, MembershipFactory, ProjectFactory

CELL, STEP = 8, 20  # px: side of a cell, and from one to the next


def disc(x: int, y: int) -> PackedMask:
    rows, columns = np.mgrid[:CELL, :CELL]
    middle = (CELL - 1) / 2
    bits = (rows - middle) ** 2 + (columns - middle) ** 2 <= (CELL / 2) ** 2
    return PackedMask(x, y, CELL, CELL, pack(bits))


def proposed(count: int, classes: list[int | None], width: int) -> list[Loaded]:
    """Cells in rows; their classes in turn, their doubts rising."""
    across = width // STEP
    found = []
    for number in range(count):
        x, y = (number % across) * STEP + 2, (number // across) * STEP + 2
        box = (float(x), float(y), float(x + CELL), float(y + CELL))
        state = AnnotationState("cell", "confirmed", box, classes[number % len(classes)], disc(x, y))
        found.append(Loaded(uuid.uuid4(), state, number / count))
    return found


def publish_cells(image: Image, owner, loaded: list[Loaded]) -> Publication:
    job = Job.objects.filter(project=image.project, kind=Job.Kind.PROPOSE).first()
    if job is None or job.publications.filter(image=image).exists():
        job = create_job(kind=Job.Kind.PROPOSE, project=image.project, owner=owner, request={"images": [image.pk]})
        Job.objects.filter(pk=job.pk).update(state=Job.State.DONE)
    layer = load_layer(image=image, kind=Layer.Kind.PREDICTION, loaded=loaded)
    return Publication.objects.create(job=job, image=image, layer=layer, certificate={}, model_names={})


def a_project(*, images: int = 2, cells: int = 400, classes: int = 1) -> SimpleNamespace:
    """People of every role before `images` images with `cells` open proposals each."""
    project = ProjectFactory()
    people = {role: MembershipFactory(project=project, role=role).user for role in Role.values}
    labels = [LabelClassFactory(project=project, position=number + 1) for number in range(classes)]
    rows = -(-cells // 20)
    made = []
    for _number in range(images):
        image = ImageFactory(project=project, width=20 * STEP, height=max(2, rows) * STEP)
        publish_cells(image, people["owner"], proposed(cells, [label.pk for label in labels], image.width))
        made.append(image)
    return SimpleNamespace(project=project, people=people, owner=people["owner"], images=made, classes=labels)


def plan(made: SimpleNamespace, **wanted) -> Lot:
    wanted = {"meaning": Lot.Meaning.EXISTENCE, "tolerated": 0.1, "planted": 20} | wanted
    return services.plan_lot(project=made.project, by=made.owner, wanted=services.Wanted(**wanted))


def judge_all(lot: Lot, by, *, wrong: int = 0, overlooked: int = 0, until: int | None = None) -> None:
    """Judge the sample in its order: `wrong` of its proposals are called wrong, all planted errors but `overlooked`."""
    verdicts = []
    for row in lot.cells.filter(verdict="").order_by("position")[:until]:
        if row.planted:
            verdict = "right" if overlooked > 0 else "wrong"
            overlooked -= 1
        else:
            verdict = "wrong" if wrong > 0 else "right"
            wrong -= 1
        verdicts.append(services.Judged(row.position, verdict, 900.0))
    services.judge(lot_id=lot.pk, by=by, verdicts=verdicts)


def work(job: Job) -> Job:
    """Do it as a worker does, without the lease, which tests in one transaction cannot renew."""
    result = HANDLERS[job.kind](job, Path(), lambda done, total: None)
    job.facts, job.state = dict(result.facts), Job.State.DONE
    job.save()
    return job


def bare_lot(image: Image, owner) -> Lot:
    """A lot that is being judged, with one cell, for tests that only need its address."""
    lot = Lot.objects.create(
        project=image.project, number=1, meaning=Lot.Meaning.CLASS, tolerated=0.05, alpha=0.05, attempt=1, seed=1,
        sha256="0" * 64, planted=0, made_by=owner, made_at=timezone.now(),
        groups=[{"label_class": None, "name": "", "centre": "", "cells": 1, "sample": 1, "chances": [1.0] * 4}],
        strata=[{"group": 0, "name": "doubt 0, size 0", "cells": 1, "sample": 1}],
    )  # fmt: skip
    uid = uuid.uuid4()
    LotImage.objects.create(
        lot=lot, image=image, layer=uuid.uuid4(), pixels=image.sha256, cells=1, uids=uid.bytes, codes=bytes(2)
    )  # fmt: skip
    shown = {"box": [2.0, 2.0, 10.0, 10.0], "mask": None, "label_class": None}
    LotCell.objects.create(lot=lot, position=1, image=image, proposal=uid, stratum=0, shown=shown)
    return lot
