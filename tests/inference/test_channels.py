"""Slides with several channels, slices and times, and colour profiles: which samples are shown, and how."""

import io
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tifffile
from PIL import ImageCms

from inference.reading.channels import ChannelView, auto_range, blended, colour_of, ome_colour
from inference.reading.colour import Profile
from inference.reading.deidentify import cleaned
from inference.reading.slide_entry import entered
from inference.reading.slides import open_slide
from inference.reading.types import Plane, Unreadable
from tests.inference.slide_files import samples, tissue

SLICES, TIMES, CHANNELS = 5, 2, 3
NAMES = ["DAPI", "GFP", "Cy3"]


@pytest.fixture(scope="module")
def stack():
    """(T, Z, C, 120, 160) uint16: each plane has a brightness of its own, so that no two look alike."""
    rng = np.random.default_rng(1)
    made = rng.integers(0, 40, (TIMES, SLICES, CHANNELS, 120, 160)).astype(np.uint16)
    for t, z, c in np.ndindex(TIMES, SLICES, CHANNELS):
        made[t, z, c] += 1000 * (1 + t * SLICES * CHANNELS + z * CHANNELS + c)
    return made


def write_ome(path: Path, stack: np.ndarray, order: str = "TZCYX") -> None:
    tifffile.imwrite(path, stack, ome=True, metadata={"axes": order, "Channel": {"Name": NAMES}})


def write_imagej(path: Path, stack: np.ndarray) -> None:
    tifffile.imwrite(path, stack, imagej=True, metadata={"axes": "TZCYX"})


def write_virtual_imagej(path: Path, stack: np.ndarray) -> None:
    """As ImageJ writes large stacks: one directory, and the other planes behind the first one's pixels."""
    about = f"ImageJ=1.54\nimages={TIMES * SLICES * CHANNELS}\nchannels=3\nslices=5\nframes=2\nhyperstack=true\n"
    planes = stack.astype(">u2").reshape(-1, *stack.shape[-2:])
    with tifffile.TiffWriter(path, byteorder=">", imagej=False) as writer:
        writer.write(planes[0], description=about, metadata=None)
    with path.open("ab") as file:
        file.write(planes[1:].tobytes())


@pytest.mark.parametrize("write", [write_ome, write_imagej, write_virtual_imagej])
def test_every_plane_of_a_hyperstack_is_found(tmp_path, stack, write):
    write(tmp_path / "a.tif", stack)
    with open_slide(tmp_path / "a.tif") as slide:
        assert (slide.info.z, slide.info.t, slide.info.pages, slide.info.channels) == (5, 2, 10, 3)
        for t, z, c in np.ndindex(TIMES, SLICES, CHANNELS):
            plane = Plane(t * SLICES + z + 1, c + 1)
            found = slide.reader.region(0, 30, 20, 40, 50, plane)
            np.testing.assert_array_equal(found[..., 0], stack[t, z, c, 20:70, 30:70])


@pytest.mark.parametrize("order", ["TZCYX", "ZTCYX", "CZTYX", "TCZYX"])
def test_the_order_of_the_axes_is_the_file_s_own(tmp_path, stack, order):
    axes = {"T": 0, "Z": 1, "C": 2, "Y": 3, "X": 4}
    turned = stack.transpose([axes[axis] for axis in order])
    write_ome(tmp_path / "a.ome.tif", turned, order)
    with open_slide(tmp_path / "a.ome.tif") as slide:
        plane = Plane(1 * SLICES + 3 + 1, 3)
        found = slide.reader.region(0, 0, 0, 160, 120, plane)
        np.testing.assert_array_equal(found[..., 0], stack[1, 3, 2])


def write_pyramids(path: Path, channels: np.ndarray, *, flat: bool) -> None:
    """(C, H, W) with two levels: SubIFDs below each channel, or all of the second level behind all of the first."""
    small = channels[:, ::2, ::2]
    options = {"tile": (64, 64), "compression": "zlib"}
    with tifffile.TiffWriter(path, ome=not flat) as writer:
        if not flat:
            about = {"axes": "CYX", "Channel": {"Name": ["DAPI", "FITC"]}}
            writer.write(channels, subifds=1, metadata=about, **options)
            writer.write(small, subfiletype=1, **options)
            return
        for number, level in enumerate((channels, small)):
            for picture in level:
                writer.write(picture, subfiletype=min(number, 1), metadata=None, **options)


@pytest.mark.parametrize("flat", [False, True], ids=["SubIFDs", "flat"])
def test_each_channel_of_a_pyramid_has_its_own_levels(tmp_path, flat):
    """Levels of the first channel alone were used, so that all channels looked alike from afar."""
    channels = np.empty((2, 256, 256), np.uint16)
    channels[0] = 500
    channels[1] = 900
    write_pyramids(tmp_path / "a.tif", channels, flat=flat)
    with open_slide(tmp_path / "a.tif") as slide:
        assert [level.width for level in slide.info.levels] == [256, 128]
        second = Plane(2, 1) if flat else Plane(1, 2)
        assert slide.reader.region(1, 0, 0, 128, 128, second).max() == 900
        assert slide.info.associated == ()


@pytest.mark.parametrize("flat", [False, True], ids=["SubIFDs", "flat"])
def test_a_de_identified_copy_has_all_channels_at_all_levels(tmp_path, flat):
    rng = np.random.default_rng(2)
    channels = rng.integers(0, 4000, (2, 256, 256)).astype(np.uint16)
    write_pyramids(tmp_path / "a.tif", channels, flat=flat)
    (tmp_path / "clean").mkdir()
    made = cleaned(tmp_path / "a.tif", tmp_path / "clean")
    with open_slide(tmp_path / "a.tif") as source, open_slide(made) as copy:
        assert (copy.info.channel_names, copy.info.levels) == (source.info.channel_names, source.info.levels)
        for plane in source.reader.identify().planes:
            for number, level in enumerate(source.info.levels):
                box = (0, 0, level.width, level.height)
                expected = source.reader.region(number, *box, plane)
                np.testing.assert_array_equal(copy.reader.region(number, *box, plane), expected)


def test_a_stack_without_directories_cannot_be_de_identified(tmp_path, stack):
    write_virtual_imagej(tmp_path / "a.tif", stack)
    (tmp_path / "clean").mkdir()
    with pytest.raises(Unreadable, match="no directories of their own"):
        cleaned(tmp_path / "a.tif", tmp_path / "clean")


def shown(samples: list[int], views: list[ChannelView]) -> list[int]:
    """The colour of one pixel of these channels."""
    parts = [np.full((1, 1, 1), sample, np.uint16) for sample in samples]
    return blended(parts, views)[0, 0].tolist()


def test_light_adds_up_and_is_cut_at_white():
    """The worked example: (150 - 100) / 200 of red and all of green; a blue above its range is blue, not more."""
    views = [ChannelView(1, "ff0000", 100, 300), ChannelView(2, "00ff00", 0, 50), ChannelView(3, "0000ff", 0, 10)]
    assert shown([150, 50, 65_535], views) == [64, 255, 255]
    assert shown([0, 0, 0], views) == [0, 0, 0]
    both = [ChannelView(1, "ff8000", 0, 100), ChannelView(2, "ff8000", 0, 100)]
    assert shown([100, 100], both) == [255, 255, 0]


def test_samples_that_are_no_number_are_black():
    part = np.array([[[np.nan], [np.inf]]], np.float32)
    assert blended([part], [ChannelView(1, "ffffff", 0, 1)]).tolist() == [[[0, 0, 0], [255, 255, 255]]]


def test_the_range_leaves_out_hot_pixels_and_never_closes():
    samples = np.full((100, 100, 1), 200, np.uint16)
    samples[:50] = 1000
    samples[0, 0] = 65_535
    assert auto_range(samples) == (200, 1000, 200, 65_535)
    low, high, _least, _most = auto_range(np.full((4, 4, 1), 7, np.uint16))
    assert low < high
    low, high, _least, _most = auto_range(np.full((4, 4, 1), np.nan, np.float32))
    assert low < high


@pytest.mark.parametrize(
    ("name", "number", "own", "colour"),
    [
        ("DAPI", 1, "", "4060ff"), ("Alexa 488", 1, "", "00d060"), ("Cy5", 1, "", "ff40e0"), ("", 2, "", "00d060"),
        ("DAPI", 1, "123456", "123456"),
    ],
)  # fmt: skip
def test_a_channel_has_the_colour_of_its_dye_unless_the_file_names_one(name, number, own, colour):
    assert colour_of(name, number, own) == colour


def test_ome_colours_are_signed_numbers_and_white_is_no_choice():
    assert ome_colour(str(0x00FF00FF)) == "00ff00"
    assert ome_colour(str(0xFF0000FF - 2**32)) == "ff0000"
    assert [ome_colour(word) for word in ("-1", "255", "x")] == ["", "", ""]


# -- coming in


def test_a_slide_of_several_planes_asks_nobody_and_begins_in_the_middle(tmp_path, stack):
    write_ome(tmp_path / "a.ome.tif", stack)
    found = entered(tmp_path / "a.ome.tif", tmp_path, "slide", None, None)
    planes = found.slide.info["planes"]
    assert (planes["page"], planes["z"], planes["t"]) == (3, 5, 2)
    assert [channel["name"] for channel in planes["channels"]] == NAMES
    assert [channel["shown"] for channel in planes["channels"]] == [True, True, True]
    thumbnail = np.asarray(PIL.Image.open(tmp_path / "thumbnail.jpg"))
    assert thumbnail.std() > 0


def test_a_plane_that_is_named_is_shown_first(tmp_path, stack):
    write_ome(tmp_path / "a.ome.tif", stack)
    planes = entered(tmp_path / "a.ome.tif", tmp_path, "slide", 7, 2).slide.info["planes"]
    assert (planes["page"], [channel["shown"] for channel in planes["channels"]]) == (7, [False, True, False])
    with pytest.raises(Unreadable, match="page 11"):
        entered(tmp_path / "a.ome.tif", tmp_path, "slide", 11, None)
    with pytest.raises(Unreadable, match="channel 4"):
        entered(tmp_path / "a.ome.tif", tmp_path, "slide", None, 4)


def test_a_slide_of_one_plane_has_nothing_to_choose(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", tissue(300, 200), tile=(64, 64), photometric="rgb")
    assert "planes" not in entered(tmp_path / "a.tif", tmp_path, "slide", None, None).slide.info


# -- colour profiles


def lab_profile() -> bytes:
    profile = ImageCms.createProfile("LAB")
    return ImageCms.ImageCmsProfile(profile).tobytes()


def swapping_profile() -> bytes:
    """A matrix profile whose red and green are swapped against sRGB's: what it does cannot be overlooked."""
    own = ImageCms.createProfile("sRGB")
    content = ImageCms.ImageCmsProfile(own).tobytes()
    table = content[128:600]
    swapped = table.replace(b"rXYZ", b"temp")
    swapped = swapped.replace(b"gXYZ", b"rXYZ")
    swapped = swapped.replace(b"temp", b"gXYZ")
    return content[:128] + swapped + content[600:]


def test_a_profile_changes_what_is_shown_and_nothing_else(tmp_path):
    red = np.zeros((64, 64, 3), np.uint8)
    red[..., 0] = 255
    profile = swapping_profile()
    tags = [(34675, "B", len(profile), profile, True)]
    tifffile.imwrite(tmp_path / "a.tif", red, tile=(64, 64), photometric="rgb", extratags=tags)
    with open_slide(tmp_path / "a.tif") as slide:
        assert slide.info.icc and slide.info.icc_usable
        stored = slide.scaled(0, 0, 64, 64, (8, 8))
        assert stored[0, 0].tolist() == [255, 0, 0]
        shown = slide.profile().applied(stored)
        assert np.abs(shown[0, 0].astype(int) - [0, 255, 0]).max() <= 2
        assert "applied in the workspace alone" in slide.info.as_json()["notes"][0]


@pytest.mark.parametrize("content", [b"", b"no profile", lab_profile()], ids=["none", "garbage", "LAB"])
def test_a_profile_that_cannot_be_applied_leaves_the_colours_alone(content):
    rgb = tissue(20, 20)
    profile = Profile(content)
    assert not profile.is_usable
    np.testing.assert_array_equal(profile.applied(rgb), rgb)


@pytest.mark.skipif(samples() is None, reason="BOXWISE_DATA holds no wsi_samples")
@pytest.mark.parametrize("name", ["small_HE.svs", "openslide_boxes_0.dcm"])
def test_profiles_of_samples_are_what_another_reader_finds(name):
    """The oracle: Pillow's own transform of the profile that OpenSlide or pydicom hands out."""
    path = samples() / name
    with open_slide(path) as slide:
        content = slide.reader.profile()
        assert bool(content) == slide.info.icc
        if not content:
            return
        rgb = slide.preview(64)
        own = ImageCms.ImageCmsProfile(io.BytesIO(content))
        screen = ImageCms.createProfile("sRGB")
        picture = PIL.Image.fromarray(rgb)
        converted = ImageCms.profileToProfile(picture, own, screen, outputMode="RGB")
        expected = np.asarray(converted).astype(int)
        difference = expected - slide.profile().applied(rgb)
        assert np.abs(difference).max() <= 2
