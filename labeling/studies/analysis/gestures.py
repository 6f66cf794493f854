"""Gestures per finished cell, counted from the events, and what the keystroke-level model says they take."""

from dataclasses import dataclass

import pandas as pd

# Card, Moran and Newell 1980: seconds of a key (average skilled typist), of pointing, and of preparing in the mind.
KEY_S, POINT_S, MENTAL_S = 0.28, 1.10, 1.35
# Their button press; a drag presses, points and lets go.
BUTTON_S = 0.10


@dataclass(frozen=True)
class Gestures:
    """clicks and drags of the pointer, keys that meant a command, and turns of the wheel (runs of wheel events)."""

    drags: int
    clicks: int
    keys: int
    wheels: int

    @property
    def all(self) -> int:
        return self.drags + self.clicks + self.keys + self.wheels


@dataclass(frozen=True)
class Estimate:
    """seconds_per_cell by the keystroke-level model: one act of preparation for each gesture that begins a cell."""

    gestures: int
    cells: int
    gestures_per_cell: float | None
    model_s_per_cell: float | None


def gestures(events: pd.DataFrame) -> Gestures:
    """events: session, n, t_ms, kind, data. A press that moves before it is let go is a drag."""
    drags = clicks = keys = wheels = 0
    for _, rows in events.sort_values(["session", "n"]).groupby("session", sort=False):
        down, moved, before = False, False, ""
        for kind, what in zip(rows["kind"], rows["data"], strict=True):
            if kind == "pointer_down":
                down, moved = True, False
            elif kind == "pointer_move":
                moved = True
            elif kind == "pointer_up" and down:
                drags, clicks, down = drags + moved, clicks + (not moved), False
            elif kind == "key" and what != "other":
                keys += 1
            elif kind == "wheel" and before != "wheel":
                wheels += 1
            # A turn of the wheel is many events, with the views it leads to in between.
            before = "wheel" if kind == "wheel" or (before == "wheel" and kind == "viewport") else kind
    return Gestures(drags, clicks, keys, wheels)


def keystroke_level(found: Gestures, cells: int) -> Estimate:
    if cells <= 0:
        return Estimate(found.all, cells, None, None)
    pointer = found.clicks * (POINT_S + 2 * BUTTON_S) + found.drags * (2 * POINT_S + 2 * BUTTON_S)
    seconds = pointer + (found.keys + found.wheels) * KEY_S + cells * MENTAL_S
    return Estimate(found.all, cells, found.all / cells, seconds / cells)
