"""SAM's two-way decoder with more tokens than it was published with: what methods learn beside a frozen decoder.

After Kirillov et al. 2023 (arXiv:2304.02643); the modules are segment-anything's own.
"""

from typing import Any

import torch
from torch import Tensor


def decode(
    decoder: Any,  # untyped: segment-anything's MaskDecoder, which has no types
    embedding: Tensor,
    positions: Tensor,
    sparse: Tensor,
    dense: Tensor,
    *,
    extra: Tensor | None = None,
    fine: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Masks of prompts of one image.

    embedding  (1, C, h, w); positions: alike, its positional encoding
    sparse     (n, k, C) tokens of the prompts; dense (n, C, h, w) is added to the embedding
    extra      (t, C) further tokens behind the output tokens (visual prompt tuning, Jia et al. 2022)
    fine       (1, C / 8, 4 h, 4 w) finer features, added before the last activation as in SAM 2
    ->         logits (n, m, 4 h, 4 w) of the m masks, their quality (n, m), and the output tokens (n, 1 + m + t, C)
    """
    own = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
    output = own if extra is None else torch.cat([own, extra])
    count, last = len(sparse), len(output)
    tokens = torch.cat([output[None].expand(count, -1, -1), sparse], dim=1)
    source = embedding.expand(count, -1, -1, -1) + dense
    answers, source = decoder.transformer(source, positions.expand(count, -1, -1, -1), tokens)
    source = source.transpose(1, 2).reshape(count, *embedding.shape[1:])
    maps = upscaled(decoder, source, fine)  # (n, C / 8, 4 h, 4 w)
    masks = decoder.num_mask_tokens
    heads = [head(answers[:, 1 + i]) for i, head in enumerate(decoder.output_hypernetworks_mlps)]
    logits = torch.einsum("nmc,nchw->nmhw", torch.stack(heads[:masks], dim=1), maps)
    quality = decoder.iou_prediction_head(answers[:, 0])
    return logits, quality, answers[:, :last]


def upscaled(decoder: Any, source: Tensor, fine: Tensor | None) -> Tensor:
    """(n, C, h, w) -> (n, C / 8, 4 h, 4 w)"""
    *first, last = decoder.output_upscaling
    for layer in first:
        source = layer(source)
    if fine is not None:
        source = source + fine
    found: Tensor = last(source)
    return found
