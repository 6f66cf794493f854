"""What can be said of a picture file, for people: the sentences of inference/reading/sentences.py, to be translated.

The leaf knows no languages; a test holds that both say the same.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

SENTENCES = {
    "unknown_format": _(
        "{name} is not an image of a known format (PNG, TIFF, JPEG, BMP, WebP); save it as PNG or TIFF"
    ),
    "format_not_read": _("{name} has the format {format}, which is not read here; save it as PNG or TIFF"),
    "empty": _("{name} is empty; the file has no bytes"),
    "too_large": _("{name} is {width} x {height} px; up to {most} pixels can be opened, so cut it into smaller fields"),
    "damaged": _("{name} is damaged: its {format} data cannot be decoded ({reason}); export it again"),
    "damaged_header": _(
        "{name} begins like a {format} file, but its header cannot be read ({reason}); export it again"
    ),
    "combination": _(
        "{name} is a {format} file with {what}, which is not read; save it as TIFF or PNG with 8 or 16 bits, "
        "grey or RGB"
    ),
    "compression": _(
        "{name} is a {format} file compressed with {what}, which is not read; save it as PNG or as TIFF with LZW"
    ),
    "several_pages": _(
        "{name} holds {pages} pictures (pages, slices or times); say which one is meant, page 1 to {pages}, "
        "or save each as a file of its own"
    ),
    "several_channels": _(
        "{name} holds {channels} channels{names}; say which one is meant, channel 1 to {channels}, or save "
        "the view you want as RGB"
    ),
    "no_such_page": _("{name} has no page {page}; it has {pages}"),
    "no_such_channel": _("{name} has no channel {channel}; it has {channels}"),
    "many_channels": _(
        "{name} has {channels} channels; up to {most} can be opened, so save those that matter in a file of their own"
    ),
    "page_not_stored": _(
        "{name} is a stack whose further pictures have no directory of their own, so page {page} is not read;"
        " save the slices as files of their own"
    ),
    "transparent": _(
        "every pixel of {name} is fully transparent, so there is nothing to see; save it without transparency"
    ),
    "label_map": _(
        "{name} looks like a label map (whole numbers from 0 to {largest}, constant inside each object), not "
        "like a picture; label maps are reference masks of an image. If it is a picture, save it as RGB"
    ),
    "whole_numbers_32": _(
        "{name} holds whole numbers of {bits} bits, as label maps and measurements do; label maps are "
        "reference masks of an image. If it is a picture, save it with 8 or 16 bits"
    ),
    "not_finite": _("{name} holds no number that is finite (all NaN or infinite); export it again"),
    "memory": _("reading {name} needs more than {megabytes} MB of memory; cut it into smaller fields"),
    "time": _("reading {name} takes longer than {seconds} s; cut it into smaller fields or save it as PNG"),
    "needs_whole": _(
        "{name} has a format that is read from a whole copy alone, and there is none at the moment; try again"
    ),
    "storage_silent": _(
        "the storage in which {name} lies does not answer; try again in a moment, or ask whoever runs the server"
    ),
    "storage_denied": _(
        "the storage in which {name} lies gives it to nobody with the keys of this server; ask whoever runs the "
        "server for the right to list the folder and to read the file"
    ),
    "reader_died": _(
        "the decoder broke off while it was reading {name}; the file is probably damaged, so export it again"
    ),
    "dicom_no_slide": _(
        "{name} is a DICOM file, but no whole-slide image (its modality is {modality}); give a slide, "
        "modality SM, or save it as PNG or TIFF"
    ),
    "dicom_attribute": _(
        "{name} is a DICOM whole-slide image without {attribute}, which every reader needs to tell the "
        "tissue from the label and the levels from each other; export it again from where it comes from, or "
        "add the attribute"
    ),
    "dicom_no_tissue": _(
        "{name} holds only the {what} of a slide; give the folder or a ZIP of all files of its series, so "
        "that the level with the tissue (Image Type VOLUME) is among them"
    ),
    "set_incomplete": _(
        "{name} is a slide of several files, of which some are missing: {what} ({missing}); give the folder "
        "or a ZIP of all of them"
    ),
    "no_slide_in_folder": _(
        "{name} holds no slide; give a folder or ZIP with all files of one MRXS, VMS or DICOM slide, or with "
        "one slide file"
    ),
    "several_slides": _("{name} holds {count} slides; a folder or ZIP is one slide, so give each one by itself"),
    "bad_archive": _("{name} cannot be unpacked ({reason}); make a ZIP of the slide’s files anew"),
    "not_tiled": _(
        "{name} is {width} x {height} px and not stored in tiles, so that no part can be read without all "
        "the others; save it as a tiled pyramid (vips tiffsave --tile --pyramid, or QuPath: Export OME-TIFF)"
    ),
    "no_coarse_level": _(
        "{name} has no level smaller than {width} x {height} px, so that its overview cannot be shown; save "
        "it as a tiled pyramid (vips tiffsave --tile --pyramid, or QuPath: Export OME-TIFF)"
    ),
    "slide_gone": _("the file of {name} is no longer where it was; make it available there again"),
    "slide_changed": _(
        "the file of {name} has changed since it was added, and what was drawn may not fit it; put the old "
        "file back, or save the new one under another name and add it"
    ),
    "turned": _("turned as its EXIF orientation says ({orientation})"),
    "exif_unreadable": _("EXIF data cannot be read, so the picture stands as it is stored"),
    "spread": _("{bits}-bit samples: {low} to {high} are shown as black to white"),
    "constant": _("every sample has the same value, {low}"),
    "page": _("page {page} of {pages} was taken"),
    "channel": _("channel {channel} of {channels} was taken{names}"),
    "further_pictures": _("further pictures in the file (previews, other views) that were not taken: {count}"),
    "associated": _("further pictures in the file (thumbnail, label, overview) that were not taken: {count}"),
    "on_white": _("transparent parts stand on white"),
    "extra_samples": _("further samples of each pixel, without a stated meaning, that were not taken: {count}"),
    "not_square": _("pixels are {x} x {y} µm in the file, not square, so no scale was taken"),
    "scale_disagrees": _("the file says {file} µm per pixel, {typed} was typed and is kept"),
    "not_cleaned": _(
        "{name} cannot be freed of what names people ({what}); export it anew as a plain tiled TIFF (QuPath: Export "
        "OME-TIFF, without label and metadata), or add it to a project that keeps files as they are"
    ),
    "icc_for_display": _(
        "the file holds a colour profile (ICC), which is applied in the workspace alone: models, fields and exports "
        "have the stored colours"
    ),
    "icc_not_applied": _(
        "the file holds a colour profile (ICC), which cannot be applied: colours are shown as they are stored"
    ),
    "bounded": _("only the scanned part of the canvas is shown; it begins at {x}, {y} in the file’s own coordinates"),
    "not_turned": _("the file says that it is to be turned ({orientation}); slides are shown as they are stored"),
    "left_out": _("left out of the file, by name: {names}"),
    "may_show_writing": _(
        "the picture may show writing, which is not removed; look at it, and delete the image if it names a person"
    ),
    "no_numbers": _("samples that are not finite numbers are shown as black or white"),
}


# What the site notes beside the reader.
SITE = {"joined_patient": _("it belongs to patient {patient}, so it is in the part of that patient: {split}")}


def sentence(code: str, **params: Any) -> str:
    """A sentence in the language of whoever asks."""
    known = SITE if code in SITE else SENTENCES
    return str(known[code]).format(**params)


def note_sentences(notes: Iterable[Mapping[str, Any]]) -> list[str]:
    """The notes of an image (`reading["notes"]`) as sentences; a code of a later version is left out."""
    return [sentence(note["code"], **note["params"]) for note in notes if note["code"] in (*SENTENCES, *SITE)]
