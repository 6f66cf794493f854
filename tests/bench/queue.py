"""The queue of a workflow at 100,000 images: what "next for me" costs, and by which index PostgreSQL finds it.

BENCH_ITEMS makes it smaller. The worst case is a person who has read half of the images, of which each still wants a
second reader: the queue begins with tens of thousands of rows that are not for them.
"""

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from tests.running import Running

ITEMS = int(os.environ.get("BENCH_ITEMS", "100000"))

FILL = """
import json, time
from django.contrib.auth import get_user_model
from django.db import connection
from django.utils import timezone
from labeling.assignments.declaring import declare_workflow, set_priorities
from labeling.models import Membership, Project, Reading, WorkItem
from tests.factories import MembershipFactory, ProjectFactory
from tests.labeling.team import bare_images
project = ProjectFactory(name="queue")
owner = MembershipFactory(project=project, role="owner").user
people = [MembershipFactory(project=project).user for _ in range(60)]
images = bare_images(project, {items})
begun = time.perf_counter()
declare_workflow(project=project, by=owner, readings=2)
declared = time.perf_counter() - begun
begun = time.perf_counter()
set_priorities(project=project, priorities={{image.pk: (image.pk * 7919 % 1000) / 1000 for image in images}})
ordered = time.perf_counter() - begun
# The first reader has read the half of the images that come first.
first = WorkItem.objects.order_by("-priority", "pk").values_list("pk", flat=True)[:{items} // 2]
now = timezone.now()
rows = [Reading(item_id=pk, reader=people[0], state="finished", since=now, finished_at=now) for pk in first]
Reading.objects.bulk_create(rows, batch_size=5000)
WorkItem.objects.filter(pk__in=[row.item_id for row in rows]).update(free=1, state="in_work")
with connection.cursor() as cursor:
    cursor.execute("ANALYZE")
print(json.dumps([declared, ordered]))
"""

PULL = """
import json, time
from django.db import connection
from labeling.assignments import services
from labeling.models import Project
project = Project.objects.get(name="queue")
people = [m.user for m in project.memberships.filter(role="annotator").order_by("pk").select_related("user")]
users = {users}
took = []
for user in users:
    begun = time.perf_counter()
    reading = services.take_next(project=project, user=user)
    took.append(1000 * (time.perf_counter() - begun))
    services.finish_item(item_id=reading.item_id, user=user)
took.sort()
plan = services.queue_for(project=project, user=users[0])[:1].explain(analyze=True)
used = [line.strip() for line in plan.splitlines() if "Scan" in line or "Execution" in line or "Join" in line]
print(json.dumps([took[len(took) // 2], took[int(0.95 * (len(took) - 1))], used]))
"""
CASES = {
    "60 people, the queue is fresh": "people[1:] * 3",
    "a person who has read the first half": "[people[0]] * 50",
}


def last(output: str) -> Any:
    return json.loads(output.strip().splitlines()[-1])


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="boxwise-queue-"))
    folder.chmod(0o711)
    house = Running(folder / "data")
    try:
        house.wait_until_up(240)
        declared, ordered = last(house.manage(FILL.format(items=ITEMS)))
        print(f"{ITEMS:,} items were made in {declared:.1f} s and put in order in {ordered:.1f} s\n")
        print("| next for me | median ms | p95 ms |\n|---|---|---|")
        plans = {}
        for name, users in CASES.items():
            median, p95, plans[name] = last(house.manage(PULL.format(users=users)))
            print(f"| {name} | {median:.1f} | {p95:.1f} |", flush=True)
        for name, plan in plans.items():
            print(f"\n{name}:\n    " + "\n    ".join(plan))
    finally:
        house.stop()
        shutil.rmtree(folder, ignore_errors=True)
