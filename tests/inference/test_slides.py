"""Slides: every sample is opened or declined as it is described, regions are right, hostile sets are declined whole."""

import io
import json
import socket
import threading
import time
import zipfile

import numpy as np
import openslide
import PIL.Image
import pydicom
import pytest
import tifffile
from hypothesis import example, given, settings
from hypothesis import strategies as st

from inference.commands import slide as command
from inference.reading import Unreadable, tile_client
from inference.reading.sets import entry_of, unpack
from inference.reading.slides import open_slide, resampled
from inference.reading.tile_client import SlideFile, Turns, picture
from inference.reading.types import Plane, levels_of
from inference.reading.vendor import VendorReader
from tests.inference.slide_files import copied, halved, samples, tissue, write_mrxs, write_pyramid, write_vms

needs_samples = pytest.mark.skipif(samples() is None, reason="BOXWISE_DATA holds no wsi_samples")
PYRAMID = [1.0, 2.0, 4.0, 8.0, 16.0]
# name: reader, size, downsamples, µm per pixel, objective, vendor, names of further pictures
SAMPLES = {
    "small_HE.svs": ("openslide", (2220, 2967), [1.0], 0.499, 20, "Aperio", ["label", "macro", "thumbnail"]),
    "CMU-1-Small-Region_pyramid.tiff": ("tifffile", (2220, 2967), PYRAMID, 0.499, None, "", []),
    "CMU-1-Small-Region_pyramid.ome.tif": ("tifffile", (2220, 2967), PYRAMID, 0.499, None, "", []),
    "openslide_boxes.tiff": ("tifffile", (300, 250), PYRAMID[:4], None, None, "", []),
    "openslide_small.svs": ("openslide", (16, 16), [1.0], 0.499, 20, "Aperio", ["thumbnail"]),
    "openslide_boxes_0.dcm": ("wsidicom", (16, 16), [1.0], 0.499, 20, "Leica Biosystems", ["thumbnail"]),
    "openslide_boxes_1.dcm": ("wsidicom", (16, 16), [1.0], 0.499, 20, "Leica Biosystems", ["thumbnail"]),
}


# -- the samples


@needs_samples
@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_is_what_it_is_described_to_be(name):
    reader, size, downsamples, mpp, objective, vendor, associated = SAMPLES[name]
    with open_slide(samples() / name) as slide:
        found = slide.info
        assert (found.reader, (found.width, found.height)) == (reader, size)
        assert [level.downsample for level in found.levels] == downsamples
        assert (found.mpp_x, found.mpp_y, found.objective) == (mpp, mpp, objective)
        assert (found.vendor, list(found.associated)) == (vendor, associated)
        assert (found.channels, found.channel_names) == (3, ("Red", "Green", "Blue"))
        assert slide.preview(64).shape[2] == 3


@needs_samples
def test_no_sample_is_left_out():
    files = {path.name for path in samples().iterdir()} - {"dataset.json", "small_dicom.dcm"}
    assert files == set(SAMPLES)


@needs_samples
def test_the_dicom_file_without_an_image_type_is_declined_by_that_name():
    with pytest.raises(Unreadable) as declined:
        open_slide(samples() / "small_dicom.dcm")
    assert "without Image Type (0008,0008)" in declined.value.of("small_dicom.dcm")


@needs_samples
@pytest.mark.parametrize("name", SAMPLES)
def test_regions_are_those_of_a_second_reader(name):
    """By OpenSlide where tifffile or wsidicom reads, by tifffile where OpenSlide does. JPEG decoders differ."""
    path = samples() / name
    with open_slide(path) as slide:
        for number, level in enumerate(slide.info.levels):
            other = second_reader(path, slide.info.reader, number)
            if other is None:
                continue
            assert other.shape[:2] == (level.height, level.width)
            whole = slide.region(number, 0, 0, level.width, level.height).astype(int)
            assert np.abs(whole - other).max() <= 2
            x, y, w, h = level.width // 3, level.height // 4, level.width // 2, level.height // 2
            part = slide.region(number, x, y, w, h)
            assert np.array_equal(part, whole[y : y + h, x : x + w])


def second_reader(path, reader, level):
    if reader == "openslide":
        with tifffile.TiffFile(path) as file:
            return file.pages.first.asarray().astype(int)
    with openslide.OpenSlide(path) as slide:
        if level >= slide.level_count:
            return None
        return np.asarray(slide.read_region((0, 0), level, slide.level_dimensions[level]).convert("RGB")).astype(int)


@needs_samples
def test_the_same_tissue_is_the_same_by_three_readers():
    names = ("small_HE.svs", "CMU-1-Small-Region_pyramid.tiff", "CMU-1-Small-Region_pyramid.ome.tif")
    means = []
    for name in names:
        with open_slide(samples() / name) as slide:
            means.append(slide.scaled(600, 900, 400, 400, (400, 400)).astype(int))
    for other in means[1:]:
        assert np.abs(means[0] - other).mean() < 5


# -- regions


@pytest.fixture(params=[False, True], ids=["tiff", "ome"])
def pyramid(request, tmp_path):
    pixels = tissue(500, 333)
    path = tmp_path / ("a.ome.tif" if request.param else "a.tif")
    write_pyramid(path, pixels, ome=request.param)
    return path, pixels


def test_a_pyramid_has_its_levels_and_its_scale(pyramid):
    path, pixels = pyramid
    with open_slide(path) as slide:
        sizes = [(level.width, level.height) for level in slide.info.levels]
        assert sizes == [(500, 333), (250, 167), (125, 84)]
        assert (slide.info.reader, slide.info.mpp_x) == ("tifffile", pytest.approx(0.25))
        assert np.array_equal(slide.region(1, 10, 20, 100, 90), halved(pixels)[20:110, 10:110])


def test_a_scaled_rectangle_comes_from_the_level_that_suits(pyramid):
    path, pixels = pyramid
    with open_slide(path) as slide:
        assert [slide.level_for(factor) for factor in (0.5, 1, 1.8, 2, 3.6, 4, 99)] == [0, 0, 0, 1, 1, 2, 2]
        assert np.array_equal(slide.scaled(40, 60, 100, 80, (100, 80)), pixels[60:140, 40:140])
        half = slide.scaled(40, 60, 100, 80, (50, 40))
        assert np.array_equal(half, halved(pixels)[30:70, 20:70])


def test_what_lies_outside_a_slide_is_white(pyramid):
    path, pixels = pyramid
    with open_slide(path) as slide:
        corner = slide.scaled(-10, -10, 40, 40, (40, 40))
        assert (corner[:10] == 255).all() and (corner[:, :10] == 255).all()
        assert np.array_equal(corner[10:, 10:], pixels[:30, :30])
        assert (slide.scaled(5000, 0, 40, 40, (40, 40)) == 255).all()


def test_a_rectangle_outside_a_level_is_an_error(pyramid):
    path, _ = pyramid
    with open_slide(path) as slide:
        for rectangle in ((-1, 0, 9, 9), (0, 0, 501, 9), (499, 0, 2, 1), (0, 0, 0, 5)):
            with pytest.raises(ValueError, match="not inside"):
                slide.region(0, *rectangle)


def test_only_tiles_that_a_region_touches_are_decoded(pyramid, monkeypatch):
    path, _ = pyramid
    decoded = []
    with open_slide(path) as slide:
        page = slide.reader.layout.levels[0]
        decode = page.decode
        monkeypatch.setattr(page, "decode", lambda *a, **k: decoded.append(a[1]) or decode(*a, **k), raising=False)
        slide.region(0, 70, 70, 20, 20)
    assert len(decoded) == 1


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(0, 6), st.booleans())
@settings(max_examples=60)
@example(575, 575, 6, False)
@example(528, 528, 6, False)
def test_levels_that_are_halves_have_whole_downsamples(width, height, halvings, up):
    factor = 2**halvings
    size = tuple(max(1, -(-side // factor) if up else side // factor) for side in (width, height))
    made = levels_of([(width, height), size], [(0, 0)] * 2)
    if min(width, height) >= 8 * factor:
        assert made[1].downsample == factor


@given(st.floats(-5, 25), st.floats(-5, 25), st.floats(2, 30), st.integers(1, 20))
@settings(max_examples=60)
def test_any_box_can_be_resampled(left, top, side, pixels):
    source = np.full((20, 20, 3), 90, np.uint8)
    made = resampled(source, (left, top, left + side, top + side), (pixels, pixels))
    assert made.shape == (pixels, pixels, 3)
    assert made.min() >= 90


def test_deep_samples_of_all_regions_share_one_range(tmp_path):
    path = tmp_path / "a.ome.tif"
    ramp = np.linspace(100, 4000, 256 * 256).reshape(256, 256).astype(np.uint16)
    tifffile.imwrite(path, ramp, ome=True, tile=(64, 64), photometric="minisblack", metadata={"axes": "YX"})
    with open_slide(path) as slide:
        assert (slide.info.bits, slide.info.channels) == (16, 1)
        dark, bright = slide.region(0, 0, 0, 64, 64), slide.region(0, 0, 192, 64, 64)
    assert dark.mean() < 80 < 150 < bright.mean()


def test_the_scanned_part_of_a_canvas_is_the_slide(tmp_path, monkeypatch):
    """As QuPath has it. No MRXS file is at hand, so OpenSlide is made to say that a TIFF has bounds."""
    pixels = tissue(400, 300)
    path = tmp_path / "a.tif"
    write_pyramid(path, pixels)
    bounds = {"x": "100", "y": "60", "width": "200", "height": "160"}
    bounded = {f"openslide.bounds-{name}": value for name, value in bounds.items()}

    class Bounded(openslide.OpenSlide):
        @property
        def properties(self):
            return dict(super().properties) | bounded

    monkeypatch.setattr(openslide, "OpenSlide", Bounded)
    with VendorReader(path) as reader:
        found = reader.identify()
        assert (found.width, found.height, found.origin) == (200, 160, (100, 60))
        assert [(level.width, level.height) for level in found.levels] == [(200, 160), (100, 80), (50, 40)]
        assert np.array_equal(reader.region(0, 5, 7, 20, 20, Plane(1, 1)), pixels[67:87, 105:125])
        expected = halved(pixels)[30 + 7 : 30 + 27, 50 + 5 : 50 + 25]
        assert np.array_equal(reader.region(1, 5, 7, 20, 20, Plane(1, 1)), expected)


def test_a_page_or_channel_that_is_not_there_is_named(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.stack([tissue(64, 64, seed) for seed in range(3)]), photometric="rgb", tile=(16, 16))
    with open_slide(path) as slide:
        assert slide.info.pages == 3
        with pytest.raises(Unreadable, match="holds 3 pictures"):
            slide.region(0, 0, 0, 9, 9)
    with open_slide(path, page=3) as slide:
        assert np.array_equal(slide.region(0, 0, 0, 64, 64), tissue(64, 64, 2))
    with pytest.raises(Unreadable, match="has no page 9; it has 3"):
        open_slide(path, page=9)


# -- bad files


def test_a_truncated_slide_is_declined_or_read_as_far_as_it_goes(tmp_path):
    path = tmp_path / "a.tif"
    write_pyramid(path, tissue(500, 333))
    content = path.read_bytes()
    for share in (0.1, 0.5, 0.9, 0.99):
        path.write_bytes(content[: int(len(content) * share)])
        try:
            with open_slide(path) as slide:
                slide.region(0, 0, 0, slide.info.width, slide.info.height)
        except Unreadable as declined:
            assert declined.code in ("damaged", "damaged_header")


@needs_samples
@pytest.mark.parametrize("name", ["small_HE.svs", "openslide_boxes_0.dcm", "CMU-1-Small-Region_pyramid.ome.tif"])
def test_truncated_samples_end_in_a_sentence(name, tmp_path):
    path = copied(name, tmp_path)
    content = path.read_bytes()
    for share in (0.02, 0.3, 0.7, 0.98):
        path.write_bytes(content[: int(len(content) * share)])
        try:
            with open_slide(path) as slide:
                slide.region(0, 0, 0, slide.info.width, slide.info.height)
        except Unreadable as declined:
            assert "{" not in declined.of(name)


def test_a_header_of_enormous_sides_costs_no_memory(tmp_path):
    path = tmp_path / "a.tif"
    write_pyramid(path, tissue(128, 128), levels=1)
    with tifffile.TiffFile(path, mode="r+") as file:
        for tag in ("ImageWidth", "ImageLength"):
            file.pages.first.tags[tag].overwrite(2**31 - 1)
    with open_slide(path) as slide:
        assert slide.info.width == 2**31 - 1
        with pytest.raises(Unreadable):
            slide.region(0, 2**30, 2**30, 64, 64)


def test_a_large_picture_in_strips_is_declined_with_the_remedy(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((64, 64, 3), np.uint8), photometric="rgb", rowsperstrip=64)
    with tifffile.TiffFile(path, mode="r+") as file:
        for tag in ("ImageWidth", "ImageLength", "RowsPerStrip"):
            file.pages.first.tags[tag].overwrite(20_000)
    with pytest.raises(Unreadable) as declined:
        open_slide(path)
    assert declined.value.code == "not_tiled"


def test_a_dicom_file_that_is_no_slide_is_declined(tmp_path):
    dataset = pydicom.Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.Modality = "1.2.840.10008.5.1.4.1.1.2", "1.2.3", "CT"
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    with pytest.raises(Unreadable, match="modality is CT"):
        open_slide(tmp_path / "a.dcm")


@needs_samples
def test_a_series_without_its_tissue_is_declined(tmp_path):
    path = copied("openslide_boxes_1.dcm", tmp_path)
    for given_path in (path, tmp_path):
        with pytest.raises(Unreadable, match="only the thumbnail of a slide"):
            open_slide(given_path)
    copied("openslide_boxes_0.dcm", tmp_path)
    with open_slide(tmp_path) as slide:
        assert (slide.info.reader, slide.info.associated) == ("wsidicom", ("thumbnail",))


@needs_samples
def test_a_folder_of_two_series_is_declined(tmp_path):
    copied("openslide_boxes_0.dcm", tmp_path)
    other = pydicom.dcmread(copied("openslide_boxes_1.dcm", tmp_path))
    other.SeriesInstanceUID = "1.2.3.4"
    other.save_as(tmp_path / "b.dcm")
    (tmp_path / "openslide_boxes_1.dcm").unlink()
    with pytest.raises(Unreadable, match="holds 2 slides"):
        open_slide(tmp_path)


# -- sets of files


def test_a_vms_slide_is_opened_by_its_folder(tmp_path):
    path = write_vms(tmp_path / "slide")
    for given_path in (path, path.parent):
        with open_slide(given_path) as slide:
            assert (slide.info.reader, slide.info.vendor) == ("openslide", "Hamamatsu")
            assert (slide.info.width, slide.info.height, slide.info.mpp_x) == (512, 256, 0.5)


@pytest.mark.parametrize("missing", ["image.jpg", "map.jpg", "macro.jpg"])
def test_a_vms_slide_without_one_of_its_files_is_declined(missing, tmp_path):
    path = write_vms(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(Unreadable, match=missing):
        open_slide(path)


@pytest.mark.parametrize("missing", ["Slidedat.ini", "Index.dat", "Data0001.dat"])
def test_an_mrxs_slide_without_one_of_its_files_is_declined(missing, tmp_path):
    path = write_mrxs(tmp_path)
    assert entry_of(tmp_path / "a.mrxs") == path
    (tmp_path / "a" / missing).unlink()
    with pytest.raises(Unreadable) as declined:
        open_slide(path)
    assert (declined.value.code, declined.value.params["missing"]) == ("set_incomplete", 1)
    assert missing in str(declined.value)


def test_an_mrxs_slide_cannot_lead_outside_its_folder(tmp_path):
    path = write_mrxs(tmp_path)
    index = tmp_path / "a" / "Slidedat.ini"
    index.write_text(index.read_text().replace("Data0001.dat", "../../../etc/passwd"))
    with pytest.raises(Unreadable, match="outside its folder"):
        open_slide(path)


def test_a_link_in_a_set_is_not_followed(tmp_path):
    path = write_mrxs(tmp_path)
    secret = tmp_path / "secret"
    secret.write_bytes(b"x")
    (tmp_path / "a" / "Data0001.dat").unlink()
    (tmp_path / "a" / "Data0001.dat").symlink_to(secret)
    with pytest.raises(Unreadable, match=r"Data0001\.dat"):
        open_slide(path)


def zipped(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members:
            file.writestr(name, content)
    return path


def test_a_zip_of_a_slide_is_unpacked_whole(tmp_path):
    folder = tmp_path / "slide"
    write_vms(folder)
    archive = zipped(tmp_path / "a.zip", [(f"deep/{file.name}", file.read_bytes()) for file in folder.iterdir()])
    with open_slide(unpack(archive, tmp_path / "out")) as slide:
        assert slide.info.vendor == "Hamamatsu"


def link(name):
    member = zipfile.ZipInfo(name)
    member.external_attr = (0o120777) << 16
    return member


@pytest.mark.parametrize(
    "members",
    [
        [("good.txt", b"1"), ("../evil.txt", b"2")],
        [("good.txt", b"1"), ("/evil.txt", b"2")],
        [("good.txt", b"1"), ("..\\evil.txt", b"2")],
        [("good.txt", b"1"), ("C:\\evil.txt", b"2")],
        [("good.txt", b"1"), (link("evil"), b"/etc/passwd")],
        [("zeros", bytes(600 * 2**20))],
        [("twice", b"1"), ("twice", b"2")],
    ],
    ids=["up", "absolute", "backslash", "drive", "link", "bomb", "twice"],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_hostile_zip_leaves_nothing_behind(members, tmp_path):
    archive = zipped(tmp_path / "a.zip", members)
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(Unreadable) as declined:
        unpack(archive, out)
    assert declined.value.code == "bad_archive"
    assert list(out.iterdir()) == []
    assert not (tmp_path / "evil.txt").exists()


# -- the command


@needs_samples
def test_slide_info_as_json(capsys):
    assert command.main(["info", str(samples() / "small_HE.svs"), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["width"], answer["height"], answer["mpp_x"], answer["mpp_y"]) == (2220, 2967, 0.499, 0.499)
    assert (answer["objective"], answer["vendor"], answer["channels"], answer["reader"]) == (
        20,
        "Aperio",
        3,
        "openslide",
    )
    level = {"width": 2220, "height": 2967, "downsample": 1.0, "tile_width": 240, "tile_height": 240}
    assert answer["levels"] == [level]


def test_slide_info_of_a_zip_and_of_what_is_no_slide(tmp_path, capsys):
    folder = tmp_path / "slide"
    write_vms(folder)
    archive = zipped(tmp_path / "a.zip", [(file.name, file.read_bytes()) for file in folder.iterdir()])
    (tmp_path / "b.txt").write_text("hello, I am a text")
    assert command.main(["info", str(archive), str(tmp_path / "b.txt"), str(tmp_path / "gone.svs")]) == 1
    answer = capsys.readouterr()
    assert "scale      0.5 µm per pixel" in answer.out
    assert "b.txt is not an image of a known format" in answer.err
    assert "gone.svs cannot be opened: No such file or directory" in answer.err
    with pytest.raises(SystemExit) as misused:
        command.main(["look", "a"])
    assert misused.value.code == 2


# -- tiles by processes of their own


def test_turns_come_in_the_order_of_asking():
    turns = Turns(1)
    assert turns.acquire(1)
    order = []

    def wait(number):
        assert turns.acquire(10)
        order.append(number)
        turns.release()

    threads = [threading.Thread(target=wait, args=(number,)) for number in range(5)]
    for number, thread in enumerate(threads):
        thread.start()
        while len(turns.waiting) <= number:
            time.sleep(0.001)
    assert not turns.acquire(0.01)
    turns.release()
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4] and turns.free == 1


def test_a_region_comes_from_another_process_and_a_vanished_file_is_said(tmp_path):
    path = tmp_path / "a.tif"
    pixels = tissue(300, 200)
    write_pyramid(path, pixels)
    about = path.stat()
    slide = SlideFile(path, about.st_size, about.st_mtime_ns)
    content = picture(slide, (10.0, 20.0, 64.0, 32.0), (64, 32), kind="png")
    assert np.array_equal(np.asarray(PIL.Image.open(io.BytesIO(content))), pixels[20:52, 10:74])
    path.unlink()
    with pytest.raises(Unreadable) as gone:
        picture(slide, (0.0, 0.0, 9.0, 9.0), (9, 9))
    assert gone.value.code == "slide_gone"


def test_an_answer_that_breaks_off_is_no_picture():
    """A decoder that is killed while it answers: its half of a tile must not be kept as the tile."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"+" + tile_client.LENGTH.pack(10) + b"half")
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(ConnectionError, match="within its answer"):
            tile_client._Server(None, ours).ask({})
