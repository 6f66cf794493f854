"""Label maps on several pages: where cells overlap, a page holds some of them."""

from collections.abc import Sequence

from inference.types import Labels


def first_of(pages: Sequence[Labels]) -> Labels:
    """One label map of all pages: where cells overlap, the page that comes first keeps the pixel."""
    labels = pages[0].copy()
    for page in pages[1:]:
        labels[labels == 0] = page[labels == 0]
    return labels
