"""Uploads by page and API: each file on its own, what was done with it said, its scale kept, its original apart."""

import io
import struct
import unicodedata
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import PIL.Image
import pytest
import tifffile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import translation

from inference.reading.sentences import SENTENCES as SENTENCES_OF_THE_LEAF
from labeling.exchange.image_tables import take_table
from labeling.images import services
from labeling.images.facts import change_image
from labeling.images.models import Image, OriginalAccess, ScaleSource
from labeling.images.names import clean, normal
from labeling.images.sentences import SENTENCES, sentence
from labeling.images.services import add_image
from labeling.jobs.models import Job
from labeling.projects.services import change_project
from tests.declined import assert_declined
from tests.factories import ImageFactory, ProjectFactory, png
from tests.inference.picture_files import grey, picture, saved, tiff
from tests.labeling.pages import address, page_text, signed_in, toasts
from tests.labeling.uploads import image_of, read_uploads, upload, upload_one

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


def send(client, project, name, content, **fields):
    return upload_one(client, project, name, content, **fields)


def by_page(study, *files, **fields):
    """Send files by the page's form and let them be read. -> the text of the part of the page that then shows them."""
    parts = [SimpleUploadedFile(name, content) for name, content in files]
    form = {"images": parts, "split": "train", **fields}
    client = signed_in(study.people["manager"])
    answer = client.post(address(study, "project-images"), form, headers=HTMX)
    assert answer.status_code == 200
    read_uploads()
    return page_text(client.get(address(study, "project-uploads"), headers=HTMX))


def deep(seed: int = 0) -> bytes:
    """A 12-bit camera's picture in a 16-bit file."""
    samples = np.roll(picture(), seed, axis=0).astype(np.uint16) * 16
    return tiff(samples, photometric=2, bits=16)


def stack() -> bytes:
    file = io.BytesIO()
    upside_down = picture()[::-1]
    mirrored = picture()[:, ::-1]
    pages = np.stack([picture(), upside_down, mirrored])
    tifffile.imwrite(file, pages, photometric="rgb")
    return file.getvalue()


def with_bad_exif() -> bytes:
    """Turned by EXIF, whose block holds the fraction -1/0, which cannot be written again."""
    head = b"II*\0\x08\0\0\0"
    count = struct.pack("<H", 2)
    orientation = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    exposure_bias = struct.pack("<HHII", 0x9204, 10, 1, 38)
    no_more = b"\0\0\0\0"
    fraction = struct.pack("<ii", -1, 0)
    body = b"Exif\0\0" + head + count + orientation + exposure_bias + no_more + fraction
    length = struct.pack(">H", len(body) + 2)
    plain = saved(picture()[:40], "JPEG", quality=95)
    return plain[:2] + b"\xff\xe1" + length + body + plain[2:]


# -- one file never touches another


def test_a_batch_keeps_every_good_file_whatever_the_others_are(study):
    text = by_page(
        study,
        ("good_a.png", png(seed=901)),
        ("turned.jpg", with_bad_exif()),
        ("notes.txt", b"hello"),
        ("stack.tif", stack()),
        ("empty.png", b""),
        ("again.png", png(seed=901)),
        ("good_b.tif", deep()),
    )
    assert "3 images added, 1 is here already, 1 needs a choice, 2 declined" in text
    assert "notes.txt is not an image of a known format" in text
    assert "stack.tif holds 3 pictures" in text
    assert "empty.png is empty" in text
    assert "again.png is in this project already, as good_a.png." in text
    assert "Turned as its EXIF orientation says (6)" in text
    assert "16-bit samples: 0 to 4095 are shown as black to white" in text
    added = set(study.project.images.values_list("name", flat=True))
    assert {"good_a.png", "turned.jpg", "good_b.tif"} <= added
    assert len(added) == 4
    turned = study.project.images.get(name="turned.jpg")
    assert (turned.width, turned.height) == (40, 64)


def test_a_fault_of_ours_in_one_file_is_logged_and_costs_that_file_only(study, monkeypatch, caplog):
    read = services.read

    def breaks(source, folder, name, **choice):
        if name == "odd.png":
            raise KeyError("a bug")
        return read(source, folder, name, **choice)

    monkeypatch.setattr(services, "read", breaks)
    text = by_page(study, ("a.png", png(seed=901)), ("odd.png", png(seed=902)), ("b.png", png(seed=903)))
    assert "2 images added, 1 declined" in text
    assert "odd.png could not be added because of a fault in Boxwise" in text
    assert "KeyError" in caplog.text


def test_without_scripts_the_page_shows_the_same(study):
    client = signed_in(study.people["manager"])
    parts = [
        SimpleUploadedFile("a.png", png(seed=901)),
        SimpleUploadedFile("x.txt", b"x"),
        SimpleUploadedFile("b.tif", deep()),
    ]
    answer = client.post(address(study, "project-images"), {"images": parts, "split": "train"})
    assert answer.url == reverse("project-images", args=[study.project.pk]) + "#uploads"
    assert "are being read" in toasts(answer)[0]
    read_uploads()
    page = page_text(client.get(address(study, "project-images")))
    assert "2 images added, 1 declined" in page
    assert "x.txt is not an image" in page
    assert "16-bit samples" in page


def test_files_of_one_request_are_one_job_and_another_field_is_declined(study, api):
    job = upload(api, study.project, ("a.png", png(seed=901)), ("b.png", png(seed=902)))
    assert [item["state"] for item in job["items"]] == ["done", "done"]
    assert (job["state"], job["done"], job["total"], job["result"]) == ("done", 2, 2, None)
    both = {"image": SimpleUploadedFile("c.png", png(seed=903)), "second": SimpleUploadedFile("d.png", png(seed=904))}
    answer = api.post(reverse("image-list", args=[study.project.pk]), both, format="multipart")
    assert_declined(answer, 422, field="second")
    assert study.project.images.count() == 3
    assert Job.objects.filter(kind=Job.Kind.READ).count() == 1


@pytest.mark.parametrize(
    "content", [b"", b"GIF89a", b"II*\0", b"\x89PNG\r\n\x1a\n", b"BM", b"RIFF0000WEBP", b"\xff\xd8\xff"]
)
def test_a_file_that_is_nothing_is_declined_in_a_sentence(study, api, content):
    item, image = send(api, study.project, "x.png", content)
    assert (item["state"], image) == ("declined", None)
    assert "x.png" in item["detail"]


# -- which picture of a file


def test_a_page_is_chosen_at_the_upload_by_form_and_api(study, api):
    _, shown = send(api, study.project, "s.tif", stack(), page=2)
    assert shown["notes"] == ["page 2 of 3 was taken"]
    pixels = np.asarray(PIL.Image.open(image_of(shown).pixels))
    assert np.array_equal(pixels, picture()[::-1])
    assert "1 image added" in by_page(study, ("s.tif", stack()), page="3")
    item, _ = send(api, study.project, "s.tif", stack(), page=9)
    assert "has no page 9; it has 3" in item["detail"]
    assert (item["state"], item["choices"]) == ("choice", {"pages": 3})


def test_a_channel_is_chosen_and_numbers_begin_at_one(study, api):
    channels = tiff(np.dstack([grey(), grey()[::-1]]), photometric=1, bits=8, extra=(0,))
    item, _ = send(api, study.project, "c.tif", channels)
    assert "holds 2 channels" in item["detail"]
    assert item["choices"] == {"channels": 2}
    assert send(api, study.project, "c.tif", channels, channel=2)[1] is not None
    form = {"images": [SimpleUploadedFile("c.tif", channels)], "split": "train", "page": "0"}
    answer = signed_in(study.people["manager"]).post(address(study, "project-images"), form, headers=HTMX)
    assert "whole numbers from 1 on" in answer.content.decode()


def test_a_label_map_is_declined_with_the_place_where_it_belongs(study, api):
    labels = np.zeros((40, 40), np.uint16)
    labels[4:14, 4:14] = 1
    labels[20:30, 8:20] = 2
    labels[5:15, 25:35] = 3
    content = tiff(labels[..., None], photometric=1, bits=16)
    item, _ = send(api, study.project, "labels.tif", content)
    assert (item["state"], item["code"]) == ("declined", "label_map")
    assert "reference masks of an image" in item["detail"]


# -- range and turn on the page


def test_deep_pictures_keep_their_range_and_the_page_says_so(study, api):
    _, shown = send(api, study.project, "deep.tif", deep())
    assert (shown["low"], shown["high"]) == (0, 4095)
    pixels = np.asarray(PIL.Image.open(image_of(shown).pixels))
    differences = np.abs(pixels.astype(int) - picture())
    assert differences.mean() < 1
    owner = signed_in(study.people["owner"])
    assert "0–4095" in owner.get(address(study, "project-images")).content.decode()
    settings_page = owner.get(address(study, "project-settings")).content.decode()
    assert "16-bit samples: 0 to 4095 are shown as black to white" in settings_page


def test_8_bit_pictures_have_no_range(study, api):
    _, shown = send(api, study.project, "plain.png", png(seed=905))
    assert (shown["low"], shown["notes"]) == (None, [])


# -- one picture, one image


def test_the_same_picture_is_one_image_in_whatever_file(study, api):
    _, first = send(api, study.project, "a.png", saved(picture(), "PNG"))
    others = {
        "a.tif": saved(picture(), "TIFF"),
        "b.bmp": saved(picture(), "BMP"),
        "c.webp": saved(picture(), "WEBP", lossless=True),
    }
    for name, content in others.items():
        again, _ = send(api, study.project, name, content)
        assert (again["state"], again["code"], again["image"]) == ("done", "already_there", first["id"])


def test_two_exposures_of_one_field_are_two_images(study, api):
    for factor in (8, 16):
        content = tiff(picture().astype(np.uint16) * factor, photometric=2, bits=16)
        assert send(api, study.project, f"{factor}.tif", content)[1] is not None


# -- names


DECOMPOSED = unicodedata.normalize("NFD", "Präparat_ü.png")
COMPOSED = unicodedata.normalize("NFC", DECOMPOSED)


@pytest.mark.parametrize(("uploaded", "written"), [(DECOMPOSED, COMPOSED), (COMPOSED, DECOMPOSED)])
def test_a_name_is_the_same_composed_and_decomposed(study, api, uploaded, written):
    _, shown = send(api, study.project, uploaded, png(seed=901))
    assert shown["name"] == COMPOSED
    table = f"image,scanner\n{written},GT450\n".encode()
    assert take_table(project=study.project, content=table) == 1
    assert study.project.images.get(name=COMPOSED).scanner == "GT450"


def test_an_image_from_before_names_were_composed_is_found_too():
    image = ImageFactory()
    Image.objects.filter(pk=image.pk).update(name=DECOMPOSED)
    table = f"image,scanner\n{COMPOSED},X\n".encode()
    assert take_table(project=image.project, content=table) == 1


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("a\x00b.png", "ab.png"),
        ("../../x.png", "x.png"),
        ("C:\\slides\\y.tif", "y.tif"),
        ("", "image"),
        ("n" * 400, "n" * 255),
        (DECOMPOSED, COMPOSED),
    ],
)
def test_a_name_is_stored_in_one_way(name, stored):
    assert clean(name) == stored
    assert normal(stored) == stored


# -- scale


def scaled(um: float | None, seed: int = 0) -> bytes:
    per_cm = round(10_000 / um * 1000) if um else 72_000
    tags = ((282, 5, (per_cm, 1000)), (283, 5, (per_cm, 1000)), (296, 3, (3 if um else 2,)))
    return tiff(np.roll(picture(), seed, axis=0), photometric=2, bits=8, tags=tags)


def test_the_scale_comes_from_the_file_with_its_source(study, api):
    _, answer = send(api, study.project, "a.tif", scaled(0.25))
    assert (answer["um_per_px"], answer["scale_source"]) == (pytest.approx(0.25), "file")
    _, nothing = send(api, study.project, "b.tif", scaled(None, 1))  # 72 dpi is a screen's
    assert (nothing["um_per_px"], nothing["scale_source"]) == (None, "")
    _, typed = send(api, study.project, "c.tif", scaled(0.25, 2), um_per_px=0.5)
    assert (typed["um_per_px"], typed["scale_source"]) == (0.5, "typed")
    assert typed["notes"] == ["the file says 0.25 µm per pixel, 0.5 was typed and is kept"]


def test_a_scale_is_corrected_and_says_where_it_is_from(study, api):
    image = study.image
    url = reverse("image-detail", args=[image.pk])
    assert api.patch(url, {"um_per_px": 0.4}).json()["scale_source"] == "typed"
    assert api.patch(url, {"um_per_px": 0.4, "scale_source": "measured"}).json()["scale_source"] == "measured"
    assert api.patch(url, {"um_per_px": 0.4, "scale_source": "file"}).status_code == 422
    assert api.patch(url, {"scale_source": "measured"}).status_code == 422
    assert api.patch(url, {"um_per_px": None}, format="json").json()["scale_source"] == ""
    change_image(image=image, um_per_px=0.25, scale_source=ScaleSource.NOMINAL)
    change_image(image=image, stain="H&E")
    image.refresh_from_db()
    assert image.scale_source == "nominal"


def test_a_nominal_scale_is_set_for_all_and_marked(study):
    second = ImageFactory(project=study.project)
    client = signed_in(study.people["manager"])
    url = address(study, "settings-many-images")
    form = {"factor": "scanner", "value": "", "scale": "scale-40"}
    answer = client.post(url, {**form, "scaled": "all"}, follow=True)
    page = answer.content.decode()
    assert "2 images changed." in page
    assert "nominal" in page
    second.refresh_from_db()
    assert (second.um_per_px, second.scale_source) == (0.25, "nominal")
    client.post(url, {**form, "scale": "scale-20", "scaled": "ticked", "chosen": [second.pk]})
    assert sorted(study.project.images.values_list("um_per_px", flat=True)) == [0.25, 0.5]


@pytest.mark.parametrize(
    ("line", "um", "scale"),
    [((10, 20, 50, 20), "10", 0.25), ((10, 10, 40, 50 - 10), "21.2132", 0.5), ((0, 0, 64, 0), "32", 0.5)],
)
def test_a_line_along_a_scale_bar_sets_the_scale(study, line, um, scale):
    client = signed_in(study.people["manager"])
    url = reverse("image-scale", args=[study.image.pk])
    page = client.get(url).content.decode()
    assert reverse("image-pixels", args=[study.image.pk]) in page
    ends = dict(zip(("x0", "y0", "x1", "y1"), map(str, line), strict=True))
    answer = client.post(url, {**ends, "um": um})
    assert answer.url.endswith("#images")
    study.image.refresh_from_db()
    assert study.image.um_per_px == pytest.approx(scale, rel=1e-4)
    assert study.image.scale_source == "measured"
    assert "by a scale bar" in client.get(address(study, "project-settings")).content.decode()


@pytest.mark.parametrize(
    ("line", "um", "words"),
    [
        (("10", "20", "12", "20"), "10", "shorter than 5 pixels"),
        (("10", "20", "500", "20"), "10", "leaves the image"),
        (("10", "20", "50", "nan"), "10", "Enter a number"),
        (("10", "20", "50", "20"), "0", "greater than or equal to"),
        (("0", "0", "64", "0"), "900000", "µm per pixel must be from 0.001 to 1000"),
    ],
)
def test_a_line_that_measures_nothing_is_declined(study, line, um, words):
    client = signed_in(study.people["manager"])
    ends = dict(zip(("x0", "y0", "x1", "y1"), line, strict=True))
    answer = client.post(reverse("image-scale", args=[study.image.pk]), {**ends, "um": um})
    assert answer.status_code == 422
    assert words in answer.content.decode()
    study.image.refresh_from_db()
    assert study.image.um_per_px is None


# -- originals


def test_the_original_is_kept_bit_by_bit_apart_from_the_images(study, api):
    content = deep()
    key = send(api, study.project, "deep.tif", content)[1]["id"]
    image = Image.objects.get(pk=key)
    assert image.original.storage is not image.pixels.storage
    assert "originals" in Path(image.original.path).parts
    assert "deep" not in image.original.name
    answer = api.post(reverse("image-original", args=[key]))
    assert b"".join(answer.streaming_content) == content
    assert answer["Cache-Control"] == "no-store"
    assert 'filename="deep.tif"' in answer["Content-Disposition"]
    access = OriginalAccess.objects.get()
    assert (access.image_id, access.person, access.image_name) == (key, study.people["manager"], "deep.tif")


def test_the_settings_page_offers_it_to_those_who_may(study, api):
    key = send(api, study.project, "deep.tif", deep())[1]["id"]
    url = reverse("image-original", args=[key])
    settings_page = address(study, "project-settings")
    manager = signed_in(study.people["manager"])
    page = manager.get(settings_page).content.decode()
    assert f'formaction="{url}"' in page
    assert 'id="originals"' in page
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(study.people["manager"])
    token = browser.get(settings_page).context["csrf_token"]
    assert browser.post(url).status_code == 403
    assert not OriginalAccess.objects.exists()
    form = urlencode({"csrfmiddlewaretoken": str(token)})  # as the page's form sends it
    answer = browser.post(url, form, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 200, answer.content
    assert b"".join(answer.streaming_content) == deep()


def test_who_may_not_fetch_it_leaves_no_record(study, api):
    key = send(api, study.project, "deep.tif", deep())[1]["id"]
    for who in ("reviewer", "annotator", "viewer"):
        api.force_authenticate(study.people[who])
        assert api.post(reverse("image-original", args=[key])).status_code == 403
    assert not OriginalAccess.objects.exists()


def test_a_project_may_keep_no_originals(study, api):
    _, kept = send(api, study.project, "a.tif", deep())
    change_project(
        project=study.project, by=study.people["owner"], name="Breast", description="", records_activity=True,
        keeps_originals=False,
    )  # fmt: skip
    _, gone = send(api, study.project, "b.tif", deep(3))
    assert (kept["has_original"], gone["has_original"]) == (True, False)
    answer = api.post(reverse("image-original", args=[gone["id"]]))
    assert_declined(answer, 404, code="no_original")
    assert api.post(reverse("image-original", args=[kept["id"]])).status_code == 200


def test_what_is_made_by_the_program_is_no_original():
    image = add_image(project=ProjectFactory(), name="a.png", content=png(seed=901), is_original=False)
    assert not image.original


def test_settings_switch_it_off_and_say_what_that_means(study):
    client = signed_in(study.people["owner"])
    page = client.get(address(study, "project-settings")).content.decode()
    assert "Keep originals" in page
    assert "cannot be read again" in page
    client.post(address(study, "project-settings"), {"name": "Breast", "description": ""})
    study.project.refresh_from_db()
    assert study.project.keeps_originals is False


# -- words


def test_every_sentence_of_the_leaf_can_be_translated():
    with translation.override("en"):
        assert {code: str(words) for code, words in SENTENCES.items()} == SENTENCES_OF_THE_LEAF
    with translation.override("de"):
        assert sentence("empty", name="a.png") == "a.png ist leer; die Datei hat keine Bytes"
