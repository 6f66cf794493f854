"""boxwise fuse IMAGE M_D M_S -o MASK.png"""

import argparse
import json
import sys
from pathlib import Path

from boxwise.codes import NOT_PROVED

from inference.commands import outputs
from inference.commands.files import PICTURES, FileProblem, read_mask, read_rgb, write_mask
from inference.types import InferenceError


def main(argv: list[str]) -> int:
    """Reconcile two masks exactly: IMAGE M_D M_S -o MASK.png."""
    from inference.fusion import Parameters, fuse, solvers

    default = Parameters()
    parser = argparse.ArgumentParser(
        "boxwise fuse",
        description="Reconcile two masks exactly (BoxCell, eq. 7).",
        epilog="Exit codes: 0 written and proved optimal, 1 the input does not fit, 2 the arguments are wrong, 5 no "
        "proved answer: nothing is written.",
    )
    parser.add_argument("image", type=Path, help="RGB image")
    parser.add_argument("m_d", type=Path, help="the detector's mask: any image, not 0 is cell")
    parser.add_argument("m_s", type=Path, help="the segmenter's mask, likewise")
    parser.add_argument("-o", "--output", type=outputs.file(*PICTURES), required=True, help="the fused mask, 0 and 255")
    parser.add_argument("--lam", type=float, default=default.lam, help="weight of the spatial term (%(default)s)")
    parser.add_argument("--theta", type=float, default=default.theta, help="colour scale, grey levels (%(default)s)")
    parser.add_argument("--grid", type=int, default=default.grid, help="K x K patches (%(default)s)")
    parser.add_argument("--patch-px", type=int, help="side of a patch in pixels, instead of --grid")
    parser.add_argument("--components", type=int, default=default.components, help="Gaussians a class (%(default)s)")
    parser.add_argument(
        "--bits", type=int, default=default.bits, help="colour bits a channel; 8 is exact (%(default)s)"
    )
    parser.add_argument("--minimum-pixels", type=int, default=default.minimum_pixels, help="(%(default)s)")
    parser.add_argument("--solver", choices=solvers.NAMES, default="cut", help="(%(default)s)")
    parser.add_argument("--time-limit", type=float, help="seconds, for solvers that can stop early")
    parser.add_argument("--json", action="store_true", help="print the certificate")
    given = parser.parse_args(argv)
    try:
        parameters = Parameters(
            lam=given.lam,
            theta=given.theta,
            grid=given.grid,
            components=given.components,
            patch_px=given.patch_px,
            bits=given.bits,
            minimum_pixels=given.minimum_pixels,
        )
        fused = fuse(
            read_rgb(given.image),
            read_mask(given.m_d),
            read_mask(given.m_s),
            parameters,
            given.solver,
            time_limit=given.time_limit,
        )
        write_mask(given.output, fused.mask)
    except (FileProblem, ValueError) as error:
        print(f"boxwise fuse: {error}", file=sys.stderr)
        return 1
    except InferenceError as error:
        print(f"boxwise fuse: {error}", file=sys.stderr)
        return NOT_PROVED
    certificate = fused.certificate
    if given.json:
        print(json.dumps(certificate.as_dict(), indent=2))
    else:
        print(
            f"{given.output}: {certificate.free_pixels} of {fused.mask.size} pixels decided, objective "
            f"{certificate.objective:.6f}, proved optimal, {certificate.milliseconds['total']:.1f} ms"
        )
    return 0
