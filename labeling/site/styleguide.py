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
    ("In focus", "button shows-focus", ""),
]
CHOICES = [("Tumour", "pressed"), ("Lymphocyte", ""), ("Stroma", "disabled"), ("Gland", "focus")]
CARDS = [
    ("Images", "9 images, 412 cells.", "is-stacked"),
    ("Smart", "Click in a cell, or drag a box.", "is-stacked is-info"),
    ("Round 4 is published", "212 proposals on 9 images.", "is-stacked is-ok"),
    ("Waits for a worker", "No worker with a GPU is running.", "is-stacked is-warn"),
    ("Dr B changed this cell while you did", "Nothing was overwritten.", "is-stacked is-danger"),
]
NOTES = [
    ("clock", "Working time is recorded in this project.", "is-info"),
    ("triangle-alert", "3 images have no proposals.", "is-warn"),
]
LINES = [("the images, as PNG", "checked"), ("rejected cells", "")]
BADGES = [("archived", ""), ("published", "is-ok"), ("synthetic", "is-warn"), ("failed", "is-danger")]
ROWS = [("Nuclei", "0.812", "1,204"), ("Glands", "0.774", "86")]
JOBS = [
    ("Export to COCO", 40, "4 of 10 images", ""),
    ("Backup", 100, "done", "is-ok"),
    ("Reading of files", 60, "2 files wait for a choice", "is-warn"),
    ("Import", 15, "failed", "is-danger"),
]


def styleguide(request: HttpRequest) -> HttpResponse:
    """Each component once a theme, so that a change is seen in both at once."""
    parts = {
        "themes": ["light", "dark"],
        "buttons": BUTTONS,
        "choices": CHOICES,
        "cards": CARDS,
        "notes": NOTES,
        "lines": LINES,
        "badges": BADGES,
        "rows": ROWS,
        "jobs": JOBS,
        "words": {
            "title": "Components",
            "button": "Button: normal, primary, danger, quiet, pressed, disabled, busy, in focus",
            "choice": "Choice: chosen, free, disabled, in focus",
            "field": "Field: normal, with an error, disabled, in focus",
            "card": "Card: plain, note, done, waits, conflict; a sentence with an icon; a link",
            "lines": "Choices of a form",
            "link_title": "Colon 2024",
            "link_text": "18 images, 3,412 cells",
            "table": "Table",
            "progress": "Progress and jobs: at work, done, failed",
            "toast": "Toast: with undo, done, error",
            "saved_text": "Saved.",
            "empty": "Empty state: in a panel, in place of a list",
            "dialog": "Dialog",
            "tabs": "Tabs",
            "badge": "Badge",
            "prose": "Text that people have written",
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
