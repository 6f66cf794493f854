"""Reading picture files: every listed combination as it is meant, everything else declined in a true sentence."""

import io
import json
import re
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.datasets import data_root, read_rgb
from inference.reading import Unreadable, identify, read_picture
from inference.reading import page as reading_page
from inference.reading.combinations import KEPT, READABLE, SPREAD
from inference.reading.label_maps import largest_label
from inference.reading.sentences import DECLINED, SENTENCES
from inference.reading.tones import as_bytes, used_range
from inference.reading.types import Note, Scale
from inference.types import UnreadableImage
from tests.inference.picture_files import (
    Case,
    cases,
    error_of,
    grey,
    opacity,
    picture,
    piece,
    png,
    read_by_pillow,
    saved,
    tiff,
)

CASES = {case.name: case for case in cases()}


# -- the list


@pytest.mark.parametrize("name", CASES)
def test_every_listed_combination_is_read_as_it_is_meant(name, put):
    case = CASES[name]
    read = read_picture(put(case.content), channel=case.channel)
    assert case.combination.fits(read.identified), read.identified
    assert error_of(read.rgb, case.expected) <= case.tolerance
    assert (read.low is not None) == (case.combination.result == SPREAD)


def test_the_list_has_a_file_for_every_entry():
    wanted = sum(
        len(c.formats) * len(c.photometric) * len(c.bits) * len(c.alpha) * len(c.planar) for c in READABLE
    )  # fmt: skip
    assert len(CASES) == wanted


EIGHT = [name for name, case in CASES.items() if case.combination.result == KEPT and "unspecified" not in name]


@pytest.mark.parametrize("name", EIGHT)
def test_8_bit_files_are_byte_for_byte_what_they_were(name, put):
    case = CASES[name]
    try:
        before = read_by_pillow(case.content)
    except (OSError, ValueError, KeyError):
        pytest.skip("Pillow does not read it")
    if error_of(before, case.expected) > case.tolerance:
        pytest.skip("Pillow reads it wrongly")
    assert np.array_equal(read_picture(put(case.content)).rgb, before)


def test_the_page_in_the_docs_is_made_from_the_list():
    page = Path(reading_page.PAGE).read_text()
    assert page == reading_page.written(page), "run python -m inference.reading.page"


# -- what is not in the list


def unlisted() -> dict[str, tuple[bytes, str]]:
    """Files of a kind that is not read, and words of the sentence that says so."""
    shown = picture()
    deep = grey()[..., None].astype(np.uint32) * 1000
    return {
        "CMYK 16": (tiff(np.dstack([shown, grey()]).astype(np.uint16) * 257, photometric=5, bits=16), "CMYK, 16 bit"),
        "CIELAB 16": (tiff(shown.astype(np.uint16), photometric=8, bits=16), "CIELAB, 16 bit"),
        "32-bit whole numbers": (tiff(deep, photometric=1, bits=32), "whole numbers of 32 bits"),
        "signed RGB": (tiff(shown.astype(np.int16), photometric=2, bits=16, sample_format=2), "RGB, 16 bit signed"),
        "complex": (tiff(grey()[..., None].astype(np.complex64), photometric=1, bits=64, sample_format=6), "complex"),
        "YCbCr without JPEG": (tiff(shown, photometric=6, bits=8), "YCbCr colours compressed with none"),
        "raw camera": (tiff(grey()[..., None], photometric=32803, bits=8), "colour filter array"),
        "float white is zero": (
            tiff(grey()[..., None].astype(np.float32), photometric=0, bits=32, sample_format=3), "white is zero, 32",
        ),
        "mixed extras": (
            tiff(np.dstack([shown, grey(), grey()]), photometric=2, bits=8, extra=(2, 0)), "mixed alpha",
        ),
        "GIF": (saved(grey(), "GIF"), "has the format GIF"),
        "JPEG 2000": (saved(shown, "JPEG2000"), "has the format JPEG 2000"),
        "PPM": (saved(shown, "PPM"), "has the format PPM"),
        "DICOM": (b"\0" * 128 + b"DICM" + b"\0" * 64, "has the format DICOM"),
        "text": (b"hello, I am a text", "is not an image of a known format"),
        "nothing": (b"", "is empty"),
        "all clear": (saved(np.dstack([shown, grey() * 0]), "PNG"), "fully transparent"),
        "all clear, 16 bit": (
            png(np.dstack([shown, grey() * 0]).astype(np.uint16) * 257, bits=16, colour=6), "fully transparent",
        ),
        "no finite number": (
            tiff(np.full((8, 8, 1), np.nan, np.float32), photometric=1, bits=32, sample_format=3), "no number",
        ),
        "too large": (png(grey()[:1, :1, None], bits=8, colour=0).replace(
            piece(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)),
            piece(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0))), "60000 x 60000 px"),
        "cut": (saved(shown, "PNG")[:2000], "is damaged"),
    }  # fmt: skip


UNLISTED = unlisted()


@pytest.mark.parametrize("name", UNLISTED)
def test_what_is_not_listed_is_declined_with_its_property(name, put):
    content, words = UNLISTED[name]
    with pytest.raises(Unreadable) as declined:
        read_picture(put(content))
    assert words in declined.value.of("a.tif")
    assert declined.value.code in DECLINED
    if name == "too large":
        return  # not for the science, whose files are one's own
    with pytest.raises(UnreadableImage, match=re.escape(words)):  # the science reads with the same reader
        read_rgb(put(content, "a.tif"))


def test_every_sentence_names_a_remedy_and_the_file():
    for code, words in DECLINED.items():
        assert "{name}" in words, code
        remedy = r"save|cut|say|give|make|export|try again|ask who|file has no bytes|it has|reference masks"
        assert re.search(remedy, words), code


# -- several pictures in a file


def stack(pages: int, **options) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(
        file, np.stack([np.roll(picture(), 7 * i, axis=1) for i in range(pages)]), photometric="rgb", **options
    )
    return file.getvalue()


def test_a_stack_is_declined_until_a_page_is_chosen(put):
    path = put(stack(3))
    with pytest.raises(Unreadable, match="holds 3 pictures"):
        read_picture(path)
    for page in (1, 2, 3):
        read = read_picture(path, page=page)
        assert np.array_equal(read.rgb, np.roll(picture(), 7 * (page - 1), axis=1))
        assert str(read.notes[0]) == f"page {page} of 3 was taken"
    with pytest.raises(Unreadable, match="has no page 4; it has 3"):
        read_picture(path, page=4)


def test_pages_of_different_sizes_and_kinds_are_each_read_as_they_are(put):
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(picture(), photometric="rgb", metadata=None)
        writer.write(grey()[:20].astype(np.uint16) * 257, photometric="minisblack", metadata=None)
        writer.write(np.zeros((9, 9), np.uint32), photometric="minisblack", metadata=None)
    path = put(file.getvalue())
    second = read_picture(path, page=2)
    assert second.rgb.shape == (20, 64, 3) and np.array_equal(second.rgb[..., 0], grey()[:20])
    with pytest.raises(Unreadable, match="whole numbers of 32 bits"):
        read_picture(path, page=3)


@pytest.mark.parametrize("way", ["pages", "samples", "planar", "OME", "ImageJ"])
def test_channels_are_declined_until_one_is_chosen(way, put):
    channels = np.stack([np.roll(grey(), 9 * i, axis=0) for i in range(3)])
    file = io.BytesIO()
    if way == "samples":
        content = tiff(np.moveaxis(channels, 0, -1), photometric=1, bits=8, extra=(0, 0))
    elif way == "planar":
        content = tiff(np.moveaxis(channels, 0, -1), photometric=1, bits=8, extra=(0, 0), planar=True)
    else:
        kinds = {
            "pages": {"metadata": None},
            "OME": {"ome": True, "metadata": {"axes": "CYX", "Channel": {"Name": ["DAPI", "FITC", "Cy5"]}}},
            "ImageJ": {"imagej": True, "metadata": {"axes": "CYX"}},
        }
        tifffile.imwrite(file, channels, photometric="minisblack", **kinds[way])
        content = file.getvalue()
    path = put(content, "channels.ome.tif")
    with pytest.raises(Unreadable) as declined:
        read_picture(path)
    assert declined.value.code == ("several_pages" if way == "pages" else "several_channels")
    assert ("DAPI, FITC, Cy5" in str(declined.value)) == (way == "OME")
    choice = {"page": 2} if way == "pages" else {"channel": 2}
    assert np.array_equal(read_picture(path, **choice).rgb[..., 0], channels[1])


def test_slices_and_channels_of_one_file_are_told_apart(put):
    made = np.random.default_rng(4).integers(0, 255, (2, 3, 40, 50), np.uint8)  # z, c
    file = io.BytesIO()
    tifffile.imwrite(file, made, ome=True, metadata={"axes": "ZCYX"}, photometric="minisblack")
    path = put(file.getvalue())
    found = identify(path)
    assert (found.pages, found.channels) == (2, 3)
    assert np.array_equal(read_picture(path, page=2, channel=3).rgb[..., 0], made[1, 2])


def test_an_animation_and_a_stereo_photo_say_what_they_hold(put):
    frames = [PIL.Image.fromarray(np.roll(picture(), 5 * i, axis=0)) for i in range(3)]
    for form in ("PNG", "WEBP"):
        file = io.BytesIO()
        frames[0].save(file, form, save_all=True, append_images=frames[1:], lossless=True)
        path = put(file.getvalue())
        with pytest.raises(Unreadable, match="holds 3 pictures"):
            read_picture(path)
        assert np.array_equal(read_picture(path, page=2).rgb, np.asarray(frames[1]))
    file = io.BytesIO()
    frames[0].save(file, "MPO", save_all=True, append_images=frames[1:])
    read = read_picture(put(file.getvalue()))
    assert [str(note) for note in read.notes] == [
        "further pictures in the file (previews, other views) that were not taken: 2"
    ]


# -- the range


@pytest.mark.parametrize("bits", [9, 10, 11, 12, 13, 14, 15, 16])
@pytest.mark.parametrize("form", ["TIFF", "PNG"])
@pytest.mark.parametrize("colours", [1, 3])
def test_a_camera_of_few_bits_is_seen_as_it_meant(bits, form, colours, put):
    shown = picture() if colours == 3 else grey()[..., None]
    samples = np.rint(shown / 255 * (2**bits - 1)).astype(np.uint16)
    samples[5, 7], samples[9, 3, 0] = 65_535, 0  # hot and dead pixels
    samples[30], samples[:, 41] = 65_535, 0  # a hot row and a dead column
    if form == "TIFF":
        content = tiff(samples, photometric=2 if colours == 3 else 1, bits=16)
    else:
        content = png(samples, bits=16, colour=2 if colours == 3 else 0)
    read = read_picture(put(content))
    assert (read.low, read.high) == (0, 2**bits - 1)
    sound = np.ones(shown.shape[:2], bool)
    sound[30], sound[:, 41], sound[5, 7], sound[9, 3] = False, False, False, False
    assert error_of(read.rgb[sound], np.broadcast_to(shown, read.rgb.shape)[sound]) < 1


@settings(max_examples=80, deadline=None)
@given(
    low=st.integers(0, 60_000), width=st.integers(40, 5_000), hot=st.integers(0, 6), seed=st.integers(0, 99),
    channels=st.sampled_from([1, 3]),
)  # fmt: skip
def test_the_used_range_is_found_whatever_hot_pixels_there_are(low, width, hot, seed, channels):
    rng = np.random.default_rng(seed)
    smooth = np.sin(np.linspace(0, 9, 90))[:, None] * np.cos(np.linspace(0, 7, 80))[None]
    samples = (low + (smooth + 1) / 2 * width)[..., None] * np.linspace(1, 0.9, channels)
    samples = np.clip(np.rint(samples), 0, 65_535).astype(np.uint16)
    clean = used_range(samples)
    for _ in range(hot):
        samples[rng.integers(90), rng.integers(80), rng.integers(channels)] = 65_535
    found = used_range(samples)
    assert abs(found.high - clean.high) <= 0.1 * (clean.high - clean.low) + 1
    shown = as_bytes(samples, found)
    assert shown.std() > 12, "what is there can be seen"
    inside = (samples >= found.low) & (samples <= found.high)
    back = found.low + shown / 255 * (found.high - found.low)
    step = (found.high - found.low) / 255
    assert np.abs(back - samples)[inside].max() <= step / 2 + 1e-6, "the mapping can be turned back"


@given(value=st.integers(0, 65_535))
def test_a_picture_of_one_value_is_no_accident(value):
    flat = np.full((9, 9, 1), value, np.uint16)
    used = used_range(flat)
    assert used.low <= value <= used.high
    assert as_bytes(flat, used).min() == as_bytes(flat, used).max()


def test_two_deep_pictures_that_look_alike_are_two(put):
    once = grey()[..., None].astype(np.uint16) * 16
    brighter = once * 2
    marks = [read_picture(put(tiff(s, photometric=1, bits=16))).sha256 for s in (once, brighter, once)]
    assert marks[0] == marks[2] != marks[1]


# -- label maps


def labels_of(kind: str) -> np.ndarray:
    from tests.inference.conftest import painted_field

    return painted_field(5, 128, 12).labels.astype(kind)


@pytest.mark.parametrize("kind", ["u1", "u2", "i2", "f4"])
def test_a_label_map_is_no_picture(kind, put):
    labels = labels_of(kind)[..., None]
    forms = {"u1": 1, "u2": 1, "i2": 2, "f4": 3}
    path = put(tiff(labels, photometric=1, bits=labels.dtype.itemsize * 8, sample_format=forms[kind]))
    with pytest.raises(Unreadable, match="looks like a label map"):
        read_picture(path)


def test_classes_painted_in_few_numbers_are_no_picture(put):
    with pytest.raises(Unreadable, match="looks like a label map"):
        read_picture(put(saved((labels_of("u1") % 4).astype(np.uint8), "PNG")))


def test_pictures_are_not_taken_for_label_maps():
    ramp = np.tile(np.arange(40, dtype=np.uint8), (30, 1))
    noise = np.random.default_rng(1).poisson(3, (64, 64)).astype(np.uint8)
    drawing = np.where(labels_of("i4") > 0, 255, 0).astype(np.uint8)
    for shown in (grey(), grey() // 8, ramp, ramp.T, noise, drawing, np.zeros((20, 20), np.uint8)):
        assert largest_label(shown[..., None]) is None


def test_real_pictures_and_real_label_maps_are_told_apart():
    root = data_root()
    if root is None:
        pytest.skip("BOXWISE_DATA is not there")
    for path in sorted(root.glob("*/labels/*.png"))[::25]:
        assert largest_label(np.asarray(PIL.Image.open(path))[..., None]) is not None, path.name
    for path in sorted(root.glob("*/images/*.png"))[::10]:
        assert largest_label(np.asarray(PIL.Image.open(path).convert("L"))[..., None]) is None, path.name


# -- the contract


def test_the_leaf_imports_neither_django_nor_torch():
    import subprocess
    import sys

    program = (
        "import sys, inference.reading, inference.reading.helper, inference.reading.isolation; "
        "print([m for m in ('django', 'torch', 'labeling', 'celery') if m in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_notes_and_sentences_are_filled_in():
    for code, words in SENTENCES.items():
        params = dict.fromkeys(re.findall(r"\{(\w+)\}", words), 1)
        assert "{" not in (str(Note(code, params)) if code not in DECLINED else Unreadable(code, **params).of("a.png"))
    assert json.dumps(Scale(1, 1, "x").__dict__)
    assert replace(Case("", b"", opacity(), READABLE[0]), name="a").name == "a"
