"""What all loaders of images with boxes share: projects made once, boxes drawn through the log."""

import base64
import io
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import PIL.Image
from django.utils import timezone

from inference.documents.interactive import MaskJson
from inference.masks import pack
from inference.types import RGB, BoxMask
from labeling.accounts.models import User
from labeling.annotations.contract import MOST_OPERATIONS
from labeling.annotations.services import working_layer, write_operations
from labeling.errors import LabelingError
from labeling.exchange.entries import OperationSent, StateSent
from labeling.images.models import Image
from labeling.projects.models import Project, Role

Box = Sequence[float]  # x0, y0, x1, y1: image pixels, half-open


@dataclass(frozen=True)
class SeedCell:
    """A cell to draw: its box, its class (a key, or None for unclassified) and its mask, tight and in the image."""

    box: Box
    label_class: int | None
    mask: BoxMask | None = None


class CannotLoad(LabelingError):
    """What was to be loaded is not there or not as it must be; the sentence names the file and the mend."""

    code = "cannot_load"
    status = 422


def owned_project(*, owner: User, name: str) -> Project | None:
    """The project of this name that `owner` owns; None when there is none. The caller is in a transaction.

    The owner's row is held until the end of the transaction, so that of two loads at once the second finds what the
    first made.
    """
    User.objects.select_for_update().get(pk=owner.pk)
    return Project.objects.filter(name=name, memberships__user=owner, memberships__role=Role.OWNER).first()


def png(rgb: RGB) -> bytes:
    """(H, W, 3) uint8 as the bytes of a file."""
    file = io.BytesIO()
    PIL.Image.fromarray(np.ascontiguousarray(rgb)).save(file, "PNG", compress_level=1)  # add_image writes it anew
    return file.getvalue()


def draw(
    *,
    image: Image,
    owner: User,
    cells: Iterable[Box | SeedCell],
    exhaustive: Iterable[Box] = (),
    ignore: Iterable[Box] = (),
    cannot_tell: Iterable[Box] = (),
) -> int:
    """Write boxes and regions as operations of `owner` with the tool "seed", one for each, as hands would have.

    They rest on no activity and take no time, so no measure of working time counts them. A cell that is only a box
    gets the project's first class. -> the number of cells. Raises CannotLoad for a box that the log refuses; the
    caller's transaction undoes all.
    """
    layer = working_layer(image=image, user=owner)
    if layer is None:
        raise CannotLoad(f"{owner} may not annotate in {image.project}; name an owner of it with --owner")
    session = str(uuid.uuid4())
    nucleus = image.project.classes.order_by("position").values_list("pk", flat=True).first()
    seeds = [cell if isinstance(cell, SeedCell) else SeedCell(cell, nucleus) for cell in cells]
    operations = [
        *(_operation(session, "draw", "cell", "confirmed", c.box, c.label_class, _packed(c.mask)) for c in seeds),
        *(_operation(session, "cannot_tell", "cell", "cannot_tell", box, None) for box in cannot_tell),
        *(_operation(session, "region", "region", "exhaustive", box, None) for box in exhaustive),
        *(_operation(session, "region", "region", "ignore", box, None) for box in ignore),
    ]
    for chunk in _chunks(operations, MOST_OPERATIONS):
        _, verdicts = write_operations(layer=layer, author=owner, operations=chunk)
        for operation, verdict in zip(chunk, verdicts, strict=True):
            if verdict.verdict != "accepted":
                box = operation["effects"][0]["after"]["box"]
                detail = (verdict.error or {}).get("detail", verdict.verdict)
                raise CannotLoad(f"the box {box} of {image.name} is refused: {detail}")
    return len(seeds)


def _packed(mask: BoxMask | None) -> MaskJson | None:
    """A mask as operations carry it."""
    if mask is None:
        return None
    height, width = mask.bits.shape
    bits = base64.b64encode(pack(mask.bits)).decode()
    return {"x": mask.x, "y": mask.y, "width": width, "height": height, "bits": bits}


def _operation(
    session: str,
    action: str,
    kind: str,
    status: str,
    box: Box,
    label_class: int | None,
    mask: MaskJson | None = None,
) -> OperationSent:
    now = timezone.now().isoformat()
    after: StateSent = {
        "kind": kind, "status": status, "label_class": label_class, "box": [float(v) for v in box],
        "mask": mask, "derived_from": None, "reason": "",
    }  # fmt: skip
    return {
        "op_id": str(uuid.uuid4()), "action": action, "tool": "seed", "session": session,
        "begun_at": now, "committed_at": now, "begun_ms": 0.0, "committed_ms": 0.0,
        "activity": None, "undoes": None,
        "effects": [{"annotation": str(uuid.uuid4()), "seen": None, "after": after}],
    }  # fmt: skip


def _chunks(items: list[OperationSent], size: int) -> Iterator[list[OperationSent]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
