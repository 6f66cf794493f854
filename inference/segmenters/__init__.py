"""Segmenters: RGB -> probability of cell at each pixel. A new one is a file here and a line in ARCHITECTURES."""

from inference.types import Architecture

ARCHITECTURES = (
    Architecture("caranet", "inference.segmenters.caranet:CaraNet", weights="caranet-1"),
    Architecture("segformer", "inference.segmenters.segformer:SegFormer", weights="segformer-1"),
    Architecture("unet", "inference.segmenters.unet:UNet", weights="unet-1"),
)
