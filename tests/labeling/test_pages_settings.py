"""The settings of a project: what may be changed after it was made, by whom, and what is refused."""

import io

import numpy as np
import PIL.Image
import pytest
from django.urls import reverse

from inference.masks import from_run_lengths, run_lengths
from inference.types import BoxMask
from labeling.errors import Invalid
from labeling.images.facts import change_image
from labeling.images.models import Split
from labeling.images.services import add_image
from labeling.projects.classes import add_class
from tests.factories import ImageFactory, ProjectFactory
from tests.labeling.operations import cell
from tests.labeling.pages import address, draw, make_study, page_text, signed_in, toasts

pytestmark = pytest.mark.django_db


@pytest.fixture
def study():
    return make_study()


def images_form(*rows, shown=None):
    """shown: what the page had, where it is not what is sent."""
    data = {"form-TOTAL_FORMS": len(rows), "form-INITIAL_FORMS": len(rows)}
    for i, (row, was) in enumerate(zip(rows, shown or [("", "", "")] * len(rows), strict=True)):
        for name, value, before in zip(("patient", "um_per_px", "split"), row, was, strict=True):
            data |= {f"form-{i}-{name}": value, f"initial-form-{i}-{name}": before}
        for name in ("centre", "block", "slide", "scanner", "stain"):
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
    draw(study.image, study.people["owner"], cell(label_class=second.pk))
    # How many cells is not said: an owner who reads an image blindly would count the other reader's.
    declined = post(second, remove="1")
    assert declined.startswith("The class stroma is in use; merge it into another one") and "2" not in declined
    post(first, remove="1")
    assert [(c.name, c.position) for c in study.project.classes.all()] == [("stroma", 1), ("Tumour", 2)]
    post(third, remove="1")
    assert "keeps at least one class" in post(second, remove="1")


def test_what_was_said_of_images_is_mended_for_all_or_for_none(study):
    owner = signed_in(study.people["owner"])
    second = ImageFactory(project=study.project, patient="slide 1")
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
    assert (study.image.patient_label, study.image.um_per_px, study.image.split) == ("slide 9", 0.25, Split.VAL)
    assert (second.patient_label, second.um_per_px) == ("slide 8", None)
    rows = ("slide 9", "0.25", "val"), ("slide 8", "", "train")
    assert "0 images changed." in toasts(owner.post(page, images_form(*rows, shown=rows), follow=True))
    with pytest.raises(Invalid, match="split must be one of"):
        change_image(image=second, patient="", um_per_px=None, split="holdout")


def test_an_older_page_does_not_undo_what_a_colleague_changed_since(study):
    shown = ("slide 1", "", "train")
    change_image(
        image=study.image, patient="slide 1", um_per_px=None, split="test", reason="r"
    )  # after the page was opened
    mine = images_form(("slide 2", "", "train"), shown=[shown])
    signed_in(study.people["owner"]).post(reverse("settings-images", args=[study.project.pk]), mine)
    study.image.refresh_from_db()
    assert (study.image.patient_label, study.image.split) == ("slide 2", "test")


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


def test_patients_are_moved_assigned_and_read_from_names_on_the_page(study):
    owner = signed_in(study.people["owner"])
    page = reverse("settings-patients", args=[study.project.pk])
    second = ImageFactory(project=study.project, name="Graz_08_1.png", patient="9")
    patient = study.image.patient_id

    def post(**data):
        return " ".join(toasts(owner.post(page, data, follow=True)))

    assert "would move into or out of test" in post(act="move", patient=patient, split="test")
    moved = post(act="move", patient=patient, split="test", reason="consent")
    assert "slide 7 moved from train to test" in moved and "consent" in moved
    assert "Choose a patient." in post(act="move")
    shares = {"train": 0, "val": 1, "test": 0, "seed": 1}
    assert "Patients and single images that would move: 1. Then:" in post(act="assign", preview=1, **shares)
    assert "The test part is sealed and stays as it is." in post(act="assign", **shares)
    second.refresh_from_db()
    assert second.split == Split.VAL
    pattern = {"act": "names", "pattern": "{centre}_{patient}_{slide}.png"}
    assert "Names that fit: 1; that do not: 1; images that change: 1. For example Graz_08_1.png: centre: Graz" in post(
        preview=1, **pattern
    )
    post(**pattern)
    second = study.project.images.with_specimens().get(pk=second.pk)
    assert (second.patient_label, second.slide) == ("Graz / 08", "1")
    assert "{plate} is unknown" in post(act="names", pattern="{plate}.png")
    shown = page_text(owner.get(address(study, "project-settings")))
    assert "Graz / 08" in shown and "Changes of splits" in shown and "The test patients are sealed" in shown


def test_images_are_deleted_restored_and_cleaned_up_on_the_page(study):
    owner = signed_in(study.people["owner"])
    page = reverse("settings-storage", args=[study.project.pk])
    second = ImageFactory(project=study.project)

    def post(**data):
        return " ".join(toasts(owner.post(page, data, follow=True)))

    assert "Tick the images first." in post(act="delete")
    assert "1 image deleted. It can be restored for 30 days." in post(act="delete", chosen=[second.pk])
    shown = page_text(owner.get(address(study, "project-settings")))
    assert f"Restore {second.name}" in shown and "They can be restored for 30 days" in shown
    assert "1 image restored." in post(act="restore", image=second.pk)
    assert study.project.images.count() == 2
    assert "Tick what shall be removed." in post(act="clean")
    assert "Would free 0 MiB." in post(act="clean", kinds=["tiles"], preview=1)
    assert post(act="nothing") == ""
