"""boxwise study: recompute a bundle's numbers, plan a study's size, or check a paper's figures"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path


def _power(arguments: argparse.Namespace) -> int:
    from labeling.studies.analysis.power import Components, power

    try:
        found = power(
            reduction=arguments.reduction,
            readers=arguments.readers,
            fields=arguments.fields,
            kind=arguments.design,
            studies=arguments.studies,
            components=Components(
                reader=arguments.reader_sd,
                slope=arguments.slope_sd,
                field=arguments.field_sd,
                residual=arguments.residual_sd,
            ),
        )
    except ValueError as error:
        print(f"boxwise study: {error}", file=sys.stderr)
        return 2
    print("readers  fields  power (95 % Monte-Carlo interval)")
    for row in found:
        print(f"{row.readers:7}  {row.fields:6}  {row.power:.2f} ({row.low:.2f}-{row.high:.2f})")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """boxwise study: recompute a bundle's numbers, plan a study's size, or check a paper's figures"""
    parser = argparse.ArgumentParser(prog="boxwise study", description=main.__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    again = commands.add_parser("recompute", help="compute every number of a report again from its bundle's raw events")
    again.add_argument("bundle", type=Path)
    again.add_argument(
        "--key", help="the server's public key, from the study's page; without it only wholeness is checked"
    )
    again.add_argument("--numbers", type=Path, help="write the numbers here, as JSON")
    commands.add_parser("boxcell", help="hold the figures of the BoxCell paper's time study against each other")
    needed = commands.add_parser("power", help="how many readers and fields a study needs, from pilot components")
    needed.add_argument("--reduction", type=float, required=True, help="to be found, in per cent")
    needed.add_argument("--readers", type=int, nargs="+", default=[4, 6, 8, 10])
    needed.add_argument("--fields", type=int, nargs="+", default=[4, 8, 16], help="of each reader in each arm")
    needed.add_argument("--design", choices=["crossover", "parallel"], default="crossover")
    for name in ("reader", "slope", "field", "residual"):  # no defaults: they are what a pilot is for
        needed.add_argument(f"--{name}-sd", type=float, required=True, help="SD of log seconds per cell")
    needed.add_argument("--studies", type=int, default=500)
    arguments = parser.parse_args(argv)
    if arguments.command == "power":
        return _power(arguments)
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
