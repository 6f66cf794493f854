"""A study of two arms with its project and readers, and what the browser of a reader sends."""

import json
import time
import uuid
from datetime import date
from typing import Any

import numpy as np

from labeling.annotations import activity
from labeling.annotations.contract import ActivityBody
from labeling.annotations.services import Loaded, working_layer, write_operations
from labeling.annotations.state import AnnotationState, PackedMask
from labeling.images.services import add_image
from labeling.projects.models import Project, Role
from labeling.rounds.models import Round, Snapshot
from labeling.rounds.results.publishing import publish
from labeling.studies import services
from labeling.studies.models import Item, Study
from tests.documents import STATEMENTS
from tests.factories import LabelClassFactory, MembershipFactory, ProjectFactory, UserFactory, png
from tests.labeling.operations import cell, effect, mask, operation

ARMS = [
    {"name": "boxes by hand", "tools": ["box", "brush"], "assistance": "none"},
    {"name": "proposals", "tools": ["box", "brush"], "assistance": "proposals"},
]
SECONDS = {"boxes by hand": 60.0, "proposals": 30.0}


def labels(cells: int) -> np.ndarray:
    found = np.zeros((48, 64), np.int32)
    for k in range(cells):
        found[4 + 10 * (k // 5) : 10 + 10 * (k // 5), 2 + 12 * (k % 5) : 10 + 12 * (k % 5)] = k + 1
    return found


def ten_fields() -> Project:
    """A project and its `owner`: fields of ten patients for test, each with a reference and a published proposal."""
    project = ProjectFactory(name="Breast")
    LabelClassFactory(project=project, name="nucleus", position=1)
    owner = MembershipFactory(project=project, role=Role.OWNER).user
    snapshot = Snapshot.objects.create(project=project, sha256="0" * 64, content="none", summary={})
    round_ = Round.objects.create(project=project, number=1, preset="tiny", configuration={}, snapshot=snapshot)
    for k in range(10):
        image = add_image(
            project=project,
            name=f"field {k}.png",
            content=png(seed=100 + k),
            patient=f"patient {k}",
            split="test",
            reference=labels(4 + k),
        )
        proposal = Loaded(
            uuid.uuid4(), AnnotationState("cell", "confirmed", (2, 4, 10, 10), mask=PackedMask(2, 4, 8, 6, b"\xff" * 6))
        )
        publish(
            round_=round_,
            image=image,
            proposals=[proposal],
            **STATEMENTS,
        )
    project.owner = owner
    return project


def draft(project, readers=4, **changes) -> Study:
    """Two arms, a crossover; `changes` are of what the study declares."""
    given = {
        "consent_text": "Your times are recorded.",
        "ethics_reference": "EK 12/2026",
        "retention_until": date(2036, 1, 1),
        "controller": "Institute of Pathology",
        "contact": "study@example.org",
        "washout_days": 0,
        "training_per_arm": 1,
        "seed": 7,
    } | changes
    study = services.create_study(
        project=project,
        by=project.owner,
        name="Boxes or proposals",
        hypothesis="Proposals save time.",
        arms=ARMS,
        **given,
    )
    services.choose_fields(study=study)
    for _ in range(readers):
        services.enrol(study=study, username=UserFactory().username)
    return study


def frozen(project) -> Study:
    return services.freeze(study=draft(project), by=project.owner)


def locked(study) -> Study:
    """Results by arm are shown from here on."""
    return services.lock(study=study)


def agreed(study, number=1):
    participant = study.participants.get(number=number)
    services.consent(participant=participant)
    participant.refresh_from_db()
    return participant


def activity_body(batch: dict[str, Any]) -> ActivityBody:
    """A batch of activity as it arrives: JSON, read by its contract."""
    return ActivityBody.read(json.dumps(batch).encode())


def work(item: Item, seconds: float, session: str | None = None) -> None:
    """What the browser of a reader would send who draws a field in `seconds`, its last cell forgotten by some."""
    user, image = item.participant.user, item.sheet.images.get()
    session = session or str(uuid.uuid4())
    n = int(seconds // 10) + 2
    times = [float(t) for t in np.linspace(0, 1000 * seconds, n)]
    kinds = ["pointer_move"] * (n - 2) + ["pointer_down", "pointer_up"]
    events = [[t, kind] for t, kind in zip(times, kinds, strict=True)]
    uid = str(uuid.uuid4())
    events += [[times[-1], "target_committed", uid], [times[-1], "hidden"]]
    batch = {
        "session": session,
        "image": image.pk,
        "wall_ms": time.time() * 1000,
        "mono_ms": times[-1] + 10,
        "first": 0,
        "events": events,
    }
    assert activity.record(user=user, sent=activity_body(batch))
    cells = list(
        zip([uid, *(str(uuid.uuid4()) for _ in range(item.field.reference_cells - 1))], range(99), strict=False)
    )
    if (item.participant.number + item.position) % 3 == 0:
        cells.pop()
    acts = [
        operation(
            effect(u, cell((x := 2 + 12 * (k % 5), y := 4 + 10 * (k // 5), x + 8, y + 6), mask=mask(x, y, 8, 6))),
            session=session,
            begun_ms=times[-2],
            committed_ms=times[-1],
            activity=[n - 2, n],
        )
        for u, k in cells
    ]
    _, verdicts = write_operations(layer=working_layer(image=image, user=user), author=user, operations=acts)
    assert {verdict.verdict for verdict in verdicts} == {"accepted"}


def read_all(study, seconds) -> None:
    """Every reader reads everything: seconds(participant number, arm, n-th item) each."""
    for participant in study.participants.all():
        participant = agreed(study, participant.number)
        for k in range(100):
            item, _ = services.next_item(participant)
            if item is None:
                break
            item = services.open_item(participant=participant, item_id=item.pk)
            work(item, seconds(participant.number, item.arm.name, k))
            services.complete(participant=participant, item_id=item.pk)
