"""Readings of images for tests of agreement and consensus: square cells."""

import numpy as np

from inference.agreement.readings import Cell, ReadImage, Reading
from inference.types import BoxMask


def square(x, y, side=10, label=None):
    """A cell that fills its box."""
    box = (x, y, x + side, y + side)
    mask = BoxMask(x, y, np.ones((side, side), bool))
    return Cell(f"{x},{y},{side}", box, label, mask)


def image(*readings, um=0.25, name="i", patient="p"):
    """readings: cells of the readers a, b, c, ..."""
    named = [Reading(chr(97 + n), cells) for n, cells in enumerate(readings)]
    return ReadImage(name, patient, named, um)
