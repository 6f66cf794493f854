"""Tiles of large images: every pixel is in one, cut once, and handed out to members alone."""

import io
from itertools import pairwise

import numpy as np
import PIL.Image
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.urls import reverse

from labeling.images import tiles
from labeling.images.models import Image
from labeling.images.services import add_image
from labeling.projects.models import Role
from tests.factories import MembershipFactory, ProjectFactory, UserFactory

pytestmark = pytest.mark.django_db


def field(width: int, height: int) -> np.ndarray:
    """Smooth tissue-like colours that tell where a pixel lies; JPEG keeps them to a few grey levels."""
    x, y = np.arange(width), np.arange(height)
    rgb = np.empty((height, width, 3), np.uint8)
    rgb[..., 0] = (x * 255 // width)[None, :]
    rgb[..., 1] = (y * 255 // height)[:, None]
    rgb[..., 2] = 128
    return rgb


def added(rgb: np.ndarray):
    png = io.BytesIO()
    PIL.Image.fromarray(rgb).save(png, "PNG", compress_level=1)
    return add_image(project=ProjectFactory(), name="slide.png", content=png.getvalue())


def read(image, level: int, column: int, row: int) -> np.ndarray:
    with tiles.read_tile(image, level, column, row) as file:
        return np.asarray(PIL.Image.open(io.BytesIO(file.read())).convert("RGB"))


def joined(image, level: int) -> np.ndarray:
    width, height = tiles.sizes(image.width, image.height)[level]
    rows = [
        np.concatenate([read(image, level, c, r) for c in range(-(-width // tiles.SIDE))], axis=1)
        for r in range(-(-height // tiles.SIDE))
    ]
    return np.concatenate(rows, axis=0)


@pytest.mark.parametrize("size", [(1, 1), (512, 512), (513, 1), (20_000, 1_100), (1025, 2049)])
def test_levels_halve_until_one_tile_holds_all(size):
    levels = tiles.sizes(*size)
    assert levels[0] == size
    assert max(levels[-1]) <= tiles.SIDE
    assert all(max(level) > tiles.SIDE for level in levels[:-1])
    assert all(b == (-(-a[0] // 2), -(-a[1] // 2)) for a, b in pairwise(levels))


def test_the_tiles_of_a_20000_px_image_are_its_pixels():
    rgb = field(20_000, 1_100)
    image = added(rgb)
    assert tiles.is_tiled(image)
    whole = joined(image, 0)
    assert whole.shape == rgb.shape
    assert np.abs(whole[::7, ::13].astype(int) - rgb[::7, ::13]).max() <= 6
    top = len(tiles.sizes(20_000, 1_100)) - 1
    small = joined(image, top)
    assert small.shape[:2] == tiles.sizes(20_000, 1_100)[top][::-1]
    row, column, covers = small.shape[0] // 2, small.shape[1] // 2, 2**top
    mean = rgb[row * covers : (row + 1) * covers, column * covers : (column + 1) * covers].mean((0, 1))
    assert np.abs(small[row, column] - mean).max() <= 5


def test_tiles_that_are_gone_are_cut_again_and_a_broken_off_cutting_is_finished(monkeypatch):
    image = added(field(2_100, 300))
    last = tiles._name(image.sha256, len(tiles.sizes(2_100, 300)) - 1, 0, 0)
    first = tiles._name(image.sha256, 0, 0, 0)
    default_storage.delete(last)
    default_storage.delete(first)
    assert read(image, 0, 0, 0).shape == (300, 512, 3)
    assert default_storage.exists(last)
    monkeypatch.setattr(tiles, "_keep", lambda part, name: pytest.fail(f"{name} was cut although it is there"))
    tiles.cut(image)


def test_a_half_written_tile_of_a_broken_off_cutting_is_never_handed_out():
    image = added(field(2_100, 300))
    whole = read(image, 0, 0, 0)
    name = tiles._name(image.sha256, 0, 0, 0)
    default_storage.delete(name)
    default_storage.save(name, ContentFile(b"\xff\xd8 half"))
    default_storage.delete(tiles._last(image))
    assert np.array_equal(read(image, 0, 0, 0), whole)


def test_tiles_are_cut_with_the_upload_and_a_failure_costs_no_image(monkeypatch):
    keep = tiles._keep

    def disk_is_full(image, made):
        raise OSError("no space left on device")

    monkeypatch.setattr(tiles, "_keep", disk_is_full)
    image = added(field(2_103, 300))
    assert Image.objects.filter(pk=image.pk).exists() and not default_storage.exists(tiles._last(image))
    monkeypatch.setattr(tiles, "_keep", keep)
    assert read(image, 0, 0, 0).shape == (300, 512, 3)
    other = added(field(2_101, 300))
    assert default_storage.exists(tiles._last(other))  # before anybody asked for a tile


def test_a_small_image_is_fetched_whole_and_a_large_one_by_tiles(client):
    person = UserFactory()
    client.force_login(person)
    for width, tiled in ((600, None), (2_100, {"size": 512, "levels": 4})):
        image = added(field(width, 200))
        MembershipFactory(project=image.project, user=person, role=Role.VIEWER)
        reported = client.get(reverse("image-workspace", args=[image.pk])).json()["image"]["tiles"]
        if tiled is None:
            assert reported is None
            continue
        url = reported.pop("url")
        assert reported == tiled
        answer = client.get(f"{url}0/4/0/")
        assert (answer.status_code, answer["Content-Type"]) == (200, "image/jpeg")
        assert answer["Cache-Control"] == "private, max-age=600, must-revalidate"
        assert PIL.Image.open(io.BytesIO(b"".join(answer))).size == (2_100 - 4 * 512, 200)
        for beyond in ("0/5/0/", "0/0/1/", "4/0/0/"):
            assert client.get(url + beyond).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_the_folder_of_tiles_goes_before_anybody_else_may_cut_them_again(monkeypatch):
    image = added(field(2100, 64))
    in_turn = []
    rmtree = tiles.shutil.rmtree

    def noted(path, **choice):
        in_turn.append(connection.in_atomic_block)  # so long the lock of the tiles is held
        rmtree(path, **choice)

    monkeypatch.setattr(tiles.shutil, "rmtree", noted)
    tiles.remove(image)
    assert in_turn == [True]
    assert not default_storage.exists(f"tiles/{image.sha256}")
