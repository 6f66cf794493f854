"""What a reader is told to do in an arm: by tool, with its picture, and a text that the coordinator may replace."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from labeling.studies.models import Arm, Item

OWN_BOXES, PROPOSALS = Arm.Assistance.OWN_BOXES, Arm.Assistance.PROPOSALS


@dataclass(frozen=True)
class Step:
    """How something is done: picture is a name in static/site/steps, key the key of the workspace."""

    picture: str
    text: str
    key: str = ""

    @property
    def image(self) -> str:
        return f"site/steps/{self.picture}.svg"


TOOLS = {
    "box": Step("box", gettext_noop("Box: press at one corner of the cell, drag to the opposite one, let go."), "R"),
    "point": Step("point", gettext_noop("Point: click once in the middle of the cell."), "O"),
    "polygon": Step(
        "polygon",
        gettext_noop("Polygon: click from point to point around the cell; click the first point to close."),
        "P",
    ),
    "brush": Step("brush", gettext_noop("Brush: paint what belongs to the cell; with Alt, erase what does not."), "B"),
    "wand": Step("wand", gettext_noop("Wand: press inside the cell and drag until the outline fits."), "W"),
    "stamp": Step("stamp", gettext_noop("Stamp: click to place an ellipse of the last size."), "."),
    "extremes": Step("extremes", gettext_noop("Extremes: click the leftmost, top, right and lowest point."), "Q"),
    "smart": Step("smart", gettext_noop("Smart click: click inside the cell; with Alt, outside it."), "S"),
}
DECIDE = (
    Step("accept", gettext_noop("A proposal that fits: accept it."), "A"),
    Step("reject", gettext_noop("A proposal that is no cell: reject it."), "X"),
)


def default_instructions(arm: Any) -> str:
    """The text of an arm whose coordinator wrote none. arm: documents.ArmDocument"""
    if arm["assistance"] == OWN_BOXES and "box" not in arm["tools"]:
        return _(
            "First sitting: click once in the middle of every cell and give it its class. Second sitting: the points "
            "come back with masks. Look at each mask, accept it where it fits, and correct it where it does not."
        )
    if arm["assistance"] == OWN_BOXES:
        return _(
            "First sitting: draw a box around every cell and give it its class. Second sitting: the boxes come back "
            "with masks. Look at each mask, accept it where it fits, and correct it where it does not."
        )
    if arm["assistance"] == PROPOSALS:
        return _(
            "Cells are proposed. Look at each one: accept it where it fits, correct it where it does not, reject what "
            "is no cell, and draw what was missed."
        )
    return _("Outline every cell and give it its class. Nothing is proposed.")


def steps_of(item: Item) -> list[Step]:
    """The means at hand in this item, in the order of Arm.TOOLS."""
    found = [TOOLS[tool] for tool in Arm.TOOLS if tool in item.tools and tool in TOOLS]
    shows = item.arm.assistance == PROPOSALS or item.part == Item.Part.VERIFY
    return [*(DECIDE if shows else ()), *found]


def text_of(item: Item) -> str:
    """The instructions of the item's arm; an arm of before has the text of its kind."""
    return item.arm.instructions or default_instructions(item.arm.as_document())
