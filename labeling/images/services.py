"""Bringing images in: checked before they are decoded, stored as plain 8-bit RGB, named by the server."""

import hashlib
import io
import re
import uuid
from collections.abc import Sequence
from pathlib import PurePath

import numpy as np
import PIL.Image
import PIL.ImageOps
from django.core.files.base import ContentFile
from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from labeling.errors import Invalid
from labeling.images import tiles
from labeling.images.models import FACTORS, Image, Split
from labeling.images.scanners import scanner_of
from labeling.images.similar import picture_hash
from labeling.projects.models import Project

MOST_PIXELS = 100_000_000  # larger images need tiles; a whole slide is refused with that reason, not with a crash
FORMATS = ("PNG", "TIFF", "JPEG", "BMP", "WEBP")
THUMBNAIL = 256


class UnreadableImage(Invalid):
    """The upload is no image that can be used; says which and why."""

    code = "unreadable_image"


def decode(content: bytes, name: str) -> PIL.Image.Image:
    """The image as 8-bit RGB: grey is spread, 16 bit is scaled, transparency is laid on white.

    Size is checked from the header, before any pixel is decoded. Raises UnreadableImage.
    """
    try:
        opened = PIL.Image.open(io.BytesIO(content), formats=FORMATS)
    except PIL.Image.DecompressionBombError:
        raise UnreadableImage(
            _("{name} has more than {most} pixels").format(name=name, most=f"{MOST_PIXELS:,}"), field="image"
        ) from None
    except (OSError, ValueError, SyntaxError):
        known = ", ".join(FORMATS)
        raise UnreadableImage(
            _("{name} is not an image of a known format ({known})").format(name=name, known=known), field="image"
        ) from None
    if opened.width * opened.height > MOST_PIXELS:
        size = f"{opened.width} x {opened.height}"
        raise UnreadableImage(
            _("{name} is {size} px; up to {most} pixels can be opened").format(
                name=name, size=size, most=f"{MOST_PIXELS:,}"
            ),
            field="image",
        )
    try:
        opened.load()
    except (OSError, ValueError, SyntaxError) as error:
        raise UnreadableImage(_("{name} is damaged: {error}").format(name=name, error=error), field="image") from None
    return _as_rgb(PIL.ImageOps.exif_transpose(opened))  # a camera's photograph stands as it was held


def _as_rgb(opened: PIL.Image.Image) -> PIL.Image.Image:
    if opened.mode.startswith("I") or opened.mode == "F":
        grey = np.asarray(opened, np.float64)
        top = 65535.0 if opened.mode.startswith("I") else float(np.max(grey[np.isfinite(grey)], initial=1e-9))
        grey = np.nan_to_num(grey, nan=0, posinf=top, neginf=0)
        return PIL.Image.fromarray(np.clip(grey / top * 255, 0, 255).astype(np.uint8)).convert("RGB")
    if opened.mode in ("RGBA", "LA", "PA") or "transparency" in opened.info:
        layered = opened.convert("RGBA")
        white = PIL.Image.new("RGBA", layered.size, "white")
        return PIL.Image.alpha_composite(white, layered).convert("RGB")
    return opened.convert("RGB")


@transaction.atomic
def add_image(
    *,
    project: Project,
    name: str,
    content: bytes,
    group: str = "",
    scanner: str = "",
    site: str = "",
    stain: str = "",
    um_per_px: float | None = None,
    split: str = Split.TRAIN,
    synthetic: bool = False,
    reference: "np.ndarray[tuple[int, ...], np.dtype[np.integer]] | None" = None,
) -> Image:
    """Store one image at the end of the project.

    content    the file's bytes, any format of FORMATS
    scanner    when empty, what the file itself says
    reference  (H, W) label map, kept for evaluation only

    Raises UnreadableImage, or Invalid when the same pixels are in the project already.
    """
    name = _clean(name)
    rgb = decode(content, name)  # first: what a file says of its scanner may stand behind all of its pixels
    origin = checked({"scanner": scanner or scanner_of(content), "site": site, "stain": stain})
    png = io.BytesIO()
    rgb.save(png, "PNG", compress_level=4)  # written anew: no metadata of the original survives
    sha256 = hashlib.sha256(np.asarray(rgb).tobytes() + str(rgb.size).encode()).hexdigest()
    small = rgb.copy()
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    thumbnail = io.BytesIO()
    small.save(thumbnail, "JPEG", quality=85)
    Project.objects.for_change(project.pk)  # two uploads at once must not take one position or both be the first
    same = Image.objects.filter(project=project, sha256=sha256).first()
    if same is not None:
        raise Invalid(
            _("{name} is in this project already, as {same}").format(name=name, same=same.name), field="image"
        )
    position = (Image.objects.filter(project=project).aggregate(last=Max("position"))["last"] or 0) + 1
    image = Image(
        project=project, name=name, position=position, width=rgb.width, height=rgb.height, um_per_px=um_per_px,
        group=group, split=split, synthetic=synthetic, sha256=sha256, phash=picture_hash(small), **origin,
    )  # fmt: skip
    stem = uuid.uuid4().hex  # never a name that a user chose
    image.pixels.save(f"{stem}.png", ContentFile(png.getvalue()), save=False)
    image.thumbnail.save(f"{stem}.jpg", ContentFile(thumbnail.getvalue()), save=False)
    if reference is not None:
        labels = io.BytesIO()
        PIL.Image.fromarray(np.asarray(reference).astype(np.uint16)).save(labels, "PNG")
        image.reference.save(f"{stem}.png", ContentFile(labels.getvalue()), save=False)
    image.save()
    if tiles.is_tiled(image):
        # After the project's row is free; when it fails the image is there all the same, and read_tile cuts. From the
        # stored pixels: a data set's images, all in one transaction, must not stay in memory until its end.
        transaction.on_commit(lambda: tiles.cut(image), robust=True)
    return image


def change_image(*, image: Image, **facts: str | float | None) -> Image:
    """What was said of an image, mended: of FACTORS, `um_per_px` and `split` those that are named; the others stay.

    Rounds keep what they learned from: a snapshot is frozen. Raises Invalid that names the field.
    """
    for name, value in checked(facts).items():
        setattr(image, name, value)
    image.save(update_fields=list(facts))
    return image


def change_images(*, project: Project, images: Sequence[int], **facts: str | float | None) -> int:
    """The same facts for many images of a project, all or none. -> how many. Raises Invalid."""
    facts = checked(facts)
    wanted = set(images)
    with transaction.atomic():
        there = Image.objects.select_for_update().filter(project=project, pk__in=wanted)
        unknown = wanted - set(there.order_by().values_list("pk", flat=True))
        if unknown:
            raise Invalid(
                _("image {key} is not in this project; nothing was changed").format(key=min(unknown)), field="images"
            )
        if facts:
            there.update(**facts)
    return len(wanted)


def checked(facts: dict[str, str | float | None]) -> dict[str, str | float | None]:
    """The facts as they are stored. Raises Invalid that names the field."""
    made = dict(facts)
    for name, value in facts.items():
        if name in FACTORS:
            made[name] = " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", str(value or "")).split())[:200]
        elif name == "split":
            if value not in Split.values:
                raise Invalid(f"split must be one of {', '.join(Split.values)}", field="split")
        elif name == "um_per_px":
            if value is not None and not 0.001 <= float(value) <= 1000:
                raise Invalid(
                    _("µm per pixel must be from 0.001 to 1000, or empty when it is not known"), field="um_per_px"
                )
        else:
            raise Invalid(_("an image has no {name} that can be changed").format(name=name), field=name)
    return made


def stated(project: Project) -> dict[str, list[str]]:
    """Of each of FACTORS the values that some image of the project has, in order: what is offered when one is typed."""
    rows = Image.objects.filter(project=project).order_by().values_list(*FACTORS).distinct()
    return {name: sorted({row[i] for row in rows} - {""}) for i, name in enumerate(FACTORS)}


def _clean(name: str) -> str:
    """The last part of a path, without control characters, short enough."""
    base = PurePath(name.replace("\\", "/")).name
    return re.sub(r"[\x00-\x1f\x7f]", "", base)[:255] or "image"
