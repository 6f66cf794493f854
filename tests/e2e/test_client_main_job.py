"""docs/examples/whole_job.py against a real server with a real worker, on real tissue: from nothing to an export."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from pycocotools.coco import COCO

from labeling.exchange.demo import crop, seed, whole_image
from tests.running import ROOT, Running

pytestmark = [pytest.mark.timeout(900)]
EXAMPLE = ROOT / "docs" / "examples" / "whole_job.py"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Fields of immunohistochemistry with the demo's boxes; the last has none, and a name that is not ASCII."""
    here = tmp_path / "Färbung"
    here.mkdir()
    fields, boxes = seed()["fields"], {}
    for number, field in enumerate(fields):
        last = number == len(fields) - 1
        name = "Kolon ünbesehen.png" if last else f"{field['name']}.png"
        PIL.Image.fromarray(crop(whole_image(), field)).save(here / name)
        if not last:
            boxes[name] = field["cells"]
    (here / "boxes.json").write_text(json.dumps(boxes))
    return here


def test_from_nothing_to_an_export_in_forty_lines(running: Running, folder: Path, tmp_path: Path):
    assert len(EXAMPLE.read_text().splitlines()) <= 40
    token = running.manage(
        "from labeling.accounts.models import User; from tests.tokens import token_of;"
        "print(token_of(User.objects.get(is_superuser=True)))"
    ).splitlines()[-1]
    out = tmp_path / "out.json"
    environment = os.environ | {"BOXWISE_URL": running.address, "BOXWISE_TOKEN": token, "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, EXAMPLE, folder, out]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-2000:]
    found = COCO(out)
    drawn = sum(map(len, json.loads((folder / "boxes.json").read_text()).values()))
    unseen = next(one for one in found.loadImgs(found.getImgIds()) if one["name"].startswith("Kolon"))
    cells = found.loadAnns(found.getAnnIds())
    proposed = found.loadAnns(found.getAnnIds(imgIds=[unseen["id"]]))
    assert len(found.imgs) == len(seed()["fields"]) and len(cells) >= drawn
    assert len(proposed) > 3, done.stdout
    for one in proposed:  # a mask that an independent reader finds where its box says
        mask = found.annToMask(one)
        rows, columns = np.nonzero(mask)
        x, y, width, height = one["bbox"]
        assert abs(columns.min() - x) <= 1 and abs(rows.min() - y) <= 1
        assert abs(columns.max() + 1 - x - width) <= 1 and abs(rows.max() + 1 - y - height) <= 1
    assert [found.cats[one]["name"] for one in found.getCatIds()] == ["nucleus"]
