"""What a file says of itself: the turn of a picture, broken metadata, the scale."""

import struct
import zlib

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.datasets import data_root
from inference.reading import Unreadable, identify, read_picture
from inference.reading.scale import number, of_description, of_resolution
from tests.inference.picture_files import picture, piece, read_by_pillow, saved, tiff


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_turned_picture_stands_upright_and_says_so(orientation, form, put):
    exif = PIL.Image.Exif()
    exif[274] = orientation
    content = saved(picture()[:40], form, exif=exif)
    read = read_picture(put(content))
    assert np.array_equal(read.rgb, read_by_pillow(content))
    assert ("turned" in [note.code for note in read.notes]) == (orientation != 1)


XMP = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


def test_a_turn_that_only_xmp_or_a_text_states_counts_as_it_did(put):
    plain = saved(picture()[:40], "JPEG", quality=95)
    body = b"http://ns.adobe.com/xap/1.0/\0" + XMP
    jpeg = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + plain[2:]
    plain = saved(picture()[:40], "PNG")
    as_xmp = plain[:33] + piece(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP) + plain[33:]
    exif = PIL.Image.Exif()
    exif[274] = 6
    raw = b"\nexif\n      %d\n" % len(exif.tobytes()) + exif.tobytes().hex().encode()
    as_text = plain[:33] + piece(b"tEXt", b"Raw profile type exif\0" + raw) + plain[33:]
    as_packed = plain[:33] + piece(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(raw)) + plain[33:]
    webp = saved(picture()[:40], "WEBP", lossless=True, xmp=XMP)
    tagged = tiff(picture()[:40], photometric=2, bits=8, tags=((700, 1, tuple(XMP)),))
    for content in (jpeg, as_xmp, as_text, as_packed, webp, tagged):
        read = read_picture(put(content))
        assert read.rgb.shape == (64, 40, 3) and np.array_equal(read.rgb, read_by_pillow(content))


BROKEN = (
    b"", b"garbage", b"II*\0", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff", b"Exif\0\0Exif\0\0junk",
    b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x09\0\0\0", b"\0" * 64,
)  # fmt: skip


@pytest.mark.parametrize("block", BROKEN)
def test_broken_metadata_never_decline_a_sound_picture(block, put):
    body = b"Exif\0\0" + block
    plain = saved(picture(), "JPEG", quality=95)
    with_exif = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + plain[2:]
    assert np.array_equal(read_picture(put(with_exif)).rgb, read_by_pillow(plain))
    wrong_length = plain[:2] + b"\xff\xe1" + struct.pack(">H", 4 + len(block) // 2) + body + plain[2:]
    assert np.array_equal(read_picture(put(wrong_length)).rgb, read_by_pillow(plain))
    plain = saved(picture(), "PNG")
    broken = piece(b"eXIf", block) + piece(b"iCCP", block) + piece(b"zTXt", block) + piece(b"pHYs", block)
    damaged = struct.pack(">I", 4) + b"tEXt" + b"abcd" + b"0000"  # its checksum is wrong
    content = plain[:33] + broken + damaged + plain[33:]
    assert np.array_equal(read_picture(put(content)).rgb, picture())


@pytest.mark.parametrize("code", [270, 271, 282, 296, 274, 305, 34675, 34665, 700, 33432])
@pytest.mark.parametrize("values", [(0,), (0, 0), (65_535,) * 3])
def test_odd_tags_of_a_tiff_never_decline_a_sound_picture(code, values, put):
    content = tiff(picture(), photometric=2, bits=8, tags=((code, 3, values),))
    assert np.array_equal(read_picture(put(content)).rgb, picture())


# -- scale


@pytest.mark.parametrize(
    ("text", "scale"),
    [
        ("Aperio Image Library v11\r\n46000x32914|AppMag = 20|MPP = 0.4990|Left = 25", (0.499, 0.499)),
        ("Aperio Image Library|MPP=0.2527", (0.2527, 0.2527)),
        ('<OME><Image><Pixels SizeX="1" PhysicalSizeX="0.25" PhysicalSizeY="0.25"/></Image></OME>', (0.25, 0.25)),
        (
            '<Pixels PhysicalSizeX="250" PhysicalSizeXUnit="nm" PhysicalSizeY="250" PhysicalSizeYUnit="nm">',
            (0.25, 0.25),
        ),
        ('<o:Pixels PhysicalSizeX="2.5e-4" PhysicalSizeXUnit="mm" PhysicalSizeY="0.25">', (0.25, 0.25)),
        ('<Scan ScannerModel="VENTANA DP 200" ScanRes="0.25"/>', (0.25, 0.25)),
        ('<A Name="DICOM_PIXEL_SPACING" Group="0x0028">"0.000226891" "0.000226907"</A>', (0.226907, 0.226891)),
        ('<view sizeX="25600000" sizeY="12800000"/><pixels sizeX="51200" sizeY="25600"/>', (0.5, 0.5)),
        ('<Pixels PhysicalSizeX="0" PhysicalSizeY="0">', None),
        ('<Pixels PhysicalSizeX="NaN" PhysicalSizeY="inf">', None),
        ('<Pixels PhysicalSizeX="1" PhysicalSizeXUnit="pixel" PhysicalSizeY="1" PhysicalSizeYUnit="pixel">', None),
        ("a field of colon, MPP = soon", None),
        ("Aperio Image|MPP = 352.8", None),
    ],
)
def test_the_scale_is_read_where_a_description_states_it(text, scale):
    found = of_description(text)
    assert (found and (pytest.approx(found.x), pytest.approx(found.y))) == scale


@pytest.mark.parametrize(
    ("x", "y", "unit", "um"),
    [
        ((10_000_000, 499), (10_000_000, 499), 10_000, 0.499), ((72, 1), (72, 1), 25_400, None),
        ((300, 1), (300, 1), 25_400, None), ((101_600, 1), (101_600, 1), 25_400, 0.25), ((0, 0), (1, 0), 10_000, None),
        ((-1, 0), (4, 1), 10_000, None), ("x", None, 10_000, None), ((1, 1), (1, 1), 10_000, None),
    ],
)  # fmt: skip
def test_resolution_tags_count_where_they_are_a_microscope_s(x, y, unit, um):
    found = of_resolution(x, y, unit)
    assert (found and pytest.approx(found.x)) == um


def test_pixels_that_are_not_square_have_no_scale_and_say_so(put):
    tags = ((282, 5, (40_000, 1)), (283, 5, (20_000, 1)), (296, 3, (3,)))
    found = identify(put(tiff(picture(), photometric=2, bits=8, tags=tags)))
    assert found.scale is None and [str(note) for note in found.problems] == [
        "pixels are 0.25 x 0.5 µm in the file, not square, so no scale was taken"
    ]


@given(
    st.one_of(
        st.text(max_size=30), st.binary(max_size=9), st.floats(), st.tuples(st.integers(), st.integers()), st.none()
    )
)
def test_anything_at_all_is_a_number_or_none(value):
    found = number(value)
    assert found is None or np.isfinite(found)


def test_real_slides_state_their_scale():
    root = data_root()
    if root is None or not (root / "wsi_samples").is_dir():
        pytest.skip("BOXWISE_DATA holds no wsi_samples")
    scales = {
        "small_HE.svs": 0.499, "openslide_small.svs": 0.499, "CMU-1-Small-Region_pyramid.tiff": 0.499,
        "CMU-1-Small-Region_pyramid.ome.tif": 0.499, "openslide_boxes.tiff": None,
    }  # fmt: skip
    for name, um in scales.items():
        found = identify(root / "wsi_samples" / name)
        assert (found.scale and pytest.approx(found.scale.x)) == um, name
    assert identify(root / "wsi_samples/small_HE.svs").objective == 20
    for name in ("small_dicom.dcm", "openslide_boxes_0.dcm", "openslide_boxes_1.dcm"):
        with pytest.raises(Unreadable, match="has the format DICOM"):
            identify(root / "wsi_samples" / name)
