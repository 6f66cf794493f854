"""Slides with several channels, slices and times on the site: what people see, what models see, and what a round learns
from."""

import io
import uuid

import numpy as np
import PIL.Image
import pytest
import tifffile
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.urls import reverse
from skimage.color import rgb2hed
from skimage.data import immunohistochemistry

from inference.pipeline.compute import keys
from inference.pipeline.snapshots import fields_of
from inference.reading.channels import ChannelView, blended
from inference.worker import vectors
from inference.worker.proposing import Picture
from labeling.annotations.models import Annotation
from labeling.errors import Invalid
from labeling.images import fields, model_views, planes, slides
from labeling.images.models import Image
from labeling.jobs.models import Job
from labeling.projects.models import Project
from labeling.projects.services import change_project
from labeling.rounds.configuration import PRESETS
from labeling.rounds.snapshots import freeze
from labeling.upkeep.purging import remove_files
from tests.declined import assert_declined
from tests.inference.slide_files import tissue
from tests.inference.test_channels import swapping_profile
from tests.labeling.pages import signed_in
from tests.labeling.uploads import upload_one, work

pytestmark = pytest.mark.django_db
NAMES = ["DAPI", "FITC"]
SIDE = 512


@pytest.fixture(autouse=True)
def stored(tmp_path, monkeypatch):
    folder = tmp_path / "stored"
    monkeypatch.setattr(slides, "stored_root", lambda: folder)
    return folder


@pytest.fixture(scope="module")
def stains():
    """(Z, C, 512, 512) uint16 of real tissue: hematoxylin and DAB as two channels, three slices that grow darker."""
    light = rgb2hed(immunohistochemistry())[..., [0, 2]]
    scaled = np.clip((light - light.min()) / np.ptp(light), 0, 1) * 4000
    channels = scaled.transpose(2, 0, 1)
    return np.stack([channels, channels * 0.8, channels * 0.6]).astype(np.uint16)


@pytest.fixture(scope="module")
def content(stains):
    file = io.BytesIO()
    about = {"axes": "ZCYX", "Channel": {"Name": NAMES}, "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
    tifffile.imwrite(file, stains, ome=True, metadata=about, tile=(128, 128), compression="zlib")
    return file.getvalue()


@pytest.fixture
def slide(api, study, content):
    study.project.deidentifies = False
    study.project.save()
    item, _ = upload_one(api, study.project, "cells.ome.tif", content, open_as="slide")
    assert item["state"] == "done", item["detail"]
    return Image.objects.get(pk=item["image"])


def tile(api, image, query=None, place=(0, 0, 0)):
    return api.get(reverse("image-tile", args=[image.pk, *place]), query or {})


def decoded(answer) -> np.ndarray:
    content = answer.getvalue() if hasattr(answer, "getvalue") else answer.content
    return np.asarray(PIL.Image.open(io.BytesIO(content))).astype(int)


def shown_planes(api, image):
    return api.get(reverse("image-workspace", args=[image.pk])).json()["image"]["planes"]


def field_of(study, slide, channels=()):
    """A field of 256 x 256 px at 128, 64, cut while models see these channels."""
    Project.objects.filter(pk=study.project.pk).update(model_channels=list(channels))
    there = set(Image.objects.values_list("pk", flat=True))
    work(
        fields.ask_for_drawn(
            slide=slide, owner=study.people["manager"], rectangles=[fields.Rectangle(128, 64, 256, 256)]
        )
    )
    (made,) = Image.objects.exclude(pk__in=there)
    return made


# -- what people see


def test_the_workspace_says_what_there_is_to_choose(api, slide):
    found = shown_planes(api, slide)
    assert (found["page"], found["z"], found["t"], found["icc"]) == (2, 3, 1, False)
    assert [channel["name"] for channel in found["channels"]] == NAMES
    first = found["channels"][0]
    assert 0 <= first["least"] <= first["low"] < first["high"] <= first["most"] <= 4000
    assert found["tiles"]["url"] == reverse("image-tile", args=[slide.pk, 0, 0, 0]).removesuffix("0/0/0/")


@pytest.mark.parametrize("page", [1, 2, 3])
def test_a_tile_shows_the_plane_and_channels_that_were_asked_for(api, slide, stains, page):
    answer = tile(api, slide, {"page": page, "channels": "1:ff0000:0:4000,2:00ff80:500:3000"})
    assert answer.status_code == 200
    parts = [stains[page - 1, channel][..., None] for channel in (0, 1)]
    expected = blended(parts, [ChannelView(1, "ff0000", 0, 4000), ChannelView(2, "00ff80", 500, 3000)])
    assert np.abs(decoded(answer) - expected).mean() < 4  # of JPEG


def test_two_choices_are_two_answers_to_a_browser(api, slide):
    first = tile(api, slide, {"page": 1})
    other = tile(api, slide, {"page": 3})
    assert len({first["ETag"], other["ETag"], tile(api, slide)["ETag"]}) == 3
    url = reverse("image-tile", args=[slide.pk, 0, 0, 0])
    assert api.get(url, {"page": 1}, headers={"If-None-Match": first["ETag"]}).status_code == 304


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"page": 4}, "page"), ({"page": 0}, "page"), ({"page": "x"}, "page"),
        ({"channels": "3:ffffff:0:1"}, "channels"),
        ({"channels": "0:ffffff:0:1"}, "channels"), ({"channels": "1:red:0:1"}, "channels"),
        ({"channels": "1:ffffff:5:5"}, "channels"), ({"channels": "1:ffffff:nan:1"}, "channels"),
        ({"channels": "1:ffffff:0:1,1:ffffff:0:1,1:ffffff:0:1"}, "channels"),
        ({"channels": "1:ffffff:0:1,"}, "channels"),
        ({"icc": "yes"}, "icc"), ({"gamma": "2"}, "gamma"),
    ],
)  # fmt: skip
def test_what_cannot_be_shown_is_named(api, slide, query, field):
    answer = tile(api, slide, query)
    assert_declined(answer, 422, field=field)


def test_a_picture_has_nothing_to_choose(api, study, slide):
    _item, image = upload_one(api, study.project, "a.png", png_of_tissue())
    assert shown_planes(api, Image.objects.get(pk=image["id"])) is None
    answer = tile(api, Image.objects.get(pk=image["id"]), {"page": 1})
    assert_declined(answer, 422, says="no channels")


def png_of_tissue() -> bytes:
    file = io.BytesIO()
    PIL.Image.fromarray(tissue(64, 64)).save(file, "PNG")
    return file.getvalue()


def test_a_field_is_looked_at_by_the_channels_of_its_slide(api, study, slide, stains):
    field = field_of(study, slide, ["DAPI"])
    assert [channel["name"] for channel in shown_planes(api, field)["channels"]] == NAMES
    answer = tile(api, field, {"page": 3, "channels": "2:ffffff:0:4000"})
    expected = blended([stains[2, 1, 64:320, 128:384, None]], [ChannelView(2, "ffffff", 0, 4000)])
    shown = decoded(answer)
    assert shown.shape == (256, 256, 3)
    assert np.abs(shown - expected).mean() < 4


def test_a_colour_profile_is_applied_where_somebody_asks_for_it(api, study):
    study.project.deidentifies = False
    study.project.save()
    file = io.BytesIO()
    tags = [(34675, "B", len(swapping_profile()), swapping_profile(), True)]
    red = np.zeros((SIDE, SIDE, 3), np.uint8)
    red[..., 0] = 250
    tifffile.imwrite(file, red, tile=(128, 128), photometric="rgb", extratags=tags)
    item, _ = upload_one(api, study.project, "a.tif", file.getvalue(), open_as="slide")
    image = Image.objects.get(pk=item["image"])
    assert shown_planes(api, image)["icc"] is True
    stored, shown = decoded(tile(api, image)), decoded(tile(api, image, {"icc": "1"}))
    assert stored[9, 9].argmax() == 0 and shown[9, 9].argmax() == 1
    field = field_of(study, image)
    with field.pixels.open("rb") as pixels:
        assert np.asarray(PIL.Image.open(pixels))[9, 9].tolist() == [250, 0, 0]  # models have the stored colours


# -- what models see


def seen(field, project):
    """The pixels of a field as a stage of a round reads them, and the snapshot."""
    content = freeze(Project.objects.get(pk=project.pk), learns=False).document()
    model_views.make_missing(content)
    (entry,) = [one for one in content.images if one.image == field.pk]
    (read,) = [one for one in fields_of(content, lambda name: default_storage.path(name)) if one.image == field.pk]
    return read.rgb(), entry, content


def choose(study, *channels):
    project = Project.objects.get(pk=study.project.pk)
    change_project(
        project=project, by=study.people["manager"], name="p", description="",
        records_activity=project.records_activity, model_channels=list(channels),
    )  # fmt: skip


def test_models_see_the_channels_of_the_project_and_a_round_s_key_depends_on_them(api, study, slide, stains):
    field = field_of(study, slide)
    rgb, entry, content = seen(field, study.project)
    assert entry.view is None and entry.sha256 == field.sha256
    assert rgb.reshape(-1, 3).std(axis=1).max() > 0  # in the colours of both channels
    both = keys(content, PRESETS["quick"])

    choose(study, "dapi")
    rgb, entry, content = seen(field, study.project)
    assert entry.view is not None and entry.view.channels == ("dapi",)
    first = shown_planes(api, slide)["channels"][0]
    expected = blended([stains[1, 0, 64:320, 128:384, None]], [ChannelView(1, "ffffff", first["low"], first["high"])])
    np.testing.assert_array_equal(rgb, expected)  # one channel alone is grey, without loss
    alone = keys(content, PRESETS["quick"])
    assert alone["prediction"] != both["prediction"]

    choose(study)
    assert keys(seen(field, study.project)[2], PRESETS["quick"]) == both


def test_fields_are_cut_with_the_channels_that_models_see(api, study, slide):
    field = field_of(study, slide, ["FITC"])
    with field.pixels.open("rb") as pixels:
        rgb = np.asarray(PIL.Image.open(pixels))
    assert (rgb[..., 0] == rgb[..., 1]).all()
    assert field.slide_field.channels == ["FITC"]
    assert seen(field, study.project)[1].view is None  # its own pixels fit


def test_proposing_reads_the_same_pixels_as_a_round(api, study, slide):
    field = field_of(study, slide)
    choose(study, "DAPI")
    rgb, _entry, _content = seen(field, study.project)
    picture = Picture(Image.objects.get(pk=field.pk), ["DAPI"])
    np.testing.assert_array_equal(picture.scaled(10, 20, 100, 50, (100, 50)), rgb[20:70, 10:110])
    whole = Picture(Image.objects.get(pk=slide.pk), ["DAPI"])
    np.testing.assert_array_equal(whole.scaled(128, 64, 256, 256, (256, 256)), rgb)


def test_likeness_looks_at_the_same_pixels(api, study, slide, monkeypatch, tmp_path):
    looked_at = []

    class Eye:
        name, dimensions = "eye", 1

        def encode(self, rgb, cells):
            looked_at.append(rgb)
            return np.zeros((len(cells), 1), np.float16)

    cell = Annotation(uid=uuid.uuid4(), x0=20, y0=20, x1=40, y1=40)
    monkeypatch.setattr(vectors, "_layers", lambda image, job: [(None, [cell], "")])
    monkeypatch.setattr(vectors, "_keep", lambda *args: None)
    field = field_of(study, slide)
    choose(study, "DAPI")
    job = Job(project=Project.objects.get(pk=study.project.pk), owner=study.people["manager"])
    assert vectors.embed_image(Image.objects.get(pk=field.pk), job, Eye(), tmp_path) == 1
    (rgb,) = looked_at
    assert rgb.std() > 0 and (rgb[..., 0] == rgb[..., 1]).all()  # one channel alone is grey


def test_a_worker_that_dies_while_it_writes_leaves_no_half_of_a_view(api, study, slide, monkeypatch):
    field = field_of(study, slide)
    choose(study, "DAPI")

    def dies(name, content, max_length=None, save=default_storage.save):
        if not name.startswith("views/"):
            return save(name, content, max_length)
        save(name, ContentFile(content.read()[:100]))
        raise SystemExit

    with monkeypatch.context() as dying:
        dying.setattr(default_storage, "save", dies)
        with pytest.raises(SystemExit):
            seen(field, study.project)
    rgb, entry, _content = seen(field, study.project)
    assert rgb.std() > 0 and default_storage.exists(entry.pixels)


def test_a_slide_without_the_channel_says_what_it_has(api, study, slide):
    field_of(study, slide)
    choose(study, "Ki67")
    with pytest.raises(planes.MissingChannel, match="no channel Ki67; it has: DAPI, FITC"):
        freeze(Project.objects.get(pk=study.project.pk), learns=False)
    answer = api.post(reverse("proposal-list", args=[study.project.pk]), {"images": [slide.pk]}, format="json")
    assert_declined(answer, 422, code="missing_channel")
    work_of_field = fields.ask_for_drawn(
        slide=slide, owner=study.people["manager"], rectangles=[fields.Rectangle(0, 0, 64, 64)]
    )
    work(work_of_field)
    item = work_of_field.items.get()
    assert item.state == "declined" and "it has: DAPI, FITC" in item.error


def test_views_go_with_their_field(api, study, slide):
    field = field_of(study, slide)
    choose(study, "DAPI")
    _rgb, entry, _content = seen(field, study.project)
    assert default_storage.exists(entry.pixels)
    remove_files(field)
    assert not default_storage.exists(entry.pixels)


def test_the_setting_is_kept_by_page_and_by_api(api, study):
    url = reverse("project-detail", args=[study.project.pk])
    answer = api.patch(url, {"model_channels": [" DAPI ", "DAPI", ""]}, format="json")
    assert answer.json()["model_channels"] == ["DAPI"]
    page = signed_in(study.people["manager"])
    settings = reverse("project-settings", args=[study.project.pk])
    assert 'value="DAPI"' in page.get(settings).content.decode()
    page.post(settings, {"name": "p", "model_channels": "DAPI, FITC"})
    assert api.get(url).json()["model_channels"] == ["DAPI", "FITC"]


def test_too_many_channels_are_declined(study):
    with pytest.raises(Invalid, match="at most 16"):
        choose(study, *(f"c{number}" for number in range(17)))
