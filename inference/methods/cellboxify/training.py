"""Training of the net from boxes, and the trained detector of polygons."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from skimage.draw import polygon2mask
from torch import Tensor

from inference.detectors.rcnn import FasterRcnn, RcnnDetector, RcnnNet, RcnnSettings
from inference.methods.cellboxify.net import CellBoxifyNet, PolygonSettings
from inference.methods.cellboxify.polygons import placed
from inference.training.loop import Schedule
from inference.types import RGB, BoxMask, Detections, Prompted, Report, Sample, Stop

MODEL = "cellboxify-net-1"
CLAHE_LIMIT, CLAHE_TILES = 2.0, (8, 8)

PRESETS = {
    "tiny": PolygonSettings(
        schedule=Schedule(steps=12, epoch=4, lr=5e-4, warmup=3, average=0.8),
        batch=2,
        side=128,
        regions=32,
        polygons=32,
        pretrained=False,
    ),
    "quick": PolygonSettings(
        schedule=Schedule(steps=240, epoch=60, lr=7e-4, warmup=30, average=0.97), side=192, regions=64, polygons=48
    ),
    "standard": PolygonSettings(
        schedule=Schedule(steps=1500, epoch=150, lr=5e-4, warmup=50, average=0.99, patience=5), side=256, polygons=64
    ),
    # Adam at 1e-4, anchors of 8 to 128 px, ratios of .5 to 4 and 3,000 proposals; LIVECell's images, 520 px high, are
    # resized to 440 to 620 px: a magnification of .85 to 1.19.
    "paper": PolygonSettings(
        schedule=Schedule(steps=10_000, epoch=200, lr=1e-4, weight_decay=0.0, warmup=1000, average=0.0, patience=15),
        backbone="resnet50",
        batch=8,
        side=512,
        zoom=(0.85, 1.19),
        colour=0.0,
        regions=512,
        tile=1024,
        vertices=64,
        clipped=64,
        polygons=512,
        ratios=(0.5, 1.0, 2.0, 3.0, 4.0),
        proposals=3000,
    ),
}


def equalised(rgb: RGB) -> RGB:
    """Contrast limited adaptive histogram equalisation (Pizer et al. 1987) of the lightness; hues stay."""
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)
    lightness = cv2.createCLAHE(CLAHE_LIMIT, CLAHE_TILES).apply(lab[:, :, 0])
    lab[:, :, 0] = lightness
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), np.uint8)


class PolygonDetector(RcnnDetector):
    """A trained CellBoxifyNet: boxes with a polygon each."""

    def rows(self, rgb: RGB) -> Tensor:
        return super().rows(equalised(rgb))

    def further_columns(self, found: dict[str, Tensor]) -> list[Tensor]:
        return [found["polygons"].flatten(1)]

    def segment(self, rgb: RGB) -> tuple[Detections, Prompted]:
        """What was found, best first, and the mask of each polygon, in image pixels."""
        rows = self.rows(rgb)
        boxes, scores = rows[:, :4], rows[:, 4].numpy()
        polygons = placed(rows[:, 6:].unflatten(1, (-1, 2)), boxes)
        masks = [filled(polygon) for polygon in polygons.numpy()]
        detections = Detections(boxes.double().numpy(), scores, rows[:, 5].long().numpy())
        return detections, Prompted(masks, scores)


def filled(polygon: npt.NDArray[np.float32]) -> BoxMask:
    """The pixels whose centres lie in a polygon (k, 2): x, y in image pixels."""
    low = np.floor(polygon.min(axis=0)).astype(int)
    high = np.ceil(polygon.max(axis=0)).astype(int)
    local = polygon - low - 0.5  # skimage counts from the middle of the first pixel, this project from its corner
    bits = polygon2mask((high[1] - low[1], high[0] - low[0]), local[:, ::-1])
    return BoxMask(int(low[0]), int(low[1]), bits)


class PolygonTrainer(FasterRcnn):
    """Trainer of PolygonDetector; the detector's evaluation on boxes chooses the weights, the threshold and the
    overlap, because no masks are known."""

    model = MODEL
    file = "cellboxify.safetensors"

    def train(
        self,
        samples: Sequence[Sample],
        validation: Sequence[Sample],
        *,
        work: Path,
        report: Report,
        stop: Stop,
        start_from: Path | None = None,
    ) -> Path:
        clear = [replace(sample, rgb=equalised(sample.rgb)) for sample in samples]
        return super().train(clear, validation, work=work, report=report, stop=stop, start_from=start_from)

    def net(self, classes: int, settings: RcnnSettings) -> RcnnNet:
        assert isinstance(settings, PolygonSettings)
        return CellBoxifyNet(classes, settings)

    def detector(self, net: RcnnNet, settings: RcnnSettings, device: torch.device) -> PolygonDetector:
        return PolygonDetector(net, settings, device=device, name=MODEL)
