"""Segment Anything (Kirillov et al. 2023) and what has its architecture: MedSAM, micro-SAM, fine-tuned copies.

The architecture (ViT-B, -L, -H or another) is read from the checkpoint's tensors, so any file in the published
layout loads. Nuclei are small for it: a mask has 256 x 256 places for the whole view, so an image is shown in
overlapping fields of `field` pixels, each enlarged to the model's input, and a prompt goes to the field whose middle
is nearest. Fields without prompts are never encoded.
"""

import hashlib
import logging
import os
import pickle
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, TwoWayTransformer
from torch import Tensor, nn

from inference.devices import device as choose_device
from inference.devices import mixed
from inference.masks import clip
from inference.types import RGB, BoxMask, Prompted, Prompts, Scores
from inference.weights import files, sha256

logger = logging.getLogger(__name__)
EMPTY = BoxMask(0, 0, np.zeros((0, 0), bool))
MEAN, DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
WRAPPINGS = ("model_state", "model_state_dict", "model", "state_dict")  # micro-SAM and trainers wrap the tensors


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Tensors of a safetensors file or of a .pth that holds nothing but tensors. Raises BadWeights.

    A .pth is a pickle: torch's weights_only reader refuses everything in it that could run.
    """
    if path.suffix == ".safetensors":
        return files.load(path)[0]
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise files.BadWeights(f"{path.name} cannot be read safely as weights: {reason}") from error
    for key in WRAPPINGS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
            break
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise files.BadWeights(f"{path.name} holds no table of tensors")
    return {name.removeprefix("module.").removeprefix("sam."): value.float() for name, value in content.items()}


class SamNet(nn.Module):
    """The three published modules under their published names, so that checkpoints fit by name."""

    def __init__(self, shape: "Architecture") -> None:
        super().__init__()
        places = (shape.side // shape.patch,) * 2
        self.image_encoder = ImageEncoderViT(
            depth=shape.depth,
            embed_dim=shape.width,
            img_size=shape.side,
            mlp_ratio=4,
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
            num_heads=shape.heads,
            patch_size=shape.patch,
            qkv_bias=True,
            use_rel_pos=True,
            global_attn_indexes=shape.everywhere,
            window_size=shape.window,
            out_chans=256,
        )
        self.prompt_encoder = PromptEncoder(256, places, (shape.side, shape.side), 16)
        self.mask_decoder = MaskDecoder(
            transformer_dim=256,
            transformer=TwoWayTransformer(depth=2, embedding_dim=256, mlp_dim=2048, num_heads=8),
            num_multimask_outputs=3,
            iou_head_depth=3,
            iou_head_hidden_dim=256,
        )


@dataclass(frozen=True)
class Architecture:
    """side: pixels of the input; everywhere: blocks that attend to the whole view; window: places of the others."""

    side: int
    patch: int
    width: int
    depth: int
    heads: int
    everywhere: tuple[int, ...]
    window: int

    @classmethod
    def of(cls, state: dict[str, Tensor], name: str) -> "Architecture":
        """Raises BadWeights when the tensors are not those of a Segment Anything model."""
        try:
            patch = state["image_encoder.patch_embed.proj.weight"].shape[-1]
            places, width = state["image_encoder.pos_embed"].shape[1], state["image_encoder.pos_embed"].shape[3]
            reach: list[tuple[int, ...]] = []
            while f"image_encoder.blocks.{len(reach)}.attn.rel_pos_h" in state:
                reach.append(state[f"image_encoder.blocks.{len(reach)}.attn.rel_pos_h"].shape)
            everywhere = tuple(i for i, shape in enumerate(reach) if shape[0] == 2 * places - 1)
            windows = [(shape[0] + 1) // 2 for i, shape in enumerate(reach) if i not in everywhere]
            return cls(
                places * patch,
                patch,
                width,
                len(reach),
                width // reach[0][1],
                everywhere,
                windows[0] if windows else 14,
            )
        except (KeyError, IndexError) as error:
            raise files.BadWeights(f"{name} is no Segment Anything checkpoint: {error} is missing") from error


@dataclass(frozen=True)
class Field:
    x0: int
    y0: int
    x1: int
    y1: int


@dataclass
class Seen:
    """An image and the embeddings of those of its fields that were asked about."""

    rgb: RGB
    sha256: str
    fields: list[Field]
    embeddings: dict[int, Tensor] = field(default_factory=dict)


class EmbeddingCache:
    """Embeddings on disk, float16, keyed by image and weights; the longest unused go when it grows beyond `limit`."""

    def __init__(self, folder: Path, limit: int = 4 << 30) -> None:
        self.folder, self.limit = folder, limit
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, key: str) -> Tensor | None:
        path = self.folder / f"{key}.npy"
        try:
            array = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        os.utime(path)
        return torch.from_numpy(array).float()

    def put(self, key: str, value: Tensor) -> None:
        unfinished = self.folder / f"{key}.{os.getpid()}.tmp"
        with unfinished.open("wb") as file:
            np.save(file, value.half().cpu().numpy())
        os.replace(unfinished, self.folder / f"{key}.npy")
        kept = sorted((path.stat() for path in self.folder.glob("*.npy")), key=lambda s: s.st_mtime)
        excess = sum(entry.st_size for entry in kept) - self.limit
        for path in sorted(self.folder.glob("*.npy"), key=lambda p: p.stat().st_mtime):
            if excess <= 0:
                break
            excess -= path.stat().st_size
            path.unlink(missing_ok=True)


class Sam:
    """A Segment Anything model as a prompter (inference.types.Prompter).

    weights  the checkpoint
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
    ) -> None:
        if field < 32 or batch < 1:
            raise ValueError(f"field must be at least 32 and batch at least 1, not {field} and {batch}")
        state = read_checkpoint(weights)
        self.shape = Architecture.of(state, weights.name)
        net = SamNet(self.shape)
        state = {key: value for key, value in state.items() if not key.startswith("pixel_")}
        files.fill(net, state, weights)
        self.device, self.field, self.batch = choose_device(device), field, batch
        self.net = net.eval().to(self.device)
        self.sha256 = sha256(weights)
        self.name = f"{name or weights.stem}-{self.sha256[:8]}"
        self.cache = EmbeddingCache(cache) if cache else None

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
        scale = self.shape.side / max(place.x1 - place.x0, place.y1 - place.y0)
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
                prompts = torch.from_numpy((boxes[chunk] - np.tile(origin, 2)) * scale).float().to(self.device)
            try:
                logits, quality = self._decode(embedding, prompts, clicks)
            except torch.cuda.OutOfMemoryError:
                if self.batch == 1:
                    raise
                self.batch //= 2
                torch.cuda.empty_cache()
                logger.warning("GPU memory does not suffice: going on with %d prompts at a time", self.batch)
                continue
            best = quality.argmax(1)
            for i, row in enumerate(chunk):
                yield int(row), self._paste(logits[i, best[i]], place), float(quality[i, best[i]].clamp(0, 1))
            start += len(chunk)

    def _embedding(self, encoded: Seen, index: int) -> Tensor:
        if index not in encoded.embeddings:
            place = encoded.fields[index]
            key = f"{encoded.sha256}-{self.sha256}-{place.x0}-{place.y0}-{place.x1}-{place.y1}"
            value = self.cache.get(key) if self.cache else None
            if value is None:
                value = self._encode(encoded.rgb[place.y0 : place.y1, place.x0 : place.x1])
                if self.cache:
                    self.cache.put(key, value)
            encoded.embeddings[index] = value.half()
        return encoded.embeddings[index].to(self.device).float()

    def _encode(self, rgb: RGB) -> Tensor:
        side = self.shape.side
        scale = side / max(rgb.shape[:2])
        size = [max(1, round(n * scale)) for n in rgb.shape[:2]]
        x = torch.from_numpy(np.ascontiguousarray(rgb)).permute(2, 0, 1)[None].float().to(self.device)
        x = F.interpolate(x, size, mode="bilinear", align_corners=False, antialias=True)
        x = (x - torch.tensor(MEAN, device=self.device)[:, None, None]) / torch.tensor(DEVIATION, device=self.device)[
            :, None, None
        ]
        x = F.pad(x, (0, side - size[1], 0, side - size[0]))
        with mixed(self.device):
            embedding: Tensor = self.net.image_encoder(x)
        return embedding.float()

    def _decode(
        self, embedding: Tensor, boxes: Tensor | None, clicks: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, Tensor]:
        """Three masks (n, 3, side / 4, side / 4) of each prompt, logits, and the model's guess of their IoU (n, 3)."""
        sparse, dense = self.net.prompt_encoder(points=clicks, boxes=boxes, masks=None)
        found: tuple[Tensor, Tensor] = self.net.mask_decoder(
            image_embeddings=embedding,
            image_pe=self.net.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=True,
        )
        return found

    def _paste(self, logits: Tensor, place: Field) -> BoxMask:
        """Enlarge only the part of the view that holds the mask."""
        h, w = place.y1 - place.y0, place.x1 - place.x0
        ys, xs = torch.nonzero(logits > 0, as_tuple=True)
        if not len(ys):
            return EMPTY
        low = logits.shape[-1]
        step = low / max(h, w)  # mask places a pixel
        x0, x1 = (int(v) for v in (xs.min() / step - 2, (xs.max() + 1) / step + 3))
        y0, y1 = (int(v) for v in (ys.min() / step - 2, (ys.max() + 1) / step + 3))
        x0, y0, x1, y1 = max(0, x0), max(0, y0), min(w, x1), min(h, y1)
        gx = ((torch.arange(x0, x1, device=logits.device) + 0.5) * step / low) * 2 - 1
        gy = ((torch.arange(y0, y1, device=logits.device) + 0.5) * step / low) * 2 - 1
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
