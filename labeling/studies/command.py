"""boxwise study: recompute a bundle's numbers, plan a study's size, or check a paper's figures"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path


def _power(arguments: argparse.Namespace) -> int:
    from labeling.studies.analysis.power import Components, Gate, Power, justification, power
    from labeling.studies.analysis.resampling import permutation_from

    dropout = arguments.dropout / 100
    try:
        components = Components(
            reader=arguments.reader_sd,
            slope=arguments.slope_sd,
            field=arguments.field_sd,
            residual=arguments.residual_sd,
        )
        gate = None
        if arguments.quality_margin is not None:
            gate = Gate(arguments.quality_margin, arguments.quality_loss, arguments.quality_sd)
        found = power(
            reduction=arguments.reduction,
            readers=arguments.readers,
            fields=arguments.fields,
            kind=arguments.design,
            arms=arguments.arms,
            studies=arguments.studies,
            components=components,
            dropout=dropout,
            gate=gate,
        )
    except ValueError as error:
        print(f"boxwise study: {error}", file=sys.stderr)
        return 2
    print("readers  fields  power (95 % Monte-Carlo interval)")
    for row in found:
        if isinstance(row, Power):
            print(f"{row.readers:7}  {row.fields:6}  {row.power:.2f} ({row.low:.2f}-{row.high:.2f})")
            if arguments.text:
                given = {"reduction": arguments.reduction, "components": components, "kind": arguments.design}
                print(justification(row, dropout=dropout, gate=gate, **given))
        else:
            print(row)
    needed = permutation_from(arguments.design, arguments.arms)
    if needed is None:
        print("This design allows no permutation test of two arms.")
    else:
        print(f"A permutation test can reach p < 0.05 from {needed} readers of the arms compared.")
    return 0 if any(isinstance(row, Power) for row in found) else 2


def _recompute(arguments: argparse.Namespace) -> int:
    from labeling.studies.bundle import BadBundle, recompute
    from labeling.studies.protocol.declared import DEFINITION

    try:
        found = recompute(arguments.bundle, arguments.key)
    except BadBundle as error:
        print(f"boxwise study: {error}", file=sys.stderr)
        return 1
    if arguments.numbers:
        arguments.numbers.write_text(json.dumps(found.numbers, indent=1), encoding="utf-8")
    print(f"Signed with {found.public_key}; computed then by {found.code_then}, now by {found.code_now}.")
    if found.differences:
        print(f"{len(found.differences)} numbers differ:", *found.differences[:20], sep="\n  ")
        return 1
    if found.redefined:
        print(
            f"The bundle was computed with definition {found.definition_then} of the analysis; this version computes "
            f"definition {DEFINITION}. The measurement (times and phases of every field, checks of the record) is "
            f"identical. Defined otherwise, so not compared: {', '.join(found.redefined)}. For those numbers "
            f"as they stand in the bundle, run the code named above."
        )
        return 0
    if found.replaced:
        print(f"Computed otherwise by this version, so not compared: {', '.join(found.replaced)}.")
    if found.added:
        print(f"New since the bundle was written, so not compared: {', '.join(found.added)}.")
    print("Every number is identical (of the crossed models: to one part in ten thousand).")
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
    needed.add_argument("--design", choices=["crossover", "williams", "parallel"], default="crossover")
    needed.add_argument("--arms", type=int, choices=[2, 3, 4], default=2)
    for name in ("reader", "slope", "field", "residual"):  # no defaults: they are what a pilot is for
        needed.add_argument(f"--{name}-sd", type=float, required=True, help="SD of log seconds per cell")
    needed.add_argument("--studies", type=int, default=500)
    needed.add_argument("--dropout", type=float, default=0, help="per cent of readers who are lost, each by chance")
    needed.add_argument("--quality-margin", type=float, help="of Dice; absent: quality always passes")
    needed.add_argument("--quality-loss", type=float, default=0, help="of Dice, that the arm truly is worse by")
    needed.add_argument("--quality-sd", type=float, default=0.02, help="of readers, in the difference of their Dice")
    needed.add_argument("--text", action="store_true", help="print the sentences for the protocol's justification")
    arguments = parser.parse_args(argv)
    if arguments.command == "power":
        return _power(arguments)
    if arguments.command == "boxcell":
        from labeling.studies.analysis.summaries import BOXCELL, BOXCELL_REDUCTION, audit

        for finding in audit(BOXCELL, BOXCELL_REDUCTION):
            print(finding)
        return 0
    return _recompute(arguments)
