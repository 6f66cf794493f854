"""DICOM slides without patients: the files of the levels, with the attributes that show their pixels.

The profile is narrower than that of PS3.15: what is kept is listed. Unique ids are replaced by others that follow from
the old ones and the file's own content, so that the files of one series stay one, and nobody finds the old ones.
"""

import hashlib
import struct
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import generate_frames, itemize_fragment
from pydicom.uid import (
    JPEG2000,
    UID,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    RLELossless,
)

from inference.reading.deidentify_colour_profile import clean_profile
from inference.reading.deidentify_jpeg import without_metadata
from inference.reading.deidentify_tiff import without_comments
from inference.reading.dicom import flavor, quietly, series_of
from inference.reading.tiff import reason
from inference.reading.types import Unreadable

LEVEL = "VOLUME"
# Groups whose attributes describe pixels, optics and geometry; of others those that are named.
GROUPS = (0x0028, 0x5200, 0x7FE0)
KEPT = (
    "SOPClassUID", "SOPInstanceUID", "ImageType", "Modality", "Manufacturer", "ManufacturerModelName",
    "StudyInstanceUID", "SeriesInstanceUID", "InstanceNumber", "FrameOfReferenceUID", "DimensionOrganizationSequence",
    "DimensionOrganizationUID", "DimensionOrganizationType", "DimensionIndexSequence", "DimensionIndexPointer",
    "FunctionalGroupPointer", "ConcatenationUID", "SOPInstanceUIDOfConcatenationSource", "InConcatenationNumber",
    "InConcatenationTotalNumber", "ConcatenationFrameOffsetNumber", "DerivationCodeSequence",
    "ImagedVolumeWidth", "ImagedVolumeHeight", "ImagedVolumeDepth", "TotalPixelMatrixColumns", "TotalPixelMatrixRows",
    "TotalPixelMatrixOriginSequence", "XOffsetInSlideCoordinateSystem", "YOffsetInSlideCoordinateSystem",
    "ZOffsetInSlideCoordinateSystem", "ImageOrientationSlide", "OpticalPathSequence", "OpticalPathIdentifier",
    "IlluminationTypeCodeSequence", "IlluminationColorCodeSequence", "IlluminationWaveLength", "ICCProfile",
    "ColorSpace", "ObjectiveLensPower", "NumberOfOpticalPaths", "TotalPixelMatrixFocalPlanes", "FocusMethod",
    "ExtendedDepthOfField", "NumberOfFocalPlanes", "DistanceBetweenFocalPlanes", "SpecimenLabelInImage",
    "PixelSpacing", "SliceThickness", "SpacingBetweenSlices", "PlanePositionSlideSequence",
    "ColumnPositionInTotalImagePixelMatrix", "RowPositionInTotalImagePixelMatrix", "OpticalPathIdentificationSequence",
    "FrameContentSequence", "DimensionIndexValues", "PixelMeasuresSequence",
    "WholeSlideMicroscopyImageFrameTypeSequence",
    "FrameType", "CodeValue", "CodingSchemeDesignator", "PresentationLUTShape", "VolumetricProperties",
    "ContentQualification",
)  # fmt: skip
# Transfer syntax -> what leaves comments out of a frame. Frames that cannot hold any are copied as they are; those of
# other compressions (JPEG-LS, HTJ2K ...) may, so their files are declined.
CLEANED_BY: dict[str, Callable[[bytes], bytes]] = {
    **dict.fromkeys((JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1), without_metadata),
    **dict.fromkeys((JPEG2000Lossless, JPEG2000), without_comments),
}
WITHOUT_WORDS = (RLELossless,)
WORDS = ("LO", "LT", "PN", "SH", "ST", "UC", "UN", "UR", "UT", "DA", "DT", "TM", "AE", "AS")  # kinds of free text
WORDS_KEPT = ("Manufacturer", "ManufacturerModelName", "OpticalPathIdentifier", "CodeValue", "CodingSchemeDesignator")
SHORT = 64


def clean_series(source: Path, folder: Path) -> Path:
    """Write the levels of a series into a folder. -> the folder. Raises Unreadable."""
    series = series_of(source)
    levels = [path for path, head in series.items() if flavor(head) == LEVEL]
    secret = _secret(levels)
    for number, path in enumerate(sorted(levels), start=1):
        try:
            with quietly():
                made = _cleaned(pydicom.dcmread(path), secret)
                made.save_as(folder / f"level{number}.dcm", enforce_file_format=True)
        except Unreadable:
            raise
        except Exception as error:  # pydicom raises what it meets in a stranger's file
            raise Unreadable("damaged", format="DICOM", reason=reason(error)) from error
    return folder


def _secret(levels: list[Path]) -> bytes:
    """Follows from what the files hold, so that the same slide twice is found to be the same."""
    mark = hashlib.sha256()
    for path in sorted(levels):
        with path.open("rb") as file:
            mark.update(hashlib.file_digest(file, "sha256").digest())
    return mark.digest()


def _cleaned(old: Dataset, secret: bytes) -> Dataset:
    syntax = old.file_meta.TransferSyntaxUID
    clean = CLEANED_BY.get(syntax)
    if clean is not None:
        _replace_frames(old, clean)
    elif syntax.is_encapsulated and syntax not in WITHOUT_WORDS:
        raise Unreadable("not_cleaned", what=f"DICOM with {syntax.name}")
    made = _part(old, secret)
    made.PatientIdentityRemoved = "YES"
    made.DeidentificationMethod = "Boxwise: pixels and geometry kept, all else left out"
    if old.get("BurnedInAnnotation") in ("YES", "NO"):
        made.BurnedInAnnotation = old.BurnedInAnnotation
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = made.SOPClassUID
    meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    meta.TransferSyntaxUID = old.file_meta.TransferSyntaxUID
    made.file_meta = meta
    return made


def _replace_frames(old: Dataset, clean: Callable[[bytes], bytes]) -> None:
    """The same pictures, an item each, without the words that stand inside of them. Raises Unreadable.

    A level may have as many bytes as there is memory, so only one of the two lies in it.
    """
    table = None
    if "ExtendedOffsetTable" in old:
        table = (old.ExtendedOffsetTable, old.ExtendedOffsetTableLengths)
    count = int(old.get("NumberOfFrames") or 1)
    begin = len(_offset_table([0] * count))
    offsets: list[int] = []
    with tempfile.TemporaryFile() as file:
        file.seek(begin)
        for frame in generate_frames(old.PixelData, number_of_frames=count, extended_offsets=table):
            offsets.append(file.tell() - begin)
            content = clean(frame)
            even = content + b"\0" * (len(content) % 2)  # as DICOM wants every item
            file.write(itemize_fragment(even))
        if len(offsets) != count:
            raise ValueError(f"it has {len(offsets)} of {count} frames")
        for keyword in ("PixelData", "ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
            if keyword in old:
                delattr(old, keyword)
        file.seek(0)
        file.write(_offset_table(offsets))
        file.seek(0)
        old.PixelData = file.read()
    old["PixelData"].VR = "OB"
    old["PixelData"].is_undefined_length = True


def _offset_table(offsets: list[int]) -> bytes:
    """Where each frame begins, counted from the end of this table: the first item of encapsulated pixels."""
    table: bytes = itemize_fragment(struct.pack(f"<{len(offsets)}I", *offsets))
    return table


def _part(old: Dataset, secret: bytes) -> Dataset:
    """What is kept of a dataset, and of those inside it."""
    made = Dataset()
    for element in _kept(old):
        if element.VR == "SQ":
            items = [_part(item, secret) for item in element.value]
            made.add_new(element.tag, "SQ", items)
        elif element.keyword == "ICCProfile":
            profile = clean_profile(bytes(element.value or b""))
            if profile:
                made.add_new(element.tag, element.VR, profile)
        elif element.VR == "UI":
            made.add_new(element.tag, "UI", _renamed(element.value, secret))
        elif element.VR in WORDS and len(str(element.value)) > SHORT:
            continue
        else:
            made.add(element)
    return made


def _kept(old: Dataset) -> Iterator[pydicom.DataElement]:
    for element in old:
        if element.tag.is_private:
            continue
        described = element.tag.group in GROUPS or element.keyword in KEPT
        if described and (element.VR not in WORDS or element.keyword in WORDS_KEPT):
            yield element


def _renamed(value: object, secret: bytes) -> object:
    """Registered ids (classes, codes) stay; those that somebody made are replaced."""
    if isinstance(value, str):
        if UID(value).name != value or value.startswith("1.2.840.10008."):
            return value
        digest = hashlib.sha256(secret + value.encode()).digest()
        return UID(f"2.25.{int.from_bytes(digest[:16], 'big')}")
    return (
        [_renamed(one, secret) for one in value]
        if isinstance(value, list | tuple | pydicom.multival.MultiValue)
        else value
    )
