"""The pages of a project with 10,000 images and a million cells: how long each takes, and by how many queries.

BENCH_IMAGES and BENCH_CELLS (of an image) make it smaller. The application answers in the process that measures, with
the running embedded PostgreSQL: what is measured is the page, not the network.
"""

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from tests.running import Running

IMAGES = int(os.environ.get("BENCH_IMAGES", "10000"))
CELLS = int(os.environ.get("BENCH_CELLS", "100"))
TIMES = 20  # requests of each page
LIMIT = 300  # ms

FILL = """
import json, uuid
from django.db import connection
from labeling.annotations.bulk import copy_states
from labeling.annotations.models import Layer, LayerHead
from labeling.annotations.state import AnnotationState
from labeling.assignments.declaring import declare_workflow
from labeling.models import Image, Reading, WorkItem
from tests.factories import LabelClassFactory, MembershipFactory, ProjectFactory
from tests.labeling.team import bare_images
from django.utils import timezone
project = ProjectFactory(name="pages")
owner = MembershipFactory(project=project, role="owner", user__username="owner").user
people = [MembershipFactory(project=project).user for _ in range(20)]
classes = [LabelClassFactory(project=project, position=n + 1).pk for n in range(4)]
images = bare_images(project, {images})
Image.objects.filter(project=project).update(width=2000, height=2000)
declare_workflow(project=project, by=owner)
layers = [Layer(image=image, kind="working") for image in images]
Layer.objects.bulk_create(layers, batch_size=2000)
LayerHead.objects.bulk_create([LayerHead(layer=layer) for layer in layers], batch_size=2000)
for layer in layers:
    rows = []
    for n in range({cells}):
        x, y = float(n % 50 * 40), float(n // 50 * 40)
        rows.append((uuid.uuid4(), AnnotationState("cell", "confirmed", (x, y, x + 20, y + 20), classes[n % 4]), None))
    copy_states(layer.pk, rows)
now = timezone.now()
items = list(WorkItem.objects.filter(project=project).order_by("pk")[:{images} // 2])
done = [Reading(item=item, reader=people[n % 20], state="finished", since=now, finished_at=now, begun_at=now)
        for n, item in enumerate(items)]
Reading.objects.bulk_create(done, batch_size=2000)
WorkItem.objects.filter(pk__in=[item.pk for item in items]).update(free=0, state="done", done_at=now)
with connection.cursor() as cursor:
    cursor.execute("ANALYZE")
print(json.dumps(project.pk))
"""

ASK = """
import json, time
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from labeling.models import Image, Project
from labeling.accounts.models import User
project = Project.objects.get(pk={project})
client = Client(headers={{"host": "localhost"}})
client.force_login(User.objects.get(username="owner"))
here = f"/projects/{{project.pk}}/"
there = f"/api/v1/projects/{{project.pk}}/"
first = project.images.first().pk
pages = ["/", here, here + "images/", here + "images/?order=cells", here + "team/", here + "dashboard/",
         here + "agreement/", here + "quality-control/", here + "settings/", here + "rounds/", here + "exports/",
         there + "items/", there + "images/", there + "dashboard/", there + "members/",
         f"/api/v1/images/{{first}}/workspace/"]
found = []
for page in pages:
    took = []
    for number in range({times}):
        with CaptureQueriesContext(connection) as queries:
            begun = time.perf_counter()
            answer = client.get(page)
            b"".join(answer) if answer.streaming else answer.content
            took.append(1000 * (time.perf_counter() - begun))
    took.sort()
    found.append([page, answer.status_code, took[len(took) // 2], took[int(0.95 * (len(took) - 1))], len(queries)])
print(json.dumps(found))
"""


def last(output: str) -> Any:
    return json.loads(output.strip().splitlines()[-1])


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="boxwise-pages-"))
    folder.chmod(0o711)
    house = Running(folder / "data")
    try:
        house.wait_until_up(240)
        project = last(house.manage(FILL.format(images=IMAGES, cells=CELLS)))
        print(f"{IMAGES:,} images with {CELLS} cells each\n")
        print("| page | answer | median ms | p95 ms | queries | |\n|---|---|---|---|---|---|")
        for page, status, median, p95, queries in last(house.manage(ASK.format(project=project, times=TIMES))):
            note = "" if p95 <= LIMIT else f"above {LIMIT}"
            print(f"| {page} | {status} | {median:.0f} | {p95:.0f} | {queries} | {note} |")
    finally:
        house.stop()
        shutil.rmtree(folder, ignore_errors=True)
