"""Three rounds on tnbc with the quick preset, as a team would run them: real server, real worker, boxes from the data.

The first round learns from 4 images of the pool; each later one from 3 more, which the round before put first (mix).
Patients 03 and 07 judge. People's boxes are the tight boxes of the reference masks; the masks themselves are seen by
the evaluation alone. Prints what docs/rounds.md records, and writes it to the file BOXWISE_OUT where that is named
(docs/benchmarks/three_rounds.json, which rounds_plots.py beside it draws).
"""

import json
import os
import shutil
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from inference.datasets import data_root
from tests.e2e.test_disasters import call
from tests.running import Running, wait_for

START, MORE, ROUNDS = 4, 3, 3
JUDGES = ("03", "07")
POOL = ("01_1", "01_4", "02_1", "02_3", "04_1", "04_5", "06_1", "06_3", "09_1", "09_4", "10_1", "10_3")
SETUP = """
import json
from pathlib import Path
from django.contrib.auth import get_user_model
from tests.tokens import token_of
from inference.datasets import open_dataset
from labeling.images.services import add_image
from labeling.rounds.reference import lock
from labeling.projects.services import create_project
from tests.labeling.rounds import annotate
data = open_dataset(Path({folder!r}))
user = get_user_model().objects.get(is_superuser=True)
project = create_project(owner=user, name="tnbc", classes=("nucleus",))
ids = {{}}
for name in data.names:
    judge = name[:2] in {judges!r}
    if not judge and name not in {pool!r}:
        continue
    sample = data.sample(name, with_labels=True)
    content = (data.path / "images" / f"{{name}}.png").read_bytes()
    image = add_image(project=project, name=name + ".png", content=content,
                      patient="patient " + name[:2], um_per_px=0.25, split="val" if judge else "train",
                      reference=sample.labels if judge else None)
    ids[name] = image.pk
    if judge or name in {first!r}:
        annotate(image, user, sample.boxes)
lock(project=project, by=user, origin="published")
print(json.dumps({{"project": project.pk, "token": token_of(user), "ids": ids}}))
"""
ANNOTATE = """
import json
from pathlib import Path
from django.contrib.auth import get_user_model
from inference.datasets import open_dataset
from labeling.images.models import Image
from labeling.rounds.models import Publication
from tests.labeling.rounds import annotate
data = open_dataset(Path({folder!r}))
user = get_user_model().objects.get(is_superuser=True)
waiting = Publication.objects.filter(round_id={round}).select_related("image").exclude(facts__queue={{}})
waiting = sorted(waiting, key=lambda p: -p.facts["priorities"]["mix"])[:{more}]
boxes = 0
for publication in waiting:
    sample = data.sample(publication.image.name[:-4])
    annotate(publication.image, user, sample.boxes)
    boxes += len(sample.boxes)
print(json.dumps({{"names": [p.image.name for p in waiting], "boxes": boxes}}))
"""
COMPARE = """
import json
from labeling.rounds.results.comparison import compare
from labeling.rounds.models import Round
rounds = list(Round.objects.filter(project_id={project}).order_by("number"))
made = compare(rounds)
def row(f):
    return [f.round.number, f.mean, f.low, f.high, f.against]
print(json.dumps({{"images": made.images, "groups": made.patients, "sentences": made.sentences,
    "rows": [[r.name, [row(f) for f in r.figures]] for r in made.rows],
    "curves": {{str(r.number): {{s.kind: [line.values for line in s.lines.exclude(values={{}})]
                for s in r.stages.all()}} for r in rounds}},
    "seconds": {{str(r.number): {{s.kind: round((s.finished_at - s.started_at).total_seconds(), 1)
                for s in r.stages.all() if s.finished_at}} for r in rounds}},
    "cells": {{str(r.number): r.snapshot.summary["splits"]["train"] for r in rounds}}}}))
"""


def over(house: Running, given: dict[str, Any], address: str) -> bool:
    return call(house, given, address)["state"] not in ("queued", "running")


def last_line(text: str) -> Any:
    return json.loads(text.splitlines()[-1])


def main(seconds: float = 3600) -> None:
    root = data_root()
    if root is None or not (root / "tnbc").is_dir():
        print("skipped: tnbc is not here (BOXWISE_DATA)")
        return
    tnbc = str(root / "tnbc")
    folder = Path(tempfile.mkdtemp(prefix="boxwise-three-"))
    folder.chmod(0o711)
    house = Running(folder / "data")
    try:
        house.wait_until_up(240)
        given = last_line(house.manage(SETUP.format(folder=tnbc, judges=JUDGES, pool=POOL, first=POOL[::3][:START])))
        evaluations = []
        for number in range(1, ROUNDS + 1):
            began = time.monotonic()
            made = call(house, given, f"projects/{given['project']}/rounds/", {"preset": "quick"})
            address = f"rounds/{made['id']}/"
            wait_for(partial(over, house, given, address), seconds, "round")
            ended = call(house, given, address)
            facts = {s["kind"]: s["facts"] for s in ended["stages"]}
            print(f"round {number}: {ended['state']} {ended['error']} in {time.monotonic() - began:.0f} s", flush=True)
            evaluations.append(facts.get("evaluation", {}))
            print(json.dumps(evaluations[-1]), flush=True)
            if ended["state"] != "published":
                return
            if number < ROUNDS:
                chosen = last_line(house.manage(ANNOTATE.format(folder=tnbc, round=made["id"], more=MORE)))
                print(f"next: {', '.join(chosen['names'])} ({chosen['boxes']} boxes)", flush=True)
        compared = last_line(house.manage(COMPARE.format(project=given["project"]))) | {"evaluations": evaluations}
        print(json.dumps(compared), flush=True)
        if out := os.environ.get("BOXWISE_OUT"):
            Path(out).write_text(json.dumps(compared, indent=1))
    finally:
        house.stop()
        shutil.rmtree(folder, ignore_errors=True)
