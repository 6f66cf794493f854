"""The shipped prompter: a small U-Net that looks at one cell at a time, box or clicks -> mask and quality.

A prompt is cut out as a square (1.6 times the longer side of the box; for clicks alone 64 pixels, then once more
around what was found), brought to 64 x 64, and given to the net with the box and the clicks as further channels. So
the cost is per prompt, small cells are always seen large, and encoding an image costs next to nothing.
"""

import itertools
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inference.devices import OutOfMemory, mixed
from inference.devices import device as choose_device
from inference.masks import clip, tight
from inference.types import RGB, Boxes, BoxMask, InferenceError, Prompted, Prompts, Scores
from inference.weights import files, sha256, shipped

logger = logging.getLogger(__name__)
MODEL = "boxwise-1"
SIDE = 64  # pixels of a cut-out
CONTEXT = 1.6  # side of the cut-out, in longer sides of the box
CLICK_SIDE = 64.0  # image pixels around a first click; nuclei at 40x are 15 to 40 across
LEAST_SIDE = 8.0  # a box of a pixel or two is shown with this much around it
WIDTHS = (16, 32, 64, 96)
CHANNELS = 6  # red, green, blue, box, clicks inside, clicks outside
EMPTY = BoxMask(0, 0, np.zeros((0, 0), bool))


class Pair(nn.Sequential):
    def __init__(self, channels_in: int, channels: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
        )


class CropNet(nn.Module):
    """(B, 6, 64, 64) -> mask logits (B, 64, 64) and the logit of the mask's own IoU (B,).

    level  added to the mask's logits: above 0 masks are wider. Better on one set, worse on others (docs/models.md)
    """

    def __init__(self, widths: Sequence[int] = WIDTHS, level: float = 0.0) -> None:
        super().__init__()
        self.level = level
        self.first = Pair(CHANNELS, widths[0])
        self.down = nn.ModuleList(Pair(a, b, 2) for a, b in itertools.pairwise(widths))
        self.lift = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in itertools.pairwise(widths))
        self.up = nn.ModuleList(Pair(a, a) for a in widths[:-1])
        self.mask = nn.Conv2d(widths[0], 1, 1)
        self.quality = nn.Sequential(nn.Linear(widths[-1] + 2, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.first(x)
        skips = []
        for stage in self.down:
            skips.append(x)
            x = stage(x)
        seen = x.mean((2, 3))
        for lift, stage, skip in zip(reversed(self.lift), reversed(self.up), reversed(skips)):
            x = stage(F.interpolate(lift(x), scale_factor=2, mode="bilinear", align_corners=False) + skip)
        logits = self.mask(x)[:, 0].float()
        p = torch.sigmoid(logits.detach())
        area = p.mean((1, 2))
        doubt = (p * (1 - p)).mean((1, 2)) / (area + 1e-4)  # wide soft rims make a poor mask
        quality = self.quality(torch.cat([seen.detach().float(), area[:, None], doubt[:, None]], 1))
        return logits + self.level, quality[:, 0].float()


@dataclass(frozen=True)
class Pyramid:
    """The image at full, half, quarter ... size, so that large cells are not sampled too thinly."""

    levels: tuple[RGB, ...]


def pyramid(rgb: RGB) -> Pyramid:
    levels = [rgb]
    while min(levels[-1].shape[:2]) >= 4 * SIDE:
        h, w = levels[-1].shape[:2]
        levels.append(
            cv2.resize(levels[-1][: h // 2 * 2, : w // 2 * 2], (w // 2, h // 2), interpolation=cv2.INTER_AREA)
        )
    return Pyramid(tuple(levels))


def cut(seen: Pyramid, corner: npt.NDArray[np.float64], side: float) -> RGB:
    """The square of `side` image pixels whose top left corner is (x, y) -> (64, 64, 3)."""
    level = int(np.clip(np.floor(np.log2(max(side / SIDE, 1)) + 0.5), 0, len(seen.levels) - 1))
    step = side / SIDE / 2**level
    x, y = corner / 2**level
    back = np.array([[step, 0, x + step / 2 - 0.5], [0, step, y + step / 2 - 0.5]])
    flags = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
    return cv2.warpAffine(seen.levels[level], back, (SIDE, SIDE), flags=flags, borderMode=cv2.BORDER_REFLECT_101)


def box_channel(boxes: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Boxes in pixels of the cut-out, NaN for none -> (n, 64, 64): 1 inside, -1 outside, 0 everywhere for none."""
    grid = np.arange(SIDE)[None]
    inside = [
        np.clip(np.minimum(boxes[:, b, None], grid + 1) - np.maximum(boxes[:, a, None], grid), 0, 1)
        for a, b in ((0, 2), (1, 3))
    ]
    filled = 2 * inside[1][:, :, None] * inside[0][:, None, :] - 1
    return np.nan_to_num(filled, nan=0).astype(np.float32)


def click_channels(points: npt.NDArray[np.float64], signs: npt.NDArray[np.int8]) -> npt.NDArray[np.float32]:
    """Clicks (n, k, 2) in pixels of the cut-out -> (n, 2, 64, 64): Gaussians of 2 px, inside and outside clicks."""
    grid = np.arange(SIDE) + 0.5
    out = np.zeros((len(points), 2, SIDE, SIDE), np.float32)
    for k in range(points.shape[1]):
        gx = np.exp(-((grid[None] - points[:, k, 0, None]) ** 2) / 8)
        gy = np.exp(-((grid[None] - points[:, k, 1, None]) ** 2) / 8)
        bump = gy[:, :, None] * gx[:, None, :]
        for channel, sign in enumerate((1, 0)):
            use = signs[:, k] == sign
            out[use, channel] = np.maximum(out[use, channel], bump[use])
    return out


def to_input(
    cuts: npt.NDArray[np.uint8], boxes: npt.NDArray[np.float32], clicks: npt.NDArray[np.float32] | None
) -> Tensor:
    """(n, 64, 64, 3) uint8, (n, 64, 64), (n, 2, 64, 64) -> (n, 6, 64, 64)."""
    x = torch.zeros(len(cuts), CHANNELS, SIDE, SIDE).contiguous(memory_format=torch.channels_last)
    x[:, :3] = torch.from_numpy(cuts).permute(0, 3, 1, 2).float() / 64 - 2
    x[:, 3] = torch.from_numpy(boxes)
    if clicks is not None:
        x[:, 4:] = torch.from_numpy(clicks)
    return x


class Boxwise:
    """The shipped prompter (inference.types.Prompter).

    batch  cut-outs at a time, which bounds memory
    flips  also look at the mirror image and average: twice the work
    level  of the net (CropNet)
    """

    def __init__(
        self,
        weights: Path | None = None,
        *,
        device: str = "auto",
        batch: int = 128,
        flips: bool = False,
        level: float = 0.0,
    ) -> None:
        path = Path(weights) if weights else shipped("boxwise")
        if path is None:
            raise InferenceError("this copy of Boxwise was built without the shipped prompter; use grabcut")
        state, _ = files.load(path, MODEL)
        self.name = f"{MODEL}-{sha256(path)[:8]}"  # other weights are another prompter: rounds keep results by name
        net = CropNet(level=level)
        files.fill(net, state, path)
        self.device, self.batch, self.flips = choose_device(device), batch, flips
        self.net = net.eval().to(self.device)
        if self.device.type == "cpu":
            self.net.to(memory_format=torch.channels_last)

    def encode(self, rgb: RGB) -> Pyramid:
        return pyramid(rgb)

    def decode(self, encoded: Pyramid, prompts: Prompts) -> Prompted:
        """Raises ValueError when neither boxes nor, for every prompt, a click inside the cell are given."""
        boxes = np.full((len(prompts), 4), np.nan) if prompts.boxes is None else prompts.boxes.astype(np.float64)
        points, signs = prompts.points, prompts.signs
        if prompts.boxes is None:
            if points is None or signs is None or not (signs == 1).any(axis=1).all():
                raise ValueError("every prompt needs a box or a click inside the cell")
            first = points[np.arange(len(points)), (signs == 1).argmax(axis=1)]
            boxes = self._boxes_of_clicks(encoded, first, points, signs)
        centres, sides = frames(boxes)
        return self._decode_views(encoded, centres, sides, boxes, points, signs)

    def _boxes_of_clicks(
        self, encoded: Pyramid, first: Boxes, points: npt.NDArray[np.float64], signs: npt.NDArray[np.int8]
    ) -> Boxes:
        """Boxes of what a wide look finds around the first click; wider where the cell fills the view."""
        boxes = np.stack([*(first.T - 4), *(first.T + 4)], axis=1)
        wait = np.arange(len(first))
        for side in (CLICK_SIDE, 2 * CLICK_SIDE, 4 * CLICK_SIDE):
            sides = np.full(len(wait), side)
            found = self._decode_views(
                encoded, first[wait], sides, np.full((len(wait), 4), np.nan), points[wait], signs[wait]
            )
            again = []
            for index, mask in zip(wait, found.masks):
                if not mask.bits.size:
                    continue
                h, w = mask.bits.shape
                boxes[index] = (mask.x, mask.y, mask.x + w, mask.y + h)
                if max(w, h) > 0.7 * side:
                    again.append(index)
            wait = np.array(again, int)
            if not len(wait):
                break
        return boxes

    @torch.no_grad()
    def _decode_views(
        self,
        encoded: Pyramid,
        centres: npt.NDArray[np.float64],
        sides: npt.NDArray[np.float64],
        boxes: Boxes,
        points: npt.NDArray[np.float64] | None,
        signs: npt.NDArray[np.int8] | None,
    ) -> Prompted:
        height, width = encoded.levels[0].shape[:2]
        masks: list[BoxMask] = []
        scores: Scores = np.zeros(len(centres), np.float32)
        usable = np.isfinite(centres).all(1) & (sides > 0)
        usable &= (centres > -sides[:, None] / 2).all(1) & (centres < [width, height] + sides[:, None] / 2).all(1)
        step = self.batch  # it may shrink on the way
        for start in range(0, len(centres), step):
            rows = np.arange(start, min(start + step, len(centres)))
            use = rows[usable[rows]]
            found: dict[int, BoxMask] = {}
            if len(use):
                corners = centres[use] - sides[use, None] / 2
                scale = SIDE / sides[use]
                cuts = np.stack([cut(encoded, c, s) for c, s in zip(corners, sides[use])])
                inner = (boxes[use] - np.tile(corners, 2)) * scale[:, None]
                clicks = None
                if points is not None and signs is not None:
                    clicks = click_channels((points[use] - corners[:, None]) * scale[:, None, None], signs[use])
                logits, quality = self._net(to_input(cuts, box_channel(inner), clicks))
                scores[use] = quality
                for row, corner, side, logit in zip(use, corners, sides[use], logits):
                    found[int(row)] = paste(logit, corner, float(side), width, height)
            for row in rows:
                mask = found.get(int(row), EMPTY)
                masks.append(mask)
                if not mask.bits.size:
                    scores[row] = 0
        return Prompted(masks, scores)

    def _net(self, x: Tensor) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Answers `batch` at a time, which is halved where the GPU's memory does not suffice."""
        found: list[tuple[Tensor, Tensor]] = []
        done = 0
        while done < len(x):
            part = x[done : done + self.batch]
            try:
                found.append(self._answers(part.to(self.device)))
            except torch.cuda.OutOfMemoryError as error:
                if len(part) == 1:
                    raise OutOfMemory(f"{self.name}: the GPU's memory does not suffice for one prompt") from error
                self.batch = len(part) // 2
                torch.cuda.empty_cache()
                logger.warning("GPU memory does not suffice: going on with %d prompts at a time", self.batch)
                continue
            done += len(part)
        logits, quality = (torch.cat(parts) for parts in zip(*found))
        return logits.cpu().numpy(), torch.sigmoid(quality).cpu().numpy()

    def _answers(self, x: Tensor) -> tuple[Tensor, Tensor]:
        with mixed(self.device):
            logits, quality = self.net(x)
            if self.flips:
                mirrored, again = self.net(x.flip(3))
                logits, quality = (logits + mirrored.flip(2)) / 2, (quality + again) / 2
        return logits, quality


def frames(boxes: Boxes) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Centres (n, 2) and sides (n,) of the squares to cut out; side 0 for a box without area."""
    size = boxes[:, 2:] - boxes[:, :2]
    sides = np.where((size > 0).all(1), np.maximum(size.max(1, initial=0) * CONTEXT, LEAST_SIDE), 0)
    return (boxes[:, :2] + boxes[:, 2:]) / 2, sides


def paste(
    logit: npt.NDArray[np.float32], corner: npt.NDArray[np.float64], side: float, width: int, height: int
) -> BoxMask:
    """The largest piece of the mask, in image pixels."""
    x0, y0 = (int(v) for v in np.floor(corner))
    x1, y1 = (int(v) for v in np.ceil(corner + side))
    x0, y0, x1, y1 = max(0, x0), max(0, y0), min(width, x1), min(height, y1)
    if x1 <= x0 or y1 <= y0:
        return EMPTY
    step = SIDE / side
    back = np.array(
        [
            [step, 0, (x0 + 0.5 - corner[0]) * step - 0.5],
            [0, step, (y0 + 0.5 - corner[1]) * step - 0.5],
        ]
    )
    flags = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
    bits = (
        cv2.warpAffine(logit, back, (x1 - x0, y1 - y0), flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=-9) > 0
    )
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(bits.astype(np.uint8), connectivity=4)
    if count > 2:
        bits = pieces == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    found = clip(BoxMask(x0, y0, bits), width, height)
    return tight(found) or EMPTY if found else EMPTY
