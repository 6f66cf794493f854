"""What the kinds of files that take storage are called on pages (labeling/upkeep/storage.py, `usage`)."""

from django.utils.translation import gettext_lazy

STORAGE_NAMES = {
    "pixels": gettext_lazy("Images, as they are shown"),
    "originals": gettext_lazy("Originals"),
    "tiles": gettext_lazy("Tiles of large images"),
    "slides": gettext_lazy("Slides"),
    "uploads": gettext_lazy("Uploads that wait to be read"),
    "rounds": gettext_lazy("Weights and results of rounds"),
    "results": gettext_lazy("Exports"),
}
