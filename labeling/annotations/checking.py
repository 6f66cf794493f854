"""What a client sent as an operation, checked against its image before anything is asked of the log."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from labeling.annotations.contract import MOST_EFFECTS, EffectIn, OperationIn, ViewIn
from labeling.annotations.models import Operation
from labeling.annotations.opinions import RESTORING, ParsedOpinion, check_opinions
from labeling.annotations.overrules import Named, check_settles
from labeling.annotations.state import AnnotationState, check_state
from labeling.annotations.study_sheets import check_moments
from labeling.errors import Invalid
from labeling.images.models import Image


@dataclass(frozen=True)
class ParsedEffect:
    annotation: uuid.UUID
    seen: uuid.UUID | None
    after: AnnotationState | None


@dataclass(frozen=True)
class ParsedOperation:
    op_id: uuid.UUID
    action: str
    tool: str
    session: uuid.UUID
    begun_at: datetime
    committed_at: datetime
    begun_ms: float
    committed_ms: float
    activity: tuple[int, int] | None
    undoes: uuid.UUID | None
    view: ViewIn | None
    effects: tuple[ParsedEffect, ...]
    opinions: tuple[ParsedOpinion, ...] = ()
    settles: tuple[Named, ...] = ()


def check_operation(
    sent: OperationIn, *, image: Image, classes: Mapping[int, int], attributes: dict[str, list[str]]
) -> ParsedOperation:
    """What a client sent, checked against its image. Raises Invalid with the name of the field."""
    if sent.committed_ms < sent.begun_ms:
        raise Invalid("committed_ms is before begun_ms", field="committed_ms")
    opinions = check_opinions(sent.opinions or (), classes=classes)
    if not 0 < len(sent.effects) + len(opinions) <= MOST_EFFECTS:
        raise Invalid(f"an operation has 1 to {MOST_EFFECTS} effects", field="effects")
    _check_kind(sent.action, has_effects=bool(sent.effects), has_opinions=bool(opinions))
    effects = tuple(_check_effects(sent.effects, image, classes, attributes))
    if sent.activity is not None and not 0 <= sent.activity[0] <= sent.activity[1]:
        raise Invalid("activity must be [first, last]", field="activity")
    check_moments(begun_at=sent.begun_at, committed_at=sent.committed_at, image=image)
    return ParsedOperation(
        op_id=sent.op_id,
        action=sent.action,
        tool=sent.tool or "",
        session=sent.session,
        begun_at=sent.begun_at,
        committed_at=sent.committed_at,
        begun_ms=sent.begun_ms,
        committed_ms=sent.committed_ms,
        activity=sent.activity,
        undoes=sent.undoes,
        view=sent.view,
        effects=effects,
        opinions=opinions,
        settles=check_settles(
            sent.settles or (), action=sent.action, annotations=frozenset(effect.annotation for effect in effects)
        ),
    )


def _check_kind(action: str, *, has_effects: bool, has_opinions: bool) -> None:
    """An operation is about cells or about opinions. Raises Invalid for both, and for opinions by another act."""
    if has_opinions and has_effects:
        raise Invalid("an operation has effects or opinions, not both", field="opinions")
    if has_opinions and action != Operation.Action.OPINION and action not in RESTORING:
        raise Invalid("opinions belong to an operation of the action opinion", field="opinions")
    if action == Operation.Action.OPINION and not has_opinions:
        raise Invalid("an opinion names a cell and a verdict", field="opinions")


def _check_effects(
    sent: Sequence[EffectIn], image: Image, classes: Mapping[int, int], attributes: dict[str, list[str]]
) -> Iterator[ParsedEffect]:
    """The effects with their states checked. Raises Invalid, whose field says which effect is meant."""
    if len({effect.annotation for effect in sent}) != len(sent):
        raise Invalid("an operation has one effect for each annotation at most", field="effects")
    decided = [effect.after.derived_from for effect in sent if effect.after and effect.after.derived_from]
    if len(set(decided)) != len(decided):
        raise Invalid("an operation decides a proposal once at most", field="effects")
    for number, effect in enumerate(sent):
        after = None
        try:
            if effect.after is not None:
                after = check_state(
                    effect.after, width=image.width, height=image.height, classes=classes, attributes=attributes
                )
        except Invalid as error:
            raise Invalid(str(error), field=f"effects.{number}.after.{error.field}") from None
        yield ParsedEffect(annotation=effect.annotation, seen=effect.seen, after=after)


def check_tool(op: ParsedOperation, tools: frozenset[str]) -> None:
    """Raises Invalid for work with another tool. Selecting, classes, verdicts (of all in view, too) and undo belong to
    every arm; making or changing a mask with none named does not."""
    tool = "brush" if op.tool == "constraint" else op.tool  # the brush, whose stroke the fusion follows
    makes = op.action in (Operation.Action.DRAW, Operation.Action.RESHAPE, Operation.Action.EDIT)
    # "Keep mine" says an act of the arm again, on top of what a colleague did, and makes no cell.
    if tool == "conflict" and op.action != Operation.Action.DRAW and all(effect.seen for effect in op.effects):
        return
    if tool not in tools and (makes or tool not in ("select", "keys", "attribute", "viewport")):
        offered = ", ".join(sorted(tools)) or "none to draw with"
        raise Invalid(
            f"the tool {op.tool or 'without a name'} is not one of this study's here: {offered}", field="tool"
        )
