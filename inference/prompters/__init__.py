"""Prompters: a box or clicks -> the mask of one cell. A new one is a file here and a line in ARCHITECTURES.

The SAM family is not listed: those are one class, `sam.Sam`, and their weights stand in inference/weights/catalogue.py.
"""

from inference.types import Architecture

ARCHITECTURES = (
    Architecture("boxwise", "inference.prompters.boxwise:Boxwise"),
    Architecture("boxwise-sam", "inference.prompters.compact:BoxwiseSam"),
    Architecture("grabcut", "inference.prompters.grabcut:GrabCut"),
)
SAM = Architecture("sam", "inference.prompters.sam:Sam")
