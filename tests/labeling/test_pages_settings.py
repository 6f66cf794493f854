"""The settings of a project: what may be changed after it was made, by whom, and what is refused."""

import io

import numpy as np
import PIL.Image
import pytest
from django.urls import reverse

from inference.masks import from_run_lengths, run_lengths
from inference.types import BoxMask
from labeling.errors import Invalid
from labeling.images.models import Split
from labeling.images.services import add_image, change_image
from labeling.projects.services import add_class
from tests.factories import ImageFactory, ProjectFactory
from tests.labeling.operations import cell
from tests.labeling.pages import address, draw, make_study, signed_in, toasts

pytestmark = pytest.mark.django_db


@pytest.fixture
def study():
    return make_study()


def images_form(*rows, shown=None):
    """shown: what the page had, where it is not what is sent."""
    data = {"form-TOTAL_FORMS": len(rows), "form-INITIAL_FORMS": len(rows)}
    for i, (row, was) in enumerate(zip(rows, shown or [("", "", "")] * len(rows), strict=True)):
        for name, value, before in zip(("group", "um_per_px", "split"), row, was, strict=True):
            data |= {f"form-{i}-{name}": value, f"initial-form-{i}-{name}": before}
        for name in ("scanner", "site", "stain"):
            data |= {f"form-{i}-{name}": "", f"initial-form-{i}-{name}": ""}
    return data


def test_a_project_gets_other_words(study):
    page = address(study, "project-settings")
    owner = signed_in(study.people["owner"])
    owner.post(page, {"name": "Colon", "description": "glands", "records_activity": ""})
    study.project.refresh_from_db()
    assert (study.project.name, study.project.description, study.project.records_activity) == ("Colon", "glands", False)
    answer = owner.post(page, {"name": " ", "description": "lost?"})
    assert answer.status_code == 422 and "A project needs a name" in answer.content.decode()
    assert "lost?" in answer.content.decode()


def test_only_an_owner_decides_whether_working_time_is_recorded(study):
    page = address(study, "project-settings")
    manager = signed_in(study.people["manager"])
    assert study.project.records_activity
    assert "Only an owner changes this" in manager.get(page).content.decode()
    assert manager.post(page, {"name": "Colon"}).status_code == 302  # its box is not sent, since it is disabled
    study.project.refresh_from_db()
    assert (study.project.name, study.project.records_activity) == ("Colon", True)


def test_a_class_is_renamed_recoloured_and_removed_while_no_cell_has_it(study):
    owner = signed_in(study.people["owner"])
    first = study.project.classes.get()
    second, third = add_class(project=study.project, name="stroma"), add_class(project=study.project, name="tumour")

    def post(made, **data):
        page = reverse("settings-class", args=[study.project.pk, made.pk])
        return " ".join(toasts(owner.post(page, data, follow=True)))

    post(third, name="Tumour", color="#112233")
    third.refresh_from_db()
    assert (third.name, third.color) == ("Tumour", "#112233")
    assert "taken" in post(third, name="STROMA", color="#112233")
    assert "valid value" in post(third, name="Tumour", color="red")
    draw(study.image, study.people["owner"], cell(label_class=second.pk))
    assert "1 cell has the class stroma; give another one" in post(second, remove="1")
    post(first, remove="1")
    assert [(c.name, c.position) for c in study.project.classes.all()] == [("stroma", 1), ("Tumour", 2)]
    post(third, remove="1")
    assert "keeps at least one class" in post(second, remove="1")


def test_what_was_said_of_images_is_mended_for_all_or_for_none(study):
    owner = signed_in(study.people["owner"])
    second = ImageFactory(project=study.project, group="slide 1")
    page = reverse("settings-images", args=[study.project.pk])
    answer = owner.post(page, images_form(("slide 9", "0.25", "val"), ("slide 9", "-3", "train")))
    assert answer.status_code == 422 and "µm per pixel must be at least 0.001" in answer.content.decode()
    study.image.refresh_from_db()
    assert study.image.split == Split.TRAIN
    assert "2 images changed." in toasts(
        owner.post(page, images_form(("slide 9", "0.25", "val"), ("slide 8", "", "train")), follow=True)
    )
    study.image.refresh_from_db()
    second.refresh_from_db()
    assert (study.image.group, study.image.um_per_px, study.image.split) == ("slide 9", 0.25, Split.VAL)
    assert (second.group, second.um_per_px) == ("slide 8", None)
    rows = ("slide 9", "0.25", "val"), ("slide 8", "", "train")
    assert "0 images changed." in toasts(owner.post(page, images_form(*rows, shown=rows), follow=True))
    with pytest.raises(Invalid, match="split must be one of"):
        change_image(image=second, group="", um_per_px=None, split="holdout")


def test_an_older_page_does_not_undo_what_a_colleague_changed_since(study):
    shown = ("slide 1", "", "train")
    change_image(image=study.image, group="slide 1", um_per_px=None, split="test")  # after the page was opened
    mine = images_form(("slide 2", "", "train"), shown=[shown])
    signed_in(study.people["owner"]).post(reverse("settings-images", args=[study.project.pk]), mine)
    study.image.refresh_from_db()
    assert (study.image.group, study.image.split) == ("slide 2", "test")


def test_a_photograph_stands_as_it_was_held():
    pixels = np.zeros((4, 9, 3), np.uint8)
    pixels[0] = 255  # the first row; turned by 90 degrees it is the last column
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    PIL.Image.fromarray(pixels).save(file, "PNG", exif=exif)
    image = add_image(project=ProjectFactory(), name="a.png", content=file.getvalue())
    assert (image.width, image.height) == (4, 9)
    with image.pixels.open() as stored:
        assert (np.asarray(PIL.Image.open(stored))[:, -1] == 255).all()


@pytest.mark.parametrize("at", [(0, 0), (5, 3), (7, 6)])
def test_run_lengths_of_a_cell_are_those_of_the_whole_image(at):
    bits = np.array([[1, 0, 1], [1, 1, 0], [0, 0, 0], [1, 1, 1]], bool)
    whole = np.zeros((10, 10), bool)
    whole[at[1] : at[1] + 4, at[0] : at[0] + 3] = bits
    counts = run_lengths(BoxMask(*at, bits), 10, 10)
    assert sum(counts) == 100 and all(n > 0 for n in counts[1:])
    assert (from_run_lengths(counts, 10, 10) == whole).all()
