"""Colours and names of a report's plots."""

# Okabe and Ito; told apart by colour-blind people too.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#e69f00", "#56b4e9", "#cc79a7", "#999999", "#dddddd", "#f0e442", "#000000")


def short(name: str) -> str:
    """A name as a label: not longer than the plot is wide, and never hidden (matplotlib hides what begins with _)."""
    text = name if len(name) <= 28 else f"{name[:27]}…"
    return f" {text}" if text.startswith("_") else text
