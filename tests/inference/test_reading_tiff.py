"""Layouts of TIFF: strips, tiles, compressions, levels and sparse tiles give the same picture, or are declined."""

import io

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.reading import Plane, Unreadable, open_reader, read_picture
from tests.inference.picture_files import (
    BYTE,
    FLOAT,
    LONG,
    SHORT,
    SIDE,
    SIGNED_BYTE,
    SIGNED_LONG,
    STRIP_OFFSETS,
    STRIP_SIZES,
    error_of,
    grey,
    picture,
    tiff,
)


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "lzw", "predictor": True}, {"compression": "zlib"}, {"compression": "packbits"},
        {"compression": "lzma"}, {"compression": "zstd"}, {"tile": (16, 32)}, {"rowsperstrip": 5}, {"bigtiff": True},
        {"byteorder": ">"}, {"tile": (32, 32), "compression": "zlib", "predictor": True, "byteorder": ">"},
        {"compression": "jpeg2000", "tile": (32, 32)}, {"compression": "webp"},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("kind", ["RGB 8", "RGB 16", "grey 16", "planar 8", "planar 16"])
def test_strips_tiles_orders_and_compressions_do_not_change_a_picture(options, kind, put):
    planar = kind.startswith("planar")
    if (options.get("compression") == "webp" and kind != "RGB 8") or (planar and "jpeg2000" in options.values()):
        pytest.skip("there is no such file")
    samples = grey() if kind.startswith("grey") else picture()
    samples = samples.astype(np.uint16) * 257 if "16" in kind else samples
    stored = np.moveaxis(samples, -1, 0) if planar else samples
    file = io.BytesIO()
    tifffile.imwrite(
        file, stored, photometric="minisblack" if samples.ndim == 2 else "rgb",
        planarconfig="separate" if planar else None, metadata=None, **options,
    )  # fmt: skip
    read = read_picture(put(file.getvalue()))
    expected = np.dstack([grey()] * 3) if samples.ndim == 2 else picture()
    assert error_of(read.rgb, expected) <= (2 if options.get("compression") in ("webp", "jpeg2000") else 0)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_region_is_the_same_part_of_the_whole(tmp_path_factory, data):
    planar, tiled = data.draw(st.booleans()), data.draw(st.booleans())
    samples = np.arange(61 * 83 * 3, dtype=np.uint16).reshape(61, 83, 3)
    path = tmp_path_factory.getbasetemp() / "region.tif"
    options = {"tile": (16, 32)} if tiled else {"rowsperstrip": 7}
    stored = np.moveaxis(samples, -1, 0) if planar else samples
    tifffile.imwrite(path, stored, photometric="rgb", planarconfig="separate" if planar else "contig", **options)
    x, y = data.draw(st.integers(0, 82)), data.draw(st.integers(0, 60))
    w, h = data.draw(st.integers(1, 83 - x)), data.draw(st.integers(1, 61 - y))
    with open_reader(path) as reader:
        assert np.array_equal(reader.region(0, x, y, w, h, Plane(1, 1)), samples[y : y + h, x : x + w])
        with pytest.raises(ValueError, match="not inside"):
            reader.region(0, x, y, 84 - x, h, Plane(1, 1))


SIZE_OF_A_STRIP = SIDE * 16 * 3  # bytes: rows of RGB
ONE_TO_FOUR_STRIPS = st.sampled_from([1, 2, 4])
IMPOSSIBLE = {  # what a strip says of itself: its length, its offset (None: the true one), and their type
    "a negative length": (-113, None, SIGNED_BYTE),
    "a negative length of four bytes": (-SIZE_OF_A_STRIP, None, SIGNED_LONG),
    "no length": (0, None, LONG),
    "a length that is no whole number": (SIZE_OF_A_STRIP, None, FLOAT),
    "no offset": (SIZE_OF_A_STRIP, 0, LONG),
    "a negative offset": (SIZE_OF_A_STRIP, -8, SIGNED_LONG),
    "an offset behind the end": (SIZE_OF_A_STRIP, 10**6, LONG),
    "an offset that is no whole number": (SIZE_OF_A_STRIP, 8, FLOAT),
    "a length beyond the end": (10**6, None, LONG),
    "neither length nor offset, as sparse files have": (0, 0, LONG),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_a_strip_that_cannot_be_where_it_says_is_declined(name, put):
    length, offset, kind = IMPOSSIBLE[name]
    tags = [(STRIP_SIZES, kind, (length,))]
    if offset is not None:
        tags.append((STRIP_OFFSETS, kind, (offset,)))
    path = put(tiff(picture()[:16], photometric=2, bits=8, tags=tuple(tags)))
    with pytest.raises(Unreadable) as declined:
        read_picture(path)
    assert declined.value.code == "damaged"


@settings(max_examples=150, deadline=None)
@given(data=st.data(), count=ONE_TO_FOUR_STRIPS, kind=st.sampled_from([BYTE, SHORT, LONG, SIGNED_BYTE, SIGNED_LONG]))
def test_whatever_length_a_strip_states_the_picture_is_right_or_declined(tmp_path_factory, data, count, kind):
    """An uncompressed strip that is stated too long still holds its pixels; every other figure is no picture."""
    lowest, highest = {
        BYTE: (0, 255), SHORT: (0, 2**16 - 1), LONG: (0, 2**32 - 1), SIGNED_BYTE: (-128, 127),
        SIGNED_LONG: (-(2**31), 2**31 - 1),
    }[kind]  # fmt: skip
    lengths = st.integers(lowest, highest) | st.integers(max(lowest, -4), min(highest, SIZE_OF_A_STRIP + 4))
    stated = tuple(data.draw(st.lists(lengths, min_size=count, max_size=count)))
    samples = np.concatenate([picture()] * 2)[: 16 * count]
    path = tmp_path_factory.getbasetemp() / "lengths.tif"
    path.write_bytes(tiff(samples, photometric=2, bits=8, rows=16, tags=((STRIP_SIZES, kind, stated),)))
    try:
        read = read_picture(path)
    except Unreadable as declined:
        assert declined.code == "damaged"
        assert min(stated) < SIZE_OF_A_STRIP or max(stated) > SIZE_OF_A_STRIP
    else:
        assert np.array_equal(read.rgb, samples)


def test_a_sparse_tile_is_black_and_the_others_are_what_they_are(put):
    file = io.BytesIO()
    tiles = [np.full((16, 16, 3), 90, np.uint8), None, None, np.full((16, 16, 3), 200, np.uint8)]
    tifffile.imwrite(file, iter(tiles), shape=(32, 32, 3), dtype="uint8", tile=(16, 16), photometric="rgb")
    read = read_picture(put(file.getvalue()))
    corners = [read.rgb[8, 8, 0], read.rgb[8, 24, 0], read.rgb[24, 8, 0], read.rgb[24, 24, 0]]
    assert corners == [90, 0, 0, 200]


def test_levels_of_a_pyramid_are_levels_and_not_pages(put):
    small = picture()[::2, ::2]
    for subifds in (0, 1):
        file = io.BytesIO()
        with tifffile.TiffWriter(file) as writer:
            writer.write(picture(), photometric="rgb", tile=(16, 16), subifds=subifds)
            writer.write(small, photometric="rgb", tile=(16, 16), subfiletype=1)
        with open_reader(put(file.getvalue())) as reader:
            found = reader.identify()
            assert [(level.width, level.height) for level in found.levels] == [(64, 64), (32, 32)]
            assert found.pages == 1
            assert np.array_equal(reader.region(1, 0, 0, 32, 32, found.planes[0]), small)
