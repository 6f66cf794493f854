"""python -m tests.labeling.dumps.make NAME: dump a small real database with one of everything, as this code makes it.

Run it before a change of the tables or of stored documents lands, with the commit as NAME (landed_3da9b6b). It writes
NAME.sql.gz, which psql loads into an empty database, and NAME.files.zip, the storage that belongs to it, beside itself;
tests/labeling/test_old_data.py finds them there. Everything is made through services and by real worker functions.
"""

import gzip
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import django

from tests.embedded import EMBEDDED  # decides the addresses that Django reads with its settings

HERE = Path(__file__).parent
# Weights of a model are megabytes of random numbers, and no page reads them. What is left out is not in the zip.
LARGEST_FILE = 200_000


def main(name: str) -> int:
    from labeling.server import postgres, valkey

    logs = EMBEDDED.folder / "postgres.log", EMBEDDED.folder / "valkey.log"
    EMBEDDED.database.initialise()
    servers = [EMBEDDED.database.start(logs[0]), EMBEDDED.broker.start(logs[1])]
    try:
        postgres.wait_until_ready(EMBEDDED.database, servers[0], logs[0])
        valkey.wait_until_ready(EMBEDDED.broker, servers[1], logs[1])
        files = EMBEDDED.folder / "files"
        files.mkdir()
        os.environ["DJANGO_SETTINGS_MODULE"] = "labeling.settings"
        django.setup()
        fill()
        dump(HERE / f"{name}.sql.gz")
        pack(files, HERE / f"{name}.files.zip")
    finally:
        servers[1].kill()
        servers[0].send_signal(EMBEDDED.database.STOP_SIGNAL)
        servers[0].wait()
    return 0


def dump(target: Path) -> None:
    """Plain SQL, without owners, so that it loads whoever asks."""
    from labeling.server.postgres import program

    command = [program("pg_dump"), "--no-owner", "--no-privileges", EMBEDDED.database.url]
    done = subprocess.run(command, capture_output=True, check=True)
    target.write_bytes(gzip.compress(done.stdout, mtime=0))


def pack(folder: Path, target: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.stat().st_size <= LARGEST_FILE:
                archive.write(path, path.relative_to(folder).as_posix())


def fill() -> None:
    """One of everything. The order is that of the work: annotate, learn, review, export; then a study."""
    from django.core.management import call_command

    from labeling import jobs
    from tests.outbox import Message

    call_command("migrate", verbosity=0)
    sent: list[Message] = []

    def record(task: str, *, queue: str, **kwargs: Any) -> None:
        sent.append(Message(task, queue, kwargs))

    jobs.send = record  # what the workers are asked for is done below, in this process
    train_briefly()
    owner, project = annotated_project()
    learned(project, owner, sent)
    reviewed(project, owner)
    asked_for(project, owner, sent)
    studied()


def train_briefly() -> None:
    """Two steps of training: the dump is about stored documents, not about masks."""
    from inference.detectors import centre
    from inference.segmenters import unet

    for module in (centre, unet):
        few = replace(module.PRESETS["tiny"].schedule, steps=2, epoch=1)
        module.PRESETS["tiny"] = replace(module.PRESETS["tiny"], schedule=few, batch=1)


def annotated_project() -> tuple[Any, Any]:
    """Three images, a class, attributes and people of every role; boxes, a mask, a rejected cell, regions, opinions."""
    import uuid

    from labeling.annotations.attributes import declare_attributes
    from labeling.annotations.services import working_layer, write_operations
    from labeling.projects.models import Role
    from labeling.projects.services import add_class, add_member
    from tests.factories import MembershipFactory, UserFactory
    from tests.labeling.operations import cell, effect, mask, operation, region
    from tests.labeling.rounds import small_project

    owner = UserFactory(username="owner", creates_projects=True, is_superuser=True, email="owner@example.org")
    project = small_project(owner)
    project.records_activity = True
    project.save()
    mitosis = add_class(project=project, name="mitosis")
    declare_attributes(project=project, text="Stain intensity: 0, 1, 2, 3\nMitosis: no, yes")
    for role in Role.values:
        if role != Role.OWNER:
            MembershipFactory(project=project, role=role, user=UserFactory(username=role))
    add_member(project=project, username="invited", role="viewer", by=owner)

    image = project.images.order_by("position").last()
    layer = working_layer(image=image, user=owner)
    with_mask, rejected, cleared = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
    attributes = {"Mitosis": "yes", "Stain intensity": "2"}
    of_class = cell(mask=mask(), label_class=mitosis.pk, attributes=attributes)
    drawn = operation(effect(with_mask, of_class))
    several = operation(effect(rejected, cell(status="rejected", reason="not_a_cell")), effect(cleared, cell()))
    erased = operation(effect(cleared, None, seen=several["op_id"]), action="delete")
    ignored = operation(effect(uuid.uuid4(), region((0, 0, 9, 9), "ignore")), action="region")
    accepted(write_operations(layer=layer, author=owner, operations=[drawn, several, erased, ignored]))
    reviewer = project.memberships.get(role=Role.REVIEWER).user
    opinions = [
        {"annotation": str(with_mask), "seen": None, "after": {"verdict": "rejected"}},
        {"annotation": str(rejected), "seen": None, "after": {"verdict": "rejected"}},
    ]
    acts = [operation(action="opinion", tool="keys", opinions=[one]) for one in opinions]
    accepted(write_operations(layer=layer, author=reviewer, operations=acts))
    worked_on(image, owner)
    return owner, project


def accepted(answer: Any) -> None:
    _, verdicts = answer
    assert {verdict.verdict for verdict in verdicts} == {"accepted"}, verdicts


def worked_on(image: Any, user: Any) -> None:
    """Activity as the browser sends it."""
    import time
    import uuid

    from labeling.annotations import activity
    from tests.labeling.studies import activity_body

    events = [[1000.0 * second, "pointer_move"] for second in range(11)]
    batch = {"session": str(uuid.uuid4()), "image": image.pk, "wall_ms": time.time() * 1000, "mono_ms": 10_010.0}
    assert activity.record(user=user, sent=activity_body(batch | {"first": 0, "events": events}))


def learned(project: Any, owner: Any, sent: list[Any]) -> None:
    """Notices, a finished round with all its stages, a promotion, and weights that were brought along."""
    import torch
    from django.core.files.uploadedfile import SimpleUploadedFile

    from inference.detectors import centre
    from inference.weights import files
    from inference.worker import tasks
    from labeling.rounds.execution.services import start_round
    from labeling.rounds.notices.announcements import change_notices
    from labeling.rounds.weights import importing
    from labeling.rounds.weights.promotion import promote

    change_notices(project=project, notify_by_mail=True, webhook_url="https://hooks.example.org/boxwise")
    for changes in ({}, {"seed": 3}):
        start_round(project=project, by=owner, preset="tiny", changes=changes)
        run_stages(tasks, sent)
    first, second = project.rounds.order_by("number")
    assert first.state == second.state == "published", (first.error, second.error)
    promote(round_=first, by=owner)

    torch.manual_seed(7)
    about = {"model": "centre-1", "classes": 1, "settings": asdict(centre.CentreSettings())}
    with tempfile.TemporaryDirectory() as folder:
        path = files.save(Path(folder) / "mine.safetensors", centre.CentreNet(1).state_dict(), about)
        upload = SimpleUploadedFile("mine.safetensors", path.read_bytes())
    made = importing.import_weights(project=project, by=owner, files=[upload], data_licence="CC BY-NC 4.0")
    for message in [one for one in sent if one.task == "inference.check_weights"]:
        tasks.check_weights(**message.arguments)
    made.refresh_from_db()
    assert made.state == "ready", made.error


def run_stages(tasks: Any, sent: list[Any]) -> None:
    """Do the stages that are sent, and those that they send; other messages stay away."""
    from tests.labeling.rounds import messages_to

    for message in messages_to(sent, "inference.run_stage"):
        tasks.run_stage(**message.arguments)


def reviewed(project: Any, owner: Any) -> None:
    """Proposals of the first round that were published on a working image: one accepted, one rejected."""
    from labeling.annotations.services import Loaded
    from labeling.annotations.state import state_of
    from labeling.rounds.models import Publication
    from tests.labeling.pages import accept, reject

    publications = Publication.objects.filter(round__project=project, round__number=1)
    publication = publications.order_by("image__position").first()
    assert publication is not None
    free = [row for row in publication.layer.annotations.order_by("pk") if row.derived_from is None]
    proposals = [Loaded(row.uid, state_of(row)) for row in free[:2]]
    for act, proposal in zip((accept, reject), proposals, strict=False):
        act(publication.image, owner, proposal)


def asked_for(project: Any, owner: Any, sent: list[Any]) -> None:
    """An export that was made, one that was cancelled, and a search for settings that was done."""
    import labeling.exchange.tasks  # noqa: F401 (registers the handler of exports)
    from inference.worker import tasks
    from labeling.exchange.request import ExportRequest
    from labeling.jobs.models import Job
    from labeling.jobs.services import cancel, create_job
    from labeling.jobs.tasks import run_job
    from labeling.rounds.results.tuning import request_tuning

    wanted = ExportRequest.of("coco", include=["masks", "boxes"]).as_json()
    done = create_job(kind=Job.Kind.EXPORT, project=project, owner=owner, request=wanted)
    run_job(done.pk)
    cancel(create_job(kind=Job.Kind.EXPORT, project=project, owner=owner, request=wanted).pk)
    asked = request_tuning(round_=project.rounds.get(number=1), by=owner)
    tasks.tune_round(asked.pk)


def studied() -> None:
    """A study that four readers have read and whose results are locked, and one that is a draft."""
    from labeling.studies import services
    from tests.labeling.studies import ARMS, SECONDS, draft, read_all, ten_fields

    project = ten_fields()
    study = services.freeze(study=draft(project), by=project.owner)
    read_all(study, lambda reader, arm, k: SECONDS[arm] * (1 + 0.07 * reader) * (1 + 0.02 * (k * reader % 3)))
    services.lock(study=study)
    services.create_study(
        project=project, by=project.owner, name="A second one", hypothesis="Boxes are as good.", arms=ARMS, seed=7
    )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
