"""Reference masks of a lab's own project: brought by page and API, checked, replaced on purpose, for measuring."""

import io
from dataclasses import replace

import numpy as np
import PIL.Image
import pytest
import tifffile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from hypothesis import given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from inference.detectors import centre
from inference.pipeline.snapshots import read_labels
from inference.segmenters import unet
from inference.synthetic import tissue
from inference.worker import tasks
from labeling.images.label_maps import BadLabelMap, read_label_map
from labeling.images.models import Image, Split
from labeling.projects.services import create_project
from labeling.rounds.models import Tuning
from labeling.rounds.reference import lock
from labeling.rounds.reference_masks import image_named
from tests.declined import assert_declined
from tests.factories import ImageFactory, ProjectFactory, UserFactory
from tests.labeling.pages import address, make_study, page_text, signed_in, toasts
from tests.labeling.rounds import annotate, png_of, run_all
from tests.labeling.uploads import image_of, upload_one

MAP = np.array([[0, 0, 5, 5], [0, 9, 9, 5], [300, 9, 9, 0]])
NUMBERED = np.array([[0, 0, 1, 1], [0, 2, 2, 1], [3, 2, 2, 0]])


def png(array, mode=None):
    file = io.BytesIO()
    made = PIL.Image.fromarray(array)
    (made if mode is None else made.convert(mode)).save(file, "PNG")
    return file.getvalue()


def tiff(array, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, array, **options)
    return file.getvalue()


def palette(array):
    made = PIL.Image.fromarray(array.astype(np.uint8), "P")
    made.putpalette([v for i in range(256) for v in (i, 255 - i, 7)])
    file = io.BytesIO()
    made.save(file, "PNG")
    return file.getvalue()


SMALL = np.where(MAP == 300, 3, MAP)
GOOD = {
    "png8": png(SMALL.astype(np.uint8)),
    "png16": png(MAP.astype(np.uint16)),
    "palette": palette(SMALL),
    "tiff8": tiff(SMALL.astype(np.uint8)),
    "tiff16": tiff(MAP.astype(np.uint16)),
    "tiff16 big-endian": tiff(MAP.astype(np.uint16), byteorder=">"),
    "tiff32": tiff(MAP.astype(np.uint32)),
    "tiff32 signed": tiff(MAP.astype(np.int32)),
    "tiff32 deflated, big-endian": tiff(MAP.astype(np.int32), byteorder=">", compression="zlib"),
    "tiff in tiles": tiff(MAP.astype(np.uint16), tile=(16, 16)),
    "ids far apart": tiff((MAP * 10_000_000).astype(np.uint32)),
}


@pytest.mark.parametrize("name", GOOD)
def test_every_form_of_a_label_map_gives_the_same_cells(name):
    found = read_label_map(GOOD[name], name, width=4, height=3)
    expected = NUMBERED if "8" not in name and name != "palette" else ids_in_order(SMALL)
    assert found.cells == 3 and found.labels.dtype == np.uint16 and not found.notes
    np.testing.assert_array_equal(found.labels, expected)


def ids_in_order(array):
    """Slow and sure: every cell gets its place in the sorted list of ids."""
    ids = sorted(set(array.ravel().tolist()) - {0})
    return np.vectorize(lambda value: ids.index(value) + 1 if value else 0)(array)


BAD = {
    "another size": (png(np.zeros((4, 3), np.uint16)), "3 x 4 px and its image 4 x 3"),
    "RGB": (png(np.zeros((3, 4, 3), np.uint8)), "colour picture"),
    "RGBA": (png(np.zeros((3, 4, 4), np.uint8)), "colour picture"),
    "grey and alpha": (png(np.zeros((3, 4), np.uint8), "LA"), "colour picture"),
    "TIFF in colour": (tiff(np.zeros((3, 4, 3), np.uint8), photometric="rgb"), "colour picture"),
    "fractions": (tiff(MAP.astype(np.float32)), "fractions"),
    "negative": (tiff((-MAP).astype(np.int32)), "negative"),
    "two pages": (tiff(np.zeros((2, 3, 4), np.uint16), photometric="minisblack"), "2 pages"),
    "JPEG": (b"\xff\xd8\xff\xe0" + b"0" * 40, "cannot be read"),
    "empty file": (b"", "cannot be read"),
    "cut off": (GOOD["png16"][:40], "cannot be read"),
    "TIFF cut off": (GOOD["tiff16"][:60], "cannot be read"),
    "bytes": (b"II*\x00" + bytes(range(60)), "cannot be read"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_label_map_is_refused_with_its_reason(name):
    content, words = BAD[name]
    with pytest.raises(BadLabelMap, match=words) as declined:
        read_label_map(content, f"{name}.png", width=4, height=3)
    assert declined.value.field == "masks"


def test_a_grey_picture_is_no_label_map():
    grey = PIL.Image.fromarray(tissue(96, 96, 8, seed=3).rgb).convert("L")
    with pytest.raises(BadLabelMap, match="looks like a grey picture"):
        read_label_map(png(np.asarray(grey)), "photo.png", width=96, height=96)
    labels = tissue(96, 96, 8, seed=3).labels.astype(np.uint16)
    assert read_label_map(png(labels), "labels.png", width=96, height=96).cells == len(np.unique(labels)) - 1


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(GOOD)),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=6),
    st.integers(0, 400),
)
def test_a_damaged_file_is_refused_or_read_and_never_crashes(name, changes, cut):
    damaged = bytearray(GOOD[name])
    for place, value in changes:
        damaged[place % len(damaged)] = value
    content = bytes(damaged[: len(damaged) - cut % len(damaged)])
    try:
        found = read_label_map(content, "x", width=4, height=3)
    except BadLabelMap:
        return
    assert found.labels.shape == (3, 4) and set(np.unique(found.labels)) <= set(range(found.cells + 1))


def test_a_header_that_promises_a_giant_is_refused_before_a_pixel_is_decoded():
    """A bomb: 20000 x 20000 in a few kilobytes, beside an image of 4 x 3."""
    giant = PIL.Image.new("L", (9000, 9000))
    file = io.BytesIO()
    giant.save(file, "PNG")
    with pytest.raises(BadLabelMap, match="9000 x 9000 px and its image 4 x 3"):
        read_label_map(file.getvalue(), "bomb.png", width=4, height=3)


def test_an_empty_map_and_a_foreground_mask_are_taken_and_said():
    empty = read_label_map(png(np.zeros((3, 4), np.uint8)), "none.png", width=4, height=3)
    assert empty.cells == 0 and "holds no cell" in empty.notes[0]
    one = read_label_map(png(np.array([[0, 255, 255, 0]] * 3, np.uint8)), "mask.png", width=4, height=3)
    assert one.cells == 1 and "mask of the foreground" in one.notes[0]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("file", "image"),
    [("a.png", "a.tif"), ("A.TIF", "a.tif"), ("a_mask.png", "a.tif"), ("b_labels.tif", "b.png"),
     ("b_mask.png", "b_mask.png"),
     ("folder\\a.png", "a.tif"), ("Zellkern-a\u0308.png", "Zellkern-\u00e4.png")],
)  # fmt: skip
def test_a_file_finds_its_image_by_name(file, image):
    project = ProjectFactory()
    for name in ("a.tif", "b.png", "b_mask.png", "Zellkern-\u00e4.png"):
        ImageFactory(project=project, name=name)
    assert image_named(project, file).name == image


@pytest.mark.django_db
def test_a_file_that_fits_none_or_two_images_is_refused():
    project = ProjectFactory()
    for name in ("a.tif", "a.png"):
        ImageFactory(project=project, name=name)
    for file, words in (("c.png", "fits no image"), ("a.png", "fits 2 images")):
        with pytest.raises(Exception, match=words):
            image_named(project, file)


def upload(array, name="a.png"):
    return SimpleUploadedFile(name, png(array))


@pytest.fixture
def lab():
    """An image of 64 x 48 px in validation, its owner's API client, and the address of its masks."""
    owner = UserFactory()
    project = create_project(owner=owner, name="lab", classes=("nucleus",))
    image = ImageFactory(project=project, name="a.png", split=Split.VAL)
    client = APIClient()
    client.force_authenticate(owner)
    return owner, image, client, reverse("image-reference-masks", args=[image.pk])


def cells(*ids):
    array = np.zeros((48, 64), np.uint16)
    for place, one in enumerate(ids):
        array[4:12, 10 * place : 10 * place + 6] = one
    return array


@pytest.mark.django_db
def test_masks_are_replaced_only_on_purpose(lab, django_capture_on_commit_callbacks):
    _, image, client, url = lab
    assert client.post(url, {"masks": upload(cells(1, 2))}, format="multipart").json()["cells"] == 2
    declined = client.post(url, {"masks": upload(cells(7))}, format="multipart")
    assert_declined(declined, 409, code="masks_there")
    image.refresh_from_db()
    before = image.reference.name
    with django_capture_on_commit_callbacks(execute=True):
        made = client.post(url, {"masks": upload(cells(7, 8, 9)), "replace": "true"}, format="multipart").json()
    image.refresh_from_db()
    assert made["replaced"] and made["cells"] == 3
    assert not image.reference.storage.exists(before) and image.reference.storage.exists(image.reference.name)
    with django_capture_on_commit_callbacks(execute=True):
        assert client.delete(url).status_code == 200
    image.refresh_from_db()
    assert not image.reference and client.delete(url).status_code == 422


@pytest.mark.django_db
def test_masks_of_a_locked_set_keep_its_rules(lab):
    owner, image, client, url = lab
    client.post(url, {"masks": upload(cells(1))}, format="multipart")
    lock(project=image.project, by=owner)
    assert client.post(url, {"masks": upload(cells(1, 2))}, format="multipart").status_code == 409
    made = client.post(url, {"masks": upload(cells(1, 2)), "replace": "1"}, format="multipart").json()
    assert any("locked reference set 1" in note for note in made["notes"])
    assert lock(project=image.project, by=owner).number == 2


@pytest.mark.django_db
def test_masks_in_training_are_said_to_measure_nothing(lab):
    _, image, client, url = lab
    Image.objects.filter(pk=image.pk).update(split=Split.TRAIN)
    made = client.post(url, {"masks": upload(cells(1, 2))}, format="multipart").json()
    assert "is in training, so its masks measure nothing" in made["notes"][0]


@pytest.mark.django_db
def test_many_files_go_to_the_images_of_their_names_and_a_bad_one_stops_no_other(lab):
    _, image, client, _ = lab
    ImageFactory(project=image.project, name="b.png")
    files = [upload(cells(1), "a_mask.png"), upload(cells(1, 2), "b.png"), upload(cells(1), "c.png")]
    url = reverse("reference-mask-list", args=[image.project_id])
    answer = client.post(url, {"masks": files}, format="multipart")
    made = answer.json()
    assert answer.status_code == 201 and [one["cells"] for one in made["added"]] == [1, 2]
    assert "c.png fits no image" in made["declined"][0]["detail"]
    assert [row["name"] for row in client.get(url).json()["items"]] == ["a.png", "b.png"]


@pytest.mark.django_db
def test_the_models_page_takes_replaces_and_removes_masks():
    study = make_study()
    client = signed_in(study.people["manager"])
    add, remove = address(study, "add-reference-masks"), address(study, "remove-reference-masks")
    page = page_text(client.get(address(study, "project-models")))
    assert "Masks that people drew from scratch, for measuring" in page and "No image has reference masks." in page
    form = {"masks": upload(cells(1, 2)), "image": str(study.image.pk)}
    messages = toasts(client.post(add, form))
    assert f"{study.image.name}: 2 reference cells." in messages and any("in training" in m for m in messages)
    assert (
        "Confirm that they are to be replaced"
        in toasts(client.post(add, {"masks": upload(cells(1)), "image": study.image.pk}))[-1]
    )
    assert "Confirm" in toasts(client.post(remove))[-1]
    assert "are removed" in toasts(client.post(remove, {"confirmed": "1"}))[-1]
    study.image.refresh_from_db()
    assert not study.image.reference
    assert "Add reference masks" not in page_text(
        signed_in(study.people["viewer"]).get(address(study, "project-models"))
    )


@pytest.fixture
def short_trainings(monkeypatch, settings, tmp_path):
    settings.DATA_DIR = tmp_path
    for module in (centre, unet):
        few = replace(module.PRESETS["tiny"].schedule, steps=4, epoch=2)
        monkeypatch.setitem(module.PRESETS, "tiny", replace(module.PRESETS["tiny"], schedule=few, batch=1))


@pytest.mark.django_db(transaction=True)
def test_a_lab_measures_mask_quality_in_its_own_project(short_trainings, sent):
    """E1, through the API: images, reference masks, lock, round, figures, tuning, comparison of two rounds."""
    owner = UserFactory()
    project = create_project(owner=owner, name="own", classes=("nucleus",))
    client = APIClient()
    client.force_authenticate(owner)
    made = [tissue(128, 128, 14, seed=seed) for seed in range(2)]
    images = []
    for name, split, one in zip(("train.png", "judge.png"), ("train", "val"), made, strict=True):
        _, shown = upload_one(client, project, name, png_of(one.rgb), split=split)
        images.append(image_of(shown))
    annotate(images[0], owner, made[0].boxes)
    masks = SimpleUploadedFile("judge_mask.tif", tiff(made[1].labels.astype(np.uint32)))
    url = reverse("reference-mask-list", args=[project.pk])
    added = client.post(url, {"masks": masks}, format="multipart").json()["added"]
    assert added[0]["cells"] == len(made[1].boxes)
    images[1].refresh_from_db()
    assert (read_labels(images[1].reference.path) > 0).sum() == (made[1].labels > 0).sum()
    locked = client.post(reverse("reference-set-list", args=[project.pk]), {"origin": "scratch"}, format="json")
    assert locked.status_code == 201 and locked.json()["images"] == 1

    sent.clear()  # the uploads have been read above
    rounds = []
    for threshold in (0.3, 0.2):
        body = {"preset": "tiny", "changes": {"threshold": threshold}}
        started = client.post(reverse("round-list", args=[project.pk]), body, format="json")
        assert started.status_code == 202, started.json()
        rounds.append(started.json()["id"])
        run_all(tasks.run_stage, sent)
    found = client.get(reverse("round-detail", args=[rounds[0]])).json()
    assert found["state"] == "published", found["stages"]
    facts = next(stage for stage in found["stages"] if stage["kind"] == "evaluation")["facts"]
    assert 0 <= facts["masks"]["fused"]["dice"] <= 1 and facts["reference_images"] == 1
    compared = client.get(reverse("round-compare", args=[project.pk]), {"round": rounds}).json()
    assert compared["images"] == 1 and "pq" in compared["measures"]
    assert client.post(reverse("round-tuning", args=[rounds[0]])).status_code == 202
    tasks.tune_round(Tuning.objects.get(round=rounds[0]).pk)
    tuned = client.get(reverse("round-tuning", args=[rounds[0]])).json()
    assert tuned["state"] == "done" and tuned["images"] == 1 and tuned["rows"], tuned
