"""boxwise study: recompute a bundle's numbers, or check the figures that a paper prints"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path


def main(argv: Sequence[str] | None = None) -> int:
    """boxwise study: recompute a bundle's numbers, or check the figures that a paper prints"""
    parser = argparse.ArgumentParser(prog="boxwise study", description=main.__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    again = commands.add_parser("recompute", help="compute every number of a report again from its bundle's raw events")
    again.add_argument("bundle", type=Path)
    again.add_argument(
        "--key", help="the server's public key, from the study's page; without it only wholeness is checked"
    )
    again.add_argument("--numbers", type=Path, help="write the numbers here, as JSON")
    commands.add_parser("boxcell", help="hold the figures of the BoxCell paper's time study against each other")
    arguments = parser.parse_args(argv)
    if arguments.command == "boxcell":
        from labeling.studies.analysis.summaries import BOXCELL, BOXCELL_REDUCTION, audit

        for finding in audit(BOXCELL, BOXCELL_REDUCTION):
            print(finding)
        return 0
    from labeling.studies.bundle import BadBundle, recompute

    try:
        found = recompute(arguments.bundle, arguments.key)
    except BadBundle as error:
        print(f"boxwise study: {error}", file=sys.stderr)
        return 2
    if arguments.numbers:
        arguments.numbers.write_text(json.dumps(found.numbers, indent=1), encoding="utf-8")
    print(f"Signed with {found.public_key}; computed then by {found.code_then}, now by {found.code_now}.")
    if found.differences:
        print(f"{len(found.differences)} numbers differ:", *found.differences[:20], sep="\n  ")
        return 1
    print("Every number is identical.")
    return 0
