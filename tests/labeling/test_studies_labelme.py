"""LabelMe files as an arm that was read elsewhere: in LabelMe's own layout, with what timing it has, marked as such."""

import base64
import io
import json
import struct
import zipfile
from datetime import UTC, datetime

import numpy as np
import PIL.Image
import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile

from labeling.annotations.models import Layer
from labeling.errors import Invalid, WrongState
from labeling.studies import bundle, reporting, services
from labeling.studies.labelme import read_archive
from labeling.studies.outside import import_labelme
from tests.factories import MembershipFactory
from tests.labeling.pages import signed_in
from tests.labeling.studies import SECONDS, frozen, read_all, ten_fields
from tests.labeling.test_studies_pages import address

PICTURE = {"field 0.png": (64, 48)}
SQUARE = [[10.0, 5.0], [19.0, 5.0], [19.0, 12.0], [10.0, 12.0]]


@pytest.fixture
def project():
    return ten_fields()


@pytest.fixture
def study(project):
    return frozen(project)


def shape(points, kind="polygon", label="nucleus", group=None, **more):
    """A shape as LabelMe 5.5 writes it."""
    rest = {"group_id": group, "description": "", "shape_type": kind, "flags": {}, "mask": None}
    return {"label": label, "points": points} | rest | more


def png_of(width: int, height: int) -> str:
    out = io.BytesIO()
    PIL.Image.new("1", (width, height), 1).save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


WHOLE = shape([[0, 0], [63, 47]], "rectangle")
HUGE_MASK = shape([[0, 0], [999, 999]], "mask", mask=png_of(1000, 1000))


def labelme(image="field 0.png", shapes=(), size=(64, 48), version="5.5.0", **more) -> bytes:
    """A file in the layout of labelme/label_file.py: two spaces of indentation, the image embedded or not."""
    data = {
        "version": version,
        "flags": {},
        "shapes": list(shapes),
        "imagePath": image,
        "imageData": base64.b64encode(b"the picture").decode(),
        "imageHeight": size[1],
        "imageWidth": size[0],
    }
    return json.dumps(data | more, ensure_ascii=False, indent=2).encode()


def zipped(*files: tuple[str, bytes, datetime], utc: bool = True) -> bytes:
    """As Info-ZIP packs them (with the time in UTC), or as Windows does (two seconds, some zone)."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content, at in files:
            info = zipfile.ZipInfo(name, at.timetuple()[:6])
            if utc:
                info.date_time = (1999, 1, 1, 0, 0, 0)
                info.extra = struct.pack("<HHBi", 0x5455, 5, 1, int(at.timestamp()))
            archive.writestr(info, content)
    return out.getvalue()


def damaged() -> bytes:
    """A zip whose compressed bytes are no deflate stream: not even its checksum can be looked at."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.json", b"{}" * 99)
    content = bytearray(out.getvalue())
    content[30 + len("a.json")] = 0xFF
    return bytes(content)


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(1_767_000_000 + seconds, UTC)


def test_shapes_become_the_masks_that_labelme_fills():
    inner = np.array([[0, 255], [255, 255]], np.uint8)
    png = io.BytesIO()
    PIL.Image.fromarray(inner).save(png, "PNG")
    shapes = [
        shape(SQUARE),
        shape([[30, 10], [33, 14]], "rectangle"),
        shape([[50, 20], [53, 20]], "circle"),
        shape([[1, 40], [2, 41]], "mask", mask=base64.b64encode(png.getvalue()).decode()),
        shape([[40.0, 30.0], [44.0, 30.0], [44.0, 34.0], [40.0, 34.0]], group=1),
        shape([[47.0, 30.0], [48.0, 30.0], [48.0, 34.0]], group=1),  # the rest of the same cell, behind a fold
        shape([[60.0, 44.0], [70.0, 44.0], [70.0, 60.0], [60.0, 60.0]]),  # beyond the picture's edge
        shape([[5, 5]], "point"),
        shape([[0, 0], [9, 9]], "linestrip"),
    ]
    (found,) = read_archive(zipped(("a.json", labelme(shapes=shapes), at(0))), PICTURE)
    assert (found.version, found.left_out, found.size, found.saved_at) == ("5.5.0", 2, (64, 48), at(0))
    square, rectangle, circle, mask, folded, cut = found.cells
    assert (square.x, square.y, square.bits.shape, square.bits.all()) == (10, 5, (8, 10), True)
    assert (rectangle.x, rectangle.y, rectangle.bits.shape) == (30, 10, (5, 4))
    assert (circle.x, circle.y, circle.bits.shape) == (47, 17, (7, 7)) and not circle.bits[0, 0]
    assert (mask.x, mask.y) == (1, 40) and (mask.bits == (inner > 0)).all()
    assert (folded.x, folded.bits.shape) == (40, (5, 9)) and not folded.bits[:, 5:7].any()
    assert (cut.x, cut.y, cut.bits.shape) == (60, 44, (4, 4))


def test_a_file_of_version_3_without_types_groups_or_flags_is_read():
    old = {"label": "nucleus", "points": SQUARE, "line_color": None, "fill_color": None}
    (found,) = read_archive(
        zipped(("a.json", labelme(image="..\\fields\\field 0.png", shapes=[old], version="3.16.7"), at(0)), utc=False),
        PICTURE,
    )
    assert (found.image, len(found.cells), found.saved_at) == ("field 0.png", 1, at(0))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"no zip", "not a readable zip"),
        (zipped(("a.txt", b"", at(0))), "1 to 1000 LabelMe files, not 0"),
        (zipped(("a.json", b"{}", at(0))), r"a\.json is not a LabelMe file"),
        (zipped(("a.json", labelme(shapes=[shape([[1e9, 0], [0, 0], [0, 1]])]), at(0))), "not a LabelMe file"),
        (zipped(("a.json", labelme(size=(10**6, 10**6)), at(0))), "another size"),
        (zipped(("a.json", labelme(shapes=[WHOLE] * 60), at(0))), "more than 50 times the picture"),
        (zipped(("a.json", labelme(shapes=[HUGE_MASK]), at(0))), "a mask larger than its picture"),
        (damaged(), "not a readable zip"),
    ],
)
def test_what_is_no_archive_of_labelme_files_is_refused(content, says):
    with pytest.raises(Invalid, match=says):
        read_archive(content, PICTURE)


def archive(study, gap_s: int = 60) -> bytes:
    """Every measured field, saved one after another; each cell of the reference drawn as a polygon."""
    files = []
    for k, field in enumerate(study.fields.filter(training=False).order_by("pk")):
        cells = []
        for c in range(field.reference_cells):
            x, y = 2 + 12 * (c % 5), 4 + 10 * (c // 5)
            cells.append(shape([[x, y], [x + 7, y], [x + 7, y + 5], [x, y + 5]]))
        files.append((f"{field.image.name}.json", labelme(field.image.name, cells), at(gap_s * k)))
    return zipped(*files)


@pytest.mark.django_db
def test_the_arm_stands_in_the_report_marked_as_read_elsewhere_and_is_not_tested(study, tmp_path):
    read_all(study, lambda reader, arm, k: SECONDS[arm] + reader)
    before = reporting.numbers_of(study)
    client = signed_in(study.created_by)
    body = {"act": "labelme", "name": "polygons in LabelMe", "reason": "the paper's way"}
    file = SimpleUploadedFile("polygons.zip", archive(study), "application/zip")
    page = client.post(address("study-act", study), body | {"archive": file}, follow=True).content.decode()
    assert "polygons in LabelMe" in page and "LabelMe 5.5.0" in page
    numbers = reporting.numbers_of(study)
    (arm,) = numbers["outside_arms"]
    cells = {f.pk: f.reference_cells for f in study.fields.filter(training=False).order_by("pk")}
    rates = [60 / n for n in list(cells.values())[1:]]  # nothing was saved before the first
    assert arm["timed_fields"] == 7 and arm["seconds_per_cell"]["mean"] == pytest.approx(np.mean(rates))
    assert arm["cells"] == arm["reference_cells"] == sum(cells.values()) and arm["dice"] == arm["pq"] == 1.0
    assert {**numbers, "outside_arms": []} == before  # nothing else moved
    services.lock(study=study)
    report = client.get(address("study-report", study)).content.decode()
    assert "outside this app" in report and "not compared" in report
    path = tmp_path / "bundle.zip"
    path.write_bytes(reporting.bundled(study))
    assert bundle.recompute(path).differences == []
    imported = Layer.objects.filter(kind=Layer.Kind.IMPORT)
    assert imported.count() == imported.visible_to(study.created_by).count() == 8
    reader = MembershipFactory(project=study.project, role="annotator").user
    assert not imported.visible_to(reader).exists(), "a reader must not see what was drawn on the fields of the study"
    assert settings.SECRET_KEY.encode() not in path.read_bytes()


@pytest.mark.django_db
def test_files_that_were_copied_have_no_time(study):
    read_all(study, lambda reader, arm, k: SECONDS[arm] + reader)
    import_labelme(study=study, name="copied", content=archive(study, gap_s=0), reason="r", by=study.created_by)
    (arm,) = reporting.numbers_of(study)["outside_arms"]
    assert arm["timed_fields"] == 0 and "copied" in arm["seconds_per_cell"]["not_computed"]


@pytest.mark.django_db
def test_files_that_do_not_fit_the_study_are_refused_and_leave_nothing(study, project):
    given = {"study": study, "name": "elsewhere", "reason": "r", "by": study.created_by}
    field = study.fields.filter(training=False).first().image.name
    practice = study.fields.filter(training=True).first().image.name
    declined = [
        (zipped(("a.json", labelme(field), at(0)), ("b.json", labelme(field), at(1))), "twice"),
        (zipped(("a.json", labelme(field), at(0)), ("b.json", labelme(practice), at(1))), "no measured field"),
        (zipped(("a.json", labelme(field, size=(65, 48)), at(0))), "another size"),
    ]
    for content, says in declined:
        with pytest.raises(Invalid, match=says):
            import_labelme(content=content, **given)
    with pytest.raises(Invalid, match="name of its own"):
        import_labelme(content=archive(study), **given | {"name": study.arms.first().name})
    with pytest.raises(Invalid, match="Reason"):
        import_labelme(content=archive(study), **given | {"reason": ""})
    services.lock(study=study)
    with pytest.raises(WrongState):
        import_labelme(content=archive(study), **given)
    assert not Layer.objects.filter(kind=Layer.Kind.IMPORT).exists()
