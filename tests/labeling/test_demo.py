"""The demo's boxes lie on nuclei, and its loaders load all or nothing, once."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from django.core.management import CommandError, call_command

from labeling.annotations.models import ActivityBatch, Annotation, Layer, Operation
from labeling.exchange import datasets, demo
from labeling.exchange.seeding import CannotLoad
from labeling.images.models import Image
from labeling.projects.models import Project, Role
from labeling.rounds.models import Round
from tests.factories import ProjectFactory, UserFactory

FIELDS = {field["name"]: field for field in demo.seed()["fields"]}
ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("BOXWISE_DATA") or ROOT / "../shared/data").resolve()


@pytest.fixture
def owner(db):
    return UserFactory(username="lead", is_superuser=True)


def load(*arguments, **options):
    out = io.StringIO()
    call_command("load_demo", *arguments, stdout=out, **options)
    return out.getvalue()


def snapshot_of_everything():
    return (
        list(Project.objects.order_by("pk").values()),
        list(Image.objects.order_by("pk").values()),
        list(Annotation.objects.order_by("pk").values()),
        list(Operation.objects.order_by("pk").values()),
        list(Round.objects.order_by("pk").values()),
    )


# -- the boxes


@pytest.mark.parametrize("name", FIELDS)
def test_every_box_lies_in_its_field_and_none_is_there_twice(name):
    field = FIELDS[name]
    width, height = field["size"]
    boxes = [tuple(b) for kind in ("cells", "cannot_tell", "exhaustive", "ignore") for b in field[kind]]
    assert all(0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height for x0, y0, x1, y1 in boxes)
    assert len(set(boxes)) == len(boxes)


def test_no_two_cells_are_one_nucleus():
    for field in FIELDS.values():
        cells = np.array(field["cells"], float).reshape(-1, 4)
        low = np.maximum(cells[:, None, :2], cells[None, :, :2])
        high = np.minimum(cells[:, None, 2:], cells[None, :, 2:])
        shared = np.prod(np.clip(high - low, 0, None), axis=2)
        area = np.prod(cells[:, 2:] - cells[:, :2], axis=1)
        iou = shared / (area[:, None] + area[None, :] - shared)
        np.fill_diagonal(iou, 0)
        assert iou.max(initial=0) < 0.4, field["name"]


def test_the_fields_tile_the_image_and_serve_training_validation_and_proposals():
    covered = np.zeros((512, 512), int)
    for field in FIELDS.values():
        demo.crop(covered, field)[...] += 1
    assert (covered == 1).all()
    annotated = [f for f in FIELDS.values() if f["exhaustive"]]
    assert [f["split"] for f in annotated].count("train") >= 2
    assert [f["split"] for f in annotated].count("val") >= 1
    assert any(f["split"] == "train" and not f["exhaustive"] for f in FIELDS.values())
    assert 120 <= sum(len(f["cells"]) for f in FIELDS.values()) <= 250


def test_every_exhaustive_region_holds_cells_and_is_not_a_whole_field():
    for field in FIELDS.values():
        centres = [((x0 + x1) / 2, (y0 + y1) / 2) for x0, y0, x1, y1 in field["cells"]]
        for x0, y0, x1, y1 in field["exhaustive"]:
            assert sum(x0 <= x < x1 and y0 <= y < y1 for x, y in centres) >= 5
            assert [x0, y0, x1, y1] != [0, 0, *field["size"]]


def test_the_boxes_lie_on_hematoxylin():
    """The stain is unmixed (Ruifrok & Johnston 2001, by scikit-image); what lies in another box is not surroundings."""
    from skimage.color import rgb2hed

    hematoxylin = rgb2hed(demo.whole_image())[..., 0]
    richer = []
    for field in FIELDS.values():
        stain = demo.crop(hematoxylin, field)
        accepted = np.zeros(stain.shape, bool)
        for x0, y0, x1, y1 in field["cells"] + field["cannot_tell"]:
            accepted[y0:y1, x0:x1] = True
        for x0, y0, x1, y1 in field["cells"]:
            around = np.zeros(stain.shape, bool)
            around[max(0, y0 - 4) : y1 + 4, max(0, x0 - 4) : x1 + 4] = True
            richer.append(stain[y0:y1, x0:x1].mean() > stain[around & ~accepted].mean())
    assert np.mean(richer) >= 0.9


def test_another_image_than_the_one_that_was_boxed_is_refused(monkeypatch):
    monkeypatch.setitem(demo.seed(), "pixels_sha256", "0" * 64)
    with pytest.raises(CannotLoad, match=r"requirements\.lock"):
        demo.whole_image()


# -- the demo project


def test_the_demo_is_loaded_as_real_operations_of_its_owner(owner):
    printed = load("--no-round")
    project = Project.objects.get()
    images = list(project.images.all())
    assert (project.name, project.role_of(owner), project.records_activity) == (demo.NAME, Role.OWNER, True)
    assert [c.name for c in project.classes.all()] == ["nucleus"]
    assert {i.patient_label for i in images} == {f"slide {demo.SLIDE}"} and {i.um_per_px for i in images} == {None}
    cells = Annotation.objects.filter(kind="cell", status="confirmed")
    assert cells.count() == sum(len(f["cells"]) for f in FIELDS.values())
    assert set(cells.values_list("label_class__name", "author__username")) == {("nucleus", "lead")}
    assert set(Operation.objects.values_list("tool", "author__username")) == {("seed", "lead")}
    assert Operation.objects.count() == Annotation.objects.count()
    for layer in Layer.objects.all():  # the log is whole
        assert list(layer.operations.order_by("seq").values_list("seq", flat=True)) == [*range(1, layer.head.seq + 1)]
    assert not ActivityBatch.objects.exists()  # nobody's working time
    assert not Round.objects.exists()
    assert "4 fields" in printed and str(cells.count()) in printed
    assert "No pathologist has reviewed" in project.description


def test_a_second_load_changes_nothing(owner):
    load()
    first = snapshot_of_everything()
    printed = load()
    assert snapshot_of_everything() == first
    assert "there already" in printed


def test_the_first_round_starts_once_even_when_it_was_put_off(owner):
    load("--no-round")
    load()
    load()
    round_ = Round.objects.get()
    assert (round_.preset, round_.started_by, round_.number) == ("quick", owner, 1)
    splits = round_.snapshot.summary["splits"]
    assert (splits["train"]["annotated"], splits["val"]["annotated"]) == (2, 1)
    assert round_.snapshot.summary["same_patient_in_training_and_evaluation"] == [f"slide {demo.SLIDE}"]


def test_a_project_of_the_same_name_that_belongs_to_somebody_else_is_left_alone(owner):
    foreign = ProjectFactory(name=demo.NAME)
    load("--no-round")
    assert Project.objects.filter(name=demo.NAME).count() == 2
    assert not foreign.images.exists()


def test_without_an_owner_there_is_a_sentence_and_no_project(db):
    UserFactory(username="ann")
    with pytest.raises(CommandError, match="createsuperuser"):
        load()
    with pytest.raises(CommandError, match="nobody called bob"):
        load("--owner", "bob")
    assert not Project.objects.exists()
    load("--owner", "ann", "--no-round")
    assert Project.objects.get().role_of(UserFactory._meta.model.objects.get(username="ann")) == Role.OWNER


def test_synthetic_images_say_so(owner):
    load("--no-round", "--synthetic", "3")
    project = Project.objects.get(name__startswith="Synthetic")
    images = list(project.images.all())
    assert len(images) == 3 and all(i.synthetic and "synthetic" in i.name for i in images)
    assert "Synthetic" in project.description
    assert [i.split for i in images] == ["train", "val", "train"]
    assert [bool(i.reference) for i in images] == [False, True, False]
    assert Annotation.objects.filter(layer__image=images[0], kind="cell").count() > 10
    assert not Annotation.objects.filter(layer__image=images[2]).exists()
    assert not any(i.synthetic for i in Project.objects.get(name=demo.NAME).images.all())


def test_a_refused_number_of_synthetic_images_undoes_the_demo_too(owner):
    with pytest.raises(CommandError, match="--synthetic"):
        load("--synthetic", "0")
    assert not Project.objects.exists()


# -- a data set in a folder


@pytest.fixture
def folder(tmp_path):
    """Five training images of 40 x 30 px and one for validation, two square cells on each."""
    names = [f"0{patient}_{number}" for patient in (1, 2) for number in (1, 2, 3)]
    for kind in ("images", "labels"):
        (tmp_path / kind).mkdir()
    for number, name in enumerate(names):
        rgb = np.random.default_rng(number).integers(0, 256, (30, 40, 3), np.uint8)
        labels = np.zeros((30, 40), np.uint16)
        labels[5:12, 4:10], labels[15:25, 20:33] = 1, 2
        PIL.Image.fromarray(rgb).save(tmp_path / "images" / f"{name}.png")
        PIL.Image.fromarray(labels).save(tmp_path / "labels" / f"{name}.png")
    about = {
        "name": "Tiny set",
        "mpp": "0.25",
        "license": "CC0",
        "splits": {"by": "patient (first two digits)", "train": names[:5], "val": names[5:]},
    }
    (tmp_path / "dataset.json").write_text(json.dumps(about))
    return tmp_path


def rewrite(folder, **changes):
    path = folder / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_data_set_is_loaded_with_boxes_splits_groups_and_references(owner, folder):
    printed = load("--data", str(folder), "--no-round")
    project = Project.objects.get()
    images = {i.name: i for i in project.images.all()}
    assert project.name.startswith("Tiny set") and "CC0" in project.description
    assert [(n, i.split, i.patient_label, i.um_per_px) for n, i in images.items()] == [
        ("01_1.png", "train", "01", 0.25),
        ("02_1.png", "train", "02", 0.25),
        ("01_2.png", "train", "01", 0.25),
        ("02_2.png", "train", "02", 0.25),
        ("01_3.png", "train", "01", 0.25),
        ("02_3.png", "val", "02", 0.25),
    ]
    with images["01_1.png"].reference.open() as file:
        assert np.array_equal(np.unique(np.asarray(PIL.Image.open(file))), [0, 1, 2])
    rows = Annotation.objects.filter(layer__image=images["02_3.png"]).order_by("kind", "x0")
    assert [(r.kind, r.status, r.x0, r.y0, r.x1, r.y1) for r in rows] == [
        ("cell", "confirmed", 4, 5, 10, 12),
        ("cell", "confirmed", 20, 15, 33, 25),
        ("region", "exhaustive", 0, 0, 40, 30),
    ]
    assert all(r.mask_bits is None for r in rows)  # the reference is for evaluation only
    assert not Annotation.objects.filter(layer__image=images["01_3.png"]).exists()
    assert "5 of 5 training images" in printed and "all 1 for validation" in printed
    before = snapshot_of_everything()
    load("--data", str(folder), "--no-round")
    assert snapshot_of_everything() == before


def test_the_number_of_training_images_can_be_chosen(owner, folder):
    load("--data", str(folder), "--no-round", "--images", "2")
    assert [i.name for i in Image.objects.all()] == ["01_1.png", "02_1.png", "02_3.png"]
    assert Annotation.objects.filter(layer__image__name="02_1.png").count() == 0


def test_of_several_kinds_one_is_loaded(owner, folder):
    names = sorted(p.stem for p in (folder / "images").iterdir())
    rewrite(folder, per_image={n: {"kind": "grey" if n.startswith("02") else "purple"} for n in names}, splits={})
    load("--data", str(folder), "--no-round", "--kind", "grey")
    assert {i.name[:2] for i in Image.objects.all()} == {"02"}
    with pytest.raises(CommandError, match=r"dataset\.json has no images of kind blue; it has purple, grey"):
        load("--data", str(folder), "--kind", "blue")


def test_a_round_starts_on_a_data_set(owner, folder):
    load("--data", str(folder))
    assert Round.objects.get().snapshot.summary["splits"]["val"]["cells"] == 2


def drop_labels(folder):
    (folder / "labels" / "02_3.png").unlink()


def shrink_labels(folder):
    PIL.Image.fromarray(np.ones((30, 39), np.uint16)).save(folder / "labels" / "02_3.png")


def break_image(folder):
    (folder / "images" / "02_3.png").write_bytes(b"nothing")


def colour_labels(folder):
    PIL.Image.fromarray(np.ones((30, 40, 3), np.uint8)).save(folder / "labels" / "02_3.png")


FAULTS = {
    "no folder": (lambda f: f.rename(f.with_name("elsewhere")), "there is no folder"),
    "no dataset.json": (lambda f: (f / "dataset.json").unlink(), r"has no dataset\.json"),
    "no images": (lambda f: [p.unlink() for p in (f / "images").iterdir()], "images holds no PNG"),
    "no JSON": (lambda f: (f / "dataset.json").write_text("{"), r"dataset\.json is no JSON"),
    "a list": (lambda f: (f / "dataset.json").write_text("[]"), r"dataset\.json must be an object"),
    "no training image": (lambda f: rewrite(f, splits={"train": []}), "names no image for training"),
    "an image missing": (lambda f: (f / "images" / "01_2.png").unlink(), r"images/01_2\.png is missing, though"),
    "labels missing": (drop_labels, r"labels/02_3\.png is missing"),
    "labels of another size": (shrink_labels, r"02_3\.png has 39 x 30 px .* has 40 x 30; export"),
    "labels in colour": (colour_labels, r"02_3\.png has 3 dimensions"),
    "a damaged image": (break_image, r"02_3\.png cannot be read"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_data_set_is_refused_in_one_sentence_and_nothing_is_loaded(fault, owner, folder):
    spoil, sentence = FAULTS[fault]
    spoil(folder)
    with pytest.raises(CommandError, match=sentence) as reason_declined:
        load("--data", str(folder))
    assert "\n" not in str(reason_declined.value)
    assert not Project.objects.exists() and not Image.objects.exists()


def test_a_real_data_set_stays_within_the_budget_of_a_round(owner):
    path = DATA / "tnbc"
    if not path.is_dir():
        pytest.skip(f"no data set tnbc in {DATA} (BOXWISE_DATA)")
    chosen = datasets.choose(*datasets.read_folder(path)[:2], None)
    assert (len(chosen.train) + len(chosen.open) + len(chosen.val)) * 512 * 512 <= datasets.ROUND_PIXELS
    assert len(chosen.val) == 5 and chosen.open
    assert {n[:2] for n in chosen.train + chosen.open} == {"01", "02", "04", "06", "07", "09", "10"}
    load("--data", str(path), "--no-round", "--images", "2")
    project = Project.objects.get()
    val = [i for i in project.images.all() if i.split == "val"]
    assert len(val) == 5 and {i.patient_label for i in val} == {"03"} and project.images.count() == 7
    cells = {
        i.name: Annotation.objects.filter(layer__image=i, kind="cell").count()
        for i in project.images.order_by("position")
    }
    assert cells["01_1.png"] == 69 and cells["02_1.png"] == 0 and cells["03_2.png"] == 103


def test_the_command_brings_no_torch():
    """docs/design.md, idea 4; docs/decisions/torch_free_leaves.md."""
    script = (
        "import sys, django; django.setup(); import labeling.management.commands.load_demo; "
        "sys.exit(', '.join(sorted({'torch', 'torchvision', 'ultralytics'} & set(sys.modules))) or 0)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=os.environ, cwd=ROOT, check=False
    )
    assert answer.returncode == 0, answer.stderr
