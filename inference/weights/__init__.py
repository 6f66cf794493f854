"""Weights that come with the program, and their cards."""

from pathlib import Path


def shipped(name: str) -> Path | None:
    """The file of a shipped model ("boxwise", "centre", "unet"), or None when this copy was built without it."""
    path = Path(__file__).parent / f"{name}.safetensors"
    return path if path.exists() else None
