"""The project's active time: from the events of every batch, as it was, and from the summaries. 50 person-days.

BENCH_DAYS makes it smaller. Five people work six hours a day in sessions of twenty minutes, one after the other; each
session is 240 batches of five seconds with 60 events each, as a browser sends them. The rows are written in bulk. The
page is asked for by Django's test client, in a process of its own for each way, so that its memory can be told.
"""

import json
import os
import shutil
import tempfile
from pathlib import Path

from tests.running import Running

PERSON_DAYS = int(os.environ.get("BENCH_DAYS", "50"))
PEOPLE = 5

FILL = """
import json, time, uuid, zlib
from datetime import UTC, datetime, timedelta
from django.contrib.auth import get_user_model
from django.db import connection
from labeling.annotations.summaries import rebuild
from labeling.models import ActivityBatch, Membership, Project
from tests.factories import ImageFactory, MembershipFactory, ProjectFactory
project = ProjectFactory(name="synthetic time", records_activity=True)
image = ImageFactory(project=project)
Membership.objects.create(project=project, user=get_user_model().objects.get(is_superuser=True), role="owner")
people = [MembershipFactory(project=project, role="annotator").user for _ in range({people})]
kinds = ["pointer_move"] * 55 + ["pointer_down", "pointer_up", "key", "viewport", "tool"]
def events(k):
    return zlib.compress(json.dumps(
        [[round(5000 * k + 80 * i + (k * i) % 7 / 10, 1), kind] for i, kind in enumerate(kinds)],
        separators=(",", ":")).encode())
packed = [events(k) for k in range(240)]
this_morning = datetime.now(UTC).replace(hour=8, minute=0, second=0, microsecond=0)
first_day = this_morning - timedelta(days={days} // {people} + 1)
for n in range({days}):
    person, day = people[n % {people}], first_day + timedelta(days=n // {people})
    rows = []
    for s in range(18):
        session, begun = uuid.uuid4(), day + timedelta(minutes=20 * s)
        for k, content in enumerate(packed):
            mono = 5000.0 * (k + 1)
            rows.append(ActivityBatch(
                session=session, first=60 * k, count=60, user=person, image=image, events=content,
                wall_ms=begun.timestamp() * 1000 + mono, mono_ms=mono))
    ActivityBatch.objects.bulk_create(rows, batch_size=2000)
with connection.cursor() as cursor:
    cursor.execute("UPDATE labeling_activitybatch SET received_at = to_timestamp(wall_ms / 1000)")
begun = time.perf_counter()
n = rebuild(ActivityBatch.objects.filter(image=image))
print(json.dumps([ActivityBatch.objects.count(), n, time.perf_counter() - begun]))
"""

# As it was at commit 1c04518: the sum of all gaps up to the cut-off, for the person and for everybody.
BEFORE = """
import json, resource, time
from django.db import connection
from labeling.annotations.activity import events_of
from labeling.models import ActivityBatch
connection.ensure_connection()
idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
begun, used = time.perf_counter(), time.process_time()
ticks = {}
batches = ActivityBatch.objects.filter(image__project__name="synthetic time")
for batch in batches.order_by("session", "first").iterator():
    ticks.setdefault(batch.session, []).extend((float(e[0]), e[1]) for e in events_of(batch))
total = 0.0
for found in ticks.values():
    found.sort(key=lambda e: e[0])
    times = [t for t, _kind in found]
    total += sum(b - a for a, b in zip(times, times[1:]) if b - a <= 30_000)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([time.perf_counter() - begun, time.process_time() - used, (peak - idle) / 1024, total / 3.6e6]))
"""

AFTER = """
import json, resource, time
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse
from labeling.annotations.summaries import active_time
from labeling.models import Project
project = Project.objects.get(name="synthetic time")
client = Client(headers={"host": "localhost"})
client.force_login(get_user_model().objects.get(is_superuser=True))
page = reverse("project-time", args=[project.pk])
client.get(reverse("account"))
idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
begun, used = time.perf_counter(), time.process_time()
answer = client.get(page)
assert answer.status_code == 200 and b"<rect" in answer.content, answer.content[:500]
seconds, processor = time.perf_counter() - begun, time.process_time() - used
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([seconds, processor, (peak - idle) / 1024, active_time(project=project).seconds / 3600]))
"""

RECORD = """
import json, time, uuid
from labeling.annotations.activity import record
from labeling.models import Membership, Project
project = Project.objects.get(name="synthetic time")
person, image, session = project.memberships.filter(role="annotator").first().user, project.images.get(), uuid.uuid4()
took = []
for k in range(240):
    events = [[round(5000 * k + 80 * i, 1), "pointer_move"] for i in range(60)]
    batch = {"session": str(session), "image": image.pk, "first": 60 * k, "events": events,
             "wall_ms": time.time() * 1000, "mono_ms": 5000.0 * (k + 1)}
    begun = time.perf_counter()
    record(user=person, data=batch)
    took.append(1000 * (time.perf_counter() - begun))
took.sort()
print(json.dumps([took[120], took[228]]))
"""


def last(output: str) -> list[float]:
    return list(json.loads(output.strip().splitlines()[-1]))


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="boxwise-time-"))
    folder.chmod(0o711)
    house = Running(folder / "data")
    try:
        house.wait_until_up(240)
        batches, sessions, rebuilt = last(house.manage(FILL.format(people=PEOPLE, days=PERSON_DAYS)))
        print(f"{PERSON_DAYS} person-days of six hours: {batches:,.0f} batches in {sessions:,.0f} sessions; "
              f"all summaries rebuilt in {rebuilt:.1f} s\n")  # fmt: skip
        print("| active time of the project | s | processor s | more memory, MiB | hours found |")
        print("|---|---|---|---|---|")
        for name, code in (
            ("events of all batches, once (the page did it twice)", BEFORE),
            ("the page, from summaries", AFTER),
        ):
            seconds, processor, memory, hours = last(house.manage(code))
            print(f"| {name} | {seconds:.2f} | {processor:.2f} | {memory:.0f} | {hours:.1f} |", flush=True)
        median, p95 = last(house.manage(RECORD))
        print(f"\nA batch is stored with its summary in {median:.1f} ms (p95 {p95:.1f} ms), ", end="")
        print(f"load average {os.getloadavg()[0]:.1f}")
    finally:
        house.stop()
        shutil.rmtree(folder, ignore_errors=True)
