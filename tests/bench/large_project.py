"""A project with a long log, made in SQL: what opening, a stroke and the history of one cell cost beside a short one.

`python -m tests.bench large_project`, part of `make load`. LOAD_OPERATIONS (2,000,000) lie on LAYERS layers of CELLS
cells; the project beside it has the same layers and cells, and no operation but those that drew them.
"""

import json
import os
import shutil
import statistics
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.e2e.test_disasters import call
from tests.labeling.operations import cell, effect, operation
from tests.running import Running

OPERATIONS = int(os.environ.get("LOAD_OPERATIONS", "2000000"))
LAYERS, CELLS, TIMES = 20, 1000, 30
GOAL = 1.5  # times the small project
SETUP = """
import json, uuid
from django.contrib.auth import get_user_model
from tests.tokens import token_of
from labeling.annotations.services import working_layer, write_operations
from labeling.images.services import add_image
from inference.synthetic import tissue
from tests.factories import MembershipFactory, ProjectFactory
from tests.labeling.operations import cell, effect, operation
from tests.labeling.rounds import png_of
user = get_user_model().objects.create_user("large")
made = {}
for name in ("small", "large"):
    project = ProjectFactory(name=name)
    MembershipFactory(project=project, user=user)
    layers = []
    for number in range(LAYERS):
        content = png_of(tissue(256, 256, 5, seed=number).rgb)
        image = add_image(project=project, name=f"{name}{number}.png", content=content)
        layer = working_layer(image=image, user=user)
        uids = [uuid.uuid4() for _ in range(CELLS)]
        effects = [effect(uid, cell((n % 230, n % 220, n % 230 + 20, n % 220 + 18))) for n, uid in enumerate(uids)]
        write_operations(layer=layer, author=user, operations=[operation(*effects, action="bulk")])
        layers.append(str(layer.pk))
    made[name] = {"image": image.pk, "layer": layers[-1], "layers": layers, "cell": str(uids[CELLS // 2])}
print(json.dumps(made | {"token": token_of(user)}))
"""
# Each operation reclassifies one cell, one after the other.
FILL = """
from django.db import connection
for layer in {layers}:
    with connection.cursor() as cursor:
        cursor.execute('''
            WITH head AS (SELECT seq FROM labeling_layerhead WHERE layer_id = %(layer)s),
            cells AS (
                SELECT id, row_number() OVER (ORDER BY id) - 1 AS n FROM labeling_annotation
                WHERE layer_id = %(layer)s),
            made AS (
                INSERT INTO labeling_operation (layer_id, seq, op_id, action, author_id, tool, session, begun_at,
                    committed_at, begun_ms, committed_ms, received_at)
                SELECT %(layer)s, head.seq + s, gen_random_uuid(), 'classify', user_.id, 'class', gen_random_uuid(),
                    now(), now(), 0, 1, now()
                FROM head, generate_series(1, {each}) s, (SELECT id FROM labeling_user WHERE username = 'large') user_
                RETURNING id, seq)
            INSERT INTO labeling_effect (operation_id, annotation_id, version, before, after)
            SELECT made.id, cells.id, 2 + (made.seq - head.seq - 1) / {cells}, first.after, first.after
            FROM made, head, cells, labeling_effect first
            WHERE cells.n = (made.seq - head.seq - 1) %% {cells}
                AND first.annotation_id = cells.id AND first.version = 1
        ''', {{"layer": layer}})
        cursor.execute('''
            UPDATE labeling_annotation a SET version = last.version, last_op = last.op_id FROM (
                SELECT DISTINCT ON (e.annotation_id) e.annotation_id, e.version, o.op_id FROM labeling_effect e
                JOIN labeling_operation o ON o.id = e.operation_id WHERE o.layer_id = %(layer)s
                ORDER BY e.annotation_id, e.version DESC) last
            WHERE a.id = last.annotation_id''', {{"layer": layer}})
        cursor.execute("UPDATE labeling_layerhead SET seq = (SELECT max(seq) FROM labeling_operation WHERE layer_id = "
            "%(layer)s) WHERE layer_id = %(layer)s", {{"layer": layer}})
with connection.cursor() as cursor:
    cursor.execute("ANALYZE")
"""


def fetch(house: Running, token: str, path: str) -> None:
    address = f"http://127.0.0.1:{house.port}/api/v1/{path}"
    request = urllib.request.Request(address, headers={"Authorization": f"Token {token}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        answer.read()


def acts(house: Running, token: str) -> dict[str, Callable[[dict[str, Any]], object]]:
    """What is measured: name -> what it does to one of the two projects."""

    def open_image(one: dict[str, Any]) -> None:
        fetch(house, token, f"images/{one['image']}/workspace/")
        fetch(house, token, f"layers/{one['layer']}/pack/")

    def append(one: dict[str, Any]) -> None:
        drawn = {"operations": [operation(effect(uuid.uuid4(), cell((5, 5, 25, 25))))]}
        call(house, {"token": token}, f"layers/{one['layer']}/operations/", drawn)

    def history(one: dict[str, Any]) -> None:
        fetch(house, token, f"images/{one['image']}/history/?limit=20&annotation={one['cell']}")

    def newest(one: dict[str, Any]) -> None:
        fetch(house, token, f"images/{one['image']}/history/?limit=20")

    return {"open": open_image, "append": append, "history of one cell": history, "history of the image": newest}


def rows(house: Running) -> None:
    """Print a row for each act: milliseconds in both projects, measured in turns, and the ratio of the medians."""
    code = SETUP.replace("LAYERS", str(LAYERS)).replace("CELLS", str(CELLS))
    made = json.loads(house.manage(code).splitlines()[-1])
    begun = time.perf_counter()
    house.manage(FILL.format(layers=made["large"]["layers"], each=OPERATIONS // LAYERS, cells=CELLS))
    took = time.perf_counter() - begun
    print(f"\n{OPERATIONS:,} operations on {LAYERS} layers of {CELLS:,} cells, made in {took:.0f} s\n")
    print(f"| what | short log, median ms | long log, median ms | ratio (goal {GOAL:g}) |\n|---|---:|---:|---:|")
    for name, act in acts(house, made["token"]).items():
        times: dict[str, list[float]] = {"small": [], "large": []}
        for number in range(TIMES + 3):
            for project, found in times.items():
                began = time.perf_counter()
                act(made[project])
                if number >= 3:  # warm
                    found.append(1000 * (time.perf_counter() - began))
        small, large = (statistics.median(times[project]) for project in ("small", "large"))
        print(f"| {name} | {small:.1f} | {large:.1f} | {large / small:.2f} |", flush=True)


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="boxwise-large-"))
    folder.chmod(0o711)
    house = Running(folder / "data", env={"API_REQUESTS_PER_MINUTE": "1000000"}).wait_until_up(600)
    try:
        rows(house)
    finally:
        house.stop(seconds=60)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
