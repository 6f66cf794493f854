"""Fuse one image from files: python docs/examples/fuse_one_image.py IMAGE M_D M_S LABELS OUT_MASK OUT_LABELS"""

import sys

import numpy as np
from PIL import Image

from inference.fusion import Parameters, fuse
from inference.instances import instances

image, m_d, m_s, detections, out_mask, out_labels = sys.argv[1:]
rgb = np.array(Image.open(image).convert("RGB"))
fused = fuse(rgb, np.array(Image.open(m_d)) > 0, np.array(Image.open(m_s)) > 0, Parameters(lam=2, theta=25))
proof = fused.certificate
print(f"{proof.free_pixels} pixels decided in {proof.milliseconds['total']:.1f} ms, objective {proof.objective:.3f}")
print(f"flow {proof.flow} == cut {proof.cut}: nothing better exists")
Image.fromarray(fused.mask).save(out_mask)
cells = instances(fused.mask, np.array(Image.open(detections)).astype(np.int32))
Image.fromarray(cells.astype(np.uint16)).save(out_labels)
