"""Writing DICOM Segmentation: a LABELMAP of one tiled image, in which each object is a segment of its own.

A value of a pixel is the number of a segment. The label of a segment is the class, its tracking UID the object's UUID
as 2.25.NUMBER (DICOM PS3.5, B.2), its recommended colour that of the class. Where objects overlap the earlier keeps
the pixel, and more than 65,535 do not fit the 16 bits. There is no DICOM image that is segmented: what stands in its
place says so and names nobody. highdicom, of the extra `dicom`, writes the file.
"""

import hashlib
import json
import uuid
from functools import partial
from typing import Any

import numpy as np

from inference.formats.format import Target
from inference.formats.losses import Property
from inference.formats.model import UNCLASSIFIED, AnnotatedImage, Annotation, Annotations
from inference.formats.painting import Painted, paint
from inference.formats.problems import FormatProblem
from inference.types import InferenceError

MOST_IN_16_BITS = 65_535
MOST_LETTERS = 64  # of a label (value representation LO)
TILE = 512  # px
UNKNOWN_SCALE = 1.0  # µm a pixel where nobody said it: DICOM wants a number
NO_ONE = "Boxwise"
MOMENTS = {
    "InstanceCreationDate": "19800101", "InstanceCreationTime": "000000", "ContentDate": "19800101",
    "ContentTime": "000000", "ContributionDateTime": "19800101000000",
}  # fmt: skip


def write(annotations: Annotations, target: Target) -> None:
    for image, file in target.each(annotations, ".dcm"):
        painted = paint(image, target, on_pages=False)
        if len(painted.objects) > MOST_IN_16_BITS:
            cause = f"{len(painted.objects):,} objects do not fit into the 16 bits of a label map in DICOM"
            raise FormatProblem(image.name, cause, remedy="write TIFF (--to tiff)")
        if image.um_per_px is None:
            target.notes.append(f"the scale of {image.name} is not known, and DICOM wants one: 1 µm a pixel is written")
        segmentation(image, painted, annotations, target).save_as(file)


def segmentation(image: AnnotatedImage, painted: Painted, annotations: Annotations, target: Target) -> Any:
    """The document, as pydicom knows it. Raises InferenceError without highdicom."""
    seg = _highdicom().seg
    described = [_segment(number, one, annotations, target) for number, one in enumerate(painted.objects, start=1)]
    pixels = painted.pages[0].astype(np.uint16 if len(described) > 255 else np.uint8)
    identity = _identity(image, painted, annotations)
    made = seg.Segmentation(
        source_images=[_stand_in(image, pixels.shape, identity)],
        pixel_array=pixels[None],
        segmentation_type="LABELMAP",
        segment_descriptions=described or [_background()],
        series_instance_uid=_uid(identity, "series"),
        series_number=1,
        sop_instance_uid=_uid(identity, "segmentation"),
        instance_number=1,
        manufacturer=NO_ONE,
        manufacturer_model_name=NO_ONE,
        software_versions="1",
        device_serial_number="0",
        content_label="CELLS",
        tile_pixel_array=True,
        tile_size=(TILE, TILE),
        omit_empty_frames=False,
        dimension_organization_type="TILED_FULL",
    )
    made.walk(partial(_settle, identity=identity))
    return made


def _settle(_document: Any, element: Any, *, identity: str) -> None:
    """Put fixed values where highdicom puts the clock and random numbers: equal work gives equal files."""
    if element.keyword in MOMENTS:
        element.value = MOMENTS[element.keyword]
    elif element.keyword == "DimensionOrganizationUID":
        element.value = _uid(identity, "dimensions")


def _highdicom() -> Any:
    try:
        import highdicom
    except ImportError as error:
        cause = "DICOM is written by highdicom, which is not installed"
        raise InferenceError(f"{cause}; pip install 'boxwise[dicom]'") from error
    return highdicom


def _segment(number: int, one: Annotation, annotations: Annotations, target: Target) -> Any:
    from pydicom.sr.codedict import codes

    label = one.label if one.label is not None else UNCLASSIFIED
    written = _text(label)
    target.lost[Property.CLASSES] += written != label
    try:
        uid = uuid.UUID(one.uid)
    except ValueError:
        uid = uuid.uuid5(uuid.NAMESPACE_OID, f"{number} {one.uid}")
        target.lost[Property.IDS] += bool(one.uid)
    return _highdicom().seg.SegmentDescription(
        segment_number=number,
        segment_label=written,
        segmented_property_category=codes.SCT.AnatomicalStructure,
        segmented_property_type=codes.SCT.Cell,
        algorithm_type="MANUAL",
        tracking_uid=f"2.25.{uid.int}",
        tracking_id=str(uid),
        display_color=_lab(annotations.color_of(label)),
    )


def _text(text: str) -> str:
    """As a value of LO can hold it: short, and without the backslash that would make two values of it."""
    return text[:MOST_LETTERS].replace("\\", "/")


def _background() -> Any:
    """A segment without a pixel: DICOM wants one of an image without an object too."""
    from pydicom.sr.codedict import codes

    nothing = (codes.SCT.AnatomicalStructure, codes.SCT.Cell)
    return _highdicom().seg.SegmentDescription(1, "no cell", *nothing, algorithm_type="MANUAL")


def _lab(color: str) -> Any:
    """#rrggbb as CIELab; None for no colour."""
    if not color:
        return None
    from skimage.color import rgb2lab

    rgb = [int(color[begin : begin + 2], 16) / 255 for begin in (1, 3, 5)]
    return _highdicom().color.CIELabColor(*rgb2lab(np.array(rgb)).tolist())


def _identity(image: AnnotatedImage, painted: Painted, annotations: Annotations) -> str:
    """What the file holds, hashed: two files of one name with other content are two instances in an archive (PACS)."""
    objects = [(one.uid, one.label, annotations.color_of(one.label or UNCLASSIFIED)) for one in painted.objects]
    about = json.dumps([image.name, image.um_per_px, painted.pages[0].shape, objects])
    return hashlib.sha256(about.encode() + painted.pages[0].tobytes()).hexdigest()


def _uid(identity: str, what: str) -> str:
    """Of equal content always the same, so that equal work gives equal files."""
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, f'boxwise {what} of {identity}').int}"


def _stand_in(image: AnnotatedImage, shape: tuple[int, ...], identity: str) -> Any:
    """The header of a slide image that highdicom takes as what is segmented: the frame of the pixels and their size.

    It names no patient, and lies with its corner at the corner of the glass, since nothing else is known.
    """
    from pydicom.dataset import Dataset, FileMetaDataset

    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    header.SpecificCharacterSet = "ISO_IR 192"
    header.SOPClassUID = "1.2.840.10008.5.1.4.1.1.77.1.6"  # VL Whole Slide Microscopy Image
    header.SOPInstanceUID = _uid(identity, "image")
    header.StudyInstanceUID = _uid(identity, "study")
    header.SeriesInstanceUID = _uid(identity, "images")
    header.FrameOfReferenceUID = _uid(identity, "frame of reference")
    for keyword in (
        "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate",
        "StudyTime", "ReferringPhysicianName",
    ):  # fmt: skip
        setattr(header, keyword, "")
    header.Modality = "SM"
    header.ImageType = ["DERIVED", "PRIMARY", "VOLUME", "NONE"]
    header.ContainerIdentifier = _text(image.name)
    header.SpecimenDescriptionSequence = []
    header.Rows, header.Columns = shape
    header.TotalPixelMatrixRows, header.TotalPixelMatrixColumns = shape
    header.SamplesPerPixel = 3
    header.NumberOfFrames = header.TotalPixelMatrixFocalPlanes = header.NumberOfOpticalPaths = 1
    header.DimensionOrganizationType = "TILED_FULL"
    header.ImageOrientationSlide = [0, -1, 0, -1, 0, 0]
    header.PositionReferenceIndicator = "SLIDE_CORNER"
    origin = Dataset()
    origin.XOffsetInSlideCoordinateSystem = origin.YOffsetInSlideCoordinateSystem = 0
    header.TotalPixelMatrixOriginSequence = [origin]
    measures, shared = Dataset(), Dataset()
    measures.PixelSpacing = [(image.um_per_px or UNKNOWN_SCALE) / 1000] * 2
    measures.SliceThickness = 0.001
    shared.PixelMeasuresSequence = [measures]
    header.SharedFunctionalGroupsSequence = [shared]
    return header
