"""A slide without what names people: planted values are searched for in all bytes that are written."""

import io
import struct
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageCms
import PIL.ImageDraw
import pydicom
import pytest
import tifffile
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless

from inference.reading.deidentify import cleaned
from inference.reading.deidentify_colour_profile import clean_profile
from inference.reading.deidentify_convert import converted
from inference.reading.deidentify_dicom import clean_series
from inference.reading.deidentify_jpeg import without_metadata
from inference.reading.slides import open_slide
from inference.reading.types import Unreadable
from inference.reading.writing import may_show_writing
from tests.inference.slide_files import copied, samples, tissue, write_pyramid, write_vms

needs_samples = pytest.mark.skipif(samples() is None, reason="BOXWISE_DATA holds no wsi_samples")
SECRET = "Meier^Hans-1931"
PIXELS = tissue(600, 400)


def bytes_below(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def out(tmp_path: Path) -> Path:
    folder = tmp_path / "cleaned"
    folder.mkdir()
    return folder


def assert_same_pixels(source: Path, made: Path, *, most: int = 0) -> None:
    with open_slide(source) as old, open_slide(made) as new:
        assert (new.info.width, new.info.height) == (old.info.width, old.info.height)
        assert (new.info.mpp_x, new.info.objective) == (old.info.mpp_x, old.info.objective)
        assert new.info.associated == ()
        by_size = {(level.width, level.height): index for index, level in enumerate(new.info.levels)}
        for index, level in enumerate(old.info.levels):
            there = by_size[level.width, level.height]
            size = (min(level.width, 300), min(level.height, 300))
            pair = [slide.region(number, 0, 0, *size).astype(int) for slide, number in ((old, index), (new, there))]
            assert np.abs(pair[0] - pair[1]).max() <= most


# -- TIFF

# What is planted in a TIFF: (tag, type, value).
PLANTED = [
    (
        270,
        "s",
        0,
        f"Aperio Image|User = {SECRET}|Filename = {SECRET}|ScanScope ID = {SECRET}|MPP = 0.5|AppMag = 20",
        True,
    ),
    (306, "s", 0, "1931:01:02 03:04:05", True),
    (315, "s", 0, SECRET, True),
    (316, "s", 0, SECRET, True),
    (33432, "s", 0, SECRET, True),
    (700, 1, len(SECRET), SECRET.encode(), True),
    (37510, 7, len(SECRET), SECRET.encode(), True),
    (65000, "s", 0, SECRET, True),
]


def write_planted(path: Path, *, compression: str, kind: str = "tile", bigendian: bool = False) -> None:
    """A pyramid with a label picture and the values above."""
    shared = {"photometric": "rgb", "compression": compression, "software": SECRET, "metadata": None}
    shared |= {"tile": (64, 64)} if kind == "tile" else {"rowsperstrip": 40}
    with tifffile.TiffWriter(path, byteorder=">" if bigendian else "<") as writer:
        writer.write(PIXELS, extratags=PLANTED, resolution=(20_000, 20_000), resolutionunit="CENTIMETER", **shared)
        writer.write(PIXELS[::2, ::2].copy(), subfiletype=1, extratags=PLANTED[1:], **shared)
        label = np.zeros((100, 600, 3), np.uint8)
        writer.write(label, subfiletype=1, description=f"label {SECRET}", photometric="rgb", metadata=None)


STORED = [("zlib", "tile"), ("jpeg", "tile"), ("lzw", "strip"), (None, "tile")]


@pytest.mark.parametrize("bigendian", [False, True])
@pytest.mark.parametrize(
    ("compression", "kind"), [("zlib", "tile"), ("jpeg", "tile"), ("lzw", "strip"), (None, "tile")]
)
def test_a_tiff_keeps_its_tiles_and_nothing_that_was_said(compression, kind, bigendian, tmp_path):
    path = tmp_path / "a.tif"
    write_planted(path, compression=compression, kind=kind, bigendian=bigendian)
    assert SECRET.encode() in path.read_bytes()
    made = cleaned(path, out(tmp_path))
    found = bytes_below(made.parent)
    assert SECRET.encode() not in found and b"1931" not in found
    assert_same_pixels(path, made)


def test_words_inside_of_jpeg_tiles_and_behind_pictures_are_left_out(tmp_path):
    path = tmp_path / "a.tif"
    write_planted(path, compression="jpeg")
    with tifffile.TiffFile(path) as file:
        place, length = file.pages[0].dataoffsets[0], file.pages[0].databytecounts[0]
    content = bytearray(path.read_bytes())
    tile = bytes(content[place : place + length])
    comment = b"\xff\xfe" + struct.pack(">H", len(SECRET) + 2) + SECRET.encode()
    exif = b"\xff\xe1" + struct.pack(">H", len(SECRET) + 8) + b"Exif\0\0" + SECRET.encode()
    planted = tile[:2] + comment + exif + tile[2:] + SECRET.encode()
    assert without_metadata(planted) == without_metadata(tile)
    assert SECRET.encode() not in without_metadata(planted)


def jpeg(**how: object) -> bytes:
    found = io.BytesIO()
    PIL.Image.fromarray(PIXELS).save(found, "JPEG", **how)
    return found.getvalue()


def shown(stream: bytes) -> np.ndarray:
    return np.asarray(PIL.Image.open(io.BytesIO(stream)))


def test_words_between_the_scans_of_a_jpeg_and_pictures_behind_it_are_left_out():
    plain = jpeg(progressive=True)
    scan = plain.rindex(b"\xff\xda")
    comment = b"\xff\xfe" + struct.pack(">H", len(SECRET) + 2) + SECRET.encode()
    adobe = b"\xff\xee" + struct.pack(">H", 14 + len(SECRET)) + b"Adobe\0\x64\0\0\0\0\1" + SECRET.encode()
    planted = plain[:2] + adobe + plain[2:scan] + comment + plain[scan:] + jpeg(comment=SECRET.encode())
    made = without_metadata(planted)
    assert SECRET.encode() in planted and SECRET.encode() not in made and b"Adobe" in made
    assert np.array_equal(shown(made), shown(plain))
    assert without_metadata(made) == made


@needs_samples
@pytest.mark.parametrize(
    "name",
    ["CMU-1-Small-Region_pyramid.ome.tif", "CMU-1-Small-Region_pyramid.tiff", "small_HE.svs", "openslide_small.svs"],
)
def test_samples_keep_their_pixels_and_lose_what_is_planted(name, tmp_path):
    path = copied(name, tmp_path)
    path.write_bytes(path.read_bytes() + SECRET.encode())
    made = cleaned(path, out(tmp_path))
    found = bytes_below(made.parent)
    assert SECRET.encode() not in found
    for words in (b"Filename", b"User =", b"ScanScope", b"12/29/09", b"b414003d", b"CPAPERIOCS"):
        assert words not in found
    assert_same_pixels(path, made)


def test_an_ome_file_keeps_its_channels_and_loses_its_experimenter(tmp_path):
    path = tmp_path / "a.ome.tif"
    about = {
        "axes": "CYX", "Channel": {"Name": ["DAPI", "FITC"]}, "PhysicalSizeX": 0.25, "PhysicalSizeY": 0.25,
        "Description": SECRET, "AcquisitionDate": "1931-01-02T03:04:05",
    }  # fmt: skip
    planes = np.stack([PIXELS[..., 0], PIXELS[..., 1]]).astype(np.uint16) * 7
    tifffile.imwrite(path, planes, ome=True, tile=(64, 64), photometric="minisblack", metadata=about)
    assert SECRET.encode() in path.read_bytes()
    made = cleaned(path, out(tmp_path))
    found = bytes_below(made.parent)
    assert SECRET.encode() not in found and b"1931" not in found
    with open_slide(path, channel=2) as old, open_slide(made, channel=2) as new:
        assert new.info.channel_names == old.info.channel_names == ("DAPI", "FITC")
        np.testing.assert_array_equal(old.region(0, 0, 0, 300, 300), new.region(0, 0, 0, 300, 300))
        assert new.info.mpp_x == 0.25


def test_a_damaged_tiff_leaves_a_sentence(tmp_path):
    path = tmp_path / "a.tif"
    write_pyramid(path, PIXELS)
    path.write_bytes(path.read_bytes()[:-20_000])
    with pytest.raises(Unreadable):
        cleaned(path, out(tmp_path))


# -- DICOM

TEXT = {
    "PatientName": SECRET, "PatientID": SECRET, "AccessionNumber": SECRET[:16], "InstitutionName": SECRET,
    "DeviceSerialNumber": SECRET, "StudyDescription": SECRET, "ImageComments": SECRET, "OperatorsName": SECRET,
    "PatientBirthDate": "19310102", "StudyDate": "19310102", "AcquisitionDateTime": "19310102030405",
    "ContainerIdentifier": SECRET, "LabelText": SECRET, "BarcodeValue": SECRET, "SoftwareVersions": SECRET,
}  # fmt: skip


@needs_samples
def test_a_dicom_series_keeps_its_levels_and_no_attribute_of_people(tmp_path):
    source = tmp_path / "series"
    source.mkdir()
    uids = []
    for number in (0, 1):
        made = pydicom.dcmread(copied(f"openslide_boxes_{number}.dcm", tmp_path))
        for name, value in TEXT.items():
            setattr(made, name, value)
        block = made.private_block(0x0011, SECRET[:12], create=True)
        block.add_new(0x01, "LO", SECRET)
        made.OpticalPathSequence[0].OpticalPathDescription = SECRET[:16]
        made.preamble = SECRET.encode().ljust(128, b"\0")
        uids += [made.SOPInstanceUID, made.StudyInstanceUID, made.SeriesInstanceUID]
        made.save_as(source / f"{number}.dcm")
    made = cleaned(source, out(tmp_path))
    found = bytes_below(made)
    for words in (SECRET, SECRET[:12], "1931", *uids):
        assert words.encode() not in found
    assert len(list(made.iterdir())) == 1  # the thumbnail's file is left out
    assert_same_pixels(source, made)
    again = cleaned(source, tmp_path_of(tmp_path, "again"))
    assert bytes_below(again) == found  # the same slide twice is the same


def compress(made: pydicom.Dataset, kind: str, words: bytes) -> None:
    """The pixels as frames of JPEG or JPEG 2000, with words inside of each."""
    mark = b"\xff\xfe" if kind == "JPEG" else b"\xff\x64"
    registration = b"" if kind == "JPEG" else b"\0\1"
    frames = []
    for pixels in np.atleast_3d(made.pixel_array).reshape(-1, made.Rows, made.Columns, 3):
        written = io.BytesIO()
        PIL.Image.fromarray(pixels).save(written, kind, **({} if kind == "JPEG" else {"no_jp2": True}))
        frame = written.getvalue()
        place = 2 if kind == "JPEG" else frame.index(b"\xff\x90")  # in front of the first tile
        length = struct.pack(">H", 2 + len(registration + words))
        frames.append(frame[:place] + mark + length + registration + words + frame[place:])
    made.PixelData = encapsulate(frames)
    made["PixelData"].is_undefined_length = True
    made.file_meta.TransferSyntaxUID = JPEGBaseline8Bit if kind == "JPEG" else JPEG2000Lossless
    made.PhotometricInterpretation = "YBR_FULL_422" if kind == "JPEG" else "YBR_RCT"


@needs_samples
@pytest.mark.parametrize("kind", ["JPEG", "JPEG2000"])
def test_words_inside_of_the_frames_of_a_dicom_file_are_left_out(kind, tmp_path):
    source = tmp_path / "series"
    source.mkdir()
    for number in (0, 1):
        made = pydicom.dcmread(copied(f"openslide_boxes_{number}.dcm", tmp_path))
        compress(made, kind, SECRET.encode())
        made.save_as(source / f"{number}.dcm")
    assert SECRET.encode() in bytes_below(source)
    made = cleaned(source, out(tmp_path))
    assert SECRET.encode() not in bytes_below(made)
    assert_same_pixels(source, made)


@needs_samples
def test_a_compression_whose_comments_nobody_here_finds_is_declined(tmp_path):
    made = pydicom.dcmread(copied("openslide_boxes_0.dcm", tmp_path))
    made.PixelData = encapsulate([SECRET.encode()] * int(made.NumberOfFrames))
    made["PixelData"].is_undefined_length = True
    made.file_meta.TransferSyntaxUID = JPEGLSLossless
    made.save_as(tmp_path / "level.dcm")
    with pytest.raises(Unreadable, match="JPEG-LS Lossless"):
        clean_series(tmp_path / "level.dcm", out(tmp_path))


def tmp_path_of(tmp_path: Path, name: str) -> Path:
    folder = tmp_path / name
    folder.mkdir()
    return folder


# -- formats whose pixels are written anew


def test_pixels_are_written_anew_as_a_pyramid_of_the_same_place_and_scale(tmp_path):
    path = tmp_path / "a.tif"
    write_planted(path, compression="zlib")
    made = converted(path, tmp_path / "b.tif")
    assert SECRET.encode() not in made.read_bytes()
    with open_slide(path) as old, open_slide(made) as new:
        for name in ("width", "height", "mpp_x", "mpp_y", "objective"):
            assert getattr(new.info, name) == getattr(old.info, name)
        difference = old.region(0, 200, 100, 300, 200).astype(int) - new.region(0, 200, 100, 300, 200)
        assert np.abs(difference).mean() < 3  # JPEG of high quality


def test_a_set_of_files_that_cannot_be_read_leaves_a_sentence_and_is_not_copied(tmp_path):
    path = write_vms(tmp_path / "set")
    path.write_text(path.read_text() + f"Reference={SECRET}\n")
    folder = out(tmp_path)
    with pytest.raises(Unreadable):  # OpenSlide reads the header of this set alone
        cleaned(path.parent, folder)
    assert SECRET.encode() not in bytes_below(folder)


# -- colour profiles


def test_a_colour_profile_keeps_its_colours_and_no_words():
    profile = PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes()
    planted = profile.replace("No copyright".encode("utf-16-be"), "Meier Hans 1".encode("utf-16-be"))
    assert planted != profile
    clean = clean_profile(planted)
    assert "Meier".encode("utf-16-be") not in clean
    picture = PIL.Image.fromarray(PIXELS)
    to_srgb = PIL.ImageCms.createProfile("sRGB")

    def shown(content: bytes) -> np.ndarray:
        opened = PIL.ImageCms.ImageCmsProfile(io.BytesIO(content))
        return np.asarray(PIL.ImageCms.profileToProfile(picture, opened, to_srgb))

    np.testing.assert_array_equal(shown(profile), shown(clean))


@pytest.mark.parametrize(
    "content", [b"", b"x" * 200, b"\0" * 36 + b"acsp" + b"\0" * 88 + b"\xff" * 4, b"\0" * 36 + b"acsp"]
)
def test_what_is_no_profile_is_left_out(content):
    assert clean_profile(content) == b""


# -- writing in the picture


@pytest.mark.parametrize("ink", [(0, 0, 0), (255, 255, 255), (255, 0, 0)])
def test_writing_in_a_picture_is_noticed(ink):
    picture = PIL.Image.fromarray(tissue(800, 600))
    PIL.ImageDraw.Draw(picture).text((40, 520), "Meier, Hans 02.01.1931", fill=ink, font_size=24)
    assert may_show_writing(np.asarray(picture))


def test_tissue_shows_no_writing():
    assert not may_show_writing(tissue(800, 600))


@needs_samples
def test_sample_slides_show_no_writing():
    with open_slide(samples() / "small_HE.svs") as slide:
        assert not may_show_writing(slide.preview(2048))
