"""Everything that can be said of a file, in English, by code; labeling/images/sentences.py has them for translation.

`name` is the file's name. Each sentence names its own cause and what to do; it is true wherever its code is given.
"""

# Why a file is not read.
DECLINED = {
    "unknown_format": "{name} is not an image of a known format (PNG, TIFF, JPEG, BMP, WebP); save it as PNG or TIFF",
    "format_not_read": "{name} has the format {format}, which is not read here; save it as PNG or TIFF",
    "empty": "{name} is empty; the file has no bytes",
    "too_large": "{name} is {width} x {height} px; up to {most} pixels can be opened, so cut it into smaller fields",
    "damaged": "{name} is damaged: its {format} data cannot be decoded ({reason}); export it again",
    "damaged_header": "{name} begins like a {format} file, but its header cannot be read ({reason}); export it again",
    "combination": (
        "{name} is a {format} file with {what}, which is not read; "
        "save it as TIFF or PNG with 8 or 16 bits, grey or RGB"
    ),
    "compression": (
        "{name} is a {format} file compressed with {what}, which is not read; save it as PNG or as TIFF with LZW"
    ),
    "several_pages": (
        "{name} holds {pages} pictures (pages, slices or times); say which one is meant, page 1 to {pages}, "
        "or save each as a file of its own"
    ),
    "several_channels": (
        "{name} holds {channels} channels{names}; say which one is meant, channel 1 to {channels}, "
        "or save the view you want as RGB"
    ),
    "no_such_page": "{name} has no page {page}; it has {pages}",
    "no_such_channel": "{name} has no channel {channel}; it has {channels}",
    "many_channels": (
        "{name} has {channels} channels; up to {most} can be opened, so save those that matter in a file of their own"
    ),
    "page_not_stored": (
        "{name} is a stack whose further pictures have no directory of their own, so page {page} is not read; "
        "save the slices as files of their own"
    ),
    "transparent": (
        "every pixel of {name} is fully transparent, so there is nothing to see; save it without transparency"
    ),
    "label_map": (
        "{name} looks like a label map (whole numbers from 0 to {largest}, constant inside each object), not like a "
        "picture; label maps are reference masks of an image. If it is a picture, save it as RGB"
    ),
    "whole_numbers_32": (
        "{name} holds whole numbers of {bits} bits, as label maps and measurements do; label maps are reference masks "
        "of an image. If it is a picture, save it with 8 or 16 bits"
    ),
    "not_finite": "{name} holds no number that is finite (all NaN or infinite); export it again",
    "memory": "reading {name} needs more than {megabytes} MB of memory; cut it into smaller fields",
    "time": "reading {name} takes longer than {seconds} s; cut it into smaller fields or save it as PNG",
    "dicom_no_slide": (
        "{name} is a DICOM file, but no whole-slide image (its modality is {modality}); give a slide, modality SM, or "
        "save it as PNG or TIFF"
    ),
    "dicom_attribute": (
        "{name} is a DICOM whole-slide image without {attribute}, which every reader needs to tell the tissue from the "
        "label and the levels from each other; export it again from where it comes from, or add the attribute"
    ),
    "dicom_no_tissue": (
        "{name} holds only the {what} of a slide; give the folder or a ZIP of all files of its series, so that the "
        "level with the tissue (Image Type VOLUME) is among them"
    ),
    "set_incomplete": (
        "{name} is a slide of several files, of which some are missing: {what} ({missing}); give the folder or a ZIP "
        "of all of them"
    ),
    "no_slide_in_folder": (
        "{name} holds no slide; give a folder or ZIP with all files of one MRXS, VMS or DICOM slide, or with one slide "
        "file"
    ),
    "several_slides": "{name} holds {count} slides; a folder or ZIP is one slide, so give each one by itself",
    "bad_archive": "{name} cannot be unpacked ({reason}); make a ZIP of the slide’s files anew",
    "not_tiled": (
        "{name} is {width} x {height} px and not stored in tiles, so that no part can be read without all the others; "
        "save it as a tiled pyramid (vips tiffsave --tile --pyramid, or QuPath: Export OME-TIFF)"
    ),
    "no_coarse_level": (
        "{name} has no level smaller than {width} x {height} px, so that its overview cannot be shown; save it as a "
        "tiled pyramid (vips tiffsave --tile --pyramid, or QuPath: Export OME-TIFF)"
    ),
    "slide_gone": "the file of {name} is no longer where it was; make it available there again",
    "slide_changed": (
        "the file of {name} has changed since it was added, and what was drawn may not fit it; put the old file back, "
        "or save the new one under another name and add it"
    ),
    "needs_whole": (
        "{name} has a format that is read from a whole copy alone, and there is none at the moment; try again"
    ),
    "storage_silent": (
        "the storage in which {name} lies does not answer; try again in a moment, or ask whoever runs the server"
    ),
    "storage_denied": (
        "the storage in which {name} lies gives it to nobody with the keys of this server; ask whoever runs the server "
        "for the right to list the folder and to read the file"
    ),
    "reader_died": (
        "the decoder broke off while it was reading {name}; the file is probably damaged, so export it again"
    ),
}

# What people should know of a file that was read.
NOTES = {
    "turned": "turned as its EXIF orientation says ({orientation})",
    "exif_unreadable": "EXIF data cannot be read, so the picture stands as it is stored",
    "spread": "{bits}-bit samples: {low} to {high} are shown as black to white",
    "constant": "every sample has the same value, {low}",
    "page": "page {page} of {pages} was taken",
    "channel": "channel {channel} of {channels} was taken{names}",
    "further_pictures": "further pictures in the file (previews, other views) that were not taken: {count}",
    "associated": "further pictures in the file (thumbnail, label, overview) that were not taken: {count}",
    "on_white": "transparent parts stand on white",
    "extra_samples": "further samples of each pixel, without a stated meaning, that were not taken: {count}",
    "not_square": "pixels are {x} x {y} µm in the file, not square, so no scale was taken",
    "scale_disagrees": "the file says {file} µm per pixel, {typed} was typed and is kept",
    "not_cleaned": (
        "{name} cannot be freed of what names people ({what}); export it anew as a plain tiled TIFF (QuPath: Export "
        "OME-TIFF, without label and metadata), or add it to a project that keeps files as they are"
    ),
    "icc_for_display": (
        "the file holds a colour profile (ICC), which is applied in the workspace alone: models, fields and exports "
        "have the stored colours"
    ),
    "icc_not_applied": (
        "the file holds a colour profile (ICC), which cannot be applied: colours are shown as they are stored"
    ),
    "bounded": "only the scanned part of the canvas is shown; it begins at {x}, {y} in the file’s own coordinates",
    "not_turned": "the file says that it is to be turned ({orientation}); slides are shown as they are stored",
    "left_out": "left out of the file, by name: {names}",
    "may_show_writing": (
        "the picture may show writing, which is not removed; look at it, and delete the image if it names a person"
    ),
    "no_numbers": "samples that are not finite numbers are shown as black or white",
}

SENTENCES = {**DECLINED, **NOTES}
