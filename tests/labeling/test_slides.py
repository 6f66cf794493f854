"""Slides on the site: uploaded or registered, shown by tiles from their file, and cut into fields."""

import io
import os
import uuid
import zipfile
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.urls import reverse

from inference.reading import tile_client
from labeling.errors import Invalid
from labeling.exchange.exporting import exported_images
from labeling.exchange.request import ExportRequest
from labeling.images import fields, slides
from labeling.images.documents import UploadRequest
from labeling.images.models import Image, SlideField, learned_from
from labeling.images.uploads import register_slides
from labeling.jobs.models import Job
from labeling.rounds.results.estimate import estimate
from tests.declined import assert_declined
from tests.factories import ImageFactory
from tests.inference.slide_files import halved, samples, tissue, write_mrxs, write_pyramid, write_vms
from tests.labeling.pages import page_text, signed_in
from tests.labeling.uploads import read_uploads, upload, upload_one, work

pytestmark = pytest.mark.django_db
needs_samples = pytest.mark.skipif(samples() is None, reason="BOXWISE_DATA holds no wsi_samples")
PIXELS = tissue(1400, 1100)


@pytest.fixture(autouse=True)
def stored(tmp_path, monkeypatch):
    """A folder of uploaded slides for each test."""
    folder = tmp_path / "stored"
    monkeypatch.setattr(slides, "stored_root", lambda: folder)
    return folder


@pytest.fixture(scope="module")
def pyramid(tmp_path_factory):
    path = tmp_path_factory.mktemp("slides") / "a.tif"
    write_pyramid(path, PIXELS)
    return path


@pytest.fixture
def uploaded(api, study, pyramid):
    item, _ = upload_one(api, study.project, "Meier Hans 1.tif", pyramid.read_bytes(), open_as="slide")
    return Image.objects.get(pk=item["image"])


@pytest.fixture
def roots(tmp_path, settings, pyramid):
    folder = tmp_path / "archive"
    folder.mkdir()
    (folder / "2024").mkdir()
    os.link(pyramid, folder / "2024" / "a.tif")
    settings.SLIDE_ROOTS = {"archive": folder}
    return folder


def tile(api, image, level, column, row):
    return api.get(reverse("image-tile", args=[image.pk, level, column, row]))


def decoded(answer) -> np.ndarray:
    content = answer.getvalue() if hasattr(answer, "getvalue") else answer.content
    return np.asarray(PIL.Image.open(io.BytesIO(content)))


# -- coming in


def test_an_uploaded_slide_is_stored_with_its_reader_and_no_copy_of_its_pixels(uploaded):
    slide = uploaded.slide_file
    assert (uploaded.kind, uploaded.pixels.name, slide.reader, slide.root) == ("slide", "", "tifffile", "")
    assert (uploaded.width, uploaded.height, uploaded.um_per_px) == (1400, 1100, pytest.approx(0.25))
    assert [level["width"] for level in slide.info["levels"]] == [1400, 700, 350]
    assert uploaded.name == "Meier Hans 1.tif"  # file names stay as typed
    stored = slides.file_of(slide)
    assert stored.is_file() and "Meier" not in str(stored)
    with uploaded.thumbnail.open("rb") as file:
        assert PIL.Image.open(file).size == (256, 201)


def test_what_can_be_opened_whole_stays_a_picture_unless_a_slide_is_asked_for(api, study, pyramid):
    item, image = upload_one(api, study.project, "a.tif", pyramid.read_bytes())
    assert (item["state"], image["kind"]) == ("done", "picture")
    assert list(slides.stored_root().iterdir()) == []


def test_the_same_slide_twice_is_one(api, study, pyramid, uploaded):
    item, _ = upload_one(api, study.project, "b.tif", pyramid.read_bytes(), open_as="slide")
    assert (item["code"], item["image"]) == ("already_there", uploaded.pk)
    assert len(list(slides.stored_root().iterdir())) == 1


@needs_samples
def test_a_scanner_s_file_leaves_its_label_and_its_facts_behind(api, study):
    content = (samples() / "small_HE.svs").read_bytes()
    item, _ = upload_one(api, study.project, "small_HE.svs", content, open_as="slide")
    image = Image.objects.get(pk=item["image"])
    assert (image.slide_file.reader, image.magnification, image.um_per_px) == ("openslide", 20, pytest.approx(0.499))
    assert {"label", "macro", "aperio.User", "aperio.Date"} <= set(image.slide_file.removed)
    kept = str(image.slide_file.info) + str(image.reading) + str(image.slide_file.removed)
    assert "b414003d" not in kept and "12/29/09" not in kept  # names of fields, never their values
    answer = api.post(reverse("image-original", args=[image.pk]))
    assert_declined(answer, 404, says="not handed out")


@needs_samples
def test_a_dicom_file_reads_no_other_upload_beside_it(api, study):
    """The thumbnail's series is that of the slide which somebody else is uploading at the moment."""
    thumbnail, level = ((samples() / f"openslide_boxes_{n}.dcm").read_bytes() for n in (1, 0))
    found = upload(api, study.project, ("a.dcm", thumbnail), ("b.dcm", level))["items"]
    assert [item["state"] for item in found] == ["declined", "done"]
    assert "only the thumbnail of a slide" in found[0]["detail"]
    assert Image.objects.get(pk=found[1]["image"]).slide_file.info["associated"] == []


@needs_samples
def test_a_zip_of_a_series_is_one_slide(api, study, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for number in (0, 1):
            archive.write(samples() / f"openslide_boxes_{number}.dcm", f"series/{number}.dcm")
    item, _ = upload_one(api, study.project, "a.zip", (tmp_path / "a.zip").read_bytes())
    image = Image.objects.get(pk=item["image"])
    assert image.slide_file.info["associated"] == ["thumbnail"]
    assert decoded(tile(api, image, 0, 0, 0)).shape == (16, 16, 3)


def test_a_set_that_is_incomplete_leaves_nothing_behind(api, study, tmp_path):
    write_mrxs(tmp_path / "slide")
    (tmp_path / "slide" / "a" / "Data0001.dat").unlink()
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for path in (tmp_path / "slide").rglob("*"):
            archive.write(path, path.relative_to(tmp_path / "slide"))
    item, image = upload_one(api, study.project, "a.zip", (tmp_path / "a.zip").read_bytes())
    assert image is None and "Data0001.dat" in item["detail"]
    assert list(slides.stored_root().iterdir()) == []


def test_a_vms_slide_comes_as_a_zip(api, study, tmp_path):
    write_vms(tmp_path / "slide")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for path in (tmp_path / "slide").iterdir():
            archive.write(path, path.name)
    item, image = upload_one(api, study.project, "a.zip", (tmp_path / "a.zip").read_bytes())
    assert item["state"] in ("done", "declined")  # OpenSlide opens it, and reads its pixels or says that it cannot
    assert image is None or Image.objects.get(pk=image["id"]).slide_file.entry == "a.vms"


# -- registered where it lies


def test_a_slide_is_registered_and_shown_from_its_place(api, study, roots):
    answer = api.post(
        reverse("slide-list", args=[study.project.pk]), {"root": "archive", "paths": ["2024/a.tif"]}, format="json"
    )
    assert answer.status_code == 202, answer.content
    work(Job.objects.get(pk=answer.json()["job"]))
    image = Image.objects.get(kind="slide")
    assert (image.name, image.slide_file.root, image.slide_file.path) == ("a.tif", "archive", "2024/a.tif")
    assert not slides.stored_root().exists() or list(slides.stored_root().iterdir()) == []
    assert np.abs(decoded(tile(api, image, 0, 0, 0)).astype(int) - PIXELS[:512, :512]).mean() < 4
    detail = api.get(reverse("image-slide", args=[image.pk])).json()
    assert detail["root"] == "archive" and detail["info"]["mpp_x"] == 0.25


def test_what_lies_below_a_root_is_listed_without_links(api, study, roots):
    (roots / "secret").symlink_to("/etc")
    url = reverse("slide-list", args=[study.project.pk])
    assert api.get(url).json() == {"roots": ["archive"], "entries": []}
    assert api.get(url, {"root": "archive"}).json()["entries"] == [{"name": "2024", "folder": True}]
    assert api.get(url, {"root": "archive", "path": "2024"}).json()["entries"] == [{"name": "a.tif", "folder": False}]
    for path in ("..", "secret", "2024/a.tif", "nothing"):
        assert api.get(url, {"root": "archive", "path": path}).status_code == 422, path


@pytest.mark.parametrize(
    "path",
    ["../a.tif", "2024/../../a.tif", "/etc/passwd", "", "2024\\a.tif", "a\0b", "link.tif", "linked/a.tif", "pipe"],
)
def test_nothing_outside_a_root_is_registered(path, study, roots, pyramid):
    (roots / "link.tif").symlink_to(pyramid)
    (roots / "linked").symlink_to(pyramid.parent)
    os.mkfifo(roots / "pipe")
    with pytest.raises(Invalid):
        register_slides(
            project=study.project,
            owner=study.people["manager"],
            root="archive",
            paths=["2024/a.tif", path],
            facts=UploadRequest(),
        )
    assert not Job.objects.filter(kind=Job.Kind.READ).exists()


def test_a_link_that_comes_later_is_not_followed(api, study, roots, pyramid):
    registered(study)
    image = Image.objects.get(kind="slide")
    (roots / "2024" / "a.tif").unlink()
    (roots / "2024" / "a.tif").symlink_to(pyramid)
    answer = tile(api, image, 0, 0, 0)
    assert_declined(answer, 503, says="reached by a link")


@pytest.mark.parametrize("kind", ["slide", "folder of an MRXS file"])
def test_a_link_inside_a_slide_of_several_files_is_not_followed(kind, study, roots, pyramid):
    outside = roots.parent / "outside"
    outside.mkdir()
    (roots / "set").mkdir()
    if kind == "slide":
        (roots / "set" / "a.tif").symlink_to(pyramid)
        path = "set"
    else:
        write_mrxs(outside)
        (mrxs,) = outside.glob("*.mrxs")
        os.link(mrxs, roots / "set" / mrxs.name)
        (roots / "set" / mrxs.stem).symlink_to(mrxs.with_suffix(""))
        path = f"set/{mrxs.name}"
    item = registered(study, path).items.get()
    assert item.state == "declined" and "links are not followed" in item.error
    assert not Image.objects.filter(kind="slide").exists()


def test_a_link_that_comes_later_inside_a_folder_is_not_followed(api, study, roots, pyramid):
    registered(study, "2024")
    image = Image.objects.get(kind="slide")
    assert (image.slide_file.entry, tile(api, image, 0, 0, 0).status_code) == ("a.tif", 200)
    (roots / "2024" / "a.tif").unlink()
    (roots / "2024" / "a.tif").symlink_to(pyramid)
    answer = tile(api, image, 0, 0, 0)
    assert_declined(answer, 503, says="reached by a link")


@pytest.mark.parametrize(
    ("spoil", "status", "words"),
    [("missing", 422, "archive is not a folder"), ("closed", 422, "cannot be listed"), ("not UTF-8", 200, "2024")],
)
def test_a_root_that_cannot_be_listed_says_why(spoil, status, words, api, study, roots, settings, monkeypatch):
    if spoil == "missing":
        settings.SLIDE_ROOTS = {"archive": roots / "unmounted"}
    elif spoil == "closed":
        monkeypatch.setattr(slides.os, "scandir", closed(roots))  # tests may run as root, who opens any folder
    else:
        (roots / os.fsdecode(b"\xff.tif")).write_bytes(b"")
    answer = api.get(reverse("slide-list", args=[study.project.pk]), {"root": "archive"})
    assert answer.status_code == status and words in answer.content.decode()


def closed(folder, scandir=os.scandir):
    """os.scandir for somebody who may not read `folder`."""

    def listed(path):
        if path == folder:
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    return listed


def registered(study, path="2024/a.tif"):
    job = register_slides(
        project=study.project,
        owner=study.people["manager"],
        root="archive",
        paths=[path],
        facts=UploadRequest(),
    )
    work(job)
    return job


def test_slides_are_registered_by_a_command(study, roots, capsys):
    manager = study.people["manager"].username
    call_command("register_slides", study.project.pk, "archive", "2024/a.tif", by=manager)
    assert Job.objects.get(kind=Job.Kind.READ).items.get().choice == {"root": "archive", "path": "2024/a.tif"}
    with pytest.raises(CommandError, match="no owner or manager"):
        call_command("register_slides", study.project.pk, "archive", "2024/a.tif", by=study.people["viewer"].username)
    with pytest.raises(CommandError, match="no file"):
        call_command("register_slides", study.project.pk, "archive", "2025/a.tif", by=manager)


# -- tiles


def test_tiles_of_every_level_are_those_of_the_slide(api, uploaded):
    workspace = api.get(reverse("image-workspace", args=[uploaded.pk])).json()["image"]
    assert workspace["tiles"]["levels"] == 3 and workspace["um_per_px"] == pytest.approx(0.25)
    level = PIXELS
    for number, (width, height) in enumerate(((1400, 1100), (700, 550), (350, 275))):
        for column in range(-(-width // 512)):
            for row in range(-(-height // 512)):
                shown = decoded(tile(api, uploaded, number, column, row)).astype(int)
                expected = level[row * 512 : row * 512 + 512, column * 512 : column * 512 + 512]
                assert shown.shape == expected.shape
                assert np.abs(shown - expected).mean() < 5
        level = halved(level)
    assert tile(api, uploaded, 3, 0, 0).status_code == 404
    assert tile(api, uploaded, 0, 3, 0).status_code == 404


def test_a_browser_keeps_tiles_and_asks_whether_they_are_the_same(api, uploaded):
    answer = tile(api, uploaded, 0, 1, 1)
    assert "max-age=600" in answer["Cache-Control"] and answer["Content-Type"] == "image/jpeg"
    again = api.get(reverse("image-tile", args=[uploaded.pk, 0, 1, 1]), headers={"If-None-Match": answer["ETag"]})
    assert again.status_code == 304


def test_a_slide_whose_file_vanishes_while_it_is_open_says_so(api, study, roots):
    registered(study)
    image = Image.objects.get(kind="slide")
    assert tile(api, image, 0, 0, 0).status_code == 200
    (roots / "2024" / "a.tif").rename(roots / "2024" / "b.tif")
    gone = tile(api, image, 0, 1, 0)
    assert_declined(gone, 503, code="slide_problem")
    (roots / "2024" / "b.tif").rename(roots / "2024" / "a.tif")
    assert tile(api, image, 0, 1, 0).status_code == 200


def test_a_slide_whose_file_is_another_one_is_not_shown(api, study, roots, pyramid):
    registered(study)
    image = Image.objects.get(kind="slide")
    path = roots / "2024" / "a.tif"
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[:-1])
    answer = tile(api, image, 0, 0, 1)
    assert_declined(answer, 503, says="has changed since it was added")


def test_a_reader_that_is_killed_costs_one_tile(api, uploaded):
    tile_client.stop()
    assert tile(api, uploaded, 0, 0, 0).status_code == 200
    (server,) = tile_client._pool.free
    server.process.kill()
    server.process.wait()
    assert tile(api, uploaded, 0, 1, 0).status_code == 503
    assert tile(api, uploaded, 0, 1, 0).status_code == 200


def test_tiles_in_memory_are_bounded(api, uploaded, monkeypatch):
    tile_client.stop()
    monkeypatch.setattr(tile_client, "CACHED", 100_000)
    for column in range(3):
        for row in range(3):
            assert tile(api, uploaded, 0, column, row).status_code == 200
    assert 0 < tile_client._pool.bytes_kept <= 100_000
    assert tile_client._pool.bytes_kept == sum(map(len, tile_client._pool.tiles.values()))


# -- what needs the whole picture


def test_a_slide_is_learned_from_by_its_fields_alone(api, study, uploaded):
    picture = ImageFactory(project=study.project)
    assert uploaded not in learned_from(study.project) and picture in learned_from(study.project)
    for layout, shown in (("labels", False), ("coco", True), ("geojson", True)):
        request = ExportRequest.of(layout)
        assert (uploaded in exported_images(study.project, request)) == shown
    pixels = api.get(reverse("image-pixels", args=[uploaded.pk]))
    assert_declined(pixels, 409, code="is_slide")
    asked = {"session": str(uuid.UUID(int=7)), "number": 1, "box": [1, 1, 9, 9]}
    smart = api.post(reverse("image-smart", args=[uploaded.pk]), asked, format="json")
    assert_declined(smart, 409, code="is_slide")


def test_the_time_of_a_round_does_not_count_the_pixels_of_slides(study, uploaded):
    """And 100,000 x 100,000 is more than a whole number of the database holds."""
    before = estimate(study.project, "quick")
    Image.objects.filter(pk=uploaded.pk).update(width=100_000, height=100_000)
    assert estimate(study.project, "quick") == before


# -- fields


def ask(api, image, **body):
    answer = api.post(reverse("image-fields", args=[image.pk]), body, format="json")
    if answer.status_code != 202:
        return answer
    work(Job.objects.get(pk=answer.json()["job"]))
    return Job.objects.get(pk=answer.json()["job"])


def test_a_drawn_field_is_an_image_with_its_place(api, study, uploaded):
    job = ask(api, uploaded, rectangles=[{"x": 300, "y": 200, "width": 400, "height": 256}])
    field = SlideField.objects.get()
    assert (job.state, field.method, field.probability, field.seed) == ("done", "drawn", None, None)
    image = field.image
    with image.pixels.open("rb") as file:
        assert np.array_equal(np.asarray(PIL.Image.open(file)), PIXELS[200:456, 300:700])
    assert (image.um_per_px, image.scale_source, image.patient_label) == (
        0.25, uploaded.scale_source, f"slide no. {uploaded.position}",
    )  # fmt: skip
    listed = api.get(reverse("image-fields", args=[uploaded.pk])).json()
    assert [(one["x"], one["y"], one["image"]) for one in listed["items"]] == [(300, 200, image.pk)]
    ask(api, uploaded, rectangles=[{"x": 300, "y": 200, "width": 400, "height": 256}])
    assert SlideField.objects.count() == 1


def test_a_grid_covers_the_tissue(api, uploaded):
    ask(api, uploaded, grid={"size": 500, "overlap": 50, "tissue": 0})
    places = sorted((field.x, field.y) for field in SlideField.objects.all())
    assert places == [(0, 0), (0, 450), (450, 0), (450, 450), (900, 0), (900, 450)]


def test_a_grid_with_too_many_squares_is_declined_before_it_is_looked_through(uploaded):
    uploaded.width = uploaded.height = 100_000
    with pytest.raises(Invalid, match="squares"):
        fields.squares(uploaded, fields.Grid(size=64, overlap=63, tissue=0))


def test_squares_without_tissue_are_no_fields(study, api, tmp_path):
    pixels = np.full((1024, 1024, 3), 243, np.uint8)
    pixels[:512, 512:] = tissue(512, 512)
    write_pyramid(tmp_path / "a.tif", pixels)
    item, _ = upload_one(api, study.project, "a.tif", (tmp_path / "a.tif").read_bytes(), open_as="slide")
    slide = Image.objects.get(pk=item["image"])
    found = fields.squares(slide, fields.Grid(size=256, tissue=0.5))
    assert sorted((one.x, one.y) for one in found) == [(512, 0), (512, 256), (768, 0), (768, 256)]


def test_random_fields_have_a_seed_and_a_probability(api, uploaded):
    ask(api, uploaded, random={"count": 3, "size": 256, "tissue": 0, "seed": 7})
    drawn = list(SlideField.objects.all())
    assert {(field.method, field.seed, field.probability) for field in drawn} == {("random", 7, 3 / 20)}
    grid = fields.squares(uploaded, fields.Grid(size=256, tissue=0))
    again, probability = fields.drawn(grid, 3, 7)
    assert [(one.x, one.y) for one in again] == [(field.x, field.y) for field in drawn] and probability == 3 / 20
    counts = np.zeros(len(grid))
    for seed in range(2000):
        for one in fields.drawn(grid, 3, seed)[0]:
            counts[grid.index(one)] += 1
    assert np.abs(counts / 2000 - 3 / 20).max() < 0.04


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "rectangles"),
        ({"rectangles": [{"x": 1300, "y": 0, "width": 200, "height": 200}]}, "rectangles"),
        ({"rectangles": [{"x": 0, "y": 0, "width": 10, "height": 200}]}, "width"),
        ({"grid": {"size": 500, "overlap": 500}}, "overlap"),
        ({"grid": {"size": 4000}}, "tissue"),
        ({"grid": {"size": 500}, "random": {"count": 1}}, "rectangles"),
    ],
)
def test_fields_that_cannot_be_are_declined_with_the_name_of_the_field(body, field, api, uploaded):
    answer = ask(api, uploaded, **body)
    assert answer.status_code == 422
    assert field in str(answer.json())
    assert SlideField.objects.count() == 0


def test_a_picture_has_no_fields(api, study):
    answer = ask(api, ImageFactory(project=study.project), grid={})
    assert_declined(answer, 422, says="is a picture")


def test_fields_of_a_slide_that_is_gone_are_declined_one_by_one(api, study, roots):
    registered(study)
    image = Image.objects.get(kind="slide")
    Path(roots / "2024" / "a.tif").unlink()
    job = ask(api, image, rectangles=[{"x": 0, "y": 0, "width": 100, "height": 100}])
    item = job.items.get()
    assert (item.state, item.facts["code"]) == ("declined", "slide_problem")
    assert "no file 2024/a.tif" in item.error


# -- the page


def test_the_page_of_a_slide_makes_fields_and_shows_where_they_lie(study, uploaded):
    client = signed_in(study.people["manager"])
    page = reverse("slide", args=[uploaded.pk])
    assert "tifffile" in page_text(client.get(page))
    declined = client.post(page, {"method": "random", "size": 256, "tissue": 0})
    assert declined.status_code == 422 and "This is needed here." in page_text(declined)
    form = {"method": "random", "size": 256, "tissue": 0, "count": 2, "seed": 5}
    assert client.post(page, form).status_code == 302
    work(Job.objects.get(kind=Job.Kind.FIELDS))
    shown = page_text(client.get(page))
    for field in SlideField.objects.all():
        assert field.image.name in shown
    assert "0.1" in shown  # the probability, 2 of 20
    viewer = signed_in(study.people["viewer"])
    assert "Create fields" not in page_text(viewer.get(page))
    assert viewer.post(page, form).status_code == 403


def test_the_project_page_leads_to_the_fields(study, uploaded):
    shown = signed_in(study.people["owner"]).get(reverse("project-images", args=[study.project.pk]))
    assert reverse("slide", args=[uploaded.pk]) in shown.content.decode()


def test_the_upload_form_can_ask_for_a_slide(study, pyramid):
    client = signed_in(study.people["manager"])
    file = SimpleUploadedFile("a.tif", pyramid.read_bytes())
    form = {"images": [file], "split": "train", "open_as": "slide"}
    client.post(reverse("project-images", args=[study.project.pk]), form)
    read_uploads()
    assert Image.objects.filter(kind="slide").count() == 1
