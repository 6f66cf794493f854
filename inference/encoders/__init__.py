"""Encoders: an image and the masks of its cells -> a vector for each cell. A new one is a file here and a line in
ARCHITECTURES. `weights` is the name of the vectors, with the version: vectors of two names are never compared."""

from inference.types import Architecture

ARCHITECTURES = (Architecture("boxwise", "inference.encoders.shipped:ShippedEncoder", weights="boxwise-1"),)
DEFAULT = ARCHITECTURES[0]
