"""Files of QuPath, CVAT and Label Studio as an arm read elsewhere, each with the timing it has and its quality said."""

import io
import json
import zipfile

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from inference.formats.conversion import write
from inference.formats.labelstudio import lead_times
from inference.formats.model import AnnotatedImage, Annotation, Annotations, polygon
from labeling.annotations.models import Layer
from labeling.errors import Invalid
from labeling.studies.analysis.outside import describe
from labeling.studies.models import Study
from labeling.studies.other_programs import import_files, recorded_times, seconds_of
from labeling.studies.tables import tables_of
from labeling.studies.words import of_outside
from tests.labeling.pages import signed_in, toasts
from tests.labeling.studies import frozen, ten_fields
from tests.labeling.test_studies_pages import address

pytestmark = pytest.mark.django_db


@pytest.fixture
def study() -> Study:
    return frozen(ten_fields())


def drawn(study: Study) -> Annotations:
    """Every cell of the reference of each measured field as a polygon."""
    images = []
    for field in study.fields.filter(training=False).order_by("pk"):
        image = AnnotatedImage(field.image.name, 64, 48)
        for k in range(field.reference_cells):
            x, y = 2 + 12 * (k % 5), 4 + 10 * (k // 5)
            corners = [[x, y], [x + 8, y], [x + 8, y + 6], [x, y + 6]]
            image.annotations.append(Annotation(polygon(corners), "nucleus"))
        images.append(image)
    return Annotations(images)


def packed(study: Study, form: str, folder, lead_s: float | None = None) -> bytes:
    """A zip of what the program's own writer makes; lead_s: of each task of Label Studio, beside its files."""
    out = folder / "made"
    out.mkdir()
    target = out / {"cvat": "annotations.xml", "labelstudio": "project-1.json"}.get(form, "files")
    if form == "geojson":
        target.mkdir()
    write(drawn(study), target, format=form)
    if lead_s is not None:
        tasks = json.loads(target.read_text())
        for task in tasks:
            task["annotations"][0]["lead_time"] = lead_s
        target.write_text(json.dumps(tasks))
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for file in sorted(out.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(out))
        archive.writestr("__MACOSX/._files", b"\0")
    return content.getvalue()


def times_of(study: Study, seconds: float) -> bytes:
    """As somebody types them off a recording; the first field was interrupted."""
    lines = ["image;begun;ended"]
    at = 0.0
    for number, field in enumerate(study.fields.filter(training=False).order_by("pk")):
        parts = 2 if number == 0 else 1
        for _part in range(parts):
            end = at + seconds / parts
            lines.append(f"{field.image.name};{int(at // 60)}:{at % 60:04.1f};{end:.1f}")
            at = end + 7
    return "\ufeff".encode() + "\r\n".join(lines).encode()


@pytest.mark.parametrize(
    ("form", "name"), [("geojson", "QuPath or another"), ("cvat", "CVAT"), ("labelstudio", "Label Studio")]
)
def test_files_of_other_programs_become_an_arm_that_is_described(study, form, name, tmp_path):
    """By the page, with the times of a recording."""
    client = signed_in(study.created_by)
    files = SimpleUploadedFile("files.zip", packed(study, form, tmp_path), "application/zip")
    times = SimpleUploadedFile("times.csv", times_of(study, 40.0), "text/csv")
    body = {"act": "elsewhere", "name": "polygons elsewhere", "reason": "the paper's way"}
    answer = client.post(address("study-act", study), body | {"archive": files, "times": times}, follow=True)
    assert name in answer.content.decode(), toasts(answer)
    (arm,) = describe(tables_of(study))
    cells = {f.pk: f.reference_cells for f in study.fields.filter(training=False)}
    assert arm["timing"] == "recording" and arm["timed_fields"] == 8
    expected = sum(40.0 / n for n in cells.values()) / 8
    assert arm["seconds_per_cell"]["mean"] == pytest.approx(expected, rel=0.005)
    assert arm["cells"] == arm["reference_cells"] == sum(cells.values()) and arm["dice"] > 0.99
    assert "read off a screen recording" in arm["reservation"] and "another instrument" in arm["reservation"]
    assert "s per reference cell of the screen recording" in of_outside(arm)


def test_label_studio_has_lead_times_and_qupath_none(study, tmp_path):
    given = {"study": study, "times": None, "reason": "r", "by": study.created_by}
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    import_files(name="a", content=packed(study, "labelstudio", tmp_path / "one", lead_s=25.0), **given)
    import_files(name="b", content=packed(study, "geojson", tmp_path / "two"), **given)
    by_name = {arm["arm"]: arm for arm in describe(tables_of(study))}
    assert by_name["a"]["timing"] == "lead time" and by_name["a"]["timed_fields"] == 8
    assert "every pause in it" in by_name["a"]["reservation"]
    assert by_name["b"]["timing"] == "none" and "say no time" in by_name["b"]["seconds_per_cell"]["not_computed"]
    assert by_name["b"]["dice"] > 0.99 and "no time (the files say no time" in of_outside(by_name["b"])


@pytest.mark.parametrize(
    ("task", "found"),
    [
        ({"data": {"image": "/data/upload/1/a.png"}, "annotations": [{"lead_time": 12.5}]}, {"a.png": 12.5}),
        ({"data": {"image": "a.png"}, "annotations": [{"lead_time": 0}]}, {}),
        ({"data": {"image": "a.png"}, "annotations": [{"lead_time": True}]}, {}),
        ({"data": {"image": "a.png"}, "annotations": []}, {}),
        ({"annotations": "none"}, {}),
        ("text", {}),
    ],
)
def test_lead_times(task, found):
    assert lead_times([task]) == found


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("75.5", 75.5), ("1:15.5", 75.5), ("0:01:15", 75.0), ("100:00:00", 360_000.0), ("", None), ("1,5", None),
     ("-1", None), ("1e3", None), ("nan", None), ("1:2:3:4", None)],
)  # fmt: skip
def test_how_a_moment_of_a_recording_may_be_written(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (b"\xff\xfe", "not UTF-8"),
        (b"image,begun\na.png,1", "needs the columns"),
        (b"image,begun,ended\nb.png,1,2", "line 2"),
        (b"image,begun,ended\na.png,1,2\na.png,9,8", "line 3"),
        (b"image,begun,ended\na.png,soon,8", "line 2"),
        (b"image,begun,ended\na.png,0,9999999", "line 2"),
        (b"image,begun,ended\n\na.png,9,8", "line 3"),  # an empty line is a line
        (b"image,begun,ended\ra.png,1,2\r", "no CSV"),
    ],
)
def test_a_table_of_times_that_cannot_be_right_is_declined_by_line(table, says):
    with pytest.raises(Invalid, match=says):
        recorded_times(table, {"a.png"})


def test_what_does_not_fit_the_study_is_declined_and_leaves_nothing(study, tmp_path):
    given = {"study": study, "name": "elsewhere", "times": None, "reason": "r", "by": study.created_by}
    with pytest.raises(Invalid, match="not a readable zip"):
        import_files(content=b"text", **given)
    stranger = packed(study, "labelstudio", tmp_path).replace(b"field", b"other")
    with pytest.raises(Invalid):
        import_files(content=stranger, **given)
    empty = io.BytesIO()
    with zipfile.ZipFile(empty, "w") as archive:
        archive.writestr("notes.txt", "nothing")
    with pytest.raises(Invalid):
        import_files(content=empty.getvalue(), **given)
    assert not Layer.objects.filter(kind=Layer.Kind.IMPORT).exists() and not study.amendments.exists()
