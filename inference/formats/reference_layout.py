"""Annotations of COCO or GeoJSON as a folder in the layout of reference data (inference/datasets.py).

So `boxwise train`, `boxwise evaluate` and a new project read the site's COCO and GeoJSON exports as they read its
label maps, and COCO or GeoJSON of other tools with the images beside. Boxwise's own exports say where annotation is
complete; of other files every image is taken to be annotated as a whole.
"""

import atexit
import json
import shutil
import tempfile
from itertools import chain
from pathlib import Path

from inference.documents.origins import centre_and_patient
from inference.formats import coco, geojson, values
from inference.formats.conversion import Reading, read_source
from inference.formats.format import Target
from inference.formats.geometry import box_of, mask_of
from inference.formats.losses import is_area
from inference.formats.model import (
    AnnotatedImage,
    Annotation,
    Points,
    Rectangle,
    ToolObject,
    separate_points,
)
from inference.formats.names import unique_stems
from inference.formats.painting import paint
from inference.formats.problems import FormatProblem, stem_of
from inference.formats.sources import PICTURES, Source, open_source, read_table

FACTS = ("centre", "patient", "block", "slide", "scanner", "stain")
SPLITS = ("train", "val", "test")


def unfold(path: Path) -> Path | None:
    """A folder with images/, labels/ and dataset.json, which goes when the process ends; None when `path` holds neither
    COCO nor GeoJSON.

    images/ is empty where the export came without its images. Raises FormatProblem for a bad file.
    """
    source = open_source(path)
    chosen = "coco" if coco.recognises(source) else "geojson" if geojson.recognises(source) else ""
    if not chosen:
        return None
    pictures = {stem_of(file.name): file for file in source.files if file.suffix.lower() in PICTURES}
    rows = _image_table(source)
    sizes = _sizes(rows, pictures)
    reading = read_source(source, format=chosen, sizes=sizes)
    folder = Path(tempfile.mkdtemp(prefix="boxwise-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    about = _written(reading, folder, pictures, rows, is_own=_is_own(source, rows))
    about["name"] = _project_name(source) or path.stem
    (folder / "dataset.json").write_text(json.dumps(about), encoding="utf-8")
    return folder


def _image_table(source: Source) -> dict[str, dict[str, str]]:
    """Stem of an image -> its row of images.csv, which every zip of an export holds."""
    file = source.named("images.csv")
    if file is None:
        return {}
    rows = [row for _, row in read_table(file)]
    return {stem_of(row["file"].removeprefix("'")): row for row in rows if row.get("file")}


def _sizes(rows: dict[str, dict[str, str]], pictures: dict[str, Path]) -> dict[str, tuple[int, int]]:
    from inference.reading import Unreadable, identify

    sizes = {}
    for stem, file in pictures.items():
        try:
            about = identify(file)
        except (Unreadable, OSError):
            continue
        sizes[stem] = (about.width, about.height)
    for stem, row in rows.items():
        if (row.get("width") or "").isdigit() and (row.get("height") or "").isdigit():
            sizes[stem] = (int(row["width"]), int(row["height"]))
    return sizes


def _is_own(source: Source, rows: dict[str, dict[str, str]]) -> bool:
    """Whether Boxwise wrote it: a table of images, or COCO that says so."""
    return bool(rows) or any(
        _info(source, file).get("contributor") == "Boxwise" for file in source.with_suffix(".json")
    )


def _info(source: Source, file: Path) -> ToolObject:
    document = source.json_or_none(file)
    info = document.get("info") if isinstance(document, dict) else None
    return info if isinstance(info, dict) else {}


def _project_name(source: Source) -> str:
    names = [str(_info(source, file).get("description") or "") for file in source.with_suffix(".json")]
    return next((name for name in names if name), "")


# -- writing


def _written(
    reading: Reading,
    folder: Path,
    pictures: dict[str, Path],
    rows: dict[str, dict[str, str]],
    *,
    is_own: bool,
) -> ToolObject:
    """Write labels and images. -> dataset.json"""
    (folder / "images").mkdir()
    (folder / "labels").mkdir()
    annotations = reading.annotations
    classes = annotations.class_names()
    stems = unique_stems(
        [(f"{stem_of(image.name)}.x", place) for place, image in enumerate(annotations.images, start=1)]
    )
    splits: dict[str, list[str]] = {split: [] for split in SPLITS}
    entries = {}
    for image, stem in zip(annotations.images, stems, strict=True):
        _add_facts(image, rows.get(stem_of(image.name), {}))
        entries[stem] = _entry(image, stem, folder, classes, is_own=is_own)
        split = image.facts.get("split", "train")
        splits[split if split in SPLITS else "train"].append(stem)
        picture = pictures.get(stem_of(image.name))
        if picture is not None:
            _add_picture(picture, folder / "images" / f"{stem}.png")
    return {"made_by": "Boxwise", "classes": classes, "splits": splits, "per_image": entries}


def _add_facts(image: AnnotatedImage, row: dict[str, str]) -> None:
    """What images.csv says of an image; a GeoJSON itself says nothing."""
    row = {name: text for name, text in centre_and_patient(dict(row)).items() if isinstance(text, str)}
    for fact in ("split", "name", *FACTS):
        if row.get(fact):
            image.facts.setdefault(fact, row[fact].removeprefix("'"))
    if image.um_per_px is None and row.get("um_per_px"):
        image.um_per_px = values.number(row["um_per_px"], Path("images.csv"), image.name, "um_per_px")


def _entry(image: AnnotatedImage, stem: str, folder: Path, classes: list[str], *, is_own: bool) -> ToolObject:
    """What dataset.json says of an image; its label map is written."""
    import tifffile

    certain = [one for one in image.annotations if not one.crowd]
    masked = AnnotatedImage(image.name, image.width, image.height, [one for one in certain if is_area(one)])
    painted = paint(masked, Target(folder, None), on_pages=True)
    file = f"labels/{stem}.tif"
    with tifffile.TiffWriter(folder / file) as writer:
        for page in painted.pages:
            writer.write(page.astype("int32"), photometric="minisblack", compression="zlib", metadata=None)
    separate = chain.from_iterable(map(separate_points, certain))
    boxes = [one for one in separate if isinstance(one.geometry, Rectangle | Points)]
    complete = [list(region.box) for region in image.regions if region.kind == "fully_annotated"]
    if not is_own:
        height, width = painted.pages[0].shape
        complete = [[0.0, 0.0, float(width), float(height)]]
    annotated = {
        "classes": [_index(one, classes) for one in painted.objects],
        "boxes": [list(box_of(one.geometry)) for one in boxes],
        "box_classes": [_index(one, classes) for one in boxes],
        "rejected": [],
        "cannot_tell": [_box(one) for one in image.annotations if one.crowd],
        "fully_annotated": complete,
        "ignore": [list(region.box) for region in image.regions if region.kind == "ignore"],
    }
    facts = {"width": image.width, "height": image.height, "um_per_px": image.um_per_px}
    origin = {fact: image.facts.get(fact, "") for fact in FACTS}
    name = image.facts.get("name") or image.name
    return facts | origin | {"name": name, "labels": file, "annotated": annotated}


def _index(one: Annotation, classes: list[str]) -> int | None:
    return classes.index(one.label) if one.label is not None else None


def _box(one: Annotation) -> list[float]:
    mask = mask_of(one.geometry)
    if mask is None:
        return list(box_of(one.geometry))
    height, width = mask.bits.shape
    return [float(mask.x), float(mask.y), float(mask.x + width), float(mask.y + height)]


def _add_picture(picture: Path, place: Path) -> None:
    """A PNG as it is, anything else as PNG."""
    from PIL import Image

    from inference.reading import Unreadable, read_picture

    if picture.suffix.lower() == ".png":
        shutil.copyfile(picture, place)
        return
    try:
        rgb = read_picture(picture, most_pixels=None).rgb
    except Unreadable as error:
        raise FormatProblem(picture, f"it cannot be read as an image: {error.of('it')}") from error
    Image.fromarray(rgb).save(place, compress_level=1)
