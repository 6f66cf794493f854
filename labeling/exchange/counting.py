"""What an export has written so far."""

import hashlib
from dataclasses import dataclass, field

from labeling.exchange.archive import as_json
from labeling.exchange.selection import ExportedImage


@dataclass
class Count:
    """Counts and hashes that grow with each image.

    digest   SHA-256 of the annotations, equal for equal work in every format
    context  SHA-256 of what belongs to a data set besides: images, splits, attributes of cells
    """

    images: int = 0
    cells: int = 0
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    context: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def add(self, exported: ExportedImage) -> None:
        self.images += 1
        self.cells += len(exported.cells)
        self.context.update(as_json([exported.stem, exported.image.sha256, exported.image.split]))
        for cell in exported.cells:
            self.digest.update(as_json([cell.uid, cell.part, cell.box, cell.label_class]))
            self.context.update(as_json([cell.uid, cell.attributes]))
            if cell.mask is not None:
                self.digest.update(cell.mask.bits.tobytes())
        for region in exported.regions:
            self.digest.update(as_json([region.uid, region.kind, region.box]))
