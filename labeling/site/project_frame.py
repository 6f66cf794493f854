"""What every page of a project shows around its own content: its name, its parts, and what to do next."""

from collections.abc import Sequence
from typing import TypedDict

from labeling.projects.models import Project
from labeling.rounds.models import Round
from labeling.rounds.results.outcome import Outcome, outcome_of
from labeling.rounds.weights.promotion import current_round
from labeling.site.image_rows import ImageRow
from labeling.site.primary_action import Action, primary_action, situation_of
from labeling.site.requests import Request, acts_of


class Frame(TypedDict):
    """total, boxes, undecided: images, cells and open proposals of the project; active: the round at work.
    offers_proposing: beside the primary action, which may be that itself.
    """

    project: Project
    role: str | None
    may: set[str]
    total: int
    boxes: int
    undecided: int
    active: Round | None
    current: Round | None
    outcome: Outcome | None
    can_learn: bool
    action: Action | None
    offers_proposing: bool


def frame(request: Request, found: Project, rows: Sequence[ImageRow]) -> Frame:
    """The names of site/parts/project_head.html. `rows`: every image of the project."""
    role = found.role_of(request.user)
    may = acts_of(found, role)
    current = current_round(found)
    situation = situation_of(found, request.user, may, rows)
    action = primary_action(situation)
    return {
        "project": found,
        "role": role,
        "may": may,
        "total": len(rows),
        "boxes": sum(row.counts.boxes for row in rows),
        "undecided": sum(row.counts.undecided for row in rows),
        "active": situation.active,
        "current": current,
        "outcome": outcome_of(current) if current else None,
        "can_learn": situation.can_learn,
        "action": action,
        "offers_proposing": "manage" in may and bool(rows) and (action is None or not action.is_proposing),
    }
