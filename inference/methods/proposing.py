"""Cells proposed without a round: prediction, fusion and instances of a round, on the tiles of a slide or an image.

What people have drawn counts as it does in a round: their boxes are prompts, no other box is proposed where they stand,
and nothing is proposed in regions that are fully annotated or ignored. A tile sees people's cells in its own frame.
"""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from inference.documents.proposing import TileFacts
from inference.documents.publication import Certificate
from inference.fusion.warm import warm
from inference.masks import tight
from inference.methods.streamed import Cell, Find, Found, Frame, read_about, tells_of
from inference.pipeline import compute
from inference.pipeline.evaluation import parameters_of
from inference.pipeline.people import proposed_on
from inference.pipeline.snapshots import Cell as PersonCell
from inference.pipeline.snapshots import Field, boxes_of_cells
from inference.pipeline.units import InstanceUnit, PredictionUnit, Setting
from inference.pipeline.whole import whole_instances
from inference.tiles import Tile
from inference.types import RGB, Boxes, BoxMask

VERSION = 1  # of what a tile's cells are made by, beside the versions of the models
NO_CLASS = -1  # class_index of a cell without a class


@dataclass(frozen=True)
class TileField(Field):
    """A tile as the stages of a round read a field. seen: its pixels, in the model's frame."""

    seen: RGB

    def rgb(self) -> RGB:
        return self.seen


class People:
    """What people have drawn on an image, to be looked up tile by tile. Boxes are (n, 4), px of the image."""

    def __init__(self, field: Field) -> None:
        self.field = field
        self.boxes = boxes_of_cells(field.cells)

    def on_tile(self, rgb: RGB, frame: Frame, tile: Tile) -> TileField:
        """Everything that reaches into a tile, in the tile's own pixels."""
        height, width = rgb.shape[:2]
        place = _Place(frame, tile, width, height)
        reaching, boxes = place.of(self.boxes)
        cells = []
        for index, box in zip(reaching, boxes.tolist(), strict=True):
            known = self.field.cells[index]
            mask = known.mask and moved(known.mask, 1 / frame.factor, *place.offset)
            x0, y0, x1, y1 = box
            cells.append(PersonCell(known.uid, (x0, y0, x1, y1), known.class_index, mask))
        return TileField(
            image=self.field.image,
            pixels=self.field.pixels,
            width=width,
            height=height,
            split=self.field.split,
            patient=self.field.patient,
            cells=tuple(cells),
            rejected=place.of(self.field.rejected)[1],
            cannot_tell=place.of(self.field.cannot_tell)[1],
            exhaustive=place.of(self.field.exhaustive)[1],
            ignore=place.of(self.field.ignore)[1],
            reference=None,
            seen=rgb,
        )

    def centres(self, frame: Frame) -> dict[str, tuple[float, float]]:
        """Id of a person's cell -> the middle of its box in the model's frame."""
        found = {}
        for cell in self.field.cells:
            x, y = cell.centre
            found[cell.uid] = ((x - frame.region.x) / frame.factor, (y - frame.region.y) / frame.factor)
        return found


class _Place:
    """Where a tile lies on the image. offset: the image's origin in the tile's pixels."""

    def __init__(self, frame: Frame, tile: Tile, width: int, height: int) -> None:
        self.factor, self.width, self.height = frame.factor, width, height
        x = -frame.region.x / frame.factor - tile.outer[0]
        y = -frame.region.y / frame.factor - tile.outer[1]
        self.offset = (x, y)

    def of(self, boxes: Boxes) -> tuple[npt.NDArray[np.intp], Boxes]:
        """Which boxes reach into the tile, and what of each lies in it."""
        here = boxes / self.factor + np.array([*self.offset, *self.offset])
        inside = here.clip(0, [self.width, self.height, self.width, self.height])
        reaching = np.flatnonzero((inside[:, 2] - inside[:, 0] > 0) & (inside[:, 3] - inside[:, 1] > 0))
        return reaching, inside[reaching]


class Proposer:
    """The models of a proposal, loaded once; `on` makes what proposes on one image."""

    def __init__(self, setting: Setting) -> None:
        """setting: its inputs are the weights of the detector and of the segmenter, or of the method. Raises
        BadWeights."""
        self.setting = setting
        self.make, self.models = compute.predictor_of(setting)
        self.parameters = parameters_of(setting.configuration.fusion)
        if not setting.configuration.is_whole:
            warm()

    def on(self, people: People, frame: Frame) -> Find:
        """What proposes on the tiles of one image, given what people have drawn there."""
        centres = people.centres(frame)

        def find(rgb: RGB, tile: Tile) -> Found:
            return self._found(people.on_tile(rgb, frame, tile), tile, centres)

        return find

    def _found(self, field: Field, tile: Tile, centres: dict[str, tuple[float, float]]) -> Found:
        configuration = self.setting.configuration
        unit = self.make(field)
        made, certificate = self._instances(field, unit)
        known = proposed_on(self.setting.content, field)
        cells = []
        boxless = 0
        for proposal in compute.proposals(known, unit, made):
            local = proposal.mask
            mask = BoxMask(local.x + tile.outer[0], local.y + tile.outer[1], local.bits)
            index = NO_CLASS if proposal.class_index is None else proposal.class_index
            cell = Cell(mask, min(1.0, max(0.0, proposal.doubt)), index, proposal.source or "")
            if _belongs_to(cell, tile, centres):
                cells.append(cell)
                boxless += proposal.number > len(unit["sources"])
        detected = compute.detected(unit, configuration.own_threshold)
        facts = TileFacts(
            certificate=certificate,
            detected=detected.boxes,
            best_score=detected.best_score,
            crumbs=made["crumbs"],
            boxless=boxless,
        )
        return Found(cells, json.dumps(facts.as_json()))

    def _instances(self, field: Field, unit: PredictionUnit) -> tuple[InstanceUnit, Certificate | None]:
        """The cells of a tile, and the proof of its fusion; None of a method that has none."""
        chosen = self.setting.configuration.instances
        if self.setting.configuration.is_whole:
            return whole_instances(field, unit, chosen, 0.0), None
        fused = compute.fused_unit(field, unit, self.parameters)
        return compute.instances_unit(field, unit, fused, chosen, 0.0), Certificate.stored(fused["certificate"])


def _belongs_to(cell: Cell, tile: Tile, centres: dict[str, tuple[float, float]]) -> bool:
    """Whether a tile tells of a cell. A person's cell is told of by the one tile that holds the middle of its box."""
    if not cell.source:
        return tells_of(cell, tile)
    x, y = centres[cell.source]
    left, top, right, bottom = tile.core
    return left <= x < right and top <= y < bottom


def on_image(cell: Cell, frame: Frame) -> BoxMask | None:
    """The mask of a cell in pixels of the image, tight; None where no pixel is left of it."""
    return moved(cell.mask, frame.factor, frame.region.x, frame.region.y)


def moved(mask: BoxMask, factor: float, x: float, y: float) -> BoxMask | None:
    """A mask in another frame: what was at p is at factor * p + (x, y). Tight; None where no pixel is left.

    A pixel is in it where the mask, taken as linear between the middles of its pixels, is at least a half.
    """
    if factor == 1.0 and float(x).is_integer() and float(y).is_integer():
        return tight(BoxMask(mask.x + int(x), mask.y + int(y), mask.bits))
    height, width = mask.bits.shape
    left, top = math.floor(mask.x * factor + x), math.floor(mask.y * factor + y)
    right = math.ceil((mask.x + width) * factor + x)
    bottom = math.ceil((mask.y + height) * factor + y)
    columns = (np.arange(left, right) + 0.5 - x) / factor - mask.x - 0.5
    rows = (np.arange(top, bottom) + 0.5 - y) / factor - mask.y - 0.5
    across, down = np.meshgrid(columns.astype(np.float32), rows.astype(np.float32))
    values = cv2.remap(mask.bits.astype(np.float32), across, down, cv2.INTER_LINEAR, borderValue=0)
    return tight(BoxMask(left, top, values >= 0.5))


def facts_of(tiles: Sequence[Path]) -> list[TileFacts]:
    """What is kept of the tiles in these files; of bare glass nothing is."""
    texts = [read_about(path) for path in tiles]
    return [TileFacts.stored(json.loads(text)) for text in texts if text]


def combined(certificates: Iterable[Certificate | None]) -> Certificate | None:
    """The certificates of all tiles as one: costs, cuts and free pixels add up. None where no tile was fused."""
    found = [one for one in certificates if one is not None]
    if not found:
        return None
    flows = [one.flow for one in found if one.flow is not None]
    milliseconds: dict[str, float] = {}
    for one in found:
        for name, value in one.milliseconds.items():
            milliseconds[name] = milliseconds.get(name, 0.0) + value
    return found[0].with_(
        objective=sum(one.objective for one in found),
        flow=sum(flows) if len(flows) == len(found) else None,
        cut=sum(one.cut for one in found),
        closed=all(one.closed for one in found),
        status="optimal" if all(one.status == "optimal" for one in found) else "feasible",
        free_pixels=sum(one.free_pixels for one in found),
        components=sum(one.components for one in found),
        ambiguous_share=sum(one.ambiguous_share for one in found) / len(found),
        gap=max(one.gap for one in found),
        milliseconds=milliseconds,
    )
