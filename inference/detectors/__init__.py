"""Detectors: RGB -> boxes with scores and classes. A new one is a file here and a line in ARCHITECTURES."""

from inference.types import Architecture

ARCHITECTURES = (
    Architecture("centre", "inference.detectors.centre:CentrePoint", weights="centre-1"),
    Architecture("faster-rcnn", "inference.detectors.rcnn:FasterRcnn", weights="faster-rcnn-1"),
    Architecture("yolo", "inference.detectors.yolo:Yolo", weights="yolov8-1"),
)
