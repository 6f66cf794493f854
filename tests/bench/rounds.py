"""Rounds at scale: what the stages' book-keeping costs an image, and how fast proposals reach the database.

Against the running embedded PostgreSQL, in a process of its own, with models that do nothing: only the overhead is
measured.
"""

import json
import os
import shutil
import tempfile
from pathlib import Path

from tests.running import Running

IMAGES, CELLS, PER_IMAGE = 200, 1_000_000, 10_000
OVERHEAD = """
import json, time, uuid
from pathlib import Path
import numpy as np
from django.contrib.auth import get_user_model
from inference import units as work
from inference.tasks import Lease
from labeling.rounds import services, stages
from labeling.rounds.models import Stage
from tests.labeling.rounds import small_project
user = get_user_model().objects.get(is_superuser=True)
project = small_project(user, fields=3)
services.send = lambda *a, **k: None
round_ = services.start_round(project=project, by=user, preset="tiny")
stage, owner = stages.claim(round_.stages.get(kind="pseudo_masks").pk)
class Field:
    def __init__(self, image):
        self.image = image
unit = {{"labels": np.zeros((256, 256), np.int32)}}
work_folder = Path({folder!r})
with Lease(stage.pk, owner) as lease:
    setting = work.Setting({{}}, [], {{}}, {{}}, work_folder, lease.report, lease.stop)
    began, used = time.perf_counter(), time.process_time()
    for _ in work.each_unit(setting, [Field(i) for i in range({images})], lambda field: unit):
        pass
    each = (time.perf_counter() - began) / {images} * 1000
    busy = (time.process_time() - used) / {images} * 1000
    began = time.perf_counter()
    path = work.bundle(setting, "bench.zip")
    bundled = (time.perf_counter() - began) / {images} * 1000
    began = time.perf_counter()
    artifact = stages.keep(key="bench", kind="pseudo_masks", file=path, sha256="0" * 64, facts={{}})
    kept = (time.perf_counter() - began) / {images} * 1000
services.cancel_round(round_=round_)  # or the sweeper would have the real worker do it during the next measurement
print(json.dumps([each, busy, bundled, kept]))
"""
LOAD = """
import json, time, uuid
from labeling.annotations.models import Annotation
from labeling.annotations.services import Loaded
from labeling.annotations.state import PackedMask, State
from labeling.images.models import Image
from labeling.rounds.models import Round
from labeling.rounds.publishing import publish
from tests.factories import ImageFactory
round_ = Round.objects.first()
bits = bytes(range(50))  # 20 x 20 pixels
def cells(n):
    for i in range(n):
        x, y = float(i % 1000), float(i // 1000)
        mask = PackedMask(int(x), int(y), 20, 20, bits)
        yield Loaded(uuid.uuid4(), State("cell", "confirmed", (x, y, x + 20, y + 20), mask=mask), 0.5)
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


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="boxwise-rounds-"))
    folder.chmod(0o711)
    house = Running(folder / "data")
    try:
        house.wait_until_up(240)
        said = house.manage(OVERHEAD.format(folder=str(folder / "units"), images=IMAGES))
        each, busy, bundled, kept = json.loads(said.splitlines()[-1])
        print(f"load average of the machine: {os.getloadavg()[0]:.1f}\n")
        print("| of an image's work, without the models | ms an image |")
        print("| --- | --- |")
        print(f"| unit saved, progress reported, wish to cancel asked ({IMAGES} images of 256 px) | {each:.2f} |")
        print(f"| of that, processor time of this process | {busy:.2f} |")
        print(f"| bundled into the artifact | {bundled:.2f} |")
        print(f"| artifact stored and entered | {kept:.2f} |")
        images = CELLS // PER_IMAGE
        seconds, busy = json.loads(house.manage(LOAD.format(images=images, each=PER_IMAGE)).splitlines()[-1])
        print(f"\n{CELLS:,} cells with 20 x 20 px masks, {images} layers: {seconds:.1f} s", end="")
        print(f" ({CELLS / seconds:,.0f} a second; {busy:.1f} s of them processor time of this process)")
    finally:
        house.stop()
        shutil.rmtree(folder, ignore_errors=True)
