"""boxwise-sam: a net of SAM's interface that is small enough to be trained on a CPU and to answer in a browser.

    256 x 256 pixels ──► body, stride 2 ──► patches, stride 8 ──► blocks ──► embedding (128, 32, 32)
                              └──────────► fine (16, 128, 128)                    │
    box, clicks ──► tokens and a map (128, 32, 32) ──► two-way decoder ──► mask (128, 128), quality

Encoder: the body of the project's own segmenter, then ConvNeXt blocks (Liu et al. 2022) on patches. Decoder: SAM's own
(decoding.py) with one mask token and finer features, as in SAM 2. Unlike SAM's, a prompt also draws what of it lies on
each place of the embedding, because a nucleus is two or three places wide. Embedding and fine features take 786 kB in
float16. Shape, frames and normalisation are those of `sam_nets.Net`, so that class Sam prompts it like the others.
"""

from pathlib import Path
from typing import Any

import torch
from segment_anything.modeling import MaskDecoder, PromptEncoder, TwoWayTransformer
from segment_anything.modeling.common import LayerNorm2d
from segment_anything.modeling.prompt_encoder import PositionEmbeddingRandom
from torch import Tensor, nn

from inference.nets import Body
from inference.prompters.decoding import decode
from inference.prompters.sam import DEVIATION, MEAN, Sam
from inference.prompters.sam_nets import Additions, Clicks
from inference.types import InferenceError
from inference.weights import files, shipped

MODEL = "boxwise-sam-1"
SIDE, PATCH, WIDTH, DEPTH = 256, 8, 128, 4
PLACES = SIDE // PATCH
ABSENT = "this copy of Boxwise was built without boxwise-sam; docs/models.md says how to train it"


class Block(nn.Module):
    """A ConvNeXt block on (B, h, w, C): every place sees 7 x 7 places, then itself."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.around = nn.Conv2d(width, width, 7, 1, 3, groups=width)
        self.norm = nn.LayerNorm(width)
        self.wide = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)
        self.scale = nn.Parameter(torch.full((width,), 0.1))

    def forward(self, x: Tensor) -> Tensor:
        seen = self.around(x.permute(0, 3, 1, 2))
        seen = self.norm(seen.permute(0, 2, 3, 1))
        wide = nn.functional.gelu(self.wide(seen))
        return x + self.scale * self.narrow(wide)


class Encoder(nn.Module):
    """(B, 3, side, side), normalised as SAM's input -> embedding (B, C, side / 8, side / 8), fine (B, C / 8, side / 2,
    side / 2)."""

    def __init__(self, width: int = WIDTH, depth: int = DEPTH) -> None:
        super().__init__()
        self.body = Body(2)
        self.patches = nn.Conv2d(self.body.channels, width, PATCH // 2, PATCH // 2)
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))
        self.neck = nn.Sequential(nn.Conv2d(width, width, 1), LayerNorm2d(width))
        self.fine = nn.Conv2d(self.body.channels, width // 8, 1)
        nn.init.zeros_(self.fine.weight)  # the body's features are large; what they add is learned from nothing
        for name, values in (("mean", MEAN), ("deviation", DEVIATION)):
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)

    def forward(self, x: Tensor, additions: Additions | None = None) -> tuple[Tensor, Tensor]:
        seen = self.body((x * self.deviation + self.mean) / 255)  # the body takes 0..1
        places = self.patches(seen).permute(0, 2, 3, 1)
        added = additions(x, places) if additions else None
        for number, block in enumerate(self.blocks):
            if added is not None:
                places = places + added[number]
            places = block(places)
        return self.neck(places.permute(0, 3, 1, 2)), self.fine(seen)


class CompactNet(nn.Module):
    """The net, by the interfaces of `sam_nets.Net` and `Composable`; one mask a prompt."""

    stretch = False
    side, patch, width, depth, dim = SIDE, PATCH, WIDTH, DEPTH, WIDTH

    def __init__(self) -> None:
        super().__init__()
        self.image_encoder = Encoder()
        self.prompt_encoder = PromptEncoder(self.dim, (PLACES, PLACES), (SIDE, SIDE), 16)
        # A kernel of some ten pixels: with SAM's 1.0 two neighbouring nuclei are one place for a token.
        self.prompt_encoder.pe_layer = PositionEmbeddingRandom(self.dim // 2, scale=2.0)
        self.prompt_encoder.mask_downscaling = nn.Identity()  # masks as prompts are not used
        self.drawn = nn.Parameter(torch.randn(3, self.dim) * 0.1)  # what a box, an inner and an outer click add
        self.mask_decoder = MaskDecoder(
            transformer_dim=self.dim,
            transformer=TwoWayTransformer(
                depth=2,
                embedding_dim=self.dim,
                mlp_dim=512,
                num_heads=4,
            ),
            num_multimask_outputs=0,
            iou_head_depth=2,
            iou_head_hidden_dim=self.dim,
        )

    def embed(self, x: Tensor, additions: Additions | None = None) -> tuple[Tensor, ...]:
        found: tuple[Tensor, ...] = self.image_encoder(x, additions)
        return found

    def prompt(
        self,
        boxes: Tensor | None,
        clicks: Clicks | None,
    ) -> tuple[Tensor, Tensor]:
        """Tokens (n, k, C) and what is added to the embedding (n, C, h, w); boxes and clicks in pixels of the input."""
        given = boxes if boxes is not None else clicks[0] if clicks is not None else None
        if given is None:
            raise ValueError("a prompt needs a box or clicks")
        with torch.autocast(given.device.type, enabled=False):  # eight bits do not tell one pixel from the next
            sparse, dense = self.prompt_encoder(points=clicks, boxes=boxes, masks=None)
            drawn = drawings(boxes, clicks, given)
            dense = dense + torch.einsum("nkhw,kc->nchw", drawn, self.drawn)
        return sparse, dense

    def positions(self) -> Tensor:
        """(1, C, h, w) positional encoding of the embedding's places."""
        found: Tensor = self.prompt_encoder.get_dense_pe()
        return found

    def decode(
        self, seen: tuple[Tensor, ...], prompt: tuple[Tensor, Tensor], extra: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Logits (n, 1, side / 2, side / 2) and quality (n, 1) for prompts of one image (inference.prompters.decoding).

        extra  (t, C) learned tokens beside the output tokens
        """
        logits, quality, _ = decode(
            self.mask_decoder,
            seen[0],
            self.positions(),
            *prompt,
            extra=extra,
            fine=seen[1],
        )
        return logits, quality

    def answer(
        self,
        seen: tuple[Tensor, ...],
        boxes: Tensor | None,
        clicks: Clicks | None,
    ) -> tuple[Tensor, Tensor]:
        return self.decode(seen, self.prompt(boxes, clicks))


def drawings(boxes: Tensor | None, clicks: Clicks | None, like: Tensor) -> Tensor:
    """(n, 3, h, w) in 0..1: share of each place that the box covers; inner clicks; outer clicks, as bumps of 8 px."""
    found = torch.zeros(len(like), 3, PLACES, PLACES, device=like.device)
    if boxes is not None:
        across = shares(boxes[:, 0], boxes[:, 2])
        down = shares(boxes[:, 1], boxes[:, 3])
        found[:, 0] = down[:, :, None] * across[:, None, :]
    if clicks is not None:
        middles = (torch.arange(PLACES, device=like.device) + 0.5) * PATCH
        places, signs = clicks
        across = torch.exp(-((places[:, :, 0, None] - middles) ** 2) / (2 * PATCH**2))  # (n, k, w)
        down = torch.exp(-((places[:, :, 1, None] - middles) ** 2) / (2 * PATCH**2))
        bumps = down[:, :, :, None] * across[:, :, None, :]  # (n, k, h, w)
        for channel, sign in ((1, 1), (2, 0)):
            of_sign = (signs == sign).float()[:, :, None, None]
            found[:, channel] = (bumps * of_sign).amax(1)
    return found


def shares(low: Tensor, high: Tensor) -> Tensor:
    """(n, places) which share of each place lies between low and high, both (n,) in pixels."""
    edges = torch.arange(PLACES, device=low.device) * PATCH
    end = torch.minimum(high[:, None], edges + PATCH)
    start = torch.maximum(low[:, None], edges)
    return (end - start).clamp(0, PATCH) / PATCH


def load_net(path: Path | None = None) -> CompactNet:
    """The net of a weight file, or the shipped one. Raises BadWeights, InferenceError where this copy has none."""
    found = path or shipped("boxwise_sam")
    if found is None:
        raise InferenceError(ABSENT)
    state, _ = files.load(found, MODEL)
    net = CompactNet()
    files.fill(net, state, found)
    return net


class BoxwiseSam(Sam):
    """boxwise-sam as a prompter (inference.types.Prompter): fields of 256 pixels as they are."""

    def __init__(self, weights: Path | None = None, **options: Any) -> None:
        path = Path(weights) if weights else shipped("boxwise_sam")
        if path is None:
            raise InferenceError(ABSENT)
        named: dict[str, Any] = {"name": MODEL, "field": SIDE} | options
        super().__init__(path, **named)

    def _built(self, weights: Path, side: int | None) -> CompactNet:
        if side not in (None, SIDE):
            raise files.BadWeights(f"{weights.name} is made for views of {SIDE} pixels and takes no other")
        return load_net(weights)
