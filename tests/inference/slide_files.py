"""Slides made for tests: pyramids, a VMS set, DICOM headers."""

import shutil
from pathlib import Path

import numpy as np
import PIL.Image
import tifffile

from inference.datasets import data_root

VMS = """[Virtual Microscope Specimen]
NoLayers=1
NoJpegColumns=1
NoJpegRows=1
ImageFile=image.jpg
MapFile=map.jpg
MacroImage=macro.jpg
PhysicalWidth=256000
PhysicalHeight=128000
SourceLens=20
"""
SLIDEDAT = """[HIERARCHICAL]
INDEXFILE = Index.dat
[DATAFILE]
FILE_COUNT = 2
FILE_0 = Data0000.dat
FILE_1 = Data0001.dat
"""


def samples() -> Path | None:
    """The folder of sample slides, None where BOXWISE_DATA does not hold it."""
    root = data_root()
    if root is None or not (root / "wsi_samples").is_dir():
        return None
    return root / "wsi_samples"


def tissue(width: int, height: int, seed: int = 0) -> np.ndarray:
    """(height, width, 3) uint8: smooth colours with some detail."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(60, 255, (8, 8, 3), np.uint8)
    smooth = PIL.Image.fromarray(coarse).resize((width, height), PIL.Image.Resampling.BICUBIC)
    noise = rng.integers(-20, 20, (height, width, 1))
    return np.clip(np.asarray(smooth).astype(int) + noise, 0, 255).astype(np.uint8)


def halved(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(PIL.Image.fromarray(pixels).reduce(2))


def write_pyramid(path: Path, pixels: np.ndarray, *, ome: bool = False, mpp: float = 0.25, levels: int = 3) -> None:
    """A tiled pyramid without loss: OME-TIFF with SubIFDs, or plain TIFF with reduced directories."""
    per_cm = 10_000 / mpp
    shared = {"photometric": "rgb", "tile": (64, 64), "compression": "zlib"}
    about = {"axes": "YXS", "PhysicalSizeX": mpp, "PhysicalSizeY": mpp}
    with tifffile.TiffWriter(path, ome=ome) as writer:
        options = {"subifds": levels - 1, "metadata": about} if ome else {"metadata": None}
        writer.write(pixels, resolution=(per_cm, per_cm), resolutionunit="CENTIMETER", **shared, **options)
        for _level in range(levels - 1):
            pixels = halved(pixels)
            writer.write(pixels, subfiletype=1, metadata=None, **shared)


def write_vms(folder: Path) -> Path:
    """A VMS slide that OpenSlide opens. -> its .vms file"""
    folder.mkdir(exist_ok=True)
    whole = PIL.Image.fromarray(tissue(512, 256))
    whole.save(folder / "image.jpg", restart_marker_blocks=4)
    whole.resize((64, 32)).save(folder / "map.jpg", restart_marker_blocks=4)
    whole.resize((64, 32)).save(folder / "macro.jpg")
    (folder / "a.vms").write_text(VMS)
    return folder / "a.vms"


def write_mrxs(folder: Path) -> Path:
    """The files of an MRXS slide, without a picture in them. -> its .mrxs file"""
    inside = folder / "a"
    inside.mkdir(parents=True)
    (inside / "Slidedat.ini").write_text(SLIDEDAT, encoding="utf-8-sig")
    for name in ("Index.dat", "Data0000.dat", "Data0001.dat"):
        (inside / name).write_bytes(b"01.02")
    path = folder / "a.mrxs"
    PIL.Image.fromarray(tissue(32, 32)).save(path, "JPEG")
    return path


def copied(name: str, folder: Path) -> Path:
    root = samples()
    assert root is not None
    return Path(shutil.copy(root / name, folder / name))
