"""What must answer while somebody waits with the pen in hand: masks from clicks, and fusion with strokes.

Celery tasks of the `interactive` worker (an own process and queue, one task at a time). They write no rows; the web
process has checked who asks and hands over plain values. What an image costs once (decoding, the prompter's view of it,
the fusion's colour models) stays in this process's memory for the images that people work on, the oldest is let go.
"""

import json
from base64 import b64decode, b64encode
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from threading import Lock, Timer
from time import perf_counter
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
from celery import shared_task
from celery.signals import worker_ready

from inference.documents.base import JsonObject
from inference.documents.configuration import Fusion
from inference.documents.interactive import Failed, MaskJson, Prompted, Ready, Refusion, StrokeJson, Superseded
from inference.masks import clip, pack, tight, unpack
from inference.types import RGB, BoxMask, InferenceError, Mask, Prompter, Prompts

if TYPE_CHECKING:
    from inference.fusion.refusion import FusionState

T = TypeVar("T")
WARM_AFTER = 5.0  # seconds after the worker's start, when the rest of a house that starts with it is up
BAND = 4  # pixels beside a stroke that are optimised too: a border that both models had wrong can move this far


class Recent(Generic[T]):
    """The last few things that were made, by key; the one not asked for longest is let go."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.kept: OrderedDict[Hashable, T] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        if key not in self.kept:
            self.kept[key] = make()
            while len(self.kept) > self.most:
                self.kept.popitem(last=False)
        self.kept.move_to_end(key)
        return self.kept[key]


pixels: Recent[RGB] = Recent(8)
encoded: Recent[Any] = Recent(8)
fused: Recent["FusionState"] = Recent(4)  # about 30 bytes a pixel each
strokes_done: Recent["FusionState"] = Recent(16)  # shares the image and the models with its start
prompters: dict[str, Prompter] = {}


def superseded(session: str, number: int) -> bool:
    """Whether the same hand has asked for something newer since: then nobody waits for this answer."""
    from labeling.annotations import feed

    newest = feed.newest_request(session)
    return newest is not None and newest > number


@shared_task(name="inference.prompt", ignore_result=False)
def prompt(
    *, image: str, file: str, box: list[float] | None, points: list[list[float]], session: str, number: int
) -> Prompted | Failed | Superseded | Ready:
    """One cell's mask from a box, clicks or both.

    No box and no click: only make ready, so that the first click does not wait for the models to load.

    image   hash of the pixels; file is their name in the storage
    box     x0, y0, x1, y1 in image pixels, or None
    points  x, y, sign: 1 inside the cell, 0 outside it
    ->      mask (or null where the prompter finds none), its score 0..1, the prompter's name, milliseconds
    """
    if superseded(session, number):
        return {"superseded": True}
    begun = perf_counter()
    try:
        view = view_of(image, file)
        if box is None and not points:
            return {"ready": True}
        found, score, name = mask_of(prompter(), view, box, points)
    except (InferenceError, ValueError) as error:
        return {"error": str(error)}
    return {"mask": wire(found), "score": score, "prompter": name, "milliseconds": 1000 * (perf_counter() - begun)}


def mask_of(
    asked: Prompter, view: Any, box: list[float] | None, points: list[list[float]]
) -> tuple[BoxMask | None, float, str]:
    """The prompter's answer to one prompt. Raises ValueError when there is neither a box nor a click inside."""
    prompts = Prompts(
        boxes=None if box is None else np.array([box], np.float64),
        points=np.array([[p[:2] for p in points]], np.float64) if points else None,
        signs=np.array([[p[2] for p in points]], np.int8) if points else None,
    )
    answer = asked.decode(view, prompts)
    mask = answer.masks[0]
    return (mask if mask.bits.any() else None), float(answer.scores[0]), asked.name


@shared_task(name="inference.refusion", ignore_result=False)
def refusion(
    *,
    image: str,
    file: str,
    unit: str,
    image_id: int,
    parameters: JsonObject,
    mask: MaskJson | None,
    strokes: list[StrokeJson],
    session: str,
    number: int,
) -> Refusion | Failed | Superseded:
    """The mask of one cell after an exact re-fusion of its image with all strokes so far.

    unit        storage name of the round's prediction artifact, whose M_D and M_S were fused
    parameters  of that round's fusion
    mask        of the cell before the first stroke; null for none
    strokes     in the order of painting (fusion/refusion.py as_record); none: only make ready
    ->          mask, the rectangle in which the fusion changed, certificate, milliseconds
    """
    if superseded(session, number):
        return {"superseded": True}
    begun = perf_counter()
    try:
        start = fused.get((image, unit), lambda: fused_state(rgb_of(image, file), unit, image_id, parameters))
        state = state_after((image, unit), start, strokes)
        now = cell_after(None if mask is None else from_wire(mask), start.mask, state.mask, strokes)
    except (InferenceError, ValueError, KeyError, FileNotFoundError) as error:
        return {"error": str(error) or type(error).__name__}
    c = state.certificate
    return {
        "mask": wire(now),
        "certificate": {
            "objective": c.objective,
            "flow": c.flow,
            "cut": c.cut,
            "closed": c.closed,
            "free_pixels": c.free_pixels,
            "components": c.components,
            "ambiguous_share": c.ambiguous_share,
            "milliseconds": sum(v for k, v in c.milliseconds.items() if k != "total"),
        },
        "milliseconds": 1000 * (perf_counter() - begun),
    }


def state_after(key: Hashable, start: "FusionState", strokes: list[StrokeJson]) -> "FusionState":
    """The fusion after the strokes. What an earlier request had already is not done again; a stroke that still grows
    under the pen is solved from the state before it."""
    from inference.fusion import fuse_with_strokes
    from inference.fusion.refusion import from_record

    names = [json.dumps(s, sort_keys=True) for s in strokes]
    state, done = start, 0
    for known in range(len(names), 0, -1):
        if (found := strokes_done.kept.get((key, tuple(names[:known])))) is not None:
            state, done = found, known
            break
    for count in range(done, len(strokes)):
        state = fuse_with_strokes(state, [from_record(strokes[count])], band=BAND).state
        after = state
        strokes_done.get((key, tuple(names[: count + 1])), lambda after=after: after)  # type: ignore[misc]
    return state


def cell_after(cell: BoxMask | None, before: Mask, after: Mask, strokes: list[StrokeJson]) -> BoxMask | None:
    """One cell after a re-fusion, which knows cell from background but not one cell from the next.

    It loses what turned to background; it gains what turned to cell and hangs together with it (4-neighbours, through
    what it has or gained); what was painted as cell is its own, what was painted as background is not. So pixels of
    a neighbour, which were cell before, stay the neighbour's.
    """
    from scipy.ndimage import label

    h, w = before.shape
    own, painted, wiped = (np.zeros((h, w), bool) for _ in range(3))
    if cell is not None:
        put(own, cell, True)
    for stroke in strokes:  # a later one wins
        put(painted, from_wire(stroke), bool(stroke["foreground"]))
        put(wiped, from_wire(stroke), not stroke["foreground"])
    own = (own & ~(before & ~after) & ~wiped) | painted
    near = tight(BoxMask(0, 0, own | (after & ~before & ~wiped)))
    if near is None:
        return None
    height, width = near.bits.shape
    own = own[near.y : near.y + height, near.x : near.x + width]
    parts, _ = label(near.bits)
    return tight(BoxMask(near.x, near.y, near.bits & np.isin(parts, np.unique(parts[own]))))


def put(where: Mask, part: BoxMask, value: bool) -> None:
    inside = clip(part, where.shape[1], where.shape[0])
    if inside is not None:
        h, w = inside.bits.shape
        where[inside.y : inside.y + h, inside.x : inside.x + w][inside.bits] = value


def fused_state(rgb: RGB, unit: str, image_id: int, parameters: JsonObject) -> "FusionState":
    """The fusion of a round again, from its two masks, this time with all that a stroke needs."""
    from inference.fusion import Parameters, fuse
    from inference.pipeline.units import PredictionUnit, read_unit

    found = read_unit(PredictionUnit, stored(unit), image_id)
    h, w = rgb.shape[:2]
    m_s = np.unpackbits(found["m_s"])[: h * w].reshape(h, w).astype(bool)
    state = fuse(rgb, found["m_d"] > 0, m_s, Parameters(**Fusion.stored(parameters).given()), keep_state=True).state
    assert state is not None  # asked for
    return state


def stored(name: str) -> Path:
    from inference.worker.tasks import local_file

    return local_file(name)


def rgb_of(image: str, file: str) -> RGB:
    def read() -> RGB:
        import PIL.Image

        with PIL.Image.open(stored(file)) as opened:
            return np.asarray(opened.convert("RGB"))

    return pixels.get(image, read)


_loading = Lock()


def prompter() -> Prompter:
    from inference import registry

    name = registry.DEFAULT_PROMPTER
    with _loading:  # the warm-up and the first click may come together
        if name not in prompters:
            prompters[name] = registry.prompter(name)
    return prompters[name]


@worker_ready.connect
def warm_up_later(sender: Any, **_: Any) -> None:
    """Load the models before anybody waits for them: the first smart click would else last as long as importing torch.

    Only in a worker of the interactive queue; the round's workers load what they need when they need it.
    """
    if "interactive" in sender.app.amqp.queues.consume_from:
        timer = Timer(WARM_AFTER, warm_up)
        timer.daemon = True
        timer.start()


def warm_up() -> None:
    """The prompter and the fusion, loaded and once used. What is missing is said to the first who asks."""
    try:
        asked = prompter()
        asked.decode(
            asked.encode(np.full((64, 64, 3), 200, np.uint8)), Prompts(boxes=np.array([[20.0, 20.0, 40.0, 40.0]]))
        )
        from inference.fusion.warm import warm

        warm()
    except InferenceError:
        return


def view_of(image: str, file: str) -> Any:
    return encoded.get((image, prompter().name), lambda: prompter().encode(rgb_of(image, file)))


def wire(mask: BoxMask | None) -> MaskJson | None:
    """A tight mask as it travels to the browser."""
    found = None if mask is None else tight(mask)
    if found is None:
        return None
    h, w = found.bits.shape
    return {"x": found.x, "y": found.y, "width": w, "height": h, "bits": b64encode(pack(found.bits)).decode()}


def from_wire(mask: MaskJson) -> BoxMask:
    """Raises ValueError when the bits do not fit the box."""
    bits: npt.NDArray[np.bool_] = unpack(b64decode(mask["bits"]), mask["width"], mask["height"])
    return BoxMask(mask["x"], mask["y"], bits)
