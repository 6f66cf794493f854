"""What is said of an image's origin: stated one by one, for many, by a table, by the API, and read from files."""

import csv
import io
import json
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from rest_framework.test import APIClient

from inference.datasets import data_root
from inference.reading import identify
from labeling.errors import Invalid
from labeling.exchange.datasets import load_dataset
from labeling.exchange.image_tables import BadTable, as_table, take_table
from labeling.images.facts import change_images, stated
from labeling.images.models import Image
from labeling.images.services import add_image
from tests.declined import assert_declined
from tests.factories import ImageFactory, ProjectFactory, UserFactory, png
from tests.labeling.pages import make_study, page_text, signed_in, toasts
from tests.labeling.uploads import read_uploads

pytestmark = pytest.mark.django_db


def tiff(**tags: str) -> bytes:
    numbers = {"make": 271, "model": 272, "description": 270}
    file = io.BytesIO()
    picture = PIL.Image.fromarray(np.random.default_rng(1).integers(0, 256, (8, 8, 3), np.uint8))
    picture.save(file, "TIFF", tiffinfo={numbers[name]: value for name, value in tags.items()})
    return file.getvalue()


@pytest.mark.parametrize(
    ("tags", "scanner"),
    [
        ({"make": "Hamamatsu", "model": "C9600-12"}, "Hamamatsu C9600-12"),
        ({"make": "Leica", "model": "Leica  SCN400\n"}, "Leica SCN400"),
        ({"description": "Aperio Leica v1|AppMag = 40|ScannerType = GT450|ScanScope ID = SS45"}, "Aperio GT450 SS45"),
        ({"description": "Aperio Image Library v12|AppMag = 20|User = somebody"}, ""),
        ({"description": '<OME><Microscope Manufacturer="Zeiss" Model="Axio Scan.Z1"/></OME>'}, "Zeiss Axio Scan.Z1"),
        ({"description": '<scn><device model="Leica SCN400;1.4" version="1"/></scn>'}, "Leica SCN400"),
        ({"description": '<Attribute Name="DICOM_MANUFACTURER" Group="0x08">PHILIPS</Attribute>'}, "PHILIPS"),
        ({"description": '<Scan ScannerModel="VENTANA DP 200"/>'}, "VENTANA DP 200"),
        ({"description": "a field of colon"}, ""),
    ],
)  # fmt: skip
def test_the_scanner_is_read_where_a_file_names_it(tags, scanner):
    assert scanner_of(tiff(**tags)) == scanner


def scanner_of(content: bytes) -> str:
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        return identify(Path(file.name)).scanner


def test_what_says_nothing_has_no_scanner_and_a_hostile_text_costs_no_time():
    assert scanner_of(png()) == ""
    assert scanner_of(tiff(description="<Microscope " * 9_000 + "<device " * 9_000)) == ""


def test_a_real_slide_file_states_its_scanner_and_what_somebody_states_goes_first():
    root = data_root()
    if root is None or not (root / "wsi_samples" / "small_HE.svs").exists():
        pytest.skip("BOXWISE_DATA holds no wsi_samples/small_HE.svs")
    content = (root / "wsi_samples" / "small_HE.svs").read_bytes()
    assert add_image(project=ProjectFactory(), name="a.svs", content=content).scanner == "Aperio CPAPERIOCS"
    stated = add_image(project=ProjectFactory(), name="a.svs", content=content, scanner=" the  old one ", stain="H&E")
    assert (stated.scanner, stated.stain, stated.centre) == ("the old one", "H&E", None)


@pytest.fixture
def project():
    project = ProjectFactory()
    for name in ("a.png", "b.png", "c.png"):
        ImageFactory(project=project, name=name, patient=name[0], stain="H&E")
    return project


def rows(project, *names):
    """What is stated of the images, by name."""
    found = []
    for image in Image.objects.filter(project=project).with_specimens().order_by("name"):
        specimen = asdict(image.specimen)
        found.append(tuple(specimen[name] if name in specimen else getattr(image, name) for name in names))
    return found


def test_a_table_says_what_it_says_and_leaves_what_it_does_not_name(project):
    table = (
        "\ufeffImage;Scanner;Centre\r\nc.png;GT450;Köln\r\n\r\na.png;GT450;\r\n"  # as a German spreadsheet writes it
    )
    assert take_table(project=project, content=table.encode()) == 2
    assert rows(project, "scanner", "centre", "stain") == [
        ("GT450", "", "H&E"),
        ("", "", "H&E"),
        ("GT450", "Köln", "H&E"),
    ]
    assert take_table(project=project, content=table.encode()) == 0
    assert take_table(project=project, content=b"image,stain\na.png,\nb.png,H&E\n") == 1  # an empty cell: not stated
    assert [stain for (stain,) in rows(project, "stain")] == ["", "H&E", "H&E"]


@pytest.mark.parametrize(
    ("table", "faults"),
    [
        (b"", ["The table is empty."]),
        (b"image,scanner\na.png,X\nb.\xff,Y\n", ["Line 3 is not UTF-8"]),
        (b"scanner,stain\nX,Y\n", ["Line 1: the column “image” is missing"]),
        (b"image\na.png\n", ["there is no column"]),
        (b"image,camera,scanner,scanner\na.png,1,X,Y\n", ["camera", "scanner” stands there twice"]),
        (
            b'image,scanner\na.png,X\nz.png,X\n"b.png","two\nlines"\nb.png,Y\nc.png,X,Y\nc.png,' + b"x" * 201,
            [
                "Line 3: no image of this project is called “z.png", "Line 6: “b.png” stands in the table twice",
                "Line 7: it has 3 cells, the header 2", "Line 8: scanner is longer than 200",
            ],
        ),
    ],
)  # fmt: skip
def test_a_table_with_a_bad_line_changes_nothing_and_every_bad_line_is_named(project, table, faults):
    with pytest.raises(BadTable) as error:
        take_table(project=project, content=table)
    assert len(error.value.lines) == len(faults)
    for line, fault in zip(error.value.lines, faults, strict=True):
        assert fault in line
    assert rows(project, "scanner", "stain") == [("", "H&E")] * 3


def test_an_image_whose_name_another_one_has_is_not_guessed(project):
    ImageFactory(project=project, name="a.png")
    with pytest.raises(BadTable, match="Line 2: 2 images are called"):
        take_table(project=project, content=b"image,scanner\na.png,X\n")


def test_the_table_goes_out_and_comes_back_the_same(project):
    change_images(
        project=project, images=[project.images.first().pk], scanner="=1+1", centre="O'Hara", patient='a "b", c'
    )
    ImageFactory(project=project, name="-d.png")
    content = as_table(project)
    lines = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
    assert lines[:2] == [
        ["image", "centre", "patient", "block", "slide", "scanner", "stain", "tags", "split"],
        ["a.png", "O'Hara", 'a "b", c', "", "", "'=1+1", "H&E", "", "train"],
    ]  # fmt: skip
    assert take_table(project=project, content=content) == 0
    assert take_table(project=project, content=content.replace(b"'=1+1", b"'=2")) == 1
    assert rows(project, "scanner")[1] == ("=2",)  # "-d.png" sorts first


def test_many_images_are_changed_or_none(project):
    first, second, _ = project.images.all()
    assert change_images(project=project, images=[first.pk, second.pk], scanner="  GT450\x00 AT2 ") == 2
    with pytest.raises(Invalid, match="not in this project"):
        change_images(project=project, images=[first.pk, ImageFactory().pk], scanner="other")
    with pytest.raises(Invalid, match="no sha256 that can be changed"):
        change_images(project=project, images=[first.pk], sha256="0")
    assert [scanner for (scanner,) in rows(project, "scanner")] == ["GT450 AT2", "GT450 AT2", ""]
    assert stated(project) == {
        "scanner": ["GT450 AT2"], "centre": [], "stain": ["H&E"], "patient": ["a", "b", "c"], "block": [], "slide": [],
    }  # fmt: skip


def test_the_api_states_for_one_for_many_and_by_table(project):
    owner = UserFactory()
    project.memberships.create(user=owner, role="owner")
    client = APIClient()
    client.force_authenticate(owner)
    first, second, third = (image.pk for image in project.images.all())
    one = client.patch(f"/api/v1/images/{first}/", {"scanner": "GT450", "centre": "Graz"}, format="json")
    assert (one.json()["scanner"], one.json()["centre"], one.json()["stain"]) == ("GT450", "Graz", "H&E")
    many = client.patch(
        f"/api/v1/projects/{project.pk}/images/", {"images": [second, third], "stain": "PAS"}, format="json"
    )
    assert many.json() == {"changed": 2, "alike": []}
    answer = client.patch(f"/api/v1/projects/{project.pk}/images/", {"images": [], "stain": "PAS"}, format="json")
    assert answer.status_code == 422
    listed = client.get(f"/api/v1/projects/{project.pk}/images/").json()["items"]
    assert [(i["scanner"], i["stain"]) for i in listed] == [("GT450", "H&E"), ("", "PAS"), ("", "PAS")]
    address = f"/api/v1/projects/{project.pk}/images/table/"
    table = SimpleUploadedFile("t.csv", b"image,centre\nz,1\nb.png,2\ny,3\n")
    bad = client.post(address, {"table": table}, format="multipart")
    assert_declined(bad, 422, code="bad_table")
    assert [line[:6] for line in bad.json()["lines"]] == ["Line 2", "Line 4"]
    table = SimpleUploadedFile("t.csv", client.get(address).content)
    good = client.post(address, {"table": table}, format="multipart")
    assert good.json() == {"changed": 0}


def test_the_settings_page_sets_ticked_images_all_images_and_takes_a_table():
    study = make_study()
    owner = signed_in(study.people["owner"])
    second = ImageFactory(project=study.project, name="second.png")
    many = reverse("settings-many-images", args=[study.project.pk])
    answer = owner.post(many, {"factor": "scanner", "value": "GT450", "chosen": [second.pk]}, follow=True)
    assert "1 image changed." in toasts(answer)
    page = page_text(answer)
    assert '<option value="GT450" label="Scanner">' in page and f'value="{second.pk}" form="many"' in page
    owner.post(many, {"factor": "centre", "value": "Graz", "all": "1"})
    assert sorted(rows(study.project, "scanner", "centre")) == [("", "Graz"), ("GT450", "Graz")]
    assert "Tick the images first, or set it for all." in toasts(owner.post(many, {"factor": "centre"}, follow=True))
    assert "no sha256" in toasts(owner.post(many, {"factor": "sha256", "all": "1"}, follow=True))[0]
    table = reverse("settings-image-table", args=[study.project.pk])
    bad = owner.post(table, {"table": SimpleUploadedFile("t.csv", b"image,centre\nsecond.png,X\nnone.png,X\n")})
    assert bad.status_code == 422 and "Line 3: no image of this project is called “none.png”." in bad.content.decode()
    assert (second.refresh_from_db(), second.specimen.centre) == (None, "Graz")
    owner.post(table, {"table": SimpleUploadedFile("t.csv", b"image,centre\nsecond.png,X\n")})
    assert (second.refresh_from_db(), second.specimen.centre) == (None, "X")
    assert owner.post(table).status_code == 422
    assert signed_in(study.people["annotator"]).post(many, {"factor": "centre", "all": "1"}).status_code == 403


def test_an_upload_says_it_for_all_its_files():
    study = make_study()
    files = [
        SimpleUploadedFile("new.png", png(seed=99)),
        SimpleUploadedFile("old.tif", tiff(make="Zeiss", model="Axio")),
    ]
    common = {"split": "train", "centre": "Graz", "stain": "PAS"}
    signed_in(study.people["owner"]).post(
        reverse("project-images", args=[study.project.pk]), {"images": files, **common}, follow=True
    )
    read_uploads()
    assert rows(study.project, "name", "scanner", "centre", "stain")[-2:] == [
        ("new.png", "", "Graz", "PAS"), ("old.tif", "Zeiss Axio", "Graz", "PAS"),
    ]  # fmt: skip


def test_a_data_set_says_it_for_an_image_or_for_all(tmp_path):
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        PIL.Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(tmp_path / "images" / f"{name}.png")
        PIL.Image.fromarray(np.zeros((32, 32), np.uint16)).save(tmp_path / "labels" / f"{name}.png")
    about = {"stain": "H&E", "scanner": 7, "per_image": {"b": {"stain": "PAS", "centre": "Graz", "scanner": "AT2"}}}
    (tmp_path / "dataset.json").write_text(json.dumps(about))
    project = load_dataset(owner=UserFactory(), path=tmp_path, say=lambda words: None)
    assert rows(project, "scanner", "centre", "stain") == [("", "", "H&E"), ("AT2", "Graz", "PAS")]


def test_a_change_of_one_image_locks_the_project_first_as_every_other_change_does():
    study = make_study()
    client = APIClient()
    client.force_authenticate(study.people["owner"])
    address = reverse("image-detail", args=[study.image.pk])
    with CaptureQueriesContext(connection) as queries:
        assert client.patch(address, {"stain": "H&E"}, format="json").status_code == 200
    locks = [query["sql"] for query in queries if "FOR UPDATE" in query["sql"]]
    assert 'FROM "labeling_project"' in locks[0]
    assert any('FROM "labeling_image"' in lock for lock in locks[1:])
