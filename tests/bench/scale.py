"""Rounds at scale: what the book-keeping costs an image, how workers share ten thousand of them, a million proposals.

BENCH_IMAGES and BENCH_CELLS make it smaller (0: leave that part out).

Against the running embedded PostgreSQL and Valkey, with real Celery workers in processes of their own. The models are
simulated: each image takes 100 ms of sleep, so that two cores serve eight workers and only the orchestration counts.
"""

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.running import ROOT, Running

MODEL = 0.1  # seconds an image
IMAGES = {1: 400, 8: int(os.environ.get("BENCH_IMAGES", "10000"))}  # workers -> images
CELLS, PER_IMAGE = int(os.environ.get("BENCH_CELLS", "1000000")), 10_000

# Only the stages up to the prediction, the earlier ones as if done; only this module's workers listen to its queue.
START = """
import json, time
from django.contrib.auth import get_user_model
from django.core.files.base import ContentFile
from labeling.models import Project, Round, Snapshot, Stage
from labeling import jobs
from labeling.rounds.execution import services
from tests.labeling.rounds import small_project
project = Project.objects.filter(name="synthetic").first()
if project is None:
    project = small_project(get_user_model().objects.get(is_superuser=True))
    send, jobs.send = jobs.send, lambda *a, **k: None
    services.cancel_round(round_=services.start_round(project=project, by=None, preset="tiny"))
    jobs.send = send
old = project.rounds.order_by("number").first()
content = json.load(old.snapshot.content.open())
content["images"] = [content["images"][-1] | {{"image": 1_000_000 + n}} for n in range({images})]
snapshot = Snapshot(project=project, sha256="bench-{workers}", summary=old.snapshot.summary)
snapshot.content.save("bench.json", ContentFile(json.dumps(content).encode()), save=False)
snapshot.save()
round_ = Round.objects.create(project=project, number=old.number + {workers}, preset="tiny", state="running",
                              configuration=old.configuration, snapshot=snapshot)
for position, kind in enumerate(("pseudo_masks", "detector", "segmenter", "prediction")):
    Stage.objects.create(round=round_, position=position, kind=kind, queue="bench",
                         state="done" if position < 3 else "waiting")
services.advance(round_)
while round_.state in Round.ACTIVE:
    time.sleep(1)
    round_.refresh_from_db()
print(json.dumps([round_.state, round_.error]))
"""
WORKER = """
import time
import numpy as np
from inference.pipeline import compute
from inference.worker import tasks
from labeling.celery import app
log = open({log!r}, "a", buffering=1)
def make(field):
    began = time.time()
    time.sleep({model})
    print(began, time.time(), time.process_time(), file=log)
    return {{"boxes": np.zeros((0, 4)), "m_d": np.zeros((256, 256), np.int32)}}
def predictor(setting):
    return make, {{"detector": "sleep", "segmenter": "sleep", "prompter": "sleep"}}
compute.predictor = compute.SPREAD["prediction"] = predictor
app.worker_main(["worker", "-P", "threads", "-c", "1", "-Q", "bench", "-n", "bench{number}@%h", "--loglevel", "WARNING",
                 "--without-gossip", "--without-mingle", "--without-heartbeat"])
"""
READY = """
from labeling.celery import app
print(len([name for name in (app.control.ping(timeout=5) or []) if "bench" in str(name)]))
"""
LOAD = """
import json, time, uuid
from labeling.annotations.models import Annotation
from labeling.annotations.services import Loaded
from labeling.annotations.state import PackedMask, AnnotationState
from labeling.images.models import Image
from labeling.rounds.models import Round, Snapshot
from labeling.rounds.results.publishing import publish
from tests.factories import ImageFactory, ProjectFactory
project = ProjectFactory()
snapshot = Snapshot.objects.create(project=project, sha256="load", content="none", summary={{}})
round_ = Round.objects.create(project=project, number=1, preset="tiny", configuration={{}}, snapshot=snapshot)
bits = bytes(range(50))  # 20 x 20 pixels
def cells(n):
    for i in range(n):
        x, y = float(i % 1000), float(i // 1000)
        mask = PackedMask(int(x), int(y), 20, 20, bits)
        yield Loaded(uuid.uuid4(), AnnotationState("cell", "confirmed", (x, y, x + 20, y + 20), mask=mask), 0.5)
images = [ImageFactory(project=round_.project, width=8, height=8) for _ in range({images})]
Image.objects.filter(pk__in=[i.pk for i in images]).update(width=2000, height=2000)
certificate = {{"objective": 0.0, "flow": 0, "cut": 0, "closed": True, "milliseconds": 0.0, "ambiguous_share": 0.0}}
began, used = time.perf_counter(), time.process_time()
for image in images:
    publish(round_=round_, image=image, proposals=cells({each}), certificate=certificate, model_names={{}}, facts={{}})
seconds = time.perf_counter() - began
assert Annotation.objects.filter(layer__image__in=images).count() == {each} * {images}
print(json.dumps([seconds, time.process_time() - used]))
"""


def last(text: str) -> Any:
    return json.loads(text.splitlines()[-1])


@contextmanager
def workers(house: Running, count: int) -> Iterator[None]:
    """`count` Celery workers that answer; ended by their own process ids."""
    processes = []
    for number in range(count):
        code = WORKER.format(model=MODEL, number=number, log=str(house.folder / f"{count}-{number}.times"))
        with (house.folder / f"bench{number}.log").open("ab") as log:
            command = house.command_line("manage", "shell", "--no-imports", "-c", code)
            processes.append(subprocess.Popen(command, cwd=ROOT, env=house.env, stdout=log, stderr=log))
    try:
        end = time.monotonic() + 240
        while last(house.manage(READY)) < count:
            assert time.monotonic() < end, "the workers did not come up"
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@dataclass(frozen=True)
class Shared:
    """Of a stage that workers shared.

    whole, all_in  seconds from the first image's start to the last one's end, and those in which every worker had
                   images: that each loads torch and the snapshot once is no part of what an image costs
    rate           images a second while all were in
    busy           share of the workers' time then that the models would have taken on an idle machine
    processor_ms   of the workers, an image
    """

    whole: float
    all_in: float
    rate: float
    busy: float
    processor_ms: float


def shared(times: list[np.ndarray]) -> Shared:
    """From each worker's rows of (start, end, processor seconds so far), one an image."""
    first, last_ = max(t[0, 0] for t in times), min(t[-1, 1] for t in times)
    inside = sum(int(((t[:, 0] >= first) & (t[:, 1] <= last_)).sum()) for t in times)
    return Shared(
        whole=max(t[-1, 1] for t in times) - min(t[0, 0] for t in times),
        all_in=last_ - first,
        rate=inside / (last_ - first),
        busy=inside * MODEL / (len(times) * (last_ - first)),
        processor_ms=1000 * sum(t[-1, 2] - t[0, 2] for t in times) / sum(map(len, times)),
    )


def share(house: Running, count: int) -> Shared:
    images = IMAGES[count]
    with workers(house, count):
        state, error = last(house.manage(START.format(images=images, workers=count)))
    assert state == "published", error
    times = [np.loadtxt(path, ndmin=2) for path in house.folder.glob(f"{count}-*.times")]
    assert sum(map(len, times)) == images  # nothing lost and nothing twice
    return shared(times)


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="boxwise-scale-"))
    folder.chmod(0o711)
    house = Running(folder / "data")
    try:
        house.wait_until_up(240)
        print("| workers | images of 100 ms | s | s with all workers in | images/s then | busy then "
              "| ms an image beside the model | processor ms | load average |")  # fmt: skip
        print("|---|---|---|---|---|---|---|---|---|", flush=True)
        for count, images in IMAGES.items() if IMAGES[8] else ():
            f = share(house, count)
            beside = 1000 * (count / f.rate - MODEL)
            print(f"| {count} | {images:,} | {f.whole:.1f} | {f.all_in:.1f} | {f.rate:.1f} | {f.busy:.1%} "
                  f"| {beside:.1f} | {f.processor_ms:.1f} | {os.getloadavg()[0]:.1f} |", flush=True)  # fmt: skip
        if CELLS:
            images = CELLS // PER_IMAGE
            seconds, used = last(house.manage(LOAD.format(images=images, each=PER_IMAGE)))
            print(f"\n{CELLS:,} cells with 20 x 20 px masks in {images} layers: {seconds:.1f} s", end="")
            print(f" ({CELLS / seconds:,.0f} a second; {used:.1f} s of them processor time of the writer), ", end="")
            print(f"load average {os.getloadavg()[0]:.1f}")
    finally:
        house.stop()
        shutil.rmtree(folder, ignore_errors=True)
