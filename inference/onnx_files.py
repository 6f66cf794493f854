"""Detectors and segmenters as ONNX, for programs without torch.

Both take `image`, (n, 3, height, width) float32, RGB in 0..1, sides that are multiples of 16 and at least 32 px; repeat
the last row and column to get there, as inference.nets.pad_to_stride does.

segmenter  -> `foreground`, (n, 1, height, width): the probability that a pixel belongs to a cell
detector   -> `heat`, (n, classes, h, w): how much the centre of a cell lies there, 0..1; `sides`, (n, 4, h, w): log
              distances to the left, upper, right and lower side, as `corners` of inference/detectors/centre.py reads
              them. h and w are the sides by the property `stride` of the file. Finding peaks and suppressing doubles is
              left to whoever runs it (`_detect_tile` and `detect` there).
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from inference.detectors.centre import CentreDetector
from inference.segmenters.learning import NetSegmenter
from inference.types import InferenceError

OPSET = 17
EXAMPLE = (1, 3, 64, 96)


class WithFlips(nn.Module):
    """A segmenter's net with its sigmoid, averaged over the mirror images that it was made to be averaged over."""

    def __init__(self, segmenter: NetSegmenter) -> None:
        super().__init__()
        self.net = segmenter.net
        self.mirrors: list[list[int]] = [[], [2], [3], [2, 3]] if segmenter.flips else [[]]

    def forward(self, image: Tensor) -> Tensor:
        seen = []
        for axes in self.mirrors:
            # A flip of no axis becomes a node that ONNX declines.
            mirrored = image.flip(axes) if axes else image
            found = torch.sigmoid(self.net(mirrored))
            seen.append(found.flip(axes) if axes else found)
        return torch.stack(seen).mean(0)


class WithHeat(nn.Module):
    """A detector's net with its sigmoid, as it sees one image; mirror images are left to whoever runs it."""

    def __init__(self, detector: CentreDetector) -> None:
        super().__init__()
        self.net = detector.net

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        logits, sides = self.net(image)
        return torch.sigmoid(logits), sides


def write_segmenter(segmenter: Any, out: Path) -> Path:
    """Raises InferenceError for a segmenter that is no net."""
    if not isinstance(segmenter, NetSegmenter):
        raise InferenceError(f"{segmenter.name} is no net that ONNX can hold; unet, caranet and segformer are")
    about = {"model": segmenter.name, "enlarge": str(segmenter.enlarge), "stride": str(segmenter.stride)}
    return _write(WithFlips(segmenter), ["foreground"], about, out)


def write_detector(detector: Any, out: Path) -> Path:
    """Raises InferenceError for another detector than centre: theirs end in steps whose size depends on the image."""
    if not isinstance(detector, CentreDetector):
        raise InferenceError(f"{detector.name} is not exported; of detectors, centre is")
    with torch.no_grad():
        heat, _sides = detector.net(torch.zeros(EXAMPLE))
    about = {"model": detector.name, "threshold": str(detector.settings.threshold), "nms": str(detector.settings.nms)}
    about["stride"] = str(EXAMPLE[2] // heat.shape[2])
    return _write(WithHeat(detector), ["heat", "sides"], about, out)


def _write(net: nn.Module, outputs: list[str], about: dict[str, str], out: Path) -> Path:
    import onnx

    axes = {name: {0: "n", 2: "height", 3: "width"} for name in ("image", *outputs)}
    net = net.cpu().eval().to(memory_format=torch.contiguous_format)
    torch.onnx.export(
        net,
        (torch.zeros(EXAMPLE),),
        out,
        input_names=["image"],
        output_names=outputs,
        dynamic_axes=axes,
        opset_version=OPSET,
        dynamo=False,  # the other exporter needs a package more
    )
    graph = onnx.load(out)
    onnx.helper.set_model_props(graph, about)
    onnx.save(graph, out)
    return out
