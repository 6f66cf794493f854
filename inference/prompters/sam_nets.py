"""The published architectures of the Segment Anything family, under their published names, read from a checkpoint.

    segment-anything  ViT-B, -L, -H (Kirillov et al. 2023); MedSAM and micro-SAM are fine-tuned copies
    MobileSAM         Tiny-ViT encoder (Zhang et al. 2023), the decoder of segment-anything; micro-SAM's ViT-T
    SAM 2, SAM 2.1    Hiera encoder (Ravi et al. 2024); what only videos need of it is left out

Modules come from segment-anything and ultralytics, which keep the makers' names, so that a file fits by name.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, TwoWayTransformer
from torch import Tensor, nn

from inference.offline import ultralytics_modules
from inference.prompters.decoding import decode
from inference.weights import files

Clicks = tuple[Tensor, Tensor]
"""Places (n, k, 2) in pixels of the model's input, and signs (n, k): 1 inside, 0 outside, -1 unused."""

TINY_VIT = "image_encoder.patch_embed.seq.0.c.weight"
HIERA = "image_encoder.trunk.patch_embed.proj.weight"
VIDEO_ONLY = (  # parts of SAM 2 that a single image never meets
    "maskmem_tpos_enc",
    "mask_downsample.",
    "memory_attention.",
    "memory_encoder.",
    "no_mem_pos_enc",
    "no_obj_embed_spatial",
    "no_obj_ptr",
    "obj_ptr_proj.",
    "obj_ptr_tpos_proj.",
)
PLACES = 16  # input pixels a place of the embedding, in every architecture


class Net(Protocol):
    """What the prompter asks of an architecture.

    side      pixels of its square input
    stretch   whether a view that is no square is stretched to one (SAM 2), or padded below and to the right
    """

    side: int
    stretch: bool

    def embed(self, x: Tensor) -> tuple[Tensor, ...]:
        """(1, 3, side, side), normalised -> the maps that `answer` needs, the embedding first."""

    def answer(self, seen: tuple[Tensor, ...], boxes: Tensor | None, clicks: Clicks | None) -> tuple[Tensor, Tensor]:
        """Logits (n, 3, side / 4, side / 4) of three masks a prompt, and the net's guess of their IoU (n, 3)."""


class Composable(Protocol):
    """A Net whose encoder is a row of blocks of one width and whose decoder takes further tokens: what the methods of
    inference/methods put adapters, pyramids and prompts on.

    side, patch   pixels of the square input, and of a place of the embedding; width, depth: of the encoder's blocks
    dim           channels of the embedding and of the decoder's tokens
    mask_decoder  segment-anything's MaskDecoder; with its first mask token alone where one mask is wanted
    """

    side: int
    patch: int
    width: int
    depth: int
    dim: int
    mask_decoder: Any

    def embed(self, x: Tensor, additions: "Additions | None" = None) -> tuple[Tensor, ...]:
        """(B, 3, side, side), normalised -> the embedding (B, dim, h, w) and what else the decoder needs.

        additions  makes of the image and its patches what is added before each block
        """

    def prompt(self, boxes: Tensor | None, clicks: Clicks | None) -> tuple[Tensor, Tensor]:
        """Tokens (n, k, dim) of prompts and what is added to the embedding, (n, dim, h, w)."""

    def positions(self) -> Tensor:
        """(1, dim, h, w) positional encoding of the embedding's places."""

    def decode(
        self, seen: tuple[Tensor, ...], prompt: tuple[Tensor, Tensor], extra: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Logits (n, m, 4 h, 4 w) of prompts of one image and their quality (n, m); the first is the mask of a clear
        prompt. extra: (t, dim) learned tokens beside the output tokens."""


Additions = Callable[[Tensor, Tensor], Sequence[Tensor]]
"""Image (B, 3, side, side) and patches (B, h, w, width) -> what is added before each block, (B, h, w, width) each."""


def build(path: Path, side: int | None = None) -> "SamNet | Sam2Net":
    """The net of a checkpoint, whichever of the family it is. Raises BadWeights.

    side  pixels of the input where it is not the makers' 1024 (MedSAM2 and others were fine-tuned at 512); the
          segment-anything ViTs carry theirs in a table of positions and take no other
    """
    state = {name.removeprefix("sam."): value for name, value in files.read_checkpoint(path).items()}
    net: SamNet | Sam2Net
    if HIERA in state:
        net = Sam2Net(Hiera.of(state, path.name), side or 1024)
        state = {name: value for name, value in state.items() if not name.startswith(VIDEO_ONLY)}
    else:
        net = sam_net(state, path, side)
        state = {name: value for name, value in state.items() if not name.startswith("pixel_")}
    files.fill(net, state, path)
    return net


def sam_net(state: files.State, path: Path, side: int | None = None) -> "SamNet":
    """The net that such tensors of segment-anything or MobileSAM fit, not yet filled. Raises BadWeights."""
    if TINY_VIT in state:
        return SamNet(TinyViT(side or 1024))
    shape = Architecture.of(state, path.name)
    if side not in (None, shape.side):
        raise files.BadWeights(f"{path.name} is made for views of {shape.side} pixels and takes no other")
    return SamNet(shape)


@dataclass(frozen=True)
class Architecture:
    """A ViT. side: pixels of the input; everywhere: blocks that attend to the whole view; window: places of the
    others."""

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

    def encoder(self) -> nn.Module:
        return ImageEncoderViT(
            depth=self.depth,
            embed_dim=self.width,
            img_size=self.side,
            mlp_ratio=4,
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
            num_heads=self.heads,
            patch_size=self.patch,
            qkv_bias=True,
            use_rel_pos=True,
            global_attn_indexes=self.everywhere,
            window_size=self.window,
            out_chans=256,
        )


@dataclass(frozen=True)
class TinyViT:
    """MobileSAM's encoder; one size was published."""

    side: int = 1024
    patch: int = PLACES

    def encoder(self) -> nn.Module:
        made: nn.Module = ultralytics_modules("tiny_encoder").TinyViT(
            img_size=self.side,
            num_classes=1000,  # its unused classifier is in the published file
            embed_dims=(64, 128, 160, 320),
            depths=(2, 2, 6, 2),
            num_heads=(2, 4, 5, 10),
            window_sizes=(7, 7, 14, 7),
            drop_path_rate=0.0,
            layer_lr_decay=0.8,
        )
        return made


class SamNet(nn.Module):
    """The three published modules of segment-anything; MobileSAM's differ in the encoder alone."""

    stretch = False
    dim = 256

    def __init__(self, shape: Architecture | TinyViT) -> None:
        super().__init__()
        self.side, self.patch = shape.side, shape.patch
        # MobileSAM's blocks are of several widths: it has none in the sense of Composable.
        self.width, self.depth = (shape.width, shape.depth) if isinstance(shape, Architecture) else (0, 0)
        places = (shape.side // shape.patch,) * 2
        self.image_encoder = shape.encoder()
        self.prompt_encoder = PromptEncoder(256, places, (shape.side, shape.side), 16)
        self.mask_decoder = MaskDecoder(
            transformer_dim=256,
            transformer=TwoWayTransformer(depth=2, embedding_dim=256, mlp_dim=2048, num_heads=8),
            num_multimask_outputs=3,
            iou_head_depth=3,
            iou_head_hidden_dim=256,
        )

    def embed(self, x: Tensor, additions: Additions | None = None) -> tuple[Tensor, ...]:
        if additions is None:
            return (self.image_encoder(x),)
        encoder: Any = self.image_encoder
        places = encoder.patch_embed(x)
        added = additions(x, places)
        places = places + encoder.pos_embed
        for block, more in zip(encoder.blocks, added):
            places = block(places + more)
        return (encoder.neck(places.permute(0, 3, 1, 2)),)

    def prompt(self, boxes: Tensor | None, clicks: Clicks | None) -> tuple[Tensor, Tensor]:
        found: tuple[Tensor, Tensor] = self.prompt_encoder(points=clicks, boxes=boxes, masks=None)
        return found

    def positions(self) -> Tensor:
        found: Tensor = self.prompt_encoder.get_dense_pe()
        return found

    def decode(
        self, seen: tuple[Tensor, ...], prompt: tuple[Tensor, Tensor], extra: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        logits, quality, _ = decode(self.mask_decoder, seen[0], self.positions(), *prompt, extra=extra)
        return logits, quality

    def answer(self, seen: tuple[Tensor, ...], boxes: Tensor | None, clicks: Clicks | None) -> tuple[Tensor, Tensor]:
        sparse, dense = self.prompt_encoder(points=clicks, boxes=boxes, masks=None)
        found: tuple[Tensor, Tensor] = self.mask_decoder(
            image_embeddings=seen[0],
            image_pe=self.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=True,
        )
        return found


@dataclass(frozen=True)
class Hiera:
    """SAM 2's encoder. What shapes do not tell (heads, windows, which blocks see everything) stands in HIERAS."""

    width: int
    stages: tuple[int, ...]
    heads: int
    everywhere: tuple[int, ...]
    windows: tuple[int, ...]
    background: tuple[int, int]

    @classmethod
    def of(cls, state: dict[str, Tensor], name: str) -> "Hiera":
        """Raises BadWeights when the tensors are of none of the published sizes."""
        widths: list[int] = []
        while (key := f"image_encoder.trunk.blocks.{len(widths)}.norm2.weight") in state:
            widths.append(len(state[key]))
        stages = tuple(widths.count(width) for width in sorted(set(widths)))
        for known in HIERAS.values():
            if stages == known.stages and state[HIERA].shape[0] == known.width:
                return known
        raise files.BadWeights(f"{name} looks like SAM 2, but has the depths {stages}, which were never published")


HIERAS = {
    "tiny": Hiera(96, (1, 2, 7, 2), 1, (5, 7, 9), (8, 4, 14, 7), (7, 7)),
    "small": Hiera(96, (1, 2, 11, 2), 1, (7, 10, 13), (8, 4, 14, 7), (7, 7)),
    "base-plus": Hiera(112, (2, 3, 16, 3), 2, (12, 16, 20), (8, 4, 14, 7), (14, 14)),
    "large": Hiera(144, (2, 6, 36, 4), 2, (23, 33, 43), (8, 4, 16, 8), (7, 7)),
}


class Sam2Net(nn.Module):
    """What SAM 2 needs for one image: encoder, prompt encoder, mask decoder, and the sign that there is no memory."""

    stretch = True

    def __init__(self, shape: Hiera, side: int = 1024) -> None:
        super().__init__()
        encoders, decoders, transformers = map(ultralytics_modules, ("encoders", "decoders", "blocks"))
        self.side = side
        widths = [shape.width * 2**i for i in range(4)]
        self.image_encoder = encoders.ImageEncoder(
            trunk=encoders.Hiera(
                embed_dim=shape.width,
                num_heads=shape.heads,
                stages=shape.stages,
                global_att_blocks=shape.everywhere,
                window_pos_embed_bkg_spatial_size=shape.background,
                window_spec=shape.windows,
            ),
            neck=encoders.FpnNeck(
                d_model=256,
                backbone_channel_list=widths[::-1],
                fpn_top_down_levels=[2, 3],
                fpn_interp_model="nearest",
            ),
            scalp=1,
        )
        places = (side // PLACES,) * 2
        self.sam_prompt_encoder = encoders.PromptEncoder(256, places, (side, side), 16)
        self.sam_mask_decoder = decoders.SAM2MaskDecoder(
            transformer_dim=256,
            transformer=transformers.SAM2TwoWayTransformer(depth=2, embedding_dim=256, mlp_dim=2048, num_heads=8),
            num_multimask_outputs=3,
            iou_head_depth=3,
            iou_head_hidden_dim=256,
            use_high_res_features=True,
            iou_prediction_use_sigmoid=True,
            pred_obj_scores=True,
            pred_obj_scores_mlp=True,
            use_multimask_token_for_obj_ptr=True,
        )
        self.no_mem_embed = nn.Parameter(torch.zeros(1, 1, 256))

    def embed(self, x: Tensor) -> tuple[Tensor, ...]:
        fine, middle, coarse = self.image_encoder(x)["backbone_fpn"]
        embedding = coarse + self.no_mem_embed.reshape(1, -1, 1, 1)
        return embedding, self.sam_mask_decoder.conv_s0(fine), self.sam_mask_decoder.conv_s1(middle)

    def answer(self, seen: tuple[Tensor, ...], boxes: Tensor | None, clicks: Clicks | None) -> tuple[Tensor, Tensor]:
        if boxes is not None:  # SAM 2 learned a box as two points with signs of their own
            corners = boxes.reshape(-1, 2, 2)
            signs = torch.tensor([[2, 3]], device=boxes.device).expand(len(boxes), 2)
            clicks = (
                (corners, signs)
                if clicks is None
                else (torch.cat([corners, clicks[0]], 1), torch.cat([signs, clicks[1]], 1))
            )
        sparse, dense = self.sam_prompt_encoder(points=clicks, boxes=None, masks=None)
        logits, quality, _, _ = self.sam_mask_decoder(
            image_embeddings=seen[0],
            image_pe=self.sam_prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=True,
            repeat_image=True,
            high_res_features=list(seen[1:]),
        )
        return logits, quality
