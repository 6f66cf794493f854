"""De-identification on entry: a value that is planted in a file is in nothing that is stored of it."""

import io
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.PngImagePlugin
import pydicom
import pytest
import tifffile
from django.core import serializers
from django.core.files.storage import default_storage
from django.urls import reverse

from inference.reading import tile_client
from labeling.images import slides
from labeling.images.models import Image, SlideFile
from labeling.jobs.models import JobItem, uploads_storage
from labeling.models import ResumableUpload
from labeling.projects.models import Project
from labeling.projects.services import create_project
from tests.factories import UserFactory, png
from tests.inference.slide_files import samples, tissue
from tests.inference.test_deidentify import SECRET, TEXT, write_planted
from tests.labeling.pages import address, make_study, page_text, signed_in
from tests.labeling.uploads import begun_upload, upload_one

pytestmark = pytest.mark.django_db
needs_samples = pytest.mark.skipif(samples() is None, reason="BOXWISE_DATA holds no wsi_samples")
PIXELS = tissue(300, 200)


@pytest.fixture(autouse=True)
def stored(tmp_path, monkeypatch):
    folder = tmp_path / "stored"
    monkeypatch.setattr(slides, "stored_root", lambda: folder)
    for storage in (uploads_storage(), default_storage):  # files that other tests have left
        for left in Path(storage.path("")).glob("*/"):
            shutil.rmtree(left)
    return folder


@pytest.fixture
def study():
    made = make_study()
    made.project.deidentifies = True
    made.project.save()
    return made


def everything(stored: Path) -> bytes:
    """All files of the storages, and all rows that a file leaves."""
    found = []
    for folder in (stored, Path(uploads_storage().path("")), Path(default_storage.path(""))):
        found += [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    for model in (Image, SlideFile, JobItem, ResumableUpload):
        rows = model._default_manager.all() if model is not Image else Image.everything.all()
        found.append(serializers.serialize("json", rows).encode())
    return b"\n".join(found)


# -- pictures


def saved(kind: str, **given) -> bytes:
    file = io.BytesIO()
    PIL.Image.fromarray(PIXELS).save(file, kind, **given)
    return file.getvalue()


def exif() -> PIL.Image.Exif:
    made = PIL.Image.Exif()
    made[0x010E], made[0x013B], made[0x8298], made[0x0132] = SECRET, SECRET, SECRET, "1931:01:02 03:04:05"
    return made


def png_with_words() -> bytes:
    words = PIL.PngImagePlugin.PngInfo()
    words.add_text("Author", SECRET)
    words.add_itxt("Comment", SECRET)
    return saved("PNG", pnginfo=words, exif=exif())


def tiff_with_words(tmp_path: Path) -> bytes:
    path = tmp_path / "a.tif"
    write_planted(path, compression="zlib")
    return path.read_bytes()


PICTURES = {
    "a.png": lambda tmp_path: png_with_words(),
    "a.jpg": lambda tmp_path: saved("JPEG", exif=exif(), comment=SECRET.encode()),
    "a.webp": lambda tmp_path: saved("WEBP", exif=exif(), xmp=SECRET.encode(), lossless=True),
    "a.bmp": lambda tmp_path: saved("BMP") + SECRET.encode(),
    "a.tif": tiff_with_words,
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_leaves_its_pixels_and_the_names_of_what_was_said(name, api, study, stored, tmp_path):
    content = PICTURES[name](tmp_path)
    assert SECRET.encode() in content
    item, shown = upload_one(api, study.project, name, content)
    assert (item["state"], shown["has_original"]) == ("done", False)
    found = everything(stored)
    assert SECRET.encode() not in found and b"1931" not in found
    if name != "a.bmp":
        assert any(note.startswith("left out of the file, by name") for note in shown["notes"])


# -- slides


def zipped(*files: tuple[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files:
            archive.writestr(name, content)
    return packed.getvalue()


def dicom_series() -> bytes:
    files = []
    for number in (0, 1):
        made = pydicom.dcmread(samples() / f"openslide_boxes_{number}.dcm")
        for name, value in TEXT.items():
            setattr(made, name, value)
        content = io.BytesIO()
        made.save_as(content)
        files.append((f"{SECRET}/{number}.dcm", content.getvalue()))
    return zipped(*files)


SLIDES = {
    "a.tif": tiff_with_words,
    "a.zip": lambda tmp_path: zipped(("deep/a.tif", tiff_with_words(tmp_path))),
    "small_HE.svs": lambda tmp_path: (samples() / "small_HE.svs").read_bytes() + SECRET.encode(),
    "openslide_small.svs": lambda tmp_path: (samples() / "openslide_small.svs").read_bytes() + SECRET.encode(),
    "CMU-1-Small-Region_pyramid.tiff": lambda tmp_path: (
        (samples() / "CMU-1-Small-Region_pyramid.tiff").read_bytes() + SECRET.encode()
    ),
    "CMU-1-Small-Region_pyramid.ome.tif": lambda tmp_path: (
        (samples() / "CMU-1-Small-Region_pyramid.ome.tif").read_bytes() + SECRET.encode()
    ),
    "series.zip": lambda tmp_path: dicom_series(),
}


@needs_samples
@pytest.mark.parametrize("name", SLIDES)
def test_a_slide_leaves_a_cleaned_copy_alone(name, api, study, stored, tmp_path):
    content = SLIDES[name](tmp_path)
    item, _shown = upload_one(api, study.project, name, content, open_as="slide")
    assert item["state"] == "done", (item["code"], item["detail"])
    image = Image.objects.get(pk=item["image"])
    found = everything(stored)
    for words in (SECRET, "1931", "b414003d", "ScanScope ID ="):
        assert words.encode() not in found
    answer = api.get(reverse("image-tile", args=[image.pk, 0, 0, 0]))
    assert answer.status_code == 200 and PIL.Image.open(io.BytesIO(b"".join(answer.streaming_content))).size[0] > 0
    assert image.slide_file.info["deidentified"] is True
    tile_client.stop()


@needs_samples
def test_a_scanner_s_facts_stay_and_its_pixels_are_the_same(api, study):
    content = (samples() / "small_HE.svs").read_bytes()
    item, _shown = upload_one(api, study.project, "a.svs", content, open_as="slide")
    image = Image.objects.get(pk=item["image"])
    assert (image.magnification, image.um_per_px, image.slide_file.info["format"]) == (20, 0.499, "Aperio SVS")
    assert {"label", "macro", "aperio.User"} <= set(image.slide_file.removed)
    with tifffile.TiffFile(slides.file_of(image.slide_file)) as file:
        assert len(file.pages) == 1  # label, macro and thumbnail are gone
    again, _shown = upload_one(api, study.project, "b.svs", content, open_as="slide")
    assert (again["code"], again["image"]) == ("already_there", image.pk)


def test_a_slide_that_cannot_be_cleaned_leaves_nothing(api, study, stored, tmp_path, monkeypatch):
    from labeling.images.slides import Unreadable, isolation

    def cannot(source, folder):
        raise Unreadable("not_cleaned", what="a test")

    monkeypatch.setattr(isolation, "clean_slide", cannot)
    item, _shown = upload_one(api, study.project, "a.tif", tiff_with_words(tmp_path), open_as="slide")
    assert item["state"] == "declined" and "export it anew as a plain tiled TIFF" in item["detail"]
    assert list(stored.iterdir()) == []


def test_a_project_that_keeps_files_keeps_them(api, study, stored, tmp_path):
    Project.objects.update(deidentifies=False)
    study.project.refresh_from_db()
    item, _shown = upload_one(api, study.project, "a.tif", tiff_with_words(tmp_path), open_as="slide")
    image = Image.objects.get(pk=item["image"])
    assert SECRET.encode() in slides.file_of(image.slide_file).read_bytes()


# -- writing, and names of files


def test_writing_in_a_picture_is_noted(api, study):
    picture = PIL.Image.fromarray(tissue(500, 400))
    PIL.ImageDraw.Draw(picture).text((20, 340), "Meier, Hans 02.01.1931", fill=(0, 0, 0), font_size=22)
    file = io.BytesIO()
    picture.save(file, "PNG")
    _item, shown = upload_one(api, study.project, "a.png", file.getvalue())
    assert any("may show writing" in note for note in shown["notes"])


@pytest.mark.parametrize(
    ("name", "begins", "ends"),
    [("Meier Hans_HE_1.png", "P", "_HE_1.png"), ("Meier.Hans.png", "P", ".png"), ("Meier", "P", "")],
)
def test_a_pattern_takes_patients_out_of_file_names(name, begins, ends, api, study, stored):
    study.project.name_pattern = "{patient}_{*}.png"
    study.project.save()
    _item, shown = upload_one(api, study.project, name, png(seed=len(name)))
    assert shown["name"].startswith(begins) and shown["name"].endswith(ends)
    upload = begun_upload(study.project, study.people["manager"])
    assert "begun" not in upload.name
    again = api.get(reverse("upload-list", args=[study.project.pk]), {"filename": "begun.svs"}).json()
    assert [one["id"] for one in again["items"]] == [str(upload.pk)], "who goes on knows the file by its own name"
    assert b"Meier" not in everything(stored)


def test_the_same_patient_has_the_same_pseudonym_in_a_project_and_another_elsewhere(study):
    from labeling.images.entry_names import pseudonym

    other = Project.objects.create(name="other")
    assert pseudonym(study.project, "Meier") == pseudonym(study.project, "MEIER ") != pseudonym(other, "Meier")


# -- the setting


def test_a_new_project_de_identifies():
    assert create_project(owner=UserFactory(), name="Lung").deidentifies is True


@pytest.mark.parametrize(
    ("pattern", "status"), [("{patient}_{*}.svs", 200), ("", 200), ("{slide}.svs", 422), ("{patient", 422)]
)
def test_managers_change_it_by_page_and_api(pattern, status, api, study):
    answer = api.patch(
        reverse("project-detail", args=[study.project.pk]), {"name_pattern": pattern, "deidentifies": False}
    )
    assert answer.status_code == status, json.loads(answer.content)
    study.project.refresh_from_db()
    assert study.project.deidentifies is (status != 200)
    page = signed_in(study.people["owner"])
    form = {"name": "Breast", "description": "", "name_pattern": pattern, "deidentifies": "on"}
    sent = page.post(address(study, "project-settings"), form)
    assert sent.status_code == (302 if status == 200 else 422)
    assert "De-identify files" in page_text(page.get(address(study, "project-settings")))


def test_pixels_are_those_of_the_file(api, study):
    _item, shown = upload_one(api, study.project, "a.png", png_with_words())
    with Image.objects.get(pk=shown["id"]).pixels.open("rb") as file:
        np.testing.assert_array_equal(np.asarray(PIL.Image.open(file)), PIXELS)
