"""The components of pages and workspace with their states, in both themes. Only while DEBUG is on; in English only."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

# (the button's words, its classes, its attributes)
BUTTONS = [
    ("Save", "button", ""),
    ("Start round", "button is-primary", ""),
    ("Delete", "button is-danger", ""),
    ("Cancel", "button is-quiet", ""),
    ("Pressed", "button", "pressed"),
    ("Not now", "button", "disabled"),
    ("Not now", "button is-primary", "disabled"),
    ("Saving", "button", "busy"),
]
CHOICES = [("Tumour", "pressed"), ("Lymphocyte", ""), ("Stroma", "disabled")]
CARDS = [
    ("Smart", "Click in a cell, or drag a box.", ""),
    ("Round 4 is published", "212 proposals on 9 images.", "is-ok"),
    ("Waits for a worker", "No worker with a GPU is running.", "is-warn"),
    ("Dr B changed this cell while you did", "Nothing was overwritten.", "is-danger"),
]
BADGES = [("archived", ""), ("published", "is-ok"), ("synthetic", "is-warn"), ("failed", "is-danger")]
ROWS = [("Nuclei", "0.812", "1,204"), ("Glands", "0.774", "86")]
JOBS = [
    ("Export to COCO", 40, "4 of 10 images", ""),
    ("Backup", 100, "done", "is-ok"),
    ("Import", 15, "failed", "is-danger"),
]


def styleguide(request: HttpRequest) -> HttpResponse:
    """Each component once a theme, so that a change is seen in both at once."""
    parts = {
        "themes": ["light", "dark"],
        "buttons": BUTTONS,
        "choices": CHOICES,
        "cards": CARDS,
        "badges": BADGES,
        "rows": ROWS,
        "jobs": JOBS,
        "words": {
            "title": "Components",
            "button": "Button: normal, primary, danger, quiet, pressed, disabled, busy",
            "choice": "Choice: chosen, free, disabled",
            "field": "Field: normal, with an error, disabled",
            "card": "Card: note, done, waits, conflict",
            "table": "Table",
            "progress": "Progress and jobs: at work, done, failed",
            "toast": "Toast: with undo, error",
            "empty": "Empty state",
            "dialog": "Dialog",
            "tabs": "Tabs",
            "badge": "Badge",
            "name": "Name",
            "help": "As colleagues see it.",
            "problem": "A project of this name exists. Choose another name.",
            "toast_text": "Cell deleted.",
            "undo": "Undo",
            "error_text": "Not saved: the server does not answer.",
            "empty_text": "No cells yet. Press R and drag a box around each cell.",
            "draw": "Draw boxes",
            "dialog_text": "Cancel this round? What is computed is kept.",
            "keep": "Keep it running",
            "stop": "Cancel round",
        },
        "tabs": ["Cells 41", "Review 12", "Masks", "View"],
    }
    return render(request, "site/styleguide.html", parts)
