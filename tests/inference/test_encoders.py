"""Vectors from the shipped nets: cells that look alike lie close, wherever a tile's seam runs."""

import numpy as np
import pytest

from inference import encoders, registry
from inference.encoders import shipped
from inference.likeness.head import fit_head, whitened
from inference.masks import cells_of
from inference.synthetic import tissue
from inference.tiles import tiles
from inference.types import BoxMask


@pytest.fixture(scope="module")
def encoder():
    return registry.encoder()


@pytest.fixture(scope="module")
def field():
    return tissue(320, 320, 60, seed=3)


def test_each_cell_has_a_short_vector_of_numbers(encoder, field):
    cells = [mask for _index, mask in cells_of(field.labels)]
    found = encoder.encode(field.rgb, cells)
    assert found.shape == (len(cells), encoder.dimensions) and found.dtype == np.float16
    assert encoder.dimensions <= 128 and np.isfinite(found).all()
    assert encoder.encode(field.rgb, []).shape == (0, encoder.dimensions)


def test_a_cell_looks_the_same_in_tiles(encoder, field, monkeypatch):
    cells = [mask for _index, mask in cells_of(field.labels)]
    whole = encoder.encode(field.rgb, cells).astype(np.float32)
    monkeypatch.setattr(shipped, "tiles", lambda width, height: tiles(width, height, side=100, halo=64))
    parts = encoder.encode(field.rgb, cells).astype(np.float32)
    assert len(list(tiles(320, 320, side=100, halo=64))) > 1
    cosines = (whole * parts).sum(1) / np.linalg.norm(whole, axis=1) / np.linalg.norm(parts, axis=1)
    assert np.median(cosines) > 0.95  # group normalisation sees the tile, not the image


def test_cells_are_told_from_what_lies_between_them(encoder, field):
    """The head that learns from 20 cells and 20 places without one tells the others apart."""
    cells = [mask for _index, mask in cells_of(field.labels)]
    generator = np.random.default_rng(0)
    empty = []
    while len(empty) < 40:
        x, y = generator.integers(0, 308, 2).tolist()
        if not field.labels[y : y + 12, x : x + 12].any():
            empty.append(BoxMask(x, y, np.ones((12, 12), bool)))
    vectors = whitened(encoder.encode(field.rgb, [*cells, *empty]).astype(np.float32))
    labels = np.array([1] * len(cells) + [0] * len(empty))
    known = np.r_[:20, len(cells) : len(cells) + 20]
    rest = np.setdiff1d(np.arange(len(labels)), known)
    head = fit_head(vectors[known], labels[known])
    guessed = head.labels[head.chances(vectors[rest]).argmax(axis=1)]
    assert np.mean(guessed == labels[rest]) > 0.9


def test_a_mask_without_a_pixel_or_beyond_the_rim_is_no_fault(encoder, field):
    odd = [BoxMask(0, 0, np.zeros((3, 3), bool)), BoxMask(310, 310, np.ones((40, 40), bool))]
    assert np.isfinite(encoder.encode(field.rgb, odd)).all()


def test_every_encoder_calls_its_vectors_what_the_site_looks_for():
    for architecture in encoders.ARCHITECTURES:
        made = registry.encoder(architecture.name)
        assert made.name == architecture.weights and 0 < made.dimensions <= 128


def test_an_unknown_encoder_is_named_with_those_there_are():
    with pytest.raises(registry.UnknownModel, match="boxwise"):
        registry.encoder("dreams")
