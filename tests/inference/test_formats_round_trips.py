"""Every format that is written x every property: it comes back, or the result lists it as lost."""

import numpy as np
import pydicom
import pytest

from inference.formats import conversion
from inference.formats.losses import INCLUDED, Property
from inference.formats.model import AnnotatedImage, Annotation, Annotations, Pixels
from inference.formats.problems import FormatProblem, stem_of
from inference.formats.registry import BOTH_WAYS, format_named
from inference.types import BoxMask
from tests.inference.annotation_sets import HEIGHT, SURVIVED, WIDTH, annotation_set


def converted(annotations, name, folder):
    """Written as a folder and read again. -> what came back, and what the writer said is lost"""
    out = folder / "out"
    files, losses, _ = conversion.write(annotations, out, format=name)
    assert files
    sizes = {stem_of(image.name): (WIDTH, HEIGHT) for image in annotations.images}
    back = conversion.read(out, format=name, sizes=sizes)
    assert not back.declined
    return back.annotations, {loss.what for loss in losses}


@pytest.mark.parametrize("what", [one for one in Property if one is not Property.MANY], ids=lambda one: one.name)
@pytest.mark.parametrize("name", BOTH_WAYS)
def test_a_property_comes_back_or_is_listed(name, what, tmp_path):
    keeps = format_named(name).keeps
    annotations = annotation_set(what)
    back, lost = converted(annotations, name, tmp_path)
    if what in keeps:
        assert SURVIVED[what](annotations, back)
        assert what not in lost
    elif what in INCLUDED and Property.MASKS not in keeps:
        assert Property.MASKS in lost
    else:
        assert what in lost
        assert not SURVIVED[what](annotations, back)


# The text formats take about 20 s of a core each.
FAST = ("coco", "cellpose", "png", "tiff", "ome")


@pytest.mark.parametrize(
    "name", [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in BOTH_WAYS]
)
def test_seventy_thousand_objects(name, tmp_path):
    annotations = annotation_set(Property.MANY)
    if Property.MANY not in format_named(name).keeps:
        with pytest.raises(FormatProblem, match="70,000 objects do not fit"):
            converted(annotations, name, tmp_path)
        assert not (tmp_path / "out").exists()
        return
    back, _ = converted(annotations, name, tmp_path)
    assert len(back.images[0].annotations) == 70_000


@pytest.mark.parametrize("name", BOTH_WAYS)
def test_what_is_written_is_recognised(name, tmp_path):
    annotations = annotation_set(Property.MASKS)
    conversion.write(annotations, tmp_path / "out", format=name)
    back = conversion.read(tmp_path / "out", sizes={"field 1": (WIDTH, HEIGHT)})
    assert back.format == name
    assert [one.name.rpartition(".")[0] or one.name for one in back.annotations.images] in (["field 1"],)


def written_dicom(path, label="cell", width=5):
    """A file of one object, as pydicom reads it, and what the writer said is lost."""
    image = AnnotatedImage("a.png", WIDTH, HEIGHT, um_per_px=0.25)
    image.annotations = [Annotation(Pixels(BoxMask(3, 4, np.ones((4, width), bool))), label)]
    _, losses, _ = conversion.write(Annotations([image], []), path, format="dicom")
    return pydicom.dcmread(path), {loss.what for loss in losses}


def test_dicom_files_of_other_content_are_other_instances(tmp_path):
    """An archive (PACS) keeps one file of a SOP Instance UID."""
    first, _ = written_dicom(tmp_path / "a.dcm")
    same, _ = written_dicom(tmp_path / "b.dcm")
    larger, _ = written_dicom(tmp_path / "c.dcm", width=6)
    assert first.SOPInstanceUID == same.SOPInstanceUID
    assert first.SOPInstanceUID != larger.SOPInstanceUID
    assert first.FrameOfReferenceUID != larger.FrameOfReferenceUID


def test_a_class_that_dicom_cannot_name_is_listed_as_lost(tmp_path):
    made, lost = written_dicom(tmp_path / "a.dcm", label="CD3\\CD20")
    assert made.SegmentSequence[-1].SegmentLabel == "CD3/CD20"
    assert Property.CLASSES in lost
    _, lost = written_dicom(tmp_path / "b.dcm", label="CD3")
    assert Property.CLASSES not in lost
