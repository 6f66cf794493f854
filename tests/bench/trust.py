"""How far to believe the detector's mask where the two masks disagree: Dice against `trust`, on sets of several kinds.

Trains BoxCell's quick preset on tnbc's training images (boxes only; the shipped weights it starts from have seen masks
of tnbc's training images, so the rows compare settings and are no result on tnbc). tnbc's validation images and every
fourth image of the other sets are measured; no test image is touched.
"""

import json
import os
import tempfile
from pathlib import Path

import numpy as np
import PIL.Image

from inference.fusion import Parameters, fuse
from inference.metrics import dice

TRUST = (0.0, 1.0, 2.0, 3.0, 4.0, 6.0)
SIDE = 512  # of the corner of larger images that is measured


def main() -> None:
    from inference.commands import train
    from inference.methods.boxcell import load

    data = Path(os.environ.get("BOXWISE_DATA", "../shared/data"))
    model = Path(tempfile.mkdtemp(prefix="boxwise-trust-")) / "model"
    assert train.main([str(data / "tnbc"), "-o", str(model)]) == 0
    cell = load(model)
    print("| set | images | detector | segmenter |" + "".join(f" trust {t:g} |" for t in TRUST))
    print("|---|---|---|---|" + "---|" * len(TRUST))
    for name in ("tnbc", "gbm40", "monuseg", "consep"):
        folder = data / name
        if name == "tnbc":
            stems = json.loads((folder / "dataset.json").read_text())["splits"]["val"]
        else:
            stems = sorted(path.stem for path in (folder / "images").glob("*.png"))[1::4][:6]
        rows = []
        for stem in stems:
            rgb = np.array(PIL.Image.open(folder / "images" / f"{stem}.png").convert("RGB"))[:SIDE, :SIDE].copy()
            reference = np.array(PIL.Image.open(folder / "labels" / f"{stem}.png"))[:SIDE, :SIDE] > 0
            parts = cell.predict(rgb)
            m_d, m_s = parts.detected > 0, parts.segmented
            fused = [fuse(rgb, m_d, m_s, Parameters(trust=t)).mask for t in TRUST]
            rows.append([dice(reference, mask) for mask in (m_d, m_s, *fused)])
        means = " | ".join(f"{value:.4f}" for value in np.mean(rows, axis=0))
        print(f"| {name} | {len(stems)} | {means} |", flush=True)
