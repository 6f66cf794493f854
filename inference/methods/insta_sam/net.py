"""InstaSAM's net: a frozen Segment Anything net, adapters between its blocks, and a decoder without prompts."""

import copy
from collections.abc import Sequence
from typing import Any, cast

import torch
from segment_anything.modeling.mask_decoder import MLP
from torch import Tensor, nn

from inference.prompters.decoding import upscaled
from inference.prompters.sam_nets import Composable

LOW = 0.25  # share of the spectrum that counts as low (Liu et al. 2023, explicit visual prompting)
MAPS = 3  # foreground, horizontal and vertical distance


def high_frequencies(images: Tensor) -> Tensor:
    """(B, C, h, w) without the lowest quarter of its spectrum, which is a square around zero frequency."""
    height, width = images.shape[-2:]
    reach = int((height * width * LOW) ** 0.5 / 2)
    with torch.autocast(images.device.type, enabled=False):
        spectrum = torch.fft.fftshift(torch.fft.fft2(images.float()), dim=(-2, -1))
        kept = torch.ones(height, width, device=images.device)
        kept[height // 2 - reach : height // 2 + reach, width // 2 - reach : width // 2 + reach] = 0
        back = torch.fft.ifft2(torch.fft.ifftshift(spectrum * kept, dim=(-2, -1)))
    return back.real


class Adapters(nn.Module):
    """A_i = MLP_up(GELU(MLP_tune_i(F_hfc + F_pe))) (paper, eq. 1): F_hfc of the image's high frequencies, F_pe of its
    patches; MLP_up is shared, and begins at zero so that training begins with the net as it was published."""

    def __init__(self, width: int, depth: int, patch: int, inner: int) -> None:
        super().__init__()
        self.of_patches = nn.Linear(width, inner)
        self.of_image = nn.Conv2d(3, inner, patch, patch)
        self.tune = nn.ModuleList(nn.Linear(inner, inner) for _ in range(depth))
        self.up = nn.Linear(inner, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, images: Tensor, patches: Tensor) -> Sequence[Tensor]:
        """(B, 3, side, side) and (B, h, w, width) -> one (B, h, w, width) for each block."""
        sharp = self.of_image(high_frequencies(images)).permute(0, 2, 3, 1)
        seen = sharp + self.of_patches(patches)
        return [self.up(nn.functional.gelu(tune(seen))) for tune in self.tune]


class NucleiDecoder(nn.Module):
    """Foreground and distances of all cells at once: a copy of the mask decoder, all of it trained, with a token and
    an output MLP for each of the three maps."""

    def __init__(self, sam: Composable) -> None:
        super().__init__()
        source: Any = sam.mask_decoder
        self.transformer = copy.deepcopy(source.transformer)
        self.output_upscaling = copy.deepcopy(source.output_upscaling)
        self.tokens = nn.Parameter(torch.randn(MAPS, sam.dim) * 0.02)
        self.heads = nn.ModuleList(
            MLP(
                sam.dim,
                sam.dim,
                sam.dim // 8,
                3,
            )
            for _ in range(MAPS)
        )
        self.empty = nn.Parameter(torch.zeros(sam.dim))  # where prompts add something
        self.requires_grad_(True)

    def forward(
        self,
        embedding: Tensor,
        positions: Tensor,
        fine: Tensor | None,
    ) -> Tensor:
        """(B, C, h, w) -> (B, 3, 4 h, 4 w): foreground logit, horizontal and vertical distance."""
        count = len(embedding)
        source = embedding + self.empty[:, None, None]
        tokens = self.tokens[None].expand(count, -1, -1)
        answers, seen = self.transformer(
            source,
            positions.expand(count, -1, -1, -1),
            tokens,
        )
        seen = seen.transpose(1, 2).reshape(embedding.shape)
        maps = upscaled(self, seen, fine)
        weights = torch.stack(
            [head(answers[:, i]) for i, head in enumerate(self.heads)],
            dim=1,
        )
        return torch.einsum("bmc,bchw->bmhw", weights, maps)


class InstaNet(nn.Module):
    """inner: channels of the adapters."""

    def __init__(self, sam: Composable, inner: int) -> None:
        super().__init__()
        self.sam = cast("nn.Module", sam)
        self.adapters = Adapters(sam.width, sam.depth, sam.patch, inner)
        self.nuclei = NucleiDecoder(sam)

    @property
    def composed(self) -> Composable:
        return cast("Composable", self.sam)

    def train(self, mode: bool = True) -> "InstaNet":
        """The frozen net stays as it is in prediction."""
        super().train(mode)
        self.sam.eval()
        return self

    def embed(self, x: Tensor) -> tuple[Tensor, ...]:
        """Adapted; x (B, 3, side, side), normalised."""
        return self.composed.embed(x, self.adapters)

    def maps(self, seen: tuple[Tensor, ...]) -> Tensor:
        fine = seen[1] if len(seen) > 1 else None
        found: Tensor = self.nuclei(seen[0], self.composed.positions(), fine)
        return found

    def masks(self, seen: tuple[Tensor, ...], places: Tensor, signs: Tensor) -> Tensor:
        """Logits (K, 4 h, 4 w) of the cells of one image at these prompts."""
        prompt = self.composed.prompt(None, (places, signs))
        logits, _ = self.composed.decode(seen, prompt)
        return logits[:, 0]
