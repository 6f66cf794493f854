"""Near duplicates between data sets: copies and crops are found, other tissue is not."""

import json

import cv2
import numpy as np
from PIL import Image

from inference.experiments import duplicates
from tests.inference.conftest import painted_field


def folder(path, pictures):
    for part in ("images", "labels"):
        (path / part).mkdir(parents=True)
    for name, rgb in pictures.items():
        Image.fromarray(rgb).save(path / "images" / f"{name}.png")
        Image.fromarray(np.zeros(rgb.shape[:2], np.uint16)).save(path / "labels" / f"{name}.png")
    (path / "dataset.json").write_text(json.dumps({"splits": {}}))


def tissue(seed, side=320):
    return painted_field(seed, side=side, cells=40).rgb


def test_crops_and_paler_copies_are_found_and_other_tissue_is_not(tmp_path, capsys):
    large = tissue(1, 400)
    smaller = cv2.resize(tissue(2), (240, 240), interpolation=cv2.INTER_AREA)
    paler = (127 + smaller.astype(int) // 2).astype(np.uint8)
    folder(tmp_path / "ours", {"crop": large[60:300, 100:340], "copy": tissue(2), "own": tissue(3)})
    folder(tmp_path / "theirs", {"whole": large, "paler": paler, "other": tissue(4)})
    assert duplicates.main([str(tmp_path), "--of", "ours", "--among", "theirs"]) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    assert "copy = paler; crop = whole" in line and "own" not in line


def test_a_patch_larger_than_the_other_image_is_no_crop_of_it():
    assert duplicates.found_in([np.zeros((48, 48), np.uint8)], np.zeros((20, 20), np.uint8)) == -1
