"""Slides that lie in object storage or on a web server: read in ranges, or through a whole copy with progress."""

import errno
import io
import json
import os
import re
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tifffile
from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from inference.reading import tile_client
from inference.reading.questions import About, answer
from inference.reading.slides import open_slide
from labeling.errors import Invalid
from labeling.images import remote_roots, s3_source, slide_copies, slide_roots, slides
from labeling.images.models import Image, SlideFile
from labeling.images.uploads import item_outcomes
from labeling.jobs.models import Job
from labeling.server import slide_places
from labeling.upkeep.purging import purge
from tests.declined import assert_declined
from tests.factories import ImageFactory
from tests.inference.slide_files import halved, samples, tissue, write_mrxs, write_pyramid
from tests.labeling.test_slides import decoded, tile
from tests.labeling.uploads import work
from tests.object_storage import SECRETS, object_storage

pytestmark = pytest.mark.django_db
needs_samples = pytest.mark.skipif(samples() is None, reason="BOXWISE_DATA holds no wsi_samples")
PIXELS = tissue(2400, 1800)


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch, settings):
    monkeypatch.setattr(slides, "stored_root", lambda: tmp_path / "stored")
    settings.SLIDE_CACHE = tmp_path / "copies"
    settings.SLIDE_CACHE_BYTES = 2**30
    yield
    tile_client.stop()


@pytest.fixture(scope="module")
def pyramid(tmp_path_factory):
    path = tmp_path_factory.mktemp("slides") / "a.tif"
    write_pyramid(path, PIXELS)
    return path.read_bytes()


@pytest.fixture
def storage(monkeypatch, settings):
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    with object_storage() as found:
        roots = f"bucket={found.url('slides').replace('?', '/2026?')},web=http://127.0.0.1:{found.port}/slides/2026"
        monkeypatch.setenv("SLIDE_ROOTS", roots)
        settings.SLIDE_ROOTS = slide_places.slide_roots()
        yield found


def put(storage, name: str, content: bytes) -> None:
    storage.objects[f"slides/2026/{name}"] = content


def register(api, study, path: str, root: str = "bucket"):
    url = reverse("slide-list", args=[study.project.pk])
    answered = api.post(url, {"root": root, "paths": [path]}, format="json")
    assert answered.status_code == 202, answered.content
    job = Job.objects.get(pk=answered.json()["job"])
    work(job)
    return api.get(reverse("job-detail", args=[job.pk])).json()["items"][0]


def registered(api, study, path: str, root: str = "bucket") -> Image:
    item = register(api, study, path, root)
    assert item["state"] == "done", item
    return Image.objects.get(pk=item["image"])


@pytest.mark.parametrize("root", ["bucket", "web"])
def test_a_tiff_is_read_in_ranges_and_shows_what_the_file_shows(api, study, storage, pyramid, tmp_path, root):
    put(storage, "lung/a.tif", pyramid)
    image = registered(api, study, "lung/a.tif", root)
    slide = image.slide_file
    assert (slide.reader, slide.root, slide.path, image.width, image.height) == (
        "tifffile", root, "lung/a.tif", 2400, 1800,
    )  # fmt: skip
    shown = decoded(tile(api, image, 0, 3, 2))
    assert np.abs(shown.astype(int) - PIXELS[1024:1536, 1536:2048]).mean() < 6  # JPEG, twice
    parts = [place for method, _name, place in storage.asked if method == "GET" and place]
    assert parts and all(_length(place) <= 2**18 for place in parts)
    assert not Path(tmp_path / "copies").exists()


def _length(place: str) -> int:
    first, last = place.removeprefix("bytes=").split("-")
    return int(last) - int(first) + 1


def test_a_tile_fetches_a_small_part_of_the_slide(api, study, storage, tmp_path):
    noise = np.random.default_rng(7).integers(0, 256, (4608, 4608, 3), np.uint8)
    write_pyramid(tmp_path / "noise.tif", noise)
    content = (tmp_path / "noise.tif").read_bytes()
    assert len(content) > 60 * 2**20
    put(storage, "noise.tif", content)
    image = registered(api, study, "noise.tif")
    tile_client.stop()
    storage.asked.clear()
    assert tile(api, image, 0, 5, 5).status_code == 200
    fetched = sum(_length(place) for method, _name, place in storage.asked if method == "GET" and place)
    assert fetched < len(content) / 8


@needs_samples
@pytest.mark.parametrize(
    ("name", "reader", "folder"),
    [
        ("small_HE.svs", "tifffile", False),
        ("CMU-1-Small-Region_pyramid.ome.tif", "tifffile", False),
        ("CMU-1-Small-Region_pyramid.tiff", "tifffile", False),
        ("openslide_boxes_0.dcm", "wsidicom", False),
        ("openslide_boxes_0.dcm", "wsidicom", True),
    ],
)
def test_real_files_show_in_a_bucket_what_they_show_on_a_disk(api, study, storage, name, reader, folder):
    path = "series" if folder else f"real/{name}"
    put(storage, f"{path}/{name}" if folder else path, (samples() / name).read_bytes())
    image = registered(api, study, path)
    assert image.slide_file.reader == reader
    side = min(512, image.width, image.height)
    box, out = (0.0, 0.0, float(side), float(side)), (side, side)
    there = decoded_bytes(slides.region(image, box, out, kind="png"))
    with open_slide(samples() / name) as local:
        here = local.scaled(*box, out)
    assert np.abs(there.astype(int) - here).max() <= 2  # SVS: OpenSlide here, tifffile there
    assert image.um_per_px == pytest.approx(local.info.mpp_x, abs=1e-4) if local.info.mpp_x else True


def decoded_bytes(content: bytes) -> np.ndarray:
    return np.asarray(PIL.Image.open(io.BytesIO(content)).convert("RGB"))


@needs_samples
def test_a_dicom_series_is_found_beside_its_file(api, study, storage):
    for number in (0, 1):
        put(storage, f"case/{number}.dcm", (samples() / f"openslide_boxes_{number}.dcm").read_bytes())
    image = registered(api, study, "case/0.dcm")
    assert image.slide_file.info["associated"] == ["thumbnail"]


def test_a_field_of_a_slide_in_a_bucket_is_cut_from_it(api, study, storage, pyramid):
    put(storage, "a.tif", pyramid)
    image = registered(api, study, "a.tif")
    asked = {"rectangles": [{"x": 600, "y": 500, "width": 256, "height": 256}]}
    job = api.post(reverse("image-fields", args=[image.pk]), asked, format="json").json()["job"]
    work(Job.objects.get(pk=job))
    field = Image.objects.get(slide_field__slide=image)
    with field.pixels.open("rb") as file:
        assert np.abs(decoded_bytes(file.read()).astype(int) - PIXELS[500:756, 600:856]).mean() < 6


# -- what goes wrong


def test_an_object_that_vanishes_or_changes_while_it_is_open_says_so(api, study, storage, pyramid, monkeypatch):
    put(storage, "a.tif", pyramid)
    image = registered(api, study, "a.tif")
    assert tile(api, image, 0, 0, 0).status_code == 200
    changed = bytearray(pyramid)
    changed[-1] ^= 1
    put(storage, "a.tif", bytes(changed))
    assert_declined(tile(api, image, 0, 3, 2), 503, says="has changed since it was added")
    storage.objects.clear()
    assert_declined(tile(api, image, 0, 2, 1), 503, says="no longer where it was")
    put(storage, "a.tif", pyramid)
    assert tile(api, image, 0, 2, 1).status_code == 200


def test_a_storage_that_denies_or_is_silent_says_so(api, study, storage, pyramid):
    put(storage, "a.tif", pyramid)
    image = registered(api, study, "a.tif")
    tile_client.stop()
    storage.denies = True
    assert_declined(tile(api, image, 0, 1, 1), 503, says="gives it to nobody with the keys of this server")
    with pytest.raises(Invalid, match="gives it to nobody"):
        slide_roots.resolved("bucket", "a.tif")
    storage.close()
    remote_roots._source.cache_clear()  # with the connections that are open
    assert_declined(tile(api, image, 0, 1, 1), 503, says="does not answer")


@pytest.mark.parametrize("path", ["../other/a.tif", "/a.tif", "a/../../b.tif", "", "a\\b.tif"])
def test_a_path_stays_below_its_root(storage, path):
    storage.objects["slides/other/a.tif"] = b"secret"
    with pytest.raises(Invalid):
        slide_roots.resolved("bucket", path)


def test_nothing_there_is_declined_before_a_job_begins(api, study, storage):
    url = reverse("slide-list", args=[study.project.pk])
    answered = api.post(url, {"root": "bucket", "paths": ["a.tif"]}, format="json")
    assert_declined(answered, 422, says="there is no file a.tif below bucket")
    assert not Job.objects.filter(project=study.project, kind=Job.Kind.READ).exists()


def test_a_bucket_is_listed_folder_by_folder(api, study, storage):
    put(storage, "2024/a.tif", b"1")
    put(storage, "b.tif", b"1")
    storage.objects["slides/elsewhere/c.tif"] = b"1"
    url = reverse("slide-list", args=[study.project.pk])
    assert api.get(url, {"root": "bucket"}).json()["entries"] == [
        {"name": "2024", "folder": True},
        {"name": "b.tif", "folder": False},
    ]
    inside = api.get(url, {"root": "bucket", "path": "2024"}).json()["entries"]
    assert inside == [{"name": "a.tif", "folder": False}]


class Vault:
    """A source that says what it was asked for."""

    def about(self, path):
        return About(size=1)

    def listed(self, path):
        return {}

    def read(self, path, mark, start, end):
        return b"x" * (end - start)


@pytest.mark.parametrize("path", ["bucket/other/a.tif", "bucket/case/../other/a.tif", "elsewhere/a", "bucket/cases/a"])
def test_a_decoder_may_ask_for_nothing_but_the_folder_of_its_slide(path):
    asked = {"do": "read", "path": path, "mark": "", "start": 0, "end": 4}
    assert answer(Vault(), "bucket/case", json.dumps({**asked, "path": "bucket/case/a.tif"}).encode()) == (
        b"+",
        b"xxxx",
    )
    assert answer(Vault(), "bucket/case", json.dumps(asked).encode())[0] == b"-"


@pytest.mark.parametrize(
    "asked",
    [b"no json", b"[]", b'{"do": "read"}', {"path": "bucket/case/\ud800"}, {"mark": '"a"\r\nX: y'}, {"start": "x"}],
)
def test_what_is_no_question_ends_the_decoder(asked):
    plain = {"do": "read", "path": "bucket/case/a.tif", "mark": "", "start": 0, "end": 4}
    with pytest.raises(ConnectionError):
        answer(Vault(), "bucket/case", asked if isinstance(asked, bytes) else json.dumps({**plain, **asked}).encode())


@pytest.mark.parametrize(("start", "end"), [(-10, -5), (5, 4), (0, 2**40)])
def test_a_decoder_asks_for_no_part_that_a_storage_could_take_for_the_whole(start, end):
    asked = {"do": "read", "path": "bucket/case/a.tif", "mark": "", "start": start, "end": end}
    assert answer(Vault(), "bucket/case", json.dumps(asked).encode())[0] == b"-"


def test_a_process_that_decodes_has_no_key(api, study, storage, pyramid):
    put(storage, "a.tif", pyramid)
    tile(api, registered(api, study, "a.tif"), 0, 0, 0)
    (server,) = tile_client._pool.free
    seen = Path(f"/proc/{server.process.pid}/environ").read_bytes()
    assert b"of-the-test" not in seen and str(storage.port).encode() not in seen


# -- formats that are not read in parts


@pytest.fixture(scope="module")
def trestle(tmp_path_factory):
    """A slide in a format of a scanner whose tiles may overlap, which OpenSlide alone reads rightly."""
    path = tmp_path_factory.mktemp("slides") / "t.tif"
    options = {"tile": (256, 256), "photometric": "rgb", "software": "MedScan", "metadata": None}
    with tifffile.TiffWriter(path) as writer:
        writer.write(PIXELS, description="Background Color=16777215;Objective Power=20", **options)
        writer.write(halved(halved(PIXELS)), description="OverlapsXY=0 0", **options)
    return path.read_bytes()


def copies() -> list[Path]:
    """Folders of the copies, without their locks."""
    folder = Path(settings.SLIDE_CACHE)
    return [one for one in folder.iterdir() if one.is_dir()] if folder.exists() else []


def seconds(check, most: float = 120.0) -> None:
    """Wait until something is so."""
    ends = time.monotonic() + most
    while not check():
        assert time.monotonic() < ends
        time.sleep(0.05)


@pytest.mark.parametrize("root", ["bucket", "web"])
def test_a_format_of_a_scanner_is_read_from_a_whole_copy(api, study, storage, trestle, root):
    put(storage, "case/t.tif", trestle)
    image = registered(api, study, "case/t.tif", root)
    slide = image.slide_file
    assert (slide.reader, slide.info["vendor"], slide.info[slides.COPIED]) == ("openslide", "Trestle", True)
    (copy,) = copies()
    assert [file.name for file in copy.iterdir()] == ["t.tif"]
    assert np.array_equal(decoded_bytes(slides.region(image, (500, 400, 64, 64), (64, 64), kind="png")),
                          PIXELS[400:464, 500:564])  # fmt: skip


def test_the_copy_is_made_with_progress(api, study, storage, trestle, monkeypatch):
    """What somebody who looks at the job reads while the slide is copied."""
    put(storage, "t.tif", trestle)
    words = []
    update = slide_copies._make

    def watched(copy, report):
        def tell(done, total):
            report(done, total)
            job = Job.objects.get(project=study.project, kind=Job.Kind.READ)
            words.extend(outcome.words for outcome in item_outcomes(job))

        update(copy, tell)

    monkeypatch.setattr(slide_copies, "_make", watched)
    registered(api, study, "t.tif")
    assert re.fullmatch(r"t.tif is being copied .*: \d+ % are there", words[0])
    shares = [int(re.search(r"(\d+) %", word)[1]) for word in words]
    assert shares == sorted(shares) and len(set(shares)) > 3 and shares[-1] == 99


def test_a_copy_that_has_gone_is_made_again_while_people_read_how_far_it_is(api, study, storage, trestle):
    put(storage, "t.tif", trestle)
    image = registered(api, study, "t.tif")
    shutil.rmtree(settings.SLIDE_CACHE)
    storage.delay = 0.2
    assert_declined(tile(api, image, 0, 0, 0), 503, says="is being copied from its storage")
    seconds(lambda: tile(api, image, 0, 0, 0).status_code == 200)
    assert len([one for one in storage.asked if one[:2] == ("GET", "slides/2026/t.tif") and not one[2]]) == 2


def test_copies_are_bounded_and_the_oldest_goes_first(api, study, storage, trestle, settings):
    settings.SLIDE_CACHE_BYTES = 2 * len(trestle) + 1000
    for number in range(3):
        put(storage, f"{number}.tif", trestle + bytes([number]))
    first, second = (registered(api, study, f"{number}.tif") for number in (0, 1))
    os.utime(slide_copies.copy_of(*remote(second)).folder, (1, 1))
    third = registered(api, study, "2.tif")
    there = [slide_copies.copy_of(*remote(image)).is_there() for image in (first, second, third)]
    assert there == [True, False, True]


def remote(image: Image):
    slide = image.slide_file
    return slide_roots.remote_root(slide.root), slide_roots.resolved(slide.root, slide.path)


def copy_alone(path: str) -> Path:
    place = slide_roots.resolved("bucket", path)
    return slide_copies.made(slide_copies.copy_of(slide_roots.remote_root("bucket"), place), lambda _done, _total: None)


def test_what_another_copies_at_the_same_time_counts_whole(storage, trestle, settings, monkeypatch):
    settings.SLIDE_CACHE_BYTES = len(trestle) + 1000
    for name in ("a.tif", "b.tif"):
        put(storage, name, trestle)
    begins, goes_on = threading.Event(), threading.Event()
    fetch = s3_source.S3Source.copy

    def slow(self, path, mark, target, report):
        begins.set()
        assert goes_on.wait(60)
        fetch(self, path, mark, target, report)

    monkeypatch.setattr(s3_source.S3Source, "copy", slow)
    with ThreadPoolExecutor(1) as other:
        first = other.submit(copy_alone, "a.tif")
        try:
            assert begins.wait(60)
            with pytest.raises(slide_copies.NoCopy, match="other slides are being copied"):
                copy_alone("b.tif")
        finally:
            goes_on.set()
        assert first.result().read_bytes() == trestle
    assert copy_alone("b.tif").read_bytes() == trestle
    assert len(copies()) == 1


def test_what_a_process_that_was_ended_left_half_takes_no_room(storage, trestle, settings):
    settings.SLIDE_CACHE_BYTES = len(trestle) + 1000
    put(storage, "a.tif", trestle)
    half = Path(settings.SLIDE_CACHE) / f"{'0' * 32}{slide_copies.PART}"
    half.mkdir(parents=True)
    (half / "t.tif").write_bytes(trestle)
    made = copy_alone("a.tif")
    assert copies() == [made.parent]


def test_why_a_copy_in_the_background_failed_is_said_to_the_next_who_looks(api, study, storage, trestle, settings):
    put(storage, "t.tif", trestle)
    image = registered(api, study, "t.tif")
    shutil.rmtree(settings.SLIDE_CACHE)
    settings.SLIDE_CACHE_BYTES = 1000
    assert_declined(tile(api, image, 0, 0, 0), 503, says="is being copied from its storage")
    seconds(lambda: tile(api, image, 0, 0, 0).json()["code"] == "no_copy")
    assert_declined(tile(api, image, 0, 0, 0), 503, says="SLIDE_CACHE_GIB")


def test_a_slide_that_changes_while_it_is_copied_is_not_registered(api, study, storage, trestle, monkeypatch):
    put(storage, "t.tif", trestle)
    make = slide_copies._make

    def changed(copy, report):
        make(copy, report)
        put(storage, "t.tif", trestle + b"new")

    monkeypatch.setattr(slide_copies, "_make", changed)
    item = register(api, study, "t.tif")
    assert item["state"] == "declined" and "has changed" in item["detail"]


def test_the_copy_of_a_slide_goes_with_the_last_that_shows_it(api, study, storage, trestle):
    put(storage, "t.tif", trestle)
    image = registered(api, study, "t.tif")
    other = SlideFile.objects.get(image=image)
    other.pk, other.image = None, ImageFactory(project=study.project)
    other.save()
    purged(image)
    assert len(copies()) == 1
    purged(other.image)
    assert copies() == []


def purged(image: Image) -> None:
    Image.everything.filter(pk=image.pk).update(deleted_at=timezone.now())
    assert purge(image.pk)


def test_a_slide_larger_than_all_copies_may_be_is_declined_with_the_setting(api, study, storage, trestle, settings):
    settings.SLIDE_CACHE_BYTES = 1000
    put(storage, "t.tif", trestle)
    item = register(api, study, "t.tif")
    assert item["state"] == "declined" and "SLIDE_CACHE_GIB" in item["detail"]
    assert copies() == []


def test_a_disk_that_fills_leaves_no_half_copy(api, study, storage, trestle, monkeypatch):
    put(storage, "t.tif", trestle)

    def full(self, path, mark, target, report):
        target.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(s3_source.S3Source, "copy", full)
    item = register(api, study, "t.tif")
    assert item["state"] == "declined" and "no room" in item["detail"]
    assert copies() == []
    assert not Image.objects.filter(project=study.project, kind="slide").exists()


def test_an_object_that_changes_is_not_shown_from_its_old_copy(api, study, storage, trestle):
    put(storage, "t.tif", trestle)
    image = registered(api, study, "t.tif")
    put(storage, "t.tif", trestle + b"new")
    assert_declined(tile(api, image, 0, 0, 0), 503, says="has changed since it was added")


def test_the_files_of_a_set_are_copied_together_or_not_at_all(api, study, storage, tmp_path):
    """The files of this set hold no picture: what is looked at is which of them are fetched."""
    mrxs = write_mrxs(tmp_path / "set")
    for file in (mrxs, *mrxs.with_suffix("").iterdir()):
        put(storage, f"case/{file.relative_to(mrxs.parent).as_posix()}", file.read_bytes())
    root = slide_roots.remote_root("bucket")
    place = slide_roots.resolved("bucket", "case/a.mrxs")
    made = slide_copies.made(slide_copies.copy_of(root, place), lambda _done, _total: None)
    found = {file.relative_to(made.parent).as_posix() for file in made.parent.rglob("*") if file.is_file()}
    assert found == {"a.mrxs", "a/Slidedat.ini", "a/Index.dat", "a/Data0000.dat", "a/Data0001.dat"}
    shutil.rmtree(settings.SLIDE_CACHE)
    del storage.objects["slides/2026/case/a/Data0001.dat"]
    item = register(api, study, "case/a.mrxs")
    assert item["state"] == "declined" and "Data0001.dat" in item["detail"]
    assert copies() == []


# -- the setting


@pytest.mark.parametrize(
    "value",
    [
        "a=ftp://host/x", "a=s3://", "a=http://example.org/x", "a=https://user:key@example.org/x", "a=relative",
        "a=s3://bucket?aws_secret_access_key=x", "a b=s3://bucket", "=s3://bucket",
        "a=s3://bucket?endpoint_url=https://user:hunter2@example.org", "https://user:hunter2@example.org/x",
    ],
)  # fmt: skip
def test_a_root_that_cannot_be_meant_stops_the_start(monkeypatch, value):
    monkeypatch.setenv("SLIDE_ROOTS", value)
    with pytest.raises(SystemExit, match="SLIDE_ROOTS") as found:
        slide_places.slide_roots()
    assert "hunter2" not in str(found.value)


@pytest.mark.parametrize("value", ["much", "-1", "nan"])
def test_a_size_of_the_copies_that_is_none_stops_the_start(monkeypatch, value):
    monkeypatch.setenv("SLIDE_CACHE_GIB", value)
    with pytest.raises(SystemExit, match="SLIDE_CACHE_GIB"):
        slide_places.slide_cache_bytes()
