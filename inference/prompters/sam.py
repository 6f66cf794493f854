"""The Segment Anything family as a prompter: segment-anything, MedSAM, micro-SAM, MobileSAM, SAM 2 and 2.1.

Which of them a file is, and of which size, is read from the checkpoint's tensors (sam_nets.py), so any file in a
published layout loads. Nuclei are small for all of them: a mask has 256 x 256 places for the whole view, so an image is
shown in overlapping fields of `field` pixels, each enlarged to the model's input, and a prompt goes to the field whose
middle is nearest. Fields without prompts are never encoded.
"""

import hashlib
import logging
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from inference.devices import OutOfMemory, mixed
from inference.devices import device as choose_device
from inference.masks import clip
from inference.prompters.sam_nets import Clicks, build
from inference.types import RGB, BoxMask, Prompted, Prompts, Scores
from inference.weights import sha256

logger = logging.getLogger(__name__)
KEPT_FIELDS = 64  # 2 to 8 MB each: a slide-sized image has thousands
EMPTY = BoxMask(0, 0, np.zeros((0, 0), bool))
MEAN, DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


@dataclass(frozen=True)
class Field:
    x0: int
    y0: int
    x1: int
    y1: int


@dataclass
class Seen:
    """An image and the embeddings of the fields that were asked about last."""

    rgb: RGB
    sha256: str
    fields: list[Field]
    embeddings: dict[int, tuple[Tensor, ...]] = field(default_factory=dict)


class EmbeddingCache:
    """Embeddings on disk, float16, keyed by image and weights; the longest unused go when it grows beyond `limit`
    bytes."""

    def __init__(self, folder: Path, limit: int = 4 << 30) -> None:
        self.folder, self.limit = folder, limit
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, key: str) -> tuple[Tensor, ...] | None:
        path = self.folder / f"{key}.npz"
        try:
            with np.load(path, allow_pickle=False) as kept:
                arrays = [kept[name] for name in kept.files]
        except (OSError, ValueError, EOFError, zipfile.BadZipFile):
            return None
        os.utime(path)
        return tuple(torch.from_numpy(array) for array in arrays)

    def put(self, key: str, maps: tuple[Tensor, ...]) -> None:
        unfinished = self.folder / f"{key}.{os.getpid()}.tmp"
        with unfinished.open("wb") as file:
            np.savez(file, *(value.half().cpu().numpy() for value in maps))
        os.replace(unfinished, self.folder / f"{key}.npz")
        kept = sorted(((path.stat(), path) for path in self.folder.glob("*.npz")), key=lambda k: k[0].st_mtime)
        excess = sum(entry.st_size for entry, _ in kept) - self.limit
        for entry, path in kept:
            if excess <= 0:
                break
            excess -= entry.st_size
            path.unlink(missing_ok=True)


class Sam:
    """A model of the family as a prompter (inference.types.Prompter).

    weights  the checkpoint
    side     pixels of the model's input, where a SAM 2 or MobileSAM was fine-tuned at another size than 1024
    field    side in image pixels of what the model sees at once; 512 at 40x makes a nucleus some 10 mask places wide
    batch    prompts decoded at a time; halved, with a warning in the log, when the GPU's memory does not suffice
    cache    where embeddings are kept between runs, or None
    """

    def __init__(
        self,
        weights: Path,
        *,
        device: str = "auto",
        field: int = 512,
        batch: int = 64,
        cache: Path | None = None,
        name: str | None = None,
        side: int | None = None,
    ) -> None:
        if field < 32 or batch < 1:
            raise ValueError(f"field must be at least 32 and batch at least 1, not {field} and {batch}")
        net = self._built(weights, side)
        self.device, self.field, self.batch = choose_device(device), field, batch
        self.net = net.eval().to(self.device)
        self.sha256 = sha256(weights)
        self.name = f"{name or weights.stem}-{self.sha256[:8]}"
        self.cache = EmbeddingCache(cache) if cache else None

    def _built(self, weights: Path, side: int | None) -> Any:
        """A net by the interface of sam_nets.Net."""
        return build(weights, side)

    def encode(self, rgb: RGB) -> Seen:
        digest = hashlib.sha256(str(rgb.shape).encode())
        digest.update(np.ascontiguousarray(rgb).tobytes())
        return Seen(rgb, digest.hexdigest(), list(fields(rgb.shape[1], rgb.shape[0], self.field)))

    @torch.no_grad()
    def decode(self, encoded: Seen, prompts: Prompts) -> Prompted:
        boxes, points, signs = prompts.boxes, prompts.points, prompts.signs
        if boxes is None and (points is None or signs is None or not (signs == 1).any(axis=1).all()):
            raise ValueError("every prompt needs a box or a click inside the cell")
        height, width = encoded.rgb.shape[:2]
        masks: list[BoxMask] = [EMPTY] * len(prompts)
        scores: Scores = np.zeros(len(prompts), np.float32)
        if boxes is not None:
            middles = (boxes[:, :2] + boxes[:, 2:]) / 2
            usable = np.isfinite(boxes).all(1) & (boxes[:, 2:] > boxes[:, :2]).all(1)
            usable &= (boxes[:, 2:] > 0).all(1) & (boxes[:, :2] < [width, height]).all(1)
        else:
            assert points is not None and signs is not None
            middles = points[np.arange(len(points)), (signs == 1).argmax(axis=1)]
            usable = (middles >= 0).all(1) & (middles < [width, height]).all(1)
        centres = np.array([((f.x0 + f.x1) / 2, (f.y0 + f.y1) / 2) for f in encoded.fields])
        nearest = np.full(len(prompts), -1)
        rows = np.flatnonzero(usable)
        nearest[rows] = ((middles[rows, None] - centres[None]) ** 2).sum(2).argmin(1)
        for index in np.unique(nearest[rows]):
            here = np.flatnonzero(nearest == index)
            for row, mask, score in self._field(encoded, int(index), here, boxes, points, signs):
                found = clip(mask, width, height)
                masks[row], scores[row] = found or EMPTY, score if found else 0
        return Prompted(masks, scores)

    def _field(
        self,
        encoded: Seen,
        index: int,
        rows: npt.NDArray[np.int64],
        boxes: npt.NDArray[np.float64] | None,
        points: npt.NDArray[np.float64] | None,
        signs: npt.NDArray[np.int8] | None,
    ) -> Iterator[tuple[int, BoxMask, float]]:
        place = encoded.fields[index]
        embedding = self._embedding(encoded, index)
        scale = np.divide(self.net.side, self._extent(place.x1 - place.x0, place.y1 - place.y0))
        origin = np.array([place.x0, place.y0])
        start = 0
        while start < len(rows):
            chunk = rows[start : start + self.batch]
            clicks = None
            if points is not None and signs is not None:
                where = torch.from_numpy((points[chunk] - origin) * scale).float().to(self.device)
                clicks = (where, torch.from_numpy(signs[chunk].astype(np.int64)).to(self.device))
            prompts = None
            if boxes is not None:
                inner = (boxes[chunk] - np.tile(origin, 2)) * np.tile(scale, 2)
                prompts = torch.from_numpy(inner).float().to(self.device)
            try:
                logits, quality = self._decode(embedding, prompts, clicks)
            except torch.cuda.OutOfMemoryError as error:
                if self.batch == 1:
                    raise OutOfMemory(f"{self.name}: the GPU's memory does not suffice for one prompt") from error
                self.batch //= 2
                torch.cuda.empty_cache()
                logger.warning("GPU memory does not suffice: going on with %d prompts at a time", self.batch)
                continue
            best = quality.argmax(1)
            for i, row in enumerate(chunk):
                yield int(row), self._paste(logits[i, best[i]], place), float(quality[i, best[i]].clamp(0, 1))
            start += len(chunk)

    def _extent(self, width: int, height: int) -> tuple[int, int]:
        """Pixels of the image, to the right and down, that the whole of the model's input covers."""
        return (width, height) if self.net.stretch else (max(width, height),) * 2

    def _embedding(self, encoded: Seen, index: int) -> tuple[Tensor, ...]:
        if index not in encoded.embeddings:
            place = encoded.fields[index]
            key = f"{encoded.sha256}-{self.sha256}-{self.net.side}-{place.x0}-{place.y0}-{place.x1}-{place.y1}"
            maps = self.cache.get(key) if self.cache else None
            if maps is None:
                maps = self._encode(encoded.rgb[place.y0 : place.y1, place.x0 : place.x1])
                if self.cache:
                    self.cache.put(key, maps)
            while len(encoded.embeddings) >= KEPT_FIELDS:
                del encoded.embeddings[next(iter(encoded.embeddings))]
            encoded.embeddings[index] = tuple(value.half().cpu() for value in maps)
        return tuple(value.to(self.device).float() for value in encoded.embeddings[index])

    @torch.no_grad()
    def _encode(self, rgb: RGB) -> tuple[Tensor, ...]:
        side = self.net.side
        height, width = rgb.shape[:2]
        right, down = self._extent(width, height)
        size = [max(1, round(height * side / down)), max(1, round(width * side / right))]
        x = torch.from_numpy(np.ascontiguousarray(rgb)).permute(2, 0, 1)[None].float().to(self.device)
        x = F.interpolate(x, size, mode="bilinear", align_corners=False, antialias=True)
        mean, deviation = (torch.tensor(v, device=self.device)[:, None, None] for v in (MEAN, DEVIATION))
        x = F.pad((x - mean) / deviation, (0, side - size[1], 0, side - size[0]))
        try:
            with mixed(self.device):
                maps = self.net.embed(x)
        except torch.cuda.OutOfMemoryError as error:
            raise OutOfMemory(
                f"{self.name}: the GPU's memory does not suffice to encode one view of {side} x {side} pixels; take a "
                "smaller model, or --device cpu"
            ) from error
        return tuple(value.float() for value in maps)

    def _decode(
        self, embedding: tuple[Tensor, ...], boxes: Tensor | None, clicks: Clicks | None
    ) -> tuple[Tensor, Tensor]:
        """Three masks (n, 3, side / 4, side / 4) of each prompt, logits, and the model's guess of their IoU (n, 3)."""
        return self.net.answer(embedding, boxes, clicks)

    def _paste(self, logits: Tensor, place: Field) -> BoxMask:
        """Enlarge only the part of the view that holds the mask."""
        h, w = place.y1 - place.y0, place.x1 - place.x0
        ys, xs = torch.nonzero(logits > 0, as_tuple=True)
        if not len(ys):
            return EMPTY
        low = logits.shape[-1]
        right, down = (low / extent for extent in self._extent(w, h))  # mask places a pixel
        x0, x1 = (int(v) for v in (xs.min() / right - 2, (xs.max() + 1) / right + 3))
        y0, y1 = (int(v) for v in (ys.min() / down - 2, (ys.max() + 1) / down + 3))
        x0, y0, x1, y1 = max(0, x0), max(0, y0), min(w, x1), min(h, y1)
        if x1 <= x0 or y1 <= y0:  # the mask lies in the padding alone
            return EMPTY
        gx = ((torch.arange(x0, x1, device=logits.device) + 0.5) * right / low) * 2 - 1
        gy = ((torch.arange(y0, y1, device=logits.device) + 0.5) * down / low) * 2 - 1
        grid = torch.stack(torch.meshgrid(gy, gx, indexing="ij")[::-1], dim=-1)[None]
        large = F.grid_sample(logits[None, None].float(), grid, mode="bilinear", align_corners=False)[0, 0]
        return BoxMask(place.x0 + x0, place.y0 + y0, (large > 0).cpu().numpy())


def fields(width: int, height: int, side: int) -> Iterator[Field]:
    """Fields of `side` pixels that overlap by half, inside the image; the whole image where it is smaller."""
    for y0 in starts(height, side):
        for x0 in starts(width, side):
            yield Field(x0, y0, min(width, x0 + side), min(height, y0 + side))


def starts(length: int, side: int) -> list[int]:
    if length <= side:
        return [0]
    count = 1 + -(-(length - side) // (side // 2))
    return [round(i * (length - side) / (count - 1)) for i in range(count)]
