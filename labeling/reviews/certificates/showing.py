"""The cells of a sample as whoever judges sees them: a picture with the outline in it, and the class.

Nothing says where the cell lies, and the outline is drawn into the picture. Its coordinates would tell the planted
errors: they are the outlines that are not among the proposals, which everybody may fetch.
"""

import base64
from collections.abc import Sequence

import numpy as np

from inference.documents.interactive import MaskJson
from labeling.annotations.outlines import UNCLASSIFIED, draw_outline
from labeling.annotations.state import PackedMask
from labeling.images.crops import Cutter, Square, as_jpeg
from labeling.reviews.certificates.models import Lot, LotCell

CONTEXT = 4.0  # side of a picture, in diameters of the usual cell of the lot
PICTURE = 640  # pixels: two for each of the page
OUTLINE = 4  # pixels


def side_of(lot: Lot) -> float:
    """The side of a picture, µm where the images have a scale; else image pixels. The same for the whole lot.

    From the sample, planted errors among it, so that it does not change while somebody judges.
    """
    sides = []
    rows = lot.cells.select_related("image").order_by("position")[:500]
    for row in rows:
        x0, y0, x1, y1 = row.shown["box"]
        sides.append(float(np.sqrt((x1 - x0) * (y1 - y0))) * (row.image.um_per_px or 1.0))
    return CONTEXT * float(np.median(sides)) if sides else 1.0


def shown_cells(lot: Lot, rows: Sequence[LotCell]) -> list[dict[str, object]]:
    """As contract.ShownCell. Cells of deleted images are left out."""
    side = side_of(lot)
    colours = dict(lot.project.classes.values_list("pk", "color"))
    cutters: dict[int, Cutter] = {}
    found = []
    for row in rows:
        if row.image.deleted_at is not None:
            continue
        cutter = cutters.setdefault(row.image_id, Cutter(row.image))
        label_class = row.shown["label_class"]
        picture = _picture(row, cutter, side, colours.get(label_class, UNCLASSIFIED))
        found.append({"position": row.position, "label_class": label_class, "picture": picture})
    return found


def _picture(row: LotCell, cutter: Cutter, side: float, colour: str) -> str:
    """JPEG in base64. side: µm where the image has a scale, else image pixels."""
    box = row.shown["box"]
    square = Square.around(box, side / (row.image.um_per_px or 1.0))
    tissue = cutter.cut(square, PICTURE)
    drawn = draw_outline(tissue, square, box, _mask(row.shown["mask"]), colour, width=OUTLINE)
    return base64.b64encode(as_jpeg(drawn)).decode()


def _mask(kept: MaskJson | None) -> PackedMask | None:
    if kept is None:
        return None
    return PackedMask(kept["x"], kept["y"], kept["width"], kept["height"], base64.b64decode(kept["bits"]))
