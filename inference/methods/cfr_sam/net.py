"""The second stage of CFR-SAM: a net of SAM's family with adapters, fused levels and refined masks; a point each."""

from dataclasses import dataclass, field
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inference.methods.backbones import normalised
from inference.methods.cfr_sam.adapters import HierarchicalFusion, LocalAdapter, chosen_levels
from inference.methods.cfr_sam.losses import boundary_loss, mask_loss, quality_loss
from inference.methods.cfr_sam.refinement import Refinement
from inference.methods.sampling import roi_align
from inference.prompters.sam_nets import Composable
from inference.training.loop import Schedule


@dataclass(frozen=True)
class MaskSettings:
    """backbone  of the Segment Anything family, by the name of its prompter
    rank, kernels  of the adapters, which see `kernels` places on a side
    channels  of the refinement
    view      side in image pixels of what the net sees at once
    window    side in image pixels of what is refined around each point; a multiple of 16
    nuclei    most that one image of a batch gives
    focal_weight, boundary_weight  of the losses
    jitter    px by which the points of training are moved at most
    """

    schedule: Schedule = field(
        default_factory=lambda: Schedule(steps=300, epoch=60, lr=1e-3, warmup=30, average=0.97, patience=4)
    )
    backbone: str = "boxwise-sam"
    rank: int = 16
    kernels: tuple[int, ...] = (3, 5, 7)
    channels: int = 16
    view: int = 256
    window: int = 64
    batch: int = 2
    nuclei: int = 25
    zoom: tuple[float, float] = (0.8, 1.25)
    colour: float = 0.7
    focal_weight: float = 20.0
    boundary_weight: float = 1.0
    jitter: float = 2.0

    def __post_init__(self) -> None:
        if self.window % 16 or self.nuclei < 1 or self.rank < 1 or not self.kernels or self.channels % 16:
            raise ValueError(f"impossible settings: {self}")


@dataclass(frozen=True)
class Answer:
    """Of n prompts, in windows of w pixels on a side around them.

    coarse    (n, w, w) logits of the decoder's masks, at the resolution of the image
    refined   (n, w, w) logits; boundary: alike
    quality   (n,) the net's guess of the mask's IoU
    """

    coarse: Tensor
    refined: Tensor
    boundary: Tensor
    quality: Tensor


class CfrNet(nn.Module):
    """sam       its blocks and its decoder keep their published names
    frozen    whether the encoder and the prompt encoder stay as they are (they have learned elsewhere)
    """

    def __init__(self, sam: Composable, settings: MaskSettings, *, frozen: bool) -> None:
        super().__init__()
        self.settings = settings
        self.sam = cast("Any", sam)  # a module, and a Composable
        self.sam.requires_grad_(not frozen)
        self.sam.mask_decoder.requires_grad_(True)
        blocks = self.sam.image_encoder.blocks
        self.adapters = nn.ModuleList(LocalAdapter(sam.width, settings.rank, settings.kernels) for _ in blocks)
        self.levels = chosen_levels(len(blocks))
        self.fusion = HierarchicalFusion(sam.width, len(self.levels))
        self.stride = sam.patch * settings.view / sam.side  # image pixels of a place of the embedding
        rounds = max(0, round(self.stride / 4).bit_length() - 1)
        self.refinement = Refinement(sam.dim, sam.dim // 8, settings.channels, rounds)
        self.seen: list[Tensor] = []
        self.maps: list[Tensor] = []
        # Hooks, so that a published encoder runs as its makers wrote it.
        for block, adapter in zip(blocks, self.adapters):
            block.register_forward_hook(self._adapted(adapter))
        self.sam.image_encoder.neck.register_forward_pre_hook(self._fused)
        self.sam.mask_decoder.output_upscaling[-1].register_forward_hook(self._kept)

    def _adapted(self, adapter: nn.Module) -> Any:
        def hook(block: nn.Module, inputs: Any, output: Tensor) -> Tensor:
            adapted = cast("Tensor", adapter(output))
            self.seen.append(adapted)
            return adapted

        return hook

    def _fused(self, neck: nn.Module, inputs: Any) -> tuple[Tensor]:
        fused = self.fusion([self.seen[level] for level in self.levels])
        return (fused.permute(0, 3, 1, 2),)

    def _kept(self, layer: nn.Module, inputs: Any, output: Tensor) -> None:
        self.maps = [output]

    def embed(self, images: Tensor) -> tuple[Tensor, ...]:
        """images (B, 3, view, view) in 0..1 -> what `answer` needs, the embedding (B, C, h, w) first."""
        self.seen = []
        found: tuple[Tensor, ...] = self.sam.embed(normalised(images, self.sam.side))
        self.seen = []
        return found

    def answer(self, image: Tensor, seen: tuple[Tensor, ...], points: Tensor) -> Answer:
        """Masks of the nuclei at points (n, 2), in pixels of one image (1, 3, view, view); seen: its `embed`."""
        settings = self.settings
        places = points[:, None] * (self.sam.side / settings.view)
        signs = torch.ones(places.shape[:2], device=points.device)
        logits, quality = self.sam.decode(seen, self.sam.prompt(None, (places, signs)))
        (maps,) = self.maps
        self.maps = []
        boxes = self.windows(points)
        own = torch.arange(len(points), device=points.device, dtype=boxes.dtype)[:, None]
        shared = torch.cat([torch.zeros_like(own), boxes], dim=1)
        single = torch.cat([own, boxes], dim=1)
        with torch.autocast(image.device.type, enabled=False):  # RoI align has no bfloat16 on a CPU
            fine = self.stride / 4
            embedding = cut(seen[0].float(), shared, self.stride, settings.window)
            coarse = cut(maps.float(), single, fine, settings.window)
            window = cut(image.float(), shared, 1.0, settings.window)
            mask = cut(logits[:, :1].float(), single, fine, settings.window)
            mask = F.interpolate(mask, (settings.window, settings.window), mode="bilinear", align_corners=False)
            change, boundary = self.refinement(embedding, coarse, window)
        return Answer(mask[:, 0], change[:, 0], boundary[:, 0], quality[:, 0].float())

    def windows(self, points: Tensor) -> Tensor:
        """(n, 4) squares around points, with corners between pixels, so that cutting them out resamples nothing."""
        corner = points.round() - self.settings.window // 2
        return torch.cat([corner, corner + self.settings.window], dim=1).float()


def cut(maps: Tensor, boxes: Tensor, stride: float, window: int) -> Tensor:
    """maps (B, c, h, w) of `stride` image pixels a place; boxes (n, 5): index of the map and corners in image pixels
    -> (n, c, window / stride, window / stride)."""
    side = round(window / stride)
    return roi_align(maps, boxes, side, spatial_scale=1 / stride, sampling_ratio=1)


@dataclass(frozen=True)
class MaskBatch:
    """images (B, 3, view, view) in 0..1; of each image points (n, 2) px and the nuclei around them, in windows
    (n, w, w): masks and valid of 0 and 1."""

    images: Tensor
    points: list[Tensor]
    masks: list[Tensor]
    valid: list[Tensor]


def loss(model: nn.Module, batch: MaskBatch) -> Tensor:
    """Equation 15: the decoder's and the refined masks, the boundary, and the predicted IoU of the refined mask."""
    assert isinstance(model, CfrNet)
    settings = model.settings
    seen = model.embed(batch.images)
    total = batch.images.new_zeros(())
    for number, points in enumerate(batch.points):
        if not len(points):
            continue
        one = slice(number, number + 1)
        found = model.answer(batch.images[one], tuple(maps[one] for maps in seen), points)
        masks, valid = batch.masks[number], batch.valid[number]
        total = total + mask_loss(found.coarse, masks, valid, settings.focal_weight)
        total = total + mask_loss(found.refined, masks, valid, settings.focal_weight)
        total = total + settings.boundary_weight * boundary_loss(found.boundary, masks, valid)
        total = total + quality_loss(found.quality, found.refined, masks)
    if not total.requires_grad:  # no nucleus in any view: nothing to learn, but a step all the same
        total = total + 0 * sum(value.sum() for value in model.adapters.parameters())
    return total / len(batch.points)
