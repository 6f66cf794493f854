"""Robots that read the study of the paper through the pages and the API, and know how long everything really took.

Each is a signed-in client: it agrees, begins, sends operations and activity as the workspace does, and finishes. Its
clock is made up (a page may say that it has run up to five minutes longer than the server knows), so nobody waits. What
the worker makes of the boxes is imitated: one mask in each box, the box itself.
"""

import json
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from django.test import Client
from django.urls import reverse

from labeling.annotations.models import Layer
from labeling.annotations.services import Loaded, load_layer
from labeling.annotations.state import AnnotationState, PackedMask
from labeling.jobs.models import Job, JobItem
from labeling.rounds.models import Publication
from labeling.studies import services
from labeling.studies.models import Item, Participant
from tests.labeling.operations import cell, effect, mask, operation
from tests.labeling.pages import signed_in

SEARCH_S, POLYGON_S, BOX_S, VERIFY_S = 1.0, 3.0, 0.8, 0.7  # a cell, of a reader of speed 1
PAUSE_S = 45.0  # once a field, over the idle cut-off of 30 s: no work
AWAY_S = 6.0  # once a field the page is hidden: no work either
MACHINE_S = 3.0


@dataclass
class Record:
    """What a page sends of one sitting. clock: s since it was opened; active: of that what was work, by phase."""

    session: str = field(default_factory=lambda: str(uuid.uuid4()))
    clock: float = 0.0
    events: list[list[Any]] = field(default_factory=list)
    operations: list[dict[str, Any]] = field(default_factory=list)
    active: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.say("pointer_move")

    def say(self, kind: str, *data: str) -> None:
        self.events.append([round(1000 * self.clock, 3), kind, *data])

    def work(self, phase: str, seconds: float) -> None:
        self.clock += seconds
        self.active[phase] = self.active.get(phase, 0.0) + seconds

    def interrupted(self) -> None:
        """A pause over the cut-off, and another window."""
        self.clock += PAUSE_S
        self.say("pointer_move")
        self.say("hidden")
        self.clock += AWAY_S
        self.say("visible")
        self.say("pointer_move")

    def end(self) -> None:
        self.say("hidden")


@dataclass
class Robot:
    """speed: over 1 is slower. truth: arm -> phase -> seconds, of measured items."""

    participant: Participant
    speed: float
    client: Client = field(init=False)
    truth: dict[str, dict[str, float]] = field(default_factory=dict)
    cells: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.client = signed_in(self.participant.user)

    def consent(self) -> None:
        page = reverse("participation", args=[self.participant.pk])
        assert self.client.post(page, {"act": "consent"}).status_code == 302
        self.participant.refresh_from_db()

    def read_next(self) -> Item | None:
        """One item, from the reader's page to its end; None when all is done."""
        item, _available = services.next_item(self.participant)
        if item is None:
            return None
        page = reverse("participation", args=[self.participant.pk])
        answer = self.client.post(page, {"act": "next"})
        assert answer.headers["Location"] == reverse("study-item", args=[item.pk])
        item.refresh_from_db()
        assert item.sheet is not None
        record = self._verify(item) if item.part == Item.Part.VERIFY else self._draw(item)
        self._send(item, record)
        stop = reverse("stop-item", args=[item.pk])
        self.client.post(stop, {"act": "stop"})
        self.client.post(stop, {"act": "done"})
        if not item.training:
            of_arm = self.truth.setdefault(item.arm.name, {})
            for phase, seconds in record.active.items():
                of_arm[phase] = of_arm.get(phase, 0.0) + seconds
            if item.part != Item.Part.BOXES:
                self.cells[item.arm.name] = self.cells.get(item.arm.name, 0) + item.field.reference_cells
        return item

    def _draw(self, item: Item) -> Record:
        """Every cell of the reference: looked for, then drawn. A box has no mask, a polygon has."""
        record = Record()
        is_box = item.part == Item.Part.BOXES
        for k in range(item.field.reference_cells):
            record.work("search", SEARCH_S)
            begun, first = record.clock, len(record.events)
            record.say("pointer_down")
            record.work("draw", self.speed * (BOX_S if is_box else POLYGON_S))
            record.say("pointer_up")
            x, y = 2 + 12 * (k % 5), 4 + 10 * (k // 5)
            drawn = cell((x, y, x + 8, y + 6), mask=None if is_box else mask(x, y, 8, 6))
            self._commit(record, drawn, begun, first, action="draw", tool="box" if is_box else "polygon")
            if k == 1:
                record.interrupted()
        record.end()
        return record

    def _verify(self, item: Item) -> Record:
        """Every proposal: looked at, and accepted as it is."""
        record = Record()
        shown = Layer.objects.get(image__project=item.sheet, kind=Layer.Kind.PREDICTION).annotations.order_by("uid")
        for k, row in enumerate(shown):
            begun, first = record.clock, len(record.events)
            record.say("key", "review.next")
            record.say("target_opened", str(row.uid))
            record.work("verify", self.speed * VERIFY_S)
            record.say("key", "review.accept")
            record.say("decision", "accept")
            box = (row.x0, row.y0, row.x1, row.y1)
            width, height = int(row.x1 - row.x0), int(row.y1 - row.y0)
            drawn = cell(box, mask=mask(int(row.x0), int(row.y0), width, height), derived_from=str(row.uid))
            self._commit(record, drawn, begun, first, action="accept", tool="keys")
            if k == 1:
                record.interrupted()
        record.end()
        return record

    def _commit(
        self, record: Record, drawn: dict[str, Any], begun: float, first: int, *, action: str, tool: str
    ) -> None:
        uid = str(uuid.uuid4())
        record.say("target_committed", uid)
        record.operations.append(
            operation(
                effect(uid, drawn),
                action=action,
                tool=tool,
                session=record.session,
                begun_ms=1000 * begun,
                committed_ms=1000 * record.clock,
                activity=[first, len(record.events) - 1],
            )
        )

    def _send(self, item: Item, record: Record) -> None:
        """Operations one by one, as people make them, and the activity in two batches."""
        assert item.sheet is not None
        image = item.sheet.images.get()
        layer = Layer.objects.get(image=image, kind=Layer.Kind.WORKING)
        address = reverse("layer-operations", args=[layer.pk])
        for one in record.operations:
            answer = self._post(address, {"operations": [one]})
            assert answer["results"][0]["verdict"] == "accepted", answer
        half = len(record.events) // 2
        for first, part in ((0, record.events[:half]), (half, record.events[half:])):
            batch = {
                "session": record.session, "image": image.pk, "wall_ms": 1000 * time.time(),
                "mono_ms": 1000 * record.clock + 10, "first": first, "events": part,
            }  # fmt: skip
            self._post(reverse("activity"), batch)

    def _post(self, address: str, body: dict[str, Any]) -> Any:
        answer = self.client.post(address, json.dumps(body), content_type="application/json")
        assert answer.status_code in (200, 201, 202, 204), answer.content
        return answer.json() if answer.content else {}


def make_masks(boxes: Item) -> None:
    """What the worker does with the job: in each box of the reader a mask as large as it."""
    assert boxes.sheet is not None
    image = boxes.sheet.images.get()
    job = Job.objects.filter(project=boxes.sheet, kind=Job.Kind.PROPOSE).latest("pk")
    JobItem.objects.filter(job=job).update(state=JobItem.State.DONE, facts={"seconds": MACHINE_S})
    Job.objects.filter(pk=job.pk).update(state=Job.State.DONE)
    loaded = []
    for row in Layer.objects.get(image=image, kind=Layer.Kind.WORKING).annotations.filter(deleted=False):
        width, height = int(row.x1 - row.x0), int(row.y1 - row.y0)
        full = PackedMask(int(row.x0), int(row.y0), width, height, b"\xff" * (height * ((width + 7) // 8)))
        box = (row.x0, row.y0, row.x1, row.y1)
        loaded.append(Loaded(uuid.uuid4(), AnnotationState("cell", "confirmed", box, mask=full, derived_from=row.uid)))
    layer = load_layer(image=image, kind=Layer.Kind.PREDICTION, loaded=loaded)
    Publication.objects.create(job=job, image=image, layer=layer, certificate={}, model_names={}, facts={})
