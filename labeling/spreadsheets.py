"""Texts in tables that people open in a spreadsheet."""


def as_text(text: str) -> str:
    """A text that a spreadsheet would take for a formula gets an apostrophe: it opens as text."""
    return f"'{text}" if text and text[0] in "=+-@\t\r" else text
