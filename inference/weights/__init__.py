"""Weights that come with the program, and their cards."""

import hashlib
from pathlib import Path


def shipped(name: str) -> Path | None:
    """The file of a shipped model ("boxwise", "centre", "unet"), or None when this copy was built without it."""
    path = Path(__file__).parent / f"{name}.safetensors"
    return path if path.exists() else None


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
